//! Rows that are committed and not in the database yet, and what is known of the database below them.
//!
//! The log is the truth and tables are rebuilt from it, so nothing is lost when committed rows stay in memory for a
//! while; the database must only ever hold all rows of some applied LSN and no later one. What is put and deleted
//! again meanwhile (most of a short invocation, a lock, an inbox) never gets there: no encoding, no memtable, no
//! tombstone. Rows that change often are written once.
//!
//! What does not live here: rows of the batch that is being applied, and when to settle (`tables.rs`).

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    hash::Hash,
    ops::Bound,
};

use relight_core::tables::{Key, Prefix, Row};

use crate::format::key;

/// Bytes of rows that are kept back; how many rows is an option of the store.
const YOUNG_BYTES_MAX: usize = 1 << 20;
/// Keys and prefixes that are remembered as not in the database. Forgetting one costs a tombstone or a lookup.
const KNOWN_MAX: usize = 8_192;
/// A row without its payload. Payloads are counted where most of them are: in state, journals and the outbox.
const ROW_BYTES: usize = 128;

/// Committed rows that are not in the database.
#[derive(Default)]
pub(super) struct Young {
    /// `None`: deleted, while the database may have it.
    rows: BTreeMap<Key, Option<Row>>,
    bytes: usize,
    absent: Known<Key>,
    empty: Known<Prefix>,
}

/// What the database is known not to have. True until the next time rows are written to it.
struct Known<T>(RefCell<HashSet<T>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Eq + Hash> Known<T> {
    fn contains(&self, what: &T) -> bool {
        self.0.borrow().contains(what)
    }

    fn learn(&self, what: T) {
        let mut known = self.0.borrow_mut();
        if known.len() == KNOWN_MAX {
            known.clear();
        }
        known.insert(what);
    }
}

impl Young {
    pub fn get(&self, key: &Key) -> Option<&Option<Row>> {
        self.rows.get(key)
    }

    /// Rows of `prefix` after `after`, deleted ones included.
    pub fn range<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Option<Row>)> {
        range(&self.rows, prefix, after)
    }

    /// All rows, in order, deleted ones included.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Option<Row>)> {
        self.rows.iter()
    }

    /// Takes over a row of a batch.
    pub fn commit(&mut self, key: Key, row: Option<Row>) {
        self.bytes += row.as_ref().map_or(0, bytes);
        let replaced = if row.is_none() && self.is_absent(&key) {
            self.rows.remove(&key)
        } else {
            self.rows.insert(key, row)
        };
        self.bytes -= replaced.flatten().as_ref().map_or(0, bytes);
    }

    pub fn is_full(&self, rows_max: usize) -> bool {
        rows_max <= self.rows.len() || YOUNG_BYTES_MAX <= self.bytes
    }

    /// Everything is in the database now, so nothing is known of it any more.
    pub fn settled(&mut self) {
        *self = Self::default();
    }

    /// Whether the database is known not to have `key`.
    pub fn is_absent(&self, key: &Key) -> bool {
        self.absent.contains(key) || prefix_of(key).is_some_and(|prefix| self.empty.contains(&prefix))
    }

    /// The database does not have `key`.
    pub fn learn_absent(&self, key: &Key) {
        self.absent.learn(key.clone());
    }

    /// Whether the database is known to have no row of `prefix`.
    pub fn is_empty_below(&self, prefix: &Prefix) -> bool {
        self.empty.contains(prefix)
    }

    /// The database has no row of `prefix`.
    pub fn learn_empty(&self, prefix: &Prefix) {
        self.empty.learn(prefix.clone());
    }
}

/// Entries of `rows` in `prefix` after `after`.
pub(crate) fn range<'a>(
    rows: &'a BTreeMap<Key, Option<Row>>,
    prefix: &'a Prefix,
    after: Option<&Key>,
) -> impl Iterator<Item = (&'a Key, &'a Option<Row>)> {
    let start = match (after, key::lowest(prefix)) {
        (Some(after), lowest) if *after >= lowest => Bound::Excluded(after.clone()),
        (_, lowest) => Bound::Included(lowest),
    };
    rows.range((start, Bound::Unbounded)).take_while(|(key, _)| prefix.contains(key))
}

/// The narrowest prefix that is scanned and holds the key; `None` for those whose prefix is a whole kind.
fn prefix_of(key: &Key) -> Option<Prefix> {
    match key {
        Key::Journal(id, _) => Some(Prefix::Journal(*id)),
        Key::Open(id, _) => Some(Prefix::Open(*id)),
        Key::Effect(id, _) => Some(Prefix::Effect(Some(*id))),
        Key::Signals(id, _) => Some(Prefix::Signals(*id)),
        Key::State(object, _) => Some(Prefix::State(object.clone())),
        Key::Inbox(object, _) => Some(Prefix::Inbox(object.clone())),
        Key::Promise(object, _) => Some(Prefix::Promise(object.clone())),
        Key::Outbox(destination, _) => Some(Prefix::Outbox(*destination)),
        Key::Revision(service, _) => Some(Prefix::Revision(service.clone())),
        Key::Meta
        | Key::Invocation(_)
        | Key::Running(_)
        | Key::Timer(_)
        | Key::Lock(_)
        | Key::OutboxRange(_)
        | Key::Dedup(_)
        | Key::Request(_)
        | Key::Service(_)
        | Key::Deployment(_)
        | Key::Workflow(_)
        | Key::Registry
        | Key::Removal(_)
        | Key::Pins(_) => None,
    }
}

