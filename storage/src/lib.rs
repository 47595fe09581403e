//! What one node keeps of its partitions besides their logs: tables derived from the log, and component blobs.
//!
//! - [`format`](mod@format): the stored forms of records, rows and keys; the only place that knows their bytes.
//! - [`Store`] and [`PartitionTables`]: the tables of the core on RocksDB, one database per partition.
//! - [`Snapshot`]: a frozen view of one partition's tables that other threads may read.
//! - [`blobs`]: the bytes of components, addressed by their digest.
//!
//! What does not live here: the log, the meaning of any row, and the decision what to do about a damaged store.
//!
//! Architecture invariant: the applied LSN is committed in the same write batch as the rows that it stands for. The
//! tables have no write-ahead log of their own; after a crash they are those of some earlier applied LSN, whole.
//!
//! Architecture invariant: RocksDB types do not leave this crate; stored forms are versioned, and a tag that was once
//! assigned is never assigned again.
//!
//! Architecture invariant: `unsafe` is allowed in `snapshot.rs` alone, for one reason that is given there.

pub mod blobs;
pub mod format;
mod snapshot;
mod store;
mod tables;
#[cfg(test)]
mod tests;

pub use snapshot::Snapshot;
pub use store::{Fault, OpenError, Store, StoreOptions};
pub use tables::{Flusher, PartitionTables, WriteError};
