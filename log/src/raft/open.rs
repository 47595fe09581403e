//! Opening a node's log: is it whole? Nothing in the data files is changed before that is answered.
//!
//! 1. Take the folder's lock.
//! 2. Read the high-water file. None and no database: a new log. None and a database: damaged.
//! 3. Open the database read-only and check, per group, every entry above the trim point: its checksum, that LSNs have
//!    no gap, that epochs never fall and do not exceed the stored term; and that the log reaches the high-water mark.
//! 4. Open it for writing.
//!
//! Cost: the WAL (at most 128 MiB, usually below 32) is replayed twice, and the untrimmed log is read once, by up to
//! four threads: about a million entries or a gigabyte a second and core from the page cache.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;

use raft::eraftpb::HardState;
use rocksdb::{DB, ErrorKind};

use super::disk::SharedDisk;
use super::error::OpenError;
use super::format::{self, FormatError, NodeRow, TrimRow};
use super::high_water::{self, HighWater, HighWaterError, Mark};
use super::keys;
use super::store::{self, Rows, Store};
use crate::fault::Faults;
use crate::position::{Epoch, GroupId, Lsn, NodeId};

/// More threads than that only wait for the disk.
const CHECK_THREADS_MAX: usize = 4;

/// A node's log on disk, whole and open.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) high_water: HighWater,
    /// By group id.
    pub(super) starts: Vec<GroupStart>,
    /// Held as long as the log is open; a disk that is not the file system's has none.
    pub(super) lock: Option<File>,
}

/// Where a group's log stands when it is opened.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupStart {
    pub(super) trim: TrimRow,
    pub(super) last: Lsn,
    pub(super) last_epoch: Epoch,
    pub(super) hard_state: HardState,
}

/// The folder of the database inside the log's folder.
fn database_folder(folder: &Path) -> PathBuf {
    folder.join("rocksdb")
}

pub(super) fn open(folder: &Path, node: NodeId, groups: u16) -> Result<Opened, OpenError> {
    fs::create_dir_all(folder).map_err(OpenError::io("create", folder))?;
    let lock = lock(folder)?;
    let database = database_folder(folder);
    let exists = database.join("CURRENT").exists();
    let high_water = match HighWater::open(folder) {
        Ok(high_water) => high_water,
        Err(HighWaterError::Missing) if !exists => create_high_water(folder, groups)?,
        Err(HighWaterError::Io(error)) => {
            return Err(OpenError::io("read", &high_water::path(folder))(error));
        }
        // Without it no LSN of the log can be vouched for, not even the first.
        Err(error) => return Err(damaged(high_water::path(folder), GroupId(0), Lsn::FIRST, &error)),
    };
    if high_water.groups() != groups {
        return Err(OpenError::OtherGroupCount { stored: high_water.groups(), asked: groups });
    }
    let mut check =
        Check { database: &database, high_water: &high_water, wal: store::newest_wal(&database), groups };
    let starts = match (exists, high_water.is_zero()) {
        (false, true) => None,
        (false, false) => return Err(check.database_damaged("there is no database")),
        (true, _) => {
            let db = DB::open_for_read_only(&store::options(false), &database, false);
            let db = db.map_err(|error| check.open_error(error))?;
            check.run(Rows::Rocks(&db), node)?
        }
    };
    let db = DB::open(&store::options(!exists), &database).map_err(|error| check.open_error(error))?;
    check.wal = None;
    begin(Store::new(db, &database), high_water, starts, Some(lock), NodeRow { node, groups }, &database)
}

/// The same over a disk that is not the file system's: the same checks, without lock and threads.
pub(super) fn open_on(disk: SharedDisk, node: NodeId, groups: u16) -> Result<Opened, OpenError> {
    let name = Path::new("disk");
    let io = |source| OpenError::Io { action: "read", path: name.to_owned(), source };
    let exists = disk.first(&[], &[0xff]).map_err(io)?.is_some();
    let high_water = match HighWater::open_on(SharedDisk::clone(&disk)) {
        Ok(high_water) => high_water,
        Err(HighWaterError::Missing) if !exists => {
            HighWater::create_on(SharedDisk::clone(&disk), groups).map_err(io)?
        }
        Err(HighWaterError::Io(error)) => return Err(io(error)),
        Err(error) => return Err(damaged(high_water::path(name), GroupId(0), Lsn::FIRST, &error)),
    };
    if high_water.groups() != groups {
        return Err(OpenError::OtherGroupCount { stored: high_water.groups(), asked: groups });
    }
    let check = Check { database: name, high_water: &high_water, wal: None, groups };
    let starts = match (exists, high_water.is_zero()) {
        (false, true) => None,
        (false, false) => return Err(check.database_damaged("there is no database")),
        (true, _) => check.run(Rows::Disk(&*disk), node)?,
    };
    begin(Store::on_disk(disk, name), high_water, starts, None, NodeRow { node, groups }, name)
}

