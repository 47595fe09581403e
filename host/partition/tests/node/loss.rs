//! Appends that fail and deliveries that are lost: everything still happens, and once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use relight_core::command::{Command, NewInvocation};
use relight_core::ids::PartitionId;
use relight_core::tables::Status;
use relight_core::value::Outcome;
use relight_log::{
    AppendError, Epoch, GroupId, LeadershipWatch, Log, Lsn, MemoryLog, NodeId, ReadError, Reader, State,
    Ticket, TrimError,
};
use relight_partition::{Called, Delivery, DoorError, Transport};

use crate::fixture::{Fixture, Logs, Running, new_invocation, object, request, service};
use crate::flows::{join_all, script};
use crate::script::{Ctx, Linger, Script};

/// The second append fails, the third after that, the fourth after that and so on, in one way after the other. Between two
/// failures there is ever more room: a leader that loses an append begins anew, and has to get further than before.
fn ever_rarer(append: usize) -> Option<usize> {
    (1..).map(|n| n * (n + 1) / 2).take_while(|at| *at <= append).position(|at| at == append)
}

/// Loses some appends, in one way after the other.
#[derive(Debug)]
pub struct FlakyLog {
    log: MemoryLog,
    appends: AtomicUsize,
    /// By append, both counted from 0: which failure it is, if it is one.
    fails: fn(usize) -> Option<usize>,
    pub failed: AtomicUsize,
}

impl FlakyLog {
    pub fn new(id: u16, fails: fn(usize) -> Option<usize>) -> Self {
        Self {
            log: MemoryLog::new(GroupId(id), NodeId(1)),
            appends: AtomicUsize::new(0),
            fails,
            failed: AtomicUsize::new(0),
        }
    }
}

impl Log for FlakyLog {
    fn group(&self) -> GroupId {
        self.log.group()
    }

    fn append_at(&self, epoch: Epoch, first: Option<Lsn>, records: Vec<Bytes>) -> Ticket {
        let append = self.appends.fetch_add(1, Ordering::SeqCst);
        let Some(failure) = (self.fails)(append) else {
            return self.log.append_at(epoch, first, records);
        };
        self.failed.fetch_add(1, Ordering::SeqCst);
        let lost = match failure % 3 {
            0 => AppendError::Unknown,
            1 => {
                drop(self.log.append_at(epoch, first, records));
                AppendError::Unknown
            }
            _ => AppendError::NotLeader { hint: None },
        };
        // As with consensus: another epoch has begun.
        self.log.lead();
        Ticket::answered(Err(lost))
    }

    fn reader(&self, from: Lsn) -> Result<Reader, ReadError> {
        self.log.reader(from)
    }

    fn state(&self) -> State {
        self.log.state()
    }

    fn leadership(&self) -> LeadershipWatch {
        self.log.leadership()
    }

    fn trim(&self, upto: Lsn) -> Result<(), TrimError> {
        self.log.trim(upto)
    }
}

/// Loses every third delivery of each kind.
struct Lossy {
    to: Arc<dyn Transport>,
    sent: [AtomicUsize; 3],
}

impl Transport for Lossy {
    fn send(&self, destination: PartitionId, delivery: Delivery) {
        let kind = match &delivery {
            Delivery::Messages { .. } => 0,
            Delivery::Delivered { .. } => 1,
            Delivery::Gap { .. } => 2,
        };
        if !self.sent[kind].fetch_add(1, Ordering::SeqCst).is_multiple_of(3) {
            self.to.send(destination, delivery);
        }
    }
}

fn flaky(partitions: u16) -> (Vec<Arc<FlakyLog>>, Fixture) {
    let flaky: Vec<_> = (0..partitions).map(|id| Arc::new(FlakyLog::new(id, ever_rarer))).collect();
    let logs = flaky.iter().map(|log| Arc::clone(log) as Arc<dyn Log>).collect();
    (flaky, Fixture::new(partitions, Logs::Other(logs)))
}

