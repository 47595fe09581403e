//! What doors are told: the same answer for the same request, errors that say whether a retry is safe.

use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use bytes::Bytes;
use relight_core::action::{Answer, Refusal};
use relight_core::command::Command;
use relight_core::ids::{InvocationId, PartitionId, PartitionKey, RequestId};
use relight_core::value::{Failure, Timestamp};
use relight_partition::{Called, DoorError};

use crate::fixture::{Fixture, new_invocation, object, request, service};
use crate::flows::{greet, script};
use crate::script::Linger;

#[tokio::test]
async fn the_same_request_id_gets_the_same_answer() {
    let fixture = Fixture::memory(8);
    let running = fixture.start(script(Linger::None)).await;
    let invocation = new_invocation(service("Greeter", "greet"), "World".into(), None);
    let (id, handle) = (invocation.id, running.of(invocation.id));
    let command = Command::Invoke { request: request(), invocation };
    let accepted = Ok(Answer::Accepted { id, previously: false, due: None });
    assert_eq!(handle.command(command.clone()).await, accepted);
    assert_eq!(running.result(id).await, Ok("Hello World".into()));
    assert_eq!(handle.command(command.clone()).await, accepted);
    let called = handle.call(command).await;
    let Ok(Called::Finished { previously: false, outcome, .. }) = called else {
        panic!("not the same: {called:?}");
    };
    assert_eq!(outcome, Ok("Hello World".into()));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 1);
    running.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_attaches_and_refuses_another_payload() {
    let fixture = Fixture::memory(8);
    let running = fixture.start(script(Linger::None)).await;
    let invoke = |payload: &'static str| {
        let invocation = new_invocation(service("Greeter", "greet"), payload.into(), Some("key"));
        running.of(invocation.id).call(Command::Invoke { request: request(), invocation })
    };
    let first = invoke("World").await.unwrap();
    let Called::Finished { previously: false, outcome, expires_at: Some(_), .. } = first else {
        panic!("not finished: {first:?}");
    };
    assert_eq!(outcome, Ok("Hello World".into()));
    let second = invoke("World").await.unwrap();
    let Called::Finished { previously: true, outcome, expires_at: Some(_), .. } = second else {
        panic!("not attached: {second:?}");
    };
    assert_eq!(outcome, Ok("Hello World".into()));
    assert_eq!(invoke("Moon").await, Ok(Called::Refused(Refusal::PayloadDiffers("key".to_owned()))));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_request_id_is_not_older_than_the_log_and_one_that_is_far_older_is_refused() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    assert_eq!(running.call(service("Greeter", "greet"), "World").await, Ok("Hello World".into()));
    let handle = running.partitions.get(PartitionId(0));
    running.settle(handle).await;
    // A wall clock that was set back by half a century.
    let set_back = Timestamp(1);
    assert!(set_back < handle.mint_at(set_back));
    let invocation = new_invocation(service("Greeter", "greet"), "World".into(), None);
    let invoke = |request| Command::Invoke { request, invocation: invocation.clone() };
    let expired = Ok(Answer::Refused(Refusal::RequestExpired));
    assert_eq!(handle.command(invoke(RequestId::new(set_back.0, 1))).await, expired);
    let minted = RequestId::new(handle.mint_at(set_back).0, 2);
    assert!(matches!(handle.command(invoke(minted)).await, Ok(Answer::Accepted { previously: false, .. })));
    running.stop().await;
}

#[tokio::test]
async fn a_call_of_a_new_one_is_refused_at_once_when_it_exists() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    let invocation = new_invocation(service("Greeter", "greet"), "World".into(), None);
    let (id, handle) = (invocation.id, running.of(invocation.id));
    let call = || Command::Invoke { request: request(), invocation: invocation.clone() };
    let first = call();
    let finished = handle.call_new(first.clone()).await;
    assert!(matches!(finished, Ok(Called::Finished { previously: false, .. })), "{finished:?}");
    assert_eq!(handle.call_new(call()).await, Ok(Called::Known(id)));
    let repeated = handle.call_new(first).await;
    assert!(matches!(repeated, Ok(Called::Finished { previously: false, .. })), "{repeated:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_result_that_is_not_kept_is_answered_once() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None).handler("Brief/greet", greet)).await;
    let invocation = new_invocation(service("Brief", "greet"), "World".into(), None);
    let (id, handle) = (invocation.id, running.of(invocation.id));
    let command = Command::Invoke { request: request(), invocation };
    let outcome = Ok("Hello World".into());
    let called = Called::Finished { id, previously: false, outcome, expires_at: None };
    assert_eq!(handle.call(command.clone()).await, Ok(called));
    assert_eq!(handle.call(command).await, Ok(Called::Refused(Refusal::UnknownInvocation(id))));
    assert_eq!(handle.attach(id).await, Ok(None));
    running.stop().await;
}

