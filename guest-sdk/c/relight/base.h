// Texts, memory, results and failures: what everything else is made of.
#ifndef RELIGHT_BASE_H
#define RELIGHT_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Functions are `static`, so that several files of a component may include this header; each keeps what it uses.
#define RELIGHT_API static __attribute__((unused))
// Data that all files of a component share.
#define RELIGHT_SHARED_DATA __attribute__((weak))

// Bytes, by convention UTF-8. Whatever comes from this SDK has a zero behind it, so that `data` is a C string, too.
typedef struct {
  const char *data;
  size_t length;
} relight_str;

// For printf: `printf("%.*s", RELIGHT_ARG(text))`.
#define RELIGHT_ARG(text) (int)(text).length, (text).data

typedef struct {
  relight_str name;
  relight_str value;
} relight_pair;

// A terminal failure: it is a result, it is recorded, it is not retried.
typedef struct {
  uint16_t code;  // HTTP status, 400 to 599
  relight_str message;
  const relight_pair *metadata;
  size_t metadata_count;
} relight_failure;

typedef enum {
  RELIGHT_OK,
  RELIGHT_FAILED,     // `failure` says why
  RELIGHT_CANCELLED,  // this invocation was cancelled; `failure` is a 409 that can be returned as it is
  RELIGHT_RETRY,      // returned by handlers, effects and runs: try again; `failure.message` says why
} relight_status;

// How something ended: an operation that was waited for, a handler, an effect, a run.
typedef struct {
  relight_status status;
  bool has_value;  // false for a timer, an open promise, an invocation that is not completed
  relight_str value;
  relight_failure failure;
  uint64_t retry_after_ms;  // 0: by the policy
} relight_result;

// Returns what is not RELIGHT_OK to the caller of this function, whole; otherwise its value.
#define RELIGHT_TRY(result)                               \
  ({                                                      \
    relight_result relight_tried = (result);              \
    if (relight_tried.status != RELIGHT_OK) return relight_tried; \
    relight_tried.value;                                  \
  })

// ---- Memory ----

// A chunk is taken from malloc when the last one is used up. Larger requests get one of their own.
#define RELIGHT_CHUNK_BYTES ((size_t)32 << 10)
#define RELIGHT_ALIGN ((size_t)8)

typedef struct {
  char *next;
  char *end;
  char *last;  // begin of the last piece, which can grow in place
} relight_memory;

RELIGHT_SHARED_DATA relight_memory relight_memory_of_attempt;

// Ends the attempt; it is tried again by the retry policy. The message becomes the attempt's error.
_Noreturn void relight_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Memory for the rest of the attempt, never NULL.
RELIGHT_API void *relight_alloc(size_t bytes) {
  relight_memory *memory = &relight_memory_of_attempt;
  if (bytes > SIZE_MAX - RELIGHT_CHUNK_BYTES) relight_panic("out of memory");
  bytes = (bytes + RELIGHT_ALIGN - 1) & ~(RELIGHT_ALIGN - 1);
  if ((size_t)(memory->end - memory->next) < bytes) {
    size_t chunk = bytes > RELIGHT_CHUNK_BYTES / 4 ? bytes : RELIGHT_CHUNK_BYTES;
    char *data = (char *)malloc(chunk);
    if (!data) relight_panic("out of memory");
    // What is left of a chunk is more than a large piece leaves of its own.
    if (chunk == bytes) return data;
    memory->next = data;
    memory->end = data + chunk;
  }
  memory->last = memory->next;
  memory->next += bytes;
  return memory->last;
}

// The same piece, larger; its content stays.
RELIGHT_API void *relight_grow(void *piece, size_t old_bytes, size_t bytes) {
  relight_memory *memory = &relight_memory_of_attempt;
  if (piece && piece == memory->last && bytes <= (size_t)(memory->end - memory->last)) {
    memory->next = memory->last + ((bytes + RELIGHT_ALIGN - 1) & ~(RELIGHT_ALIGN - 1));
    return piece;
  }
  void *larger = relight_alloc(bytes);
  if (old_bytes) memcpy(larger, piece, old_bytes < bytes ? old_bytes : bytes);
  return larger;
}