/// Writes the first row of a new log.
fn begin(
    mut store: Store,
    high_water: HighWater,
    starts: Option<Vec<GroupStart>>,
    lock: Option<File>,
    row: NodeRow,
    database: &Path,
) -> Result<Opened, OpenError> {
    if starts.is_none() {
        store.stage_node(row);
        store
            .write(&Faults::none())
            .map_err(|source| OpenError::Database { folder: database.to_owned(), source })?;
    }
    let starts = starts.unwrap_or_else(|| vec![GroupStart::default(); usize::from(row.groups)]);
    Ok(Opened { store, high_water, starts, lock })
}

/// The first file of a new log. Before it is there, a later power cut must not take the whole folder away unnoticed.
fn create_high_water(folder: &Path, groups: u16) -> Result<HighWater, OpenError> {
    let parent = folder.canonicalize().ok().and_then(|folder| folder.parent().map(Path::to_owned));
    if let Some(parent) = parent {
        File::open(&parent).and_then(|parent| parent.sync_all()).map_err(OpenError::io("sync", &parent))?;
    }
    HighWater::create(folder, groups).map_err(OpenError::io("create", &high_water::path(folder)))
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(OpenError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::io("lock", &path)(error)),
    }
}

/// What the check of a database knows beside its content.
struct Check<'a> {
    database: &'a Path,
    high_water: &'a HighWater,
    /// The newest WAL file before the database was opened: where the end of a log is, and where it is missing.
    wal: Option<PathBuf>,
    groups: u16,
}

