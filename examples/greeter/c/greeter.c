// The smallest service and the smallest virtual object. How to run it: see ../README.md.
#include <relight.h>

static relight_str trimmed(relight_str text) {
  while (text.length && strchr(" \t\r\n", text.data[0])) text.data++, text.length--;
  while (text.length && strchr(" \t\r\n", text.data[text.length - 1])) text.length--;
  return relight_copy(text);
}

// Greets somebody, and remembers how often.
static relight_result greet(relight_str request) {
  relight_str name = trimmed(RELIGHT_INPUT_STRING(relight_json_field(request, "name")));
  if (!name.length) return relight_fail(400, "nobody to greet: `name` is empty");
  relight_handle call = relight_call(relight_object("Counter", name, "add"), relight_text("1"), NULL);
  relight_str visit = RELIGHT_TRY(relight_wait(call));
  relight_str message = relight_format("Hello, %s!", name.data);
  return relight_ok(relight_json("{\"message\":%s,\"visit\":%j}", message, visit));
}

// Adds to the counter and returns its new value.
static relight_result add(relight_str input) {
  int64_t value = relight_get_int("value", 0);
  if (__builtin_add_overflow(value, RELIGHT_INPUT_INT(input), &value)) {
    return relight_fail(422, "the counter is full");
  }
  relight_set_int("value", value);
  return relight_ok_int(value);
}

// The counter's value.
static relight_result get(relight_str input) { return relight_ok_int(relight_get_int("value", 0)); }

#define GREETING                                                                                        \
  "{\"type\":\"object\",\"required\":[\"message\",\"visit\"],\"properties\":"                           \
  "{\"message\":{\"type\":\"string\"},\"visit\":{\"type\":\"integer\"}}}"
#define REQUEST "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":\"string\"}}}"
#define NUMBER "{\"type\":\"integer\"}"

RELIGHT_SERVICE(greeter, "Greeter",
                {"greet", greet, .documentation = "Greet somebody.", .input_required = true, .input_schema = REQUEST,
                 .output_schema = GREETING});
RELIGHT_OBJECT(counter, "Counter",
               {"add", add, .documentation = "Add to the counter and return its new value.", .input_required = true,
                .input_schema = NUMBER, .output_schema = NUMBER},
               {"get", get, RELIGHT_SHARED, .documentation = "The counter's value.", .output_schema = NUMBER});

RELIGHT_EXPORT((&greeter, &counter));
