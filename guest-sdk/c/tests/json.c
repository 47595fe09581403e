// The SDK's JSON, on the machine that builds it: `cc -std=gnu11 -I .. json.c && ./a.out`. Ends with 1 and a line for each mistake.
#include "relight/base.h"
#include "relight/json.h"

void relight_panic(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  exit(2);
}

static int mistakes;

static void expect(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "%s\n", what);
  mistakes++;
}

// A text in JSON is read as `text`, or not at all when that is NULL.
static void reads_string(const char *json, const char *text) {
  relight_str value = {NULL, 0};
  bool is_string = relight_json_string(relight_text(json), &value);
  expect(is_string == (text != NULL) && (!text || relight_is(value, text)), json);
}

static void reads_int(const char *json, bool is_int, int64_t expected) {
  int64_t value = 0;
  expect(relight_json_int(relight_text(json), &value) == is_int && (!is_int || value == expected), json);
}

static void is_value(const char *json, bool expected) {
  expect((relight_json_value(relight_text(json)).length > 0) == expected, json);
}

static void strings(void) {
  reads_string("\"\"", "");
  reads_string(" \"gr\xc3\xbc\xc3\x9f" "e\"\n", "gr\xc3\xbc\xc3\x9f" "e");
  reads_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
  reads_string("\"\\u0041\\u00e9\\u20ac\\ud83c\\udfad\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xad");
  reads_string("\"\\uD83C\\uDFAD\\uFFFD\"", "\xf0\x9f\x8e\xad\xef\xbf\xbd");
  static const char *const wrong[] = {"\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u12\"", "\"\\ud83c\"", "\"\\ud83c\\u0041\"",
                                      "\"\\udfad\"", "\"\n\"", "\"a\" b", "a", "7", "null", "", "\"\\"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) reads_string(wrong[i], NULL);
}

static void numbers(void) {
  reads_int("0", true, 0);
  reads_int(" -7 ", true, -7);
  reads_int("9223372036854775807", true, INT64_MAX);
  reads_int("-9223372036854775808", true, INT64_MIN);
  static const char *const wrong[] = {"9223372036854775808", "-9223372036854775809", "99999999999999999999", "1.0", "1e3", "01",
                                      "-", "+1", "1 2", "\"1\"", "", "0x1"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) reads_int(wrong[i], false, 0);
  double value;
  expect(relight_json_double(relight_text("-1.5e2"), &value) && value == -150, "-1.5e2");
  expect(!relight_json_double(relight_text("1."), &value), "1.");
  expect(!relight_json_double(relight_text("NaN"), &value), "NaN");
}

static void structures(void) {
  is_value("{\"a\":[1,{\"b\":null}],\"c\":true}", true);
  is_value("[]", true);
  is_value(" { } ", true);
  static const char *const wrong[] = {"[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "[1", "{\"a\":1", "[1]]",
                                      "tru", "truex", "[1 2]", "{\"a\" 1}", "{1:2}"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) is_value(wrong[i], false);
  char deep[2 * 200 + 1] = {0};
  for (int depth = 90; depth <= 200; depth += 110) {
    memset(deep, '[', (size_t)depth);
    memset(deep + depth, ']', (size_t)depth);
    deep[2 * depth] = 0;
    is_value(deep, depth <= RELIGHT_JSON_DEPTH_MAX);
  }

  relight_str object = relight_text("{ \"\\u0061\" : 1 , \"b\":[ 2, \"x\" ,{}], \"a\":3 }");
  int64_t number;
  expect(relight_json_int(relight_json_field(object, "a"), &number) && number == 1, "the first field counts");
  expect(relight_json_field(object, "c").data == NULL, "a field that is not there");
  relight_json_items items;
  relight_json_begin(relight_json_field(object, "b"), &items);
  static const char *const values[] = {"2", "\"x\"", "{}"};
  size_t count = 0;
  for (; relight_json_next(&items); count++) expect(count < 3 && relight_is(items.value, values[count]), "an item");
  expect(count == 3, "three items");
  expect(!relight_json_begin(relight_text("7"), &items) && !relight_json_next(&items), "a number has no items");
}

static void writing(void) {
  relight_str text = relight_bytes("a\"\\\n\x01\0\xc3\xbc", 8);
  expect(relight_is(relight_json("%s", text), "\"a\\\"\\\\\\n\\u0001\\u0000\xc3\xbc\""), "escapes");
  expect(relight_is(relight_json("{%z:%i,\"b\":%b,\"j\":%j}%%", "n", INT64_MIN, true, relight_text("[1]")),
                    "{\"n\":-9223372036854775808,\"b\":true,\"j\":[1]}%"),
         "a pattern");
  expect(relight_is(relight_json("%f %f", 0.5, 1.0 / 0.0), "0.5 null"), "doubles");
  relight_writer writer = {0};
  for (int i = 0; i < 100000; i++) relight_write(&writer, "%i,", (int64_t)7);
  expect(writer.length == 200000 && writer.data[199999] == ',', "it grows");
}

int main(void) {
  strings();
  numbers();
  structures();
  writing();
  return mistakes > 0;
}
