//! Runs programs.

use relight::prelude::*;

use crate::counter::{CounterClient, Increment, increase_slowly};
use crate::gate::GateClient;
use crate::payments::{ChargeRequest, ConfirmRequest, charge, confirm};
use crate::program::{Add, Answer, Program, Step};

/// Runs programs without a lock.
#[service]
impl Worker {
    /// Run a program.
    #[handler]
    async fn mixed(ctx: &Context, program: Program) -> Result<Answer, Failure> {
        run(ctx, None, program).await
    }
}

/// Answers awakeables.
#[service]
impl Resolver {
    /// Resolve an awakeable with an amount.
    #[handler]
    async fn resolve(ctx: &Context, (id, amount): (AwakeableId, i64)) {
        ctx.resolve_awakeable(id, &amount);
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
        Step::Sleep { ms } => {
            ctx.sleep(millis(ms)).await?;
            return Ok(None);
        }
        Step::Hold { gate } => {
            let (id, opened) = ctx.awakeable::<String>();
            ctx.object::<GateClient>(gate).show(id).send();
            opened.await?
        }
        Step::Fail => return Err(Failure::new(418, "the program says so").with_metadata("uuid", ctx.uuid())),
    };
    Ok(Some(seen))
}

fn addition(ctx: &Context, add: Add) -> Call<i64> {
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
