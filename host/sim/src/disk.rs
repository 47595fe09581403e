//! [`SimDisk`]: the disk below the log. What a crash leaves of it is decided by the seed.
//!
//! A batch is durable when its write has returned. A crash during the write leaves all of it or nothing: the database
//! below cuts an incomplete end off. The file of the high-water mark is in the page cache until it is synced: a kill
//! keeps it; a power cut keeps or loses each write since, and may tear the last.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use relight_log::raft::{Change, Disk};

use crate::rng::Rng;

/// Where the next pass of the driver dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiesAt {
    /// The batch is not written.
    BeforeWrite,
    /// The batch is durable, and nobody hears of it.
    AfterWrite,
    /// The batch is durable, the mark is not written.
    BeforeMark,
    /// Both are written, nothing is acknowledged.
    AfterMark,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    Kill,
    PowerCut,
}

#[derive(Debug, Default)]
pub struct SimDisk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    mark: Option<Vec<u8>>,
    /// Writes to the mark since its last sync.
    unsynced: Vec<(usize, Vec<u8>)>,
    dies_at: Option<DiesAt>,
    /// The rows as they were before the writes of a disk that says it synced and did not.
    before_lies: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    lies: bool,
}

impl SimDisk {
    /// `lies`: the disk says that writes are durable, and loses them in a power cut.
    pub fn new(lies: bool) -> Self {
        Self(Mutex::new(State { lies, ..State::default() }))
    }

    pub fn die_at(&self, dies_at: Option<DiesAt>) {
        self.state().dies_at = dies_at;
    }

    pub fn crash(&self, crash: Crash, rng: &mut Rng) {
        let mut state = self.state();
        state.dies_at = None;
        let unsynced = std::mem::take(&mut state.unsynced);
        if crash == Crash::Kill {
            unsynced.into_iter().for_each(|(offset, bytes)| state.put_mark(offset, &bytes));
            return;
        }
        let last = unsynced.len().saturating_sub(1);
        for (n, (offset, bytes)) in unsynced.into_iter().enumerate() {
            match rng.below(3) {
                0 => {}
                // A sector is written whole or not at all; the log is prepared for one that is not, all the same.
                1 if n == last => state.put_mark(offset, &bytes[..bytes.len() / 2]),
                _ => state.put_mark(offset, &bytes),
            }
        }
        if let Some(rows) = state.before_lies.take() {
            state.rows = rows;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put_mark(&mut self, offset: usize, bytes: &[u8]) {
        let mark = self.mark.as_mut().expect("the mark is created before it is written");
        mark[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn dies(&mut self, at: DiesAt) -> io::Result<()> {
        if self.dies_at == Some(at) { Err(io::Error::other("the process died here")) } else { Ok(()) }
    }
}

impl Disk for SimDisk {
    fn write(&self, batch: Vec<Change>) -> io::Result<()> {
        let mut state = self.state();
        state.dies(DiesAt::BeforeWrite)?;
        if state.lies && state.before_lies.is_none() {
            state.before_lies = Some(state.rows.clone());
        }
        for change in batch {
            match change {
                Change::Put { key, value } => {
                    state.rows.insert(key, value);
                }
                Change::DeleteRange { from, end } => {
                    let keys: Vec<_> = state.rows.range(from..end).map(|(key, _)| key.clone()).collect();
                    keys.iter().for_each(|key| {
                        state.rows.remove(key);
                    });
                }
            }
        }
        state.dies(DiesAt::AfterWrite)
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
        let mut state = self.state();
        state.dies(DiesAt::BeforeMark)?;
        let offset = usize::try_from(offset).expect("the mark is small");
        state.unsynced.push((offset, bytes.to_vec()));
        state.dies(DiesAt::AfterMark)
    }

    fn sync_mark(&self) -> io::Result<()> {
        let mut state = self.state();
        for (offset, bytes) in std::mem::take(&mut state.unsynced) {
            state.put_mark(offset, &bytes);
        }
        if state.before_lies.is_some() && state.rows.len().is_multiple_of(3) {
            // Now and then even such a disk gets around to it.
            state.before_lies = None;
        }
        Ok(())
    }
}
