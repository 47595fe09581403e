// What a component is made of: tables of services, handlers and effects, and the exports that look into them.
#ifndef RELIGHT_COMPONENT_H
#define RELIGHT_COMPONENT_H

#include "outside.h"

#define RELIGHT_SDK "relight-c/0.1.0"

typedef enum { RELIGHT_KIND_SERVICE, RELIGHT_KIND_OBJECT, RELIGHT_KIND_WORKFLOW } relight_kind;

typedef enum {
  RELIGHT_DEFAULT,  // exclusive; shared in a workflow
  RELIGHT_EXCLUSIVE,
  RELIGHT_SHARED,
  RELIGHT_RUN,  // of a workflow
} relight_mode;

// The input as it came: JSON by convention, nothing where there is none.
typedef relight_result relight_handler_function(relight_str input);

// What is 0 is taken from the service, then from the host.
typedef struct {
  bool is_private;  // for other handlers only
  uint64_t inactivity_timeout_ms;
  uint64_t abort_timeout_ms;
  uint64_t idempotency_retention_ms;
  uint64_t journal_retention_ms;
  const relight_retry_policy *retry;
} relight_options;

typedef struct {
  const char *name;
  relight_handler_function *run;
  relight_mode mode;
  const char *documentation;
  bool input_required;        // an empty body is refused
  const char *input_schema;   // JSON Schema, as text
  const char *output_schema;
  relight_options options;
} relight_handler;

typedef struct {
  const char *name;
  relight_kind kind;
  const relight_handler *handlers;
  size_t handler_count;
  const char *documentation;
  relight_options options;
} relight_service_def;

// The attempt of an effect that is running: its number, 1 for the first, and a key that is the same for all of them.
typedef struct {
  uint32_t number;
  relight_str idempotency_key;
} relight_attempt;

typedef relight_result relight_effect_function(relight_str input, relight_attempt attempt);

typedef struct {
  const char *name;
  relight_effect_function *run;
  const relight_retry_policy *retry;
  uint64_t timeout_ms;
  const char *documentation;
} relight_effect_def;

