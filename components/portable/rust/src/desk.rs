//! The service: calls, sends, timers, signals, effects, runs, waiting, failing.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::effects::{broken, echo_effect, flaky};
use crate::shelf::ShelfClient;

/// The output of `Desk/who`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Who {
    pub id: InvocationId,
    pub caller: Option<InvocationId>,
    pub tenant: Option<String>,
    pub idempotency_key: Option<String>,
}

/// The output of `Desk/options`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Called {
    pub callee: InvocationId,
    pub who: Who,
}

/// A value for somebody: for an awakeable or an invocation, by its id.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    pub id: String,
    pub value: String,
}

/// A failure to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Wanted {
    pub code: u16,
    pub message: String,
}

/// The output of `Desk/chance`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Chance {
    pub clock_agrees: bool,
    pub first: Vec<String>,
    pub second: Vec<String>,
}

/// Does everything that needs no key.
#[service]
impl Desk {
    /// Gives its input back.
    #[handler]
    async fn echo(_ctx: &Context, text: String) -> String {
        text
    }

    /// Takes nothing and gives nothing.
    #[handler]
    async fn nothing(_ctx: &Context) {}

    /// What an invocation knows about itself.
    #[handler]
    async fn who(ctx: &Context) -> Who {
        Who {
            id: ctx.invocation_id(),
            caller: ctx.caller(),
            tenant: ctx.headers().get("x-tenant").map(str::to_owned),
            idempotency_key: ctx.idempotency_key(),
        }
    }

    /// A call, awaited.
    #[handler]
    async fn call(ctx: &Context, key: String) -> Result<i64, Failure> {
        ctx.object::<ShelfClient>(key).add(1).await
    }

    /// A call with everything that a call may have.
    #[handler]
    async fn options(ctx: &Context, key: String) -> Result<Called, Failure> {
        let call = ctx.service::<DeskClient>().who();
        let (callee, who) = call.named("who").idempotency_key(key).header("x-tenant", "t1").start();
        Ok(Called { callee, who: who.await? })
    }

    /// Sends now, in a minute, and at an instant in two minutes.
    #[handler]
    async fn sends(ctx: &Context, key: String) -> Vec<InvocationId> {
        let shelf = ctx.object::<ShelfClient>(&key);
        vec![
            shelf.add(1).send(),
            shelf.add(10).idempotency_key(key).send_after(minutes(1)),
            shelf.add(100).send_at(ctx.now() + minutes(2)),
        ]
    }

    /// Sleeps, and then until an instant that has passed; gives how long that took by its own time.
    #[handler]
    async fn sleep(ctx: &Context, delay_ms: u64) -> Result<u64, Failure> {
        let begun = ctx.now();
        ctx.sleep(millis(delay_ms)).await?;
        ctx.sleep_until(Timestamp::from_millis(1)).await?;
        Ok(ctx.now().as_millis() - begun.as_millis())
    }

    /// Resolves an awakeable.
    #[handler]
    async fn resolve(ctx: &Context, message: Message) {
        ctx.resolve_awakeable(message.id, &message.value);
    }

    /// Rejects an awakeable.
    #[handler]
    async fn reject(ctx: &Context, message: Message) {
        ctx.reject_awakeable(message.id, Failure::new(422, message.value).with_metadata("by", "desk"));
    }

    /// The next `count` values of the signal `go`.
    #[handler]
    async fn signals(ctx: &Context, count: u32) -> Result<Vec<String>, Failure> {
        ctx.all((0..count).map(|_| ctx.signal("go"))).await
    }

    /// Sends a value as the signal `go`, and then a failure.
    #[handler]
    async fn send_signal(ctx: &Context, message: Message) {
        let to = InvocationId::from(message.id);
        ctx.send_signal(&to, "go", &message.value);
        ctx.reject_signal(&to, "go", Failure::new(422, message.value));
    }

    /// The result of another invocation, when it has one.
    #[handler]
    async fn attach(ctx: &Context, id: InvocationId) -> Result<i64, Failure> {
        ctx.attach(&id).await
    }

    /// The result of another invocation, if it has one.
    #[handler]
    async fn output(ctx: &Context, id: InvocationId) -> Result<Option<i64>, Failure> {
        ctx.output(&id).await
    }

    /// Cancels another invocation.
    #[handler]
    async fn cancel(ctx: &Context, id: InvocationId) {
        ctx.cancel(&id);
    }

    /// An effect that fails until an attempt.
    #[handler]
    async fn effect(ctx: &Context, until: u32) -> Result<u32, Failure> {
        ctx.effect(flaky(until)).await
    }

    /// Effects that fail for good: one with a policy of its own, one with an uncaught error. Gives their messages.
    #[handler]
    async fn failed_effects(ctx: &Context) -> Result<Vec<String>, Failure> {
        let policy = RetryPolicy::new().initial_interval(millis(100)).factor(1.0).max_attempts(2);
        let flaky = ctx.effect(flaky(9).retry(policy).timeout(seconds(5))).await;
        let broken = ctx.effect(broken()).await;
        Ok([flaky.map(drop), broken]
            .into_iter()
            .filter_map(Result::err)
            .map(|failure| failure.message)
            .collect())
    }

    /// Effects at the same time.
    #[handler]
    async fn effects(ctx: &Context, count: u32) -> Result<u32, Failure> {
        Ok(ctx.all((0..count).map(|_| ctx.effect(flaky(1)))).await?.iter().sum())
    }

