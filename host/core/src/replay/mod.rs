//! One attempt's view of its journal: what is recorded, what the attempt adds to it, and what has come back.
//!
//! [`Replay`] is the cursor between a guest's host functions and the log. It compares operations with the recorded
//! ones, buffers new ones, and answers waits, so that everything a guest observes is a function of the journal.
//! Comparison is in `compare.rs`, its words are in `describe.rs`, waits are in `waiting.rs`, the overlay over the state view in `state.rs`, limits in `limit.rs`.
//!
//! What does not live here: clocks, when to flush a batch, how long to linger at a wait, ids of callees, and the
//! random stream: those are the executor's.

mod compare;
mod describe;
mod error;
mod limit;
mod state;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

pub use self::{
    compare::{Got, Mismatch},
    describe::{describe, describe_wait},
    error::{Damaged, GetError, MakeError, WaitError},
    limit::LimitExceeded,
};
use self::{error::DamagedKind, state::StateOverlay};
use crate::{
    ids::{EntryIndex, InvocationId, Lsn, Position},
    journal::{Entry, JournalItem, Notification, NotificationKind, Operation},
    restart::Restarted,
    value::{Headers, Outcome, Timestamp, Value},
};

/// One attempt's view of its journal. Pure: time comes in as `clock`, entries go out by [`Replay::take_batch`].
#[derive(Debug)]
pub struct Replay {
    headers: Headers,
    body: Bytes,
    /// Operations of the stored journal that this attempt has not made yet.
    recorded: VecDeque<Recorded>,
    /// By index: all operations of the stored journal and all that this attempt has made.
    handles: Vec<Handle>,
    /// Operations that this attempt has made, the input included.
    made: u32,
    accepted: u32,
    /// The latest record that something here comes from and that may still vanish.
    seen: Lsn,
    /// Records up to here are durable.
    durable: Lsn,
    /// Live operations that have not been taken yet; they end at index `made`.
    buffer: Vec<Entry>,
    buffer_bytes: usize,
    values: BTreeMap<EntryIndex, Value>,
    callees: BTreeMap<EntryIndex, InvocationId>,
    /// Cancellations that no delivery is positioned behind, in order.
    cancels: VecDeque<Arrival>,
    /// The latest delivery that this attempt has buffered itself.
    delivered_live: Option<EntryIndex>,
    /// Notifications in all, for telling how many operations a position has before it.
    notifications: u32,
    /// The least position that the next notification may have.
    position_min: Position,
    journal_bytes: u64,
    now: Timestamp,
    state: StateOverlay,
    /// Operations that were copied from another journal, and when the handler went on after them.
    copied: Option<(u32, Timestamp)>,
    finished: bool,
}

/// An operation that an attempt has made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Made {
    pub index: EntryIndex,
    /// The journal had it already: its consequences are applied.
    pub recorded: bool,
}

/// Answer of a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// Any: the handle that completed first. All: the one that completed last, or index 0 when there are none.
    Ready(EntryIndex),
    /// A cancellation is delivered; the operation that says so is made.
    Cancelled,
    /// Nothing answers yet. Ask again after the next notification.
    Blocked,
}

#[derive(Debug)]
struct Recorded {
    position: Position,
    entry: Entry,
}

#[derive(Clone, Copy, Debug)]
struct Handle {
    is_awaited: bool,
    completed: Option<Arrival>,
}

/// Where a notification stands in the journal, and its time.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    position: Position,
    at: Timestamp,
}

impl Replay {
    /// `started_at`: time of the input. `journal`: all items in the order of positions; item 0 is the input.
    pub fn new(started_at: Timestamp, journal: Vec<JournalItem>) -> Result<Self, Damaged> {
        Self::of_life(started_at, None, journal)
    }