/// What a row holds in memory, roughly.
fn bytes(row: &Row) -> usize {
    ROW_BYTES
        + match row {
            Row::State(value) => value.len(),
            Row::Journal(item) => item.size_bytes(),
            Row::Outbox(message) => message.size_bytes(),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use relight_core::{
        Lsn, PartitionId, Timestamp,
        ids::{InvocationId, PartitionKey},
        tables::{Lock, ReadTables as _, Tables as _},
        value::ObjectKey,
    };
    use tempfile::TempDir;

    use super::*;
    use crate::{PartitionTables, Store, StoreOptions};

    fn id(unique: u128) -> InvocationId {
        InvocationId { key: PartitionKey(0), unique }
    }

    fn object() -> ObjectKey {
        ObjectKey { service: "Counter".into(), key: "a".into() }
    }

    fn tables(dir: &TempDir, young_rows_max: usize) -> PartitionTables {
        let options = StoreOptions { young_rows_max, ..StoreOptions::default() };
        Store::open(dir.path(), options).expect("open").partition(PartitionId(0)).expect("open")
    }

    /// Locks a key and unlocks it, with a look at it before, as the state machine does.
    fn lock_and_unlock(tables: &mut PartitionTables, lsn: u64) {
        let key = Key::Lock(object());
        assert_eq!(tables.get(&key).expect("get"), None);
        tables.put(key.clone(), Row::Lock(Lock { holder: id(1), inbox_first: 0, inbox_next: 0 }));
        tables.commit(Lsn(lsn)).expect("commit");
        tables.delete(key);
        tables.commit(Lsn(lsn + 1)).expect("commit");
    }

    #[test]
    fn what_comes_and_goes_between_two_writes_is_never_written() {
        let dir = TempDir::new().expect("temporary folder");
        let mut tables = tables(&dir, 100);
        lock_and_unlock(&mut tables, 1);
        assert_eq!(tables.scan(&Prefix::Inbox(object()), None, 9).expect("scan"), []);
        tables.put(Key::Inbox(object(), 7), Row::Inbox(id(2)));
        tables.commit(Lsn(3)).expect("commit");
        tables.delete_all(&Prefix::Inbox(object())).expect("delete");
        tables.commit(Lsn(4)).expect("commit");
        let before = tables.database.db.latest_sequence_number();
        tables.settle().expect("settle");
        let applied_lsn = 1;
        assert_eq!(tables.database.db.latest_sequence_number() - before, applied_lsn);
    }

    #[test]
    fn what_was_written_once_is_deleted_where_it_is() {
        let dir = TempDir::new().expect("temporary folder");
        let mut tables = tables(&dir, 100);
        let key = Key::Lock(object());
        tables.put(key.clone(), Row::Lock(Lock { holder: id(1), inbox_first: 0, inbox_next: 0 }));
        tables.commit(Lsn(1)).expect("commit");
        tables.settle().expect("settle");
        tables.delete(key.clone());
        tables.commit(Lsn(2)).expect("commit");
        assert_eq!(tables.get(&key).expect("get"), None);
        lock_and_unlock(&mut tables, 3);
        tables.settle().expect("settle");
        drop(tables);
        let tables = self::tables(&dir, 100);
        assert_eq!((tables.applied(), tables.get(&key).expect("get")), (Lsn(4), None));
    }

    #[test]
    fn rows_are_written_when_there_are_many_or_when_they_are_large() {
        let dir = TempDir::new().expect("temporary folder");
        let mut tables = tables(&dir, 3);
        let settled = |tables: &PartitionTables| tables.database.settled();
        for unique in 1..=3 {
            assert_eq!(settled(&tables), Lsn::ZERO);
            tables.put(Key::Running(id(unique)), Row::Present);
            tables.commit(Lsn(unique as u64)).expect("commit");
        }
        assert_eq!(settled(&tables), Lsn(3));
        let value = vec![0; YOUNG_BYTES_MAX / 2];
        for lsn in 4..=5 {
            assert_eq!(settled(&tables), Lsn(3));
            tables.put(Key::State(object(), lsn.to_string().into()), Row::State(value.clone().into()));
            tables.commit(Lsn(lsn)).expect("commit");
        }
        assert_eq!(settled(&tables), Lsn(5));
        // The same row again and again is one row.
        for lsn in 6..=20 {
            let meta = relight_core::tables::Meta { time: Timestamp(lsn), ..Default::default() };
            tables.put(Key::Meta, Row::Meta(meta));
            tables.commit(Lsn(lsn)).expect("commit");
        }
        assert_eq!(settled(&tables), Lsn(5));
    }
}
