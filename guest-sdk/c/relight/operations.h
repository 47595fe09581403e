// What a handler may do: read and write its key's state, start operations, wait for them. Starting never blocks; only the functions
// whose names begin with `relight_wait`, and `relight_sleep` and `relight_all`, which wait, can suspend a handler.
#ifndef RELIGHT_OPERATIONS_H
#define RELIGHT_OPERATIONS_H

#include "abi.h"
#include "json.h"

// An operation whose result may be pending.
typedef uint32_t relight_handle;

// ---- To and from the contract's types ----

RELIGHT_API relight_abi_option_str relight_abi_some(const char *text) {
  relight_abi_option_str option = {text != NULL, relight_text(text)};
  return option;
}

RELIGHT_API relight_abi_option_str relight_abi_some_str(relight_str text) {
  relight_abi_option_str option = {text.data != NULL, text};
  return option;
}

RELIGHT_API relight_failure relight_from_abi_failure(relight_abi_failure failure) {
  relight_failure result = {failure.code, failure.message, (const relight_pair *)failure.metadata.data,
                            failure.metadata.length};
  return result;
}

RELIGHT_API relight_result relight_from_abi_error(const relight_abi_wait_error *error) {
  if (!error->is_cancelled) return relight_failed(relight_from_abi_failure(error->failure));
  relight_result result = relight_fail(409, "cancelled");
  result.status = RELIGHT_CANCELLED;
  return result;
}

// The flat parameters of a result<bytes, failure>.
#define RELIGHT_ABI_VALUE(value) 0, (uint32_t)(uintptr_t)(value).data, (uint32_t)(value).length, 0, 0, 0
#define RELIGHT_ABI_FAILURE(failure)                                                                       \
  1, (failure).code, (uint32_t)(uintptr_t)(failure).message.data, (uint32_t)(failure).message.length,      \
      (uint32_t)(uintptr_t)(failure).metadata, (uint32_t)(failure).metadata_count

RELIGHT_API relight_abi_option_retry relight_to_abi_retry(const relight_retry_policy *policy) {
  relight_abi_option_retry option = {0};
  if (!policy) return option;
  relight_abi_retry_policy *to = &option.value;
  option.is_some = 1;
  to->initial_interval = policy->initial_interval_ms ? policy->initial_interval_ms : 50;
  to->factor = policy->factor >= 1 ? policy->factor : 2;
  to->max_interval = policy->max_interval_ms ? policy->max_interval_ms : 10000;
  // The first pause is never longer than the longest: the one that was given counts.
  if (to->initial_interval > to->max_interval) {
    if (policy->max_interval_ms) {
      to->initial_interval = to->max_interval;
    } else {
      to->max_interval = to->initial_interval;
    }
  }
  to->max_attempts.is_some = policy->max_attempts > 0;
  to->max_attempts.value = policy->max_attempts;
  to->max_duration.is_some = policy->max_duration_ms > 0;
  to->max_duration.value = policy->max_duration_ms;
  to->on_exhausted = policy->pause_when_exhausted;
  return option;
}

#define RELIGHT_ABI_RETRY_VALUES(option)                                                                    \
  (option).is_some, (option).value.initial_interval, (option).value.factor, (option).value.max_interval,    \
      (option).value.max_attempts.is_some, (option).value.max_attempts.value,                               \
      (option).value.max_duration.is_some, (option).value.max_duration.value, (option).value.on_exhausted

// ---- Who, when, chance: the same on every replay ----

typedef struct {
  relight_str id;
  relight_str service;
  relight_str key;  // nothing in a service
  relight_str handler;
  relight_str idempotency_key;  // nothing when there is none
  relight_str caller;           // nothing when it came through a door
  const relight_pair *headers;
  size_t header_count;
  uint64_t created_at_ms;
} relight_invocation;

RELIGHT_API relight_invocation relight_invocation_info(void) {
  relight_abi_invocation info;
  relight_abi_info(&info);
  relight_str nothing = {NULL, 0};
  relight_invocation result = {
      .id = info.id,
      .service = info.target.service,
      .key = info.target.key.is_some ? info.target.key.value : nothing,
      .handler = info.target.handler,
      .idempotency_key = info.idempotency_key.is_some ? info.idempotency_key.value : nothing,
      .caller = info.caller.is_some ? info.caller.value : nothing,
      .headers = (const relight_pair *)info.headers.data,
      .header_count = info.headers.length,
      .created_at_ms = info.created_at,
  };
  return result;
}

RELIGHT_API relight_str relight_key(void) { return relight_invocation_info().key; }

// The first header of a name, in lower case; nothing when there is none.
RELIGHT_API relight_str relight_header(const char *name) {
  relight_invocation info = relight_invocation_info();
  for (size_t i = 0; i < info.header_count; i++) {
    if (relight_is(info.headers[i].name, name)) return info.headers[i].value;
  }
  return relight_bytes(NULL, 0);
}

