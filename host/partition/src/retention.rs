//! [`RetentionPolicy`]: when tables are flushed and how much of the log stays behind them.
//!
//! The tables are the truth below the trim point. Until there are checkpoints, a log is trimmed only up to what a flush
//! has written and synced to files, and a margin stays behind that. Tables that are damaged after a trim cannot be
//! rebuilt from the log: the node refuses to start and names them.

use std::time::Duration;

use relight_core::ids::Lsn;
use tokio::time::Instant;

use crate::limits::FIRST_FLUSH_AFTER;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetentionPolicy {
    /// Tables are flushed when this many bytes of records were applied since the last flush. Bounds what a restart
    /// applies again.
    pub flush_bytes: u64,
    /// And at least this often, when anything was applied; sooner after a start.
    pub flush_after: Duration,
    /// Records that stay in the log below the durable LSN; `None` trims nothing.
    pub keep_records: Option<u64>,
}

impl Default for RetentionPolicy {
    /// 64 MiB are applied in seconds. 10,000 records keep followers and people who debug from needing more.
    fn default() -> Self {
        Self { flush_bytes: 64 << 20, flush_after: Duration::from_secs(5 * 60), keep_records: Some(10_000) }
    }
}

/// What was applied since the last flush.
#[derive(Debug)]
pub struct Retention {
    policy: RetentionPolicy,
    bytes: u64,
    records: u64,
    flush_at: Instant,
    flushing: bool,
}

impl Retention {
    pub fn new(policy: RetentionPolicy, now: Instant) -> Self {
        let flush_at = now + policy.flush_after.min(FIRST_FLUSH_AFTER);
        Self { policy, bytes: 0, records: 0, flush_at, flushing: false }
    }

    pub fn applied(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
    }

    /// Whether a flush is due.
    pub fn is_due(&self, now: Instant) -> bool {
        let due = self.policy.flush_bytes <= self.bytes || self.flush_at <= now;
        due && !self.flushing && self.records != 0
    }

    /// Whether a flush is due; then it counts as begun.
    pub fn begin_flush(&mut self, now: Instant) -> bool {
        if !self.is_due(now) {
            return false;
        }
        self.flushing = true;
        self.bytes = 0;
        self.records = 0;
        true
    }

    /// The flush has returned; answers up to where the log may be trimmed.
    pub fn flushed(&mut self, durable: Lsn, now: Instant) -> Option<Lsn> {
        self.flushing = false;
        self.flush_at = now + self.policy.flush_after;
        let upto = durable.0.checked_sub(self.policy.keep_records?)?;
        (0 < upto).then_some(Lsn(upto))
    }

    /// When `begin_flush` has something to do that no event tells of.
    pub fn next_deadline(&self) -> Option<Instant> {
        (!self.flushing && 0 < self.records).then_some(self.flush_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetentionPolicy =
        RetentionPolicy { flush_bytes: 100, flush_after: Duration::from_secs(10), keep_records: Some(5) };

    #[test]
    fn flush_is_due_by_bytes_or_by_time_and_one_at_a_time() {
        let start = Instant::now();
        let mut retention = Retention::new(POLICY, start);
        assert!(!retention.begin_flush(start + Duration::from_secs(20)));
        retention.applied(1, 60);
        assert!(!retention.begin_flush(start));
        assert_eq!(retention.next_deadline(), Some(start + Duration::from_secs(10)));
        retention.applied(1, 60);
        assert!(retention.begin_flush(start));
        retention.applied(1, 200);
        assert!(!retention.begin_flush(start));
        retention.flushed(Lsn(2), start);
        assert!(retention.begin_flush(start));
    }

    #[test]
    fn the_first_flush_comes_soon_and_later_ones_when_their_time_has_come() {
        let start = Instant::now();
        let rarely = RetentionPolicy { flush_after: Duration::from_secs(300), ..POLICY };
        let mut retention = Retention::new(rarely, start);
        retention.applied(1, 1);
        assert_eq!(retention.next_deadline(), Some(start + FIRST_FLUSH_AFTER));
        assert!(retention.begin_flush(start + FIRST_FLUSH_AFTER));
        retention.flushed(Lsn(1), start);
        retention.applied(1, 1);
        assert_eq!(retention.next_deadline(), Some(start + Duration::from_secs(300)));
    }

    #[test]
    fn a_margin_stays_behind_the_durable_lsn() {
        let now = Instant::now();
        let mut retention = Retention::new(POLICY, now);
        assert_eq!(retention.flushed(Lsn(3), now), None);
        assert_eq!(retention.flushed(Lsn(5), now), None);
        assert_eq!(retention.flushed(Lsn(12), now), Some(Lsn(7)));
        let mut keep_all = Retention::new(RetentionPolicy { keep_records: None, ..POLICY }, now);
        assert_eq!(keep_all.flushed(Lsn(12), now), None);
    }
}
