//! What the raft library asks of a group's log: `raft::Storage` over the entries that are stored but not yet applied
//! (in memory) and the older ones (in RocksDB). It holds no file and writes nothing; [`super::driver`] does.

use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, StorageError};

use super::format::TrimRow;
use super::open::GroupStart;
use super::store::StoredEntries;
use crate::position::{Epoch, GroupId, Lsn, NodeId};

pub(super) struct Replica {
    group: GroupId,
    voters: Vec<NodeId>,
    older: StoredEntries,
    hard_state: HardState,
    trim: TrimRow,
    /// The last stored entry.
    last: Lsn,
    last_epoch: Epoch,
    /// The stored entries that are not applied yet, the last one at `last`.
    unapplied: VecDeque<Entry>,
}

impl Replica {
    pub(super) fn new(
        group: GroupId,
        voters: Vec<NodeId>,
        older: StoredEntries,
        start: GroupStart,
    ) -> Replica {
        Replica {
            group,
            voters,
            older,
            hard_state: start.hard_state,
            trim: start.trim,
            last: start.last,
            last_epoch: start.last_epoch,
            unapplied: VecDeque::new(),
        }
    }

    pub(super) fn last(&self) -> Lsn {
        self.last
    }

    pub(super) fn trim(&self) -> TrimRow {
        self.trim
    }

    /// Whether this node alone decides.
    pub(super) fn has_one_voter(&self) -> bool {
        self.voters.len() == 1
    }

    pub(super) fn set_hard_state(&mut self, state: HardState) {
        self.hard_state = state;
    }

    pub(super) fn hard_state(&self) -> &HardState {
        &self.hard_state
    }

    /// Takes in entries that are about to be stored. Entries from the first one's index on are replaced.
    pub(super) fn append(&mut self, entries: Vec<Entry>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        assert!(first.index <= self.last.0 + 1, "entries follow the log without a gap");
        while self.unapplied.back().is_some_and(|entry| first.index <= entry.index) {
            self.unapplied.pop_back();
        }
        (self.last, self.last_epoch) = (Lsn(last.index), Epoch(last.term));
        self.unapplied.extend(entries);
    }

    /// Forgets entries that readers have been given.
    pub(super) fn applied(&mut self, upto: Lsn) {
        while self.unapplied.front().is_some_and(|entry| entry.index <= upto.0) {
            self.unapplied.pop_front();
        }
    }

    pub(super) fn trimmed(&mut self, row: TrimRow) {
        self.trim = row;
    }

    /// The position of the first unapplied entry.
    fn unapplied_first(&self) -> u64 {
        self.unapplied.front().map_or(self.last.0 + 1, |entry| entry.index)
    }

    fn unapplied_at(&self, index: u64) -> Option<&Entry> {
        let skip = usize::try_from(index.checked_sub(self.unapplied_first())?).ok()?;
        self.unapplied.get(skip)
    }

    fn read_older(&self, low: u64, high: u64, bytes_max: u64) -> raft::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut bytes = 0u64;
        let taken = self.older.scan(self.group, Lsn(low), Lsn(high), |entry| {
            let size =
                u64::try_from(entry.payload.map_or(0, <[u8]>::len)).expect("a payload in memory fits u64");
            bytes = bytes.saturating_add(size);
            let fits = entries.is_empty() || bytes <= bytes_max;
            if fits {
                entries.push(entry.to_raft());
            }
            fits
        });
        taken.map_err(|error| raft::Error::Store(StorageError::Other(Box::new(error))))?;
        Ok(entries)
    }
}

impl raft::Storage for Replica {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let voters: Vec<u64> = self.voters.iter().map(|voter| voter.0).collect();
        let conf_state = ConfState { voters, ..ConfState::default() };
        Ok(RaftState::new(self.hard_state.clone(), conf_state))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        assert!(high <= self.last.0 + 1, "raft asks for entries that it was told are stored");
        if low <= self.trim.lsn.0 {
            return Err(raft::Error::Store(StorageError::Compacted));
        }
        let bytes_max = max_size.into();
        let memory_first = self.unapplied_first().min(high);
        let mut entries = Vec::new();
        if low < memory_first {
            entries = self.read_older(low, memory_first, bytes_max.unwrap_or(u64::MAX))?;
        }
        let next = low + u64::try_from(entries.len()).expect("a count of entries in memory fits u64");
        if memory_first <= next && next < high {
            let range =
                |index: u64| usize::try_from(index - self.unapplied_first()).expect("entries are in memory");
            entries.extend(self.unapplied.range(range(next)..range(high)).cloned());
        }
        raft::util::limit_size(&mut entries, bytes_max);
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.last.0 {
            return Ok(self.last_epoch.0);
        }
        if index == self.trim.lsn.0 {
            return Ok(self.trim.epoch.0);
        }
        if let Some(entry) = self.unapplied_at(index) {
            return Ok(entry.term);
        }
        if index < self.trim.lsn.0 {
            return Err(raft::Error::Store(StorageError::Compacted));
        }
        match self.older.entry(self.group, Lsn(index)) {
            Ok(Some(entry)) => Ok(entry.term),
            Ok(None) => Err(raft::Error::Store(StorageError::Unavailable)),
            Err(error) => Err(raft::Error::Store(StorageError::Other(Box::new(error)))),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.trim.lsn.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last.0)
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        // A snapshot is a checkpoint of tables, which the log knows nothing of. A sole voter never needs one.
        Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
