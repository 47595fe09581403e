//! [`SimTables`]: tables in memory that tell which rows a record has touched.

use std::collections::BTreeMap;

use relight_core::tables::{Key, MemoryTables, Prefix, ReadTables, Row, Tables, TablesError};
use relight_core::{InvocationId, Lsn};

#[derive(Clone, Debug, Default)]
pub struct SimTables {
    tables: MemoryTables,
    /// Keys that were written since the last look, in order, with repetitions.
    pub touched: Vec<Key>,
}

impl SimTables {
    pub fn rows(&self) -> &BTreeMap<Key, Row> {
        self.tables.rows()
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
        self.tables.has(key)
    }
}

impl ReadTables for SimTables {
    fn get(&self, key: &Key) -> Result<Option<Row>, TablesError> {
        self.tables.get(key)
    }

    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError> {
        self.tables.scan(prefix, after, limit)
    }
}

impl Tables for SimTables {
    fn put(&mut self, key: Key, row: Row) {
        self.touched.push(key.clone());
        self.tables.put(key, row);
    }

    fn delete(&mut self, key: Key) {
        self.tables.delete(key.clone());
        self.touched.push(key);
    }
}
