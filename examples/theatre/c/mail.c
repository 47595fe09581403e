// Mail to customers. A real one would use an effect; this one writes to the log.
#include "theatre.h"

static relight_result confirm(relight_str confirmation) {
  relight_str customer = RELIGHT_INPUT_STRING(relight_json_field(confirmation, "customer"));
  relight_writer names = {0};
  relight_json_items tickets;
  relight_json_begin(relight_json_field(confirmation, "tickets"), &tickets);
  while (relight_json_next(&tickets)) {
    if (names.length) relight_put_text(&names, ", ");
    relight_put_text(&names, RELIGHT_INPUT_STRING(tickets.value).data);
  }
  relight_info("to %s: your tickets %.*s", customer.data, RELIGHT_ARG(relight_written(&names)));
  return relight_ok_null();
}

RELIGHT_SERVICE(mail, "Mail", {"confirm", confirm, .options = {.is_private = true}});
