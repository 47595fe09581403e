//! [`Disk`]: what the driver needs of a disk, so that it runs over a simulated one as well. RocksDB and the file of
//! the high-water mark are the real one; what is simulated is what a crash leaves behind.

use std::fmt;
use std::io;
use std::sync::Arc;

/// One change of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
    },
    /// Deletes `from` up to before `end`.
    DeleteRange {
        from: Vec<u8>,
        end: Vec<u8>,
    },
}

/// Rows in the order of their keys, and the file of the high-water mark. Values are checksummed by the log.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Carries out all of `batch`, in order, or nothing of it; returns when it is durable. After an error it is unknown
    /// which of the two it was.
    fn write(&self, batch: Vec<Change>) -> io::Result<()>;

    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>>;

    /// The first row from `from` up to before `end`.
    fn first(&self, from: &[u8], end: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>>;

    /// The file of the mark, if it was created.
    fn read_mark(&self) -> io::Result<Option<Vec<u8>>>;

    /// Creates the file of the mark: it appears whole and durably, or not at all.
    fn create_mark(&self, bytes: &[u8]) -> io::Result<()>;

    /// Writes into the file of the mark; a power cut may lose or tear it until `sync_mark` has returned.
    fn write_mark(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    fn sync_mark(&self) -> io::Result<()>;
}

pub(super) type SharedDisk = Arc<dyn Disk>;
