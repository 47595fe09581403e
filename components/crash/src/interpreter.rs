//! Runs programs.

use std::time::Duration;

use relight::prelude::*;

use crate::counter::{CounterClient, Increment, increase_slowly};
use crate::flow::{FlowClient, Journey};
use crate::gate::GateClient;
use crate::payments::{ChargeRequest, ConfirmRequest, charge, charge_now, confirm};
use crate::program::{Add, Answer, Doomed, Program, Step};

/// Longer than anything here lives.
const FOR_EVER: Duration = hours(10_000);

/// Runs programs without a lock.
#[service(idempotency_retention = "1h", journal_retention = "10m")]
impl Worker {
    /// Run a program.
    #[handler]
    async fn mixed(ctx: &Context, program: Program) -> Result<Answer, Failure> {
        run(ctx, None, program).await
    }
}

/// Ends by being cancelled, and compensates.
#[service(idempotency_retention = "1h", journal_retention = "10m")]
impl Victim {
    /// Add, start the next level or sleep, and wait. The addition is a message: a cancellation takes back the calls that
    /// nobody has answered yet.
    #[handler]
    async fn wait(ctx: &Context, mut levels: Vec<Doomed>) -> Result<(), Failure> {
        let Doomed { before, compensation } = levels.remove(0);
        addition(ctx, before).send();
        let (own, deeper) = if levels.is_empty() {
            (ctx.sleep(FOR_EVER).await.err(), None)
        } else {
            let mut result = ctx.service::<VictimClient>().wait(levels).into_future();
            let own = (&mut result).await.err();
            (own, Some(result.await))
        };
        // The next level was cancelled with this one, and has compensated: its result is a failure of the same code.
        if let Some(outcome) = deeper
            && !matches!(&outcome, Err(failure) if failure.code == 409)
        {
            return Err(unexpected(format!("the next level ended with {outcome:?}")));
        }
        let Some(cancelled) = own.filter(Failure::is_cancelled) else {
            return Err(unexpected("the wait ended without a cancellation"));
        };
        addition(ctx, compensation).await?;
        Err(cancelled)
    }
}

/// Answers awakeables, and sends signals.
#[service(idempotency_retention = "1h", journal_retention = "10m")]
impl Resolver {
    /// Resolve an awakeable with an amount.
    #[handler]
    async fn resolve(ctx: &Context, (id, amount): (AwakeableId, i64)) {
        ctx.resolve_awakeable(id, &amount);
    }

    /// Send the numbers below `values` as signals, each with a step in between.
    #[handler]
    async fn signal(ctx: &Context, (to, name, values): (InvocationId, String, u32)) -> Result<(), Failure> {
        for value in 0..values {
            ctx.send_signal(&to, &name, &value);
            ctx.sleep(millis(1)).await?;
        }
        Ok(())
    }
}

/// `own`: the counter that runs the program, if one does.
pub async fn run(ctx: &Context, own: Option<&ObjectContext>, program: Program) -> Result<Answer, Failure> {
    let Program { ledger, steps } = program;
    let mut seen = Vec::new();
    for step in steps {
        seen.extend(run_step(ctx, own, &ledger, step).await?);
    }
    Ok(Answer { uuid: ctx.uuid(), finished_at: ctx.now(), seen })
}

/// Fails for good, which the program did not say: somebody waits for another answer, and shows this one.
fn unexpected(what: impl std::fmt::Display) -> Failure {
    Failure::new(500, what.to_string())
}

/// Gives what the step has seen, if it has a result.
async fn run_step(
    ctx: &Context,
    own: Option<&ObjectContext>,
    ledger: &str,
    step: Step,
) -> Result<Option<String>, Failure> {
    let seen = match step {
        Step::Call(add) => addition(ctx, add).await?.to_string(),
        Step::Send(add) => addition(ctx, add).send().to_string(),
        Step::SendAfter { add, delay_ms } => addition(ctx, add).send_after(millis(delay_ms)).to_string(),
        Step::Parallel { adds } => {
            format!("{:?}", ctx.all(adds.into_iter().map(|add| addition(ctx, add))).await?)
        }
        Step::Awakeable(add) => await_amount(ctx, add).await?.to_string(),
        Step::Race { add, timer_ms } => race_timer(ctx, add, timer_ms).await?,
        Step::Run { counter, steps } => {
            let program = Program { ledger: ledger.to_owned(), steps };
            ctx.object::<CounterClient>(counter).run(program).await?.uuid
        }
        Step::Own { op, amount, pause_ms } => {
            let own = own.ok_or_else(|| Failure::new(400, "a step `own` outside of a counter"))?;
            increase_slowly(own, Increment { op, amount }, pause_ms).await?.to_string()
        }
        Step::Charge { payment, failures } => pay(ctx, ledger, payment, failures).await?,
        Step::ChargeInline { payment, failures } => pay_inline(ctx, ledger, payment, failures).await?,
        Step::Twice(add) => add_twice(ctx, add).await?.to_string(),
        Step::Attach(add) => add_attached(ctx, add).await?.to_string(),
        Step::Signals { add, name, values, late } => {
            receive(ctx, name, values, late).await?;
            addition(ctx, add).await?.to_string()
        }
        Step::Workflow { key, add, steps } => {
            run_workflow(ctx, key, Journey { ledger: ledger.to_owned(), add, steps }).await?.to_string()
        }
        Step::Cancel { levels, pause_ms } => cancel(ctx, levels, pause_ms).await?,
        Step::Sleep { ms } => {
            ctx.sleep(millis(ms)).await?;
            return Ok(None);
        }
        Step::Hold { gate } => {
            let (id, opened) = ctx.awakeable::<String>();
            ctx.object::<GateClient>(gate).show(id).send();
            opened.await?
        }
        Step::Listen { name } => ctx.signal::<String>(&name).await?,
        Step::Fail => return Err(Failure::new(418, "the program says so").with_metadata("uuid", ctx.uuid())),
    };
    Ok(Some(seen))
}

