//! Permissions to run an instance, and the leaders that wait for one.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use relight_core::runner::{Host, Slot, Work};

/// Slots of one kind of work.
pub(crate) struct Slots {
    work: Work,
    slots_max: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// Leaders that were refused; at most one entry for each.
    waiting: Vec<Arc<dyn Host>>,
}

impl Slots {
    pub fn new(work: Work, slots_max: usize) -> Arc<Self> {
        Arc::new(Self { work, slots_max, state: Mutex::new(State { free: slots_max, waiting: Vec::new() }) })
    }

    /// A slot, or `None`; then `host` is told once when there is one.
    pub fn reserve(self: &Arc<Self>, host: &Arc<dyn Host>) -> Option<Slot> {
        let mut state = self.lock();
        if state.free == 0 {
            if !state.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, host)) {
                state.waiting.push(host.clone());
            }
            return None;
        }
        state.free -= 1;
        Some(Slot(Box::new(Taken { slots: self.clone() })))
    }

    /// How many slots are taken above so many percent of all.
    pub fn above(&self, percent: usize) -> usize {
        let taken = self.slots_max - self.lock().free;
        taken.saturating_sub(self.slots_max * percent / 100)
    }

    fn release(&self) {
        let waiting = {
            let mut state = self.lock();
            state.free += 1;
            // All of them: one that was told and needs no slot any more would leave the others waiting for ever.
            mem::take(&mut state.waiting)
        };
        for host in waiting {
            host.capacity(self.work);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Taken {
    slots: Arc<Slots>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.slots.release();
    }
}
