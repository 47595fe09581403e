//! Tables in a sorted map, for tests and simulation. Nothing is durable; there is no batch to commit.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Key, Prefix, ReadTables, Row, Tables, TablesError};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryTables {
    rows: BTreeMap<Key, Row>,
}

impl MemoryTables {
    pub fn rows(&self) -> &BTreeMap<Key, Row> {
        &self.rows
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
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self
            .rows
            .range::<Key, _>((from, Bound::Unbounded))
            .filter(|(key, _)| prefix.contains(key))
            .take(limit)
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect())
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
