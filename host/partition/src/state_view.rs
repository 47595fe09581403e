//! The state view of an attempt: small states are copied, larger ones are read from a snapshot when asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use relight_core::runner::StateView;
use relight_core::tables::{Key, MemoryTables, Prefix, ReadTables, ReadTablesExt as _, Row, TablesError};
use relight_core::value::ObjectKey;
use relight_storage::{PartitionTables, Snapshot};

use crate::limits::{SCAN_ROWS, STATE_COPY_BYTES_MAX, STATE_COPY_KEYS_MAX};
use crate::schema::damaged;

/// Tables that a leader works over: those of a partition, or a map of rows in tests and simulations.
pub trait LeaderTables: ReadTables {
    type Snapshot: ReadTables + Send + Sync + 'static;

    /// The rows of `of` as they are now, whatever is written later.
    fn snapshot(&self, of: &Prefix) -> Self::Snapshot;
}

impl LeaderTables for PartitionTables {
    type Snapshot = Snapshot;

    fn snapshot(&self, of: &Prefix) -> Snapshot {
        PartitionTables::snapshot(self, |key| of.contains(key))
    }
}

impl LeaderTables for MemoryTables {
    type Snapshot = Self;

    fn snapshot(&self, _: &Prefix) -> Self {
        self.clone()
    }
}

/// The state of `object` as it is now; a target without a key has none.
pub fn view<T: LeaderTables>(
    tables: &T,
    object: Option<ObjectKey>,
) -> Result<Arc<dyn StateView>, TablesError> {
    let Some(object) = object else {
        return Ok(Arc::new(Copied(BTreeMap::new())));
    };
    Ok(match copy(tables, &object)? {
        Some(copied) => Arc::new(copied),
        None => {
            let snapshot = tables.snapshot(&Prefix::State(object.clone()));
            Arc::new(Lazy { object, snapshot })
        }
    })
}

struct Copied(BTreeMap<String, Bytes>);

struct Lazy<S> {
    object: ObjectKey,
    snapshot: S,
}

/// Rows of one step while copying: a few values may be large, so the bound on bytes is looked at often.
const COPY_STEP_ROWS: usize = 8;

fn copy(tables: &impl ReadTables, object: &ObjectKey) -> Result<Option<Copied>, TablesError> {
    let mut values = BTreeMap::new();
    let mut bytes = 0;
    let prefix = Prefix::State(object.clone());
    let mut after = None;
    loop {
        let rows = tables.scan(&prefix, after.as_ref(), COPY_STEP_ROWS)?;
        let last = rows.len() < COPY_STEP_ROWS;
        after = rows.last().map(|(key, _)| key.clone());
        for (key, row) in rows {
            let (name, value) = entry(key, row)?;
            bytes += name.len() + value.len();
            values.insert(name, value);
        }
        if STATE_COPY_BYTES_MAX < bytes || STATE_COPY_KEYS_MAX < values.len() {
            return Ok(None);
        }
        if last {
            return Ok(Some(Copied(values)));
        }
    }
}

fn entry(key: Key, row: Row) -> Result<(String, Bytes), TablesError> {
    match (key, row) {
        (Key::State(_, name), Row::State(value)) => Ok((name.as_ref().to_owned(), value)),
        (key, row) => Err(damaged(key, &row)),
    }
}

impl StateView for Copied {
    fn get(&self, name: &str) -> Result<Option<Bytes>, TablesError> {
        Ok(self.0.get(name).cloned())
    }

    fn keys(&self) -> Result<Vec<String>, TablesError> {
        Ok(self.0.keys().cloned().collect())
    }
}

impl<S: ReadTables + Send + Sync> StateView for Lazy<S> {
    fn get(&self, name: &str) -> Result<Option<Bytes>, TablesError> {
        self.snapshot.state(&self.object, name.into())
    }

    fn keys(&self) -> Result<Vec<String>, TablesError> {
        let prefix = Prefix::State(self.object.clone());
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let rows = self.snapshot.scan(&prefix, after.as_ref(), SCAN_ROWS)?;
            let last = rows.len() < SCAN_ROWS;
            after = rows.last().map(|(key, _)| key.clone());
            for (key, row) in rows {
                keys.push(entry(key, row)?.0);
            }
            if last {
                return Ok(keys);
            }
        }
    }
}
