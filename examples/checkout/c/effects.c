// What touches the world. In this example nothing does: a real charge would be an HTTP request with the attempt's idempotency key, as in
// the theatre.
#include "checkout.h"

// Charges a card, and gives the payment's id.
relight_result charge(relight_str request, relight_attempt attempt) {
  relight_str order = RELIGHT_INPUT_STRING(relight_json_field(request, "order"));
  relight_str card = RELIGHT_INPUT_STRING(relight_json_field(request, "card"));
  if (relight_is(card, "declined")) return relight_fail(402, "the card was declined");
  return relight_ok_string(relight_format("payment-%s", order.data));
}

// Gives back whatever was charged for an order.
relight_result refund(relight_str order, relight_attempt attempt) {
  relight_info("refunded order %s", RELIGHT_INPUT_STRING(order).data);
  return relight_ok_null();
}

// Hands an order to the carrier, and gives the parcel's id.
relight_result ship(relight_str shipment, relight_attempt attempt) {
  relight_str order = RELIGHT_INPUT_STRING(relight_json_field(shipment, "order"));
  relight_str address = RELIGHT_INPUT_STRING(relight_json_field(shipment, "address"));
  if (relight_is(address, "nowhere")) return relight_fail(422, "nobody delivers there");
  return relight_ok_string(relight_format("parcel-%s", order.data));
}
