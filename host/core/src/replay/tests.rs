//! Facts about replay, one rule each; here those of recorded and live operations, and what all of them share.

mod guest;
mod limits;
mod mismatches;
mod programs;
mod restarts;
mod state;
mod waiting;

use std::convert::Infallible;

use super::*;
use crate::{
    command::WaitMode,
    ids::{AwakeableId, Lsn, PartitionKey},
    journal::Call,
    limits::{
        ENTRY_BYTES_MAX, FAILURE_MESSAGE_CHARS_MAX, JOURNAL_BYTES_MAX, JOURNAL_ENTRIES_MAX,
        STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX,
    },
    retry::RetryPolicy,
    value::{Due, DurationMs, Failure, Target},
};

const START: Timestamp = Timestamp(1_000);

fn entry(made_at: u64, operation: Operation) -> JournalItem {
    JournalItem::Operation(Entry { made_at: Timestamp(made_at), operation })
}

fn op(operation: Operation) -> JournalItem {
    entry(START.0, operation)
}

fn input() -> JournalItem {
    op(Operation::Input { headers: vec![("a".into(), "b".into())], body: Bytes::from_static(b"in") })
}

fn timer(ms: u64) -> Operation {
    Operation::Timer { due: Due::After(DurationMs(ms)), name: None }
}

fn set(key: &str, value: &'static str) -> Operation {
    Operation::SetState { key: key.into(), value: Bytes::from_static(value.as_bytes()) }
}

fn effect(name: &str, input: &'static str) -> Operation {
    Operation::Effect {
        name: name.into(),
        input: Bytes::from_static(input.as_bytes()),
        retry: RetryPolicy::EFFECT,
        timeout: DurationMs::seconds(1),
    }
}

fn call(key: &str) -> Call {
    Call {
        target: Target { service: "Ticket".into(), key: Some(key.into()), handler: "reserve".into() },
        callee: InvocationId { key: PartitionKey(7), unique: 7 },
        input: Bytes::from_static(b"{}"),
        headers: Headers::new(),
        idempotency_key: None,
        name: None,
    }
}

fn completed(index: u32, at: u64) -> Notification {
    let value = Value::Success(Bytes::from(index.to_string()));
    Notification { at: Timestamp(at), kind: NotificationKind::Completed { index: EntryIndex(index), value } }
}

fn cancelled(at: u64) -> Notification {
    Notification { at: Timestamp(at), kind: NotificationKind::Cancelled }
}

fn note(notification: Notification) -> JournalItem {
    JournalItem::Notification(notification)
}

fn replay(rest: impl IntoIterator<Item = JournalItem>) -> Replay {
    Replay::new(START, std::iter::once(input()).chain(rest).collect()).expect("journal is sound")
}

fn wait_any(replay: &mut Replay, handles: &[u32]) -> Result<Waited, WaitError> {
    replay.wait(WaitMode::Any, &handles.iter().copied().map(EntryIndex).collect::<Vec<_>>())
}

fn wait_all(replay: &mut Replay, handles: &[u32]) -> Result<Waited, WaitError> {
    replay.wait(WaitMode::All, &handles.iter().copied().map(EntryIndex).collect::<Vec<_>>())
}

const fn ready(index: u32) -> Waited {
    Waited::Ready(EntryIndex(index))
}

#[track_caller]
fn make(replay: &mut Replay, operation: Operation) -> Made {
    replay.make(START, operation).expect("operation fits the journal")
}

/// What the guest is answered, and how often the view was asked.
fn get(replay: &mut Replay, key: &str, view: Option<&'static str>) -> (Option<Bytes>, u32) {
    let mut reads = 0;
    let read = || {
        reads += 1;
        Ok::<_, Infallible>(view.map(|value| Bytes::from_static(value.as_bytes())))
    };
    (replay.get_state(START, key, read).expect("read fits the journal"), reads)
}

fn keys(replay: &mut Replay, view: &[&str]) -> (Vec<String>, u32) {
    let mut reads = 0;
    let read = || {
        reads += 1;
        Ok::<_, Infallible>(view.iter().map(|key| (*key).to_owned()).collect())
    };
    (replay.state_keys(START, read).expect("read fits the journal"), reads)
}

#[track_caller]
fn check_mismatch<T: std::fmt::Debug, E: std::fmt::Display>(got: Result<T, E>, expected: &str) {
    assert_eq!(got.expect_err("not what is recorded").to_string(), expected);
}

#[track_caller]
fn check_damaged(journal: Vec<JournalItem>, expected: &str) {
    assert_eq!(Replay::new(START, journal).expect_err("damaged").to_string(), expected);
}

#[test]
fn recorded_operations_are_compared_and_later_ones_buffered() {
    let mut replay = replay([op(timer(5)), op(set("k", "v"))]);
    assert_eq!(replay.input(), (&vec![("a".to_owned(), "b".to_owned())], &Bytes::from_static(b"in")));
    assert!(replay.is_replaying());
    assert_eq!(make(&mut replay, timer(5)), Made { index: EntryIndex(1), recorded: true });
    assert!(replay.is_replaying());
    assert_eq!(make(&mut replay, set("k", "v")), Made { index: EntryIndex(2), recorded: true });
    assert!(!replay.is_replaying());
    assert_eq!(replay.take_batch(), None);
    assert_eq!(make(&mut replay, timer(6)), Made { index: EntryIndex(3), recorded: false });
    assert_eq!(replay.operations(), 4);
    let (first, entries) = replay.take_batch().expect("one entry is buffered");
    assert_eq!(first, EntryIndex(3));
    assert_eq!(entries, [Entry { made_at: START, operation: timer(6) }]);
}

#[test]
fn batches_continue_where_the_last_one_ended() {
    let mut replay = replay([]);
    make(&mut replay, timer(1));
    make(&mut replay, timer(2));
    assert_eq!(replay.buffered_entries(), 2);
    assert_eq!(replay.buffered_bytes(), timer(1).size_bytes() * 2);
    assert_eq!(replay.take_batch().map(|(first, entries)| (first, entries.len())), Some((EntryIndex(1), 2)));
    assert_eq!((replay.buffered_entries(), replay.buffered_bytes()), (0, 0));
    make(&mut replay, timer(3));
    assert_eq!(replay.take_batch().map(|(first, entries)| (first, entries.len())), Some((EntryIndex(3), 1)));
    assert_eq!(replay.take_batch(), None);
}

#[test]
fn an_operation_is_accepted_when_the_count_has_passed_it() {
    let mut replay = replay([op(timer(1))]);
    assert!(replay.is_accepted());
    make(&mut replay, timer(1));
    assert!(replay.is_accepted());
    make(&mut replay, timer(2));
    make(&mut replay, timer(3));
    assert!(!replay.is_accepted());
    replay.accepted(3);
    assert!(!replay.is_accepted());
    replay.accepted(4);
    replay.accepted(3);
    assert!(replay.is_accepted());
}

#[test]
fn callees_are_known_from_the_moment_of_the_call() {
    let mut replay = replay([op(Operation::Call(call("1")))]);
    assert_eq!(replay.callee(EntryIndex(1)), None);
    make(&mut replay, Operation::Call(call("1")));
    make(&mut replay, Operation::Send { call: call("2"), due: Due::Now });
    make(&mut replay, timer(1));
    assert_eq!(replay.callee(EntryIndex(1)), Some(call("1").callee));
    assert_eq!(replay.callee(EntryIndex(2)), Some(call("2").callee));
    assert_eq!(replay.callee(EntryIndex(3)), None);
}
