//! [`Proposer`]: the way of commands into the log. Whatever a turn has applied rides in one append; several are in flight.
//!
//! A leader applies its commands at the LSN that they will have, before the log has them. So an append says at which LSN it
//! begins, and when one is refused, all behind it are: then the leader begins anew with what the log has. What was
//! queued or under way is repeated by whoever wants it: doors are told, attempts start again from their journal, timers
//! and the outbox from the tables.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future as _, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use relight_core::command::{Command, Message};
use relight_core::ids::{InvocationId, LeaderEpoch, Lsn, PartitionId};
use relight_core::value::Timestamp;
use relight_log::{AppendError, Epoch, Log, RECORD_BYTES_MAX, Ticket};
use relight_storage::format::encode_record;
use tokio::sync::OwnedSemaphorePermit;

use crate::limits::{
    APPEND_BYTES_IN_FLIGHT_MAX, APPEND_BYTES_MAX, APPEND_RECORDS_MAX, APPENDS_IN_FLIGHT_MAX,
    DELIVERIES_WAITING_MAX,
};

pub struct Proposer {
    log: Arc<dyn Log>,
    epoch: LeaderEpoch,
    queue: VecDeque<Proposal>,
    /// Taken, and not handed to the log.
    staged: Staged,
    /// In the order of the appends. Their answers are taken in this order.
    in_flight: VecDeque<Append>,
    in_flight_bytes: usize,
    /// By source: deliveries that are queued.
    deliveries: BTreeMap<PartitionId, usize>,
    pub proposals: u64,
    pub appends: u64,
    pub appends_failed: u64,
}

/// A command on its way into the log.
struct Proposal {
    command: Command,
    /// Of a door: one of the commands that may be in flight.
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Staged {
    records: Vec<Bytes>,
    bytes: usize,
    permits: Vec<OwnedSemaphorePermit>,
}

struct Append {
    ticket: Ticket,
    last: Option<Lsn>,
    bytes: usize,
    _permits: Vec<OwnedSemaphorePermit>,
}

/// The next command.
pub enum Next {
    /// It is staged; its bytes as a record.
    Command(Command, usize),
    /// No record can hold it; it is not in the log.
    TooLarge(Command),
}

/// The answer to the oldest append: where it ends, if the caller said where it begins.
pub struct Appended {
    pub last: Option<Lsn>,
    pub result: Result<(), AppendError>,
}

impl Proposer {
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self {
            log,
            epoch: LeaderEpoch::ZERO,
            queue: VecDeque::new(),
            staged: Staged::default(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            deliveries: BTreeMap::new(),
            proposals: 0,
            appends: 0,
            appends_failed: 0,
        }
    }

    /// Begins an epoch, with nothing of an earlier one, and appends its announcement, wherever that comes to stand.
    pub fn open(&mut self, epoch: LeaderEpoch, time: Timestamp) {
        self.close();
        self.epoch = epoch;
        let record = encode_record(time, &Command::AnnounceLeader { epoch });
        self.staged = Staged { bytes: record.len(), records: vec![record], permits: Vec::new() };
        self.append(None);
    }

    /// Forgets everything; answers the commands that were never handed to the log.
    pub fn close(&mut self) -> Vec<Command> {
        self.staged = Staged::default();
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.deliveries.clear();
        self.queue.drain(..).map(|proposal| proposal.command).collect()
    }

    pub fn push(&mut self, command: Command) {
        self.queue.push_back(Proposal { command, permit: None });
    }

    pub fn push_from_door(&mut self, command: Command, permit: OwnedSemaphorePermit) {
        self.queue.push_back(Proposal { command, permit: Some(permit) });
    }

    /// A delivery of another partition; dropped when too many of that partition wait.
    pub fn push_delivery(&mut self, source: PartitionId, first: u64, messages: Vec<Message>) {
        let waiting = self.deliveries.entry(source).or_default();
        if *waiting < DELIVERIES_WAITING_MAX {
            *waiting += 1;
            self.push(Command::Deliver { source, first, messages });
        }
    }

    /// Takes back what is queued from an attempt that is over.
    pub fn forget_attempt(&mut self, id: InvocationId, attempt: Lsn) {
        let of_attempt = |proposal: &Proposal| match &proposal.command {
            Command::Append { id: other, token, .. }
            | Command::Suspend { id: other, token, .. }
            | Command::AttemptFailed { id: other, token, .. } => *other == id && token.attempt == attempt,
            _ => false,
        };
        self.queue.retain(|proposal| !of_attempt(proposal));
    }

    /// Stages the next command of the queue, as far as the bounds allow. The caller applies it at the next LSN. `time`:
    /// durable time now.
    pub fn next(&mut self, time: Timestamp) -> Option<Next> {
        if !self.has_room() || APPEND_RECORDS_MAX <= self.staged.records.len() {
            return None;
        }
        let proposal = self.queue.front()?;
        let record = encode_record(time, &proposal.command);
        let bytes = record.len();
        let is_too_large = RECORD_BYTES_MAX < bytes;
        if !is_too_large && !self.staged.records.is_empty() && APPEND_BYTES_MAX < self.staged.bytes + bytes {
            return None;
        }
        let Proposal { command, permit } = self.queue.pop_front().expect("it was just looked at");
        if let Command::Deliver { source, .. } = &command
            && let Some(waiting) = self.deliveries.get_mut(source)
        {
            *waiting = waiting.saturating_sub(1);
        }
        if is_too_large {
            return Some(Next::TooLarge(command));
        }
        self.staged.bytes += bytes;
        self.staged.records.push(record);
        self.staged.permits.extend(permit);
        Some(Next::Command(command, bytes))
    }

