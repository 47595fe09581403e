//! [`Leader`]: what the leader of one epoch does besides applying records. The same duties as in `relight-partition`,
//! in steps that the world takes one at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use relight_core::action::Action;
use relight_core::command::{Command, Message};
use relight_core::limits::DELIVERY_MESSAGES_MAX;
use relight_core::machine::{self, Partition};
use relight_core::replay::Replay;
use relight_core::runner::AttemptEvent;
use relight_core::tables::{
    Key, OutboxRange, Prefix, ReadTables as _, ReadTablesExt as _, Row, TimerKey, TimerKind,
};
use relight_core::{
    EntryIndex, FencingToken, Incarnation, InvocationId, LeaderEpoch, Lsn, PartitionId, Position, Timestamp,
};

use crate::guest::Instance;
use crate::oracle::Violation;
use crate::planted::Planted;
use crate::rng::Rng;
use crate::tables::SimTables;

/// An attempt of an effect that has reached the outside.
#[derive(Clone, Copy, Debug)]
pub struct EffectRun {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub index: EntryIndex,
    pub token: FencingToken,
}

#[derive(Debug)]
pub struct Leader {
    pub epoch: LeaderEpoch,
    pub ready: VecDeque<(InvocationId, Lsn)>,
    pub running: BTreeMap<InvocationId, Instance>,
    pub effects_ready: VecDeque<(InvocationId, EntryIndex, Lsn)>,
    pub effects: BTreeMap<(InvocationId, EntryIndex), EffectRun>,
    timers: BTreeSet<TimerKey>,
    timers_in_flight: BTreeSet<TimerKey>,
    /// By destination; the own one stays empty.
    pub lanes: Vec<Lane>,
}

/// The way to one destination: `truncated <= acknowledged <= sent <= last`.
#[derive(Debug)]
pub struct Lane {
    truncated: u64,
    acknowledged: u64,
    sent: u64,
    last: u64,
    truncating: bool,
}

/// What partitions tell each other outside the log.
#[derive(Clone, Debug)]
pub enum Packet {
    Messages { source: PartitionId, first: u64, messages: Vec<Message> },
    Delivered { destination: PartitionId, upto: u64 },
    Gap { destination: PartitionId, expected: u64 },
}

impl Leader {
    /// Begins with what the tables say; the announcement of `epoch` is applied.
    pub fn begin(
        partition: &Partition,
        epoch: LeaderEpoch,
        tables: &SimTables,
        planted: Option<Planted>,
    ) -> Result<Self, Violation> {
        let lane = |destination| -> Result<Lane, Violation> {
            let range = tables.outbox_range(destination)?.unwrap_or(OutboxRange::EMPTY);
            let gone = range.first - 1;
            let last = range.next - 1;
            Ok(Lane { truncated: gone, acknowledged: gone, sent: gone, last, truncating: false })
        };
        let timers = tables.scan(&Prefix::Timer, None, usize::MAX)?;
        let timers = timers.into_iter().filter_map(|(key, _)| match key {
            Key::Timer(timer) => Some(timer),
            _ => None,
        });
        let forgotten = usize::from(planted == Some(Planted::DropTimerOnRecovery));
        let mut leader = Self {
            epoch,
            ready: VecDeque::new(),
            running: BTreeMap::new(),
            effects_ready: VecDeque::new(),
            effects: BTreeMap::new(),
            timers: timers.skip(forgotten).collect(),
            timers_in_flight: BTreeSet::new(),
            lanes: partition.partitioning.partitions().map(lane).collect::<Result<_, _>>()?,
        };
        for action in machine::recover(partition, tables)? {
            match action {
                Action::Start { id, attempt } => leader.ready.push_back((id, attempt)),
                Action::StartEffect { .. } if planted == Some(Planted::ForgetEffectOnRecovery) => {}
                Action::StartEffect { id, index, attempt, .. } => {
                    leader.effects_ready.push_back((id, index, attempt));
                }
                other => return Err(Violation(format!("recovery asks for {other:?}"))),
            }
        }
        Ok(leader)
    }

