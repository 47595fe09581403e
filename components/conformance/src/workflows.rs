//! Workflows: a run per key, handlers beside it, and promises between them.

use relight::bindings::relight::handler::types::WaitError;
use relight::bindings::relight::handler::{ops, waiting};
use relight::prelude::*;

/// Waits for its gate.
#[workflow]
impl Flow {
    /// Waits until the gate is open, and gives the input and what the gate says. A rejection is the run's failure.
    #[run]
    async fn run(ctx: &WorkflowContext, input: String) -> Result<String, Failure> {
        ctx.set("stage", "waiting")?;
        let said: String = ctx.promise("gate").await?;
        ctx.set("stage", "done")?;
        Ok(format!("{input} {said}"))
    }

    /// Opens the gate; a failure 409 when it is open already.
    #[handler]
    async fn open(ctx: &SharedWorkflowContext, said: String) -> Result<(), Failure> {
        ctx.resolve_promise("gate", &said).await
    }

    /// Closes the gate for good.
    #[handler]
    async fn refuse(ctx: &SharedWorkflowContext, reason: String) -> Result<(), Failure> {
        ctx.reject_promise("gate", Failure::new(422, reason)).await
    }

    /// What the gate says, if it says something by now.
    #[handler]
    async fn peek(ctx: &SharedWorkflowContext) -> Result<Option<String>, Failure> {
        ctx.promise("gate").peek().await
    }

    /// Waits for the gate beside the run.
    #[handler]
    async fn wait(ctx: &SharedWorkflowContext) -> Result<String, Failure> {
        ctx.promise("gate").await
    }

    /// What the run has written.
    #[handler]
    async fn stage(ctx: &SharedWorkflowContext) -> Result<Option<String>, Failure> {
        ctx.get("stage")
    }
}

/// What a workflow does, seen from another handler. Each makes a workflow of a key of its own.
#[service]
impl Workflows {
    /// A handler beside the run completes the promise that the run waits for.
    #[handler]
    async fn promise_carries_a_value(ctx: &Context) -> Result<(), Failure> {
        let flow = ctx.workflow::<FlowClient>(ctx.uuid());
        let (_, result) = flow.run("hello".to_owned()).start();
        flow.open("world".to_owned()).await?;
        assert_eq!(result.await?, "hello world");
        assert_eq!(flow.stage().await?.as_deref(), Some("done"));
        Ok(())
    }

    /// A promise may be completed before anybody waits for it, and everybody who waits gets its value.
    #[handler]
    async fn promise_may_come_first(ctx: &Context) -> Result<(), Failure> {
        let flow = ctx.workflow::<FlowClient>(ctx.uuid());
        flow.open("early".to_owned()).await?;
        assert_eq!(flow.wait().await?, "early");
        assert_eq!(flow.run("too".to_owned()).await?, "too early");
        assert_eq!(flow.wait().await?, "early");
        Ok(())
    }

    /// Everybody who waits for a promise is woken by it.
    #[handler]
    async fn promise_wakes_all_who_wait(ctx: &Context) -> Result<(), Failure> {
        let flow = ctx.workflow::<FlowClient>(ctx.uuid());
        let waits: Vec<_> = (0..5).map(|_| flow.wait().start().1).collect();
        flow.open("now".to_owned()).await?;
        assert_eq!(ctx.all(waits).await?, vec!["now"; 5]);
        Ok(())
    }

    /// A rejected promise fails those who wait for it.
    #[handler]
    async fn rejection_is_a_failure(ctx: &Context) -> Result<(), Failure> {
        let flow = ctx.workflow::<FlowClient>(ctx.uuid());
        flow.refuse("closed".to_owned()).await?;
        let refused = Failure::new(422, "closed");
        assert_eq!(flow.run("hello".to_owned()).await, Err(refused.clone()));
        assert_eq!(flow.wait().await, Err(refused.clone()));
        assert_eq!(flow.peek().await, Err(refused));
        Ok(())
    }

    /// A peek answers at once, with or without a value.
    #[handler]
    async fn peek_does_not_wait(ctx: &Context) -> Result<(), Failure> {
        let flow = ctx.workflow::<FlowClient>(ctx.uuid());
        assert_eq!(flow.peek().await?, None);
        flow.open("open".to_owned()).await?;
        assert_eq!(flow.peek().await?.as_deref(), Some("open"));
        Ok(())
    }

    /// The second completion of a promise is a failure 409, and changes nothing.
    #[handler]
    async fn promise_is_completed_once(ctx: &Context) -> Result<(), Failure> {
        let flow = ctx.workflow::<FlowClient>(ctx.uuid());
        flow.open("first".to_owned()).await?;
        let second = flow.open("second".to_owned()).await.expect_err("it is completed");
        assert_eq!(second.code, 409, "{second}");
        let third = flow.refuse("third".to_owned()).await.expect_err("it is completed");
        assert_eq!(third.code, 409, "{third}");
        assert_eq!(flow.wait().await?, "first");
        Ok(())
    }

    /// The run of a key runs once: while its result is kept, another call of it is a failure 409. Attaching to it gives its result.
    #[handler]
    async fn run_is_once_per_key(ctx: &Context) -> Result<(), Failure> {
        let flow = ctx.workflow::<FlowClient>(ctx.uuid());
        let (id, result) = flow.run("one".to_owned()).start();
        flow.open("time".to_owned()).await?;
        assert_eq!(result.await?, "one time");
        let again = flow.run("two".to_owned()).await.expect_err("it has run");
        assert_eq!(again.code, 409, "{again}");
        assert_eq!(ctx.attach::<String>(&id).await?, "one time");
        Ok(())
    }

    /// Promises of different keys are different.
    #[handler]
    async fn promises_belong_to_their_key(ctx: &Context) -> Result<(), Failure> {
        let (one, other) = (ctx.workflow::<FlowClient>(ctx.uuid()), ctx.workflow::<FlowClient>(ctx.uuid()));
        one.open("one".to_owned()).await?;
        assert_eq!(other.peek().await?, None);
        Ok(())
    }
}

/// Promises where there is no workflow.
#[virtual_object]
impl PromisesOfAnObject {
    /// A virtual object has no promises: a failure 400.
    #[handler]
    async fn promise_is_a_failure(_ctx: &ObjectContext) {
        let handles =
            [ops::promise("gate"), ops::promise_peek("gate"), ops::promise_complete("gate", Ok(b"1"))];
        for handle in handles {
            let Err(WaitError::Failed(failure)) = waiting::wait(handle) else {
                panic!("an object has a promise");
            };
            assert_eq!(failure.code, 400, "{}", failure.message);
        }
    }
}

/// Traps.
#[service]
impl PromisesOfAService {
    /// A service has no key, and so no promises.
    #[handler]
    async fn promise_in_a_service(_ctx: &Context) {
        ops::promise("gate");
    }
}
