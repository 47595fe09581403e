//! [`Attempts`]: the attempts of handlers that a leader has started or is about to start.
//!
//! A journal is loaded when its attempt starts, not when the action came: it may hold items of records that are later
//! than the start. Notifications that are in the loaded journal are not given to the attempt a second time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use relight_core::command::{AttemptError, AttemptErrorKind, Command};
use relight_core::ids::{FencingToken, InvocationId, LeaderEpoch, Lsn, Position};
use relight_core::journal::{JournalItem, Notification};
use relight_core::runner::{Attempt, AttemptEvent, AttemptStart, Host, Runner, Slot, Work};
use relight_core::schema::Deployment;
use relight_core::tables::{Invocation, Key, Prefix, ReadTables, ReadTablesExt as _, TablesError};
use tokio::time::Instant;

use crate::limits::{JOURNAL_ITEMS_READ_SINGLY, SCAN_ROWS, STARTS_PER_TURN_MAX};
use crate::state_view::{self, LeaderTables};

/// What starting an attempt or an effect takes.
pub struct StartContext<'a, T> {
    pub tables: &'a T,
    pub runner: &'a dyn Runner,
    pub host: &'a Arc<dyn Host>,
    pub epoch: LeaderEpoch,
    pub reach: Reach,
    /// From then on nothing more is started.
    pub until: Instant,
}

/// How far the tables are ahead of what is durable.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    pub applied: Lsn,
    pub durable: Lsn,
}

impl Reach {
    /// `None` when everything that the tables have is durable; else the last record of what they have.
    pub fn provisional(self) -> Option<Lsn> {
        (self.durable < self.applied).then_some(self.applied)
    }
}

/// Whether `start_ready` is worth calling again at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    Nothing,
    /// Some are ready; this turn has started its share.
    More,
}

pub struct Attempts {
    ready: VecDeque<(InvocationId, Lsn)>,
    ready_max: usize,
    /// More were ready than are kept here; the tables know them.
    overflow: bool,
    /// The runner had no slot, and will tell when it has one.
    at_capacity: bool,
    running: HashMap<InvocationId, Running>,
    /// Attempts that were given something that may still vanish, with the record it comes from; by record.
    provisional: VecDeque<(Lsn, InvocationId, Lsn)>,
    pub started: u64,
}

struct Running {
    attempt: Lsn,
    /// Items of the journal that the attempt was started with.
    loaded: Position,
    handle: Box<dyn Attempt>,
}

impl Attempts {
    /// `ready_max`: how many wait in memory.
    pub fn new(ready_max: usize) -> Self {
        Self {
            ready: VecDeque::new(),
            ready_max,
            overflow: false,
            at_capacity: false,
            running: HashMap::new(),
            provisional: VecDeque::new(),
            started: 0,
        }
    }

    pub fn push(&mut self, id: InvocationId, attempt: Lsn) {
        if self.ready.len() < self.ready_max {
            self.ready.push_back((id, attempt));
        } else {
            self.overflow = true;
        }
    }

    /// Starts attempts, oldest first, as long as the runner has slots.
    pub fn start_ready(
        &mut self,
        context: &StartContext<'_, impl LeaderTables>,
    ) -> Result<Left, TablesError> {
        let mut started = 0;
        while !self.at_capacity {
            if self.ready.is_empty() {
                if !self.overflow {
                    break;
                }
                self.refill(context.tables)?;
            }
            if started == STARTS_PER_TURN_MAX || 0 < started && context.until <= Instant::now() {
                return Ok(Left::More);
            }
            let Some((id, attempt)) = self.ready.pop_front() else {
                break;
            };
            started += 1;
            let Some(invocation) = self.current(context.tables, id, attempt)? else {
                continue;
            };
            let Some(slot) = context.runner.reserve(Work::Attempt, context.host) else {
                self.ready.push_front((id, attempt));
                self.at_capacity = true;
                break;
            };
            self.start(context, slot, *invocation, attempt)?;
        }
        Ok(Left::Nothing)
    }

    pub fn capacity(&mut self) {
        self.at_capacity = false;
    }

    /// `provisional`: here and below, the record that says so, if it is not durable.
    pub fn notify(
        &mut self,
        id: InvocationId,
        position: Position,
        notification: Notification,
        provisional: Option<Lsn>,
    ) {
        if let Some(running) = self.running.get(&id)
            && running.loaded <= position
        {
            running.handle.event(AttemptEvent::Notification { position, notification, provisional });
            self.provisional.extend(provisional.map(|lsn| (lsn, id, running.attempt)));
        }
    }

    pub fn accepted(&mut self, id: InvocationId, attempt: Lsn, operations: u32, provisional: Option<Lsn>) {
        if let Some(running) = self.running.get(&id)
            && running.attempt == attempt
        {
            running.handle.event(AttemptEvent::Accepted { operations, provisional });
            self.provisional.extend(provisional.map(|lsn| (lsn, id, attempt)));
        }
    }

