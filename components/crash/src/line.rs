//! Order and overlap of the exclusive handlers of one key, and calls that come back to it.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MARKS: &str = "marks";
/// Long enough that a handler which would not wait for its turn comes in between.
const STAY_MS: u64 = 3;

/// Somebody came in or went out.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    In(u32),
    Out(u32),
}

/// One at a time.
#[virtual_object(idempotency_retention = "1h", journal_retention = "10m")]
impl Line {
    /// Come in, stay for a moment, go out.
    #[handler]
    async fn enter(ctx: &ObjectContext, number: u32) -> Result<(), Failure> {
        mark(ctx, Mark::In(number))?;
        ctx.sleep(millis(STAY_MS)).await?;
        mark(ctx, Mark::Out(number))
    }

    /// Who came in and went out, in order.
    #[handler(shared)]
    async fn marks(ctx: &SharedObjectContext) -> Result<Vec<Mark>, Failure> {
        Ok(ctx.get(MARKS)?.unwrap_or_default())
    }

    /// Calls `enter` of this very key, over another handler: waits for itself.
    #[handler]
    async fn call_back(ctx: &ObjectContext) -> Result<(), Failure> {
        ctx.service::<RelayClient>().enter(ctx.key().to_owned()).await
    }

    /// Sends to this very key: it comes in when this handler has gone.
    #[handler]
    async fn send_back(ctx: &ObjectContext, number: u32) -> Result<(), Failure> {
        mark(ctx, Mark::In(number))?;
        ctx.object::<LineClient>(ctx.key()).enter(number + 1).send();
        ctx.sleep(millis(STAY_MS)).await?;
        mark(ctx, Mark::Out(number))
    }
}

/// Passes calls on.
#[service(idempotency_retention = "1h", journal_retention = "10m")]
impl Relay {
    /// Call `enter` of a line.
    #[handler]
    async fn enter(ctx: &Context, key: String) -> Result<(), Failure> {
        ctx.object::<LineClient>(key).enter(0).await
    }
}

fn mark(ctx: &ObjectContext, mark: Mark) -> Result<(), Failure> {
    let mut marks: Vec<Mark> = ctx.get(MARKS)?.unwrap_or_default();
    marks.push(mark);
    ctx.set(MARKS, &marks)
}
