//! [`SimTables`]: tables in memory that tell which rows a record has touched, and scan by range.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use relight_core::tables::{Key, Prefix, ReadTables, Row, Tables, TablesError, TimerKey, TimerKind};
use relight_core::value::ObjectKey;
use relight_core::{
    DeploymentId, EntryIndex, InvocationId, Lsn, PartitionKey, Position, RequestId, Timestamp,
};

#[derive(Clone, Debug, Default)]
pub struct SimTables {
    rows: BTreeMap<Key, Row>,
    /// Keys that were written since the last look, in order, with repetitions.
    pub touched: Vec<Key>,
}

impl SimTables {
    pub fn rows(&self) -> &BTreeMap<Key, Row> {
        &self.rows
    }

    /// The suspensions that wait for the open handles of an invocation.
    pub fn scan_open(&self, id: InvocationId) -> Result<Vec<Lsn>, TablesError> {
        let rows = self.scan(&Prefix::Open(id), None, usize::MAX)?;
        Ok(rows
            .into_iter()
            .filter_map(|(_, row)| match row {
                Row::Open(open) => Some(open.waited_by),
                _ => None,
            })
            .collect())
    }

    pub fn has(&self, key: &Key) -> bool {
        self.rows.contains_key(key)
    }
}

impl ReadTables for SimTables {
    fn get(&self, key: &Key) -> Result<Option<Row>, TablesError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError> {
        let start = start(prefix);
        let from = match after {
            Some(after) if start <= *after => Bound::Excluded(after),
            _ => Bound::Included(&start),
        };
        let rows = self.rows.range((from, Bound::Unbounded)).take_while(|(key, _)| prefix.contains(key));
        Ok(rows.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect())
    }
}

impl Tables for SimTables {
    fn put(&mut self, key: Key, row: Row) {
        self.touched.push(key.clone());
        self.rows.insert(key, row);
    }

    fn delete(&mut self, key: Key) {
        self.rows.remove(&key);
        self.touched.push(key);
    }
}

/// A key that is not above any of the prefix, and above all of smaller prefixes.
fn start(prefix: &Prefix) -> Key {
    const ID: InvocationId = InvocationId { key: PartitionKey(0), unique: 0 };
    let first = EntryIndex::ZERO;
    let empty = || Arc::<str>::from("");
    match prefix {
        Prefix::Journal(id) => Key::Journal(*id, Position::ZERO),
        Prefix::Open(id) => Key::Open(*id, first),
        Prefix::Effect(id) => Key::Effect(id.unwrap_or(ID), first),
        Prefix::Running => Key::Running(ID),
        Prefix::Timer => {
            let (due, incarnation, kind) = (Timestamp(0), Lsn::ZERO, TimerKind::Sleep(first));
            Key::Timer(TimerKey { due, id: ID, incarnation, kind })
        }
        Prefix::State(object) => Key::State(ObjectKey::clone(object), empty()),
        Prefix::Inbox(object) => Key::Inbox(object.clone(), 0),
        Prefix::Outbox(destination) => Key::Outbox(*destination, 0),
        Prefix::Request => Key::Request(RequestId(0)),
        Prefix::Invocation => Key::Invocation(ID),
        Prefix::Service => Key::Service(empty()),
        Prefix::Deployment => Key::Deployment(DeploymentId(0)),
        Prefix::Signals(id) => Key::Signals(*id, empty()),
        Prefix::Promise(object) => Key::Promise(object.clone(), empty()),
    }
}
