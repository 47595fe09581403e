//! Tables in a sorted map, for tests and simulation. Nothing is durable; there is no batch to commit.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{Key, Prefix, ReadTables, Row, Tables, TablesError, TimerKey, TimerKind};
use crate::{
    ids::{DeploymentId, EntryIndex, InvocationId, Lsn, PartitionKey, Position, RequestId, Revision},
    value::Timestamp,
};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryTables {
    rows: BTreeMap<Key, Row>,
}

impl MemoryTables {
    pub fn rows(&self) -> &BTreeMap<Key, Row> {
        &self.rows
    }

    pub fn has(&self, key: &Key) -> bool {
        self.rows.contains_key(key)
    }
}

impl ReadTables for MemoryTables {
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

impl Tables for MemoryTables {
    fn put(&mut self, key: Key, row: Row) {
        self.rows.insert(key, row);
    }

    fn delete(&mut self, key: Key) {
        self.rows.remove(&key);
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
        Prefix::State(object) => Key::State(object.clone(), empty()),
        Prefix::Inbox(object) => Key::Inbox(object.clone(), 0),
        Prefix::Outbox(destination) => Key::Outbox(*destination, 0),
        Prefix::Request => Key::Request(RequestId(0)),
        Prefix::Invocation => Key::Invocation(ID),
        Prefix::Service => Key::Service(empty()),
        Prefix::Deployment => Key::Deployment(DeploymentId(0)),
        Prefix::Signals(id) => Key::Signals(*id, empty()),
        Prefix::Promise(object) => Key::Promise(object.clone(), empty()),
        Prefix::Revision(service) => Key::Revision(service.clone(), Revision::ZERO),
        Prefix::Removal => Key::Removal(DeploymentId(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_yields_its_prefix_alone_in_order_and_after_a_key() {
        let id = |unique| InvocationId { key: PartitionKey(1), unique };
        let mut tables = MemoryTables::default();
        for (invocation, index) in [(2, 1), (1, 7), (1, 2), (3, 0), (1, 0)] {
            tables.put(Key::Effect(id(invocation), EntryIndex(index)), Row::Present);
            tables.put(Key::Open(id(invocation), EntryIndex(index)), Row::Present);
        }
        let keys = |prefix: &Prefix, after: Option<&Key>, limit| -> Vec<Key> {
            let rows = tables.scan(prefix, after, limit).expect("memory cannot fail");
            rows.into_iter().map(|(key, _)| key).collect()
        };
        let of_one = |index| Key::Open(id(1), EntryIndex(index));
        assert_eq!(keys(&Prefix::Open(id(1)), None, 9), [of_one(0), of_one(2), of_one(7)]);
        assert_eq!(keys(&Prefix::Open(id(1)), Some(&of_one(0)), 1), [of_one(2)]);
        assert_eq!(keys(&Prefix::Open(id(1)), Some(&of_one(7)), 9), []);
        assert_eq!(keys(&Prefix::Open(id(1)), Some(&Key::Meta), 1), [of_one(0)]);
        assert_eq!(keys(&Prefix::Effect(None), None, 9).len(), 5);
        assert_eq!(keys(&Prefix::Open(id(9)), None, 9), []);
    }
}