// ---- Texts ----

RELIGHT_API relight_str relight_bytes(const void *data, size_t length) {
  relight_str text = {(const char *)data, length};
  return text;
}

// A C string.
RELIGHT_API relight_str relight_text(const char *text) { return relight_bytes(text, text ? strlen(text) : 0); }

// A copy with a zero behind it.
RELIGHT_API relight_str relight_copy(relight_str text) {
  char *copy = (char *)relight_alloc(text.length + 1);
  if (text.length) memcpy(copy, text.data, text.length);
  copy[text.length] = 0;
  return relight_bytes(copy, text.length);
}

RELIGHT_API relight_str relight_vformat(const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0) return relight_text("(a text that cannot be formatted)");
  char *text = (char *)relight_alloc((size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  return relight_bytes(text, (size_t)length);
}

// As sprintf, without a bound.
RELIGHT_API __attribute__((format(printf, 1, 2))) relight_str relight_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  relight_str text = relight_vformat(format, arguments);
  va_end(arguments);
  return text;
}

RELIGHT_API bool relight_equal(relight_str a, relight_str b) {
  return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

RELIGHT_API bool relight_is(relight_str text, const char *literal) {
  return relight_equal(text, relight_text(literal));
}

// ---- Results ----

// A result as it is: JSON by convention.
RELIGHT_API relight_result relight_ok(relight_str value) {
  relight_result result = {.status = RELIGHT_OK, .has_value = true, .value = value};
  return result;
}

RELIGHT_API relight_result relight_ok_null(void) { return relight_ok(relight_text("null")); }

RELIGHT_API relight_result relight_failed(relight_failure failure) {
  relight_result result = {.status = RELIGHT_FAILED, .failure = failure};
  return result;
}

// A terminal failure. A code outside of 400 to 599 becomes 500.
RELIGHT_API __attribute__((format(printf, 2, 3))) relight_result relight_fail(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  relight_failure failure = {.code = (uint16_t)(code >= 400 && code <= 599 ? code : 500),
                             .message = relight_vformat(format, arguments)};
  va_end(arguments);
  return relight_failed(failure);
}

// The same failure with one more fact for programs.
RELIGHT_API relight_result relight_with(relight_result result, const char *name, relight_str value) {
  size_t count = result.failure.metadata_count;
  relight_pair *metadata = (relight_pair *)relight_alloc((count + 1) * sizeof(relight_pair));
  if (count) memcpy(metadata, result.failure.metadata, count * sizeof(relight_pair));
  metadata[count].name = relight_text(name);
  metadata[count].value = value;
  result.failure.metadata = metadata;
  result.failure.metadata_count = count + 1;
  return result;
}

// Ask for another attempt, after `after_ms`; 0: by the retry policy.
RELIGHT_API __attribute__((format(printf, 2, 3))) relight_result relight_retry_after(uint64_t after_ms,
                                                                                    const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  relight_result result = {.status = RELIGHT_RETRY, .retry_after_ms = after_ms};
  result.failure.message = relight_vformat(format, arguments);
  va_end(arguments);
  return result;
}

// Ask for another attempt, by the retry policy.
#define relight_retry(...) relight_retry_after(0, __VA_ARGS__)

// ---- Time and retries ----

#define RELIGHT_SECONDS(n) ((uint64_t)(n) * 1000)
#define RELIGHT_MINUTES(n) RELIGHT_SECONDS((uint64_t)(n) * 60)
#define RELIGHT_HOURS(n) RELIGHT_MINUTES((uint64_t)(n) * 60)
#define RELIGHT_DAYS(n) RELIGHT_HOURS((uint64_t)(n) * 24)

// The n-th retry comes `initial_interval_ms * factor^(n-1)` after the failure, at most `max_interval_ms`. What is 0 is the default.
typedef struct {
  uint64_t initial_interval_ms;  // 50
  float factor;                  // 2
  uint64_t max_interval_ms;      // 10,000
  uint32_t max_attempts;         // no limit; the first one counts
  uint64_t max_duration_ms;      // no limit
  bool pause_when_exhausted;     // otherwise the failure becomes the result
} relight_retry_policy;

#endif
