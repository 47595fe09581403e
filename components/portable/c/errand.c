// The workflow: one run per key, and handlers beside it.
#include "portable.h"

// Waits until somebody says something at the gate, counts on the shelf of its key, and gives what was said there.
static relight_result run(relight_str input) {
  relight_str word = RELIGHT_INPUT_STRING(input), said, whole;
  relight_set_string("stage", relight_text("waiting"));
  said = RELIGHT_INPUT_STRING(RELIGHT_TRY(relight_wait(relight_promise("gate"))));
  relight_target add = relight_object("Shelf", relight_key(), "add");
  relight_str count = RELIGHT_TRY(relight_wait(relight_call(add, relight_text("1"), NULL)));
  whole = relight_format("%s %s %s", word.data, said.data, count.data);
  relight_handle echo = relight_call(relight_service("Desk", "echo"), relight_json("%s", whole), NULL);
  whole = RELIGHT_TRY(relight_wait(echo));
  relight_set_string("stage", relight_text("done"));
  return relight_ok(whole);
}

static relight_result open(relight_str said) {
  relight_str text = RELIGHT_INPUT_STRING(said);
  RELIGHT_TRY(relight_wait(relight_resolve_promise("gate", relight_json("%s", text))));
  return relight_ok_null();
}

static relight_result refuse(relight_str reason) {
  relight_failure failure = relight_fail(422, "%s", RELIGHT_INPUT_STRING(reason).data).failure;
  RELIGHT_TRY(relight_wait(relight_reject_promise("gate", failure)));
  return relight_ok_null();
}

static relight_result peek(relight_str input) { return relight_wait(relight_promise_peek("gate")); }

static relight_result listen(relight_str input) { return relight_wait(relight_promise("gate")); }

static relight_result stage(relight_str input) {
  relight_str value;
  return relight_get("stage", &value) ? relight_ok(value) : relight_ok_null();
}

RELIGHT_WORKFLOW(errand, "Errand", {"run", run, RELIGHT_RUN}, {"open", open}, {"refuse", refuse}, {"peek", peek},
                 {"listen", listen}, {"stage", stage});
