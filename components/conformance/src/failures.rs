//! How attempts and invocations fail.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A failure to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Wanted {
    pub code: u16,
    pub message: String,
    #[serde(default)]
    pub metadata: Vec<(String, String)>,
}

/// Fails.
#[service]
impl Failures {
    /// Fails terminally, as wanted.
    #[handler]
    async fn fail(_ctx: &Context, wanted: Wanted) -> Result<(), Failure> {
        let failure = Failure::new(wanted.code, wanted.message);
        Err(wanted
            .metadata
            .into_iter()
            .fold(failure, |failure, (name, value)| failure.with_metadata(name, value)))
    }

    /// Fails retryably for ever: backs off.
    #[handler]
    async fn retry_for_ever(_ctx: &Context) -> Result<(), HandlerError> {
        Err(HandlerError::retryable("this never works"))
    }

    /// Fails retryably and asks to be tried again in an hour.
    #[handler]
    async fn retry_in_an_hour(_ctx: &Context) -> Result<(), HandlerError> {
        Err(HandlerError::retryable_after("come back later", hours(1)))
    }

    /// Fails retryably three times, then for good.
    #[handler(retry(
        initial_interval = "5ms",
        factor = 1.0,
        max_interval = "5ms",
        max_attempts = 3,
        on_exhausted = "fail"
    ))]
    async fn fail_after_three_attempts(_ctx: &Context) -> Result<(), HandlerError> {
        Err(HandlerError::retryable("three times is enough"))
    }

    /// Panics at once: backs off, with the message.
    #[handler]
    async fn panic(_ctx: &Context) {
        panic!("a handler panics");
    }

    /// Panics after a wait: what was recorded before stays, and the wait is not repeated.
    #[handler]
    async fn panic_after_a_wait(ctx: &Context) -> Result<(), Failure> {
        ctx.sleep(millis(5)).await?;
        panic!("a handler panics after a wait");
    }

    /// Waits for something that never comes and is no operation: a panic that says so, not a hang.
    #[handler]
    async fn wait_for_nothing(_ctx: &Context) {
        std::future::pending::<()>().await;
    }

    /// Cannot be called through a door.
    #[handler(public = false)]
    async fn private(_ctx: &Context) {}

    /// Gives its input back, whatever it is; for payloads that the door must carry unchanged.
    #[handler]
    async fn echo(_ctx: &Context, input: String) -> String {
        input
    }
}