    /// Carries out an action; what leaves for other partitions is answered.
    pub fn act(&mut self, own: PartitionId, action: Action) -> Option<(PartitionId, Packet)> {
        match action {
            Action::Start { id, attempt } => self.ready.push_back((id, attempt)),
            Action::Notify { id, position, notification } => {
                if let Some(instance) = self.running.get_mut(&id).filter(|it| it.loaded <= position) {
                    instance.events.push_back(AttemptEvent::Notification { position, notification });
                }
            }
            Action::Accepted { id, attempt, operations } => {
                if let Some(instance) = self.running.get_mut(&id).filter(|it| it.token.attempt == attempt) {
                    instance.events.push_back(AttemptEvent::Accepted { operations });
                }
            }
            Action::EndAttempt { id, attempt } => {
                if self.running.get(&id).is_some_and(|it| it.token.attempt == attempt) {
                    self.running.remove(&id);
                }
            }
            Action::StartEffect { id, index, attempt, .. } => {
                self.effects_ready.push_back((id, index, attempt));
            }
            Action::AbortEffect { id, index } => {
                self.effects.remove(&(id, index));
            }
            Action::SetTimer { timer } => {
                if !self.timers_in_flight.contains(&timer) {
                    self.timers.insert(timer);
                }
            }
            Action::DeleteTimer { timer } => self.remove_timer(&timer),
            Action::Ship { destination, sequence } => {
                let lane = &mut self.lanes[usize::from(destination.0)];
                lane.last = lane.last.max(sequence);
            }
            Action::Delivered { source, upto } => {
                return Some((source, Packet::Delivered { destination: own, upto }));
            }
            Action::DeliveryGap { source, expected } => {
                return Some((source, Packet::Gap { destination: own, expected }));
            }
            Action::LeaderAnnounced { .. }
            | Action::Answer { .. }
            | Action::Completed { .. }
            | Action::SchemaChanged => {}
        }
        None
    }

    /// A record is applied; called before its actions are carried out.
    pub fn applied(&mut self, command: &Command) {
        match command {
            Command::TimerFired { timer } => self.remove_timer(timer),
            Command::TruncateOutbox { destination, upto } => {
                let lane = &mut self.lanes[usize::from(destination.0)];
                lane.truncating = false;
                lane.truncated = lane.truncated.max(*upto);
                lane.advance(*upto);
            }
            _ => {}
        }
    }

    fn remove_timer(&mut self, timer: &TimerKey) {
        self.timers.remove(timer);
        self.timers_in_flight.remove(timer);
    }

    /// Starts the attempt that is ready first, if it still is to run.
    pub fn start_attempt(&mut self, tables: &SimTables) -> Result<Option<InvocationId>, Violation> {
        let Some((id, attempt)) = self.ready.pop_front() else { return Ok(None) };
        if self.running.get(&id).is_some_and(|it| it.token.attempt == attempt) {
            return Ok(None);
        }
        let Some(row) = tables.invocation(id)?.filter(|row| row.attempt() == Some(attempt)) else {
            return Ok(None);
        };
        let started_at = row.started_at.ok_or_else(|| Violation(format!("{id} runs and never started")))?;
        let deployed = row.deployment.and_then(|id| tables.deployment(id).ok().flatten());
        if deployed.is_none() {
            return Err(Violation(format!("{id} runs on {:?}, which is not here", row.deployment)));
        }
        let journal = tables.journal(id)?;
        if journal.len() != row.journal.items as usize {
            return Err(Violation(format!("journal of {id} has {} of {:?}", journal.len(), row.journal)));
        }
        let loaded = Position(row.journal.items);
        let mut state = BTreeMap::new();
        if let Some(object) = row.target.object() {
            for (key, value) in tables.scan(&Prefix::State(object), None, usize::MAX)? {
                if let (Key::State(_, name), Row::State(value)) = (key, value) {
                    state.insert(name.to_string(), value);
                }
            }
        }
        let replay = Replay::new(started_at, journal);
        let replay = replay.map_err(|error| Violation(format!("journal of {id}: {error}")))?;
        let token = FencingToken { epoch: self.epoch, attempt };
        self.running.insert(id, Instance::new(id, row.incarnation, token, state, loaded, replay));
        Ok(Some(id))
    }