pub fn addition(ctx: &Context, add: Add) -> Call<i64> {
    let Add { counter, op, amount } = add;
    ctx.object::<CounterClient>(counter).add(Increment { op, amount })
}

async fn await_amount(ctx: &Context, add: Add) -> Result<i64, Failure> {
    let (id, amount) = ctx.awakeable::<i64>();
    ctx.service::<ResolverClient>().resolve((id, add.amount)).send();
    let amount = amount.await?;
    addition(ctx, Add { amount, ..add }).await
}

/// Whoever wins, the call is waited for. After the timer comes a step that is not there otherwise, so that a replay
/// with another winner cannot pass unnoticed.
async fn race_timer(ctx: &Context, add: Add, timer_ms: u64) -> Result<String, Failure> {
    match select(addition(ctx, add), ctx.sleep(millis(timer_ms))).await {
        (Either::Left(sum), _timer) => Ok(format!("call first, {}", sum?)),
        (Either::Right(timer), Either::Left(sum)) => {
            timer?;
            ctx.sleep(millis(1)).await?;
            Ok(format!("timer first, {}", sum.await?))
        }
        (Either::Right(_), Either::Right(_)) => Err(Failure::new(500, "the winner is left over")),
    }
}

/// The second effect runs only after the first one's result is known here, hence recorded: from then on the first
/// must not run again.
async fn pay(ctx: &Context, ledger: &str, payment: String, failures: u32) -> Result<String, Failure> {
    let request = ChargeRequest { ledger: ledger.to_owned(), payment: payment.clone(), failures };
    let receipt = ctx.effect(charge(request)).await?;
    ctx.effect(confirm(ConfirmRequest { ledger: ledger.to_owned(), payment })).await?;
    Ok(receipt)
}

/// As [`pay`], with the request inside of this handler. A key of its own tells the ledger which requests are one payment.
async fn pay_inline(ctx: &Context, ledger: &str, payment: String, failures: u32) -> Result<String, Failure> {
    let quickly = RetryPolicy::new().initial_interval(millis(20)).max_interval(millis(500));
    let work = || charge_now(ledger, &payment, failures);
    let receipt = ctx.run("charge", work).retry(quickly).await?;
    ctx.effect(confirm(ConfirmRequest { ledger: ledger.to_owned(), payment })).await?;
    Ok(receipt)
}

/// One idempotency key is one addition, whoever asks.
async fn add_twice(ctx: &Context, add: Add) -> Result<i64, Failure> {
    let key = format!("twice {}", add.op);
    let calls = [&add, &add].map(|add| addition(ctx, add.clone()).idempotency_key(key.as_str()));
    match ctx.all(calls).await?[..] {
        [first, second] if first == second => Ok(first),
        ref others => Err(unexpected(format!("one idempotency key gave {others:?}"))),
    }
}

/// The result of a message is there for whoever knows its id; a cancellation comes too late.
async fn add_attached(ctx: &Context, add: Add) -> Result<i64, Failure> {
    let id = addition(ctx, add).send();
    let sum = ctx.attach::<i64>(&id).await?;
    ctx.cancel(&id);
    match ctx.output::<i64>(&id).await? {
        Some(output) if output == sum => Ok(sum),
        other => Err(unexpected(format!("attached to it is {sum}, its output is {other:?}"))),
    }
}

/// Signals come in the order in which they were sent, and each once.
async fn receive(ctx: &Context, name: String, values: u32, late: bool) -> Result<(), Failure> {
    ctx.service::<ResolverClient>().signal((ctx.invocation_id(), name.clone(), values)).send();
    if late {
        ctx.sleep(millis(u64::from(values) * 2)).await?;
    }
    let received = ctx.all((0..values).map(|_| ctx.signal::<u32>(&name))).await?;
    if received.iter().copied().eq(0..values) {
        Ok(())
    } else {
        Err(unexpected(format!("the signals came as {received:?}")))
    }
}

/// Two complete the promise that the run waits for: one of them wins. A third waits for what the run makes known.
async fn run_workflow(ctx: &Context, key: String, journey: Journey) -> Result<i64, Failure> {
    let flow = ctx.workflow::<FlowClient>(key);
    let amount = journey.add.amount;
    let early = flow.open(amount).into_future();
    let result = flow.run(journey).into_future();
    let arrival = flow.arrival().into_future();
    let late = flow.open(amount).into_future();
    let opened = ctx.all([early, late]).await?;
    if opened.iter().filter(|opened| **opened).count() != 1 {
        return Err(unexpected(format!("two completed a promise: {opened:?}")));
    }
    let ends = (result.await?, arrival.await?, flow.opened().await?);
    match ends {
        (sum, arrived, Some(gate)) if sum == arrived && gate == amount => Ok(sum),
        _ => Err(unexpected(format!("the workflow ended with {ends:?} for {amount}"))),
    }
}

async fn cancel(ctx: &Context, levels: Vec<Doomed>, pause_ms: u64) -> Result<String, Failure> {
    let (id, result) = ctx.service::<VictimClient>().wait(levels).start();
    ctx.sleep(millis(pause_ms)).await?;
    ctx.cancel(&id);
    match result.await {
        Err(failure) if failure.code == 409 => Ok(failure.message),
        other => Err(unexpected(format!("a cancelled handler ended with {other:?}"))),
    }
}
