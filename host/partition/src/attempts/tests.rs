//! Attempts against tables of their own: what starts, what is skipped, what is refilled.

use std::sync::Mutex;
use std::time::Duration;

use relight_core::command::Command;
use relight_core::ids::{DeploymentId, Digest, Incarnation, PartitionId, PartitionKey};
use relight_core::journal::{Entry, JournalItem, NotificationKind, Operation};
use relight_core::runner::EffectStart;
use relight_core::schema::{HandlerMode, Policies};
use relight_core::tables::{JournalSize, Row, Status, Tables as _};
use relight_core::value::{Target, Timestamp};
use relight_storage::{PartitionTables, Store, StoreOptions};
use tempfile::TempDir;

use super::*;

const DEPLOYMENT: DeploymentId = DeploymentId(1);
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Notes what is started and what it hears.
struct Recorder {
    slots: Mutex<usize>,
    started: Mutex<Vec<u128>>,
    provisional: Mutex<Vec<Option<Lsn>>>,
    heard: Arc<Mutex<Vec<AttemptEvent>>>,
}

struct Recorded(Arc<Mutex<Vec<AttemptEvent>>>);

impl Runner for Recorder {
    fn reserve(&self, _work: Work, _host: &Arc<dyn Host>) -> Option<Slot> {
        let mut slots = self.slots.lock().unwrap();
        *slots = slots.checked_sub(1)?;
        Some(Slot(Box::new(())))
    }

    fn start_attempt(&self, _slot: Slot, start: AttemptStart, _host: Arc<dyn Host>) -> Box<dyn Attempt> {
        self.started.lock().unwrap().push(start.id.unique);
        self.provisional.lock().unwrap().push(start.provisional);
        Box::new(Recorded(Arc::clone(&self.heard)))
    }

    fn start_effect(&self, _slot: Slot, _start: EffectStart, _host: Arc<dyn Host>) -> Box<dyn Send> {
        unreachable!("no effect here")
    }
}

impl Attempt for Recorded {
    fn event(&self, event: AttemptEvent) {
        self.0.lock().unwrap().push(event);
    }
}

struct Nobody;

impl Host for Nobody {
    fn partition(&self) -> PartitionId {
        PartitionId(0)
    }

    fn runs_once(&self, _target: &Target) -> bool {
        false
    }

    fn propose(&self, _command: Command) {}

    fn capacity(&self, _work: Work) {}
}

struct Fixture {
    _dir: TempDir,
    tables: PartitionTables,
    runner: Recorder,
    host: Arc<dyn Host>,
    reach: Reach,
    until: Instant,
}

impl Fixture {
    /// `count` invocations whose attempt 1 is to run.
    fn new(count: u128, slots: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let mut tables = store.partition(PartitionId(0)).unwrap();
        tables.put(Key::Deployment(DEPLOYMENT), Row::Deployment(Arc::new(deployment())));
        for unique in 0..count {
            let id = id(unique);
            let entry = Entry {
                made_at: Timestamp(1),
                operation: Operation::Input { headers: Vec::new(), body: "".into() },
            };
            tables.put(Key::Running(id), Row::Present);
            tables.put(Key::Invocation(id), Row::Invocation(Box::new(invocation(id))));
            tables.put(Key::Journal(id, Position(0)), Row::Journal(JournalItem::Operation(entry)));
        }
        tables.commit(Lsn(1)).unwrap();
        let runner = Recorder {
            slots: Mutex::new(slots),
            started: Mutex::default(),
            provisional: Mutex::default(),
            heard: Arc::default(),
        };
        let reach = Reach { applied: Lsn(1), durable: Lsn(1) };
        Self { _dir: dir, tables, runner, host: Arc::new(Nobody), reach, until: Instant::now() + FOR_EVER }
    }

    fn start_ready(&self, attempts: &mut Attempts) -> Left {
        let Self { tables, runner, host, .. } = self;
        let context = StartContext {
            tables,
            runner,
            host,
            epoch: LeaderEpoch(1),
            reach: self.reach,
            until: self.until,
        };
        attempts.start_ready(&context).unwrap()
    }

    fn started(&self) -> Vec<u128> {
        self.runner.started.lock().unwrap().clone()
    }
}

fn id(unique: u128) -> InvocationId {
    InvocationId { key: PartitionKey(0), unique }
}

fn deployment() -> Deployment {
    Deployment {
        id: DEPLOYMENT,
        digest: Digest([0; 32]),
        size_bytes: 0,
        created_at: Timestamp(0),
        allow_http: Vec::new(),
        env: Vec::new(),
        memory_bytes_max: 0,
        services: Vec::new(),
        effects: Vec::new(),
        sdk: String::new(),
        metadata: Vec::new(),
    }
}

fn invocation(id: InvocationId) -> Invocation {
    Invocation {
        id,
        incarnation: Incarnation::ZERO,
        target: Target { service: "S".into(), key: None, handler: "h".into() },
        kind: relight_core::ServiceKind::Service,
        mode: HandlerMode::Exclusive,
        policies: Policies::DEFAULT,
        idempotency_key: None,
        input_hash: 0,
        invoked_by: None,
        ancestors: Vec::new(),
        waiters: Vec::new(),
        created_at: Timestamp(1),
        started_at: Some(Timestamp(1)),
        modified_at: Timestamp(1),
        deployment: Some(DEPLOYMENT),
        journal: JournalSize { operations: 1, items: 1, bytes: 32, runs: 0 },
        open: 0,
        unclaimed: 0,
        cancel: None,
        cancel_requested: false,
        failures: 0,
        failing_since: Timestamp(1),
        last_failure: None,
        run: None,
        restarted: None,
        status: Status::Invoked { attempt: Lsn(1), operations_at_start: 1, retry_at: None },
    }
}

