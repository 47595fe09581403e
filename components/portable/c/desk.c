// The service: calls, sends, timers, signals, effects, runs, waiting, failing.
#include "portable.h"

#include <time.h>

static relight_handle add_on(relight_str key, int64_t amount) {
  return relight_call(relight_object("Shelf", key, "add"), relight_json("%i", amount), NULL);
}

static relight_result echo(relight_str input) { return relight_ok_string(RELIGHT_INPUT_STRING(input)); }

static relight_result nothing(relight_str input) { return relight_ok_null(); }

static void put_optional(relight_writer *object, const char *name, relight_str text) {
  relight_write(object, text.data ? ",%z:%s" : ",%z:null", name, text);
}

static relight_result who(relight_str input) {
  relight_invocation info = relight_invocation_info();
  relight_writer object = {0};
  relight_write(&object, "{\"id\":%s", info.id);
  put_optional(&object, "caller", info.caller);
  put_optional(&object, "tenant", relight_header("x-tenant"));
  put_optional(&object, "idempotency_key", info.idempotency_key);
  relight_write(&object, "}");
  return relight_ok(relight_written(&object));
}

static relight_result call(relight_str input) { return relight_wait(add_on(RELIGHT_INPUT_STRING(input), 1)); }

// A call with everything that a call may have.
static relight_result options(relight_str input) {
  relight_pair tenant = {relight_text("x-tenant"), relight_text("t1")};
  relight_call_options options = {
      .name = "who", .idempotency_key = RELIGHT_INPUT_STRING(input), .headers = &tenant, .header_count = 1};
  relight_handle call = relight_call(relight_service("Desk", "who"), relight_bytes(NULL, 0), &options);
  relight_str callee = relight_callee(call);
  relight_str who = RELIGHT_TRY(relight_wait(call));
  return relight_ok(relight_json("{\"callee\":%s,\"who\":%j}", callee, who));
}

// Sends now, in a minute, and at an instant in two minutes.
static relight_result sends(relight_str input) {
  relight_str key = RELIGHT_INPUT_STRING(input);
  relight_target add = relight_object("Shelf", key, "add");
  relight_call_options once = {.idempotency_key = key};
  relight_str a = relight_send(add, relight_text("1"), relight_at_once(), NULL);
  relight_str b = relight_send(add, relight_text("10"), relight_after(RELIGHT_MINUTES(1)), &once);
  uint64_t later = relight_now() + RELIGHT_MINUTES(2);
  relight_str c = relight_send(add, relight_text("100"), relight_at(later), NULL);
  return relight_ok(relight_json("[%s,%s,%s]", a, b, c));
}

// Sleeps, and then until an instant that has passed; gives how long that took by its own time.
static relight_result sleep_twice(relight_str input) {
  uint64_t begun = relight_now();
  RELIGHT_TRY(relight_sleep((uint64_t)RELIGHT_INPUT_INT(input)));
  RELIGHT_TRY(relight_wait(relight_timer(relight_at(1), NULL)));
  return relight_ok_int((int64_t)(relight_now() - begun));
}

static relight_result resolve(relight_str input) {
  relight_str id = RELIGHT_INPUT_STRING(relight_json_field(input, "id"));
  relight_resolve_awakeable(id, relight_json("%s", RELIGHT_INPUT_STRING(relight_json_field(input, "value"))));
  return relight_ok_null();
}

static relight_result reject(relight_str input) {
  relight_str id = RELIGHT_INPUT_STRING(relight_json_field(input, "id"));
  relight_result failure = relight_fail(422, "%s", RELIGHT_INPUT_STRING(relight_json_field(input, "value")).data);
  relight_reject_awakeable(id, relight_with(failure, "by", relight_text("desk")).failure);
  return relight_ok_null();
}

