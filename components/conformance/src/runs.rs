//! Inline runs: work whose result is recorded, and whose traces are gone.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};

use relight::bindings::relight::handler::{inline_run, ops, waiting};
use relight::http;
use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effects::{Answer, unbound_echo};

/// What a run saw of the world, and what the handler sees afterwards.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct InsideAndAfter {
    pub now_inside: Timestamp,
    pub now_after: Timestamp,
    pub uuid_inside: String,
    pub uuid_after: String,
}

/// Tried quickly, three times in all.
fn three_attempts() -> RetryPolicy {
    RetryPolicy::new().initial_interval(millis(5)).max_interval(millis(5)).max_attempts(3)
}

/// Does work.
#[service]
impl Runs {
    /// The result of a run is the same after a replay: an effect records it on the first pass, and a later pass compares.
    #[handler]
    async fn result_is_recorded(ctx: &Context) -> Result<(), Failure> {
        let number = ctx.run("chance", || Ok(ctx.random::<u64>())).await?;
        let recorded = ctx.effect(unbound_echo(number.to_string())).await?;
        assert_eq!(recorded, number.to_string());
        ctx.sleep(millis(20)).await?;
        // Made after the sleep, so a host that drops waiting handlers has replayed the run.
        let recorded = ctx.effect(unbound_echo(number.to_string())).await?;
        assert_eq!(recorded, number.to_string());
        Ok(())
    }

    /// So many runs in a row; gives the sum of the numbers below `count`.
    #[handler]
    async fn many(ctx: &Context, count: u32) -> Result<u32, Failure> {
        let mut sum = 0;
        for number in 0..count {
            sum += ctx.run("number", || Ok(number)).await?;
        }
        Ok(sum)
    }

    /// A run that always fails is retried by its policy, and then its failure is the result.
    #[handler]
    async fn exhausted_retries_are_a_failure(ctx: &Context) {
        let work = || Err::<(), _>(RunError::retryable("the work fails"));
        let failure = ctx.run("failing", work).retry(three_attempts()).await.expect_err("it always fails");
        assert!(failure.message.contains("the work fails"), "{failure}");
        assert_eq!(failure.code, 500);
    }

    /// A terminal failure of a run is not repeated and reaches the handler whole.
    #[handler]
    async fn terminal_failure_is_a_result(ctx: &Context) {
        let refused = || Failure::new(402, "refused").with_metadata("reason", "test");
        let failure = ctx.run::<(), _>("refused", || Err(refused())?).await.expect_err("it is refused");
        assert_eq!(failure, refused());
    }

    /// What a run leaves behind in memory is gone when the handler goes on.
    #[handler]
    async fn traces_are_gone(ctx: &Context) -> Result<(), Failure> {
        static TRACES: AtomicU32 = AtomicU32::new(0);
        let inside = ctx.run("trace", || Ok(TRACES.fetch_add(1, Ordering::Relaxed) + 1)).await?;
        assert_eq!(inside, 1, "the work saw its own trace");
        assert_eq!(TRACES.load(Ordering::Relaxed), 0, "the handler does not");
        Ok(())
    }

    /// Hashed collections have the order that they would have without the run, whose work makes some, too.
    #[handler]
    async fn order_of_maps_is_that_of_a_replay(ctx: &Context) -> Result<(), Failure> {
        let order = || (0..20).collect::<HashSet<u32>>().into_iter().collect::<Vec<u32>>();
        let before = order();
        ctx.run("maps", || {
            for _ in 0..3 {
                order();
            }
            Ok(())
        })
        .await?;
        let after = format!("{before:?} {:?}", order());
        assert_eq!(ctx.effect(unbound_echo(after.clone())).await?, after);
        ctx.sleep(millis(20)).await?;
        assert_eq!(ctx.effect(unbound_echo(after.clone())).await?, after);
        Ok(())
    }

    /// Time and chance are live inside a run; it takes nothing from the invocation's own streams. The facts of the invocation are
    /// there, too.
    #[handler]
    async fn world_is_live_inside(ctx: &Context) -> Result<InsideAndAfter, Failure> {
        let (now, uuid, id) = ctx.run("look", || Ok((ctx.now(), ctx.uuid(), ctx.invocation_id()))).await?;
        assert_eq!(id, ctx.invocation_id());
        let seen = InsideAndAfter {
            now_inside: now,
            now_after: ctx.now(),
            uuid_inside: uuid,
            uuid_after: ctx.uuid(),
        };
        // Had the work drawn from the stream, the fresh instance would draw the same again.
        assert_ne!(seen.uuid_inside, seen.uuid_after);
        Ok(seen)
    }