#[test]
fn what_does_not_fit_into_memory_starts_from_the_tables() {
    let fixture = Fixture::new(10, 100);
    let mut attempts = Attempts::new(2);
    (0..10).for_each(|unique| attempts.push(id(unique), Lsn(1)));
    assert_eq!(attempts.ready(), 2);
    assert_eq!(fixture.start_ready(&mut attempts), Left::Nothing);
    assert_eq!(fixture.started(), (0..10).collect::<Vec<_>>());
    assert_eq!(attempts.running(), 10);
}

#[test]
fn one_turn_starts_a_bounded_share() {
    let fixture = Fixture::new(STARTS_PER_TURN_MAX as u128 + 1, 100);
    let mut attempts = Attempts::new(1_000);
    (0..=STARTS_PER_TURN_MAX as u128).for_each(|unique| attempts.push(id(unique), Lsn(1)));
    assert_eq!(fixture.start_ready(&mut attempts), Left::More);
    assert_eq!(fixture.started().len(), STARTS_PER_TURN_MAX);
    assert_eq!(fixture.start_ready(&mut attempts), Left::Nothing);
    assert_eq!(fixture.started().len(), STARTS_PER_TURN_MAX + 1);
}

#[test]
fn without_a_slot_the_order_is_kept_until_there_is_one() {
    let fixture = Fixture::new(3, 1);
    let mut attempts = Attempts::new(10);
    (0..3).for_each(|unique| attempts.push(id(unique), Lsn(1)));
    fixture.start_ready(&mut attempts);
    *fixture.runner.slots.lock().unwrap() = 5;
    fixture.start_ready(&mut attempts);
    assert_eq!(fixture.started(), [0], "the runner has not said that there is capacity");
    attempts.capacity();
    fixture.start_ready(&mut attempts);
    assert_eq!(fixture.started(), [0, 1, 2]);
}

#[test]
fn stale_and_repeated_starts_are_skipped() {
    let fixture = Fixture::new(1, 10);
    let mut attempts = Attempts::new(10);
    // Started by an earlier record, started twice, and of an invocation that is gone.
    for (id, attempt) in [(id(0), Lsn(0)), (id(0), Lsn(1)), (id(0), Lsn(1)), (id(9), Lsn(1))] {
        attempts.push(id, attempt);
    }
    fixture.start_ready(&mut attempts);
    assert_eq!(fixture.started(), [0]);
    attempts.end(id(0), Lsn(0));
    assert_eq!(attempts.running(), 1);
    attempts.end(id(0), Lsn(1));
    assert_eq!(attempts.running(), 0);
}

#[test]
fn a_notification_that_is_in_the_loaded_journal_is_not_given_again() {
    let fixture = Fixture::new(1, 10);
    let mut attempts = Attempts::new(10);
    attempts.push(id(0), Lsn(1));
    fixture.start_ready(&mut attempts);
    let notification = Notification { at: Timestamp(2), kind: NotificationKind::Cancelled };
    attempts.notify(id(0), Position(0), notification.clone(), None);
    attempts.notify(id(0), Position(1), notification.clone(), None);
    attempts.accepted(id(0), Lsn(0), 5, None);
    attempts.accepted(id(0), Lsn(1), 6, None);
    let heard = fixture.runner.heard.lock().unwrap().clone();
    let expected = [
        AttemptEvent::Notification { position: Position(1), notification, provisional: None },
        AttemptEvent::Accepted { operations: 6, provisional: None },
    ];
    assert_eq!(heard, expected);
}

#[test]
fn starts_end_with_the_time_of_a_turn() {
    let mut fixture = Fixture::new(3, 10);
    fixture.until = Instant::now();
    let mut attempts = Attempts::new(10);
    (0..3).for_each(|unique| attempts.push(id(unique), Lsn(1)));
    assert_eq!(fixture.start_ready(&mut attempts), Left::More);
    assert_eq!(fixture.started(), [0], "one at least");
    fixture.until += FOR_EVER;
    assert_eq!(fixture.start_ready(&mut attempts), Left::Nothing);
    assert_eq!(fixture.started(), [0, 1, 2]);
}

#[test]
fn what_may_vanish_is_given_as_such_and_confirmed_once_it_is_durable() {
    let mut fixture = Fixture::new(2, 10);
    fixture.reach = Reach { applied: Lsn(4), durable: Lsn(3) };
    let mut attempts = Attempts::new(10);
    attempts.push(id(0), Lsn(1));
    attempts.push(id(1), Lsn(1));
    fixture.start_ready(&mut attempts);
    assert_eq!(*fixture.runner.provisional.lock().unwrap(), [Some(Lsn(4)), Some(Lsn(4))]);
    attempts.end(id(1), Lsn(1));
    attempts.durable(Lsn(3));
    attempts.accepted(id(0), Lsn(1), 2, Some(Lsn(6)));
    attempts.durable(Lsn(5));
    attempts.durable(Lsn(7));
    attempts.durable(Lsn(9));
    let heard = fixture.runner.heard.lock().unwrap().clone();
    let expected = [
        AttemptEvent::Accepted { operations: 2, provisional: Some(Lsn(6)) },
        AttemptEvent::Durable { upto: Lsn(5) },
        AttemptEvent::Durable { upto: Lsn(7) },
    ];
    assert_eq!(heard, expected, "once each, and not for the one that has ended");
}
