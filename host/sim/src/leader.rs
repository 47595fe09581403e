//! What surrounds the real leader of a partition: the runner that it hands attempts and effects to, the transport that it
//! sends with, and tables that show it less than there is where a bug is planted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use relight_core::command::Command;
use relight_core::machine::Partition;
use relight_core::runner::{Attempt, AttemptEvent, AttemptStart, EffectStart, Host, Runner, Slot, Work};
use relight_core::tables::{Key, Prefix, ReadTables, Row, TablesError};
use relight_core::{
    EntryIndex, FencingToken, Incarnation, InvocationId, LeaderEpoch, Lsn, PartitionId, Target,
};
use relight_partition::{Delivery, Leader, LeaderTables, Reach, Stats, Transport};
use tokio::time::Instant;

use crate::guest::Instance;
use crate::oracle::Violation;
use crate::planted::Planted;
use crate::program::{FLOW, WILD};
use crate::tables::SimTables;

/// Real time, of which a run takes less.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// An attempt of an effect that has reached the outside.
#[derive(Clone, Copy, Debug)]
pub struct EffectRun {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub index: EntryIndex,
    pub token: FencingToken,
}

/// How many attempts and effects have an instance at once.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    pub attempts: usize,
    pub effects: usize,
}

/// The leader of one epoch, and what runs for it.
#[derive(Debug)]
pub struct Leading {
    pub leader: Leader,
    pub runner: SimRunner,
}

impl Leading {
    /// Begins with what the tables say; the announcement of `epoch` is applied.
    pub fn begin(
        partition: &Partition,
        epoch: LeaderEpoch,
        tables: &SimTables,
        capacity: Capacity,
        planted: Option<Planted>,
    ) -> Result<Self, Violation> {
        let host: Arc<dyn Host> = Arc::new(SimHost(partition.id));
        let leader = Leader::begin(partition, epoch, &Shown { tables, planted }, host)?;
        let hasty = planted == Some(Planted::WorkAhead);
        Ok(Self { leader, runner: SimRunner::new(capacity, hasty) })
    }

    /// Starts what is ready and has a slot; answers what was started.
    pub fn start_ready(
        &mut self,
        tables: &SimTables,
        reach: Reach,
    ) -> Result<(Vec<InvocationId>, Vec<EffectRun>), Violation> {
        for (work, is_free) in [Work::Attempt, Work::Effect].into_iter().zip(&self.runner.0.slots.freed) {
            if is_free.swap(false, Ordering::Relaxed) {
                self.leader.capacity(work);
            }
        }
        self.leader.start_ready(tables, &self.runner, reach, Instant::now() + FOR_EVER)?;
        let mut running = self.runner.running();
        if let Some(violation) = running.violation.take() {
            return Err(violation);
        }
        Ok((std::mem::take(&mut running.started), std::mem::take(&mut running.executed)))
    }

    /// Nothing is left to do but to wait for time or others.
    pub fn is_idle(&self) -> bool {
        let stats = self.leader.stats(&Stats::default());
        stats.attempts_running
            + stats.attempts_ready
            + stats.effects_running
            + stats.effects_ready
            + stats.timers_in_flight
            + stats.outbox_lag
            == 0
    }
}

/// Holds what runs; the world makes it go on.
#[derive(Clone, Debug)]
pub struct SimRunner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    running: Mutex<Running>,
    slots: Arc<Slots>,
    /// A planted bug of its instances.
    hasty: bool,
}

#[derive(Debug, Default)]
pub struct Running {
    pub attempts: BTreeMap<InvocationId, Instance>,
    pub effects: BTreeMap<(InvocationId, EntryIndex), EffectRun>,
    dropped: Vec<Instance>,
    /// Since the last look.
    started: Vec<InvocationId>,
    executed: Vec<EffectRun>,
    violation: Option<Violation>,
}

/// Slots of attempts and of effects.
#[derive(Debug)]
struct Slots {
    free: [AtomicUsize; 2],
    /// Somebody was refused one.
    refused: [AtomicBool; 2],
    /// One is free again, which whoever was refused has not heard.
    freed: [AtomicBool; 2],
}

struct Held(Arc<Slots>, usize);

impl Drop for Held {
    fn drop(&mut self) {
        let Self(slots, of) = self;
        slots.free[*of].fetch_add(1, Ordering::Relaxed);
        if slots.refused[*of].swap(false, Ordering::Relaxed) {
            slots.freed[*of].store(true, Ordering::Relaxed);
        }
    }
}

impl Running {
    /// The attempts that their leader has dropped, in the same order in every run: the leader knows none.
    pub fn take_dropped(&mut self) -> Vec<Instance> {
        self.dropped.sort_by_key(|instance| (instance.id, instance.token.attempt));
        std::mem::take(&mut self.dropped)
    }
}

