//! [`Proposer`]: the way of commands into the log. Whatever is queued rides in one append; several are in flight.
//!
//! What the log refuses or leaves open is repeated, behind everything that was in flight and with a new time, as long
//! as this node leads in the same epoch. That is safe because `apply` knows every command that it has seen: by request
//! id, fencing token and index, sequence number, or timer. Order may be lost that way; `apply` refuses the gap and the
//! attempt starts again. Doors are not repeated but told, since they wait.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future as _, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;

use relight_core::command::{Command, Message};
use relight_core::ids::{InvocationId, LeaderEpoch, Lsn, PartitionId};
use relight_core::value::Timestamp;
use relight_log::{AppendError, Epoch, Log, RECORD_BYTES_MAX, Ticket};
use relight_storage::format::encode_record;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::limits::{
    APPEND_BYTES_IN_FLIGHT_MAX, APPEND_BYTES_MAX, APPEND_RECORDS_MAX, APPEND_RETRY_AFTER,
    APPENDS_IN_FLIGHT_MAX, DELIVERIES_WAITING_MAX,
};

pub struct Proposer {
    log: Arc<dyn Log>,
    epoch: LeaderEpoch,
    queue: VecDeque<Proposal>,
    /// In the order of the appends. Their answers are taken in this order.
    in_flight: VecDeque<Append>,
    in_flight_bytes: usize,
    /// Of failed appends, in order; they go before the queue once nothing is in flight.
    repeat: VecDeque<Proposal>,
    repeat_at: Option<Instant>,
    /// By source: deliveries that the log has not taken.
    deliveries: BTreeMap<PartitionId, usize>,
    pub proposals: u64,
    pub appends: u64,
    pub repeated: u64,
}

/// A command on its way into the log.
pub struct Proposal {
    pub command: Command,
    /// Of a door: one of the commands that may be in flight.
    pub permit: Option<OwnedSemaphorePermit>,
}

struct Append {
    ticket: Ticket,
    epoch: LeaderEpoch,
    proposals: Vec<Proposal>,
    bytes: usize,
}

/// The answer to the oldest append, with what was in it.
pub struct Appended {
    pub epoch: LeaderEpoch,
    pub proposals: Vec<Proposal>,
    pub result: Result<(), AppendError>,
}

