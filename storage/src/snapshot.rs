//! A frozen view of one partition's tables.

use std::{collections::BTreeMap, fmt, sync::Arc};

use relight_core::{
    Lsn,
    tables::{Key, Prefix, ReadTables, Row, TablesError},
};
use rocksdb::DB;

use crate::tables::{get_row, merge, range, rows};

/// The rows of one partition as they were committed at some LSN. Cheap to clone; may be read by any thread, and may
/// outlive the tables that it was taken from.
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

struct Inner {
    /// Borrows from `db`. Fields are dropped in the order of declaration, so this one goes first.
    rows: rocksdb::Snapshot<'static>,
    /// Committed rows that were not in the database; `None`: deleted.
    young: BTreeMap<Key, Option<Row>>,
    applied: Lsn,
    _db: Arc<DB>,
}

impl Snapshot {
    pub(crate) fn new(db: &Arc<DB>, young: BTreeMap<Key, Option<Row>>, applied: Lsn) -> Self {
        let db = db.clone();
        let rows = rocksdb::Snapshot::new(forget_lifetime(&db));
        Self { inner: Arc::new(Inner { rows, young, applied, _db: db }) }
    }

    /// LSN of the last record whose rows are in it.
    pub fn applied(&self) -> Lsn {
        self.inner.applied
    }
}

/// A snapshot of RocksDB borrows the database; one that another thread is to own can't. Rust has no type for a value
/// together with what it borrows, hence the only `unsafe` of this crate.
#[allow(unsafe_code, reason = "the borrowed database is kept in the same struct, see the comment inside")]
fn forget_lifetime(db: &Arc<DB>) -> &'static DB {
    // SAFETY: the caller is `Snapshot::new` alone. It puts what borrows from this reference into `Inner` together with
    // an `Arc` of the same database. The database is on the heap and does not move; it lives as long as the `Arc`;
    // `Inner` drops the borrower before the `Arc`; neither is ever replaced or handed out.
    unsafe { &*Arc::as_ptr(db) }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("applied", &self.inner.applied).finish_non_exhaustive()
    }
}

impl ReadTables for Snapshot {
    fn get(&self, key: &Key) -> Result<Option<Row>, TablesError> {
        match self.inner.young.get(key) {
            Some(row) => Ok(row.clone()),
            None => get_row(&self.inner.rows, key),
        }
    }

    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError> {
        let young = range(&self.inner.young, prefix, after);
        merge::scan(young, rows(&self.inner.rows, prefix, after), limit)
    }
}