impl Check<'_> {
    /// Where the groups stand; `None` when the database was created and nothing was written to it.
    fn run(&self, rows: Rows<'_>, node: NodeId) -> Result<Option<Vec<GroupStart>>, OpenError> {
        let Some(row) = self.row(rows, &keys::NODE, format::decode_node, GroupId(0))? else {
            return match self.high_water.is_zero() {
                true => Ok(None),
                false => Err(self.database_damaged("the node row is missing")),
            };
        };
        if row.node != node {
            return Err(OpenError::OtherNode { stored: row.node, asked: node });
        }
        if row.groups != self.groups {
            return Err(self
                .database_damaged("the node row and the high-water mark name different numbers of groups"));
        }
        let groups: Vec<GroupId> = (0..self.groups).map(GroupId).collect();
        let db = match rows {
            Rows::Rocks(db) => db,
            Rows::Disk(_) => {
                return groups
                    .iter()
                    .map(|group| self.group(rows, *group))
                    .collect::<Result<_, _>>()
                    .map(Some);
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(CHECK_THREADS_MAX);
        let share = groups.len().div_ceil(threads).max(1);
        let results: Vec<Result<GroupStart, OpenError>> = thread::scope(|scope| {
            let check_all = |share: &[GroupId]| {
                share.iter().map(|group| self.group(Rows::Rocks(db), *group)).collect::<Vec<_>>()
            };
            let workers: Vec<_> =
                groups.chunks(share).map(|share| scope.spawn(move || check_all(share))).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, Vec<_>>| {
                worker.join().expect("the check does not panic")
            };
            workers.into_iter().flat_map(join).collect()
        });
        results.into_iter().collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn group(&self, rows: Rows<'_>, group: GroupId) -> Result<GroupStart, OpenError> {
        let hard_state = self.row(rows, &keys::hard_state(group), format::decode_hard_state, group)?;
        let trim = self.row(rows, &keys::trim(group), format::decode_trim, group)?.unwrap_or_default();
        let mark = self.high_water.mark(group);
        let hard_state = hard_state.unwrap_or_default();
        let mut start = GroupStart { trim, last: trim.lsn, last_epoch: trim.epoch, hard_state };
        let mut damage = None;
        let first = keys::entry(group, trim.lsn.next());
        let read = rows.each(&first, keys::entries_end(group), |key, value| {
            damage = self.check_entry(group, &mut start, key, value).err();
            damage.is_none()
        });
        read.map_err(|error| self.entry_damaged(group, start.last.next(), &error))?;
        match damage {
            Some(damage) => return Err(damage),
            None => self.reaches(group, &start, mark)?,
        }
        Ok(start)
    }

    /// Whether the row is the entry that follows `start`, which then moves on.
    fn check_entry(
        &self,
        group: GroupId,
        start: &mut GroupStart,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), OpenError> {
        let expected = start.last.next();
        if keys::entry_lsn(key) != Some(expected) {
            return Err(self.missing(group, expected, "the entry is missing"));
        }
        let entry = format::decode_entry(expected, value)
            .map_err(|error| self.entry_damaged(group, expected, &error))?;
        if entry.epoch < start.last_epoch {
            let reason = "the epoch is lower than that of the entry before";
            return Err(self.entry_damaged(group, expected, &reason));
        }
        start.last = expected;
        start.last_epoch = entry.epoch;
        Ok(())
    }

    /// Whether the log is as long as it must be.
    fn reaches(&self, group: GroupId, start: &GroupStart, mark: Mark) -> Result<(), OpenError> {
        if start.last < mark.lsn {
            let reason = format!("the log ends before the high-water mark {}", mark.lsn);
            return Err(self.missing(group, start.last.next(), &reason));
        }
        if start.last.0 < start.hard_state.commit {
            let reason = format!("the log ends before its commit position {}", start.hard_state.commit);
            return Err(self.missing(group, start.last.next(), &reason));
        }
        let epoch = start.last_epoch.max(mark.epoch);
        if start.hard_state.term < epoch.0 {
            return Err(self.missing(
                group,
                start.last,
                &format!("the stored term is lower than epoch {epoch}"),
            ));
        }
        Ok(())
    }

    /// The row under `key`, if there is one.
    fn row<T>(
        &self,
        rows: Rows<'_>,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, FormatError>,
        group: GroupId,
    ) -> Result<Option<T>, OpenError> {
        let lsn = self.high_water.mark(group).lsn;
        let row = rows.get(key, decode).map_err(|error| self.entry_damaged(group, lsn, &error))?.transpose();
        row.map_err(|error| self.entry_damaged(group, lsn, &error))
    }

    /// An entry that should be there is not: the file that lost it is gone from the text, but the WAL is where the end
    /// of a log lives.
    fn missing(&self, group: GroupId, lsn: Lsn, reason: &str) -> OpenError {
        let file = self.wal.clone().unwrap_or_else(|| self.database.to_owned());
        damaged(file, group, lsn, &reason)
    }

    fn entry_damaged(&self, group: GroupId, lsn: Lsn, reason: &dyn std::fmt::Display) -> OpenError {
        damaged(store::named_file(&reason.to_string(), self.database), group, lsn, reason)
    }

    /// The database as a whole is damaged: names the group that has most to lose.
    fn database_damaged(&self, reason: &str) -> OpenError {
        let groups = (0..self.groups).map(GroupId);
        let group = groups.max_by_key(|group| self.high_water.mark(*group).lsn).unwrap_or(GroupId(0));
        let lsn = self.high_water.mark(group).lsn.max(Lsn::FIRST);
        damaged(store::named_file(reason, self.database), group, lsn, &reason)
    }

    fn open_error(&self, error: rocksdb::Error) -> OpenError {
        let text = error.to_string();
        let file_is_gone = text.contains("No such file") || text.contains("does not exist");
        match error.kind() {
            ErrorKind::Corruption => self.database_damaged(&text),
            ErrorKind::IOError | ErrorKind::InvalidArgument | ErrorKind::NotFound if file_is_gone => {
                self.database_damaged(&text)
            }
            _ => OpenError::Database { folder: self.database.to_owned(), source: error.into() },
        }
    }
}

fn damaged(file: PathBuf, group: GroupId, lsn: Lsn, reason: &dyn std::fmt::Display) -> OpenError {
    OpenError::Damaged { file, group, lsn, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

    use bytes::Bytes;
    use raft::eraftpb::Entry;

    use super::super::format::RECORD_CONTEXT;
    use super::super::replica::Replica;
    use super::*;

    const GROUP: GroupId = GroupId(0);

    fn entry(index: u64, term: u64) -> Entry {
        let data = Bytes::from(format!("{index} in {term}"));
        Entry { index, term, data, context: Bytes::from_static(RECORD_CONTEXT), ..Entry::default() }
    }

    /// A log with entries 1 to 5 of epoch 1, and what `change` makes of it; returns what the next open says.
    fn reopened(change: impl FnOnce(&mut Opened)) -> Result<GroupStart, OpenError> {
        let folder = tempfile::tempdir().unwrap();
        let mut opened = open(folder.path(), NodeId(1), 1).unwrap();
        let entries: Vec<Entry> = (1..=5).map(|index| entry(index, 1)).collect();
        opened.store.stage_entries(GROUP, &entries);
        let hard_state = HardState { term: 2, vote: 1, commit: 3, ..HardState::default() };
        opened.store.stage_hard_state(GROUP, &hard_state);
        change(&mut opened);
        opened.store.write(&Faults::none()).unwrap();
        opened.high_water.write().unwrap();
        drop(opened);
        open(folder.path(), NodeId(1), 1).map(|mut opened| opened.starts.remove(0))
    }

    #[track_caller]
    fn damaged_at(lsn: u64, reason: &str, result: Result<GroupStart, OpenError>) {
        match result {
            Err(OpenError::Damaged { lsn: found, reason: text, .. }) => {
                assert_eq!((found, text.as_str()), (Lsn(lsn), reason));
            }
            other => panic!("{other:?}"),
        }
    }

    fn mark(opened: &mut Opened, lsn: u64, epoch: u64) {
        opened.high_water.set(GROUP, Mark { lsn: Lsn(lsn), epoch: Epoch(epoch) });
    }

    #[test]
    fn a_whole_log_starts_at_its_end() {
        let start = reopened(|opened| mark(opened, 5, 2)).unwrap();
        assert_eq!((start.last, start.last_epoch, start.hard_state.commit), (Lsn(5), Epoch(1), 3));
    }

    #[test]
    fn a_hole_is_damage_wherever_the_mark_is() {
        for lsn in [0, 5] {
            let result = reopened(|opened| {
                mark(opened, lsn, 1);
                opened.store.stage_removal(GROUP, Lsn(2), Lsn(3));
            });
            damaged_at(2, "the entry is missing", result);
        }
    }

    #[test]
    fn a_log_that_ends_too_early_is_damaged() {
        let ends_at = |last: u64, marked: u64| {
            reopened(|opened| {
                mark(opened, marked, 1);
                opened.store.stage_removal(GROUP, Lsn(last + 1), Lsn(5));
            })
        };
        damaged_at(5, "the log ends before the high-water mark 5", ends_at(4, 5));
        damaged_at(3, "the log ends before its commit position 3", ends_at(2, 0));
        assert_eq!(ends_at(4, 4).unwrap().last, Lsn(4));
    }

    #[test]
    fn epochs_neither_fall_nor_exceed_the_stored_term() {
        let replaced = |index: u64, epoch: u64| {
            reopened(|opened| {
                opened.store.stage_entries(GROUP, &[entry(index, epoch)]);
            })
        };
        damaged_at(4, "the epoch is lower than that of the entry before", replaced(3, 2));
        damaged_at(5, "the stored term is lower than epoch 3", replaced(5, 3));
        damaged_at(5, "the stored term is lower than epoch 4", reopened(|opened| mark(opened, 5, 4)));
    }

    #[test]
    fn entries_of_a_new_leader_replace_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut opened = open(folder.path(), NodeId(1), 1).unwrap();
        let entries = opened.store.entries().clone();
        let mut replica = Replica::new(GROUP, vec![NodeId(1)], entries, GroupStart::default());
        let mut append = |replica: &mut Replica, entries: Vec<Entry>| {
            if entries[0].index <= replica.last().0 {
                opened.store.stage_removal(GROUP, Lsn(entries[0].index), replica.last());
            }
            opened.store.stage_entries(GROUP, &entries);
            opened.store.write(&Faults::none()).unwrap();
            replica.append(entries);
        };
        append(&mut replica, (1..=5).map(|index| entry(index, 1)).collect());
        append(&mut replica, (3..=4).map(|index| entry(index, 2)).collect());
        let terms = |replica: &Replica| {
            let context = raft::GetEntriesContext::empty(false);
            let entries = raft::Storage::entries(replica, 1, 5, None, context).unwrap();
            entries.iter().map(|entry| entry.term).collect::<Vec<_>>()
        };
        assert_eq!(terms(&replica), [1, 1, 2, 2]);
        // Half from RocksDB, then all of it.
        for applied in [3, 4] {
            replica.applied(Lsn(applied));
            assert_eq!(terms(&replica), [1, 1, 2, 2]);
            let term = |index| raft::Storage::term(&replica, index).unwrap();
            assert_eq!([term(1), term(2), term(3), term(4)], [1, 1, 2, 2]);
        }
        assert!(opened.store.entries().entry(GROUP, Lsn(5)).unwrap().is_none());
    }
}