// Waits for all and gives their values as a list.
static relight_result list_of(const relight_handle *handles, size_t count) {
  relight_str *values = relight_alloc(count * sizeof *values);
  RELIGHT_TRY(relight_all(handles, count, values));
  relight_writer list = {0};
  relight_write(&list, "[");
  for (size_t i = 0; i < count; i++) relight_write(&list, i ? ",%j" : "%j", values[i]);
  relight_write(&list, "]");
  return relight_ok(relight_written(&list));
}

static relight_result signals(relight_str input) {
  size_t count = (size_t)RELIGHT_INPUT_INT(input);
  relight_handle *handles = relight_alloc(count * sizeof *handles);
  for (size_t i = 0; i < count; i++) handles[i] = relight_signal("go");
  return list_of(handles, count);
}

// A value as the signal `go`, and then a failure.
static relight_result send_signal(relight_str input) {
  relight_str id = RELIGHT_INPUT_STRING(relight_json_field(input, "id"));
  relight_str value = RELIGHT_INPUT_STRING(relight_json_field(input, "value"));
  relight_send_signal(id, "go", relight_json("%s", value));
  relight_reject_signal(id, "go", relight_fail(422, "%s", value.data).failure);
  return relight_ok_null();
}

static relight_result attach(relight_str input) {
  return relight_wait(relight_attach(RELIGHT_INPUT_STRING(input)));
}

static relight_result output(relight_str input) {
  return relight_wait(relight_output(RELIGHT_INPUT_STRING(input)));
}

static relight_result cancel(relight_str input) {
  relight_cancel(RELIGHT_INPUT_STRING(input));
  return relight_ok_null();
}

static relight_result effect(relight_str input) {
  return relight_wait(relight_effect("flaky", relight_json("%i", RELIGHT_INPUT_INT(input)), NULL));
}

// Effects that fail for good: one with a policy of its own, one with an uncaught error. Gives their messages.
static relight_result failed_effects(relight_str input) {
  relight_retry_policy policy = {.initial_interval_ms = 100, .factor = 1, .max_attempts = 2};
  relight_effect_options options = {.retry = &policy, .timeout_ms = RELIGHT_SECONDS(5)};
  relight_result flaky = relight_wait(relight_effect("flaky", relight_text("9"), &options));
  relight_result broken = relight_wait(relight_effect("broken", relight_bytes(NULL, 0), NULL));
  return relight_ok(relight_json("[%s,%s]", flaky.failure.message, broken.failure.message));
}

static relight_result sum_of(const relight_handle *handles, size_t count) {
  relight_str *values = relight_alloc(count * sizeof *values);
  RELIGHT_TRY(relight_all(handles, count, values));
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += RELIGHT_INPUT_INT(values[i]);
  return relight_ok_int(sum);
}

static relight_result effects(relight_str input) {
  size_t count = (size_t)RELIGHT_INPUT_INT(input);
  relight_handle *handles = relight_alloc(count * sizeof *handles);
  for (size_t i = 0; i < count; i++) handles[i] = relight_effect("flaky", relight_text("1"), NULL);
  return sum_of(handles, count);
}

static relight_result double_it(void *argument) {
  int64_t number = *(int64_t *)argument;
  if (number == 0) return relight_with(relight_fail(402, "refused"), "reason", relight_text("none wanted"));
  if (number < 0) return relight_retry("not yet");
  return relight_ok_int(2 * number);
}

// An inline run: doubles its input; 0 fails for good, less than 0 for now. Then sleeps, so that it is replayed.
static relight_result run(relight_str input) {
  int64_t number = RELIGHT_INPUT_INT(input);
  relight_retry_policy policy = {.initial_interval_ms = RELIGHT_SECONDS(1), .factor = 1, .max_attempts = 3};
  relight_result doubled = relight_run("double", double_it, &number, &policy);
  RELIGHT_TRY(relight_sleep(RELIGHT_SECONDS(1)));
  return doubled;
}

