//! Warm instances, those whose handlers wait: how long each is kept, and which go first when room is needed.
//!
//! Giving an instance up means to make another one later. Where that is next to nothing, it is kept for a moment only,
//! as most calls within a node answer faster; where it is dear, as with languages that start an interpreter, longer. All
//! that are kept stand in one line, by the instant at which their time is over: those that are cheap to make again, and
//! those that have waited long, are at its front. When instances or their memory run short, the front is told to go.
//!
//! Not here: handlers whose users have said how long (`suspend-after`, `inactivity_timeout`), and what it means to go.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::limits::{KEEP_DEAR_MIN, KEEP_FACTOR, KEEP_MAX, LINGER_DEFAULT};

/// How long a waiting instance is kept, by what it takes to make another one.
pub type KeepRule = fn(start_cost: Duration) -> Duration;

/// The rule of a server.
pub fn keep(start_cost: Duration) -> Duration {
    if start_cost < KEEP_DEAR_MIN {
        LINGER_DEFAULT
    } else {
        start_cost.saturating_mul(KEEP_FACTOR).min(KEEP_MAX)
    }
}

/// All warm instances of an executor.
pub(crate) struct Warm {
    bytes_max: u64,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    /// By the instant at which their time is over, and a number of their own.
    waiting: BTreeMap<(Instant, u64), Waiting>,
    entered: u64,
    /// Linear memory of those that wait.
    bytes: u64,
    /// Told to go, and not gone.
    leaving: usize,
    /// Told to go, ever.
    told: u64,
}

struct Waiting {
    bytes: u64,
    goes: Arc<Notify>,
}

/// For metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct WarmStats {
    pub instances: u64,
    pub bytes: u64,
    pub told: u64,
}

impl Warm {
    /// `bytes_max`: linear memory of all warm instances together.
    pub fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes_max, line: Mutex::default() })
    }

    /// An instance with so much linear memory waits. Others, or itself, go when that is too much.
    pub fn enter(self: &Arc<Self>, until: Instant, bytes: u64) -> Kept {
        let goes = Arc::new(Notify::new());
        let mut line = self.lock();
        line.entered += 1;
        let place = (until, line.entered);
        line.waiting.insert(place, Waiting { bytes, goes: goes.clone() });
        line.bytes += bytes;
        while self.bytes_max < line.bytes {
            line.first_goes();
        }
        drop(line);
        Kept { warm: self.clone(), place, goes }
    }

    /// Lets so many go; those count that have been told already and are not gone.
    pub fn make_room(&self, instances: usize) {
        let mut line = self.lock();
        while line.leaving < instances && !line.waiting.is_empty() {
            line.first_goes();
        }
    }

    pub fn stats(&self) -> WarmStats {
        let line = self.lock();
        WarmStats { instances: line.waiting.len() as u64, bytes: line.bytes, told: line.told }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        // The line is consistent between any two statements, whoever panicked.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn first_goes(&mut self) {
        let Some((_, first)) = self.waiting.pop_first() else { return };
        self.bytes -= first.bytes;
        self.leaving += 1;
        self.told += 1;
        first.goes.notify_one();
    }
}

/// An instance's place in the line, until it goes on or is dropped.
pub(crate) struct Kept {
    warm: Arc<Warm>,
    place: (Instant, u64),
    goes: Arc<Notify>,
}

impl Kept {
    /// Returns when the instance is to go: its time is over, or it is told to.
    pub async fn over(&self) {
        // Either way it goes.
        let _ = timeout_at(self.place.0, self.goes.notified()).await;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut line = self.warm.lock();
        match line.waiting.remove(&self.place) {
            Some(waiting) => line.bytes -= waiting.bytes,
            None => line.leaving -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// Whether it has been told to go.
    fn goes(kept: &Kept) -> bool {
        let goes = kept.over().now_or_never().is_some();
        if goes {
            // Asking has taken the notice.
            kept.goes.notify_one();
        }
        goes
    }

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn dear_instances_are_kept_longer_than_cheap_ones() {
        let keep = |micros| keep(Duration::from_micros(micros));
        assert_eq!(keep(0), LINGER_DEFAULT);
        assert_eq!(keep(20), LINGER_DEFAULT, "a component in Rust");
        assert_eq!(keep(120), Duration::from_millis(2_400), "QuickJS");
        assert_eq!(keep(1_100), Duration::from_secs(22), "CPython");
        assert_eq!(keep(u64::MAX), KEEP_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn those_whose_time_is_over_first_make_room() {
        let warm = Warm::new(u64::MAX);
        let dear = warm.enter(in_seconds(9), MIB);
        let cheap = warm.enter(in_seconds(1), MIB);
        let other = warm.enter(in_seconds(5), MIB);
        warm.make_room(2);
        assert_eq!([goes(&dear), goes(&cheap), goes(&other)], [false, true, true]);
        assert_eq!(warm.stats(), WarmStats { instances: 1, bytes: MIB, told: 2 });
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_about_to_go_count_as_room() {
        let warm = Warm::new(u64::MAX);
        let first = warm.enter(in_seconds(1), MIB);
        let second = warm.enter(in_seconds(2), MIB);
        warm.make_room(1);
        warm.make_room(1);
        assert_eq!([goes(&first), goes(&second)], [true, false]);
        // It is gone, and more room is wanted.
        drop(first);
        warm.make_room(1);
        assert!(goes(&second));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_stays_within_its_bound() {
        let warm = Warm::new(3 * MIB);
        let first = warm.enter(in_seconds(1), MIB);
        let second = warm.enter(in_seconds(2), MIB);
        assert_eq!([goes(&first), goes(&second)], [false, false]);
        let large = warm.enter(in_seconds(3), 2 * MIB);
        assert_eq!([goes(&first), goes(&second), goes(&large)], [true, false, false]);
        // One that is too large by itself goes at once, and so do those in front of it.
        let too_large = warm.enter(in_seconds(4), 4 * MIB);
        assert_eq!([goes(&second), goes(&large), goes(&too_large)], [true, true, true]);
        assert_eq!(warm.stats(), WarmStats { instances: 0, bytes: 0, told: 4 });
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_goes_on_leaves_nothing_behind() {
        let warm = Warm::new(u64::MAX);
        drop(warm.enter(in_seconds(1), MIB));
        assert_eq!(warm.stats(), WarmStats::default());
        let told = warm.enter(in_seconds(1), MIB);
        warm.make_room(1);
        drop(told);
        let next = warm.enter(in_seconds(1), MIB);
        warm.make_room(1);
        assert!(goes(&next), "the place of the one before is free");
    }

    #[tokio::test(start_paused = true)]
    async fn time_ends_without_a_word() {
        let warm = Warm::new(u64::MAX);
        let kept = warm.enter(in_seconds(1), MIB);
        assert!(!goes(&kept));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(goes(&kept));
        assert_eq!(warm.stats().told, 0);
    }
}
