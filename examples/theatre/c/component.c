// A theatre's box office: carts that hold tickets for a while, a checkout that charges exactly once, and refunds that wait for a person.
// How to run it: see ../README.md.
#include "theatre.h"

static const relight_retry_policy patiently = {
    .initial_interval_ms = 200, .factor = 2, .max_interval_ms = RELIGHT_SECONDS(5), .max_attempts = 20};

RELIGHT_EXPORT((&cart, &ticket, &refund, &mail), {"charge", charge, &patiently, RELIGHT_SECONDS(30)},
               {"refund_payment", refund_payment, &patiently, RELIGHT_SECONDS(30)});
