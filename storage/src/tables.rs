//! The tables of one partition: rows in RocksDB, over them those that are committed and not written yet, and over these
//! the rows of the batch that is being applied.
//!
//! ```text
//! get, scan   →  overlay (this batch)  →  resident rows  →  young rows  →  database
//! put, delete →  overlay
//! commit      →  young rows: overlay and applied LSN
//! settle      →  database: young rows and applied LSN in one write batch, without write-ahead log
//! ```
//!
//! Resident are the rows that nearly every record reads and that are few: meta, registry, services, deployments. They are kept
//! decoded, as committed; the overlay alone differs from them, so dropping it is all that a rollback does. Young rows
//! are settled when there are many, before a flush, and at a clean stop.

pub(crate) mod merge;
mod read;
mod young;

use std::{
    collections::BTreeMap,
    fmt,
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

pub(crate) use self::{
    read::{get_row, rows},
    young::range,
};

use self::young::Young;

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
/// Dropping it drops the batch that is not committed, and what is committed and not settled: the log has both.
pub struct PartitionTables {
    database: Arc<Database>,
    /// LSN of the last record whose rows are committed.
    applied: Lsn,
    /// Rows of this batch; `None` is a deleted one.
    overlay: BTreeMap<Key, Option<Row>>,
    young: Young,
    /// All committed rows of the resident kinds.
    resident: BTreeMap<Key, Row>,
    /// Records up to here cannot vanish from the log any more.
    logged: Lsn,
    write_options: WriteOptions,
    young_rows_max: usize,
    fault: Fault,
}

/// What the owner of the tables and those who flush them share.
pub(crate) struct Database {
    pub(crate) db: Arc<DB>,
    path: PathBuf,
    /// LSN of the last record whose rows are written to it.
    settled: AtomicU64,
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
    pub(crate) fn open(
        db: Arc<DB>,
        path: PathBuf,
        applied: Lsn,
        young_rows_max: usize,
        fault: Fault,
    ) -> Result<Self, OpenError> {
        let resident = read_resident(&db, &path)?;
        let mut write_options = WriteOptions::default();
        write_options.disable_wal(true);
        // Without a write-ahead log everything that is there at opening is in files.
        let (durable, settled) = (AtomicU64::new(applied.0), AtomicU64::new(applied.0));
        let database = Arc::new(Database { db, path, settled, durable });
        let (overlay, young) = (BTreeMap::new(), Young::default());
        let logged = applied;
        Ok(Self { database, applied, overlay, young, resident, logged, write_options, young_rows_max, fault })
    }

    /// LSN of the last record whose rows are committed.
    pub fn applied(&self) -> Lsn {
        self.applied
    }

    /// LSN up to which the rows survive the end of the process.
    pub fn durable(&self) -> Lsn {
        self.database.durable()
    }

    /// Commits the rows of this batch as those of all records up to and including `applied`, which MUST NOT be less
    /// than before and are durable in the log. Fails when it was time to settle, and that failed.
    pub fn commit(&mut self, applied: Lsn) -> Result<(), WriteError> {
        self.commit_ahead(applied);
        self.logged(applied);
        if self.is_full() { self.settle() } else { Ok(()) }
    }

    /// As [`PartitionTables::commit`], of records that the log may still lose: nothing of them is written to the database
    /// until [`PartitionTables::logged`] says that it has them.
    pub fn commit_ahead(&mut self, applied: Lsn) {
        assert!(applied >= self.applied, "the applied LSN never goes back");
        for (key, row) in std::mem::take(&mut self.overlay) {
            if is_resident(&key) {
                match row.clone() {
                    Some(row) => drop(self.resident.insert(key.clone(), row)),
                    None => drop(self.resident.remove(&key)),
                }
            }
            self.young.commit(key, row);
        }
        self.applied = applied;
    }

    /// The log has everything up to `upto` durably.
    pub fn logged(&mut self, upto: Lsn) {
        self.logged = self.logged.max(upto);
    }

    /// Whether it is time to settle.
    pub fn is_full(&self) -> bool {
        self.young.is_full(self.young_rows_max)
    }

    /// Forgets what is committed and not settled, since the log has lost some of it: from [`PartitionTables::applied`] on
    /// it is to be read again.
    pub fn forget_unsettled(&mut self) -> Result<(), OpenError> {
        self.overlay.clear();
        self.young = Young::default();
        self.resident = read_resident(&self.database.db, &self.database.path)?;
        self.applied = self.database.settled();
        Ok(())
    }

    /// Writes what is committed to the database: where all may read it, and where a flush finds it.
    ///
    /// # Panics
    /// When the log may still lose some of it.
    pub fn settle(&mut self) -> Result<(), WriteError> {
        assert!(self.applied <= self.logged, "what the log may lose is not written");
        if self.database.settled() == self.applied {
            return Ok(());
        }
        (self.fault)("storage.before-settle");
        let mut batch = WriteBatch::default();
        let mut value = Writer::default();
        for (key, row) in self.young.rows() {
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
        batch.put(key::APPLIED, encode_applied(self.applied));
        let written = self.database.db.write_opt(batch, &self.write_options);
        written.map_err(|source| WriteError::Commit {
            path: self.database.path.clone(),
            applied: self.applied,
            source: source.into(),
        })?;
        (self.fault)("storage.after-settle");
        self.database.settled.store(self.applied.0, Ordering::Release);
        self.young.settled();
        Ok(())
    }

    /// Drops the rows of this batch.
    pub fn rollback(&mut self) {
        self.overlay.clear();
    }

    /// The committed rows as they are now, of those keys that `of` is true for. Holding it keeps their old versions on
    /// disk.
    pub fn snapshot(&self, of: impl Fn(&Key) -> bool) -> Snapshot {
        let young = self.young.rows().filter(|(key, _)| of(key));
        let young = young.map(|(key, row)| (key.clone(), row.clone())).collect();
        Snapshot::new(&self.database.db, young, self.applied)
    }

    /// As [`Flusher::flush`], with everything that is committed.
    pub fn flush(&mut self) -> Result<Lsn, WriteError> {
        self.flusher()?.flush()
    }

    /// For a thread that flushes while this one goes on. What is committed by now is settled.
    pub fn flusher(&mut self) -> Result<Flusher, WriteError> {
        self.settle()?;
        Ok(Flusher { database: self.database.clone() })
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
    /// Writes everything that is settled to files and syncs them. Answers the durable LSN: that of the last record
    /// whose rows were settled when the call began. Blocks for as long as the disk takes.
    pub fn flush(&self) -> Result<Lsn, WriteError> {
        self.database.flush()
    }

    /// LSN up to which the rows survive the end of the process.
    pub fn durable(&self) -> Lsn {
        self.database.durable()
    }
}

impl Database {
    fn settled(&self) -> Lsn {
        Lsn(self.settled.load(Ordering::Acquire))
    }

    fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    fn flush(&self) -> Result<Lsn, WriteError> {
        // Read before the flush: a batch that is settled meanwhile may or may not be in it.
        let settled = self.settled();
        self.db
            .flush()
            .map_err(|source| WriteError::Flush { path: self.path.clone(), source: source.into() })?;
        self.durable.fetch_max(settled.0, Ordering::AcqRel);
        Ok(settled)
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
        if let Some(row) = self.young.get(key) {
            return Ok(row.clone());
        }
        if self.young.is_absent(key) {
            return Ok(None);
        }
        let row = get_row(&*self.database.db, key)?;
        if row.is_none() {
            self.young.learn_absent(key);
        }
        Ok(row)
    }

    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError> {
        let overlay = range(&self.overlay, prefix, after);
        let upper = merge::upper(overlay, self.young.range(prefix, after));
        if self.young.is_empty_below(prefix) {
            let rows = upper.filter_map(|(key, row)| Some((key.clone(), row.clone()?)));
            return Ok(rows.take(limit).collect());
        }
        let mut lower = rows(&*self.database.db, prefix, after).peekable();
        if after.is_none() && lower.peek().is_none() {
            self.young.learn_empty(prefix);
        }
        merge::scan(upper, lower, limit)
    }
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
        let mut keys = Vec::new();
        if !self.young.is_empty_below(prefix) {
            keys = read::keys(&*self.database.db, prefix)?;
            if keys.is_empty() {
                self.young.learn_empty(prefix);
            }
        }
        keys.extend(self.young.range(prefix, None).map(|(key, _)| key.clone()));
        keys.extend(range(&self.overlay, prefix, None).map(|(key, _)| key.clone()));
        for key in keys {
            self.delete(key);
        }
        Ok(())
    }
}

fn is_resident(key: &Key) -> bool {
    matches!(key, Key::Meta | Key::Registry | Key::Service(_) | Key::Deployment(_) | Key::Removal(_))
}

fn read_resident(db: &DB, path: &Path) -> Result<BTreeMap<Key, Row>, OpenError> {
    let mut resident = BTreeMap::new();
    let mut read = || {
        for key in [Key::Meta, Key::Registry] {
            if let Some(row) = get_row(db, &key)? {
                resident.insert(key, row);
            }
        }
        for prefix in [Prefix::Service, Prefix::Deployment, Prefix::Removal] {
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
