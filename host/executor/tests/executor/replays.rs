//! Records replayed against components: the verdict, what an observer sees, and that nothing leaves the process.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use relight_core::{
    DurationMs, EntryIndex, JournalItem, Operation, Value, command::WaitMode, journal::NotificationKind,
    value::Due,
};
use relight_executor::{Ahead, Observer, ReplayError, Step, Verdict};
use tokio::net::TcpListener;

use crate::{
    peer::allowing,
    rig::{Deployed, Life, Options, Rig},
};

async fn replay(rig: &Rig, onto: &Deployed, life: &Life) -> Verdict {
    let candidate = rig.executor.candidate(onto.deployment.clone()).await.expect("it can be loaded");
    let verdict = rig.executor.replay(&candidate, life.recorded(), None).await.expect("there is a verdict");
    assert!(rig.leader.try_next().await.is_none(), "a replay proposes nothing");
    verdict
}

const RECEIPT: &str = r#""receipt 7""#;

/// An invocation that has made so many operations and waits. Effects give the receipt.
async fn waiting(rig: &Rig, v1: &Deployed, target: &str, input: &str, operations: u32) -> Life {
    let mut life = Life::new(v1, target, input);
    life.start(rig);
    while life.operations() < operations {
        life.until_operations(rig, life.operations() + 1).await;
        if let Some(Operation::Effect { .. }) = life.made().last() {
            life.complete(life.operations() - 1, Value::Success(RECEIPT.into()));
        }
    }
    life.drop_attempt();
    while rig.leader.try_next().await.is_some() {}
    life
}

#[track_caller]
fn diverged(verdict: Verdict) -> (u32, String, String) {
    match verdict {
        Verdict::Diverges(divergence) => {
            assert!(divergence.message.contains(&divergence.recorded), "{divergence:?}");
            (divergence.index.0, divergence.recorded, divergence.got)
        }
        other => panic!("it does not diverge: {other:?}"),
    }
}

fn compatible(operations: u32, ahead: Ahead) -> Verdict {
    Verdict::Compatible { operations, ahead }
}

