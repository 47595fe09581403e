//! The log: the only truth of a node. Everything else that is stored can be rebuilt from it.
//!
//! A node has one log per group (a partition of the layer above). A [`Log`] takes records, which are bytes; puts them in
//! an order, which is their [`Lsn`]; makes them durable; and hands them to readers. [`raft::NodeLog`] is the real one,
//! [`MemoryLog`] is for tests of what stands on it; one conformance suite runs against both.
//!
//! ```text
//! append(epoch, records) ─▶ queue ─▶ pass: one batch, one sync, all groups ─▶ committed ─▶ tickets resolve
//!                                                                                      └─▶ readers wake
//! ```
//!
//! # What a caller can rely on
//! - A ticket that resolves with an LSN: the records are on disk, and every reader gets them at that LSN, for ever,
//!   until they are trimmed.
//! - [`AppendError::Unknown`]: they may be, or become, part of the log. Every other error: they never will.
//! - LSNs ascend. They skip where the log stores an item of its own: one at the start of each leadership.
//! - Only the leader of the epoch given to `append` appends. After a restart the epoch is another one.
//! - A log that was damaged, or cut at or below its high-water mark, does not open. After a power cut the mark may lag
//!   by one second of appends; after a kill of the process it does not lag.
//! - The first failed write or sync ends the log, by default with the process. It is never retried.
//!
//! # On disk
//! One folder: `lock` (held while the log is open), `high-water` (what was acknowledged), `rocksdb/` (everything else).
//! [`raft::OpenError::Damaged`] names a file in it and an LSN; the program ends with exit code 74. The way on is a backup
//! or, in a cluster, another replica: there is no switch that makes a log forget what it acknowledged.
//!
//! # Faults for tests
//! `RELIGHT_FAULT=log.after-write:3:kill` kills the process after its third write: see [`Faults`].
//!
//! Architecture invariant: the log knows bytes, positions and epochs; it does not know what an invocation, a partition
//! key or a command is.
//!
//! Architecture invariant: nothing here needs an async runtime. Futures are answered by any executor, and the driver is
//! synchronous, so that a simulator can run it.
//!
//! Architecture invariant: types of RocksDB and of the raft library do not leave this crate.

mod api;
mod fault;
mod memory;
mod position;
pub mod raft;
mod reader;
mod tail;
mod ticket;

pub use api::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, AppendError, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_RECORDS_MAX,
    Leadership, Log, RECORD_BYTES_MAX, ReadError, Role, State, TrimError,
};
pub use bytes::Bytes;
pub use fault::{FAULT_VARIABLE, Faults, NotAFault};
pub use memory::MemoryLog;
pub use position::{Epoch, GroupId, Lsn, NodeId, Record};
pub use reader::{LeadershipWatch, ReadLimit, Reader};
pub use ticket::Ticket;
