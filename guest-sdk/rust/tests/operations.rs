//! Operations between invocations, and inline runs: what the host is asked for, and how its answers read. The host is a script.

use std::sync::atomic::{AtomicU32, Ordering};

use relight::__private::{FromRequest, Request};
use relight::prelude::*;
use relight::testing::{Event, run, run_over, script, transcript};

fn context() -> Context {
    Context::from_request(&request(None))
}

fn workflow() -> WorkflowContext {
    WorkflowContext::from_request(&request(Some("k")))
}

fn request(key: Option<&str>) -> Request {
    Request {
        service: "Test".to_owned(),
        key: key.map(str::to_owned),
        handler: "test".to_owned(),
        headers: Vec::new(),
        input: Vec::new(),
    }
}

fn other() -> InvocationId {
    InvocationId::from("inv_1other")
}

#[test]
fn signals_are_asked_for_and_sent_by_name() {
    script([Event::value(1, "5")]);
    let ctx = context();
    assert_eq!(run(ctx.signal::<u32>("next")), Ok(5));
    ctx.send_signal(&other(), "next", &6);
    ctx.reject_signal(&other(), "next", Failure::new(410, "no more"));
    assert_eq!(
        transcript(),
        [
            "signal next",
            "wait 1",
            "send-signal inv_1other next 6",
            "send-signal inv_1other next failure 410 no more",
        ]
    );
}

#[test]
fn results_of_others_are_attached_to_peeked_at_and_cancelled() {
    script([Event::value(1, "5"), Event::timer(2), Event::value(3, "6")]);
    let ctx = context();
    assert_eq!(run(ctx.attach::<u32>(&other())), Ok(5));
    assert_eq!(run(ctx.output::<u32>(&other())), Ok(None));
    assert_eq!(run(ctx.output::<u32>(&other())), Ok(Some(6)));
    ctx.cancel(&other());
    let asked: Vec<_> = transcript().into_iter().filter(|line| !line.starts_with("wait")).collect();
    assert_eq!(asked, ["attach inv_1other", "output inv_1other", "output inv_1other", "cancel inv_1other"]);
}

#[test]
fn a_value_that_reads_as_null_is_a_value() {
    script([Event::value(1, "null"), Event::timer(2)]);
    let ctx = workflow();
    assert_eq!(run(ctx.promise::<()>("done").peek()), Ok(Some(())));
    assert_eq!(run(ctx.promise::<()>("done").peek()), Ok(None));
}

#[test]
fn a_promise_is_asked_for_when_it_is_awaited() {
    script([Event::value(1, "1"), Event::failure(2, 422, "no")]);
    let ctx = workflow();
    drop(ctx.promise::<u32>("never"));
    assert_eq!(run(async { ctx.promise::<u32>("a").await }), Ok(1));
    assert_eq!(run(async { ctx.promise::<u32>("b").await }), Err(Failure::new(422, "no")));
    assert_eq!(transcript(), ["promise a", "wait 1", "promise b", "wait 2"]);
}

#[test]
fn a_rejected_promise_gets_its_failure() {
    script([Event::timer(1)]);
    assert_eq!(run(workflow().reject_promise("paid", "card refused")), Ok(()));
    assert_eq!(transcript()[0], "promise-complete paid failure 500 card refused");
}

#[test]
fn work_of_a_run_is_done_once() {
    static WORK: AtomicU32 = AtomicU32::new(0);
    script([]);
    let sum = run_over(|| async {
        let ctx = context();
        let mut sum = 0;
        for number in [1, 2, 3] {
            sum += ctx
                .run("number", || {
                    WORK.fetch_add(1, Ordering::Relaxed);
                    Ok(number)
                })
                .await?;
        }
        Ok::<u32, Failure>(sum)
    });
    assert_eq!(sum, Ok(6));
    assert_eq!(WORK.load(Ordering::Relaxed), 3);
    assert_eq!(transcript(), ["run number", "finish 1", "run number", "finish 2", "run number", "finish 3"]);
}

#[test]
fn a_recorded_result_of_another_shape_is_a_failure() {
    script([]);
    let attempt = AtomicU32::new(0);
    let result = run_over(|| async {
        match attempt.fetch_add(1, Ordering::Relaxed) {
            0 => context().run("shape", || Ok("text".to_owned())).await.map(drop),
            _ => context().run("shape", || Ok(1_u32)).await.map(drop),
        }
    });
    let failure = result.expect_err("a text is no number");
    assert!(failure.message.starts_with("cannot read the result of a run: "), "{failure}");
}

#[test]
fn failing_work_is_retried_and_refused_work_is_not() {
    script([]);
    let failures = run_over(|| async {
        let ctx = context();
        let policy = RetryPolicy::new().max_attempts(4);
        let parse = ctx.run("parse", || Ok("x".parse::<u8>()?)).retry(policy).await;
        let wait = ctx.run::<(), _>("wait", || Err(RunError::retryable_after("busy", seconds(2)))).await;
        let refused = ctx.run::<(), _>("pay", || Err(Failure::new(402, "refused"))?).await;
        (parse.map(drop), wait, refused)
    });
    assert_eq!(failures.0, Err(Failure::new(500, "invalid digit found in string")));
    assert_eq!(failures.1, Err(Failure::new(500, "busy")));
    assert_eq!(failures.2, Err(Failure::new(402, "refused")));
    assert_eq!(
        transcript(),
        [
            "run parse attempts Some(4)",
            "retry invalid digit found in string after None",
            "run wait",
            "retry busy after Some(2000)",
            "run pay",
            "finish failure 402 refused",
        ]
    );
}

#[test]
fn requests_can_be_made_in_plain_code() {
    script([]);
    let failure = run_over(|| async {
        context()
            .run("quote", || {
                Ok(relight::http::get("http://127.0.0.1:1/").fetch()?.error_for_status()?.text())
            })
            .await
    });
    let failure = failure.expect_err("tests have no network");
    assert!(failure.message.contains("failed to connect"), "{failure}");
}