// Milliseconds since the Unix epoch. `time` of the C library answers the same, in seconds.
RELIGHT_API uint64_t relight_now(void) { return relight_abi_now(); }

RELIGHT_API relight_str relight_random_bytes(uint32_t length) {
  relight_str bytes;
  relight_abi_random(length, &bytes);
  return bytes;
}

RELIGHT_API uint64_t relight_random(void) {
  uint64_t number;
  memcpy(&number, relight_random_bytes(sizeof number).data, sizeof number);
  return number;
}

RELIGHT_API relight_str relight_uuid(void) {
  relight_str uuid;
  relight_abi_uuid(&uuid);
  return uuid;
}

// ---- State of the key ----

// False when there is no value.
RELIGHT_API bool relight_get(const char *name, relight_str *value) {
  relight_abi_option_str option;
  relight_abi_state_get(name, strlen(name), &option);
  *value = option.is_some ? option.value : relight_bytes(NULL, 0);
  return option.is_some;
}

RELIGHT_API int64_t relight_get_int(const char *name, int64_t otherwise) {
  relight_str json;
  int64_t value;
  if (!relight_get(name, &json)) return otherwise;
  if (!relight_json_int(json, &value)) relight_panic("the state `%s` is not an integer", name);
  return value;
}

// Nothing when there is no value.
RELIGHT_API relight_str relight_get_string(const char *name) {
  relight_str json, value;
  if (!relight_get(name, &json)) return json;
  if (!relight_json_string(json, &value)) relight_panic("the state `%s` is not a text", name);
  return value;
}

// JSON, as every reader of the state expects.
RELIGHT_API void relight_set(const char *name, relight_str json) {
  relight_abi_state_set(name, strlen(name), json.data, json.length);
}

RELIGHT_API void relight_set_int(const char *name, int64_t value) { relight_set(name, relight_json("%i", value)); }

RELIGHT_API void relight_set_string(const char *name, relight_str value) {
  relight_set(name, relight_json("%s", value));
}

RELIGHT_API void relight_clear(const char *name) { relight_abi_state_clear(name, strlen(name)); }

RELIGHT_API void relight_clear_all(void) { relight_abi_state_clear_all(); }

// The names of all values, in byte order.
RELIGHT_API const relight_str *relight_keys(size_t *count) {
  relight_abi_list list;
  relight_abi_state_keys(&list);
  *count = list.length;
  return (const relight_str *)list.data;
}

// ---- Waiting ----

RELIGHT_API relight_result relight_wait(relight_handle handle) {
  relight_abi_wait_result result;
  relight_abi_wait(handle, &result);
  if (result.is_error) return relight_from_abi_error(&result.error);
  relight_result value = {.status = RELIGHT_OK, .has_value = result.value.is_some, .value = result.value.value};
  if (!value.has_value) value.value = relight_bytes(NULL, 0);
  return value;
}

// The one that completed first, by its place in `handles`. Only fails when this invocation is cancelled.
RELIGHT_API relight_result relight_wait_any(const relight_handle *handles, size_t count, size_t *first) {
  relight_abi_wait_any_result result;
  relight_abi_wait_any(handles, count, &result);
  if (result.is_error) return relight_from_abi_error(&result.error);
  for (*first = 0; handles[*first] != result.handle;) ++*first;
  relight_result ok = {.status = RELIGHT_OK};
  return ok;
}

// Until all have completed, failed ones included. Only fails when this invocation is cancelled.
RELIGHT_API relight_result relight_wait_all(const relight_handle *handles, size_t count) {
  relight_abi_wait_any_result result;
  relight_abi_wait_all(handles, count, &result);
  if (result.is_error) return relight_from_abi_error(&result.error);
  relight_result ok = {.status = RELIGHT_OK};
  return ok;
}

// The values of all, in order; or the failure of the first, in order, that failed.
RELIGHT_API relight_result relight_all(const relight_handle *handles, size_t count, relight_str *values) {
  relight_result result = relight_wait_all(handles, count);
  for (size_t i = 0; i < count && result.status == RELIGHT_OK; i++) {
    result = relight_wait(handles[i]);
    values[i] = result.value;
  }
  return result;
}

// ---- Calls and sends ----

typedef struct {
  relight_str service;
  relight_str key;  // nothing for a service
  relight_str handler;
} relight_target;

// A handler of a service.
RELIGHT_API relight_target relight_service(const char *service, const char *handler) {
  relight_target target = {relight_text(service), {NULL, 0}, relight_text(handler)};
  return target;
}

// A handler of a virtual object or a workflow.
RELIGHT_API relight_target relight_object(const char *service, relight_str key, const char *handler) {
  // An empty key is a key, too.
  relight_target target = {relight_text(service), key.data ? key : relight_text(""), relight_text(handler)};
  return target;
}

// What is 0 is absent.
typedef struct {
  const char *name;  // shown in the journal
  relight_str idempotency_key;
  const relight_pair *headers;
  size_t header_count;
} relight_call_options;

// When something is due; made by the three functions below.
typedef relight_abi_due relight_due;