    /// Hands what is staged to the log, as one append. `last`: the LSN at which its last command was applied.
    pub fn ship(&mut self, last: Lsn) {
        if !self.staged.records.is_empty() {
            self.append(Some(last));
        }
    }

    fn append(&mut self, last: Option<Lsn>) {
        let Staged { records, bytes, permits } = std::mem::take(&mut self.staged);
        let count = records.len() as u64;
        self.proposals += count;
        self.appends += 1;
        self.in_flight_bytes += bytes;
        let first = last.map(|last| relight_log::Lsn(last.0 + 1 - count));
        let ticket = self.log.append_at(Epoch(self.epoch.0), first, records);
        self.in_flight.push_back(Append { ticket, last, bytes, _permits: permits });
    }

    /// Waits for the answer to the oldest append; for ever when there is none. Dropping the future loses nothing.
    pub async fn answered(&mut self) -> Appended {
        let result = match self.in_flight.front_mut() {
            Some(append) => poll_fn(|cx| Pin::new(&mut append.ticket).poll(cx)).await,
            None => pending().await,
        };
        let append = self.in_flight.pop_front().expect("the oldest append was just answered");
        self.in_flight_bytes -= append.bytes;
        self.appends_failed += u64::from(result.is_err());
        Appended { last: append.last, result: result.map(|_| ()) }
    }

    /// Whether another append may be made.
    pub fn has_room(&self) -> bool {
        self.in_flight.len() < APPENDS_IN_FLIGHT_MAX && self.in_flight_bytes < APPEND_BYTES_IN_FLIGHT_MAX
    }

    /// The last epoch that was begun.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

#[cfg(test)]
mod tests {
    use relight_core::ids::PartitionKey;
    use relight_core::value::Value;
    use relight_log::{GroupId, MemoryLog, NodeId};

    use super::*;

    /// With its announcement in the log, at LSN 2: the log has an item of its own before it.
    async fn proposer() -> Proposer {
        let mut proposer = Proposer::new(Arc::new(MemoryLog::new(GroupId(0), NodeId(1))));
        proposer.open(LeaderEpoch(1), Timestamp(1));
        assert_eq!(proposer.answered().await.result, Ok(()));
        proposer
    }

    /// Stages all that there is room for; answers how many these are.
    fn stage(proposer: &mut Proposer) -> u64 {
        let mut staged = 0;
        while let Some(next) = proposer.next(Timestamp(1)) {
            assert!(matches!(next, Next::Command(..)));
            staged += 1;
        }
        staged
    }

    fn push_delivery(proposer: &mut Proposer, source: u16, bytes: usize) {
        use relight_core::command::Caller;
        use relight_core::ids::EntryIndex;
        let id = InvocationId { key: PartitionKey(0), unique: 1 };
        let caller = Caller { id, incarnation: Lsn(1), index: EntryIndex(1) };
        let message = Message::Complete { caller, value: Value::Success(vec![0; bytes].into()) };
        proposer.push_delivery(PartitionId(source), 1, vec![message]);
    }

    #[tokio::test]
    async fn deliveries_that_wait_are_bounded_per_source() {
        let mut proposer = proposer().await;
        for _ in 0..DELIVERIES_WAITING_MAX + 3 {
            push_delivery(&mut proposer, 1, 0);
        }
        push_delivery(&mut proposer, 2, 0);
        assert_eq!(proposer.queued(), DELIVERIES_WAITING_MAX + 1);
        stage(&mut proposer);
        push_delivery(&mut proposer, 1, 0);
        assert_eq!(proposer.queued(), 1);
    }

    #[tokio::test]
    async fn an_append_is_bounded_in_bytes_and_so_is_what_is_in_flight() {
        let mut proposer = proposer().await;
        let mut last = Lsn(2);
        for source in 0..3 {
            push_delivery(&mut proposer, source, 600 << 10);
        }
        (0..100).for_each(|_| proposer.push(Command::AnnounceLeader { epoch: LeaderEpoch(1) }));
        for expected in [1, 1, 101] {
            assert_eq!(stage(&mut proposer), expected);
            last = Lsn(last.0 + expected);
            proposer.ship(last);
        }
        for expected in [3, 4, 105] {
            let Appended { last, result } = proposer.answered().await;
            assert_eq!((last, result), (Some(Lsn(expected)), Ok(())));
        }

        let large = APPENDS_IN_FLIGHT_MAX as u16 + 2;
        (0..large).for_each(|source| push_delivery(&mut proposer, source, APPEND_BYTES_MAX));
        while 0 < stage(&mut proposer) {
            last = last.next();
            proposer.ship(last);
        }
        assert_eq!((proposer.in_flight(), proposer.queued()), (APPENDS_IN_FLIGHT_MAX, 2));
        assert_eq!(proposer.answered().await.result, Ok(()));
        assert_eq!(stage(&mut proposer), 1);
    }

    #[tokio::test]
    async fn behind_an_append_that_is_refused_all_are() {
        let mut proposer = proposer().await;
        for last in [Lsn(4), Lsn(5)] {
            // It should have been 3.
            proposer.push(Command::AnnounceLeader { epoch: LeaderEpoch(1) });
            stage(&mut proposer);
            proposer.ship(last);
        }
        let refused = Err(AppendError::NotNext { next: relight_log::Lsn(3) });
        for _ in 0..2 {
            assert_eq!(proposer.answered().await.result, refused);
        }
        assert_eq!(proposer.appends_failed, 2);
    }
}