#[tokio::test]
async fn record_of_a_waiting_handler_fits_as_far_as_it_goes() {
    let rig = Rig::new(Options::default());
    let (v1, v2) = (rig.deploy("upgrade-v1").await, rig.deploy("upgrade-v2").await);
    let mut life = waiting(&rig, &v1, "Orders/k/place", "7", 6).await;
    let waits = compatible(6, Ahead::Waits("entry 4, an awakeable".to_owned()));
    assert_eq!(replay(&rig, &v1, &life).await, waits);
    assert_eq!(replay(&rig, &v2, &life).await, waits);

    life.complete(4, Value::Success(r#""Baker Street""#.into()));
    let goes_on = |to: &str| compatible(6, Ahead::GoesOn(to.to_owned()));
    assert_eq!(replay(&rig, &v1, &life).await, goes_on("the handler's result"));
    assert_eq!(replay(&rig, &v2, &life).await, goes_on("the run `label`"));
}

#[tokio::test]
async fn differences_name_the_entry_and_both_sides() {
    let rig = Rig::new(Options::default());
    let (v1, v2) = (rig.deploy("upgrade-v1").await, rig.deploy("upgrade-v2").await);
    for (target, input, operations, index, recorded, got) in [
        ("Orders/k/remind", "", 2, 1, "a sleep of 1 h", "the effect `charge`"),
        (
            "Orders/k/bill",
            "7",
            4,
            1,
            "the effect `charge` with the input `7`",
            "the effect `charge` with the input `8`",
        ),
        ("Orders/k/hurry", "", 3, 1, "an awakeable", "a return of a result"),
        (
            "Orders/k/forget",
            "",
            3,
            0,
            "the exclusive handler `forget` of the virtual object `Orders`",
            "the virtual object `Orders` without the handler `forget`",
        ),
        (
            "Orders/k/review",
            "",
            3,
            0,
            "the exclusive handler `review` of the virtual object `Orders`",
            "the shared handler `review` of the virtual object `Orders`",
        ),
    ] {
        let life = waiting(&rig, &v1, target, input, operations).await;
        let expected = (index, recorded.to_owned(), got.to_owned());
        assert_eq!(diverged(replay(&rig, &v2, &life).await), expected, "{target}");
    }
    let life = Life::new(&v1, "Orders/k/place", "7");
    let greeter = rig.deploy("greeter").await;
    let (index, _, got) = diverged(replay(&rig, &greeter, &life).await);
    assert_eq!((index, got), (0, "a component without the service `Orders`".to_owned()));
}

#[tokio::test]
async fn finished_record_fits_when_the_result_is_the_same() {
    let rig = Rig::new(Options::default());
    let (v1, v2) = (rig.deploy("upgrade-v1").await, rig.deploy("upgrade-v2").await);
    let mut note = Life::new(&v1, "Orders/k/note", r#""hello""#);
    note.start(&rig);
    Life::output(note.end(&rig).await);
    assert_eq!(replay(&rig, &v2, &note).await, compatible(3, Ahead::Completed));

    let mut shout = Life::new(&v1, "Orders/k/shout", r#""hello""#);
    shout.start(&rig);
    Life::output(shout.end(&rig).await);
    let expected = (
        1,
        r#"the handler's result with the value `"hello"`"#.to_owned(),
        r#"a return of a result with the value `"HELLO"`"#.to_owned(),
    );
    assert_eq!(diverged(replay(&rig, &v2, &shout).await), expected);
}

#[tokio::test]
async fn trap_before_the_end_of_the_record_fails_and_behind_it_does_not_count() {
    let rig = Rig::new(Options::default());
    let (v1, v2) = (rig.deploy("upgrade-v1").await, rig.deploy("upgrade-v2").await);
    let life = waiting(&rig, &v1, "Orders/k/inspect", "", 3).await;
    match replay(&rig, &v2, &life).await {
        Verdict::Fails { index, message } => {
            assert_eq!(index, EntryIndex(1));
            assert!(message.contains("nobody inspects any more"), "{message}");
        }
        other => panic!("it does not fail: {other:?}"),
    }
    let fresh = Life::new(&v1, "Orders/k/inspect", "");
    match replay(&rig, &v2, &fresh).await {
        Verdict::Compatible { operations: 1, ahead: Ahead::Fails(message) } => {
            assert!(message.contains("nobody inspects any more"), "{message}");
        }
        other => panic!("it fails behind the record: {other:?}"),
    }
}

#[tokio::test]
async fn endless_loop_ends_the_replay() {
    let rig = Rig::new(Options::default());
    let hostile = rig.deploy("hostile").await;
    let mut life = Life::new(&hostile, "Hostile/loop_for_ever", "");
    life.record(Operation::Timer { due: Due::After(DurationMs(1)), name: None });
    life.abort_timeout = DurationMs(50);
    match replay(&rig, &hostile, &life).await {
        Verdict::Fails { index: EntryIndex(1), message } => assert!(message.contains("50 ms"), "{message}"),
        other => panic!("it does not end: {other:?}"),
    }
}

#[tokio::test]
async fn nothing_beyond_the_record_is_carried_out() {
    let rig = Rig::new(Options::default());
    let mut deployed = rig.deploy("conformance").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    deployed.deployment = allowing(&deployed, &address);
    let url = format!("\"http://{address}/\"");
    for (target, input, ahead) in [
        ("Runs/get", url.as_str(), "the run `get`"),
        ("Effects/get", url.as_str(), "the effect `fetch`"),
        ("State/k/get", "\"a\"", "a read of the state `a`"),
        ("State/k/names", "", "a list of the keys of the state"),
        ("State/k/set", "[\"a\", 1]", "a write of the state `a`"),
        ("Timers/sleep", "5000", "a sleep of 5 s"),
    ] {
        let life = Life::new(&deployed, target, input);
        assert_eq!(
            replay(&rig, &deployed, &life).await,
            compatible(1, Ahead::GoesOn(ahead.to_owned())),
            "{target}"
        );
    }
    let connected = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(connected.is_err(), "something has reached the outside");
    assert_eq!(rig.executor.stats().effects_started, 0);
}

#[tokio::test]
async fn cancellation_that_nobody_has_seen_is_beyond_the_record() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let mut life = waiting(&rig, &deployed, "Waits/k/compensate", "", 3).await;
    life.notify(NotificationKind::Cancelled);
    let ahead = Ahead::GoesOn("the delivery of a cancellation".to_owned());
    assert_eq!(replay(&rig, &deployed, &life).await, compatible(3, ahead));
    life.record(Operation::CancelDelivered);
    let ahead = Ahead::GoesOn("a call of `Recorder/k/record`".to_owned());
    assert_eq!(replay(&rig, &deployed, &life).await, compatible(4, ahead));
}

#[tokio::test]
async fn record_that_is_no_journal_has_no_verdict() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("upgrade-v1").await;
    let candidate = rig.executor.candidate(deployed.deployment.clone()).await.expect("it can be loaded");
    let mut recorded = Life::new(&deployed, "Orders/k/place", "7").recorded();
    recorded.journal.remove(0);
    let error = rig.executor.replay(&candidate, recorded, None).await.expect_err("it has no input");
    assert!(matches!(error, ReplayError::Damaged(_)), "{error}");
}

#[derive(Default)]
struct Seen {
    steps: Mutex<Vec<Step>>,
    lines: Mutex<Vec<String>>,
}

impl Observer for Seen {
    fn step(&self, step: Step) {
        self.steps.lock().expect("no test panics with it").push(step);
    }

    fn line(&self, level: &'static str, message: &str, fields: &str) {
        self.lines.lock().expect("no test panics with it").push(format!("{level}: {message}{fields}"));
    }
}

#[tokio::test]
async fn observer_sees_each_step_and_every_line() {
    let rig = Rig::new(Options::default());
    let v1 = rig.deploy("upgrade-v1").await;
    let life = waiting(&rig, &v1, "Orders/k/place", "7", 6).await;
    let candidate = rig.executor.candidate(v1.deployment.clone()).await.expect("it can be loaded");
    let seen = Arc::new(Seen::default());
    rig.executor.replay(&candidate, life.recorded(), Some(seen.clone())).await.expect("there is a verdict");

    let steps = seen.steps.lock().expect("no test panics with it");
    let effect = EntryIndex(2);
    let answered = Step::Answered {
        mode: WaitMode::Any,
        handles: vec![effect],
        answer: effect,
        value: Some(Value::Success(RECEIPT.into())),
    };
    assert!(steps.contains(&answered), "{steps:?}");
    let made: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Made { index, operation } => Some((index.0, operation.clone())),
            Step::Answered { .. } => None,
        })
        .collect();
    let recorded: Vec<_> = life
        .journal
        .iter()
        .filter_map(|item| match item {
            JournalItem::Operation(entry) => Some(entry.operation.clone()),
            JournalItem::Notification(_) => None,
        })
        .enumerate()
        .skip(1)
        .map(|(index, operation)| (index as u32, operation))
        .collect();
    assert_eq!(made, recorded);
    assert_eq!(*seen.lines.lock().expect("no test panics with it"), ["info: charged 7"]);
}
