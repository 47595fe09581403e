//! The log on the `raft` crate and RocksDB: all groups of a node in one loop, one database, one sync per pass.
//!
//! ```text
//! handle.rs      GroupLog: queue appends, read
//! node.rs        NodeLog: the thread             driver.rs   Driver: a pass over all groups
//! group.rs       one group in the driver         replica.rs  what raft asks of its log
//! open.rs        is the log whole?               store.rs    RocksDB, or a Disk (disk.rs) in a simulation
//! keys.rs, format.rs, high_water.rs              the bytes on disk
//! ```
//! There is no transport yet: a node is a cluster of one voter, on the same path as many.

mod disk;
mod driver;
mod error;
mod format;
mod group;
mod handle;
mod high_water;
mod keys;
mod logger;
mod node;
mod open;
mod replica;
mod store;

pub use disk::{Change, Disk};
pub use driver::{Driver, PASS_BYTES_MAX, Progress, Stats};
pub use error::{FatalError, OpenError};
pub use handle::GroupLog;
pub use node::{FatalHook, NodeLog, Options};