// Waits for all of three calls, the middle one of which may fail, and gives the sum of their results.
static relight_result all(relight_str input) {
  int64_t amount = RELIGHT_INPUT_INT(input);
  relight_handle calls[] = {add_on(relight_text("all-0"), 1), add_on(relight_text("all-1"), amount),
                            add_on(relight_text("all-2"), 3)};
  return sum_of(calls, 3);
}

// Waits for an awakeable, but not longer than a minute.
static relight_result race(relight_str input) {
  relight_str id;
  relight_handle answer = relight_awakeable(&id);
  relight_info("answer with %s", id.data);
  relight_handle both[] = {answer, relight_timer(relight_after(RELIGHT_MINUTES(1)), NULL)};
  size_t first;
  RELIGHT_TRY(relight_wait_any(both, 2, &first));
  return first == 0 ? relight_wait(answer) : relight_ok(relight_text("\"too late\""));
}

// Three timers, in the order in which they complete.
static relight_result order(relight_str input) {
  static const int delays[] = {3, 1, 2};
  relight_handle pending[3];
  int64_t places[3];
  for (size_t i = 0; i < 3; i++) {
    pending[i] = relight_timer(relight_after(RELIGHT_SECONDS(delays[i])), NULL);
    places[i] = (int64_t)i;
  }
  relight_writer list = {0};
  for (size_t left = 3; left > 0; left--) {
    size_t first;
    RELIGHT_TRY(relight_wait_any(pending, left, &first));
    RELIGHT_TRY(relight_wait(pending[first]));
    relight_write(&list, left == 3 ? "[%i" : ",%i", places[first]);
    memmove(pending + first, pending + first + 1, (left - first - 1) * sizeof *pending);
    memmove(places + first, places + first + 1, (left - first - 1) * sizeof *places);
  }
  relight_write(&list, "]");
  return relight_ok(relight_written(&list));
}

// Two branches that go on beside each other: each sleeps, then calls. C has no coroutines, so whichever can go on does.
static relight_result concurrent(relight_str input) {
  relight_str key = RELIGHT_INPUT_STRING(input);
  static const char *const names[] = {"first", "second"};
  static const int delays[] = {1, 3};
  relight_handle waits_for[2];
  relight_str results[2] = {{NULL, 0}, {NULL, 0}};
  bool called[2] = {false, false};
  for (int i = 0; i < 2; i++) waits_for[i] = relight_timer(relight_after(RELIGHT_SECONDS(delays[i])), NULL);
  while (!results[0].data || !results[1].data) {
    relight_handle pending[2];
    size_t branch[2], count = 0, first;
    for (size_t i = 0; i < 2; i++) {
      if (results[i].data) continue;
      branch[count] = i;
      pending[count++] = waits_for[i];
    }
    RELIGHT_TRY(relight_wait_any(pending, count, &first));
    size_t i = branch[first];
    relight_str value = RELIGHT_TRY(relight_wait(pending[first]));
    if (called[i]) {
      results[i] = value;
    } else {
      waits_for[i] = add_on(relight_format("%s-%s", key.data, names[i]), delays[i]);
      called[i] = true;
    }
  }
  return relight_ok(relight_json("[%j,%j]", results[0], results[1]));
}

// Takes five from a shelf, and gives them back when it is cancelled.
static relight_result compensate(relight_str input) {
  relight_str key = RELIGHT_INPUT_STRING(input);
  RELIGHT_TRY(relight_wait(add_on(key, -5)));
  relight_str id;
  relight_handle awakeable = relight_awakeable(&id);
  relight_info("answer with %s", id.data);
  relight_result answer = relight_wait(awakeable);
  if (answer.status != RELIGHT_OK) {
    RELIGHT_TRY(relight_wait(add_on(key, 5)));
    RELIGHT_TRY(relight_sleep(RELIGHT_SECONDS(1)));
  }
  return answer;
}

