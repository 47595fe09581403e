//! [`Leader`]: what the leader of one epoch does besides applying records. Losing it loses nothing.

use std::{fmt, sync::Arc};

use relight_core::action::Action;
use relight_core::command::Command;
use relight_core::ids::{InvocationId, LeaderEpoch, Lsn, PartitionId};
use relight_core::machine::{self, Partition};
use relight_core::runner::{Host, Runner, Work};
use relight_core::tables::{ReadTables, TablesError};
use relight_core::value::Timestamp;
use tokio::time::Instant;

use crate::attempts::{Attempts, Left, Reach, StartContext};
use crate::effects::Effects;
use crate::limits::{READY_MAX, TIMER_RECHECK_AFTER};
use crate::outbox::Outbox;
use crate::state_view::LeaderTables;
use crate::status::Stats;
use crate::timers::Timers;
use crate::transport::{Delivery, Transport};

/// It has no clock, no task and no channel of its own: whoever drives it says what time it is, and hands on what it
/// proposes. So the processor drives it, and so can a simulation, over tables of its own.
pub struct Leader {
    pub epoch: LeaderEpoch,
    host: Arc<dyn Host>,
    attempts: Attempts,
    effects: Effects,
    timers: Timers,
    outbox: Outbox,
    timers_fired: u64,
}

impl fmt::Debug for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Leader {
    /// Begins with what the tables say. The announcement of `epoch` is applied and committed. `host`: through which
    /// attempts and effects propose; what it carries after the end of this leader is stale.
    pub fn begin(
        partition: &Partition,
        epoch: LeaderEpoch,
        tables: &impl LeaderTables,
        host: Arc<dyn Host>,
    ) -> Result<Self, TablesError> {
        let mut leader = Self {
            epoch,
            host,
            attempts: Attempts::new(READY_MAX),
            effects: Effects::new(READY_MAX),
            timers: Timers::load(tables)?,
            outbox: Outbox::load(partition.id, partition.partitioning, tables)?,
            timers_fired: 0,
        };
        for action in machine::recover(partition, tables)? {
            match action {
                Action::Start { id, attempt } => leader.attempts.push(id, attempt),
                Action::StartEffect { id, index, attempt, .. } => leader.effects.push(id, index, attempt),
                other => unreachable!("recovery starts attempts and effects only, not {other:?}"),
            }
        }
        Ok(leader)
    }

    /// Carries out one action of a committed batch. Answers to doors and the schema are not the leader's. `provisional`: the
    /// last record of the batch, if the log may still lose it; then the action MUST be one that does not leave.
    pub fn act(
        &mut self,
        partition: &Partition,
        action: Action,
        transport: &dyn Transport,
        provisional: Option<Lsn>,
    ) {
        assert!(provisional.is_none() || !action.leaves(), "what leaves a partition is durable");
        match action {
            Action::Start { id, attempt } => self.attempts.push(id, attempt),
            Action::Notify { id, position, notification } => {
                self.attempts.notify(id, position, notification, provisional);
            }
            Action::Accepted { id, attempt, operations } => {
                self.attempts.accepted(id, attempt, operations, provisional);
            }
            Action::EndAttempt { id, attempt } => self.attempts.end(id, attempt),
            Action::StartEffect { id, index, attempt, .. } => self.effects.push(id, index, attempt),
            Action::AbortEffect { id, index } => self.effects.abort(id, index),
            Action::SetTimer { timer } => self.timers.set(timer),
            Action::DeleteTimer { timer } => self.timers.remove(&timer),
            Action::Ship { destination, sequence } => self.outbox.ship(destination, sequence),
            Action::Delivered { source, upto } => {
                transport.send(source, Delivery::Delivered { destination: partition.id, upto });
            }
            Action::DeliveryGap { source, expected } => {
                transport.send(source, Delivery::Gap { destination: partition.id, expected });
            }
            Action::WarnOfRuns { id, runs } => {
                tracing::warn!(
                    invocation = %id,
                    runs,
                    "the handler makes many inline runs, each of which replays all before it; loops should use effects"
                );
            }
            Action::LeaderAnnounced { .. }
            | Action::Answer { .. }
            | Action::Completed { .. }
            | Action::SchemaChanged => unreachable!("the processor carries these out itself"),
        }
    }

