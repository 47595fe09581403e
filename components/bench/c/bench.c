// The handlers that the benchmarks call, as in ../src/lib.rs: each does the least that its workload needs.
#include <relight.h>

static relight_result greet(relight_str input) { return relight_ok(input); }

RELIGHT_SERVICE(greeter, "Greeter", {"greet", greet, .documentation = "Gives its input back."});

static relight_result add(relight_str input) {
  int64_t value = relight_get_int("value", 0) + RELIGHT_INPUT_INT(input);
  relight_set_int("value", value);
  return relight_ok_int(value);
}

static relight_result get(relight_str input) { return relight_ok_int(relight_get_int("value", 0)); }

RELIGHT_OBJECT(counter, "Counter", {"add", add}, {"get", get, RELIGHT_SHARED});

static relight_result call(relight_str input) {
  return relight_wait(relight_call(relight_service("Greeter", "greet"), input, NULL));
}

RELIGHT_SERVICE(rpc, "Rpc", {"call", call});

// Calls itself down to 0, and gives how often.
static relight_result hop(relight_str input) {
  int64_t n = RELIGHT_INPUT_INT(relight_json_field(input, "n"));
  if (n == 0) return relight_ok_int(0);
  relight_str below = relight_json("{\"n\":%i}", n - 1);
  relight_str hops = RELIGHT_TRY(relight_wait(relight_call(relight_service("Chain", "hop"), below, NULL)));
  return relight_ok_int(1 + RELIGHT_INPUT_INT(hops));
}

RELIGHT_SERVICE(chain, "Chain", {"hop", hop});

// Calls the greeter `n` times in parallel, and gives how many answers came.
static relight_result fan(relight_str input) {
  size_t n = (size_t)RELIGHT_INPUT_INT(relight_json_field(input, "n"));
  relight_handle *calls = relight_alloc(n * sizeof *calls);
  relight_str *answers = relight_alloc(n * sizeof *answers);
  for (size_t i = 0; i < n; i++) {
    calls[i] = relight_call(relight_service("Greeter", "greet"), relight_json("%i", (int64_t)i), NULL);
  }
  RELIGHT_TRY(relight_all(calls, n, answers));
  return relight_ok_int((int64_t)n);
}

RELIGHT_SERVICE(fanout, "Fanout", {"fan", fan});

static relight_result number_of(void *number) { return relight_ok_int(*(int64_t *)number); }

// Inline runs in a row, each of which gives its number; gives their sum.
static relight_result runs(int64_t count) {
  int64_t sum = 0;
  for (int64_t number = 0; number < count; number++) {
    sum += RELIGHT_INPUT_INT(RELIGHT_TRY(relight_run("step", number_of, &number, NULL)));
  }
  return relight_ok_int(sum);
}

static relight_result run_steps(relight_str input) {
  return runs(RELIGHT_INPUT_INT(relight_json_field(input, "n")));
}

RELIGHT_SERVICE(steps, "Steps", {"steps", run_steps});

static relight_result wall_clock(void *unused) { return relight_ok_int((int64_t)relight_now()); }

// Gives the wall clock afterwards, for the lateness of the timer.
static relight_result nap(relight_str input) {
  RELIGHT_TRY(relight_sleep((uint64_t)RELIGHT_INPUT_INT(relight_json_field(input, "ms"))));
  return relight_run("wall clock", wall_clock, NULL, NULL);
}

RELIGHT_SERVICE(sleeper, "Sleeper", {"sleep", nap});

static relight_result await_and_clear(relight_handle handle) {
  relight_result value = relight_wait(handle);
  relight_clear("id");
  return value;
}

static relight_result await(relight_str input) {
  relight_str id;
  relight_handle value = relight_awakeable(&id);
  relight_set_string("id", id);
  return await_and_clear(value);
}

// The id to resolve; none while nobody waits.
static relight_result id(relight_str input) {
  relight_str id;
  return relight_get("id", &id) ? relight_ok(id) : relight_ok_null();
}

RELIGHT_OBJECT(awk, "Awk", {"wait", await}, {"id", id, RELIGHT_SHARED});

// Makes an awakeable, makes steps, waits for the awakeable, and gives the sum of the steps.
static relight_result start(relight_str input) {
  relight_str id;
  relight_handle value = relight_awakeable(&id);
  relight_str sum = RELIGHT_TRY(runs(RELIGHT_INPUT_INT(relight_json_field(input, "n"))));
  // Who sees the id knows that the steps are made.
  relight_set_string("id", id);
  RELIGHT_TRY(await_and_clear(value));
  return relight_ok(sum);
}

RELIGHT_OBJECT(replay, "Replay", {"start", start}, {"id", id, RELIGHT_SHARED});

RELIGHT_EXPORT((&greeter, &counter, &rpc, &chain, &fanout, &steps, &sleeper, &awk, &replay));