#define RELIGHT_DEFINE(id, name_, kind_, ...)                               \
  static const relight_handler id##_handlers[] = {__VA_ARGS__};            \
  const relight_service_def id = {.name = (name_),                         \
                                  .kind = (kind_),                         \
                                  .handlers = id##_handlers,               \
                                  .handler_count = sizeof id##_handlers / sizeof *id##_handlers}

// RELIGHT_OBJECT(counter, "Counter", {"add", add}, {"get", get, RELIGHT_SHARED});
#define RELIGHT_SERVICE(id, name, ...) RELIGHT_DEFINE(id, name, RELIGHT_KIND_SERVICE, __VA_ARGS__)
#define RELIGHT_OBJECT(id, name, ...) RELIGHT_DEFINE(id, name, RELIGHT_KIND_OBJECT, __VA_ARGS__)
#define RELIGHT_WORKFLOW(id, name, ...) RELIGHT_DEFINE(id, name, RELIGHT_KIND_WORKFLOW, __VA_ARGS__)

// ---- describe ----

RELIGHT_API relight_abi_option_u64 relight_abi_some_u64(uint64_t value) {
  relight_abi_option_u64 option = {value > 0, value};
  return option;
}

RELIGHT_API relight_abi_options relight_to_abi_handler_options(const relight_options *options) {
  relight_abi_options result = {
      .is_public = {options->is_private, 0},
      .inactivity_timeout = relight_abi_some_u64(options->inactivity_timeout_ms),
      .abort_timeout = relight_abi_some_u64(options->abort_timeout_ms),
      .idempotency_retention = relight_abi_some_u64(options->idempotency_retention_ms),
      .journal_retention = relight_abi_some_u64(options->journal_retention_ms),
      .retry = relight_to_abi_retry(options->retry),
  };
  return result;
}

RELIGHT_API uint8_t relight_to_abi_mode(relight_kind kind, relight_mode mode) {
  if (mode == RELIGHT_DEFAULT) mode = kind == RELIGHT_KIND_WORKFLOW ? RELIGHT_SHARED : RELIGHT_EXCLUSIVE;
  return (uint8_t)(mode - RELIGHT_EXCLUSIVE);
}

RELIGHT_API relight_abi_handler relight_to_abi_handler(relight_kind kind, const relight_handler *handler) {
  relight_abi_handler result = {
      .name = relight_text(handler->name),
      .mode = relight_to_abi_mode(kind, handler->mode),
      .input = {.required = handler->input_required, .json_schema = relight_abi_some(handler->input_schema)},
      .output = {.json_schema = relight_abi_some(handler->output_schema)},
      .documentation = relight_abi_some(handler->documentation),
      .options = relight_to_abi_handler_options(&handler->options),
  };
  if (handler->input_schema) result.input.content_type = relight_abi_some("application/json");
  result.output.content_type = relight_abi_some("application/json");
  return result;
}

RELIGHT_API relight_abi_service relight_to_abi_service(const relight_service_def *service) {
  relight_abi_handler *handlers =
      (relight_abi_handler *)relight_alloc(service->handler_count * sizeof(relight_abi_handler));
  for (size_t i = 0; i < service->handler_count; i++) {
    handlers[i] = relight_to_abi_handler(service->kind, &service->handlers[i]);
  }
  relight_abi_service result = {
      .name = relight_text(service->name),
      .kind = (uint8_t)service->kind,
      .handlers = {handlers, service->handler_count},
      .documentation = relight_abi_some(service->documentation),
      .options = relight_to_abi_handler_options(&service->options),
  };
  return result;
}

RELIGHT_API relight_abi_manifest *relight_describe(const relight_service_def *const *services,
                                                   const relight_effect_def *effects) {
  size_t service_count = 0, effect_count = 0;
  while (services[service_count]) service_count++;
  while (effects[effect_count].name) effect_count++;
  relight_abi_service *service_defs =
      (relight_abi_service *)relight_alloc(service_count * sizeof(relight_abi_service));
  for (size_t i = 0; i < service_count; i++) service_defs[i] = relight_to_abi_service(services[i]);
  relight_abi_effect_def *effect_defs =
      (relight_abi_effect_def *)relight_alloc(effect_count * sizeof(relight_abi_effect_def));
  for (size_t i = 0; i < effect_count; i++) {
    effect_defs[i].name = relight_text(effects[i].name);
    effect_defs[i].documentation = relight_abi_some(effects[i].documentation);
    effect_defs[i].retry = relight_to_abi_retry(effects[i].retry);
    effect_defs[i].timeout = relight_abi_some_u64(effects[i].timeout_ms);
  }
  relight_abi_manifest *manifest = (relight_abi_manifest *)relight_alloc(sizeof *manifest);
  manifest->sdk = relight_text(RELIGHT_SDK);
  manifest->services = (relight_abi_list){service_defs, service_count};
  manifest->effects = (relight_abi_list){effect_defs, effect_count};
  return manifest;
}

// ---- invoke and effect ----

RELIGHT_API relight_abi_attempt_result *relight_ended(relight_result result) {
  // What printf holds back has no other chance.
  fflush(NULL);
  relight_abi_attempt_result *ended = (relight_abi_attempt_result *)relight_alloc(sizeof *ended);
  memset(ended, 0, sizeof *ended);
  if (result.status == RELIGHT_OK) {
    ended->value = result.has_value ? result.value : relight_text("null");
    return ended;
  }
  ended->is_error = 1;
  if (result.status == RELIGHT_RETRY) {
    ended->error.retryable.message = result.failure.message;
    ended->error.retryable.after = relight_abi_some_u64(result.retry_after_ms);
    return ended;
  }
  ended->error.is_terminal = 1;
  ended->error.failure.code = result.failure.code;
  ended->error.failure.message = result.failure.message;
  ended->error.failure.metadata = (relight_abi_list){result.failure.metadata, result.failure.metadata_count};
  return ended;
}

RELIGHT_API relight_result relight_invoke(const relight_service_def *const *services, relight_str service,
                                          relight_str handler, relight_str input) {
  for (; *services; services++) {
    if (!relight_is(service, (*services)->name)) continue;
    for (size_t i = 0; i < (*services)->handler_count; i++) {
      const relight_handler *found = &(*services)->handlers[i];
      if (relight_is(handler, found->name)) return found->run(input);
    }
  }
  return relight_fail(404, "this component has no handler `%.*s/%.*s`", RELIGHT_ARG(service), RELIGHT_ARG(handler));
}

RELIGHT_API relight_result relight_run_effect(const relight_effect_def *effects, relight_str name, relight_str input,
                                              relight_attempt attempt) {
  for (; effects->name; effects++) {
    if (relight_is(name, effects->name)) return effects->run(input, attempt);
  }
  return relight_fail(404, "this component has no effect `%.*s`", RELIGHT_ARG(name));
}

// Memory for what the host hands over, with room for a zero behind it.
RELIGHT_API void *relight_realloc(void *old, size_t old_bytes, size_t bytes) {
  char *data = (char *)relight_grow(old, old_bytes, bytes + 1);
  data[bytes] = 0;
  return data;
}

// Exactly once in a component: RELIGHT_EXPORT((&greeter, &counter)), and with effects
// RELIGHT_EXPORT((&cart), {"charge", charge, .timeout_ms = RELIGHT_SECONDS(30)}).
#define RELIGHT_EXPORT(services_, ...)                                                                          \
  static const relight_service_def *const relight_services[] = {RELIGHT_UNWRAP services_, NULL};                \
  static const relight_effect_def relight_effects[] = {__VA_ARGS__ __VA_OPT__(, ) {.name = NULL}};               \
  __attribute__((export_name("cabi_realloc"))) void *relight_export_realloc(void *old, size_t old_bytes,         \
                                                                            size_t align, size_t bytes) {        \
    (void)align;                                                                                                \
    return relight_realloc(old, old_bytes, bytes);                                                              \
  }                                                                                                             \
  RELIGHT_HANDLER_EXPORT("describe") relight_abi_manifest *relight_export_describe(void) {                       \
    return relight_describe(relight_services, relight_effects);                                                 \
  }                                                                                                             \
  RELIGHT_HANDLER_EXPORT("invoke")                                                                              \
  relight_abi_attempt_result *relight_export_invoke(                                                            \
      const char *service, size_t service_length, uint32_t has_key, const char *key, size_t key_length,         \
      const char *handler, size_t handler_length, const void *headers, size_t header_count, const char *input,  \
      size_t input_length) {                                                                                    \
    (void)has_key, (void)key, (void)key_length, (void)headers, (void)header_count;                              \
    return relight_ended(relight_invoke(relight_services, relight_bytes(service, service_length),                \
                                        relight_bytes(handler, handler_length),                                 \
                                        relight_bytes(input, input_length)));                                   \
  }                                                                                                             \
  RELIGHT_HANDLER_EXPORT("effect")                                                                              \
  relight_abi_attempt_result *relight_export_effect(const char *name, size_t name_length, const char *input,     \
                                                    size_t input_length, uint32_t number, const char *key,      \
                                                    size_t key_length) {                                        \
    relight_attempt attempt = {number, relight_bytes(key, key_length)};                                          \
    return relight_ended(relight_run_effect(relight_effects, relight_bytes(name, name_length),                   \
                                            relight_bytes(input, input_length), attempt));                      \
  }                                                                                                             \
  _Static_assert(true, "a semicolon follows")

#define RELIGHT_UNWRAP(...) __VA_ARGS__

#endif
