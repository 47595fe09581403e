// The virtual object: values by key.
#include "portable.h"

// Adds to the count; what would make it negative is refused.
static relight_result add(relight_str input) {
  int64_t amount = RELIGHT_INPUT_INT(input);
  int64_t count = relight_get_int("count", 0) + amount;
  if (count < 0) {
    relight_result failure = relight_fail(422, "the count would be negative");
    failure = relight_with(failure, "count", relight_json("%i", count));
    return relight_with(failure, "shelf", relight_key());
  }
  relight_set_int("count", count);
  return relight_ok_int(count);
}

static relight_result put(relight_str input) {
  relight_str name = RELIGHT_INPUT_STRING(relight_json_field(input, "name"));
  relight_set_string(name.data, RELIGHT_INPUT_STRING(relight_json_field(input, "value")));
  return relight_ok_null();
}

static relight_result read(relight_str input) {
  relight_str value;
  return relight_get(RELIGHT_INPUT_STRING(input).data, &value) ? relight_ok(value) : relight_ok_null();
}

static void put_names(relight_writer *list) {
  size_t count;
  const relight_str *names = relight_keys(&count);
  relight_write(list, "[");
  for (size_t i = 0; i < count; i++) relight_write(list, i ? ",%s" : "%s", names[i]);
  relight_write(list, "]");
}

static relight_result names(relight_str input) {
  relight_writer list = {0};
  put_names(&list);
  return relight_ok(relight_written(&list));
}

static relight_result drop(relight_str input) {
  relight_clear(RELIGHT_INPUT_STRING(input).data);
  return relight_ok_null();
}

static relight_result empty(relight_str input) {
  relight_clear_all();
  return relight_ok_null();
}

static void put_state(relight_writer *list, const char *name) {
  relight_str value;
  relight_write(list, "%j,", relight_get(name, &value) ? value : relight_text("null"));
}

// A handler sees what it has written itself, and reads that without an entry.
static relight_result own_writes(relight_str input) {
  relight_writer list = {0};
  relight_write(&list, "[");
  put_state(&list, "a");
  relight_set_int("b", 2);
  relight_set_int("a", 1);
  put_state(&list, "a");
  relight_clear("a");
  put_state(&list, "a");
  relight_clear_all();
  put_state(&list, "b");
  put_names(&list);
  relight_write(&list, "]");
  return relight_ok(relight_written(&list));
}

// Waits for an awakeable whose id is in the state.
static relight_result hold(relight_str input) {
  relight_str id;
  relight_handle value = relight_awakeable(&id);
  relight_set_string("awakeable", id);
  return relight_wait(value);
}

RELIGHT_OBJECT(shelf, "Shelf", {"add", add}, {"put", put}, {"read", read, RELIGHT_SHARED},
               {"names", names, RELIGHT_SHARED}, {"drop", drop}, {"empty", empty}, {"own_writes", own_writes},
               {"hold", hold});
