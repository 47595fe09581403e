//! What an attempt has proposed and nobody has accepted yet.

use std::collections::VecDeque;

use crate::limits::{IN_FLIGHT_BYTES_MAX, IN_FLIGHT_ENTRIES_MAX};

/// Operations that are proposed but not accepted.
#[derive(Default)]
pub(crate) struct InFlight {
    batches: VecDeque<Batch>,
    entries: usize,
    bytes: usize,
}

pub(crate) struct Batch {
    /// Accepted when operations below this count are.
    pub operations: u32,
    pub entries: usize,
    pub bytes: usize,
}

impl InFlight {
    pub fn is_full(&self) -> bool {
        self.bytes > IN_FLIGHT_BYTES_MAX || self.entries > IN_FLIGHT_ENTRIES_MAX
    }

    pub fn push(&mut self, batch: Batch) {
        self.entries += batch.entries;
        self.bytes += batch.bytes;
        self.batches.push_back(batch);
    }

    pub fn accepted(&mut self, operations: u32) {
        while let Some(batch) = self.batches.pop_front_if(|batch| batch.operations <= operations) {
            self.entries -= batch.entries;
            self.bytes -= batch.bytes;
        }
    }
}
