//! Side effects in their own instances.

use relight::http;
use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an effect saw of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveFacts {
    pub now: Timestamp,
    pub attempt: u32,
    pub idempotency_key: String,
}

/// An HTTP answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

#[effect]
pub async fn unbound_echo(text: String) -> String {
    text
}

#[effect]
pub async fn live_facts() -> LiveFacts {
    LiveFacts { now: relight::now(), attempt: effect_attempt(), idempotency_key: effect_idempotency_key() }
}

/// Fails until the given attempt, and gives its number.
#[effect(retry(initial_interval = "5ms", factor = 1.0, max_interval = "5ms", max_attempts = 50))]
pub async fn failing_until(attempt: u32) -> Result<u32, EffectError> {
    match effect_attempt() {
        current if current < attempt => Err(EffectError::retryable(format!("attempt {current} fails"))),
        current => Ok(current),
    }
}

#[effect(retry(initial_interval = "5ms", factor = 1.0, max_interval = "5ms", max_attempts = 3))]
pub async fn always_failing() -> Result<(), EffectError> {
    Err(EffectError::retryable(format!("attempt {} fails", effect_attempt())))
}

#[effect]
pub async fn refused() -> Result<(), EffectError> {
    Err(EffectError::Terminal(Failure::new(402, "refused").with_metadata("reason", "test")))
}

#[effect(retry(initial_interval = "5ms", factor = 1.0, max_interval = "5ms", max_attempts = 2))]
pub async fn panicking() {
    panic!("an effect panics");
}

/// A GET request to anywhere.
#[effect(retry(initial_interval = "5ms", factor = 1.0, max_interval = "5ms", max_attempts = 2))]
pub async fn fetch(url: String) -> Result<Answer, EffectError> {
    let response = http::get(url).header("idempotency-key", effect_idempotency_key()).send().await?;
    Ok(Answer { status: response.status, body: response.text() })
}

/// A POST request that must come through: it is repeated with the same key until it does.
#[effect(retry(initial_interval = "20ms", factor = 1.5, max_interval = "500ms"))]
pub async fn charge(url: String, body: String) -> Result<String, EffectError> {
    let response =
        http::post(url).header("idempotency-key", effect_idempotency_key()).body(body).send().await?;
    Ok(response.error_for_status()?.text())
}

/// A GET request that is given up after 200 ms, once.
#[effect(timeout = "200ms", retry(max_attempts = 1))]
pub async fn slow(url: String) -> Result<(), EffectError> {
    http::get(url).send().await?;
    Ok(())
}

/// Runs effects.
#[service]
impl Effects {
    /// Argument and result travel unchanged.
    #[handler]
    async fn result_comes_back(ctx: &Context, text: String) -> Result<String, Failure> {
        ctx.effect(unbound_echo(text)).await
    }

    /// Many effects at once.
    #[handler]
    async fn run_in_parallel(ctx: &Context, count: u32) -> Result<(), Failure> {
        let texts = ctx.all((0..count).map(|number| ctx.effect(unbound_echo(number.to_string())))).await?;
        assert_eq!(texts, (0..count).map(|number| number.to_string()).collect::<Vec<_>>());
        Ok(())
    }

    /// An effect that fails is repeated until the given attempt; gives the attempt that succeeded.
    #[handler]
    async fn retries_until(ctx: &Context, attempt: u32) -> Result<u32, Failure> {
        ctx.effect(failing_until(attempt)).await
    }

    /// After its last attempt an effect fails for good, with the last message.
    #[handler]
    async fn exhausted_retries_are_a_failure(ctx: &Context) {
        let failure = ctx.effect(always_failing()).await.expect_err("it always fails");
        assert!(failure.message.contains("attempt 3 fails"), "{failure}");
    }

    /// A terminal failure of an effect is not repeated and reaches the handler whole.
    #[handler]
    async fn terminal_failure_is_a_result(ctx: &Context) {
        let failure = ctx.effect(refused()).await.expect_err("it is refused");
        assert_eq!(failure, Failure::new(402, "refused").with_metadata("reason", "test"));
    }

    /// A panic in an effect is retryable, and its message arrives.
    #[handler]
    async fn panic_keeps_its_message(ctx: &Context) {
        let failure = ctx.effect(panicking()).await.expect_err("it always panics");
        assert!(failure.message.contains("an effect panics"), "{failure}");
    }

    /// The keys of different effects differ; all attempts of one have the same.
    #[handler]
    async fn keys_differ(ctx: &Context) -> Result<Vec<LiveFacts>, Failure> {
        let facts = ctx.all([ctx.effect(live_facts()), ctx.effect(live_facts())]).await?;
        assert_ne!(facts[0].idempotency_key, facts[1].idempotency_key);
        assert_eq!((facts[0].attempt, facts[1].attempt), (1, 1));
        Ok(facts)
    }

    /// GET a URL.
    #[handler]
    async fn get(ctx: &Context, url: String) -> Result<Answer, Failure> {
        ctx.effect(fetch(url)).await
    }

    /// GET a URL that answers too late: a failure.
    #[handler]
    async fn timeout_is_a_failure(ctx: &Context, url: String) -> String {
        ctx.effect(slow(url)).await.expect_err("it takes too long").message
    }

    /// POST to a URL with an idempotency key, until it answers below 400.
    #[handler]
    async fn charge(ctx: &Context, (url, body): (String, String)) -> Result<String, Failure> {
        ctx.effect(charge(url, body)).await
    }

    /// A recorded effect is not run again: the handler waits after it, so a host that drops it replays.
    #[handler]
    async fn charge_then_sleep(ctx: &Context, (url, delay_ms): (String, u64)) -> Result<String, Failure> {
        let receipt = ctx.effect(charge(url, String::new())).await?;
        ctx.sleep(millis(delay_ms)).await?;
        Ok(receipt)
    }
}
