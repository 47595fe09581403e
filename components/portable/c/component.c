// The component: everything that the other files have.
#include "portable.h"

RELIGHT_EXPORT((&desk, &shelf, &errand),
               {"flaky", run_flaky,
                &(relight_retry_policy){.initial_interval_ms = RELIGHT_SECONDS(1),
                                        .factor = 2,
                                        .max_interval_ms = RELIGHT_SECONDS(10),
                                        .max_attempts = 4}},
               {"broken", run_broken,
                &(relight_retry_policy){.initial_interval_ms = RELIGHT_SECONDS(1),
                                        .factor = 1,
                                        .max_interval_ms = RELIGHT_SECONDS(1),
                                        .max_attempts = 2}},
               {"echo", run_echo});
