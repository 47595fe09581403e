//! How often, and after which pauses, something that failed is tried again.

use std::time::Duration;

use crate::bindings::relight::handler::types;
use crate::definition::{FACTOR_DEFAULT, INITIAL_INTERVAL_DEFAULT, MAX_INTERVAL_DEFAULT};
use crate::time::to_millis;

/// A retry policy. The n-th retry comes `initial_interval * factor^(n-1)` after the failure, at most `max_interval`. Without bounds it
/// retries for ever; when its bounds are reached the failure becomes the result, unless it says to pause.
///
/// ```
/// # use relight::prelude::*;
/// let policy = RetryPolicy::new().initial_interval(millis(100)).max_attempts(5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use = "a policy changes nothing before it is given to something"]
pub struct RetryPolicy {
    initial_interval: u64,
    factor: f32,
    max_interval: u64,
    max_attempts: Option<u32>,
    max_duration: Option<u64>,
    pause: bool,
}

impl RetryPolicy {
    /// 50 ms, doubling up to 10 s, without bounds.
    pub const fn new() -> Self {
        Self {
            initial_interval: INITIAL_INTERVAL_DEFAULT,
            factor: FACTOR_DEFAULT,
            max_interval: MAX_INTERVAL_DEFAULT,
            max_attempts: None,
            max_duration: None,
            pause: false,
        }
    }

    /// The pause before the first retry. A larger one than the longest makes that as long.
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.initial_interval = to_millis(interval);
        self.max_interval = self.max_interval.max(self.initial_interval);
        self
    }

    /// Growth from pause to pause, at least 1.
    ///
    /// # Panics
    ///
    /// For a smaller one.
    pub fn factor(mut self, factor: f32) -> Self {
        assert!(factor >= 1.0, "a factor of {factor} would make the pauses shorter and shorter");
        self.factor = factor;
        self
    }

    /// The longest pause. A smaller one than the first makes that as short.
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.max_interval = to_millis(interval);
        self.initial_interval = self.initial_interval.min(self.max_interval);
        self
    }

    /// Attempts in all, the first included.
    ///
    /// # Panics
    ///
    /// For none.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        assert!(attempts > 0, "the first attempt counts: at least 1");
        self.max_attempts = Some(attempts);
        self
    }

    /// No further attempt when this time has passed since the first began.
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.max_duration = Some(to_millis(duration));
        self
    }

    /// When no further attempt is allowed, wait for an operator instead of failing.
    pub fn pause_when_exhausted(mut self) -> Self {
        self.pause = true;
        self
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl From<RetryPolicy> for types::RetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        Self {
            initial_interval: policy.initial_interval,
            factor: policy.factor,
            max_interval: policy.max_interval,
            max_attempts: policy.max_attempts,
            max_duration: policy.max_duration,
            on_exhausted: if policy.pause { types::OnExhausted::Pause } else { types::OnExhausted::Fail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_pause_is_never_longer_than_the_longest() {
        let grown = RetryPolicy::new().initial_interval(Duration::from_secs(60));
        assert_eq!((grown.initial_interval, grown.max_interval), (60_000, 60_000));
        let shrunk = RetryPolicy::new().max_interval(Duration::from_millis(5));
        assert_eq!((shrunk.initial_interval, shrunk.max_interval), (5, 5));
    }
}
