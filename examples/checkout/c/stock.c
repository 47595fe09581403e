// What is left of one item. Its key is the item; the lock of the key keeps two orders from getting the last piece.
#include "checkout.h"

// More of it has come. Gives what is left.
static relight_result add(relight_str input) {
  int64_t quantity = RELIGHT_INPUT_INT(input);
  if (quantity < 0) return relight_fail(400, "the quantity is negative");
  int64_t left = relight_get_int("left", 0) + quantity;
  relight_set_int("left", left);
  return relight_ok_int(left);
}

// Puts some aside for an order.
static relight_result reserve(relight_str reservation) {
  relight_str order = RELIGHT_INPUT_STRING(relight_json_field(reservation, "order"));
  int64_t quantity = RELIGHT_INPUT_INT(relight_json_field(reservation, "quantity"));
  int64_t left = relight_get_int("left", 0);
  if (quantity < 0 || quantity > left) {
    relight_str number = relight_json("%i", left);
    return relight_with(relight_fail(409, "only %s left", number.data), "left", number);
  }
  relight_set_int("left", left - quantity);
  relight_set_int(order.data, quantity);
  return relight_ok_null();
}

// Whatever is put aside for an order is for others again.
static relight_result release(relight_str input) {
  relight_str order = RELIGHT_INPUT_STRING(input);
  int64_t quantity = relight_get_int(order.data, 0);
  if (quantity) {
    relight_clear(order.data);
    relight_set_int("left", relight_get_int("left", 0) + quantity);
  }
  return relight_ok_null();
}

static relight_result count(relight_str input) { return relight_ok_int(relight_get_int("left", 0)); }

RELIGHT_OBJECT(stock, "Stock", {"add", add}, {"reserve", reserve, .options = {.is_private = true}},
               {"release", release, .options = {.is_private = true}}, {"count", count, RELIGHT_SHARED});