    /// As [`Replay::new`], of a journal that may begin with a part of another one's. What the copied part has written
    /// or read of the state is known no longer once it is over: others may have written in between, and it is not
    /// written again. Time goes on from `started_at` then.
    pub fn of_life(
        started_at: Timestamp,
        restarted: Option<&Restarted>,
        journal: Vec<JournalItem>,
    ) -> Result<Self, Damaged> {
        let mut replay = Self {
            headers: Headers::new(),
            body: Bytes::new(),
            recorded: VecDeque::new(),
            handles: Vec::new(),
            made: 0,
            accepted: 0,
            seen: Lsn::ZERO,
            durable: Lsn::ZERO,
            buffer: Vec::new(),
            buffer_bytes: 0,
            values: BTreeMap::new(),
            callees: BTreeMap::new(),
            cancels: VecDeque::new(),
            delivered_live: None,
            notifications: 0,
            position_min: Position::ZERO,
            journal_bytes: 0,
            now: restarted.and_then(|restarted| restarted.input_at).unwrap_or(started_at),
            state: StateOverlay::default(),
            copied: restarted.map(|restarted| (restarted.operations(), started_at)),
            finished: false,
        };
        for item in journal {
            let position = replay.position_min;
            match item {
                JournalItem::Operation(entry) => replay.load(position, entry)?,
                JournalItem::Notification(notification) => replay.arrive(position, notification)?,
            }
        }
        if replay.made == 0 {
            return Err(DamagedKind::NoInput.at(Position::ZERO));
        }
        replay.made_recorded();
        Ok(replay)
    }

    /// Headers and body that the invocation was started with.
    pub fn input(&self) -> (&Headers, &Bytes) {
        (&self.headers, &self.body)
    }

    /// Whether recorded operations remain: what the guest does now, it has done before, so logs are suppressed.
    pub fn is_replaying(&self) -> bool {
        !self.recorded.is_empty()
    }

    /// Operations made so far, the input included: the index of the next one.
    pub fn operations(&self) -> u32 {
        self.made
    }

    /// The time that the guest sees: the greatest of the input's, the stamps of the operations made so far and the
    /// times of the notifications that waits have returned.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Makes an operation: compares it with the recorded one, or buffers it with the stamp max(`clock`, `now()`).
    ///
    /// Not for the input, state reads, delivered cancellations and the output: those have their own functions.
    pub fn make(&mut self, clock: Timestamp, mut operation: Operation) -> Result<Made, MakeError> {
        assert!(
            !matches!(
                operation,
                Operation::Input { .. }
                    | Operation::GetState { .. }
                    | Operation::StateKeys { .. }
                    | Operation::CancelDelivered
                    | Operation::Output { .. }
            ),
            "this kind is not made by a call of the guest alone"
        );
        limit::cut_failure(&mut operation);
        self.forget_copied_state();
        let index = EntryIndex(self.made);
        if let Some(operation) = self.replay(&operation)? {
            self.state.write(&operation);
            return Ok(Made { index, recorded: true });
        }
        limit::check(index, self.journal_bytes, &operation)?;
        self.state.write(&operation);
        self.append(clock, operation);
        Ok(Made { index, recorded: false })
    }

    /// The value of `key`. What this attempt has written or read before is answered without an entry; otherwise the
    /// recorded value counts, and beyond the recorded part `read` is asked and its answer buffered.
    pub fn get_state<E>(
        &mut self,
        clock: Timestamp,
        key: &str,
        read: impl FnOnce() -> Result<Option<Bytes>, E>,
    ) -> Result<Option<Bytes>, GetError<E>> {
        self.forget_copied_state();
        if let Some(known) = self.state.value(key) {
            return Ok(known.cloned());
        }
        let asked = Operation::GetState { key: key.to_owned(), value: None };
        let value = match self.replay(&asked).map_err(MakeError::from)? {
            Some(Operation::GetState { value, .. }) => value,
            Some(_) => unreachable!("a recorded operation of another kind is a mismatch"),
            None => {
                let index = EntryIndex(self.made);
                // Before the read: a key over the limit is not worth one.
                limit::check(index, self.journal_bytes, &asked).map_err(MakeError::from)?;
                let value = read().map_err(GetError::Read)?;
                let operation = Operation::GetState { key: key.to_owned(), value: value.clone() };
                limit::check(index, self.journal_bytes, &operation).map_err(MakeError::from)?;
                self.append(clock, operation);
                value
            }
        };
        self.state.remember_value(key, value.clone());
        Ok(value)
    }

