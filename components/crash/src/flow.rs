//! Workflows: a run with steps of its own, and promises between it and the handlers beside it.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interpreter::{addition, run as run_program};
use crate::program::{Add, Program, Step};

const GATE: &str = "gate";
const ARRIVAL: &str = "arrival";
const STAGE: &str = "stage";

/// What a workflow does.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Journey {
    pub ledger: String,
    pub steps: Vec<Step>,
    /// Added when the gate is open.
    pub add: Add,
}

/// Runs steps, waits at a gate, and adds.
#[workflow(idempotency_retention = "1h", journal_retention = "10m")]
impl Flow {
    /// Gives the sum that it made, which is also what arrives.
    #[run]
    async fn run(ctx: &WorkflowContext, journey: Journey) -> Result<i64, Failure> {
        let Journey { ledger, steps, add } = journey;
        if let Some(stage) = ctx.get::<String>(STAGE)? {
            return Err(Failure::new(500, format!("it has run before, up to `{stage}`")));
        }
        ctx.set(STAGE, "begun")?;
        run_program(ctx, None, Program { ledger, steps }).await?;
        let amount: i64 = ctx.promise(GATE).await?;
        let sum = addition(ctx, Add { amount, ..add }).await?;
        ctx.resolve_promise(ARRIVAL, &sum).await?;
        ctx.set(STAGE, "ended")?;
        Ok(sum)
    }

    /// Whether this one has opened the gate.
    #[handler]
    async fn open(ctx: &SharedWorkflowContext, amount: i64) -> Result<bool, Failure> {
        match ctx.resolve_promise(GATE, &amount).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.code == 409 => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Waits for the run.
    #[handler]
    async fn arrival(ctx: &SharedWorkflowContext) -> Result<i64, Failure> {
        ctx.promise(ARRIVAL).await
    }

    /// What the gate was opened with, if it was.
    #[handler]
    async fn opened(ctx: &SharedWorkflowContext) -> Result<Option<i64>, Failure> {
        ctx.promise(GATE).peek().await
    }
}
