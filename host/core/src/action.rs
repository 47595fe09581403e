//! Outputs of the state machine: what the leader must do once the record is applied.
//!
//! Losing any of them is harmless: the leader rebuilds those that matter from the tables.

use crate::{
    ids::{
        DeploymentId, EntryIndex, Incarnation, InvocationId, LeaderEpoch, Lsn, PartitionId, Position,
        RequestId, Revision,
    },
    journal::Notification,
    restart::NotRestartable,
    schema::ServiceKind,
    tables::TimerKey,
    value::{ObjectKey, Outcome, Target, Timestamp},
};
use std::sync::Arc;

/// What follows from a record. A leader may carry out at once what stays inside of it; what leaves it waits until the
/// record is durable: see [`Action::leaves`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// A leader has announced itself; the one whose epoch it is may act from here on.
    LeaderAnnounced {
        epoch: LeaderEpoch,
    },
    /// Start an attempt. `attempt` is the LSN of this record.
    Start {
        id: InvocationId,
        attempt: Lsn,
    },
    /// Give the running attempt, if there is one, the notification at `position`.
    Notify {
        id: InvocationId,
        position: Position,
        notification: Notification,
    },
    /// The running attempt's operations below `operations` are accepted.
    Accepted {
        id: InvocationId,
        attempt: Lsn,
        operations: u32,
    },
    /// The attempt is over (suspended, ended, killed, rejected): drop it.
    EndAttempt {
        id: InvocationId,
        attempt: Lsn,
    },
    /// Start an attempt of an effect.
    StartEffect {
        id: InvocationId,
        incarnation: Incarnation,
        index: EntryIndex,
        attempt: Lsn,
    },
    /// Nobody needs the effect's result any more: drop its running attempt.
    AbortEffect {
        id: InvocationId,
        index: EntryIndex,
    },
    SetTimer {
        timer: TimerKey,
    },
    DeleteTimer {
        timer: TimerKey,
    },
    /// A row has entered the outbox.
    Ship {
        destination: PartitionId,
        sequence: u64,
    },
    /// Everything from `source` up to `upto` is here: it may truncate its outbox.
    Delivered {
        source: PartitionId,
        upto: u64,
    },
    /// A delivery from `source` left a gap; `expected` is the sequence number to send from.
    DeliveryGap {
        source: PartitionId,
        expected: u64,
    },
    /// The answer to a door's command.
    Answer {
        request: RequestId,
        answer: Answer,
    },
    /// An invocation has its result; tell the doors that wait for it.
    Completed {
        id: InvocationId,
        outcome: Outcome,
        expires_at: Option<Timestamp>,
    },
    /// Services or deployments have changed.
    SchemaChanged,
    /// The invocation has made so many inline runs that its replays cost more than its work: tell people, once.
    WarnOfRuns {
        id: InvocationId,
        runs: u32,
    },
}

impl Action {
    /// Whether it can be seen outside of the partition's leader: then its record MUST be durable first. What stays inside
    /// (attempts, timers) vanishes together with a record that does.
    pub fn leaves(&self) -> bool {
        match self {
            Self::Start { .. }
            | Self::Notify { .. }
            | Self::Accepted { .. }
            | Self::EndAttempt { .. }
            | Self::SetTimer { .. }
            | Self::DeleteTimer { .. }
            | Self::WarnOfRuns { .. } => false,
            // An abort waits although nobody would see it: it must not overtake the start of its effect.
            Self::StartEffect { .. } | Self::AbortEffect { .. } => true,
            Self::Ship { .. } | Self::Delivered { .. } | Self::DeliveryGap { .. } => true,
            Self::LeaderAnnounced { .. } | Self::SchemaChanged => true,
            Self::Answer { .. } | Self::Completed { .. } => true,
        }
    }
}

/// Answer to a command from a door; stored, so that the same request id gets the same one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The invocation exists. `previously`: it did so before this command.
    Accepted {
        id: InvocationId,
        previously: bool,
        due: Option<Timestamp>,
    },
    /// The awakeable, promise or signal has its value; of an awakeable an earlier one wins.
    Resolved,
    /// The invocation has ended by this command.
    Ended,
    /// The invocation has been told to end.
    Ending,
    /// No attempt runs; `already`: none did before.
    Paused {
        already: bool,
    },
    Resumed,
    Purged,
    RestartedAsNew {
        id: InvocationId,
    },
    Deployed {
        deployment: DeploymentId,
        revisions: Vec<(Arc<str>, Revision)>,
        changed: bool,
        version: Lsn,
    },
    /// What is deployed is as it was asked for, everywhere once every partition has this version.
    Registered {
        version: Lsn,
        changed: bool,
    },
    Refused(Refusal),
}

/// Why a command was not carried out. Nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("unknown service or handler `{0}`")]
    UnknownTarget(Target),
    #[error("idempotency key `{0}` was used before with another payload")]
    PayloadDiffers(String),
    #[error("unknown invocation `{0}`")]
    UnknownInvocation(InvocationId),
    #[error("invocation `{0}` is already completed")]
    AlreadyCompleted(InvocationId),
    #[error("invocation `{id}` has no awakeable with index {index}")]
    UnknownAwakeable { id: InvocationId, index: EntryIndex },
    #[error("invocation `{0}` is not completed")]
    NotCompleted(InvocationId),
    #[error("invocation `{0}` has not started")]
    NotStarted(InvocationId),
    #[error("promise `{name}` of `{workflow:?}` has a value already")]
    PromiseCompleted { workflow: ObjectKey, name: String },
    #[error("`{0}` is not a workflow")]
    NotAWorkflow(Arc<str>),
    #[error("invocation `{0}` has too many signals that nobody has waited for")]
    TooManySignals(InvocationId),
    #[error("deployment `{0}` does not exist or does not have the service of the invocation")]
    UnknownDeployment(DeploymentId),
    #[error("the journal of invocation `{0}` is not the one that was replayed")]
    JournalChanged(InvocationId),
    /// Not stored: it is as old as what was forgotten.
    #[error("the outcome of this request is not known any more: it was made too long ago")]
    RequestExpired,
    #[error("invocation `{id}` is not restarted: {why}")]
    NotRestartable { id: InvocationId, why: NotRestartable },
    #[error("service `{name}` is a {deployed}; a deployment can't change its kind")]
    KindChanged { name: Arc<str>, deployed: ServiceKind },
    #[error("unknown service `{0}`")]
    UnknownService(Arc<str>),
    #[error("service `{service}` has no revision {revision}, or its deployment was removed")]
    UnknownRevision { service: Arc<str>, revision: Revision },
    #[error("service `{0}` has no earlier revision")]
    NoEarlierRevision(Arc<str>),
    #[error("unknown deployment `{0}`")]
    NoSuchDeployment(DeploymentId),
    #[error("deployment `{0}` is being removed; nothing new can use it")]
    BeingRemoved(DeploymentId),
    #[error("deployment `{0}` is not being removed")]
    NotBeingRemoved(DeploymentId),
    #[error("deployment `{deployment}` is the latest of {}", quoted(services))]
    LatestOf { deployment: DeploymentId, services: Vec<Arc<str>> },
    #[error("invocations are pinned to deployment `{0}`")]
    Pinned(DeploymentId),
}

fn quoted(names: &[Arc<str>]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