    /// An inline run: doubles its input; 0 fails for good, less than 0 for now. Then sleeps, so that it is replayed.
    #[handler]
    async fn run(ctx: &Context, number: i64) -> Result<i64, Failure> {
        let work = || match number {
            0 => Err(Failure::new(402, "refused").with_metadata("reason", "none wanted"))?,
            ..0 => Err(RunError::retryable("not yet")),
            number => Ok(2 * number),
        };
        let policy = RetryPolicy::new().initial_interval(seconds(1)).factor(1.0).max_attempts(3);
        let doubled = ctx.run("double", work).retry(policy).await;
        ctx.sleep(seconds(1)).await?;
        doubled
    }

    /// Waits for all of three calls, the middle one of which may fail, and gives the sum of their results.
    #[handler]
    async fn all(ctx: &Context, amount: i64) -> Result<i64, Failure> {
        let amounts = [("all-0", 1), ("all-1", amount), ("all-2", 3)];
        let counts = ctx.all(amounts.map(|(key, amount)| ctx.object::<ShelfClient>(key).add(amount))).await?;
        Ok(counts.iter().sum())
    }

    /// Waits for an awakeable, but not longer than a minute.
    #[handler]
    async fn race(ctx: &Context) -> Result<String, Failure> {
        let (id, answer) = ctx.awakeable::<String>();
        relight::info!("answer with {id}");
        match select(answer, ctx.sleep(minutes(1))).await {
            (Either::Left(answer), _) => answer,
            (Either::Right(timer), _) => timer.map(|()| "too late".to_owned()),
        }
    }

    /// Three timers, in the order in which they complete.
    #[handler]
    async fn order(ctx: &Context) -> Result<Vec<usize>, Failure> {
        let mut pending: Vec<_> =
            [3, 1, 2].into_iter().map(|delay| ctx.sleep(seconds(delay))).enumerate().collect();
        let mut order = Vec::new();
        while !pending.is_empty() {
            let (place, timer) = race(pending.iter_mut().map(|(_, timer)| timer)).await;
            timer?;
            order.push(pending.remove(place).0);
        }
        Ok(order)
    }

    /// Two branches that go on beside each other, in the language's own way: each sleeps, then calls.
    #[handler]
    async fn concurrent(ctx: &Context, key: String) -> Result<Vec<i64>, Failure> {
        let branch = async |delay, name: &str| {
            ctx.sleep(seconds(delay)).await?;
            ctx.object::<ShelfClient>(format!("{key}-{name}")).add(delay as i64).await
        };
        let (first, second) = join(branch(1, "first"), branch(3, "second")).await;
        Ok(vec![first?, second?])
    }

    /// Takes five from a shelf, and gives them back when it is cancelled.
    #[handler]
    async fn compensate(ctx: &Context, key: String) -> Result<String, Failure> {
        let shelf = ctx.object::<ShelfClient>(key);
        shelf.add(-5).await?;
        let (id, answer) = ctx.awakeable::<String>();
        relight::info!("answer with {id}");
        let answer = answer.await;
        if answer.is_err() {
            shelf.add(5).await?;
            ctx.sleep(seconds(1)).await?;
        }
        answer
    }

    /// Fails for good, as wanted.
    #[handler]
    async fn fail(_ctx: &Context, wanted: Wanted) -> Result<(), Failure> {
        Err(Failure::new(wanted.code, wanted.message).with_metadata("a", "1").with_metadata("ä", "✓"))
    }

    /// Sleeps, and then ends with an uncaught error.
    #[handler]
    async fn crash(ctx: &Context, message: String) -> Result<(), Failure> {
        ctx.sleep(seconds(1)).await?;
        panic!("{message}");
    }

    /// Asks for another attempt, in an hour.
    #[handler]
    async fn retry_later(_ctx: &Context) -> Result<(), HandlerError> {
        Err(HandlerError::retryable_after("come back later", hours(1)))
    }

    /// Ends with an uncaught error, three times at most.
    #[handler(retry(
        initial_interval = "1s",
        factor = 1.0,
        max_interval = "1s",
        max_attempts = 3,
        on_exhausted = "fail"
    ))]
    async fn give_up(_ctx: &Context) {
        panic!("this never works");
    }

    /// Time and chance before and after a wait, recorded by an effect, so that a replay that draws others is a mismatch.
    #[handler]
    async fn chance(ctx: &Context) -> Result<Chance, Failure> {
        let first = draw(ctx);
        ctx.effect(echo_effect(first.join(" "))).await?;
        ctx.sleep(seconds(1)).await?;
        let second = draw(ctx);
        ctx.effect(echo_effect(second.join(" "))).await?;
        ctx.sleep(seconds(1)).await?;
        // Rust has no clock of its own here.
        Ok(Chance { clock_agrees: true, first, second })
    }

    /// Lines on each level before a wait, and one after it.
    #[handler]
    async fn logs(ctx: &Context) -> Result<(), Failure> {
        relight::debug!("portable debug");
        relight::info!("portable info");
        relight::warn!("portable warn");
        relight::error!("portable error");
        // Rust's own `println!` goes nowhere here.
        relight::info!("portable print");
        ctx.sleep(seconds(1)).await?;
        relight::log(relight::Level::Info, "portable after", &[("ключ", "значение")]);
        Ok(())
    }
}

/// Time, a UUID, a random number; what Rust itself lacks here comes from the context, too.
fn draw(ctx: &Context) -> Vec<String> {
    let random = || format!("{:016x}", ctx.random::<u64>());
    vec![ctx.now().as_millis().to_string(), ctx.uuid(), random(), random(), ctx.uuid()]
}
