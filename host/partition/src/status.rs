//! [`PartitionStatus`]: what a partition tells about itself, without asking its processor.

use relight_core::ids::{LeaderEpoch, Lsn, PartitionId};
use relight_core::value::Timestamp;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionStatus {
    pub partition: PartitionId,
    pub role: Role,
    /// Time of the last record that is applied.
    pub time: Timestamp,
    /// The last record that is applied and committed to the tables.
    pub applied: Lsn,
    /// The last record that is committed in the log.
    pub committed: Lsn,
    /// Records up to here survive in the tables without the log.
    pub durable: Lsn,
    pub stats: Stats,
}

/// What this node is for a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Follower,
    /// Won, but its announcement is not applied yet: takes commands, does nothing else.
    Announcing(LeaderEpoch),
    Leader(LeaderEpoch),
    /// The processor has ended.
    Stopped,
}

impl Role {
    pub fn epoch(self) -> Option<LeaderEpoch> {
        match self {
            Self::Announcing(epoch) | Self::Leader(epoch) => Some(epoch),
            Self::Follower | Self::Stopped => None,
        }
    }
}

/// Counters since the start of the process, and gauges of now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    pub records_applied: u64,
    pub bytes_applied: u64,
    pub batches: u64,
    /// Time spent in decoding, applying and committing batches.
    pub apply_us: u64,
    /// Records handed to the log.
    pub proposals: u64,
    pub appends: u64,
    /// Appends that the log refused or could not answer; after each the leader began anew.
    pub appends_failed: u64,
    pub attempts_started: u64,
    pub effects_started: u64,
    pub timers_fired: u64,
    pub deliveries: u64,
    /// Deliveries that were sent again because of a time-out or a gap.
    pub resends: u64,
    pub clock_jumps: u64,
    pub flushes: u64,
    /// Gauges.
    pub proposals_queued: u64,
    pub appends_in_flight: u64,
    pub attempts_running: u64,
    pub attempts_ready: u64,
    pub effects_running: u64,
    pub effects_ready: u64,
    pub timers_in_memory: u64,
    pub timers_in_flight: u64,
    /// Messages in the outbox that their destination has not acknowledged.
    pub outbox_lag: u64,
    pub waiters: u64,
}