impl SimRunner {
    fn new(capacity: Capacity, hasty: bool) -> Self {
        let free = [capacity.attempts, capacity.effects].map(AtomicUsize::new);
        let slots = Slots { free, refused: Default::default(), freed: Default::default() };
        Self(Arc::new(Shared { running: Mutex::default(), slots: Arc::new(slots), hasty }))
    }

    pub fn running(&self) -> MutexGuard<'_, Running> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner for SimRunner {
    fn reserve(&self, work: Work, _host: &Arc<dyn Host>) -> Option<Slot> {
        let (slots, of) = (&self.0.slots, usize::from(work == Work::Effect));
        if slots.free[of].load(Ordering::Relaxed) == 0 {
            slots.refused[of].store(true, Ordering::Relaxed);
            return None;
        }
        slots.free[of].fetch_sub(1, Ordering::Relaxed);
        Some(Slot(Box::new(Held(Arc::clone(slots), of))))
    }

    fn start_attempt(&self, slot: Slot, start: AttemptStart, _host: Arc<dyn Host>) -> Box<dyn Attempt> {
        let (id, attempt) = (start.id, start.token.attempt);
        let instance = Instance::new(start, slot, self.0.hasty);
        let mut running = self.running();
        match instance {
            Ok(instance) => {
                running.attempts.insert(id, instance);
                running.started.push(id);
            }
            Err(violation) => running.violation = Some(violation),
        }
        Box::new(AttemptHandle { runner: self.clone(), id, attempt })
    }

    fn start_effect(&self, slot: Slot, start: EffectStart, _host: Arc<dyn Host>) -> Box<dyn Send> {
        let EffectStart { id, incarnation, index, token, .. } = start;
        let run = EffectRun { id, incarnation, index, token };
        let mut running = self.running();
        running.effects.insert((id, index), run);
        running.executed.push(run);
        Box::new(EffectHandle { runner: self.clone(), run, _slot: slot })
    }
}

struct AttemptHandle {
    runner: SimRunner,
    id: InvocationId,
    attempt: Lsn,
}

impl Attempt for AttemptHandle {
    fn event(&self, event: AttemptEvent) {
        let mut running = self.runner.running();
        let instance = running.attempts.get_mut(&self.id);
        if let Some(instance) = instance.filter(|instance| instance.token.attempt == self.attempt) {
            instance.events.push_back(event);
        }
    }
}

impl Drop for AttemptHandle {
    fn drop(&mut self) {
        let mut running = self.runner.running();
        let attempt = running.attempts.get(&self.id).map(|instance| instance.token.attempt);
        if attempt == Some(self.attempt)
            && let Some(mut instance) = running.attempts.remove(&self.id)
        {
            instance.dropped = true;
            instance.slot = None;
            running.dropped.push(instance);
        }
    }
}

struct EffectHandle {
    runner: SimRunner,
    run: EffectRun,
    _slot: Slot,
}

impl Drop for EffectHandle {
    fn drop(&mut self) {
        let mut running = self.runner.running();
        let key = (self.run.id, self.run.index);
        if running.effects.get(&key).is_some_and(|run| run.token == self.run.token) {
            running.effects.remove(&key);
        }
    }
}

struct SimHost(PartitionId);

impl Host for SimHost {
    fn partition(&self) -> PartitionId {
        self.0
    }

    fn runs_once(&self, target: &Target) -> bool {
        matches!(&*target.service, FLOW | WILD) && &*target.handler == "run"
    }

    fn propose(&self, _command: Command) {
        unreachable!("the world takes what attempts propose from them");
    }

    fn capacity(&self, _work: Work) {
        unreachable!("the world tells the leader itself");
    }
}

/// Keeps what is sent until the world takes it.
#[derive(Debug, Default)]
pub struct SimTransport(Mutex<Vec<(PartitionId, Delivery)>>);

impl SimTransport {
    pub fn take(&self) -> Vec<(PartitionId, Delivery)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transport for SimTransport {
    fn send(&self, destination: PartitionId, delivery: Delivery) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((destination, delivery));
    }
}

impl LeaderTables for SimTables {
    type Snapshot = Self;

    fn snapshot(&self, _: &Prefix) -> Self {
        self.clone()
    }
}

/// What a new leader is shown of the tables.
struct Shown<'a> {
    tables: &'a SimTables,
    planted: Option<Planted>,
}

impl ReadTables for Shown<'_> {
    fn get(&self, key: &Key) -> Result<Option<Row>, TablesError> {
        self.tables.get(key)
    }

    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError> {
        let mut rows = self.tables.scan(prefix, after, limit)?;
        match (self.planted, prefix) {
            (Some(Planted::DropTimerOnRecovery), Prefix::Timer) if !rows.is_empty() => {
                rows.remove(0);
            }
            (Some(Planted::ForgetEffectOnRecovery), Prefix::Effect(None)) => rows.clear(),
            _ => {}
        }
        Ok(rows)
    }
}

impl LeaderTables for Shown<'_> {
    type Snapshot = SimTables;

    fn snapshot(&self, _: &Prefix) -> SimTables {
        self.tables.clone()
    }
}
