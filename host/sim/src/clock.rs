//! Time: the wall clock, which jumps, the monotonic clock, which does not, and durable time made of both.

use std::time::Duration;

use relight_core::Timestamp;
use tokio::time::Instant;

/// How far the wall clock may fall behind durable time. Outcomes of requests are kept for 10 minutes more than doors
/// retry, for clocks that disagree; a clock that disagrees more breaks no promise.
pub const BEHIND_MAX_MS: u64 = 8 * 60_000;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub wall: u64,
    pub monotonic: u64,
    /// What the leader takes for the start of the monotonic clock.
    base: Instant,
}

impl Clock {
    pub fn new() -> Self {
        Self { wall: 1_700_000_000_000, monotonic: 0, base: Instant::now() }
    }

    pub fn advance(&mut self, ms: u64) {
        self.wall += ms;
        self.monotonic += ms;
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.wall)
    }

    /// The monotonic clock, as the leader has it. Only differences between two of them mean anything.
    pub fn instant(&self) -> Instant {
        self.base + Duration::from_millis(self.monotonic)
    }
}

/// Durable time of one partition, as `relight-partition` has it: never back, and on with the monotonic clock while the
/// wall clock is behind.
#[derive(Clone, Copy, Debug)]
pub struct DurableClock {
    last: u64,
    reached: u64,
    at: u64,
}

impl DurableClock {
    pub fn new(clock: Clock, last: Timestamp) -> Self {
        Self { last: last.0, reached: last.0, at: clock.monotonic }
    }

    pub fn observe(&mut self, clock: Clock, time: Timestamp) {
        if self.monotonic(clock) < time.0 {
            self.reached = time.0;
            self.at = clock.monotonic;
        }
        self.last = self.last.max(time.0);
    }

    pub fn now(&mut self, clock: Clock) -> Timestamp {
        if clock.wall < self.last {
            self.last = self.last.max(self.monotonic(clock));
        } else {
            self.last = clock.wall;
            self.reached = clock.wall;
            self.at = clock.monotonic;
        }
        Timestamp(self.last)
    }

    fn monotonic(&self, clock: Clock) -> u64 {
        self.reached + (clock.monotonic - self.at)
    }
}
