// A customer's cart. Its key is the customer's name.
#include "theatre.h"

// How long a ticket stays in a cart.
#define HOLD RELIGHT_MINUTES(15)
// What one ticket costs.
#define TICKET_CENTS 4000

// State: `held` is a list of {"ticket":…,"id":…}, `orders` one of {"payment":…,"tickets":[…]}.
static relight_str list(const char *name) {
  relight_str value;
  return relight_get(name, &value) ? value : relight_text("[]");
}

static void put_item(relight_writer *to, relight_str json) { relight_write(to, to->length > 1 ? ",%j" : "%j", json); }

// The list without the items whose field `name` has this value; `removed` gets these.
static relight_str without(relight_str json, const char *name, relight_str value, relight_writer *removed) {
  relight_writer kept = {0};
  relight_json_items items;
  relight_write(&kept, "[");
  relight_json_begin(json, &items);
  while (relight_json_next(&items)) {
    bool is_it = relight_equal(relight_json_field(items.value, name), value);
    put_item(is_it ? removed : &kept, items.value);
  }
  relight_write(&kept, "]");
  return relight_written(&kept);
}

static relight_str with(relight_str json, relight_str item) {
  relight_json_items items;
  relight_json_begin(json, &items);
  return relight_json(relight_json_next(&items) ? "%j,%j]" : "%j%j]", relight_bytes(json.data, json.length - 1), item);
}

// The names of the held tickets, as a list.
static relight_str held_tickets(size_t *count) {
  relight_writer names = {0};
  relight_json_items items;
  relight_write(&names, "[");
  relight_json_begin(list("held"), &items);
  for (*count = 0; relight_json_next(&items); ++*count) put_item(&names, relight_json_field(items.value, "ticket"));
  relight_write(&names, "]");
  return relight_written(&names);
}

static relight_target of_ticket(relight_str name, const char *handler) {
  relight_str text = name;
  relight_json_string(name, &text);
  return relight_object("Ticket", text, handler);
}

static const relight_str nothing = {NULL, 0};

// Reserves a ticket and holds it for 15 minutes. False when somebody else has it.
static relight_result add_ticket(relight_str input) {
  relight_str name = RELIGHT_INPUT_STRING(relight_json_field(input, "ticket"));
  relight_handle call = relight_call(relight_object("Ticket", name, "reserve"), nothing, NULL);
  if (!RELIGHT_INPUT_BOOL(RELIGHT_TRY(relight_wait(call)))) return relight_ok_bool(false);
  // The id tells one hold of a ticket from a later one, so that an old expiry does not end a new hold.
  relight_str hold = relight_json("{\"ticket\":%s,\"id\":%s}", name, relight_uuid());
  relight_set("held", with(list("held"), hold));
  relight_due expiry = relight_after(seconds_or(input, "hold_seconds", HOLD));
  relight_send(relight_object("Cart", relight_key(), "expire_ticket"), hold, expiry, NULL);
  return relight_ok_bool(true);
}

// A hold has run out. Nothing happens when the ticket has been bought meanwhile.
static relight_result expire_ticket(relight_str hold) {
  relight_writer removed = {0};
  relight_str kept = without(list("held"), "id", relight_json_field(hold, "id"), &removed);
  if (!removed.length) return relight_ok_null();
  relight_set("held", kept);
  relight_str name = relight_json_field(hold, "ticket");
  relight_send(of_ticket(name, "release"), nothing, relight_at_once(), NULL);
  relight_info("ticket %.*s is free again", RELIGHT_ARG(name));
  return relight_ok_null();
}

static relight_result mark_as_sold(relight_str tickets, size_t count) {
  relight_handle *calls = relight_alloc(count * sizeof *calls);
  relight_str *values = relight_alloc(count * sizeof *values);
  relight_json_items items;
  relight_json_begin(tickets, &items);
  for (size_t i = 0; relight_json_next(&items); i++) {
    calls[i] = relight_call(of_ticket(items.value, "mark_as_sold"), nothing, NULL);
  }
  return relight_all(calls, count, values);
}

// Pays for everything in the cart.
static relight_result checkout(relight_str input) {
  size_t count;
  relight_str customer = relight_key(), tickets = held_tickets(&count);
  if (!count) return relight_fail(422, "the cart is empty");

  // From here on a crash cannot lead to a second payment: either the result of the charge is recorded, or it is repeated with the same
  // idempotency key.
  relight_str request = relight_json("{\"customer\":%s,\"cents\":%i,\"card\":%j,\"payments_url\":%j}", customer,
                                     (int64_t)count * TICKET_CENTS, field_or_null(input, "card"),
                                     field_or_null(input, "payments_url"));
  relight_str payment = RELIGHT_TRY(relight_wait(relight_effect("charge", request, NULL)));

  RELIGHT_TRY(mark_as_sold(tickets, count));
  relight_str order = relight_json("{\"payment\":%j,\"tickets\":%j}", payment, tickets);
  relight_set("orders", with(list("orders"), order));
  relight_clear("held");
  relight_str confirmation = relight_json("{\"customer\":%s,\"tickets\":%j}", customer, tickets);
  relight_send(relight_service("Mail", "confirm"), confirmation, relight_at_once(), NULL);
  return relight_ok(order);
}

// An order has been refunded: its tickets are free again.
static relight_result refunded(relight_str payment_id) {
  relight_writer kept = {0};
  relight_json_items orders, tickets;
  relight_str all = list("orders");
  relight_write(&kept, "[");
  relight_json_begin(all, &orders);
  while (relight_json_next(&orders)) {
    relight_str id = relight_json_field(relight_json_field(orders.value, "payment"), "payment_id");
    if (!relight_equal(id, relight_json_value(payment_id))) put_item(&kept, orders.value);
  }
  relight_write(&kept, "]");
  relight_set("orders", relight_written(&kept));
  relight_json_begin(all, &orders);
  while (relight_json_next(&orders)) {
    relight_str id = relight_json_field(relight_json_field(orders.value, "payment"), "payment_id");
    if (!relight_equal(id, relight_json_value(payment_id))) continue;
    relight_json_begin(relight_json_field(orders.value, "tickets"), &tickets);
    while (relight_json_next(&tickets)) {
      relight_send(of_ticket(tickets.value, "release"), nothing, relight_at_once(), NULL);
    }
  }
  return relight_ok_null();
}

// What is in the cart, and what has been bought. Also while a checkout is running.
static relight_result get(relight_str input) {
  size_t count;
  relight_str tickets = held_tickets(&count);
  return relight_ok(relight_json("{\"tickets\":%j,\"orders\":%j}", tickets, list("orders")));
}

RELIGHT_OBJECT(cart, "Cart", {"add_ticket", add_ticket},
               {"expire_ticket", expire_ticket, .options = {.is_private = true}}, {"checkout", checkout},
               {"refunded", refunded, .options = {.is_private = true}}, {"get", get, RELIGHT_SHARED});
