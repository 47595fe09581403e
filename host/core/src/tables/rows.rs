//! Rows that are not a type of their own elsewhere: invocations, open handles, effects, locks.

use crate::{
    command::{AttemptErrorKind, Caller, WaitMode},
    ids::{DeploymentId, EntryIndex, Incarnation, InvocationId, LeaderEpoch, Lsn, Position},
    restart::Restarted,
    schema::{HandlerMode, Policies, ServiceKind},
    tables::TimerKey,
    value::{ObjectKey, Outcome, Target, Timestamp},
};
use std::sync::Arc;

/// One row per partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Meta {
    pub epoch: LeaderEpoch,
    /// Time of the last record.
    pub time: Timestamp,
    /// Request outcomes minted before this are deleted.
    pub requests_expired: Timestamp,
}

/// One durable execution of a handler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invocation {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub target: Target,
    /// Fixed on arrival, like `mode` and `policies`.
    pub kind: ServiceKind,
    pub mode: HandlerMode,
    pub policies: Policies,
    pub idempotency_key: Option<String>,
    /// Hash of the input; kept for idempotency keys, whose payload must not differ.
    pub input_hash: u64,
    pub invoked_by: Option<InvocationId>,
    /// Callers that wait for this one, outermost first.
    pub ancestors: Vec<InvocationId>,
    /// Handles that get the result.
    pub waiters: Vec<Caller>,
    pub created_at: Timestamp,
    /// When the handler was first allowed to run.
    pub started_at: Option<Timestamp>,
    pub modified_at: Timestamp,
    /// Pinned by the first attempt.
    pub deployment: Option<DeploymentId>,
    pub journal: JournalSize,
    /// Handles that have no result: rows of `Key::Open`. Most invocations end with none, and need not look for them.
    pub open: u32,
    /// Signals that nobody has waited for: values in rows of `Key::Signals`.
    pub unclaimed: u32,
    /// Position of a cancellation that no wait has answered yet.
    pub cancel: Option<Position>,
    /// Somebody has asked to cancel it, delivered or not.
    pub cancel_requested: bool,
    /// Failed attempts since the last one that made progress.
    pub failures: u32,
    /// When the first of these attempts started.
    pub failing_since: Timestamp,
    pub last_failure: Option<LastFailure>,
    /// Of the inline run that has failed last.
    pub run: Option<RunFailures>,
    /// Set when it began with a part of another one's journal.
    pub restarted: Option<Box<Restarted>>,
    pub status: Status,
}

impl Invocation {
    /// Whether this invocation takes the lock of its key.
    pub fn locks(&self) -> bool {
        self.target.key.is_some() && self.mode != HandlerMode::Shared
    }

    /// Time of the input, as the handler sees it.
    pub fn input_at(&self) -> Option<Timestamp> {
        let first = self.restarted.as_ref().and_then(|restarted| restarted.input_at);
        first.or(self.started_at)
    }

    /// The attempt that may propose now, if there is one.
    pub fn attempt(&self) -> Option<Lsn> {
        match &self.status {
            Status::Invoked { attempt, retry_at: None, .. } => Some(*attempt),
            _ => None,
        }
    }
}

/// What the journal of an invocation takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JournalSize {
    /// Operations, the input included.
    pub operations: u32,
    /// Operations and notifications: the next position.
    pub items: u32,
    pub bytes: u64,
    /// Inline runs among the operations: each has cost a replay.
    pub runs: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastFailure {
    pub kind: AttemptErrorKind,
    pub message: String,
    pub index: Option<EntryIndex>,
    pub at: Timestamp,
}

/// Attempts of an inline run that have failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunFailures {
    pub index: EntryIndex,
    pub failures: u32,
    /// When the first of them failed.
    pub since: Timestamp,
}

/// Stage of an invocation; each holds what is valid in that stage alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// Its time has not come.
    Scheduled {
        due: Timestamp,
    },
    /// In the inbox of its key.
    Pending {
        sequence: u64,
    },
    /// An attempt runs, is about to, or waits for `retry_at` to do so.
    Invoked {
        attempt: Lsn,
        operations_at_start: u32,
        retry_at: Option<Timestamp>,
    },
    /// Waits without an attempt. `suspended` marks, in the rows of open handles, those it waits for.
    Suspended {
        mode: WaitMode,
        suspended: Lsn,
        remaining: u32,
    },
    /// Only an operator can continue it.
    Paused {
        reason: String,
    },
    Completed {
        outcome: Outcome,
        at: Timestamp,
        expires_at: Timestamp,
    },
}

impl Status {
    /// Name as users see it, where leader's memory is not needed to tell.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scheduled { .. } => "scheduled",
            Self::Pending { .. } => "pending",
            Self::Invoked { retry_at: Some(_), .. } => "backing-off",
            Self::Invoked { retry_at: None, .. } => "running",
            Self::Suspended { .. } => "suspended",
            Self::Paused { .. } => "paused",
            Self::Completed { .. } => "completed",
        }
    }
}

/// A handle that has no result yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    pub kind: OpenKind,
    /// The suspension that waits for it; of an earlier one if it is not the current.
    pub waited_by: Lsn,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenKind {
    Call {
        callee: InvocationId,
    },
    Timer {
        timer: TimerKey,
    },
    Awakeable,
    Effect,
    Signal {
        name: Arc<str>,
    },
    /// A promise, or the result of another invocation.
    Value,
}

/// An effect that has no result yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    pub incarnation: Incarnation,
    /// Position of its operation in the journal, where name, input and policy are.
    pub position: Position,
    /// LSN of the record that started the current attempt.
    pub attempt: Lsn,
    /// Attempts that have failed.
    pub failures: u32,
    pub first_start: Timestamp,
    /// Set while it waits for its next attempt.
    pub retry_at: Option<Timestamp>,
    pub last_error: Option<String>,
}

/// Who holds an object, and the range of its inbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lock {
    pub holder: InvocationId,
    /// No row of the inbox has a lower sequence number.
    pub inbox_first: u64,
    /// Sequence number of the next one to queue; equal to `inbox_first` when the inbox is empty.
    pub inbox_next: u64,
}

/// Rows of the outbox for one destination: `first..next`, dense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutboxRange {
    pub first: u64,
    pub next: u64,
}

impl OutboxRange {
    /// Sequence numbers begin at 1; a destination's dedup row holds 0 before the first.
    pub const EMPTY: Self = Self { first: 1, next: 1 };
}

/// Signals of one name: either handles wait for values, or values for handles.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Signals {
    pub waiting: Vec<EntryIndex>,
    pub values: Vec<Outcome>,
}

/// A promise of a workflow's key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Promise {
    pub outcome: Option<Outcome>,
    pub waiters: Vec<Caller>,
}

/// What keeps the state and the promises of a workflow's key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workflow {
    pub object: ObjectKey,
    /// LSN of the record that made this row: a timer that was set for an earlier one does not count.
    pub incarnation: Incarnation,
    /// Shared handlers of the key that are not completed.
    pub unfinished: u32,
    /// The run is purged: the last shared handler takes state and promises with it.
    pub purged: bool,
}
