//! What a handler may do with other invocations by their id: wait for the result, look at it, cancel.

use relight::bindings::relight::handler::ops;
use relight::prelude::*;

use super::calls::CalleeClient;
use super::signals::SignalsClient;
use super::timers::TimersClient;

/// An id that no invocation has.
pub fn unknown(like: &InvocationId) -> InvocationId {
    let (begin, last) = like.as_str().split_at(like.as_str().len() - 1);
    InvocationId::from(format!("{begin}{}", if last == "0" { "1" } else { "0" }))
}

/// Other invocations.
#[service]
impl Attached {
    /// The result of any invocation, when it has one.
    #[handler]
    async fn result_of(ctx: &Context, id: InvocationId) -> Result<serde_json::Value, Failure> {
        ctx.attach(&id).await
    }

    /// The result of any invocation, if it has one.
    #[handler]
    async fn output_of(ctx: &Context, id: InvocationId) -> Result<Option<serde_json::Value>, Failure> {
        ctx.output(&id).await
    }

    /// Cancels any invocation.
    #[handler]
    async fn cancel(ctx: &Context, id: InvocationId) {
        ctx.cancel(&id);
    }

    /// The result of a send can be waited for by its id, more than once.
    #[handler]
    async fn result_of_a_send(ctx: &Context) -> Result<(), Failure> {
        let id = ctx.object::<CalleeClient>(ctx.uuid()).add(5).send();
        assert_eq!(ctx.attach::<i64>(&id).await?, 5);
        assert_eq!(ctx.attach::<i64>(&id).await?, 5);
        assert_eq!(ctx.output::<i64>(&id).await?, Some(5));
        Ok(())
    }

    /// The failure of another invocation reaches whoever attaches to it whole.
    #[handler]
    async fn failure_reaches_who_attaches(ctx: &Context) {
        let id = ctx.object::<CalleeClient>("pot").fail().send();
        let expected = Failure::new(418, "pot is a teapot").with_metadata("pot", "tea");
        assert_eq!(ctx.attach::<i64>(&id).await, Err(expected.clone()));
        assert_eq!(ctx.output::<i64>(&id).await, Err(expected));
    }

    /// Who is not completed has no output yet.
    #[handler]
    async fn output_comes_with_the_end(ctx: &Context) -> Result<(), Failure> {
        let (id, result) = ctx.service::<SignalsClient>().receive(("go".to_owned(), 1, 0)).start();
        assert_eq!(ctx.output::<Vec<String>>(&id).await?, None);
        ctx.send_signal(&id, "go", "now");
        assert_eq!(result.await?, ["now"]);
        assert_eq!(ctx.output::<Vec<String>>(&id).await?, Some(vec!["now".to_owned()]));
        Ok(())
    }

    /// A cancelled invocation fails with 409; who waits for it is not cancelled itself.
    #[handler]
    async fn cancelled_one_fails(ctx: &Context) -> Result<(), Failure> {
        let id = ctx.service::<TimersClient>().sleep(3_600_000).send();
        ctx.cancel(&id);
        let failure = ctx.attach::<()>(&id).await.expect_err("it was cancelled");
        assert_eq!(failure.code, 409, "{failure}");
        assert!(!failure.is_cancelled());
        ctx.sleep(millis(1)).await
    }

    /// Nothing is known of an unknown id: a failure 404. Cancelling it does nothing.
    #[handler]
    async fn unknown_id_is_not_found(ctx: &Context) {
        let id = unknown(&ctx.invocation_id());
        assert_eq!(ctx.attach::<()>(&id).await.expect_err("there is none").code, 404);
        assert_eq!(ctx.output::<()>(&id).await.expect_err("there is none").code, 404);
        ctx.cancel(&id);
    }

    /// To wait for oneself would never end: a failure 409.
    #[handler]
    async fn own_result_is_a_deadlock(ctx: &Context) {
        let failure = ctx.attach::<()>(&ctx.invocation_id()).await.expect_err("it would wait for itself");
        assert_eq!(failure.code, 409, "{failure}");
    }

    /// An invocation has an id of a certain form: traps.
    #[handler]
    async fn attach_to_a_malformed_id(_ctx: &Context) {
        ops::attach("not-an-id");
    }
}