    /// Records up to `upto` cannot vanish any more.
    pub fn durable(&mut self, upto: Lsn) {
        self.attempts.durable(upto);
    }

    /// A record is applied that this leader proposed; called before the actions of the record.
    pub fn applied(&mut self, command: &Command, now: Instant) {
        match command {
            Command::TimerFired { timer } => self.timers.remove(timer),
            Command::TruncateOutbox { destination, upto } => self.outbox.truncated(*destination, *upto, now),
            _ => {}
        }
    }

    /// An attempt or an effect of this leader proposes `command`.
    pub fn proposed(&mut self, command: &Command) {
        if let Command::EffectCompleted { id, index, token, .. }
        | Command::EffectFailed { id, index, token, .. } = command
        {
            self.effects.ended(*id, *index, token.attempt);
        }
    }

    /// No record can hold what the attempt proposes: it is over.
    pub fn end_attempt(&mut self, id: InvocationId, attempt: Lsn) {
        self.attempts.end(id, attempt);
    }

    /// `destination` has everything up to `upto`.
    pub fn delivered(&mut self, destination: PartitionId, upto: u64, now: Instant) {
        self.outbox.delivered(destination, upto, now);
    }

    /// `destination` has everything below `expected`, and saw something above it.
    pub fn gap(&mut self, destination: PartitionId, expected: u64, now: Instant) {
        self.outbox.gap(destination, expected, now);
    }

    /// Ships what is ready, and gives the commands to propose: timers that are due at durable time `time`, and
    /// truncations of the outbox.
    pub fn propose(
        &mut self,
        tables: &impl ReadTables,
        transport: &dyn Transport,
        time: Timestamp,
        now: Instant,
    ) -> Result<Vec<Command>, TablesError> {
        let due = self.timers.take_due(tables, time)?;
        self.timers_fired += due.len() as u64;
        let mut commands: Vec<Command> = due.into_iter().map(|timer| Command::TimerFired { timer }).collect();
        self.outbox.pump(tables, transport, now)?;
        commands.extend(self.outbox.truncations(now));
        Ok(commands)
    }

    /// Starts what is ready, a bounded share of it: at least one attempt and one effect, and none after `until`. `reach`: of
    /// the tables.
    pub fn start_ready(
        &mut self,
        tables: &impl LeaderTables,
        runner: &dyn Runner,
        reach: Reach,
        until: Instant,
    ) -> Result<Left, TablesError> {
        let context = StartContext { tables, runner, host: &self.host, epoch: self.epoch, reach, until };
        let attempts = self.attempts.start_ready(&context)?;
        let effects = self.effects.start_ready(&context)?;
        Ok(if attempts == Left::Nothing { effects } else { attempts })
    }

    pub fn capacity(&mut self, work: Work) {
        match work {
            Work::Attempt => self.attempts.capacity(),
            Work::Effect => self.effects.capacity(),
        }
    }

    /// When there is something to do that no event tells of.
    pub fn next_deadline(&self, time: Timestamp, now: Instant) -> Option<Instant> {
        let timer = self.timers.next_due().map(|due| {
            let left = std::time::Duration::from_millis(due.since(time).0);
            now + left.min(TIMER_RECHECK_AFTER)
        });
        [timer, self.outbox.next_deadline()].into_iter().flatten().min()
    }

    /// When the next timer is due, as far as it is in memory.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.next_due()
    }

    /// When the outbox has something to do that no event tells of.
    pub fn outbox_deadline(&self) -> Option<Instant> {
        self.outbox.next_deadline()
    }

    /// Adds this leader's part: gauges, and counters of this epoch to those of earlier ones in `before`.
    pub fn stats(&self, before: &Stats) -> Stats {
        Stats {
            attempts_started: before.attempts_started + self.attempts.started,
            effects_started: before.effects_started + self.effects.started,
            timers_fired: before.timers_fired + self.timers_fired,
            deliveries: before.deliveries + self.outbox.deliveries,
            resends: before.resends + self.outbox.resends,
            attempts_running: self.attempts.running() as u64,
            attempts_ready: self.attempts.ready() as u64,
            effects_running: self.effects.running() as u64,
            effects_ready: self.effects.ready() as u64,
            timers_in_memory: self.timers.in_memory() as u64,
            timers_in_flight: self.timers.in_flight() as u64,
            outbox_lag: self.outbox.lag(),
            ..*before
        }
    }
}