    /// All keys that have a value, in byte order, with this attempt's own writes applied. Recorded once: later writes
    /// are applied to what was read.
    pub fn state_keys<E>(
        &mut self,
        clock: Timestamp,
        read: impl FnOnce() -> Result<Vec<String>, E>,
    ) -> Result<Vec<String>, GetError<E>> {
        self.forget_copied_state();
        if let Some(known) = self.state.keys() {
            return Ok(known.iter().cloned().collect());
        }
        let asked = Operation::StateKeys { keys: Vec::new() };
        let keys = match self.replay(&asked).map_err(MakeError::from)? {
            Some(Operation::StateKeys { keys }) => keys,
            Some(_) => unreachable!("a recorded operation of another kind is a mismatch"),
            None => {
                let keys = self.state.merge(read().map_err(GetError::Read)?);
                let operation = Operation::StateKeys { keys: keys.clone() };
                limit::check(EntryIndex(self.made), self.journal_bytes, &operation)
                    .map_err(MakeError::from)?;
                self.append(clock, operation);
                keys
            }
        };
        self.state.remember_keys(&keys);
        Ok(keys)
    }

    /// The guest begins an inline run: its result if it is recorded, `None` if the work is to be done now and the
    /// result to be made an operation afterwards.
    pub fn start_run(&mut self, name: &str) -> Result<Option<Outcome>, MakeError> {
        let asked = Operation::Run { name: name.to_owned(), outcome: Ok(Bytes::new()) };
        match self.replay(&asked)? {
            Some(Operation::Run { outcome, .. }) => Ok(Some(outcome)),
            Some(_) => unreachable!("a recorded operation of another kind is a mismatch"),
            None => Ok(None),
        }
    }

    /// The invocation that the call or send at `index` has started; `None` when it is neither, or not made yet.
    pub fn callee(&self, index: EntryIndex) -> Option<InvocationId> {
        self.callees.get(&index).copied().filter(|_| index.0 < self.made)
    }

    /// A notification has been applied. MUST be called in the order of positions without gaps; one that the journal
    /// had when the attempt started is ignored.
    pub fn notify(&mut self, position: Position, notification: Notification) -> Result<(), Damaged> {
        if position < self.position_min {
            return Ok(());
        }
        self.arrive(position, notification)
    }

    /// Operations below this count are accepted.
    pub fn accepted(&mut self, operations: u32) {
        self.accepted = self.accepted.max(operations);
    }

    /// Something here comes from the record at `lsn`, which may still vanish.
    pub fn provisional(&mut self, lsn: Lsn) {
        self.seen = self.seen.max(lsn);
    }

    /// Records up to `upto` are durable.
    pub fn durable(&mut self, upto: Lsn) {
        self.durable = self.durable.max(upto);
    }

    /// Whether every operation made is accepted, and nothing that was seen can vanish: then what follows may leave the
    /// process.
    pub fn is_accepted(&self) -> bool {
        self.made <= self.accepted && self.seen <= self.durable
    }

    /// The handler has returned. A mismatch when recorded operations remain.
    pub fn finish(&mut self, clock: Timestamp, outcome: Outcome) -> Result<(), MakeError> {
        let mut operation = Operation::Output { outcome };
        limit::cut_failure(&mut operation);
        let index = EntryIndex(self.made);
        if let Some(next) = self.recorded.front()
            && !matches!(next.entry.operation, Operation::Output { .. })
        {
            return Err(Mismatch::finish(index, &next.entry.operation, &operation).into());
        }
        if self.replay(&operation)?.is_none() {
            limit::check(index, self.journal_bytes, &operation)?;
            self.append(clock, operation);
        }
        self.finished = true;
        Ok(())
    }

    /// Operations that have not been taken yet, with the index of the first; `None` when there are none.
    pub fn take_batch(&mut self) -> Option<(EntryIndex, Vec<Entry>)> {
        if self.buffer.is_empty() {
            return None;
        }
        let first = EntryIndex(self.made - self.buffered_entries());
        self.buffer_bytes = 0;
        Some((first, std::mem::take(&mut self.buffer)))
    }

    /// Bytes of the operations that have not been taken yet, as limits count them.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Operations that have not been taken yet.
    pub fn buffered_entries(&self) -> u32 {
        u32::try_from(self.buffer.len()).expect("a journal has fewer operations than u32 counts")
    }
}

