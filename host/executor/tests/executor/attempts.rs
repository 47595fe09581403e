//! Attempts of handlers: journal, waits, replay, failures.

use std::time::Duration;

use relight_core::{
    InvocationId, Operation, Timestamp, Value,
    command::{AttemptErrorKind, Command, WaitMode},
    ids::{EntryIndex, Lsn},
    journal::NotificationKind,
    restart::Restarted,
    runner::{Runner, Work},
};

use crate::rig::{End, Life, Options, Rig};

async fn rig() -> Rig {
    Rig::new(Options::default())
}

#[tokio::test]
async fn handler_without_operations_costs_one_append() {
    let rig = rig().await;
    let deployed = rig.deploy("bench").await;
    let mut life = Life::new(&deployed, "Greeter/greet", r#"{"hello":"world"}"#);
    life.start(&rig);
    let end = life.apply(rig.leader.next().await).expect("the first append is the last");
    assert_eq!(Life::output(end), r#"{"hello":"world"}"#);
    assert_eq!(life.operations(), 2);
}

#[tokio::test]
async fn state_operations_ride_with_the_output() {
    let rig = rig().await;
    let deployed = rig.deploy("bench").await;
    let mut life = Life::new(&deployed, "Counter/a/add", "5");
    life.start(&rig);
    let end = life.apply(rig.leader.next().await).expect("the first append is the last");
    assert_eq!(Life::output(end), "5");
    let kinds: Vec<_> = life.made().map(Operation::kind).collect();
    assert_eq!(kinds, ["input", "get-state", "set-state", "output"]);
}

#[tokio::test]
async fn own_writes_are_visible() {
    let rig = rig().await;
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "State/k/own_writes_are_visible", "");
    life.start(&rig);
    let end = life.end(&rig).await;
    Life::output(end);
}

#[tokio::test]
async fn waiting_handler_goes_on_when_its_answer_comes() {
    let rig = rig().await;
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "Timers/sleep", "0");
    life.start(&rig);
    life.until_operations(&rig, 2).await;
    life.complete(1, Value::Void);
    let end = life.end(&rig).await;
    Life::output(end);
    assert_eq!(rig.executor.stats().suspensions_proposed, 0);
    assert_eq!(rig.executor.stats().instances_created, 1 + 1, "one to describe, one to run");
}

#[tokio::test]
async fn suspended_handler_is_rebuilt_by_replay() {
    let rig = Rig::new(Options { suspend_after: Some(Duration::ZERO), ..Options::default() });
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "State/k/state_survives_a_wait", "");
    life.start(&rig);
    let End::Suspended(wait) = life.end(&rig).await else { panic!("it waits for its timer") };
    assert_eq!((wait.mode, &wait.handles[..]), (WaitMode::Any, &[EntryIndex(3)][..]));
    life.drop_attempt();
    life.complete(3, Value::Void);
    life.start(&rig);
    let end = life.end(&rig).await;
    assert_eq!(Life::output(end), "2");
    let kinds: Vec<_> = life.made().map(Operation::kind).collect();
    assert_eq!(kinds, ["input", "get-state", "set-state", "timer", "set-state", "output"]);
}

#[tokio::test]
async fn answer_that_crosses_the_suspension_is_taken() {
    let rig = Rig::new(Options { suspend_after: Some(Duration::ZERO), ..Options::default() });
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "Timers/sleep", "0");
    life.start(&rig);
    let End::Suspended(_) = life.end(&rig).await else { panic!("it waits for its timer") };
    // The state machine had the answer before the suspension and refuses that: the instance is still there.
    life.complete(1, Value::Void);
    let end = life.end(&rig).await;
    Life::output(end);
}

#[tokio::test]
async fn time_and_randomness_are_the_same_on_replay() {
    let rig = Rig::new(Options { suspend_after: Some(Duration::ZERO), ..Options::default() });
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "Facts/replay_sees_the_same", "");
    life.start(&rig);
    let End::Suspended(wait) = life.end(&rig).await else { panic!("it waits for its effect") };
    life.drop_attempt();
    let index = wait.handles[0].0;
    let Some(Operation::Effect { input, .. }) = life.made().nth(index as usize) else {
        panic!("it has an effect record what it saw");
    };
    let seen = Value::Success(input.clone());
    life.complete(index, seen);
    life.start(&rig);
    // The handler has compared what it sees now with what was recorded: it goes on, and waits for its timer.
    let End::Suspended(_) = life.end(&rig).await else { panic!("it sees the same") };
    assert_eq!(life.made().last().map(Operation::kind), Some("timer"));
}