/// Calls as a door does: the same request again for as long as that is safe.
async fn call(running: &Running, invocation: NewInvocation) -> Outcome {
    let handle = running.of(invocation.id);
    let command = Command::Invoke { request: request(), invocation };
    loop {
        match handle.call(command.clone()).await {
            Ok(Called::Finished { outcome, .. }) => return outcome,
            Ok(refused) => panic!("refused: {refused:?}"),
            Err(DoorError::Unknown | DoorError::Overloaded | DoorError::NoLeader) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn appends_that_fail_lose_nothing_and_repeat_nothing() {
    let (logs, fixture) = flaky(8);
    let running = fixture.start(script(Linger::None)).await;
    let keys: Vec<_> = (0..16).map(|n| format!("key{n}")).collect();
    for round in 1..=5 {
        let fan = new_invocation(service("Fan", "out"), keys.join(",").into(), None);
        let sum = (round * keys.len()).to_string();
        assert_eq!(call(&running, fan).await, Ok(sum.into()));
    }
    let sleep = call(&running, new_invocation(service("Sleeper", "sleep"), "10".into(), None));
    let fetch = call(&running, new_invocation(service("Fetcher", "fetch"), "x".into(), None));
    let (slept, fetched) = tokio::join!(sleep, fetch);
    assert_eq!(slept, Ok(Bytes::new()));
    assert_eq!(fetched, Ok("x by attempt 3".into()));
    assert!(logs.iter().all(|log| 0 < log.failed.load(Ordering::SeqCst)));
    assert!(fixture.faults.lock().unwrap().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn deliveries_that_are_lost_are_sent_again_and_count_once() {
    let fixture = Fixture::memory(8);
    let running = fixture
        .start_with(script(Linger::None), |config| {
            config.wrap_transport = Some(Box::new(|to| Arc::new(Lossy { to, sent: Default::default() })));
        })
        .await;
    let keys: Vec<_> = (0..40).map(|n| format!("key{n}")).collect();
    for sum in ["40", "80"] {
        assert_eq!(running.call(service("Fan", "out"), keys.join(",")).await, Ok(sum.into()));
    }
    let resends: u64 = running.partitions.iter().map(|handle| handle.status().stats.resends).sum();
    assert!(0 < resends);
    running.stop().await;
}

#[tokio::test]
async fn an_append_that_no_record_can_hold_pauses_the_invocation() {
    const INPUT_BYTES: usize = 9 << 20;
    let fixture = Fixture::memory(1);
    let script = Script::new(Linger::None).handler("Large/calls", |ctx: Ctx| async move {
        let handles: Vec<_> = (0..4)
            .map(|n| ctx.call(object("counter", &n.to_string(), "add"), vec![b'1'; INPUT_BYTES]))
            .collect();
        ctx.wait_all(&handles).await;
        Ok(Bytes::new())
    });
    let running = fixture.start(script).await;
    let id = running.send(service("Large", "calls"), "").await;
    let row = running.until_row(id, |row| matches!(row.status, Status::Paused { .. })).await;
    let Status::Paused { reason } = row.status else {
        unreachable!("just waited for it");
    };
    assert_eq!(reason, "what it recorded at once takes more than 33554432 bytes");
    assert_eq!(row.journal.operations, 1);
    assert_eq!(running.script.attempts_started.load(Ordering::SeqCst), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_burst_is_batched() {
    let fixture = Fixture::raft(1);
    let running = fixture.start(script(Linger::None)).await;
    let handle = running.partitions.get(PartitionId(0));
    let before = handle.status().stats;
    let calls = (0..200).map(|n| running.call(service("Greeter", "greet"), n.to_string()));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    running.settle(handle).await;
    let stats = handle.status().stats;
    assert_eq!(stats.proposals - before.proposals, 400, "two records for each");
    assert!(stats.appends - before.appends < 100, "{} appends", stats.appends - before.appends);
    running.stop().await;
}
