// The effects.
#include "portable.h"

// Fails until its n-th attempt, and gives the number of that one. 0 fails for good.
relight_result run_flaky(relight_str input, relight_attempt attempt) {
  int64_t until = RELIGHT_INPUT_INT(input);
  if (until == 0) return relight_with(relight_fail(402, "refused"), "reason", relight_text("none wanted"));
  if (attempt.number < until) return relight_retry("attempt %u fails", (unsigned)attempt.number);
  return relight_ok_int(attempt.number);
}

relight_result run_broken(relight_str input, relight_attempt attempt) {
  relight_panic("the effect is broken");
}

relight_result run_echo(relight_str input, relight_attempt attempt) {
  return relight_ok_string(RELIGHT_INPUT_STRING(input));
}
