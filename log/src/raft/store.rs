//! The RocksDB database that holds the logs of all groups of a node: its options, writing a pass, reading entries.
//! Opening and checking it is in [`super::open`].
//!
//! Cost. A payload byte is copied into the encoded value and into the write batch, then written to the WAL (the write
//! that an append waits for), kept in a memtable, and written a second time when the memtable is flushed. Level-0 files
//! span all groups, so a compaction into level 1 reads and writes what level 1 holds of the untrimmed log: with a
//! trigger of [`L0_COMPACTION_TRIGGER`] files that is at most one more write of each byte while the untrimmed log is
//! below 256 MiB, and about `log / 256 MiB` beyond. Bytes on disk per payload byte: 2 when the log is trimmed within
//! 256 MiB, 3 to 4 as it grows. Nothing is compressed: the WAL, which an append waits for, would not shrink, and
//! payloads are short-lived. The WAL is at most [`MEMTABLE_BYTES`] times [`MEMTABLES_MAX`] long; RocksDB drops a WAL
//! file when its memtable is flushed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use raft::eraftpb::{Entry, HardState};
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, ReadOptions, WriteBatch, WriteOptions,
};

use super::disk::{Change, Disk, SharedDisk};
use super::format::{self, NodeRow, StoredEntry, TrimRow};
use super::keys;
use crate::api::ReadError;
use crate::fault::{Faults, Point};
use crate::position::{GroupId, Lsn, Record};
use crate::reader::{Older, ReadLimit};

/// Big enough that a flush is one long write and level 0 stays short; small enough that replaying the WAL at start
/// takes some tenths of a second.
const MEMTABLE_BYTES: usize = 32 << 20;
/// How many memtables may wait for a flush before writes stall.
const MEMTABLES_MAX: i32 = 4;
/// 8 files of 32 MiB: 256 MiB between compactions.
const L0_COMPACTION_TRIGGER: i32 = 8;
/// Level 0 may grow to 1 and 2 GiB before RocksDB slows or stops writes: readers come from memory, not from here.
const L0_SLOWDOWN: i32 = 32;
const L0_STOP: i32 = 64;
/// Readers stay in memory, so blocks are read once, in order.
const BLOCK_CACHE_BYTES: usize = 4 << 20;
const READ_AHEAD_BYTES: usize = 1 << 20;

/// The writing half. One batch is built at a time.
pub(super) struct Store {
    entries: StoredEntries,
    batch: Batch,
    sync: WriteOptions,
    /// The value being encoded; kept for its capacity.
    value: Vec<u8>,
}

/// The reading half.
#[derive(Clone)]
pub(super) struct StoredEntries {
    backend: Backend,
    folder: Arc<Path>,
}

/// Where rows are.
#[derive(Clone)]
enum Backend {
    Rocks(Arc<DB>),
    Disk(SharedDisk),
}

/// What one pass writes, in the form that its backend takes.
enum Batch {
    Rocks(WriteBatch),
    Disk(Vec<Change>),
}

/// Rows for reading, whichever backend has them.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    Rocks(&'a DB),
    Disk(&'a dyn Disk),
}

/// The older records of one group, for its readers. It does not keep the database open: a reader may outlive the log.
pub(super) struct OlderRecords {
    group: GroupId,
    backend: WeakBackend,
    folder: Arc<Path>,
}

enum WeakBackend {
    Rocks(Weak<DB>),
    Disk(Weak<dyn Disk>),
}

