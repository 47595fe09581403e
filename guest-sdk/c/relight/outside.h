// The world outside: the log, effects, inline runs, HTTP.
#ifndef RELIGHT_OUTSIDE_H
#define RELIGHT_OUTSIDE_H

#include "operations.h"

// ---- Log ----

typedef enum { RELIGHT_TRACE, RELIGHT_DEBUG, RELIGHT_INFO, RELIGHT_WARN, RELIGHT_ERROR } relight_level;

// A line with fields in the host's log, not repeated while replaying.
RELIGHT_API void relight_log_fields(relight_level level, relight_str message, const relight_pair *fields,
                                    size_t field_count) {
  relight_abi_log(level, message.data, message.length, fields, field_count);
}

RELIGHT_API __attribute__((format(printf, 2, 3))) void relight_log(relight_level level, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  relight_log_fields(level, relight_vformat(format, arguments), NULL, 0);
  va_end(arguments);
}

#define relight_trace(...) relight_log(RELIGHT_TRACE, __VA_ARGS__)
#define relight_debug(...) relight_log(RELIGHT_DEBUG, __VA_ARGS__)
#define relight_info(...) relight_log(RELIGHT_INFO, __VA_ARGS__)
#define relight_warn(...) relight_log(RELIGHT_WARN, __VA_ARGS__)
#define relight_error(...) relight_log(RELIGHT_ERROR, __VA_ARGS__)

__attribute__((weak)) _Noreturn void relight_panic(const char *format, ...) {
  // Not on the heap: there may be none left.
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  size_t bytes = length < 0 ? 0 : (size_t)length < sizeof message ? (size_t)length : sizeof message - 1;
  // A character that was cut in two is left out.
  if (bytes < (size_t)(length < 0 ? 0 : length)) {
    while (bytes && ((unsigned char)message[bytes] & 0xc0) == 0x80) bytes--;
  }
  relight_abi_log(RELIGHT_ERROR, message, bytes, NULL, 0);
  __builtin_trap();
}

// ---- Effects ----

// What is absent comes from the effect's definition.
typedef struct {
  const relight_retry_policy *retry;
  uint64_t timeout_ms;
} relight_effect_options;

// Runs an effect of this component in an instance of its own. `options` may be NULL.
RELIGHT_API relight_handle relight_effect(const char *name, relight_str input, const relight_effect_options *options) {
  relight_abi_option_retry retry = relight_to_abi_retry(options ? options->retry : NULL);
  uint64_t timeout = options ? options->timeout_ms : 0;
  return relight_abi_effect(name, strlen(name), input.data, input.length, options != NULL,
                            RELIGHT_ABI_RETRY_VALUES(retry), timeout > 0, timeout);
}

// ---- Inline runs ----

// Work that is done only while its result is not recorded.
typedef relight_result relight_work(void *argument);

// Runs `work(argument)` here and now, once its place in the journal is durable. RELIGHT_OK and RELIGHT_FAILED are recorded, RELIGHT_RETRY
// asks for another attempt. What else the work changes in memory is gone when this returns. `retry` may be NULL: the host's policy.
RELIGHT_API relight_result relight_run(const char *name, relight_work *work, void *argument,
                                       const relight_retry_policy *retry) {
  relight_abi_option_retry policy = relight_to_abi_retry(retry);
  relight_abi_started started;
  relight_abi_run_start(name, strlen(name), RELIGHT_ABI_RETRY_VALUES(policy), &started);
  if (!started.is_live) {
    return started.recorded.is_error ? relight_failed(relight_from_abi_failure(started.recorded.failure))
                                     : relight_ok(started.recorded.value);
  }
  relight_result result = work(argument);
  switch (result.status) {
    case RELIGHT_OK:
      if (!result.has_value) result.value = relight_text("null");
      relight_abi_run_finish(RELIGHT_ABI_VALUE(result.value));
      break;
    case RELIGHT_RETRY:
      relight_abi_run_retry(result.failure.message.data, result.failure.message.length, result.retry_after_ms > 0,
                            result.retry_after_ms);
      break;
    default: relight_abi_run_finish(RELIGHT_ABI_FAILURE(result.failure));
  }
  __builtin_unreachable();  // The host ends the instance when a run is over.
}

// ---- HTTP, in effects and runs only ----

typedef struct {
  const char *method;  // NULL: GET
  relight_str url;
  const relight_pair *headers;
  size_t header_count;
  relight_str body;
  uint64_t timeout_ms;  // 0: the host's
} relight_request;

typedef enum {
  RELIGHT_HTTP_OK,  // whatever the status is
  RELIGHT_HTTP_DENIED,
  RELIGHT_HTTP_TIMEOUT,
  RELIGHT_HTTP_CONNECT,
  RELIGHT_HTTP_TOO_LARGE,
  RELIGHT_HTTP_OTHER,
} relight_http_error;

typedef struct {
  relight_http_error error;
  relight_str text;  // of the error
  uint16_t status;
  const relight_pair *headers;
  size_t header_count;
  relight_str body;
} relight_response;

RELIGHT_API relight_response relight_fetch(relight_request request) {
  const char *method = request.method ? request.method : "GET";
  relight_abi_fetch_result result;
  relight_abi_fetch(method, strlen(method), request.url.data, request.url.length, request.headers,
                    request.header_count, request.body.data, request.body.length, request.timeout_ms > 0,
                    request.timeout_ms, &result);
  relight_response response = {0};
  if (result.is_error) {
    static const char *const texts[] = {"the host is not allowed", "no answer in time", "no connection",
                                        "the request or the answer is too large", "the request failed"};
    bool has_text = result.error.kind == 0 || result.error.kind == 2 || result.error.kind == 4;
    response.error = (relight_http_error)(result.error.kind + 1);
    response.text = has_text ? result.error.text : relight_text(texts[result.error.kind]);
    return response;
  }
  response.status = result.response.status;
  response.headers = (const relight_pair *)result.response.headers.data;
  response.header_count = result.response.headers.length;
  response.body = result.response.body;
  return response;
}

// The body of an answer with a status below 400. Otherwise asks for another attempt, but for a request that will be denied again.
RELIGHT_API relight_result relight_response_body(relight_response response) {
  if (response.error == RELIGHT_HTTP_DENIED) return relight_fail(500, "%.*s", RELIGHT_ARG(response.text));
  if (response.error != RELIGHT_HTTP_OK) return relight_retry("%.*s", RELIGHT_ARG(response.text));
  if (response.status >= 400) {
    return relight_retry("status %d: %.*s", response.status, RELIGHT_ARG(response.body));
  }
  return relight_ok(response.body);
}

#endif
