// Refunds, which a person approves. The key is the payment's id. Waiting two days for an answer costs nothing: no instance is kept.
#include "theatre.h"

// How long a request waits for its approval.
#define PATIENCE RELIGHT_DAYS(2)

// Asks for a refund, and waits for the answer.
static relight_result request(relight_str input) {
  relight_str customer = RELIGHT_INPUT_STRING(relight_json_field(input, "customer"));
  relight_str approval_id;
  relight_handle approval = relight_awakeable(&approval_id);
  relight_set_string("approval-id", approval_id);
  relight_handle timer = relight_timer(relight_after(seconds_or(input, "patience_seconds", PATIENCE)), NULL);
  relight_handle either[] = {approval, timer};
  size_t first = 0;
  relight_result winner = relight_wait_any(either, 2, &first);
  relight_clear("approval-id");
  RELIGHT_TRY(winner);
  if (first == 1) return relight_ok(relight_text("\"expired\""));
  // A rejected awakeable is a failure: it ends the request.
  relight_str answer = RELIGHT_TRY(relight_wait(approval));
  if (!RELIGHT_INPUT_BOOL(relight_json_field(answer, "approved"))) return relight_ok(relight_text("\"refused\""));

  relight_str payment = relight_json("{\"payment_id\":%s,\"payments_url\":%j}", relight_key(),
                                     field_or_null(input, "payments_url"));
  RELIGHT_TRY(relight_wait(relight_effect("refund_payment", payment, NULL)));
  relight_target refunded = relight_object("Cart", customer, "refunded");
  RELIGHT_TRY(relight_wait(relight_call(refunded, relight_json("%s", relight_key()), NULL)));
  return relight_ok(relight_text("\"refunded\""));
}

// The id by which to resolve or reject the request that is waiting, if one is.
static relight_result approval_id(relight_str input) {
  relight_str id;
  return relight_get("approval-id", &id) ? relight_ok(id) : relight_ok_null();
}

RELIGHT_OBJECT(refund, "Refund", {"request", request}, {"approval_id", approval_id, RELIGHT_SHARED});
