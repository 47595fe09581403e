//! The effects.

use relight::prelude::*;

/// Fails until its `until`-th attempt, and gives the number of that one. 0 fails for good.
#[effect(retry(initial_interval = "1s", factor = 2.0, max_interval = "10s", max_attempts = 4))]
pub async fn flaky(until: u32) -> Result<u32, EffectError> {
    let attempt = effect_attempt();
    if until == 0 {
        return Err(EffectError::Terminal(
            Failure::new(402, "refused").with_metadata("reason", "none wanted"),
        ));
    }
    if attempt < until {
        return Err(EffectError::retryable(format!("attempt {attempt} fails")));
    }
    Ok(attempt)
}

/// Ends with an uncaught error.
#[effect(retry(initial_interval = "1s", factor = 1.0, max_interval = "1s", max_attempts = 2))]
pub async fn broken() {
    panic!("the effect is broken");
}

/// Gives its input back.
#[effect(name = "echo")]
pub async fn echo_effect(text: String) -> String {
    text
}
