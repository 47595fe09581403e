//! The trait that every log implements, its answers and its limits.

use std::fmt::Debug;
use std::path::PathBuf;

use bytes::Bytes;
use thiserror::Error;

use crate::position::{Epoch, GroupId, Lsn, NodeId};
use crate::reader::{LeadershipWatch, Reader};
use crate::ticket::Ticket;

/// The largest payload of one record. One size for every entry point of the product: far below what RocksDB
/// (4 GiB batches) or a future transport can carry, so that an accepted record can always be stored and shipped.
pub const RECORD_BYTES_MAX: usize = 32 << 20;

/// The largest sum of payloads of one append. An append is one step of consensus and is not split.
pub const APPEND_BYTES_MAX: usize = RECORD_BYTES_MAX;

/// The most records of one append, so that many empty records cannot get past the limit on bytes.
pub const APPEND_RECORDS_MAX: usize = 16 << 10;

/// How much one group takes in before it answers [`AppendError::Overloaded`]: payload bytes of appends that have
/// no answer yet. Twice the largest append, so that the next one can queue while one is being synced.
pub const IN_FLIGHT_BYTES_MAX: usize = 2 * APPEND_BYTES_MAX;

/// The same bound in records: each costs some hundred bytes beside its payload.
pub const IN_FLIGHT_RECORDS_MAX: usize = 4 * APPEND_RECORDS_MAX;

/// The log of one group, as the node sees it that runs this code.
///
/// Every method returns at once; what takes time is a future or a poll function. Implementations: [`crate::MemoryLog`]
/// and [`crate::raft::GroupLog`].
pub trait Log: Debug + Send + Sync {
    /// Which log this is.
    fn group(&self) -> GroupId;

    /// Appends `records` in this order at consecutive LSNs, if this node leads the group in `epoch`.
    ///
    /// Pipelined: appends of one caller are ordered by the calls, and a caller need not wait for one ticket before the
    /// next append. They may still fail one by one: after [`AppendError::Overloaded`] a smaller append can be
    /// taken. A caller that needs dense sequences numbers its records and lets the reader refuse gaps.
    ///
    /// The ticket resolves once all records are committed and durable, with the LSN of the first.
    ///
    /// # Panics
    /// When `records` is empty.
    fn append(&self, epoch: Epoch, records: Vec<Bytes>) -> Ticket {
        self.append_at(epoch, None, records)
    }

    /// As [`Log::append`]; when `first` is given only if the first record gets that LSN, and
    /// [`AppendError::NotNext`] otherwise. A caller that acts on positions before they are durable needs this: when one
    /// of its appends is refused, those behind it are, too.
    fn append_at(&self, epoch: Epoch, first: Option<Lsn>, records: Vec<Bytes>) -> Ticket;

    /// Committed records from `from` on, in order, tailing the log. `from` may lie after the last record.
    ///
    /// # Errors
    /// [`ReadError::Trimmed`] when `from` is below the first LSN that is still there.
    fn reader(&self, from: Lsn) -> Result<Reader, ReadError>;

    /// A snapshot of where the log stands.
    fn state(&self) -> State;

    /// Follows who leads.
    fn leadership(&self) -> LeadershipWatch;

    /// Forgets all records up to and including `upto`. Returns before it is done; `state().first` tells when. Going
    /// back is no error and does nothing. A log trims only what its owner says it needs no more.
    ///
    /// # Errors
    /// [`TrimError::NotCommitted`] when `upto` is above the commit position, [`TrimError::Shutdown`] after a stop.
    fn trim(&self, upto: Lsn) -> Result<(), TrimError>;
}

/// Where a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub leadership: Leadership,
    /// The first LSN that is not trimmed: `commit + 1` when there is none.
    pub first: Lsn,
    /// Everything up to here is committed and durable. Readers get what is at or below it.
    pub commit: Lsn,
    /// The last item of this replica's log, committed or not.
    pub last: Lsn,
}

/// Who leads the group, as far as this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    pub role: Role,
    pub epoch: Epoch,
    /// The node to send appends to, when one is known.
    pub leader: Option<NodeId>,
}

/// What this node is in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes records from a leader, or waits for one.
    Follower,
    /// Asks to become the leader.
    Candidate,
    /// Appends.
    Leader,
}

/// Why an append has no LSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// Nothing was appended: this node does not lead the group in the epoch that the caller gave.
    #[error("this node does not lead the group in that epoch")]
    NotLeader { hint: Option<NodeId> },
    /// Nothing was appended: the first record would have got another LSN than the caller said.
    #[error("the next record gets LSN {next}")]
    NotNext { next: Lsn },
    /// Nothing was appended: too much is in flight. Try again when some of it is answered.
    #[error("too many records are in flight")]
    Overloaded,
    /// Nothing was appended: see [`RECORD_BYTES_MAX`], [`APPEND_BYTES_MAX`], [`APPEND_RECORDS_MAX`].
    #[error("a record or the whole append is too large")]
    TooLarge,
    /// The records may or may not be, or become, durable. Only a read of the log can tell. Try again with the same
    /// deduplication key.
    #[error("it is unknown whether the records are durable")]
    Unknown,
    /// Nothing was appended: the log is stopped.
    #[error("the log is stopped")]
    Shutdown,
}

/// Why a reader has no more records.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The position is gone; what it held is in a checkpoint.
    #[error("the log is trimmed up to before LSN {first}")]
    Trimmed { first: Lsn },
    /// The store returned something that was not written. The owner of the group MUST stop.
    #[error("the log is damaged at LSN {lsn} in `{}`: {reason}", .file.display())]
    Damaged { file: PathBuf, lsn: Lsn, reason: String },
    /// The log is stopped, and everything committed before was delivered.
    #[error("the log is stopped")]
    Shutdown,
}

/// Why a trim was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TrimError {
    #[error("cannot trim above the commit position {commit}")]
    NotCommitted { commit: Lsn },
    #[error("the log is stopped")]
    Shutdown,
}

impl State {
    /// Whether this node leads, and in which epoch.
    #[must_use]
    pub fn leading(&self) -> Option<Epoch> {
        self.leadership.leading()
    }
}

impl Leadership {
    /// The epoch in which this node leads, if it does.
    #[must_use]
    pub fn leading(&self) -> Option<Epoch> {
        (self.role == Role::Leader).then_some(self.epoch)
    }
}

/// The payload bytes of an append, if it is within the limits.
pub(crate) fn append_bytes(records: &[Bytes]) -> Result<usize, AppendError> {
    assert!(!records.is_empty(), "an append has at least one record");
    let largest = records.iter().map(Bytes::len).max().unwrap_or(0);
    let bytes = records.iter().map(Bytes::len).fold(0, usize::saturating_add);
    if records.len() <= APPEND_RECORDS_MAX && largest <= RECORD_BYTES_MAX && bytes <= APPEND_BYTES_MAX {
        Ok(bytes)
    } else {
        Err(AppendError::TooLarge)
    }
}

const _: () = assert!(RECORD_BYTES_MAX <= APPEND_BYTES_MAX);
const _: () = assert!(APPEND_BYTES_MAX <= IN_FLIGHT_BYTES_MAX);
const _: () = assert!(APPEND_RECORDS_MAX <= IN_FLIGHT_RECORDS_MAX);