    /// GET a URL.
    #[handler]
    async fn get(ctx: &Context, url: String) -> Result<Answer, Failure> {
        let work = || {
            let response = http::get(url).fetch()?;
            Ok(Answer { status: response.status, body: response.text() })
        };
        ctx.run("get", work).retry(three_attempts()).await
    }

    /// POST to a URL until it answers below 400.
    #[handler]
    async fn post(ctx: &Context, url: String) -> Result<String, Failure> {
        post(ctx, url).await
    }

    /// A recorded run is not done again: the handler waits after it, so a host that drops it replays.
    #[handler]
    async fn post_then_sleep(ctx: &Context, (url, delay_ms): (String, u64)) -> Result<String, Failure> {
        let receipt = post(ctx, url).await?;
        ctx.sleep(millis(delay_ms)).await?;
        Ok(receipt)
    }

    /// What happened before a run is durable before the work begins: whoever is asked by the work finds the send made before it.
    #[handler]
    async fn send_then_post(ctx: &Context, (key, url): (String, String)) -> Result<String, Failure> {
        ctx.object::<super::calls::CalleeClient>(key).add(1).send();
        post(ctx, url).await
    }
}

async fn post(ctx: &Context, url: String) -> Result<String, Failure> {
    let policy = RetryPolicy::new().initial_interval(millis(20)).max_interval(millis(500));
    ctx.run("post", || Ok(http::post(url).fetch()?.error_for_status()?.text())).retry(policy).await
}

/// What a run may not do: each of these traps, so that its invocation backs off with a message that says why.
#[service]
impl ForbiddenRuns {
    /// No operations inside a run.
    #[handler]
    async fn operation_in_a_run(ctx: &Context) -> Result<(), Failure> {
        ctx.run("timer", || {
            let handle = ops::timer(ops::Due::Now, None);
            panic!("a run has started operation {handle}");
        })
        .await
    }

    /// No waits inside a run.
    #[handler]
    async fn wait_in_a_run(ctx: &Context) -> Result<(), Failure> {
        let handle = ops::timer(ops::Due::Now, None);
        ctx.run("wait", || {
            let answer = waiting::wait(handle);
            panic!("a run has waited: {answer:?}");
        })
        .await
    }

    /// No run inside a run.
    #[handler]
    async fn run_in_a_run(ctx: &Context) -> Result<(), Failure> {
        ctx.run("outer", || {
            let started = inline_run::start("inner", None);
            panic!("a run has started a run: {started:?}");
        })
        .await
    }

    /// Nothing to finish.
    #[handler]
    async fn finish_without_a_run(_ctx: &Context) {
        inline_run::finish(Ok(b"1"));
    }

    /// Nothing to retry.
    #[handler]
    async fn retry_without_a_run(_ctx: &Context) {
        inline_run::retry("again", None);
    }

    /// A handler that returns in the middle of a run has not finished it.
    #[handler]
    async fn return_in_a_run(_ctx: &Context) {
        let started = inline_run::start("left", None);
        assert!(matches!(started, inline_run::Started::Live), "it never finishes: {started:?}");
    }

    /// A policy that makes no sense.
    #[handler]
    async fn policy_without_attempts(_ctx: &Context) {
        let mut policy = relight::bindings::relight::handler::types::RetryPolicy::from(three_attempts());
        policy.max_attempts = Some(0);
        inline_run::start("never", Some(policy));
    }

    /// HTTP is for the work only: what comes after it is replayed.
    #[handler]
    async fn fetch_after_a_run(ctx: &Context) -> Result<(), Failure> {
        ctx.run("nothing", || Ok(())).await?;
        let answer = http::get("http://127.0.0.1:1/").fetch();
        panic!("a handler has fetched: {answer:?}");
    }

    /// A panic in the work ends the attempt, and its message arrives.
    #[handler]
    async fn panic_in_a_run(ctx: &Context) -> Result<(), Failure> {
        ctx.run("panic", || panic!("the work panics")).await
    }
}
