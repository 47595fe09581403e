//! One-way and delayed messages.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One delivered message.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    pub message: String,
    pub at: Timestamp,
}

/// Records what is sent to it.
#[virtual_object]
impl Recorder {
    /// Take a message.
    #[handler]
    async fn record(ctx: &ObjectContext, message: String) -> Result<(), Failure> {
        let mut deliveries: Vec<Delivery> = ctx.get("deliveries")?.unwrap_or_default();
        deliveries.push(Delivery { message, at: ctx.now() });
        ctx.set("deliveries", &deliveries)
    }

    /// All messages so far, in order of execution.
    #[handler(shared)]
    async fn deliveries(ctx: &SharedObjectContext) -> Result<Vec<Delivery>, Failure> {
        Ok(ctx.get("deliveries")?.unwrap_or_default())
    }
}

/// Sends to recorders.
#[service]
impl Sends {
    /// Send `count` messages, numbered from 0, to the recorder `key`. They arrive once each, in order.
    #[handler]
    async fn send_many(ctx: &Context, (key, count): (String, u32)) {
        let recorder = ctx.object::<RecorderClient>(key);
        for number in 0..count {
            recorder.record(number.to_string()).send();
        }
    }

    /// Send to the recorder `key` in so many milliseconds, and give the time now.
    #[handler]
    async fn send_later(ctx: &Context, (key, delay_ms): (String, u64)) -> Timestamp {
        ctx.object::<RecorderClient>(key).record("later".to_owned()).send_after(millis(delay_ms));
        ctx.now()
    }

    /// Send to the recorder `key` at a time; give the id of the message's invocation.
    #[handler]
    async fn send_at(ctx: &Context, (key, at): (String, Timestamp)) -> InvocationId {
        ctx.object::<RecorderClient>(key).record("at".to_owned()).send_at(at)
    }

    /// A message that was sent before a terminal failure arrives.
    #[handler]
    async fn send_then_fail(ctx: &Context, key: String) -> Result<(), Failure> {
        ctx.object::<RecorderClient>(key).record("sent before failing".to_owned()).send();
        Err(Failure::new(500, "failed after sending"))
    }

    /// Two sends with one idempotency key are one invocation; it arrives once.
    #[handler]
    async fn one_key_is_one_message(ctx: &Context, key: String) {
        let recorder = ctx.object::<RecorderClient>(&key);
        let first = recorder.record("once".to_owned()).idempotency_key(&key).send();
        let second = recorder.record("once".to_owned()).idempotency_key(&key).send();
        assert_eq!(first, second);
    }
}