/// The options of the database. Every knob that durability or recovery depends on is set here.
pub(super) fn options(create: bool) -> rocksdb::Options {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(create);
    // The default mode drops everything after the first damaged record and opens. This one refuses damage and accepts
    // an incomplete end, which the high-water mark then judges.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_write_buffer_number(MEMTABLES_MAX);
    // One thread writes, so memtables need not be safe for more.
    options.set_allow_concurrent_memtable_write(false);
    options.set_level_zero_file_num_compaction_trigger(L0_COMPACTION_TRIGGER);
    options.set_level_zero_slowdown_writes_trigger(L0_SLOWDOWN);
    options.set_level_zero_stop_writes_trigger(L0_STOP);
    options.set_target_file_size_base(64 << 20);
    options.set_max_bytes_for_level_base(256 << 20);
    // Background writes go to the disk in small portions, so that a sync of the WAL does not queue behind 32 MiB.
    options.set_bytes_per_sync(1 << 20);
    // One flush and one compaction at a time.
    options.set_max_background_jobs(2);
    // A damaged table file is then found when the database is opened.
    options.set_max_open_files(-1);
    // RocksDB's own diary, which nobody reads until something is wrong.
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    table.set_block_size(32 << 10);
    options.set_block_based_table_factory(&table);
    options
}

impl Store {
    pub(super) fn new(db: DB, folder: &Path) -> Store {
        let mut sync = WriteOptions::default();
        sync.set_sync(true);
        let entries = StoredEntries { backend: Backend::Rocks(Arc::new(db)), folder: folder.into() };
        Store { entries, batch: Batch::Rocks(WriteBatch::default()), sync, value: Vec::new() }
    }

    /// A store over a disk that is not RocksDB; `folder` names it in errors.
    pub(super) fn on_disk(disk: SharedDisk, folder: &Path) -> Store {
        let entries = StoredEntries { backend: Backend::Disk(disk), folder: folder.into() };
        let sync = WriteOptions::default();
        Store { entries, batch: Batch::Disk(Vec::new()), sync, value: Vec::new() }
    }

    pub(super) fn entries(&self) -> &StoredEntries {
        &self.entries
    }

    pub(super) fn stage_node(&mut self, row: NodeRow) {
        format::encode_node(row, &mut self.value);
        self.batch.put(&keys::NODE, &self.value);
    }

    /// Stages consecutive entries; returns their payload bytes.
    pub(super) fn stage_entries(&mut self, group: GroupId, entries: &[Entry]) -> usize {
        let mut bytes = 0;
        for entry in entries {
            format::encode_entry(entry, &mut self.value);
            self.batch.put(&keys::entry(group, Lsn(entry.index)), &self.value);
            bytes += entry.data.len();
        }
        // One huge record must not pin its size for ever.
        if MEMTABLE_BYTES < self.value.capacity() {
            self.value = Vec::new();
        }
        bytes
    }

    /// Stages the removal of entries that a new leader replaced: `from` up to and including `last`.
    pub(super) fn stage_removal(&mut self, group: GroupId, from: Lsn, last: Lsn) {
        self.batch.delete_range(&keys::entry(group, from), &keys::entry(group, last.next()));
    }

    pub(super) fn stage_hard_state(&mut self, group: GroupId, state: &HardState) {
        format::encode_hard_state(state, &mut self.value);
        self.batch.put(&keys::hard_state(group), &self.value);
    }

    /// Stages a trim after `before` up to and including `row.lsn`.
    pub(super) fn stage_trim(&mut self, group: GroupId, before: Lsn, row: TrimRow) {
        format::encode_trim(row, &mut self.value);
        self.batch.put(&keys::trim(group), &self.value);
        self.batch.delete_range(&keys::entry(group, before.next()), &keys::entry(group, row.lsn.next()));
    }

    pub(super) fn is_staged(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Writes what is staged and returns when the disk has it.
    pub(super) fn write(&mut self, faults: &Faults) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        faults.at(Point::BeforeWrite)?;
        let added = match (&mut self.batch, &self.entries.backend) {
            (Batch::Rocks(batch), Backend::Rocks(db)) => {
                let added = batch.size_in_bytes();
                let next = WriteBatch::with_capacity_bytes(added.min(MEMTABLE_BYTES));
                db.write_opt(std::mem::replace(batch, next), &self.sync)?;
                added
            }
            (Batch::Disk(batch), Backend::Disk(disk)) => {
                disk.write(std::mem::take(batch))?;
                0
            }
            (Batch::Rocks(_) | Batch::Disk(_), _) => unreachable!("a batch is made for its backend"),
        };
        if faults.at(Point::AfterWrite)? {
            self.tear(added)?;
            Faults::kill();
        }
        Ok(())
    }