#[tokio::test]
async fn an_unknown_invocation_has_no_result() {
    let fixture = Fixture::memory(8);
    let running = fixture.start(script(Linger::None)).await;
    let id = InvocationId { key: PartitionKey(9), unique: 9 };
    assert_eq!(running.of(id).attach(id).await, Ok(None));
    running.stop().await;
}

#[tokio::test]
async fn a_door_that_goes_away_leaves_no_waiter() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    let handle = running.partitions.get(PartitionId(0));
    let invocation = new_invocation(object("waiter", "a", "wait"), Bytes::new(), None);
    let id = invocation.id;
    let command = Command::Invoke { request: request(), invocation };
    let mut call = Box::pin(handle.call(command));
    tokio::select! {
        biased;
        _ = &mut call => panic!("nobody has resolved the awakeable"),
        _ = running.until_row(id, |row| row.journal.operations == 3) => {}
    }
    let mut attach = Box::pin(handle.attach(id));
    assert!(attach.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    running.settle(handle).await;
    assert_eq!(handle.status().stats.waiters, 1, "both wait for one invocation");
    drop(call);
    drop(attach);
    running.settle(handle).await;
    assert_eq!(handle.status().stats.waiters, 0);
    running.stop().await;
}

#[tokio::test]
async fn more_commands_than_the_bound_are_refused_and_the_others_are_not() {
    const BOUND: usize = 4_096;
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    let handle = running.partitions.get(PartitionId(0));
    // The processor is on this thread: it takes nothing in before the first await.
    let mut accepted = Vec::new();
    for _ in 0..BOUND {
        let invocation = new_invocation(service("Greeter", "greet"), Bytes::new(), None);
        let mut command = Box::pin(handle.command(Command::Invoke { request: request(), invocation }));
        assert!(command.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        accepted.push(command);
    }
    let invocation = new_invocation(service("Greeter", "greet"), Bytes::new(), None);
    let command = Command::Invoke { request: request(), invocation };
    assert_eq!(handle.command(command).await, Err(DoorError::Overloaded));
    for command in accepted {
        assert!(matches!(command.await, Ok(Answer::Accepted { .. })));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_command_that_no_record_can_hold_fails_for_good() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    let input = vec![0; relight_log::RECORD_BYTES_MAX];
    let called = running.call_new(new_invocation(service("Greeter", "greet"), input.into(), None)).await;
    let error = called.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the command failed for good, nothing was done: the command takes more than 33554432 bytes"
    );
    assert_eq!(running.call(service("Greeter", "greet"), "you").await, Ok("Hello you".into()));
    running.stop().await;
}

#[tokio::test]
async fn a_killed_invocation_ends_and_so_does_its_attempt() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::Forever)).await;
    let id = running.send(object("waiter", "a", "wait"), "").await;
    running.until_row(id, |row| row.journal.operations == 3).await;
    assert_eq!(running.script.running(), 1);
    let killed = running.of(id).command(Command::Kill { request: request(), id }).await;
    assert_eq!(killed, Ok(Answer::Ended));
    assert_eq!(running.result(id).await, Err(Failure::killed()));
    while 0 < running.script.running() {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.of(id).status().stats.attempts_running, 0);
    running.stop().await;
}

#[tokio::test]
async fn doors_of_a_stopped_node_say_so() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    let handle = running.partitions.get(PartitionId(0)).clone();
    let id = running.send(object("waiter", "a", "wait"), "").await;
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.attach(id).await }
    });
    running.settle(&handle).await;
    running.stop().await;
    assert_eq!(waiting.await.unwrap(), Err(DoorError::ShuttingDown));
    assert_eq!(handle.attach(id).await, Err(DoorError::ShuttingDown));
    assert_eq!(handle.read(|_| ()).await, Err(DoorError::ShuttingDown));
    assert_eq!(handle.leading().await, Err(DoorError::ShuttingDown));
}
