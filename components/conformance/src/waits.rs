//! Waiting for one, any and all; cancellation.

use relight::prelude::*;

use super::calls::CalleeClient;
use super::sends::RecorderClient;

/// Waits.
#[virtual_object]
impl Waits {
    /// Wait for ever: until resolved by the id in the state, cancelled or killed.
    #[handler]
    async fn hold(ctx: &ObjectContext) -> Result<String, Failure> {
        let (id, value) = ctx.awakeable::<String>();
        ctx.set("id", &id)?;
        value.await
    }

    /// The id to resolve.
    #[handler(shared)]
    async fn id(ctx: &SharedObjectContext) -> Result<Option<AwakeableId>, Failure> {
        ctx.get("id")
    }

    /// The order of completion is the order in which awakeables were resolved.
    #[handler]
    async fn any_answers_in_order_of_completion(ctx: &ObjectContext) -> Result<(), Failure> {
        let mut pending: Vec<_> = (0..5_usize).map(|index| (index, ctx.awakeable::<usize>())).collect();
        for index in [3, 0, 4, 1, 2] {
            ctx.resolve_awakeable(&pending[index].1.0, &index);
        }
        let mut order = Vec::new();
        while !pending.is_empty() {
            let (winner, value) = race(pending.iter_mut().map(|(_, (_, value))| value)).await;
            order.push(value?);
            drop(pending.remove(winner));
        }
        assert_eq!(order, [3, 0, 4, 1, 2]);
        Ok(())
    }

    /// Waiting for all includes failed ones: the slow call is made although another fails at once.
    #[handler]
    async fn all_waits_for_the_rest_of_a_failure(ctx: &ObjectContext) -> Result<(), Failure> {
        let key = ctx.uuid();
        let callee = ctx.object::<CalleeClient>(&key);
        let failure = ctx.all([callee.fail(), callee.add(1)]).await.expect_err("one of them fails");
        assert_eq!(failure.code, 418);
        assert_eq!(callee.get().await?, 1);
        Ok(())
    }

    /// A result can be waited for again, in any order, by the contract's own functions.
    #[handler]
    async fn results_stay(ctx: &ObjectContext) {
        use relight::bindings::relight::handler::{ops, waiting};
        let (first, first_id) = ops::awakeable();
        let (second, second_id) = ops::awakeable();
        ctx.resolve_awakeable(second_id, &2);
        ctx.resolve_awakeable(first_id, &1);
        for _ in 0..3 {
            assert_eq!(waiting::wait_any(&[first, second]).expect("not cancelled"), second);
            waiting::wait_all(&[second, first, second]).expect("not cancelled");
            assert_eq!(waiting::wait(first).expect("resolved"), Some(b"1".to_vec()));
            assert_eq!(waiting::wait(second).expect("resolved"), Some(b"2".to_vec()));
        }
        waiting::wait_all(&[]).expect("nothing to wait for");
    }

    /// Cancelled while it waits: compensates, by telling the recorder of its key, and fails with the cancellation.
    #[handler]
    async fn compensate(ctx: &ObjectContext) -> Result<(), Failure> {
        let (id, value) = ctx.awakeable::<String>();
        ctx.set("id", &id)?;
        let outcome = value.await;
        let Err(failure) = outcome else { return Ok(()) };
        assert!(failure.is_cancelled(), "{failure}");
        assert_eq!((failure.code, failure.message.as_str()), (409, "cancelled"));
        ctx.object::<RecorderClient>(ctx.key()).record("compensated".to_owned()).await?;
        ctx.sleep(millis(20)).await?;
        Err(failure)
    }

    /// Cancelled while it waits for a call: the callee is cancelled, too, and its own end can still be awaited.
    #[handler]
    async fn cancel_reaches_the_callee(ctx: &ObjectContext) -> Result<(), Failure> {
        let (_, mut callee) = ctx.object::<WaitsClient>(format!("{}-callee", ctx.key())).hold().start();
        let own = (&mut callee).await.expect_err("this invocation is cancelled");
        assert!(own.is_cancelled(), "{own}");
        let of_callee = callee.await.expect_err("the callee is cancelled");
        assert!(!of_callee.is_cancelled(), "{of_callee}");
        assert_eq!(of_callee.code, 409, "{of_callee}");
        ctx.object::<RecorderClient>(ctx.key()).record("callee cancelled".to_owned()).await
    }

    /// Ignores its cancellation, and finishes.
    #[handler]
    async fn ignore_cancel(ctx: &ObjectContext) -> Result<String, Failure> {
        let (id, mut value) = ctx.awakeable::<String>();
        ctx.set("id", &id)?;
        match (&mut value).await {
            Err(failure) if failure.is_cancelled() => value.await,
            outcome => outcome,
        }
    }
}
