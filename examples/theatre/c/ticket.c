// One seat of one show. Its key is the ticket's name; the lock of the key is what keeps two carts from getting it.
#include "theatre.h"

static relight_str status(void) {
  relight_str value = relight_get_string("status");
  return value.data ? value : relight_text("available");
}

// False when somebody else has it.
static relight_result reserve(relight_str input) {
  bool is_available = relight_is(status(), "available");
  if (is_available) relight_set_string("status", relight_text("reserved"));
  return relight_ok_bool(is_available);
}

// Whoever reserved or bought it does not want it.
static relight_result release(relight_str input) {
  relight_clear("status");
  return relight_ok_null();
}

// It has been paid for.
static relight_result mark_as_sold(relight_str input) {
  relight_set_string("status", relight_text("sold"));
  return relight_ok_null();
}

static relight_result get(relight_str input) { return relight_ok_string(status()); }

RELIGHT_OBJECT(ticket, "Ticket", {"reserve", reserve, .options = {.is_private = true}},
               {"release", release, .options = {.is_private = true}},
               {"mark_as_sold", mark_as_sold, .options = {.is_private = true}}, {"get", get, RELIGHT_SHARED});