impl Proposer {
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self {
            log,
            epoch: LeaderEpoch::ZERO,
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            repeat: VecDeque::new(),
            repeat_at: None,
            deliveries: BTreeMap::new(),
            proposals: 0,
            appends: 0,
            repeated: 0,
        }
    }

    /// Begins an epoch, with nothing of an earlier one.
    pub fn open(&mut self, epoch: LeaderEpoch) {
        self.close();
        self.epoch = epoch;
    }

    /// Forgets everything; answers the commands that were never handed to the log.
    pub fn close(&mut self) -> Vec<Proposal> {
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.repeat.clear();
        self.repeat_at = None;
        self.deliveries.clear();
        self.queue.drain(..).collect()
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
        self.repeat.retain(|proposal| !of_attempt(proposal));
    }

    /// Appends what is queued, as far as the bounds allow. `time`: durable time now. Stops at a command that no record
    /// can hold and answers it; the caller deals with it and flushes again.
    #[must_use = "a command that no record can hold is not in the log"]
    pub fn flush(&mut self, time: Timestamp, now: Instant) -> Option<Proposal> {
        if !self.resume(now) {
            return None;
        }
        while !self.queue.is_empty()
            && self.in_flight.len() < APPENDS_IN_FLIGHT_MAX
            && self.in_flight_bytes < APPEND_BYTES_IN_FLIGHT_MAX
        {
            let too_large = self.append(time);
            if too_large.is_some() {
                return too_large;
            }
        }
        None
    }

    /// One append; answers the command at which it had to stop because no record can hold it.
    fn append(&mut self, time: Timestamp) -> Option<Proposal> {
        let mut too_large = None;
        let mut records = Vec::new();
        let mut proposals = Vec::new();
        let mut bytes = 0;
        while records.len() < APPEND_RECORDS_MAX
            && let Some(proposal) = self.queue.pop_front()
        {
            let record = encode_record(time, &proposal.command);
            if RECORD_BYTES_MAX < record.len() {
                too_large = Some(proposal);
                break;
            }
            if !records.is_empty() && APPEND_BYTES_MAX < bytes + record.len() {
                self.queue.push_front(proposal);
                break;
            }
            bytes += record.len();
            records.push(record);
            proposals.push(proposal);
        }
        if !records.is_empty() {
            self.proposals += records.len() as u64;
            self.appends += 1;
            self.in_flight_bytes += bytes;
            let ticket = self.log.append(Epoch(self.epoch.0), records);
            self.in_flight.push_back(Append { ticket, epoch: self.epoch, proposals, bytes });
        }
        too_large
    }

    /// Whether appending may go on; first what is to be repeated moves to the head of the queue.
    fn resume(&mut self, now: Instant) -> bool {
        let Some(repeat_at) = self.repeat_at else {
            return true;
        };
        if now < repeat_at || !self.in_flight.is_empty() {
            return false;
        }
        self.repeat_at = None;
        while let Some(proposal) = self.repeat.pop_back() {
            self.queue.push_front(proposal);
        }
        true
    }

    /// Waits for the answer to the oldest append; for ever when there is none. Dropping the future loses nothing.
    pub async fn answered(&mut self) -> Appended {
        let result = match self.in_flight.front_mut() {
            Some(append) => poll_fn(|cx| Pin::new(&mut append.ticket).poll(cx)).await,
            None => pending().await,
        };
        let append = self.in_flight.pop_front().expect("the oldest append was just answered");
        self.in_flight_bytes -= append.bytes;
        if result.is_ok() {
            append.proposals.iter().for_each(|proposal| self.forget_delivery(&proposal.command));
        }
        Appended { epoch: append.epoch, proposals: append.proposals, result: result.map(|_| ()) }
    }

    /// The delivery is in the log, or will never be.
    pub fn forget_delivery(&mut self, command: &Command) {
        if let Command::Deliver { source, .. } = command
            && let Some(waiting) = self.deliveries.get_mut(source)
        {
            *waiting = waiting.saturating_sub(1);
        }
    }

    /// Repeats commands of an append that failed, later.
    pub fn repeat(&mut self, proposals: impl IntoIterator<Item = Proposal>, now: Instant) {
        self.repeat.extend(proposals);
        self.repeat_at = Some(now + APPEND_RETRY_AFTER);
        self.repeated += 1;
    }

    /// When `flush` has something to do that no event tells of.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.repeat_at.filter(|_| self.in_flight.is_empty())
    }

    pub fn queued(&self) -> usize {
        self.queue.len() + self.repeat.len()
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

    fn proposer() -> Proposer {
        let mut proposer = Proposer::new(Arc::new(MemoryLog::new(GroupId(0), NodeId(1))));
        proposer.open(LeaderEpoch(1));
        proposer
    }

    fn flush(proposer: &mut Proposer) {
        assert!(proposer.flush(Timestamp(1), Instant::now()).is_none());
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
        let mut proposer = proposer();
        for _ in 0..DELIVERIES_WAITING_MAX + 3 {
            push_delivery(&mut proposer, 1, 0);
        }
        push_delivery(&mut proposer, 2, 0);
        assert_eq!(proposer.queued(), DELIVERIES_WAITING_MAX + 1);
        flush(&mut proposer);
        assert_eq!(proposer.answered().await.result, Ok(()));
        push_delivery(&mut proposer, 1, 0);
        assert_eq!(proposer.queued(), 1);
    }

    #[tokio::test]
    async fn an_append_is_bounded_in_bytes_and_so_is_what_is_in_flight() {
        let mut proposer = proposer();
        for source in 0..3 {
            push_delivery(&mut proposer, source, 600 << 10);
        }
        (0..100).for_each(|_| proposer.push(Command::AnnounceLeader { epoch: LeaderEpoch(1) }));
        flush(&mut proposer);
        assert_eq!((proposer.appends, proposer.proposals), (3, 103));

        let large = APPENDS_IN_FLIGHT_MAX as u16 + 2;
        (0..large).for_each(|source| push_delivery(&mut proposer, source, APPEND_BYTES_MAX));
        flush(&mut proposer);
        assert_eq!(proposer.in_flight(), APPENDS_IN_FLIGHT_MAX);
        while 0 < proposer.in_flight() {
            assert_eq!(proposer.answered().await.result, Ok(()));
            flush(&mut proposer);
        }
        assert_eq!(proposer.queued(), 0);
    }

    #[tokio::test]
    async fn what_is_repeated_goes_first_and_only_when_nothing_is_in_flight() {
        let mut proposer = proposer();
        proposer.push(Command::AnnounceLeader { epoch: LeaderEpoch(1) });
        proposer.push(Command::AnnounceLeader { epoch: LeaderEpoch(2) });
        flush(&mut proposer);
        let first = proposer.answered().await;
        proposer.push(Command::AnnounceLeader { epoch: LeaderEpoch(3) });
        flush(&mut proposer);
        let now = Instant::now();
        proposer.repeat(first.proposals, now);
        proposer.push(Command::AnnounceLeader { epoch: LeaderEpoch(4) });
        let later = now + APPEND_RETRY_AFTER;
        assert!(proposer.flush(Timestamp(1), later).is_none());
        assert_eq!(proposer.queued(), 3, "the third is in flight");
        proposer.answered().await;
        assert_eq!(proposer.next_deadline(), Some(later));
        assert!(proposer.flush(Timestamp(1), now).is_none());
        assert_eq!(proposer.queued(), 3, "its time has not come");
        assert!(proposer.flush(Timestamp(1), later).is_none());
        let epochs: Vec<_> =
            proposer.answered().await.proposals.into_iter().map(|proposal| proposal.command).collect();
        let expected = [1, 2, 4].map(|epoch| Command::AnnounceLeader { epoch: LeaderEpoch(epoch) });
        assert_eq!(epochs, expected);
    }
}
