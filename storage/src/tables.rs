//! The tables of one partition: rows in RocksDB, and over them those of the batch that is being applied.
//!
//! ```text
//! get, scan  →  overlay (this batch)  →  resident rows  →  database
//! put, delete → overlay
//! commit      → database: overlay and applied LSN in one write batch, without write-ahead log
//! ```
//!
//! Resident are the rows that nearly every record reads and that are few: meta, services, deployments. They are kept
//! decoded, as committed; the overlay alone differs from them, so dropping it is all that a rollback does.

mod read;

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use relight_core::{
    Lsn,
    tables::{Key, Prefix, ReadTables, Row, Tables, TablesError},
};
use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::{
    format::{codec::Writer, encode_row, key},
    snapshot::Snapshot,
    store::{Fault, OpenError, encode_applied},
};

pub(crate) use read::{get_row, rows};

/// The database refused a write. What was committed before is untouched; the partition must stop.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("failed to commit the tables in `{}` up to LSN {applied}", path.display())]
    Commit {
        path: PathBuf,
        applied: Lsn,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("failed to flush the tables in `{}`", path.display())]
    Flush {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The tables of one partition. There is one of it per partition and process; it is the only writer.
///
/// Dropping it drops the batch that is not committed.
pub struct PartitionTables {
    database: Arc<Database>,
    /// Rows of this batch; `None` is a deleted one.
    overlay: BTreeMap<Key, Option<Row>>,
    /// All committed rows of the resident kinds.
    resident: BTreeMap<Key, Row>,
    write_options: WriteOptions,
    fault: Fault,
}

/// What the owner of the tables and those who flush them share.
pub(crate) struct Database {
    pub(crate) db: Arc<DB>,
    path: PathBuf,
    applied: AtomicU64,
    durable: AtomicU64,
}

impl fmt::Debug for PartitionTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionTables")
            .field("path", &self.database.path)
            .field("applied", &self.applied())
            .field("uncommitted", &self.overlay.len())
            .finish_non_exhaustive()
    }
}

impl PartitionTables {
    pub(crate) fn open(db: Arc<DB>, path: PathBuf, applied: Lsn, fault: Fault) -> Result<Self, OpenError> {
        let resident = read_resident(&db, &path)?;
        let mut write_options = WriteOptions::default();
        write_options.disable_wal(true);
        // Without a write-ahead log everything that is there at opening is in files.
        let (durable, applied) = (AtomicU64::new(applied.0), AtomicU64::new(applied.0));
        let database = Arc::new(Database { db, path, applied, durable });
        Ok(Self { database, overlay: BTreeMap::new(), resident, write_options, fault })
    }

    /// LSN of the last record whose rows are committed.
    pub fn applied(&self) -> Lsn {
        self.database.applied()
    }

    /// LSN up to which the rows survive the end of the process.
    pub fn durable(&self) -> Lsn {
        self.database.durable()
    }

    /// Commits the rows of this batch as those of all records up to and including `applied`, which MUST NOT be less
    /// than before. If it fails, nothing of the batch is committed and the batch is still there.
    pub fn commit(&mut self, applied: Lsn) -> Result<(), WriteError> {
        assert!(applied >= self.applied(), "the applied LSN never goes back");
        (self.fault)("storage.before-commit");
        let mut batch = WriteBatch::default();
        let mut value = Writer::default();
        for (key, row) in &self.overlay {
            let key = key::encode(key);
            match row {
                Some(row) => {
                    value.clear();
                    encode_row(row, &mut value);
                    batch.put(key, value.as_slice());
                }
                None => batch.delete(key),
            }
        }
        batch.put(key::APPLIED, encode_applied(applied));
        let written = self.database.db.write_opt(batch, &self.write_options);
        written.map_err(|source| WriteError::Commit {
            path: self.database.path.clone(),
            applied,
            source: source.into(),
        })?;
        (self.fault)("storage.after-commit");
        self.database.applied.store(applied.0, Ordering::Release);
        for (key, row) in std::mem::take(&mut self.overlay) {
            match row {
                _ if !is_resident(&key) => {}
                Some(row) => drop(self.resident.insert(key, row)),
                None => drop(self.resident.remove(&key)),
            }
        }
        Ok(())
    }

    /// Drops the rows of this batch.
    pub fn rollback(&mut self) {
        self.overlay.clear();
    }

