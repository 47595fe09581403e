//! The handlers that the benchmarks call. Each does the least that its workload needs, so that what is measured is the host.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much of something.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    pub n: u32,
}

/// How long.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Sleep {
    pub ms: u64,
}

/// `greet`: no state, no operations.
#[service]
impl Greeter {
    /// Gives its input back.
    #[handler]
    async fn greet(_ctx: &Context, input: Option<Value>) -> Option<Value> {
        input
    }
}

/// `counter`: one read, one write.
#[virtual_object]
impl Counter {
    /// Add, and give the new value.
    #[handler]
    async fn add(ctx: &ObjectContext, amount: i64) -> Result<i64, Failure> {
        let value = ctx.get::<i64>("value")?.unwrap_or(0).wrapping_add(amount);
        ctx.set("value", &value)?;
        Ok(value)
    }

    /// The value.
    #[handler(shared)]
    async fn get(ctx: &SharedObjectContext) -> Result<i64, Failure> {
        Ok(ctx.get("value")?.unwrap_or(0))
    }
}

/// `rpc`: one call.
#[service]
impl Rpc {
    /// Calls the greeter.
    #[handler]
    async fn call(ctx: &Context, input: Option<Value>) -> Result<Option<Value>, Failure> {
        ctx.service::<GreeterClient>().greet(input).await
    }
}

/// `rpc-chain`: calls in a row, each waiting for the next.
#[service]
impl Chain {
    /// Calls itself down to 0, and gives how often.
    #[handler]
    async fn hop(ctx: &Context, input: Count) -> Result<u32, Failure> {
        match input.n {
            0 => Ok(0),
            n => Ok(1 + ctx.service::<ChainClient>().hop(Count { n: n - 1 }).await?),
        }
    }
}

/// `fanout`: many calls at once.
#[service]
impl Fanout {
    /// Calls the greeter `n` times in parallel, and gives how many answers came.
    #[handler]
    async fn fan(ctx: &Context, input: Count) -> Result<usize, Failure> {
        let greeter = ctx.service::<GreeterClient>();
        let answers = ctx.all((0..input.n).map(|index| greeter.greet(Some(Value::from(index))))).await?;
        Ok(answers.len())
    }
}

/// `steps`: inline runs in a row, each doing nothing but counting.
#[service]
impl Steps {
    /// `n` inline runs; gives the sum of the numbers below `n`.
    #[handler]
    async fn steps(ctx: &Context, input: Count) -> Result<u64, Failure> {
        steps(ctx, input.n).await
    }
}

/// Each run gives its number; gives their sum.
async fn steps(ctx: &Context, n: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for number in 0..n {
        sum += u64::from(ctx.run("step", || Ok(number)).await?);
    }
    Ok(sum)
}

/// `sleep-many`: timers that many invocations wait for.
#[service]
impl Sleeper {
    /// Sleeps, and gives the wall clock afterwards, for the lateness of the timer.
    #[handler]
    async fn sleep(ctx: &Context, input: Sleep) -> Result<Timestamp, Failure> {
        ctx.sleep(millis(input.ms)).await?;
        ctx.run("wall clock", || Ok(relight::now())).await
    }
}

/// `awakeable`: an answer from outside.
#[virtual_object]
impl Awk {
    /// Waits for an awakeable, and gives its value.
    #[handler]
    async fn wait(ctx: &ObjectContext) -> Result<Option<Value>, Failure> {
        let (id, value) = ctx.awakeable::<Option<Value>>();
        ctx.set("id", &id)?;
        let value = value.await;
        ctx.clear("id");
        value
    }

    /// The id to resolve; none while nobody waits.
    #[handler(shared)]
    async fn id(ctx: &SharedObjectContext) -> Result<Option<AwakeableId>, Failure> {
        ctx.get("id")
    }
}

/// `replay`: a journal of a given length that is read again when the answer comes.
#[virtual_object]
impl Replay {
    /// Makes an awakeable, makes `n` steps, waits for the awakeable, and gives the sum of the steps.
    #[handler]
    async fn start(ctx: &ObjectContext, input: Count) -> Result<u64, Failure> {
        let (id, value) = ctx.awakeable::<Option<Value>>();
        let sum = steps(ctx, input.n).await?;
        // Who sees the id knows that the steps are made.
        ctx.set("id", &id)?;
        let value = value.await;
        ctx.clear("id");
        value.map(|_| sum)
    }

    /// The id to resolve; none while the steps are being made.
    #[handler(shared)]
    async fn id(ctx: &SharedObjectContext) -> Result<Option<AwakeableId>, Failure> {
        ctx.get("id")
    }
}

relight::export!(Greeter, Counter, Rpc, Chain, Fanout, Steps, Sleeper, Awk, Replay);
