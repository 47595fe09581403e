//! What is counted: writes of the log's disk, reads and writes of the tables, allocations of this thread.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::BTreeMap,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use relight_core::tables::{Key, MemoryTables, Prefix, ReadTables, Row, Tables, TablesError};
use relight_log::raft::{Change, Disk};
use relight_partition::LeaderTables;

pub const ALLOCATIONS: &str = "allocations";

/// In the order of [`Counts`]; allocations are last.
pub const FIGURES: [&str; 12] = [
    "log records",
    "log bytes",
    "syncs",
    "instances",
    "host calls",
    "replayed items",
    "state reads",
    "table gets",
    "table scans",
    "table puts",
    "table deletes",
    ALLOCATIONS,
];

/// One number for each of [`FIGURES`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts(pub [u64; FIGURES.len()]);

impl Counts {
    pub const MAX: Self = Self([u64::MAX; FIGURES.len()]);

    pub fn since(self, before: Self) -> Self {
        Self(std::array::from_fn(|figure| self.0[figure] - before.0[figure]))
    }

    pub fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|figure| self.0[figure].min(other.0[figure])))
    }

    /// In thousandths.
    pub fn per_invocation(self, invocations: u64) -> [u64; FIGURES.len()] {
        self.0.map(|count| (count * 1000).div_ceil(invocations))
    }
}

/// The system's allocator, counting for each thread.
pub struct Allocator;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Of this thread so far.
pub fn allocations() -> u64 {
    COUNT.get()
}

#[expect(unsafe_code, reason = "an allocator is; each call is handed to the system's as it came")]
// SAFETY: `System` keeps the contract, and counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

/// A disk in memory: each batch is one sync.
#[derive(Debug, Default)]
pub struct CountingDisk {
    state: Mutex<State>,
    pub syncs: AtomicU64,
    pub bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    mark: Option<Vec<u8>>,
}

impl CountingDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for CountingDisk {
    fn write(&self, batch: Vec<Change>) -> io::Result<()> {
        let mut state = self.state();
        let mut bytes = 0;
        for change in batch {
            match change {
                Change::Put { key, value } => {
                    bytes += key.len() + value.len();
                    state.rows.insert(key, value);
                }
                Change::DeleteRange { from, end } => {
                    bytes += from.len() + end.len();
                    let keys: Vec<_> = state.rows.range(from..end).map(|(key, _)| key.clone()).collect();
                    for key in keys {
                        state.rows.remove(&key);
                    }
                }
            }
        }
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(())
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().rows.get(key).cloned())
    }

    fn first(&self, from: &[u8], end: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let state = self.state();
        let mut range = state.rows.range(from.to_vec()..end.to_vec());
        Ok(range.next().map(|(key, value)| (key.clone(), value.clone())))
    }

    fn read_mark(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().mark.clone())
    }

    fn create_mark(&self, bytes: &[u8]) -> io::Result<()> {
        self.state().mark = Some(bytes.to_vec());
        Ok(())
    }

    fn write_mark(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).expect("the mark is small");
        let mut state = self.state();
        let mark = state.mark.as_mut().expect("the mark is created before it is written");
        mark[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_mark(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Tables in memory that count what is asked of them.
#[derive(Default)]
pub struct CountingTables {
    tables: MemoryTables,
    pub gets: Cell<u64>,
    pub scans: Cell<u64>,
    pub puts: u64,
    pub deletes: u64,
}

impl ReadTables for CountingTables {
    fn get(&self, key: &Key) -> Result<Option<Row>, TablesError> {
        self.gets.set(self.gets.get() + 1);
        self.tables.get(key)
    }

    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError> {
        self.scans.set(self.scans.get() + 1);
        self.tables.scan(prefix, after, limit)
    }
}

impl Tables for CountingTables {
    fn put(&mut self, key: Key, row: Row) {
        self.puts += 1;
        self.tables.put(key, row);
    }

    fn delete(&mut self, key: Key) {
        self.deletes += 1;
        self.tables.delete(key);
    }
}

impl LeaderTables for CountingTables {
    type Snapshot = MemoryTables;

    fn snapshot(&self, _: &Prefix) -> MemoryTables {
        self.tables.clone()
    }
}
