//! Retry policies: when the next attempt of a handler or an effect starts, and what happens when there is none.

use crate::value::{DurationMs, Timestamp};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnExhausted {
    /// The failure becomes the result.
    Fail,
    /// The invocation is paused; a person looks.
    Pause,
}

/// Growth per failure beyond which nothing is gained: the maximum interval is reached at once.
pub const FACTOR_MILLI_MAX: u32 = 1_000_000;

/// Exponential back-off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryPolicy {
    pub initial_interval: DurationMs,
    /// Growth of the interval per failure, in thousandths (2000 doubles). At least 1000.
    pub factor_milli: u32,
    pub max_interval: DurationMs,
    /// Attempts in all, the first included.
    pub max_attempts: Option<u32>,
    /// Time from the first start to the last permissible start of an attempt.
    pub max_duration: Option<DurationMs>,
    pub on_exhausted: OnExhausted,
}

impl RetryPolicy {
    /// Attempts of a handler, unless handler, service or server say otherwise.
    pub const HANDLER: Self = Self {
        initial_interval: DurationMs(50),
        factor_milli: 2000,
        max_interval: DurationMs::seconds(10),
        max_attempts: Some(70),
        max_duration: None,
        on_exhausted: OnExhausted::Pause,
    };

    /// Attempts of an effect, unless the handler says otherwise.
    pub const EFFECT: Self = Self { max_attempts: None, ..Self::HANDLER };

    /// What is wrong with it, in words for whoever has written it.
    pub fn check(&self) -> Result<(), String> {
        let Self { factor_milli, initial_interval, max_interval, max_attempts, .. } = *self;
        if !(1000..=FACTOR_MILLI_MAX).contains(&factor_milli) {
            let (factor, max) = (f64::from(factor_milli) / 1000.0, FACTOR_MILLI_MAX / 1000);
            return Err(format!("its factor is {factor}, which is not between 1 and {max}"));
        }
        if max_interval < initial_interval {
            let (max, initial) = (max_interval.0, initial_interval.0);
            return Err(format!("its maximum interval {max} ms is below its initial interval {initial} ms"));
        }
        if max_attempts == Some(0) {
            return Err("it allows no attempt at all".to_owned());
        }
        Ok(())
    }

    /// The instant of the next attempt after `failures` failures in a row (at least 1), or `None` when exhausted.
    ///
    /// `first_start`: when the first attempt started; `retry_after`: the least interval that the failure asked for.
    pub fn next(
        &self,
        failures: u32,
        first_start: Timestamp,
        now: Timestamp,
        retry_after: Option<DurationMs>,
    ) -> Option<Timestamp> {
        assert!(failures >= 1, "a retry follows a failure");
        if self.max_attempts.is_some_and(|max| failures >= max) {
            return None;
        }
        let due = now.after(self.interval(failures).max(retry_after.unwrap_or_default()));
        match self.max_duration {
            Some(max) if due.since(first_start) > max => None,
            _ => Some(due),
        }
    }

    fn interval(&self, failures: u32) -> DurationMs {
        let mut interval = u128::from(self.initial_interval.0);
        let max = u128::from(self.max_interval.0);
        for _ in 1..failures {
            if interval >= max || interval == 0 {
                break;
            }
            interval = interval * u128::from(self.factor_milli) / 1000;
            if self.factor_milli <= 1000 {
                break;
            }
        }
        DurationMs(u64::try_from(interval.min(max)).expect("at most max_interval, which is a u64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { max_attempts: Some(5), ..RetryPolicy::HANDLER };

    #[test]
    fn interval_doubles_up_to_its_maximum() {
        let interval = |failures| RetryPolicy::HANDLER.interval(failures).0;
        assert_eq!(
            (1..=10).map(interval).collect::<Vec<_>>(),
            [50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
        assert_eq!(interval(u32::MAX), 10_000);
    }

    #[test]
    fn max_attempts_counts_the_first() {
        let next = |failures| POLICY.next(failures, Timestamp(0), Timestamp(1000), None);
        assert_eq!(next(4), Some(Timestamp(1400)));
        assert_eq!(next(5), None);
    }

    #[test]
    fn policies_that_make_no_sense_say_why() {
        let problem = |policy: RetryPolicy| policy.check().expect_err("it is wrong");
        assert_eq!(POLICY.check(), Ok(()));
        assert!(problem(RetryPolicy { factor_milli: 999, ..POLICY }).contains("0.999"));
        assert!(problem(RetryPolicy { factor_milli: 1_000_001, ..POLICY }).contains("between 1 and 1000"));
        assert!(
            problem(RetryPolicy { max_interval: DurationMs(49), ..POLICY }).contains("below its initial")
        );
        assert!(problem(RetryPolicy { max_attempts: Some(0), ..POLICY }).contains("no attempt"));
    }

    #[test]
    fn max_duration_bounds_the_last_start() {
        let policy = RetryPolicy { max_duration: Some(DurationMs(1000)), ..POLICY };
        assert_eq!(policy.next(1, Timestamp(0), Timestamp(950), None), Some(Timestamp(1000)));
        assert_eq!(policy.next(1, Timestamp(0), Timestamp(951), None), None);
    }

    #[test]
    fn a_failure_may_ask_for_more_time() {
        assert_eq!(POLICY.next(1, Timestamp(0), Timestamp(0), Some(DurationMs(700))), Some(Timestamp(700)));
        assert_eq!(POLICY.next(1, Timestamp(0), Timestamp(0), Some(DurationMs(7))), Some(Timestamp(50)));
    }
}
