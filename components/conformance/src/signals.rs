//! Signals: named values for an invocation, first in, first out.

use relight::bindings::relight::handler::ops;
use relight::prelude::*;

/// Receives and sends signals.
#[service]
impl Signals {
    /// Gives the next `count` values of the signal `name`. Asks for them after `delay_ms` milliseconds.
    #[handler]
    async fn receive(
        ctx: &Context,
        (name, count, delay_ms): (String, u32, u64),
    ) -> Result<Vec<String>, Failure> {
        if delay_ms > 0 {
            ctx.sleep(millis(delay_ms)).await?;
        }
        ctx.all((0..count).map(|_| ctx.signal(&name))).await
    }

    /// Sends a signal to any invocation.
    #[handler]
    async fn send(ctx: &Context, (to, name, value): (InvocationId, String, String)) {
        ctx.send_signal(&to, &name, &value);
    }

    /// Values arrive in the order in which they were sent, at one who waits for them.
    #[handler]
    async fn values_keep_their_order(ctx: &Context) -> Result<(), Failure> {
        order(ctx, 0).await
    }

    /// The same, at one who asks for them later.
    #[handler]
    async fn values_wait_to_be_asked_for(ctx: &Context) -> Result<(), Failure> {
        order(ctx, 100).await
    }

    /// Names are apart.
    #[handler]
    async fn names_are_apart(ctx: &Context) -> Result<(), Failure> {
        let me = ctx.invocation_id();
        ctx.send_signal(&me, "a", "1");
        ctx.send_signal(&me, "b", "2");
        ctx.send_signal(&me, "a", "3");
        let (b, first_a, second_a): (_, Operation, Operation) =
            (ctx.signal::<String>("b"), ctx.signal("a"), ctx.signal("a"));
        assert_eq!(second_a.await?, "3");
        assert_eq!(first_a.await?, "1");
        assert_eq!(b.await?, "2");
        Ok(())
    }

    /// A failure may be sent, too.
    #[handler]
    async fn rejection_is_a_failure(ctx: &Context) -> Result<(), Failure> {
        ctx.reject_signal(&ctx.invocation_id(), "go", Failure::new(422, "no").with_metadata("a", "b"));
        let failure = ctx.signal::<String>("go").await.expect_err("it was rejected");
        assert_eq!(failure, Failure::new(422, "no").with_metadata("a", "b"));
        Ok(())
    }

    /// A signal for an invocation that is over, or was never there, is dropped.
    #[handler]
    async fn signal_for_nobody_is_dropped(ctx: &Context) -> Result<(), Failure> {
        let (id, result) = ctx.service::<SignalsClient>().receive(("none".to_owned(), 0, 0)).start();
        assert_eq!(result.await?, Vec::<String>::new());
        ctx.send_signal(&id, "none", "1");
        ctx.send_signal(&super::attach::unknown(&id), "none", "1");
        Ok(())
    }

    /// An invocation has an id of a certain form: traps.
    #[handler]
    async fn malformed_invocation_id(_ctx: &Context) {
        ops::send_signal("not-an-id", "go", Ok(b"1"));
    }
}

type Operation = relight::Operation<String>;

async fn order(ctx: &Context, delay_ms: u64) -> Result<(), Failure> {
    let receive = ctx.service::<SignalsClient>().receive(("go".to_owned(), 10, delay_ms));
    let (id, received) = receive.start();
    let values: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    for value in &values {
        ctx.send_signal(&id, "go", value);
    }
    assert_eq!(received.await?, values);
    Ok(())
}