impl Replay {
    /// Takes over an operation of the stored journal.
    fn load(&mut self, position: Position, entry: Entry) -> Result<(), Damaged> {
        self.journal_bytes += entry.operation.size_bytes() as u64;
        self.position_min = position.next();
        self.enter(&entry.operation);
        self.accepted += 1;
        match entry.operation {
            Operation::Input { headers, body } if position == Position::ZERO => {
                self.headers = headers;
                self.body = body;
                self.made = 1;
                return Ok(());
            }
            _ if position == Position::ZERO => return Err(DamagedKind::NoInput.at(position)),
            Operation::Input { .. } => return Err(DamagedKind::SecondInput.at(position)),
            _ => {}
        }
        if let Some(last) = self.recorded.back()
            && matches!(last.entry.operation, Operation::Output { .. })
        {
            return Err(DamagedKind::AfterOutput.at(position));
        }
        self.recorded.push_back(Recorded { position, entry });
        Ok(())
    }

    /// Takes over a notification, stored or live.
    fn arrive(&mut self, position: Position, notification: Notification) -> Result<(), Damaged> {
        if position == Position::ZERO {
            return Err(DamagedKind::NoInput.at(position));
        }
        // Positions are dense: what is not a notification before this one is an operation.
        let operations_before = position.0 - self.notifications;
        if operations_before as usize > self.handles.len() {
            return Err(DamagedKind::Gap.at(position));
        }
        let arrival = Arrival { position, at: notification.at };
        self.journal_bytes += JournalItem::Notification(notification.clone()).size_bytes() as u64;
        self.notifications += 1;
        self.position_min = position.next();
        match notification.kind {
            NotificationKind::Completed { index, value } => {
                if operations_before <= index.0 {
                    return Err(DamagedKind::UnknownHandle(index).at(position));
                }
                let handle = &mut self.handles[index.0 as usize];
                if !handle.is_awaited {
                    return Err(DamagedKind::UnknownHandle(index).at(position));
                }
                if handle.completed.is_some() {
                    return Err(DamagedKind::CompletedTwice(index).at(position));
                }
                handle.completed = Some(arrival);
                self.values.insert(index, value);
            }
            NotificationKind::Cancelled => {
                // The delivery that this attempt has buffered will stand behind this cancellation in the journal. A
                // replay will see both as one, so this attempt must too.
                let is_merged = self.delivered_live.is_some_and(|delivered| operations_before <= delivered.0);
                if !is_merged {
                    self.cancels.push_back(arrival);
                }
            }
        }
        Ok(())
    }

    /// The next recorded operation, when there is one and it is `got`.
    fn replay(&mut self, got: &Operation) -> Result<Option<Operation>, Mismatch> {
        let Some(next) = self.recorded.front() else { return Ok(None) };
        compare::same(EntryIndex(self.made), &next.entry.operation, got)?;
        let Recorded { position, entry } = self.recorded.pop_front().expect("it has a front");
        if matches!(entry.operation, Operation::CancelDelivered) {
            self.cancels.retain(|cancel| position < cancel.position);
        }
        self.made += 1;
        self.now = self.now.max(entry.made_at);
        self.made_recorded();
        Ok(Some(entry.operation))
    }

    /// Behind the last copied operation the handler lives in the time of its own invocation.
    fn made_recorded(&mut self) {
        if let Some((copied, started_at)) = self.copied
            && copied == self.made
        {
            self.now = self.now.max(started_at);
        }
    }

    /// Behind the last copied operation nothing is known of the state. Whatever comes to be known is an operation, so
    /// this forgets what was copied and nothing else.
    fn forget_copied_state(&mut self) {
        if self.copied.is_some_and(|(copied, _)| copied == self.made) {
            self.state = StateOverlay::default();
        }
    }

    /// Buffers an operation behind all others.
    fn append(&mut self, clock: Timestamp, operation: Operation) {
        assert!(self.recorded.is_empty(), "a live operation comes after the recorded ones");
        assert!(!self.finished, "the output is the last operation");
        self.now = self.now.max(clock);
        let bytes = operation.size_bytes();
        self.journal_bytes += bytes as u64;
        self.buffer_bytes += bytes;
        self.enter(&operation);
        self.buffer.push(Entry { made_at: self.now, operation });
        self.made += 1;
    }

    /// Gives an operation its place in the tables by index.
    fn enter(&mut self, operation: &Operation) {
        let index =
            u32::try_from(self.handles.len()).expect("a journal has fewer operations than u32 counts");
        if let Operation::Call(call) | Operation::Send { call, .. } = operation {
            self.callees.insert(EntryIndex(index), call.callee);
        }
        self.handles.push(Handle { is_awaited: operation.is_awaited(), completed: None });
    }
}
