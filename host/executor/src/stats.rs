//! Counters of the executor, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the executor has done since it started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExecutorStats {
    pub attempts_started: u64,
    /// Handler returned a value or a terminal failure.
    pub attempts_finished: u64,
    /// Trap, limit or retryable error.
    pub attempts_failed: u64,
    pub attempts_mismatched: u64,
    /// Inline runs whose result or failure was proposed.
    pub attempts_started_over: u64,
    /// The host could not run it.
    pub attempts_faulted: u64,
    /// Dropped by the leader: suspended, killed, fenced.
    pub attempts_dropped: u64,
    pub suspensions_proposed: u64,
    /// Waits that had to block and were answered before the instance was given up: each has saved a replay.
    pub waits_kept: u64,
    /// Waiting instances that were told to go before their time, to make room.
    pub waits_cut_short: u64,
    pub effects_started: u64,
    pub effects_completed: u64,
    pub effects_failed: u64,
    pub effects_dropped: u64,
    pub instances_created: u64,
    /// Instances that live now.
    pub instances_live: u64,
    /// Of them, those whose handlers wait for as long as the executor sees fit.
    pub instances_warm: u64,
    /// Linear memory of these.
    pub warm_bytes: u64,
    /// Of instances that have ended.
    pub host_calls: u64,
    /// Journal items given to attempts.
    pub items_replayed: u64,
    pub compilations: u64,
}

macro_rules! counters {
    ($($name:ident),* $(,)?) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub $name: Counter,)*
        }

        impl Counters {
            /// Without what the line of warm instances knows.
            pub fn snapshot(&self) -> ExecutorStats {
                ExecutorStats { $($name: self.$name.get(),)* ..ExecutorStats::default() }
            }
        }
    };
}

counters!(
    attempts_started,
    attempts_finished,
    attempts_failed,
    attempts_mismatched,
    attempts_started_over,
    attempts_faulted,
    attempts_dropped,
    suspensions_proposed,
    waits_kept,
    effects_started,
    effects_completed,
    effects_failed,
    effects_dropped,
    instances_created,
    instances_live,
    host_calls,
    items_replayed,
    compilations,
);

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn increment(&self) {
        self.add(1);
    }

    pub fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
