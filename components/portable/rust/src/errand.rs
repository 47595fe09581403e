//! The workflow: one run per key, and handlers beside it.

use relight::prelude::*;

use crate::desk::DeskClient;
use crate::shelf::ShelfClient;

/// Waits at its gate.
#[workflow]
impl Errand {
    /// Waits until somebody says something at the gate, counts on the shelf of its key, and gives what was said there.
    #[run]
    async fn run(ctx: &WorkflowContext, input: String) -> Result<String, Failure> {
        ctx.set("stage", "waiting")?;
        let said: String = ctx.promise("gate").await?;
        let count = ctx.object::<ShelfClient>(ctx.key()).add(1).await?;
        let whole = ctx.service::<DeskClient>().echo(format!("{input} {said} {count}")).await?;
        ctx.set("stage", "done")?;
        Ok(whole)
    }

    /// Says something at the gate; a failure 409 the second time.
    #[handler]
    async fn open(ctx: &SharedWorkflowContext, said: String) -> Result<(), Failure> {
        ctx.resolve_promise("gate", &said).await
    }

    /// Closes the gate for good.
    #[handler]
    async fn refuse(ctx: &SharedWorkflowContext, reason: String) -> Result<(), Failure> {
        ctx.reject_promise("gate", Failure::new(422, reason)).await
    }

    /// What was said at the gate, if something was.
    #[handler]
    async fn peek(ctx: &SharedWorkflowContext) -> Result<Option<String>, Failure> {
        ctx.promise("gate").peek().await
    }

    /// Waits at the gate beside the run.
    #[handler]
    async fn listen(ctx: &SharedWorkflowContext) -> Result<String, Failure> {
        ctx.promise("gate").await
    }

    /// What the run has written.
    #[handler]
    async fn stage(ctx: &SharedWorkflowContext) -> Result<Option<String>, Failure> {
        ctx.get("stage")
    }
}
