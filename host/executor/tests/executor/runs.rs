//! Inline runs: their work, their ends, and what they may not do.

use std::time::Duration;

use relight_core::{
    DurationMs, Failure, Operation, Value,
    command::AttemptErrorKind,
    retry::{OnExhausted, RetryPolicy},
};
use serde_json::Value as Json;
use tokio::{io::AsyncReadExt, net::TcpListener};

use crate::{
    peer::{allowing, serve_once},
    rig::{Deployed, End, Life, Options, Rig},
};

async fn conformance() -> (Rig, Deployed) {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    (rig, deployed)
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

fn kinds(life: &Life) -> Vec<&'static str> {
    life.made().map(Operation::kind).collect()
}

#[tokio::test]
async fn attempt_ends_with_the_result_of_a_run() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Runs/many", "2");
    for operations in [2, 3] {
        life.start(&rig);
        let end = life.end(&rig).await;
        assert!(matches!(end, End::StartedOver), "{end:?}");
        assert_eq!(life.operations(), operations);
    }
    life.start(&rig);
    assert_eq!(Life::output(life.end(&rig).await), "1");
    let Some(Operation::Run { name, outcome }) = life.made().nth(2) else { panic!("the second run") };
    assert_eq!((&name[..], outcome), ("number", &Ok("1".into())));
    assert_eq!(kinds(&life), ["input", "run", "run", "output"]);
    let stats = rig.executor.stats();
    assert_eq!((stats.attempts_started_over, stats.attempts_finished), (2, 1));
    assert_eq!(stats.instances_created, 1 + 3, "one to describe, and a fresh one for each attempt");
}

#[tokio::test]
async fn recorded_run_is_not_done_again() {
    let (rig, deployed) = conformance().await;
    let (listener, address) = listener().await;
    let input = format!("[\"http://{address}/\", 3600000]");
    let mut life = Life::new(&deployed, "Runs/post_then_sleep", &input);
    life.deployment = allowing(&deployed, &address);
    life.start(&rig);
    let head = serve_once(&listener, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nr1").await;
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    let end = life.end(&rig).await;
    assert!(matches!(end, End::StartedOver), "{end:?}");
    // Nobody is there to answer any more.
    drop(listener);
    life.start(&rig);
    life.until_operations(&rig, 3).await;
    life.complete(2, Value::Void);
    assert_eq!(Life::output(life.end(&rig).await), r#""r1""#);
}

#[tokio::test]
async fn work_begins_when_everything_before_it_is_accepted() {
    let (rig, deployed) = conformance().await;
    let (listener, address) = listener().await;
    let input = format!("[\"key\", \"http://{address}/\"]");
    let mut life = Life::new(&deployed, "Runs/send_then_post", &input);
    life.deployment = allowing(&deployed, &address);
    life.start(&rig);
    let append = rig.leader.next().await;
    // Often enough for the attempt, which runs on this very thread, to go as far as it can.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let connected = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(connected.is_err(), "the work began before the send was accepted");
    assert!(life.apply(append).is_none());
    assert_eq!(kinds(&life), ["input", "send"]);
    serve_once(&listener, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nr1").await;
    assert!(matches!(life.end(&rig).await, End::StartedOver));
    assert_eq!(kinds(&life), ["input", "send", "run"]);
}

#[tokio::test]
async fn failing_run_is_reported_with_its_policy() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Runs/exhausted_retries_are_a_failure", "");
    for _ in 0..2 {
        life.start(&rig);
        let End::RunFailed(run) = life.end(&rig).await else { panic!("its work fails") };
        assert_eq!((&run.name[..], &run.error.message[..]), ("failing", "the work fails"));
        assert_eq!(run.error.retry_after, None);
        let interval = DurationMs(5);
        let policy = RetryPolicy {
            initial_interval: interval,
            factor_milli: 2_000,
            max_interval: interval,
            max_attempts: Some(3),
            max_duration: None,
            on_exhausted: OnExhausted::Fail,
        };
        assert_eq!(run.retry, policy);
        assert_eq!(life.operations(), 1, "a failed run is no operation");
    }
    // The policy allows no more.
    let outcome = Err(Failure::new(500, "the work fails"));
    life.record(Operation::Run { name: "failing".to_owned(), outcome });
    life.start(&rig);
    Life::output(life.end(&rig).await);
}

#[tokio::test]
async fn terminal_failure_is_the_result_of_a_run() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Runs/terminal_failure_is_a_result", "");
    Life::output(life.end_after_runs(&rig).await);
    let Some(Operation::Run { outcome: Err(failure), .. }) = life.made().nth(1) else { panic!("it fails") };
    assert_eq!((failure.code, &failure.message[..]), (402, "refused"));
}

#[tokio::test]
async fn requests_work_inside_a_run_only() {
    let (rig, deployed) = conformance().await;
    let (listener, address) = listener().await;
    let mut life = Life::new(&deployed, "Runs/get", &format!("\"http://{address}/path\""));
    life.deployment = allowing(&deployed, &address);
    life.start(&rig);
    let head = serve_once(&listener, "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone").await;
    assert!(head.starts_with("GET /path HTTP/1.1\r\n"), "{head}");
    assert!(matches!(life.end(&rig).await, End::StartedOver));
    assert_eq!(Life::output(life.end_after_runs(&rig).await), r#"{"status":404,"body":"none"}"#);

    let mut life = Life::new(&deployed, "ForbiddenRuns/fetch_after_a_run", "");
    let error = Life::error(life.end_after_runs(&rig).await, AttemptErrorKind::Retryable);
    assert!(error.message.contains("only available inside an effect or an inline run"), "{}", error.message);
}

#[tokio::test]
async fn allow_list_holds_inside_a_run() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Runs/get", "\"http://127.0.0.1:1/\"");
    life.deployment = allowing(&deployed, "example.com");
    life.start(&rig);
    let End::RunFailed(run) = life.end(&rig).await else { panic!("it is denied") };
    assert!(run.error.message.contains("allow-list"), "{}", run.error.message);
}