    /// Starts the effect that is ready first, if it still is to run.
    pub fn start_effect(&mut self, tables: &SimTables) -> Result<Option<EffectRun>, Violation> {
        let Some((id, index, attempt)) = self.effects_ready.pop_front() else { return Ok(None) };
        if self.effects.get(&(id, index)).is_some_and(|run| run.token.attempt == attempt) {
            return Ok(None);
        }
        let effect = tables.effect(id, index)?;
        let effect = effect.filter(|effect| effect.attempt == attempt && effect.retry_at.is_none());
        let Some(effect) = effect else { return Ok(None) };
        let token = FencingToken { epoch: self.epoch, attempt };
        let run = EffectRun { id, incarnation: effect.incarnation, index, token };
        self.effects.insert((id, index), run);
        Ok(Some(run))
    }

    /// Timers that are due, as commands.
    pub fn fire(&mut self, now: Timestamp) -> Vec<Command> {
        let mut fired = Vec::new();
        while self.timers.first().is_some_and(|timer| timer.due <= now) {
            let timer = self.timers.pop_first().expect("just looked at");
            self.timers_in_flight.insert(timer.clone());
            fired.push(Command::TimerFired { timer });
        }
        fired
    }

    /// When the next timer is due that somebody waits for, or the next at all.
    pub fn next_due(&self, purges: bool) -> Option<Timestamp> {
        let counts =
            |timer: &&TimerKey| purges || !matches!(timer.kind, TimerKind::Purge | TimerKind::PurgeJournal);
        self.timers.iter().find(counts).map(|timer| timer.due)
    }

    /// The next rows for one destination, a random number of them.
    pub fn ship(
        &mut self,
        own: PartitionId,
        destination: PartitionId,
        tables: &SimTables,
        rng: &mut Rng,
    ) -> Result<Option<Packet>, Violation> {
        let lane = &mut self.lanes[usize::from(destination.0)];
        if lane.last <= lane.sent {
            return Ok(None);
        }
        let limit = (1 + rng.index(8)).min(DELIVERY_MESSAGES_MAX);
        let after = Key::Outbox(destination, lane.sent);
        let first = lane.sent + 1;
        let mut messages = Vec::new();
        for (key, row) in tables.scan(&Prefix::Outbox(destination), Some(&after), limit)? {
            match (&key, row) {
                (Key::Outbox(_, sequence), Row::Outbox(message))
                    if *sequence == first + messages.len() as u64 =>
                {
                    messages.push(message);
                }
                _ => return Err(Violation(format!("outbox of {own}: {key:?} instead of {first}"))),
            }
        }
        if messages.is_empty() {
            return Err(Violation(format!("outbox of {own} to {destination} has no row {first}")));
        }
        lane.sent += messages.len() as u64;
        Ok(Some(Packet::Messages { source: own, first, messages }))
    }

    /// What is not acknowledged counts as lost.
    pub fn resend(&mut self, destination: PartitionId) {
        let lane = &mut self.lanes[usize::from(destination.0)];
        lane.sent = lane.acknowledged;
    }

    pub fn delivered(&mut self, destination: PartitionId, upto: u64) {
        self.lanes[usize::from(destination.0)].advance(upto);
    }

    pub fn gap(&mut self, destination: PartitionId, expected: u64) {
        let lane = &mut self.lanes[usize::from(destination.0)];
        lane.advance(expected.saturating_sub(1));
        if lane.acknowledged + 1 == expected {
            lane.sent = lane.acknowledged;
        }
    }

    pub fn truncate(&mut self, destination: PartitionId) -> Option<Command> {
        let lane = &mut self.lanes[usize::from(destination.0)];
        if lane.truncating || lane.acknowledged <= lane.truncated {
            return None;
        }
        lane.truncating = true;
        Some(Command::TruncateOutbox { destination, upto: lane.acknowledged })
    }

    /// Nothing is left to do but to wait for time or others.
    pub fn is_idle(&self) -> bool {
        let shipped = |lane: &Lane| lane.acknowledged == lane.last && lane.truncated == lane.last;
        self.ready.is_empty()
            && self.running.is_empty()
            && self.effects_ready.is_empty()
            && self.effects.is_empty()
            && self.timers_in_flight.is_empty()
            && self.lanes.iter().all(shipped)
    }
}

impl Lane {
    fn advance(&mut self, upto: u64) {
        self.acknowledged = self.acknowledged.max(upto.min(self.last));
        self.sent = self.sent.max(self.acknowledged);
    }
}
