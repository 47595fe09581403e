// The saga. Its key is the order.
#include "checkout.h"

// What one piece of anything costs.
#define PIECE_CENTS 2500
// How long the warehouse may take to pack.
#define PATIENCE RELIGHT_DAYS(2)

// Steps that are to be undone. Noted before a step begins, and undone by the order's name, not by what the step gave: right whether it
// happened or not.
typedef struct {
  bool reservation;
  bool payment;
} undo_list;

static relight_result reserve(relight_str order, relight_str item, int64_t quantity) {
  relight_str input = relight_json("{\"order\":%s,\"quantity\":%i}", order, quantity);
  return relight_wait(relight_call(relight_object("Stock", item, "reserve"), input, NULL));
}

// The promise `packed` or two days, whichever comes first.
static relight_result packed_in_time(void) {
  relight_handle timer = relight_timer(relight_after(PATIENCE), NULL);
  relight_handle either[] = {relight_promise("packed"), timer};
  size_t first;
  RELIGHT_TRY(relight_wait_any(either, 2, &first));
  return first == 0 ? relight_wait(either[0]) : relight_fail(504, "nobody packed it in time");
}

static relight_result steps(relight_str input, undo_list *undo) {
  relight_str order = relight_key();
  relight_str item = RELIGHT_INPUT_STRING(relight_json_field(input, "item"));
  relight_str card = RELIGHT_INPUT_STRING(relight_json_field(input, "card"));
  relight_str address = RELIGHT_INPUT_STRING(relight_json_field(input, "address"));
  int64_t quantity = RELIGHT_INPUT_INT(relight_json_field(input, "quantity"));

  undo->reservation = true;
  RELIGHT_TRY(reserve(order, item, quantity));

  undo->payment = true;
  relight_str charge =
      relight_json("{\"order\":%s,\"cents\":%i,\"card\":%s}", order, quantity * PIECE_CENTS, card);
  relight_str payment = RELIGHT_TRY(relight_wait(relight_effect("charge", charge, NULL)));
  relight_set_string("status", relight_text("paid"));

  RELIGHT_TRY(packed_in_time());

  relight_str shipment = relight_json("{\"order\":%s,\"address\":%s}", order, address);
  relight_str parcel = RELIGHT_TRY(relight_wait(relight_effect("ship", shipment, NULL)));
  relight_set_string("status", relight_text("shipped"));
  return relight_ok(relight_json("{\"payment\":%j,\"parcel\":%j}", payment, parcel));
}

// Reserve, charge, wait until it is packed, ship. What was done is undone when something fails, or the order is cancelled.
static relight_result run(relight_str input) {
  undo_list undo = {0};
  relight_result outcome = steps(input, &undo);
  if (outcome.status == RELIGHT_OK) return outcome;
  // A cancellation is delivered once: from here on waits work as ever.
  relight_str order = relight_json("%s", relight_key());
  if (undo.payment) RELIGHT_TRY(relight_wait(relight_effect("refund", order, NULL)));
  if (undo.reservation) {
    relight_str item = RELIGHT_INPUT_STRING(relight_json_field(input, "item"));
    RELIGHT_TRY(relight_wait(relight_call(relight_object("Stock", item, "release"), order, NULL)));
  }
  if (undo.reservation) relight_set_string("status", relight_text("undone"));
  return outcome;
}

// The warehouse has packed the order.
static relight_result packed(relight_str input) {
  RELIGHT_TRY(relight_wait(relight_resolve_promise("packed", relight_text("null"))));
  return relight_ok_null();
}

static relight_result status(relight_str input) {
  relight_str value;
  return relight_get("status", &value) ? relight_ok(value) : relight_ok_null();
}

RELIGHT_WORKFLOW(checkout, "Checkout", {"run", run, RELIGHT_RUN}, {"packed", packed}, {"status", status});