    /// The committed rows as they are now. Holding it keeps their old versions on disk.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.database.db, self.applied())
    }

    /// As [`Flusher::flush`].
    pub fn flush(&self) -> Result<Lsn, WriteError> {
        self.database.flush()
    }

    /// For a thread that flushes while this one goes on.
    pub fn flusher(&self) -> Flusher {
        Flusher { database: self.database.clone() }
    }

    /// Rows of this batch in `prefix` after `after`.
    fn uncommitted<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Option<Row>)> {
        let start = match (after, key::lowest(prefix)) {
            (Some(after), lowest) if *after >= lowest => Bound::Excluded(after.clone()),
            (_, lowest) => Bound::Included(lowest),
        };
        self.overlay.range((start, Bound::Unbounded)).take_while(|(key, _)| prefix.contains(key))
    }
}

/// Flushes the tables of one partition from any thread.
#[derive(Clone)]
pub struct Flusher {
    database: Arc<Database>,
}

impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flusher").field("path", &self.database.path).finish_non_exhaustive()
    }
}

impl Flusher {
    /// Writes everything that is committed to files and syncs them. Answers the durable LSN: that of the last record
    /// whose rows were committed when the call began. Blocks for as long as the disk takes.
    pub fn flush(&self) -> Result<Lsn, WriteError> {
        self.database.flush()
    }

    /// LSN up to which the rows survive the end of the process.
    pub fn durable(&self) -> Lsn {
        self.database.durable()
    }
}

impl Database {
    fn applied(&self) -> Lsn {
        Lsn(self.applied.load(Ordering::Acquire))
    }

    fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    fn flush(&self) -> Result<Lsn, WriteError> {
        // Read before the flush: a batch that is committed meanwhile may or may not be in it.
        let applied = self.applied();
        self.db
            .flush()
            .map_err(|source| WriteError::Flush { path: self.path.clone(), source: source.into() })?;
        self.durable.fetch_max(applied.0, Ordering::AcqRel);
        Ok(applied)
    }
}

impl ReadTables for PartitionTables {
    fn get(&self, key: &Key) -> Result<Option<Row>, TablesError> {
        if let Some(row) = self.overlay.get(key) {
            return Ok(row.clone());
        }
        if is_resident(key) {
            return Ok(self.resident.get(key).cloned());
        }
        get_row(&*self.database.db, key)
    }

    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError> {
        let mut committed = rows(&*self.database.db, prefix, after).peekable();
        let mut uncommitted = self.uncommitted(prefix, after).peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            let next = match (committed.peek(), uncommitted.peek()) {
                (None, None) => break,
                (Some(Err(_)), _) => Side::Committed,
                (Some(Ok((lower, _))), Some((upper, _))) if lower == *upper => Side::Both,
                (Some(Ok((lower, _))), Some((upper, _))) if lower > *upper => Side::Uncommitted,
                (Some(_), _) => Side::Committed,
                (None, Some(_)) => Side::Uncommitted,
            };
            if matches!(next, Side::Committed | Side::Both) {
                let row = committed.next().transpose()?;
                found.extend(row.filter(|_| matches!(next, Side::Committed)));
            }
            if matches!(next, Side::Uncommitted | Side::Both)
                && let Some((key, Some(row))) = uncommitted.next()
            {
                found.push((key.clone(), row.clone()));
            }
        }
        Ok(found)
    }
}

/// Where a scan finds its next row.
#[derive(Clone, Copy)]
enum Side {
    Committed,
    Uncommitted,
    /// A committed row that this batch replaces or deletes.
    Both,
}

impl Tables for PartitionTables {
    fn put(&mut self, key: Key, row: Row) {
        self.overlay.insert(key, Some(row));
    }

    fn delete(&mut self, key: Key) {
        self.overlay.insert(key, None);
    }

    /// Reads keys only, and each once: the batches of the default would step over those before, again and again.
    fn delete_all(&mut self, prefix: &Prefix) -> Result<(), TablesError> {
        let mut keys = read::keys(&*self.database.db, prefix)?;
        keys.extend(self.uncommitted(prefix, None).map(|(key, _)| key.clone()));
        for key in keys {
            self.delete(key);
        }
        Ok(())
    }
}

fn is_resident(key: &Key) -> bool {
    matches!(key, Key::Meta | Key::Service(_) | Key::Deployment(_))
}

fn read_resident(db: &DB, path: &Path) -> Result<BTreeMap<Key, Row>, OpenError> {
    let mut resident = BTreeMap::new();
    let mut read = || {
        if let Some(row) = get_row(db, &Key::Meta)? {
            resident.insert(Key::Meta, row);
        }
        for prefix in [Prefix::Service, Prefix::Deployment] {
            for row in rows(db, &prefix, None) {
                let (key, row) = row?;
                resident.insert(key, row);
            }
        }
        Ok(())
    };
    match read() {
        Ok(()) => Ok(resident),
        Err(source @ TablesError::Damaged { .. }) => {
            Err(OpenError::Damaged { path: path.to_owned(), source: source.into() })
        }
        Err(source) => Err(OpenError::Open { path: path.to_owned(), source: source.into() }),
    }
}