#[tokio::test]
async fn dropped_run_closes_its_connection() {
    let (rig, deployed) = conformance().await;
    let (listener, address) = listener().await;
    let mut life = Life::new(&deployed, "Runs/get", &format!("\"http://{address}/\""));
    life.deployment = allowing(&deployed, &address);
    life.start(&rig);
    let (mut stream, _) = listener.accept().await.expect("it connects");
    life.drop_attempt();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("the connection ends");
    assert!(rig.leader.try_next().await.is_none(), "an aborted run proposes nothing");
}

#[tokio::test]
async fn live_time_and_chance_take_nothing_from_the_invocations_own() {
    let (rig, deployed) = conformance().await;
    let mut seen = Vec::new();
    // The same invocation twice: only what is live may differ.
    for _ in 0..2 {
        let mut life = Life::new(&deployed, "Runs/world_is_live_inside", "");
        let output = Life::output(life.end_after_runs(&rig).await);
        let facts: Json = serde_json::from_str(&output).expect("the output is JSON");
        let text = |name: &str| facts[name].as_str().expect("a UUID is a text").to_owned();
        let Some(Operation::Run { .. }) = life.made().nth(1) else { panic!("it has run") };
        seen.push((text("uuid_inside"), text("uuid_after")));
        let (inside, after) = (facts["now_inside"].as_u64(), facts["now_after"].as_u64());
        assert!(inside.is_some() && inside <= after, "{output}");
    }
    assert_ne!(seen[0].0, seen[1].0, "chance inside is live");
    assert_eq!(seen[0].1, seen[1].1, "chance outside is the invocation's");
    assert_ne!(seen[0].0, seen[0].1);
}

#[tokio::test]
async fn traces_of_the_work_are_gone() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Runs/traces_are_gone", "");
    Life::output(life.end_after_runs(&rig).await);
    assert_eq!(kinds(&life), ["input", "run", "output"]);
}

#[tokio::test]
async fn order_of_maps_does_not_show_the_work() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Runs/order_of_maps_is_that_of_a_replay", "");
    life.start(&rig);
    assert!(matches!(life.end(&rig).await, End::StartedOver));
    life.start(&rig);
    life.until_operations(&rig, 3).await;
    let Some(Operation::Effect { input, .. }) = life.made().nth(2) else { panic!("it records what it saw") };
    let seen = Value::Success(input.clone());
    life.complete(2, seen);
    life.until_operations(&rig, 4).await;
    life.complete(3, Value::Void);
    life.until_operations(&rig, 5).await;
    // A replay of everything: it makes the same operations, or this is a mismatch.
    life.start(&rig);
    let Some(Operation::Effect { input, .. }) = life.made().nth(4) else { panic!("and once more") };
    let seen = Value::Success(input.clone());
    life.complete(4, seen);
    Life::output(life.end(&rig).await);
}

#[tokio::test]
async fn what_a_run_may_not_do_traps_with_a_reason() {
    let (rig, deployed) = conformance().await;
    for (target, expected) in [
        ("ForbiddenRuns/operation_in_a_run", "`ops.timer` is not available inside the run `timer`"),
        ("ForbiddenRuns/wait_in_a_run", "`waiting.wait` is not available inside the run `wait`"),
        ("ForbiddenRuns/run_in_a_run", "`inline-run.start` is not available inside the run `outer`"),
        ("ForbiddenRuns/finish_without_a_run", "`inline-run.finish` belongs between"),
        ("ForbiddenRuns/retry_without_a_run", "`inline-run.retry` belongs between"),
        ("ForbiddenRuns/return_in_a_run", "the handler returned inside the run `left`"),
        ("ForbiddenRuns/policy_without_attempts", "allows no attempt at all"),
        ("ForbiddenRuns/panic_in_a_run", "the work panics"),
    ] {
        let mut life = Life::new(&deployed, target, "");
        life.start(&rig);
        let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
        assert!(error.message.contains(expected), "{target}: {}", error.message);
        assert!(!kinds(&life).contains(&"run"), "{target}: nothing is recorded");
    }
}

#[tokio::test]
async fn run_of_another_name_is_a_mismatch() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Runs/many", "1");
    life.record(Operation::Run { name: "other".to_owned(), outcome: Ok("1".into()) });
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::JournalMismatch);
    assert!(error.message.contains("other") && error.message.contains("number"), "{}", error.message);
}

#[tokio::test]
async fn steps_of_the_benchmark_are_runs() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("bench").await;
    let mut life = Life::new(&deployed, "Steps/steps", r#"{"n":10}"#);
    assert_eq!(Life::output(life.end_after_runs(&rig).await), "45");
    assert_eq!(life.operations(), 1 + 10 + 1);
    assert_eq!(rig.executor.stats().attempts_started_over, 10);
}