#[tokio::test]
async fn a_restarted_handler_is_the_one_that_made_its_journal_and_then_itself() {
    let rig = Rig::new(Options { suspend_after: Some(Duration::ZERO), ..Options::default() });
    let deployed = rig.deploy("conformance").await;
    let mut first = Life::new(&deployed, "Facts/replay_sees_the_same", "");
    first.start(&rig);
    let End::Suspended(_) = first.end(&rig).await else { panic!("it waits for its effect") };
    first.drop_attempt();
    let Some(Operation::Effect { input, .. }) = first.made().nth(1) else { panic!("it records what it saw") };
    let seen = input.clone();
    first.complete(1, Value::Success(seen.clone()));

    let mut second = Life::new(&deployed, "Facts/replay_sees_the_same", "");
    second.id = InvocationId { unique: 43, ..first.id };
    second.journal = first.journal.clone();
    let life = relight_core::restart::Life {
        id: first.id,
        incarnation: Lsn(3),
        idempotency_key: None,
        invoked_by: None,
        created_at: Timestamp(1),
        end: EntryIndex(2),
    };
    second.restarted = Some(Box::new(Restarted {
        from: first.id,
        index: EntryIndex(1),
        input_at: Some(Timestamp(1)),
        lives: vec![life],
    }));
    second.start(&rig);
    // The handler has compared its own id, time and chance with what the first life recorded.
    let End::Suspended(_) = second.end(&rig).await else { panic!("it sees the same") };
    second.complete(2, Value::Void);
    second.start(&rig);
    let End::Suspended(_) = second.end(&rig).await else { panic!("it records what it sees now") };
    let Some(Operation::Effect { input, .. }) = second.made().nth(3) else { panic!("by another effect") };
    let shown = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(shown(&seen).contains(&first.id.to_string()), "{}", shown(&seen));
    assert!(shown(input).contains(&second.id.to_string()), "{}", shown(input));
}

#[tokio::test]
async fn call_has_an_id_at_once_and_a_result_later() {
    let rig = rig().await;
    let deployed = rig.deploy("bench").await;
    let mut life = Life::new(&deployed, "Rpc/call", "1");
    life.start(&rig);
    life.until_operations(&rig, 2).await;
    let Some(Operation::Call(call)) = life.made().nth(1) else { panic!("it calls") };
    assert_eq!(call.target.to_string(), "Greeter/greet");
    assert_eq!(call.callee.key, life.id.key, "an un-keyed callee stays with its caller");
    life.complete(1, Value::Success("7".into()));
    let end = life.end(&rig).await;
    assert_eq!(Life::output(end), "7");
}

#[tokio::test]
async fn cancel_is_delivered_by_a_wait() {
    let rig = rig().await;
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "Timers/sleep", "3600000");
    life.start(&rig);
    life.until_operations(&rig, 2).await;
    life.notify(NotificationKind::Cancelled);
    let end = life.end(&rig).await;
    assert_eq!(Life::failure(end).code, 409);
    let kinds: Vec<_> = life.made().map(Operation::kind).collect();
    assert_eq!(kinds, ["input", "timer", "cancel-delivered", "output"]);
}

#[tokio::test]
async fn journal_of_another_handler_is_a_mismatch() {
    let rig = rig().await;
    let deployed = rig.deploy("bench").await;
    let mut life = Life::new(&deployed, "Rpc/call", "1");
    life.start(&rig);
    life.until_operations(&rig, 2).await;
    life.target.service = "Counter".into();
    life.target.key = Some("k".into());
    life.target.handler = "add".into();
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::JournalMismatch);
    assert_eq!(error.index, Some(EntryIndex(1)));
    let expected =
        "the journal recorded a call of `Greeter/greet`, the handler now asks for a read of the state";
    assert!(error.message.contains(expected), "{}", error.message);
}