RELIGHT_API relight_due relight_at_once(void) {
  relight_due due = {0, 0};
  return due;
}
RELIGHT_API relight_due relight_at(uint64_t ms_since_epoch) {
  relight_due due = {1, ms_since_epoch};
  return due;
}
RELIGHT_API relight_due relight_after(uint64_t ms) {
  relight_due due = {2, ms};
  return due;
}

RELIGHT_API relight_abi_target relight_to_abi_target(relight_target target) {
  relight_abi_target result = {target.service, relight_abi_some_str(target.key), target.handler};
  return result;
}

RELIGHT_API relight_abi_call_options relight_to_abi_options(const relight_call_options *options) {
  relight_abi_call_options result = {0};
  if (!options) return result;
  result.is_some = 1;
  result.value.name = relight_abi_some(options->name);
  result.value.idempotency_key = relight_abi_some_str(options->idempotency_key);
  result.value.headers.data = options->headers;
  result.value.headers.length = options->header_count;
  return result;
}

// No input: `relight_bytes(NULL, 0)`. `options` may be NULL.
RELIGHT_API relight_handle relight_call(relight_target target, relight_str input,
                                        const relight_call_options *options) {
  relight_abi_call_arguments arguments = {relight_to_abi_target(target), input, relight_to_abi_options(options)};
  return relight_abi_call(&arguments);
}

// The invocation that a call started.
RELIGHT_API relight_str relight_callee(relight_handle call) {
  relight_str id;
  relight_abi_callee(call, &id);
  return id;
}

// The id of the invocation that it starts, now or later.
RELIGHT_API relight_str relight_send(relight_target target, relight_str input, relight_due due,
                                     const relight_call_options *options) {
  relight_abi_send_arguments arguments = {relight_to_abi_target(target), input, due,
                                          relight_to_abi_options(options)};
  relight_str id;
  relight_abi_send(&arguments, &id);
  return id;
}

// ---- Timers ----

// Completes, without a value, when the time has come. The name, which may be NULL, is shown in the journal.
RELIGHT_API relight_handle relight_timer(relight_due due, const char *name) {
  return relight_abi_timer(due.kind, due.ms, name != NULL, name, name ? strlen(name) : 0);
}

RELIGHT_API relight_result relight_sleep(uint64_t ms) { return relight_wait(relight_timer(relight_after(ms), NULL)); }

// ---- Awakeables, signals, promises ----

// A promise with a public id, for anyone outside to complete.
RELIGHT_API relight_handle relight_awakeable(relight_str *id) {
  relight_abi_awakeable_result result;
  relight_abi_awakeable(&result);
  *id = result.id;
  return result.handle;
}

RELIGHT_API void relight_resolve_awakeable(relight_str id, relight_str json) {
  relight_abi_resolve_awakeable(id.data, id.length, RELIGHT_ABI_VALUE(json));
}

RELIGHT_API void relight_reject_awakeable(relight_str id, relight_failure failure) {
  relight_abi_resolve_awakeable(id.data, id.length, RELIGHT_ABI_FAILURE(failure));
}

// The next value of a signal that is sent to this invocation.
RELIGHT_API relight_handle relight_signal(const char *name) { return relight_abi_signal(name, strlen(name)); }

RELIGHT_API void relight_send_signal(relight_str to, const char *name, relight_str json) {
  relight_abi_send_signal(to.data, to.length, name, strlen(name), RELIGHT_ABI_VALUE(json));
}

RELIGHT_API void relight_reject_signal(relight_str to, const char *name, relight_failure failure) {
  relight_abi_send_signal(to.data, to.length, name, strlen(name), RELIGHT_ABI_FAILURE(failure));
}

// A promise of this workflow: one value for its name and key, whoever completes it.
RELIGHT_API relight_handle relight_promise(const char *name) { return relight_abi_promise(name, strlen(name)); }

// Completes at once, without a value while the promise is open.
RELIGHT_API relight_handle relight_promise_peek(const char *name) {
  return relight_abi_promise_peek(name, strlen(name));
}

// Wait for it to learn whether it was the first: otherwise a failure 409.
RELIGHT_API relight_handle relight_resolve_promise(const char *name, relight_str json) {
  return relight_abi_promise_complete(name, strlen(name), RELIGHT_ABI_VALUE(json));
}

RELIGHT_API relight_handle relight_reject_promise(const char *name, relight_failure failure) {
  return relight_abi_promise_complete(name, strlen(name), RELIGHT_ABI_FAILURE(failure));
}

// ---- Other invocations ----

// Their result, when they have one.
RELIGHT_API relight_handle relight_attach(relight_str id) { return relight_abi_attach(id.data, id.length); }

// Completes soon, without a value while the invocation is not completed.
RELIGHT_API relight_handle relight_output(relight_str id) { return relight_abi_output(id.data, id.length); }

RELIGHT_API void relight_cancel(relight_str id) { relight_abi_cancel(id.data, id.length); }

#endif