    /// Cuts half of the last write off the newest WAL file.
    fn tear(&self, added: usize) -> std::io::Result<()> {
        let file = newest_wal(&self.entries.folder).ok_or(std::io::ErrorKind::NotFound)?;
        let file = std::fs::File::options().write(true).open(file)?;
        let half = u64::try_from(added / 2).expect("half a batch fits u64");
        file.set_len(file.metadata()?.len().saturating_sub(half))
    }
}

impl Batch {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        match self {
            Self::Rocks(batch) => batch.put(key, value),
            Self::Disk(batch) => batch.push(Change::Put { key: key.to_vec(), value: value.to_vec() }),
        }
    }

    fn delete_range(&mut self, from: &[u8], end: &[u8]) {
        match self {
            Self::Rocks(batch) => batch.delete_range(from, end),
            Self::Disk(batch) => batch.push(Change::DeleteRange { from: from.to_vec(), end: end.to_vec() }),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Rocks(batch) => batch.is_empty(),
            Self::Disk(batch) => batch.is_empty(),
        }
    }
}

impl Rows<'_> {
    /// Calls `visit` with the value under `key`, if there is one.
    pub(super) fn get<T>(
        self,
        key: &[u8],
        visit: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Box<dyn std::error::Error>> {
        Ok(match self {
            Self::Rocks(db) => db.get_pinned(key)?.map(|value| visit(&value)),
            Self::Disk(disk) => disk.get(key)?.map(|value| visit(&value)),
        })
    }

    /// Calls `visit` with the rows from `from` up to before `end`, in order, until it returns `false`.
    pub(super) fn each(
        self,
        from: &[u8],
        end: Vec<u8>,
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Box<dyn std::error::Error>> {
        match self {
            Self::Rocks(db) => {
                let mut iterator = db.raw_iterator_opt(scan_options(end));
                iterator.seek(from);
                while let Some((key, value)) = iterator.item() {
                    if !visit(key, value) {
                        return Ok(());
                    }
                    iterator.next();
                }
                Ok(iterator.status()?)
            }
            Self::Disk(disk) => {
                let mut from = from.to_vec();
                while let Some((key, value)) = disk.first(&from, &end)? {
                    if !visit(&key, &value) {
                        return Ok(());
                    }
                    from = key;
                    from.push(0);
                }
                Ok(())
            }
        }
    }
}

impl StoredEntries {
    fn rows(&self) -> Rows<'_> {
        match &self.backend {
            Backend::Rocks(db) => Rows::Rocks(db),
            Backend::Disk(disk) => Rows::Disk(&**disk),
        }
    }

    /// The entry at `lsn`, if there is one.
    pub(super) fn entry(&self, group: GroupId, lsn: Lsn) -> Result<Option<Entry>, ReadError> {
        let decode = |value: &[u8]| format::decode_entry(lsn, value).map(StoredEntry::to_raft);
        let found = self.rows().get(&keys::entry(group, lsn), decode);
        let entry = found.map_err(|error| self.damaged(lsn, &error))?.transpose();
        entry.map_err(|error| self.damaged(lsn, &error))
    }

    /// Calls `visit` with the entries from `from` up to before `end`, until it returns `false`; returns the position
    /// after the last one it took. A missing entry is damage.
    pub(super) fn scan(
        &self,
        group: GroupId,
        from: Lsn,
        end: Lsn,
        mut visit: impl FnMut(StoredEntry<'_>) -> bool,
    ) -> Result<Lsn, ReadError> {
        let mut next = from;
        let mut full = false;
        let mut damage = None;
        let read =
            self.rows().each(&keys::entry(group, from), keys::entry(group, end).to_vec(), |key, value| {
                if keys::entry_lsn(key) != Some(next) {
                    return false;
                }
                match format::decode_entry(next, value) {
                    Ok(entry) if visit(entry) => next = next.next(),
                    Ok(_) => full = true,
                    Err(error) => damage = Some(self.damaged(next, &error)),
                }
                !full && damage.is_none()
            });
        read.map_err(|error| self.damaged(next, &error))?;
        match damage {
            Some(damage) => Err(damage),
            None if next < end && !full => Err(self.damaged(next, &"the entry is missing")),
            None => Ok(next),
        }
    }

    /// Gives the space of whole files back that hold nothing but trimmed entries. A matter of some milliseconds and a
    /// write to RocksDB's manifest; what is in level 0 or in shared files goes with the next compaction.
    pub(super) fn reclaim(&self, group: GroupId, upto: Lsn) -> Result<(), rocksdb::Error> {
        match &self.backend {
            Backend::Rocks(db) => {
                db.delete_file_in_range(keys::entry(group, Lsn::ZERO), keys::entry(group, upto.next()))
            }
            Backend::Disk(_) => Ok(()),
        }
    }

    /// A reader's view of one group.
    pub(super) fn older(&self, group: GroupId) -> OlderRecords {
        let backend = match &self.backend {
            Backend::Rocks(db) => WeakBackend::Rocks(Arc::downgrade(db)),
            Backend::Disk(disk) => WeakBackend::Disk(Arc::downgrade(disk)),
        };
        OlderRecords { group, backend, folder: Arc::clone(&self.folder) }
    }

    fn damaged(&self, lsn: Lsn, reason: &dyn std::fmt::Display) -> ReadError {
        let reason = reason.to_string();
        ReadError::Damaged { file: named_file(&reason, &self.folder), lsn, reason }
    }
}

impl Older for OlderRecords {
    fn read(
        &self,
        from: Lsn,
        end: Lsn,
        limit: ReadLimit,
        records: &mut Vec<Record>,
    ) -> Result<Lsn, ReadError> {
        let backend = match &self.backend {
            WeakBackend::Rocks(db) => db.upgrade().map(Backend::Rocks),
            WeakBackend::Disk(disk) => disk.upgrade().map(Backend::Disk),
        };
        let backend = backend.ok_or(ReadError::Shutdown)?;
        let entries = StoredEntries { backend, folder: Arc::clone(&self.folder) };
        let mut budget = limit.budget();
        entries.scan(self.group, from, end, |entry| {
            let Some(payload) = entry.payload else { return true };
            let taken = budget.take(payload.len());
            if taken {
                let payload = Bytes::copy_from_slice(payload);
                records.push(Record { lsn: entry.lsn, epoch: entry.epoch, payload });
            }
            taken
        })
    }
}

/// Options for reading many entries once and in order, up to before `end`.
fn scan_options(end: Vec<u8>) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.fill_cache(false);
    options.set_readahead_size(READ_AHEAD_BYTES);
    options.set_iterate_upper_bound(end);
    options
}

/// The file of the database that an error text of RocksDB names, else its newest WAL file, else its folder.
pub(super) fn named_file(text: &str, folder: &Path) -> PathBuf {
    let is_file =
        |word: &&str| word.ends_with(".sst") || word.ends_with(".log") || word.contains("MANIFEST-");
    let words = text.split(|c: char| c.is_whitespace() || ":,;()'\"`[]".contains(c));
    if let Some(name) =
        words.filter(|word| !word.is_empty()).find(is_file).map(Path::new).and_then(Path::file_name)
    {
        return folder.join(name);
    }
    if text.contains("CURRENT") {
        return folder.join("CURRENT");
    }
    newest_wal(folder).unwrap_or_else(|| folder.to_owned())
}

/// The WAL file that is being written, or was when the process died.
pub(super) fn newest_wal(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|file| Some(file.ok()?.path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max()
}
