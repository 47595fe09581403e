// The contract in C: the functions of `relight:handler@0.1.0` as the canonical ABI lays them out, and nothing else.
//
// A record is a struct with the same fields in the same order; an option is a tag and a value; a variant is a tag and a union; texts
// and lists are an address and a length. More than 16 flat parameters become a pointer to a struct of them, and a result that is
// more than one number is written where the last parameter points.
#ifndef RELIGHT_ABI_H
#define RELIGHT_ABI_H

#include "base.h"

#define RELIGHT_PACKAGE(interface) "relight:handler/" interface "@0.1.0"
#define RELIGHT_IMPORT(interface, name) \
  __attribute__((import_module(RELIGHT_PACKAGE(interface)), import_name(name))) extern
#define RELIGHT_HANDLER_EXPORT(name) __attribute__((export_name(RELIGHT_PACKAGE("handler") "#" name)))

typedef struct {
  const void *data;
  size_t length;
} relight_abi_list;

typedef struct {
  uint8_t is_some;
  relight_str value;
} relight_abi_option_str;

typedef struct {
  uint8_t is_some;
  uint64_t value;
} relight_abi_option_u64;

typedef struct {
  uint8_t is_some;
  uint32_t value;
} relight_abi_option_u32;

typedef struct {
  uint8_t is_some;
  uint8_t value;
} relight_abi_option_bool;

typedef struct {
  uint16_t code;
  relight_str message;
  relight_abi_list metadata;
} relight_abi_failure;

typedef struct {
  relight_str service;
  relight_abi_option_str key;
  relight_str handler;
} relight_abi_target;

typedef struct {
  uint64_t initial_interval;
  float factor;
  uint64_t max_interval;
  relight_abi_option_u32 max_attempts;
  relight_abi_option_u64 max_duration;
  uint8_t on_exhausted;
} relight_abi_retry_policy;

typedef struct {
  uint8_t is_some;
  relight_abi_retry_policy value;
} relight_abi_option_retry;

// variant wait-error { failed(failure), cancelled }
typedef struct {
  uint8_t is_cancelled;
  relight_abi_failure failure;
} relight_abi_wait_error;

// result<bytes, failure>
typedef struct {
  uint8_t is_error;
  union {
    relight_str value;
    relight_abi_failure failure;
  };
} relight_abi_outcome;

// ---- context ----

typedef struct {
  relight_str id;
  relight_abi_target target;
  relight_abi_option_str idempotency_key;
  relight_abi_option_str caller;
  relight_abi_list headers;
  uint64_t created_at;
} relight_abi_invocation;

RELIGHT_IMPORT("context", "info") void relight_abi_info(relight_abi_invocation *result);
RELIGHT_IMPORT("context", "now") uint64_t relight_abi_now(void);
RELIGHT_IMPORT("context", "random") void relight_abi_random(uint32_t length, relight_str *result);
RELIGHT_IMPORT("context", "uuid") void relight_abi_uuid(relight_str *result);

// ---- state ----

RELIGHT_IMPORT("state", "get")
void relight_abi_state_get(const char *key, size_t key_length, relight_abi_option_str *result);
RELIGHT_IMPORT("state", "keys") void relight_abi_state_keys(relight_abi_list *result);
RELIGHT_IMPORT("state", "set")
void relight_abi_state_set(const char *key, size_t key_length, const char *value, size_t value_length);
RELIGHT_IMPORT("state", "clear") void relight_abi_state_clear(const char *key, size_t key_length);
RELIGHT_IMPORT("state", "clear-all") void relight_abi_state_clear_all(void);

// ---- ops ----

// variant due { now, at(timestamp), after(duration) }
typedef struct {
  uint8_t kind;
  uint64_t ms;
} relight_abi_due;

typedef struct {
  uint8_t is_some;
  struct {
    relight_abi_option_str name;
    relight_abi_option_str idempotency_key;
    relight_abi_list headers;
  } value;
} relight_abi_call_options;

typedef struct {
  relight_abi_target target;
  relight_str input;
  relight_abi_call_options options;
} relight_abi_call_arguments;

