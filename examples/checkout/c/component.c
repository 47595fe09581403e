// A saga: reserve, charge, ship; what has been done is undone, last step first, when a later one fails or the order is cancelled. How
// to run it: see ../README.md.
#include "checkout.h"

static const relight_retry_policy five_times = {.initial_interval_ms = 200, .max_attempts = 5};
// Tried until it works: there is nothing else to be done.
static const relight_retry_policy for_ever = {.initial_interval_ms = RELIGHT_SECONDS(1),
                                              .max_interval_ms = RELIGHT_MINUTES(1)};

RELIGHT_EXPORT((&checkout, &stock), {"charge", charge, &five_times, RELIGHT_SECONDS(30)},
               {"refund", refund, &for_ever, RELIGHT_SECONDS(30)}, {"ship", ship, &five_times, RELIGHT_SECONDS(30)});
