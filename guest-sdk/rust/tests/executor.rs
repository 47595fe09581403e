//! How a handler's futures run on the host's waits: what the host is asked, in which order, and who gets which answer. The host is a
//! script.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use relight::prelude::*;
use relight::testing::{Event, all, run, script, transcript};
use relight::{Operation, ServiceClient};

#[service]
trait Quote {
    #[handler]
    async fn quote(ctx: &Context, carrier: String) -> Result<u32, Failure>;

    #[handler]
    async fn refresh(ctx: &Context);
}

/// Runs a handler that takes nothing, against a script.
fn handle<F: Future>(
    events: impl IntoIterator<Item = Event>,
    handler: impl FnOnce(TestContext) -> F,
) -> F::Output {
    script(events);
    run(handler(TestContext))
}

/// Stands for the context, which only the generated code can make.
struct TestContext;

impl TestContext {
    fn quote(&self, carrier: &str) -> Call<u32> {
        QuoteClient::new().quote(carrier.to_owned())
    }

    fn start(&self, carrier: &str) -> Operation<u32> {
        self.quote(carrier).start().1
    }
}

#[test]
fn a_single_operation_is_one_wait() {
    let value = handle([Event::value(1, "7")], |ctx| async move { ctx.quote("a").await });
    assert_eq!(value, Ok(7));
    assert_eq!(transcript(), [r#"call Quote/quote("a")"#, "wait 1"]);
}

#[test]
fn a_call_is_made_when_it_is_awaited() {
    handle([Event::value(1, "1")], |ctx| async move {
        let never = ctx.quote("never");
        ctx.quote("now").await.expect("the script answers");
        drop(never);
    });
    assert_eq!(transcript(), [r#"call Quote/quote("now")"#, "wait 1"]);
}

#[test]
fn joined_operations_are_answered_in_order_of_completion() {
    let values = handle([Event::value(2, "20"), Event::value(1, "10")], |ctx| async move {
        join(ctx.quote("a"), ctx.quote("b")).await
    });
    assert_eq!(values, (Ok(10), Ok(20)));
    assert_eq!(
        transcript(),
        [r#"call Quote/quote("a")"#, r#"call Quote/quote("b")"#, "wait-any [1, 2]", "wait 2", "wait 1"]
    );
}

#[test]
fn all_waits_once_for_everything() {
    let events = [Event::value(3, "3"), Event::value(1, "1"), Event::value(2, "2")];
    let values = handle(events, |ctx| all(["a", "b", "c"].map(|carrier| ctx.quote(carrier))));
    assert_eq!(values, Ok(vec![1, 2, 3]));
    assert_eq!(transcript()[3..], ["wait-all [1, 2, 3]", "wait 1", "wait 2", "wait 3"]);
}

#[test]
fn all_answers_the_first_failure_in_the_order_given() {
    let events = [Event::failure(3, 503, "third"), Event::value(1, "1"), Event::failure(2, 404, "second")];
    let values = handle(events, |ctx| all(["a", "b", "c"].map(|carrier| ctx.quote(carrier))));
    assert_eq!(values, Err(Failure::new(404, "second")));
}

#[test]
fn all_of_nothing_does_not_wait() {
    let values = handle([], |_| all(Vec::<Call<u32>>::new()));
    assert_eq!(values, Ok(vec![]));
    assert_eq!(transcript(), [""; 0]);
}

#[test]
fn all_beside_something_else_waits_for_any() {
    let events = [Event::value(1, "1"), Event::value(3, "3"), Event::value(2, "2")];
    let winner = handle(events, |ctx| async move {
        let all = all([ctx.quote("a"), ctx.quote("b")]);
        match select(all, ctx.start("c")).await {
            (Either::Right(value), Either::Left(all)) => (value, all.await),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(winner, (Ok(3), Ok(vec![1, 2])));
    assert_eq!(transcript()[3..], ["wait-any [1, 2, 3]", "wait 1", "wait-any [2, 3]", "wait 3", "wait 2"]);
}

#[test]
fn select_gives_the_first_and_keeps_the_other() {
    let outcome = handle([Event::value(2, "2"), Event::value(1, "1")], |ctx| async move {
        match select(ctx.quote("slow"), ctx.quote("fast")).await {
            (Either::Right(fast), Either::Left(slow)) => (fast, slow.await),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(outcome, (Ok(2), Ok(1)));
}

#[test]
fn a_dropped_loser_is_waited_for_no_more() {
    handle([Event::value(2, "2"), Event::value(3, "3")], |ctx| async move {
        let (winner, _) = select(ctx.quote("slow"), ctx.quote("fast")).await;
        assert!(matches!(winner, Either::Right(Ok(2))));
        ctx.quote("next").await.expect("the script answers")
    });
    assert_eq!(transcript().last().map(String::as_str), Some("wait 3"));
}

#[test]
fn race_names_the_winner() {
    let events = [Event::value(2, "2")];
    let winner = handle(events, |ctx| race(["a", "b", "c"].map(|carrier| ctx.quote(carrier))));
    assert_eq!(winner, (1, Ok(2)));
}

#[test]
fn branches_advance_by_themselves() {
    let events = [Event::value(2, "2"), Event::value(3, "3"), Event::value(1, "1")];
    let outcome = handle(events, |ctx| async move {
        let ctx = &ctx;
        let branch = async move { Ok::<_, Failure>(ctx.quote("b").await? + ctx.quote("c").await?) };
        join(ctx.quote("a"), branch).await
    });
    assert_eq!(outcome, (Ok(1), Ok(5)));
    assert_eq!(
        transcript(),
        [
            r#"call Quote/quote("a")"#,
            r#"call Quote/quote("b")"#,
            "wait-any [1, 2]",
            "wait 2",
            r#"call Quote/quote("c")"#,
            "wait-any [1, 3]",
            "wait 3",
            "wait 1",
        ]
    );
}

#[test]
fn a_failure_of_an_operation_is_its_value() {
    let value =
        handle([Event::failure(1, 404, "no such carrier")], |ctx| async move { ctx.quote("a").await });
    assert_eq!(value, Err(Failure::new(404, "no such carrier")));
}

#[test]
fn a_value_of_another_shape_is_a_failure() {
    let value = handle([Event::value(1, r#""seven""#)], |ctx| async move { ctx.quote("a").await });
    let failure = value.expect_err("a text is no number");
    assert_eq!(failure.code, 500);
    assert!(failure.message.starts_with("cannot read the result of a call: "), "{failure}");
}

#[test]
fn cancellation_fails_everything_that_is_awaited() {
    let outcome = handle([Event::Cancel], |ctx| join(ctx.quote("a"), ctx.quote("b")));
    assert!(outcome.0.expect_err("cancelled").is_cancelled());
    assert!(outcome.1.expect_err("cancelled").is_cancelled());
    assert_eq!(transcript()[2..], ["wait-any [1, 2]"]);
}

#[test]
fn cancellation_of_all_is_one_failure() {
    let outcome = handle([Event::value(1, "1"), Event::Cancel], |ctx| all([ctx.quote("a"), ctx.quote("b")]));
    assert!(outcome.expect_err("cancelled").is_cancelled());
}

#[test]
fn cancellation_spares_what_is_only_held() {
    let events = [Event::Cancel, Event::value(1, "1")];
    let outcome = handle(events, |ctx| async move {
        let held = ctx.start("held");
        let awaited = ctx.quote("awaited").await;
        (awaited.expect_err("cancelled").is_cancelled(), held.await)
    });
    assert_eq!(outcome, (true, Ok(1)));
}

#[test]
fn cancellation_reported_once_lets_compensation_run() {
    let events = [Event::Cancel, Event::value(2, "2")];
    let outcome = handle(events, |ctx| async move {
        let failure = ctx.quote("a").await.expect_err("cancelled");
        let compensation = ctx.quote("undo").await;
        (failure.is_cancelled(), compensation)
    });
    assert_eq!(outcome, (true, Ok(2)));
}

#[test]
fn a_cancelled_wait_can_be_repeated_for_its_own_result() {
    let events = [Event::Cancel, Event::value(1, "1")];
    let outcome = handle(events, |ctx| async move {
        let mut charge = ctx.start("a");
        let failure = (&mut charge).await.expect_err("cancelled");
        (failure.is_cancelled(), charge.await)
    });
    assert_eq!(outcome, (true, Ok(1)));
}

#[test]
fn cancellation_after_the_answer_waits_for_the_next_wait() {
    let events = [Event::value(1, "1"), Event::Cancel, Event::value(2, "2")];
    let outcome = handle(events, |ctx| async move { (ctx.quote("a").await, ctx.quote("b").await) });
    assert_eq!(outcome.0, Ok(1));
    assert!(outcome.1.expect_err("cancelled").is_cancelled());
}

#[test]
fn a_future_that_wakes_itself_is_polled_without_a_wait() {
    struct YieldOnce(bool);

    impl Future for YieldOnce {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<()> {
            if self.0 {
                return Poll::Ready(());
            }
            self.0 = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }

    handle([], |_| YieldOnce(false));
    assert_eq!(transcript(), [""; 0]);
}

#[test]
fn waiting_for_nothing_says_so() {
    let panic =
        std::panic::catch_unwind(|| handle([], |_| std::future::pending::<()>())).expect_err("it would hang");
    let message = panic.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(message.contains("it would wait for ever"), "{message}");
}

#[test]
fn a_handler_without_input_or_output_is_called_with_empty_bytes() {
    let value = handle([Event::value(1, "null")], |_| async { QuoteClient::new().refresh().await });
    assert_eq!(value, Ok(()));
    assert_eq!(transcript()[0], "call Quote/refresh()");
}

#[test]
fn sends_carry_delay_key_and_headers() {
    let id = handle([], |ctx| async move {
        ctx.quote("a").idempotency_key("k").header("x-tenant", "t1").send_after(minutes(15))
    });
    assert_eq!(id.as_str(), "inv_1callee1");
    assert_eq!(
        transcript(),
        [r#"send Quote/quote("a") after 900000 key Some("k") headers [("x-tenant", "t1")]"#]
    );
}