typedef struct {
  relight_abi_target target;
  relight_str input;
  relight_abi_due due;
  relight_abi_call_options options;
} relight_abi_send_arguments;

typedef struct {
  uint32_t handle;
  relight_str id;
} relight_abi_awakeable_result;

// A result<bytes, failure> as flat parameters: `a` and `b` are a value's address and length, or `a` is a failure's code.
#define RELIGHT_ABI_OUTCOME uint32_t is_error, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e

RELIGHT_IMPORT("ops", "call") uint32_t relight_abi_call(const relight_abi_call_arguments *arguments);
RELIGHT_IMPORT("ops", "callee") void relight_abi_callee(uint32_t call, relight_str *result);
RELIGHT_IMPORT("ops", "send")
void relight_abi_send(const relight_abi_send_arguments *arguments, relight_str *result);
RELIGHT_IMPORT("ops", "timer")
uint32_t relight_abi_timer(uint32_t due, uint64_t ms, uint32_t has_name, const char *name, size_t name_length);
RELIGHT_IMPORT("ops", "awakeable") void relight_abi_awakeable(relight_abi_awakeable_result *result);
RELIGHT_IMPORT("ops", "resolve-awakeable")
void relight_abi_resolve_awakeable(const char *id, size_t id_length, RELIGHT_ABI_OUTCOME);
RELIGHT_IMPORT("ops", "signal") uint32_t relight_abi_signal(const char *name, size_t name_length);
RELIGHT_IMPORT("ops", "send-signal")
void relight_abi_send_signal(const char *to, size_t to_length, const char *name, size_t name_length,
                             RELIGHT_ABI_OUTCOME);
RELIGHT_IMPORT("ops", "promise") uint32_t relight_abi_promise(const char *name, size_t name_length);
RELIGHT_IMPORT("ops", "promise-peek") uint32_t relight_abi_promise_peek(const char *name, size_t name_length);
RELIGHT_IMPORT("ops", "promise-complete")
uint32_t relight_abi_promise_complete(const char *name, size_t name_length, RELIGHT_ABI_OUTCOME);
RELIGHT_IMPORT("ops", "attach") uint32_t relight_abi_attach(const char *id, size_t id_length);
RELIGHT_IMPORT("ops", "output") uint32_t relight_abi_output(const char *id, size_t id_length);
RELIGHT_IMPORT("ops", "cancel") void relight_abi_cancel(const char *id, size_t id_length);

// An option<retry-policy> as flat parameters.
#define RELIGHT_ABI_RETRY                                                                            \
  uint32_t has_retry, uint64_t initial_interval, float factor, uint64_t max_interval,                \
      uint32_t has_max_attempts, uint32_t max_attempts, uint32_t has_max_duration, uint64_t max_duration, \
      uint32_t on_exhausted

RELIGHT_IMPORT("ops", "effect")
uint32_t relight_abi_effect(const char *name, size_t name_length, const char *input, size_t input_length,
                            uint32_t has_options, RELIGHT_ABI_RETRY, uint32_t has_timeout, uint64_t timeout);

// ---- waiting ----

// result<option<bytes>, wait-error>
typedef struct {
  uint8_t is_error;
  union {
    relight_abi_option_str value;
    relight_abi_wait_error error;
  };
} relight_abi_wait_result;

// result<handle, wait-error>, also for result<_, wait-error>
typedef struct {
  uint8_t is_error;
  union {
    uint32_t handle;
    relight_abi_wait_error error;
  };
} relight_abi_wait_any_result;

RELIGHT_IMPORT("waiting", "wait") void relight_abi_wait(uint32_t handle, relight_abi_wait_result *result);
RELIGHT_IMPORT("waiting", "wait-any")
void relight_abi_wait_any(const uint32_t *handles, size_t count, relight_abi_wait_any_result *result);
RELIGHT_IMPORT("waiting", "wait-all")
void relight_abi_wait_all(const uint32_t *handles, size_t count, relight_abi_wait_any_result *result);

// ---- inline-run ----

// variant started { recorded(result<bytes, failure>), live }
typedef struct {
  uint8_t is_live;
  relight_abi_outcome recorded;
} relight_abi_started;