static relight_result fail(relight_str input) {
  int64_t code = RELIGHT_INPUT_INT(relight_json_field(input, "code"));
  relight_str message = RELIGHT_INPUT_STRING(relight_json_field(input, "message"));
  relight_result failure = relight_with(relight_fail((int)code, "%s", message.data), "a", relight_text("1"));
  return relight_with(failure, "ä", relight_text("✓"));
}

static relight_result crash(relight_str input) {
  relight_str message = RELIGHT_INPUT_STRING(input);
  RELIGHT_TRY(relight_sleep(RELIGHT_SECONDS(1)));
  relight_panic("%s", message.data);
}

static relight_result retry_later(relight_str input) {
  return relight_retry_after(RELIGHT_HOURS(1), "come back later");
}

static relight_result give_up(relight_str input) { relight_panic("this never works"); }

static bool clock_agrees(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 == relight_now();
}

// Time, a UUID, a random number, twice: C has no randomness and no UUIDs of its own that are worth the name.
static relight_str *draw(void) {
  relight_str *drawn = relight_alloc(5 * sizeof *drawn);
  drawn[0] = relight_json("%i", (int64_t)relight_now());
  drawn[1] = relight_uuid();
  drawn[2] = relight_format("%016llx", (unsigned long long)relight_random());
  drawn[3] = relight_format("%016llx", (unsigned long long)relight_random());
  drawn[4] = relight_uuid();
  return drawn;
}

static relight_result record(const relight_str *drawn) {
  relight_str line = relight_format("%s %s %s %s %s", drawn[0].data, drawn[1].data, drawn[2].data, drawn[3].data,
                                    drawn[4].data);
  RELIGHT_TRY(relight_wait(relight_effect("echo", relight_json("%s", line), NULL)));
  return relight_sleep(RELIGHT_SECONDS(1));
}

static relight_str list_of_draw(const relight_str *drawn) {
  return relight_json("[%s,%s,%s,%s,%s]", drawn[0], drawn[1], drawn[2], drawn[3], drawn[4]);
}

// Time and chance before and after a wait, recorded by an effect, so that a replay that draws others is a mismatch.
static relight_result chance(relight_str input) {
  bool agrees = clock_agrees();
  relight_str *first = draw();
  RELIGHT_TRY(record(first));
  agrees = clock_agrees() && agrees;
  relight_str *second = draw();
  RELIGHT_TRY(record(second));
  return relight_ok(relight_json("{\"clock_agrees\":%b,\"first\":%j,\"second\":%j}", agrees, list_of_draw(first),
                                 list_of_draw(second)));
}

static relight_result logs(relight_str input) {
  relight_debug("portable debug");
  relight_info("portable info");
  relight_warn("portable warn");
  relight_error("portable error");
  printf("portable print\n");
  RELIGHT_TRY(relight_sleep(RELIGHT_SECONDS(1)));
  relight_pair field = {relight_text("ключ"), relight_text("значение")};
  relight_log_fields(RELIGHT_INFO, relight_text("portable after"), &field, 1);
  return relight_ok_null();
}

static const relight_retry_policy three_times = {.initial_interval_ms = RELIGHT_SECONDS(1),
                                                 .factor = 1,
                                                 .max_interval_ms = RELIGHT_SECONDS(1),
                                                 .max_attempts = 3};

RELIGHT_SERVICE(desk, "Desk", {"echo", echo}, {"nothing", nothing}, {"who", who}, {"call", call},
                {"options", options}, {"sends", sends}, {"sleep", sleep_twice}, {"resolve", resolve},
                {"reject", reject}, {"signals", signals}, {"send_signal", send_signal}, {"attach", attach},
                {"output", output}, {"cancel", cancel}, {"effect", effect}, {"failed_effects", failed_effects},
                {"effects", effects}, {"run", run}, {"all", all}, {"race", race}, {"order", order},
                {"concurrent", concurrent}, {"compensate", compensate}, {"fail", fail}, {"crash", crash},
                {"retry_later", retry_later}, {"give_up", give_up, .options = {.retry = &three_times}},
                {"chance", chance}, {"logs", logs});
