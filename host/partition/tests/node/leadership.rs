//! Losing and regaining leadership: attempts are dropped, doors are told, and the invocation goes on.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use relight_core::command::Command;
use relight_core::ids::PartitionId;
use relight_log::{Log as _, MemoryLog, NodeId};
use relight_partition::{DoorError, Role};

use crate::fixture::{Fixture, Logs, Running, new_invocation, object, request, service};
use crate::flows::{script, signal};
use crate::script::Linger;

fn log(fixture: &Fixture) -> &MemoryLog {
    match &fixture.logs {
        Logs::Memory(logs) => &logs[0],
        Logs::Raft | Logs::Other(_) => panic!("tests here use a log in memory"),
    }
}

/// Changes the leader while an invocation runs, which a call and an attached door wait for.
async fn change_leader(running: &Running, change: impl FnOnce()) -> relight_core::ids::InvocationId {
    let handle = running.partitions.get(PartitionId(0));
    let invocation = new_invocation(object("waiter", "a", "wait"), Bytes::new(), None);
    let id = invocation.id;
    let call = handle.call(Command::Invoke { request: request(), invocation });
    let attach = async {
        running.until_row(id, |row| row.journal.operations == 3).await;
        let mut attach = Box::pin(handle.attach(id));
        tokio::select! {
            biased;
            result = &mut attach => panic!("nobody has resolved the awakeable: {result:?}"),
            () = running.settle(handle) => {}
        }
        change();
        attach.await
    };
    let (called, attached) = tokio::join!(call, attach);
    assert_eq!(called, Err(DoorError::Unknown));
    assert_eq!(attached, Err(DoorError::NoLeader));
    id
}

#[tokio::test]
async fn a_follower_runs_nothing_and_a_new_leader_goes_on() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::Forever)).await;
    let handle = running.partitions.get(PartitionId(0));
    let id = change_leader(&running, || _ = log(&fixture).follow(NodeId(2))).await;
    while 0 < running.script.running() {
        tokio::task::yield_now().await;
    }
    running.settle(handle).await;
    assert_eq!(handle.status().role, Role::Follower);
    let invocation = new_invocation(service("Greeter", "greet"), Bytes::new(), None);
    assert_eq!(running.call_new(invocation).await, Err(DoorError::NoLeader));

    log(&fixture).lead();
    handle.leading().await.unwrap();
    signal(&running, id).await;
    assert_eq!(running.result(id).await, Ok("signal".into()));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 2);
    assert!(fixture.faults.lock().unwrap().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_leader_that_wins_again_begins_anew() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::Forever)).await;
    let id = change_leader(&running, || _ = log(&fixture).lead()).await;
    let epoch = log(&fixture).state().leading().unwrap().0;
    let handle = running.partitions.get(PartitionId(0));
    handle.leading().await.unwrap();
    running.settle(handle).await;
    assert_eq!(handle.status().role.epoch().unwrap().0, epoch);
    signal(&running, id).await;
    assert_eq!(running.result(id).await, Ok("signal".into()));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 2);
    running.stop().await;
}
