//! What is accepted goes on after a restart; what does not fit together is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use relight_core::ids::PartitionId;
use relight_log::{GroupId, Log as _, MemoryLog, NodeId};
use relight_partition::{Delivery, DoorError, Fault, RetentionPolicy, Role, StartError, Transport};

use crate::fixture::{Fixture, Logs, key_elsewhere, new_invocation, now, object, service};
use crate::flows::{add_to_many, script, signal};
use crate::script::{Ctx, Linger, Script, bytes};

#[tokio::test]
async fn state_timers_and_suspended_invocations_survive() {
    for fixture in [Fixture::raft(8), Fixture::memory(8), Fixture::raft(1)] {
        let running = fixture.start(script(Linger::None)).await;
        assert_eq!(running.call(object("counter", "a", "add"), "5").await, Ok("5".into()));
        let begin = now();
        let sleeping = running.send(service("Sleeper", "sleep"), "50").await;
        running.until_row(sleeping, |row| row.journal.operations == 2).await;
        let waiting = running.send(object("waiter", "a", "wait"), "").await;
        running.until_row(waiting, |row| row.journal.operations == 3).await;
        let greeted = running.send(service("Greeter", "greet"), "World").await;
        assert_eq!(running.result(greeted).await, Ok("Hello World".into()));
        running.stop().await;

        let running = fixture.start(script(Linger::None)).await;
        assert_eq!(running.result(greeted).await, Ok("Hello World".into()));
        assert_eq!(running.call(object("counter", "a", "add"), "1").await, Ok("6".into()));
        assert_eq!(running.result(sleeping).await, Ok(Bytes::new()));
        assert!(50 <= now().since(begin).0);
        signal(&running, waiting).await;
        assert_eq!(running.result(waiting).await, Ok("signal".into()));
        running.stop().await;
        assert!(fixture.faults.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_attempt_and_an_effect_that_ran_run_again() {
    let fixture = Fixture::raft(1);
    let script = |effect_ends: bool| {
        let fetch = |ctx: Ctx| async move { Ok(bytes(ctx.wait(ctx.effect("slow", "")).await)) };
        Script::new(Linger::Forever).handler("Fetcher/fetch", fetch).effect(
            "slow",
            move |attempt, _| async move {
                if !effect_ends {
                    std::future::pending::<()>().await;
                }
                Ok(Ok(format!("attempt {attempt}").into()))
            },
        )
    };
    let running = fixture.start(script(false)).await;
    let id = running.send(service("Fetcher", "fetch"), "").await;
    while running.script.effects_started.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    running.stop().await;

    let running = fixture.start(script(true)).await;
    assert_eq!(running.result(id).await, Ok("attempt 1".into()));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 1);
    assert_eq!(running.script.effects_started.load(Ordering::SeqCst), 1);
    running.stop().await;
}

/// Loses every message between partitions, and counts them; schemas do get through.
struct Cut(Arc<dyn Transport>, Arc<AtomicUsize>);

impl Transport for Cut {
    fn send(&self, destination: PartitionId, delivery: Delivery) {
        let is_schema =
            |message: &relight_core::Message| matches!(message, relight_core::Message::Schema { .. });
        match &delivery {
            Delivery::Messages { messages, .. } if !messages.iter().all(is_schema) => {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
            _ => self.0.send(destination, delivery),
        }
    }
}

#[tokio::test]
async fn the_outbox_is_shipped_after_a_restart() {
    let fixture = Fixture::raft(8);
    let script = || script(Linger::None).handler("Fan/out", add_to_many);
    let lost = Arc::new(AtomicUsize::new(0));
    let cut = Arc::clone(&lost);
    let running = fixture
        .start_with(script(), |config| {
            config.wrap_transport = Some(Box::new(|to| Arc::new(Cut(to, cut))));
        })
        .await;
    let invocation = new_invocation(service("Fan", "out"), Bytes::new(), None);
    let id = invocation.id;
    let key = key_elsewhere(fixture.partitioning, "counter", running.of(id).id());
    let invocation = relight_core::command::NewInvocation { input: key.into(), ..invocation };
    let request = crate::fixture::request();
    let command = relight_core::Command::Invoke { request, invocation };
    running.of(id).command(command).await.unwrap();
    while lost.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(0 < running.of(id).status().stats.outbox_lag);
    running.stop().await;

    let running = fixture.start(script()).await;
    assert_eq!(running.result(id).await, Ok("1".into()));
    running.stop().await;
}

#[tokio::test]
async fn lost_tables_are_rebuilt_from_the_log() {
    let fixture = Fixture::raft(8);
    let running = fixture.start(script(Linger::None)).await;
    for count in ["1", "2", "3"] {
        assert_eq!(running.call(object("counter", "a", "add"), "1").await, Ok(count.into()));
    }
    let greeted = running.send(service("Greeter", "greet"), "World").await;
    assert_eq!(running.result(greeted).await, Ok("Hello World".into()));
    running.stop().await;
    fixture.lose_tables();
    let running = fixture.start(script(Linger::None)).await;
    assert_eq!(running.result(greeted).await, Ok("Hello World".into()));
    assert_eq!(running.call(object("counter", "a", "add"), "1").await, Ok("4".into()));
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 1, "the new call alone");
    running.stop().await;
}

#[tokio::test]
async fn the_log_is_trimmed_behind_what_is_flushed_and_then_the_tables_must_not_be_lost() {
    let fixture = Fixture::memory(1);
    let Logs::Memory(logs) = &fixture.logs else {
        unreachable!("a fixture in memory");
    };
    let retention = RetentionPolicy { flush_bytes: 1, keep_records: Some(5), ..RetentionPolicy::default() };
    let running = fixture.start_with(script(Linger::None), |config| config.retention = retention).await;
    while logs[0].state().first.0 < 10 {
        running.call(object("counter", "a", "add"), "1").await.unwrap();
    }
    let status = running.partitions.get(PartitionId(0)).status();
    assert!(logs[0].state().first.0 + 5 <= status.durable.0 + 1);
    assert!(0 < status.stats.flushes);
    running.stop().await;
    fixture.start(script(Linger::None)).await.stop().await;

    fixture.lose_tables();
    let error = fixture.try_start(script(Linger::None), |_| {}).map(drop).unwrap_err();
    assert!(matches!(error, StartError::LogTrimmed { .. }), "{error}");
    assert!(error.to_string().contains("partition-0` end at LSN 0, but its log begins at LSN"), "{error}");
}

#[tokio::test]
async fn a_log_that_was_lost_is_refused() {
    let mut fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    running.call(service("Greeter", "greet"), "World").await.unwrap();
    running.stop().await;
    fixture.logs = Logs::Memory(vec![MemoryLog::new(GroupId(0), NodeId(1))]);
    let error = fixture.try_start(script(Linger::None), |_| {}).map(drop).unwrap_err();
    assert!(matches!(error, StartError::LogShort { .. }), "{error}");
}

#[tokio::test]
async fn logs_that_are_not_those_of_the_partitions_are_refused() {
    let logs =
        |ids: &[u16]| Logs::Memory(ids.iter().map(|id| MemoryLog::new(GroupId(*id), NodeId(1))).collect());
    let check = |ids: &[u16], expected: &str| {
        let fixture = Fixture::new(2, logs(ids));
        let error = fixture.try_start(script(Linger::None), |_| {}).map(drop).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(&[0], "there are 1 logs for 2 partitions");
    check(&[1, 0], "the log at place 0 is that of partition 1");
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_stops_its_partition_loudly() {
    let fixture = Fixture::memory(1);
    fixture.start(script(Linger::None)).await.stop().await;
    let Logs::Memory(logs) = &fixture.logs else {
        unreachable!("a fixture in memory");
    };
    let epoch = logs[0].state().leading().unwrap();
    logs[0].append(epoch, vec![Bytes::from_static(b"\xffgarbage")]).await.unwrap();
    let running = fixture.try_start(script(Linger::None), |_| {}).unwrap().await;
    let handle = running.partitions.get(PartitionId(0)).clone();
    assert_eq!(handle.leading().await, Err(DoorError::ShuttingDown));
    assert_eq!(handle.status().role, Role::Stopped);
    running.stop().await;
    let faults = fixture.faults.lock().unwrap();
    assert!(matches!(faults[..], [Fault::Record { .. }]), "{faults:?}");
}

#[tokio::test]
async fn a_log_that_goes_on_without_its_leader_stops_the_partition_loudly() {
    let fixture = Fixture::memory(1);
    let running = fixture.start(script(Linger::None)).await;
    let handle = running.partitions.get(PartitionId(0)).clone();
    let Logs::Memory(logs) = &fixture.logs else {
        unreachable!("a fixture in memory");
    };
    let epoch = logs[0].state().leading().unwrap();
    logs[0].append(epoch, vec![Bytes::from_static(b"of somebody else")]).await.unwrap();
    let invocation = new_invocation(object("waiter", "a", "wait"), Bytes::new(), None);
    assert_eq!(running.call_new(invocation).await, Err(DoorError::ShuttingDown));
    assert_eq!(handle.status().role, Role::Stopped);
    running.stop().await;
    let faults = fixture.faults.lock().unwrap();
    assert!(matches!(faults[..], [Fault::Append { .. }]), "{faults:?}");
}