    /// Records up to `upto` are durable: tells those that were given something of them.
    pub fn durable(&mut self, upto: Lsn) {
        while let Some((_, id, attempt)) = self.provisional.pop_front_if(|(lsn, ..)| *lsn <= upto) {
            if let Some(running) = self.running.get(&id)
                && running.attempt == attempt
            {
                running.handle.event(AttemptEvent::Durable { upto });
            }
        }
    }

    /// Drops the attempt if it is the one that runs.
    pub fn end(&mut self, id: InvocationId, attempt: Lsn) {
        if self.running.get(&id).is_some_and(|running| running.attempt == attempt) {
            self.running.remove(&id);
        }
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }

    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The invocation, if `attempt` is to run and does not yet. It may be over by now: the batch that started it may
    /// have ended it.
    fn current(
        &self,
        tables: &impl ReadTables,
        id: InvocationId,
        attempt: Lsn,
    ) -> Result<Option<Box<Invocation>>, TablesError> {
        if self.running.get(&id).is_some_and(|running| running.attempt == attempt) {
            return Ok(None);
        }
        Ok(tables.invocation(id)?.filter(|invocation| invocation.attempt() == Some(attempt)))
    }

    fn start(
        &mut self,
        context: &StartContext<'_, impl LeaderTables>,
        slot: Slot,
        invocation: Invocation,
        attempt: Lsn,
    ) -> Result<(), TablesError> {
        let id = invocation.id;
        let tables = context.tables;
        let started_at = invocation.started_at.ok_or_else(|| incomplete(id, "runs but has no start time"))?;
        let journal = journal(tables, &invocation)?;
        let loaded = u32::try_from(journal.len()).map_err(|_| incomplete(id, "has too long a journal"))?;
        let start = AttemptStart {
            id,
            incarnation: invocation.incarnation,
            token: FencingToken { epoch: context.epoch, attempt },
            deployment: pinned(tables, &invocation)?,
            state: state_view::view(tables, invocation.target.object())?,
            target: invocation.target,
            mode: invocation.mode,
            idempotency_key: invocation.idempotency_key,
            invoked_by: invocation.invoked_by,
            created_at: invocation.created_at,
            started_at,
            restarted: invocation.restarted,
            journal,
            provisional: context.reach.provisional(),
            inactivity_timeout: invocation.policies.inactivity_timeout,
            abort_timeout: invocation.policies.abort_timeout,
        };
        // An older attempt of the same invocation is over; it goes before the new one begins.
        self.running.remove(&id);
        let handle = context.runner.start_attempt(slot, start, Arc::clone(context.host));
        self.running.insert(id, Running { attempt, loaded: Position(loaded), handle });
        self.provisional.extend(context.reach.provisional().map(|lsn| (lsn, id, attempt)));
        self.started += 1;
        Ok(())
    }

    /// Reads from the tables what did not fit into the queue.
    fn refill(&mut self, tables: &impl ReadTables) -> Result<(), TablesError> {
        self.overflow = false;
        let mut after = None;
        loop {
            let rows = tables.scan(&Prefix::Running, after.as_ref(), SCAN_ROWS)?;
            let last = rows.len() < SCAN_ROWS;
            after = rows.last().map(|(key, _)| key.clone());
            for (key, _) in rows {
                if let Key::Running(id) = key
                    && let Some(attempt) = tables.invocation(id)?.and_then(|invocation| invocation.attempt())
                    && self.running.get(&id).is_none_or(|running| running.attempt != attempt)
                {
                    self.push(id, attempt);
                }
            }
            if last || self.overflow {
                return Ok(());
            }
        }
    }
}

/// The command that ends an attempt which cannot be recorded.
pub fn limit_exceeded(id: InvocationId, token: FencingToken, message: String) -> Command {
    let kind = AttemptErrorKind::LimitExceeded;
    Command::AttemptFailed {
        id,
        token,
        error: AttemptError { kind, message, index: None, retry_after: None },
    }
}

/// The journal of the invocation, whole. Short ones are read item by item: as a rule they are still in memory, and a scan
/// would look for more of them on the disk.
fn journal(tables: &impl ReadTables, invocation: &Invocation) -> Result<Vec<JournalItem>, TablesError> {
    let (id, items) = (invocation.id, invocation.journal.items);
    if JOURNAL_ITEMS_READ_SINGLY < items {
        return tables.journal(id);
    }
    let item = |position| {
        let item = tables.journal_item(id, Position(position))?;
        item.ok_or_else(|| incomplete(id, "has less in its journal than it says"))
    };
    (0..items).map(item).collect()
}

/// The deployment that the invocation runs on.
pub fn pinned(tables: &impl ReadTables, invocation: &Invocation) -> Result<Arc<Deployment>, TablesError> {
    let id =
        invocation.deployment.ok_or_else(|| incomplete(invocation.id, "runs but is on no deployment"))?;
    tables.deployment(id)?.ok_or_else(|| TablesError::Damaged {
        key: Box::new(Key::Deployment(id)),
        reason: format!("does not exist, but `{}` runs on it", invocation.id),
    })
}

fn incomplete(id: InvocationId, reason: &str) -> TablesError {
    TablesError::Damaged { key: Box::new(Key::Invocation(id)), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