#[tokio::test]
async fn return_while_operations_remain_is_a_mismatch() {
    let rig = rig().await;
    let deployed = rig.deploy("bench").await;
    let mut life = Life::new(&deployed, "Rpc/call", "1");
    life.start(&rig);
    life.until_operations(&rig, 2).await;
    life.target.service = "Greeter".into();
    life.target.handler = "greet".into();
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::JournalMismatch);
    assert!(error.message.contains("the handler now returns a result"), "{}", error.message);
}

#[tokio::test]
async fn panic_is_retryable_and_keeps_its_message() {
    let rig = rig().await;
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "Failures/panic", "");
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
    assert!(error.message.contains("a handler panics"), "{}", error.message);
    assert!(error.message.contains("wasm backtrace"), "{}", error.message);
}

#[tokio::test]
async fn operations_before_a_panic_are_kept() {
    let rig = rig().await;
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "Failures/panic_after_a_wait", "");
    life.start(&rig);
    life.until_operations(&rig, 2).await;
    life.complete(1, Value::Void);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
    assert!(error.message.contains("panics after a wait"), "{}", error.message);
    assert_eq!(error.index, Some(EntryIndex(1)));
}

#[tokio::test]
async fn retryable_error_may_ask_for_time() {
    let rig = rig().await;
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "Failures/retry_in_an_hour", "");
    life.start(&rig);
    let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
    assert!(error.message.contains("come back later"), "{}", error.message);
    assert_eq!(error.retry_after.map(|after| after.0), Some(3_600_000));
}

#[tokio::test]
async fn terminal_failure_is_an_output() {
    let rig = rig().await;
    let deployed = rig.deploy("conformance").await;
    let input = r#"{"code":402,"message":"no","metadata":[["a","b"]]}"#;
    let mut life = Life::new(&deployed, "Failures/fail", input);
    life.start(&rig);
    let failure = Life::failure(life.end(&rig).await);
    assert_eq!((failure.code, &failure.message[..]), (402, "no"));
    assert_eq!(failure.metadata, [("a".to_owned(), "b".to_owned())]);
}

#[tokio::test]
async fn what_the_contract_forbids_traps_with_a_reason() {
    let rig = rig().await;
    let deployed = rig.deploy("conformance").await;
    for (target, expected) in [
        ("Forbidden/state_in_a_service", "`Forbidden` is a service"),
        ("Forbidden/unknown_handle", "`1000000` is not a handle"),
        ("Forbidden/wait_for_any_of_nothing", "any of no handles"),
        ("Forbidden/callee_of_a_timer", "is not that of a call"),
        ("Forbidden/malformed_awakeable_id", "is not an awakeable id"),
        ("Forbidden/too_much_randomness", "at most 65536 bytes"),
        ("ForbiddenObject/k/set_in_a_shared_handler", "is a shared handler"),
        ("ForbiddenObject/k/clear_in_a_shared_handler", "is a shared handler"),
    ] {
        let mut life = Life::new(&deployed, target, "");
        life.start(&rig);
        let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
        assert!(error.message.contains(expected), "{target}: {}", error.message);
    }
}

#[tokio::test]
async fn dropped_attempt_frees_instance_and_slot() {
    let rig = Rig::new(Options { attempts_max: 1, ..Options::default() });
    let deployed = rig.deploy("conformance").await;
    let mut life = Life::new(&deployed, "Timers/sleep", "3600000");
    life.start(&rig);
    life.until_operations(&rig, 2).await;
    let host = rig.host();
    assert!(rig.executor.reserve(Work::Attempt, &host).is_none(), "the only slot is taken");
    assert_eq!(rig.executor.stats().instances_live, 1);
    life.drop_attempt();
    while rig.leader.capacity_told() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(rig.executor.reserve(Work::Attempt, &host).is_some());
    assert_eq!(rig.executor.stats().instances_live, 0);
}

#[tokio::test]
async fn slot_is_free_before_the_output_is_accepted() {
    let rig = Rig::new(Options { attempts_max: 1, ..Options::default() });
    let deployed = rig.deploy("bench").await;
    let mut life = Life::new(&deployed, "Greeter/greet", "1");
    life.start(&rig);
    let Command::Append { .. } = rig.leader.next().await else { panic!("the output is appended") };
    let host = rig.host();
    while rig.executor.reserve(Work::Attempt, &host).is_none() {
        tokio::task::yield_now().await;
    }
}
