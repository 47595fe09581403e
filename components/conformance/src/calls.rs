//! Calls between handlers, and the locks of keys.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::waits::WaitsClient;

/// A number per key, for others to call.
#[virtual_object]
impl Callee {
    /// Add and give the new value.
    #[handler]
    async fn add(ctx: &ObjectContext, amount: i64) -> Result<i64, Failure> {
        let value = ctx.get::<i64>("value")?.unwrap_or(0) + amount;
        ctx.set("value", &value)?;
        Ok(value)
    }

    /// The value.
    #[handler(shared)]
    async fn get(ctx: &SharedObjectContext) -> Result<i64, Failure> {
        Ok(ctx.get("value")?.unwrap_or(0))
    }

    /// Fails, with metadata.
    #[handler]
    async fn fail(ctx: &ObjectContext) -> Result<i64, Failure> {
        Err(Failure::new(418, format!("{} is a teapot", ctx.key())).with_metadata("pot", "tea"))
    }

    /// Gives back a header of the call.
    #[handler(shared)]
    async fn header(ctx: &SharedObjectContext, name: String) -> Option<String> {
        ctx.headers().get(&name).map(str::to_owned)
    }

    /// Gives the caller's invocation id.
    #[handler(shared)]
    async fn caller(ctx: &SharedObjectContext) -> Option<InvocationId> {
        ctx.caller()
    }
}

/// The client of something that nobody deployed.
#[service]
trait Nowhere {
    #[handler]
    async fn go(ctx: &Context);
}

/// What `Calls/ids` gives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Ids {
    /// The id that the call answered at once.
    pub callee: InvocationId,
    /// The caller, as the callee sees it.
    pub caller_seen_by_callee: Option<InvocationId>,
    /// The caller, as it sees itself.
    pub caller: InvocationId,
}

/// Calls others.
#[service]
impl Calls {
    /// Add to the callee `key`, and give its new value.
    #[handler]
    async fn add(ctx: &Context, (key, amount): (String, i64)) -> Result<i64, Failure> {
        ctx.object::<CalleeClient>(key).add(amount).await
    }

    /// Add 1 to each of `count` callees in parallel, and give the sum of their new values.
    #[handler]
    async fn add_in_parallel(ctx: &Context, (prefix, count): (String, u32)) -> Result<i64, Failure> {
        let keys = (0..count).map(|index| format!("{prefix}{index}"));
        let values = ctx.all(keys.map(|key| ctx.object::<CalleeClient>(key).add(1))).await?;
        Ok(values.iter().sum())
    }

    /// Calls of one handler to one key are executed in the order in which they were made.
    #[handler]
    async fn calls_to_one_key_keep_their_order(ctx: &Context, key: String) -> Result<(), Failure> {
        let callee = ctx.object::<CalleeClient>(key);
        let base = callee.get().await?;
        let values = ctx.all((0..10).map(|_| callee.add(1))).await?;
        assert_eq!(values, (base + 1..=base + 10).collect::<Vec<_>>());
        Ok(())
    }

    /// The failure of a callee reaches the caller whole.
    #[handler]
    async fn failure_reaches_the_caller(ctx: &Context) -> Result<(), Failure> {
        let failure = ctx.object::<CalleeClient>("pot").fail().await.expect_err("the callee fails");
        assert_eq!(failure, Failure::new(418, "pot is a teapot").with_metadata("pot", "tea"));
        assert!(!failure.is_cancelled());
        Ok(())
    }

    /// An unknown service is a failure 404.
    #[handler]
    async fn unknown_service_is_not_found(ctx: &Context) {
        let failure = ctx.service::<NowhereClient>().go().await.expect_err("nobody deployed it");
        assert_eq!(failure.code, 404, "{failure}");
    }

    /// Two calls with one idempotency key are one invocation.
    #[handler]
    async fn one_key_is_one_invocation(ctx: &Context, key: String) -> Result<(), Failure> {
        let callee = ctx.object::<CalleeClient>(ctx.uuid());
        let (first_id, first) = callee.add(1).idempotency_key(&key).start();
        let (second_id, second) = callee.add(1).idempotency_key(&key).start();
        assert_eq!(first_id, second_id);
        assert_eq!(first.await?, 1);
        assert_eq!(second.await?, 1);
        assert_eq!(callee.get().await?, 1);
        Ok(())
    }

    /// Headers of a call reach the callee.
    #[handler]
    async fn headers_reach_the_callee(ctx: &Context) -> Result<(), Failure> {
        let callee = ctx.object::<CalleeClient>("headers");
        let value = callee.header("x-tenant".to_owned()).header("x-tenant", "t1").await?;
        assert_eq!(value.as_deref(), Some("t1"));
        Ok(())
    }

    /// The ids of caller and callee, from both sides.
    #[handler]
    async fn ids(ctx: &Context) -> Result<Ids, Failure> {
        let (callee, caller_seen_by_callee) = ctx.object::<CalleeClient>("ids").caller().start();
        let caller_seen_by_callee = caller_seen_by_callee.await?;
        Ok(Ids { callee, caller_seen_by_callee, caller: ctx.invocation_id() })
    }

    /// Calls itself `depth` times, each waiting for the next, and counts.
    #[handler]
    async fn nest(ctx: &Context, depth: u32) -> Result<u32, Failure> {
        match depth {
            0 => Ok(0),
            depth => Ok(1 + ctx.service::<CallsClient>().nest(depth - 1).await?),
        }
    }

    /// Waits for an invocation that waits for an awakeable: killing or cancelling this one reaches it.
    #[handler]
    async fn wait_for_a_waiting_callee(ctx: &Context, key: String) -> Result<String, Failure> {
        ctx.object::<WaitsClient>(key).hold().await
    }
}

/// Calls back to its own key.
#[virtual_object]
impl Locked {
    /// A call to the own key from an exclusive handler is a failure 409, at once.
    #[handler]
    async fn call_to_the_own_key_is_a_deadlock(ctx: &ObjectContext) {
        let failure =
            ctx.object::<LockedClient>(ctx.key()).touch().await.expect_err("it would wait for itself");
        assert_eq!(failure.code, 409, "{failure}");
        assert!(failure.message.contains("deadlock"), "{failure}");
    }

    /// The same over a service in between.
    #[handler]
    async fn call_back_over_another_is_a_deadlock(ctx: &ObjectContext) {
        let other = ctx.object::<LockedClient>(format!("{}-other", ctx.key()));
        let code = other.touch_other(ctx.key().to_owned()).await.expect("the failure is handled there");
        assert_eq!(code, 409);
    }

    /// A shared handler of the own key may be called: it takes no lock.
    #[handler]
    async fn shared_call_to_the_own_key_works(ctx: &ObjectContext) -> Result<(), Failure> {
        ctx.object::<LockedClient>(ctx.key()).look().await
    }

    /// Does nothing, with the lock.
    #[handler]
    async fn touch(_ctx: &ObjectContext) {}

    /// Calls `touch` of another key and gives the code of its failure.
    #[handler]
    async fn touch_other(ctx: &ObjectContext, key: String) -> u16 {
        match ctx.object::<LockedClient>(key).touch().await {
            Ok(()) => 0,
            Err(failure) => failure.code,
        }
    }

    /// Does nothing, without the lock.
    #[handler(shared)]
    async fn look(_ctx: &SharedObjectContext) {}
}