RELIGHT_IMPORT("inline-run", "start")
void relight_abi_run_start(const char *name, size_t name_length, RELIGHT_ABI_RETRY, relight_abi_started *result);
RELIGHT_IMPORT("inline-run", "finish") void relight_abi_run_finish(RELIGHT_ABI_OUTCOME);
RELIGHT_IMPORT("inline-run", "retry")
void relight_abi_run_retry(const char *message, size_t message_length, uint32_t has_after, uint64_t after);

// ---- http ----

typedef struct {
  uint16_t status;
  relight_abi_list headers;
  relight_str body;
} relight_abi_http_response;

// result<response, error>; error: denied, timeout, connect, too-large, other
typedef struct {
  uint8_t is_error;
  union {
    relight_abi_http_response response;
    struct {
      uint8_t kind;
      relight_str text;
    } error;
  };
} relight_abi_fetch_result;

RELIGHT_IMPORT("http", "fetch")
void relight_abi_fetch(const char *method, size_t method_length, const char *url, size_t url_length,
                       const relight_pair *headers, size_t header_count, const char *body, size_t body_length,
                       uint32_t has_timeout, uint64_t timeout, relight_abi_fetch_result *result);

// ---- log ----

RELIGHT_IMPORT("log", "log")
void relight_abi_log(uint32_t level, const char *message, size_t message_length, const relight_pair *fields,
                     size_t field_count);

// ---- definition ----

typedef struct {
  uint8_t required;
  relight_abi_option_str content_type;
  relight_abi_option_str json_schema;
} relight_abi_payload;

typedef struct {
  relight_abi_option_bool is_public;
  relight_abi_option_u64 inactivity_timeout;
  relight_abi_option_u64 abort_timeout;
  relight_abi_option_u64 idempotency_retention;
  relight_abi_option_u64 journal_retention;
  relight_abi_option_retry retry;
} relight_abi_options;

typedef struct {
  relight_str name;
  uint8_t mode;
  relight_abi_payload input;
  relight_abi_payload output;
  relight_abi_option_str documentation;
  relight_abi_options options;
  relight_abi_list metadata;
} relight_abi_handler;

typedef struct {
  relight_str name;
  relight_abi_option_str documentation;
  relight_abi_option_retry retry;
  relight_abi_option_u64 timeout;
} relight_abi_effect_def;

typedef struct {
  relight_str name;
  uint8_t kind;
  relight_abi_list handlers;
  relight_abi_option_str documentation;
  relight_abi_options options;
  relight_abi_list metadata;
} relight_abi_service;

typedef struct {
  relight_str sdk;
  relight_abi_list services;
  relight_abi_list effects;
} relight_abi_manifest;

// ---- handler ----

// result<bytes, attempt-error>; attempt-error: retryable(tuple<string, option<duration>>), terminal(failure)
typedef struct {
  uint8_t is_error;
  union {
    relight_str value;
    struct {
      uint8_t is_terminal;
      union {
        struct {
          relight_str message;
          relight_abi_option_u64 after;
        } retryable;
        relight_abi_failure failure;
      };
    } error;
  };
} relight_abi_attempt_result;

// The sizes that the canonical ABI gives these; a struct that says otherwise would be read as something else.
_Static_assert(sizeof(relight_abi_failure) == 20, "failure");
_Static_assert(sizeof(relight_abi_target) == 28, "target");
_Static_assert(sizeof(relight_abi_retry_policy) == 56, "retry-policy");
_Static_assert(sizeof(relight_abi_invocation) == 80, "invocation-info");
_Static_assert(sizeof(relight_abi_call_arguments) == 72, "parameters of call");
_Static_assert(sizeof(relight_abi_send_arguments) == 96, "parameters of send");
_Static_assert(sizeof(relight_abi_wait_result) == 28, "result of wait");
_Static_assert(sizeof(relight_abi_options) == 136, "options");
_Static_assert(sizeof(relight_abi_handler) == 224, "handler-def");
_Static_assert(sizeof(relight_abi_attempt_result) == 40, "result of invoke");

#endif
