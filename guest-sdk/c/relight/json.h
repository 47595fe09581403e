// JSON, as much as handlers need: values are read from their text where they stand, and written to a growing one.
//
// Reading checks: what is no JSON, is nested deeper than RELIGHT_JSON_DEPTH_MAX, or does not fit the type is refused, never guessed.
#ifndef RELIGHT_JSON_H
#define RELIGHT_JSON_H

#include "base.h"

// Deeper nesting would exhaust the stack of a hostile input's reader.
#define RELIGHT_JSON_DEPTH_MAX 100

// ---- Reading ----

RELIGHT_API bool relight_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

RELIGHT_API bool relight_json_digit(char c) { return c >= '0' && c <= '9'; }

RELIGHT_API const char *relight_json_skip(const char *at, const char *end) {
  while (at < end && relight_json_space(*at)) at++;
  return at;
}

// Four hexadecimal digits; -1 when they are none.
RELIGHT_API int relight_json_hex(const char *at, const char *end) {
  if (end - at < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    int digit = relight_json_digit(c)      ? c - '0'
                : (c >= 'a' && c <= 'f')   ? c - 'a' + 10
                : (c >= 'A' && c <= 'F')   ? c - 'A' + 10
                                           : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// Each of these gives the end of what begins at `at`, or NULL when that is not what it should be.
RELIGHT_API const char *relight_json_end_of_string(const char *at, const char *end) {
  if (at == end || *at++ != '"') return NULL;
  while (at < end) {
    unsigned char c = (unsigned char)*at++;
    if (c == '"') return at;
    if (c < 0x20) return NULL;
    if (c != '\\') continue;
    if (at == end) return NULL;
    char escape = *at++;
    if (escape == 'u') {
      int unit = relight_json_hex(at, end);
      if (unit < 0) return NULL;
      at += 4;
      if (unit >= 0xdc00 && unit <= 0xdfff) return NULL;
      if (unit >= 0xd800 && unit <= 0xdbff) {
        if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return NULL;
        int low = relight_json_hex(at + 2, end);
        if (low < 0xdc00 || low > 0xdfff) return NULL;
        at += 6;
      }
    } else if (!escape || !strchr("\"\\/bfnrt", escape)) {
      return NULL;
    }
  }
  return NULL;
}

RELIGHT_API const char *relight_json_end_of_number(const char *at, const char *end) {
  if (at < end && *at == '-') at++;
  if (at == end || !relight_json_digit(*at)) return NULL;
  if (*at == '0') {
    at++;
  } else {
    while (at < end && relight_json_digit(*at)) at++;
  }
  if (at < end && *at == '.') {
    at++;
    if (at == end || !relight_json_digit(*at)) return NULL;
    while (at < end && relight_json_digit(*at)) at++;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    if (at == end || !relight_json_digit(*at)) return NULL;
    while (at < end && relight_json_digit(*at)) at++;
  }
  return at;
}

RELIGHT_API const char *relight_json_end_of_value(const char *at, const char *end, int depth);

// Lists and objects.
RELIGHT_API const char *relight_json_end_of_many(const char *at, const char *end, int depth) {
  char closing = *at == '{' ? '}' : ']';
  if (depth >= RELIGHT_JSON_DEPTH_MAX) return NULL;
  at = relight_json_skip(at + 1, end);
  if (at < end && *at == closing) return at + 1;
  while (at < end) {
    if (closing == '}') {
      at = relight_json_end_of_string(at, end);
      if (!at) return NULL;
      at = relight_json_skip(at, end);
      if (at == end || *at++ != ':') return NULL;
      at = relight_json_skip(at, end);
    }
    at = relight_json_end_of_value(at, end, depth + 1);
    if (!at) return NULL;
    at = relight_json_skip(at, end);
    if (at == end) return NULL;
    if (*at == closing) return at + 1;
    if (*at++ != ',') return NULL;
    at = relight_json_skip(at, end);
  }
  return NULL;
}

RELIGHT_API const char *relight_json_end_of_word(const char *at, const char *end, const char *word) {
  size_t length = strlen(word);
  return (size_t)(end - at) >= length && memcmp(at, word, length) == 0 ? at + length : NULL;
}

RELIGHT_API const char *relight_json_end_of_value(const char *at, const char *end, int depth) {
  if (at == end) return NULL;
  switch (*at) {
    case '"': return relight_json_end_of_string(at, end);
    case '{':
    case '[': return relight_json_end_of_many(at, end, depth);
    case 't': return relight_json_end_of_word(at, end, "true");
    case 'f': return relight_json_end_of_word(at, end, "false");
    case 'n': return relight_json_end_of_word(at, end, "null");
    default: return relight_json_end_of_number(at, end);
  }
}

// The value without the space around it; nothing when it is not exactly one value.
RELIGHT_API relight_str relight_json_value(relight_str json) {
  const char *end = json.data + json.length, *at = relight_json_skip(json.data, end);
  const char *end_of_value = relight_json_end_of_value(at, end, 0);
  if (!end_of_value || relight_json_skip(end_of_value, end) != end) return relight_bytes(NULL, 0);
  return relight_bytes(at, (size_t)(end_of_value - at));
}

RELIGHT_API bool relight_json_is_null(relight_str json) { return relight_is(relight_json_value(json), "null"); }

RELIGHT_API bool relight_json_bool(relight_str json, bool *result) {
  json = relight_json_value(json);
  *result = relight_is(json, "true");
  return *result || relight_is(json, "false");
}

// A number without a fraction or an exponent that fits.
RELIGHT_API bool relight_json_int(relight_str json, int64_t *result) {
  json = relight_json_value(json);
  const char *at = json.data, *end = json.data + json.length;
  bool negative = at < end && *at == '-';
  if (negative) at++;
  if (at == end) return false;
  uint64_t value = 0, max = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
  for (; at < end; at++) {
    if (!relight_json_digit(*at)) return false;
    uint64_t digit = (uint64_t)(*at - '0');
    if (value > (max - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *result = negative ? (int64_t)(0 - value) : (int64_t)value;
  return true;
}

RELIGHT_API bool relight_json_double(relight_str json, double *result) {
  json = relight_json_value(json);
  if (!json.length || (*json.data != '-' && !relight_json_digit(*json.data))) return false;
  *result = strtod(relight_copy(json).data, NULL);
  return true;
}

RELIGHT_API char *relight_utf8(char *to, uint32_t character) {
  if (character < 0x80) {
    *to++ = (char)character;
  } else if (character < 0x800) {
    *to++ = (char)(0xc0 | character >> 6);
    *to++ = (char)(0x80 | (character & 0x3f));
  } else if (character < 0x10000) {
    *to++ = (char)(0xe0 | character >> 12);
    *to++ = (char)(0x80 | (character >> 6 & 0x3f));
    *to++ = (char)(0x80 | (character & 0x3f));
  } else {
    *to++ = (char)(0xf0 | character >> 18);
    *to++ = (char)(0x80 | (character >> 12 & 0x3f));
    *to++ = (char)(0x80 | (character >> 6 & 0x3f));
    *to++ = (char)(0x80 | (character & 0x3f));
  }
  return to;
}

// A text, without its quotes and escapes.
RELIGHT_API bool relight_json_string(relight_str json, relight_str *result) {
  json = relight_json_value(json);
  if (!json.length || *json.data != '"') return false;
  const char *at = json.data + 1, *end = json.data + json.length - 1;
  // No escape is shorter than what it stands for.
  char *text = (char *)relight_alloc(json.length), *to = text;
  while (at < end) {
    if (*at != '\\') {
      *to++ = *at++;
      continue;
    }
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char escape = at[1];
    at += 2;
    if (escape != 'u') {
      *to++ = into[strchr(from, escape) - from];
      continue;
    }
    uint32_t character = (uint32_t)relight_json_hex(at, end);
    at += 4;
    if (character >= 0xd800) {
      if (character <= 0xdbff) {
        character = 0x10000 + ((character - 0xd800) << 10) + ((uint32_t)relight_json_hex(at + 2, end) - 0xdc00);
        at += 6;
      }
    }
    to = relight_utf8(to, character);
  }
  *to = 0;
  *result = relight_bytes(text, (size_t)(to - text));
  return true;
}

// Goes through a list or an object: `relight_json_items items; relight_json_begin(list, &items); while (relight_json_next(&items)) …`
typedef struct {
  const char *at;
  const char *end;
  bool is_object;
  relight_str name;  // of an object's field
  relight_str value;
} relight_json_items;

// False when it is neither; then there is nothing to go through.
RELIGHT_API bool relight_json_begin(relight_str json, relight_json_items *items) {
  json = relight_json_value(json);
  memset(items, 0, sizeof *items);
  if (!json.length || (*json.data != '{' && *json.data != '[')) return false;
  items->is_object = *json.data == '{';
  items->at = json.data + 1;
  items->end = json.data + json.length - 1;
  return true;
}

RELIGHT_API bool relight_json_next(relight_json_items *items) {
  const char *at = relight_json_skip(items->at, items->end);
  if (at == items->end) return false;
  if (*at == ',') at = relight_json_skip(at + 1, items->end);
  if (items->is_object) {
    const char *end_of_name = relight_json_end_of_string(at, items->end);
    relight_json_string(relight_bytes(at, (size_t)(end_of_name - at)), &items->name);
    at = relight_json_skip(relight_json_skip(end_of_name, items->end) + 1, items->end);
  }
  const char *end = relight_json_end_of_value(at, items->end, 1);
  items->value = relight_bytes(at, (size_t)(end - at));
  items->at = end;
  return true;
}

// A field of an object; nothing, which is no value of any type, when there is none.
RELIGHT_API relight_str relight_json_field(relight_str json, const char *name) {
  relight_json_items items;
  relight_json_begin(json, &items);
  while (relight_json_next(&items)) {
    if (relight_is(items.name, name)) return items.value;
  }
  return relight_bytes(NULL, 0);
}

// ---- Inputs: a value, or the handler fails with 400 ----

#define RELIGHT_INPUT(type, function, json, what)                                        \
  ({                                                                                     \
    type relight_input_value;                                                            \
    if (!function(json, &relight_input_value)) return relight_fail(400, "%s is not " what, #json); \
    relight_input_value;                                                                 \
  })
#define RELIGHT_INPUT_INT(json) RELIGHT_INPUT(int64_t, relight_json_int, json, "an integer")
#define RELIGHT_INPUT_STRING(json) RELIGHT_INPUT(relight_str, relight_json_string, json, "a text")
#define RELIGHT_INPUT_BOOL(json) RELIGHT_INPUT(bool, relight_json_bool, json, "true or false")

// ---- Writing ----

// A text that grows.
typedef struct {
  char *data;
  size_t length;
  size_t capacity;
} relight_writer;

RELIGHT_API void relight_put(relight_writer *writer, const void *data, size_t length) {
  size_t needed = writer->length + length + 1;
  if (needed > writer->capacity) {
    size_t capacity = needed < 128 ? 128 : needed * 2;
    writer->data = (char *)relight_grow(writer->data, writer->length, capacity);
    writer->capacity = capacity;
  }
  if (length) memcpy(writer->data + writer->length, data, length);
  writer->length += length;
  writer->data[writer->length] = 0;
}

RELIGHT_API void relight_put_text(relight_writer *writer, const char *text) {
  relight_put(writer, text, strlen(text));
}

RELIGHT_API relight_str relight_written(const relight_writer *writer) {
  return relight_bytes(writer->data, writer->length);
}

// A text in quotes. Characters outside of ASCII stay as they are.
RELIGHT_API void relight_put_string(relight_writer *writer, relight_str text) {
  relight_put_text(writer, "\"");
  for (size_t i = 0, begin = 0; i <= text.length; i++) {
    unsigned char c = i < text.length ? (unsigned char)text.data[i] : 0;
    bool plain = i < text.length && c >= 0x20 && c != '"' && c != '\\';
    if (plain) continue;
    relight_put(writer, text.data + begin, i - begin);
    begin = i + 1;
    if (i == text.length) break;
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *found = c ? strchr(named, c) : NULL;
    char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    if (found) escape[1] = letters[found - named];
    relight_put(writer, escape, found ? 2 : 6);
  }
  relight_put_text(writer, "\"");
}

RELIGHT_API void relight_put_int(relight_writer *writer, int64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  uint64_t value = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  if (number < 0) relight_put_text(writer, "-");
  relight_put(writer, digits + at, sizeof digits - at);
}

// A number that reads back as the same one; `null` for what JSON has no number for.
RELIGHT_API void relight_put_double(relight_writer *writer, double number) {
  if (!__builtin_isfinite(number)) {
    relight_put_text(writer, "null");
    return;
  }
  relight_str text = relight_format("%.17g", number);
  relight_put(writer, text.data, text.length);
}

RELIGHT_API void relight_vwrite(relight_writer *writer, const char *format, va_list arguments) {
  for (; *format; format++) {
    if (*format != '%') {
      relight_put(writer, format, 1);
      continue;
    }
    switch (*++format) {
      case 's': relight_put_string(writer, va_arg(arguments, relight_str)); break;
      case 'z': relight_put_string(writer, relight_text(va_arg(arguments, const char *))); break;
      case 'i': relight_put_int(writer, va_arg(arguments, int64_t)); break;
      case 'f': relight_put_double(writer, va_arg(arguments, double)); break;
      case 'b': relight_put_text(writer, va_arg(arguments, int) ? "true" : "false"); break;
      case 'j': {
        relight_str json = va_arg(arguments, relight_str);
        relight_put(writer, json.data, json.length);
        break;
      }
      case '%': relight_put(writer, "%", 1); break;
      default: relight_panic("relight_write: `%%%c` is none of %%s %%z %%i %%f %%b %%j %%%%", *format);
    }
  }
}

// Adds JSON by a pattern: `%s` a relight_str as a text in quotes, `%z` the same with a C string, `%i` an int64_t, `%f` a double, `%b` a
// bool, `%j` a relight_str that is JSON already, `%%` a percent sign. Everything else is written as it stands.
RELIGHT_API void relight_write(relight_writer *writer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  relight_vwrite(writer, format, arguments);
  va_end(arguments);
}

// One value by a pattern, as `relight_write` takes it: `relight_json("{\"left\":%i}", left)`.
RELIGHT_API relight_str relight_json(const char *format, ...) {
  relight_writer writer = {0};
  va_list arguments;
  va_start(arguments, format);
  relight_vwrite(&writer, format, arguments);
  va_end(arguments);
  return relight_written(&writer);
}

RELIGHT_API relight_result relight_ok_int(int64_t value) { return relight_ok(relight_json("%i", value)); }

RELIGHT_API relight_result relight_ok_bool(bool value) { return relight_ok(relight_text(value ? "true" : "false")); }

RELIGHT_API relight_result relight_ok_string(relight_str value) { return relight_ok(relight_json("%s", value)); }

#endif
