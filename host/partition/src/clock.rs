//! [`DurableClock`]: the time of records. What the wall clock is comes from outside.
//!
//! Durable time never goes back. While the wall clock is behind the last record (it was set back, or another leader's
//! was ahead), durable time goes on with the monotonic clock from there, so that timers keep firing.

use relight_core::value::Timestamp;
use tokio::time::Instant;

use crate::limits::CLOCK_JUMP_MS;
use crate::node::Clock;

pub struct DurableClock {
    wall: Clock,
    /// The greatest time answered or observed.
    last: Timestamp,
    /// Durable time was `reached` at `at`; while the wall clock is behind it goes on from there.
    reached: Timestamp,
    at: Instant,
    /// Whether `reached` is a reading of the wall clock in this process; the time since the last run is not a jump.
    read: bool,
    pub jumps: u64,
}

impl DurableClock {
    /// `last`: the time of the last applied record.
    pub fn new(wall: Clock, last: Timestamp) -> Self {
        Self { wall, last, reached: last, at: Instant::now(), read: false, jumps: 0 }
    }

    /// Takes the time of a record that was applied.
    pub fn observe(&mut self, time: Timestamp) {
        if self.monotonic() < time {
            self.reached = time;
            self.at = Instant::now();
            self.read = false;
        }
        self.last = self.last.max(time);
    }

    /// Durable time now: at least that of every record observed and of every earlier answer.
    pub fn now(&mut self) -> Timestamp {
        let monotonic = self.monotonic();
        let wall = (self.wall)();
        if wall < self.last {
            self.last = self.last.max(monotonic);
            return self.last;
        }
        let jump_ms = wall.since(monotonic).0;
        if self.read && CLOCK_JUMP_MS < jump_ms {
            self.jumps += 1;
            tracing::warn!(jump_ms, "the wall clock jumped forward; timers that are due now fire now");
        }
        self.last = wall;
        self.reached = wall;
        self.at = Instant::now();
        self.read = true;
        wall
    }

    fn monotonic(&self) -> Timestamp {
        let elapsed = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.reached.0.saturating_add(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    fn clock(last: u64) -> (Arc<AtomicU64>, DurableClock) {
        let wall = Arc::new(AtomicU64::new(1_000));
        let read = Arc::clone(&wall);
        let clock: Clock = Arc::new(move || Timestamp(read.load(Ordering::Relaxed)));
        (wall, DurableClock::new(clock, Timestamp(last)))
    }

    #[tokio::test(start_paused = true)]
    async fn wall_clock_is_durable_time_while_it_is_ahead() {
        let (wall, mut clock) = clock(10);
        assert_eq!(clock.now(), Timestamp(1_000));
        wall.store(1_500, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp(1_500));
        assert_eq!(clock.jumps, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn behind_the_last_record_it_advances_with_the_monotonic_clock() {
        let (_, mut clock) = clock(9_000);
        assert_eq!(clock.now(), Timestamp(9_000));
        for _ in 0..5 {
            tokio::time::advance(Duration::from_micros(400)).await;
            clock.now();
        }
        assert_eq!(clock.now(), Timestamp(9_002));
    }

    #[tokio::test(start_paused = true)]
    async fn durable_time_never_goes_back() {
        let (wall, mut clock) = clock(0);
        clock.now();
        tokio::time::advance(Duration::from_millis(50)).await;
        wall.store(900, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp(1_050));
        wall.store(1_020, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp(1_050));
        clock.observe(Timestamp(2_000));
        assert_eq!(clock.now(), Timestamp(2_000));
        clock.observe(Timestamp(5));
        assert_eq!(clock.now(), Timestamp(2_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_is_counted_but_a_downtime_is_not() {
        let (wall, mut clock) = clock(1);
        wall.store(1_000 + 10 * CLOCK_JUMP_MS, Ordering::Relaxed);
        clock.now();
        assert_eq!(clock.jumps, 0);
        wall.store(1_000 + 12 * CLOCK_JUMP_MS, Ordering::Relaxed);
        clock.now();
        assert_eq!(clock.jumps, 1);
    }
}
