//! Inputs of the state machine: records of the log and the commands and messages in them.
//!
//! Their byte form is in `relight-storage`; which command may come from whom is said at each.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    ids::{
        AwakeableId, DeploymentId, EntryIndex, FencingToken, Incarnation, InvocationId, LeaderEpoch, Lsn,
        PartitionId, RequestId, Revision,
    },
    journal::Entry,
    retry::RetryPolicy,
    schema::{Deployment, Options, OptionsPatch, Removal, SchemaChange, Service},
    tables::TimerKey,
    value::{DurationMs, Failure, Headers, ObjectKey, Outcome, Target, Timestamp, Value},
};

/// An item of a partition's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub lsn: Lsn,
    /// Durable time: never less than that of the record before.
    pub time: Timestamp,
    pub command: Command,
}

/// Payload of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// From a new leader, before anything else of its epoch.
    AnnounceLeader { epoch: LeaderEpoch },
    /// From a door: start an invocation, or find the one with this id.
    Invoke { request: RequestId, invocation: NewInvocation },
    /// From a door: complete an awakeable.
    ResolveAwakeable { request: RequestId, id: AwakeableId, outcome: Outcome },
    /// From a door: cooperative stop.
    Cancel { request: RequestId, id: InvocationId },
    /// From a door: immediate end.
    Kill { request: RequestId, id: InvocationId },
    /// From a door: a named value for an invocation.
    SendSignal { request: RequestId, to: InvocationId, name: String, outcome: Outcome },
    /// From a door: complete a promise of a workflow's key.
    CompletePromise { request: RequestId, workflow: ObjectKey, name: String, outcome: Outcome },
    /// From a door: no attempts until it is resumed.
    Pause { request: RequestId, id: InvocationId },
    /// From a door: start an attempt now, from here on on another deployment if there is one.
    Resume { request: RequestId, id: InvocationId, onto: Option<Onto> },
    /// From a door: forget a completed invocation, or its journal alone.
    Purge { request: RequestId, id: InvocationId, what: Purge },
    /// From a door: a new invocation `new`, a random id of the same partition key, that begins with the operations of
    /// the completed `id` up to `from`.
    RestartAsNew { request: RequestId, id: InvocationId, new: InvocationId, from: EntryIndex, on: RestartOn },
    /// From admin, to partition 0 only: activate a deployment. Revisions are assigned by `apply`.
    Deploy { request: RequestId, deployment: Deployment, services: Vec<Service> },
    /// From admin, to partition 0 only: make another revision the latest; `None`: the one before.
    Rollback { request: RequestId, service: Arc<str>, revision: Option<Revision> },
    /// From admin, to partition 0 only: what an operator sets for the latest revision of a service.
    PatchService { request: RequestId, service: Arc<str>, patch: OptionsPatch },
    /// From a server that starts, to partition 0 only: its policies.
    Configure { request: RequestId, defaults: Options },
    /// From admin, to partition 0 only: nothing new uses the deployment from here on.
    StartRemoval { request: RequestId, deployment: DeploymentId, removal: Removal },
    /// From admin, to partition 0 only, once no partition needs the deployment any more.
    FinishRemoval { request: RequestId, deployment: DeploymentId },
    /// From admin: pause an invocation that is pinned to a deployment which is closing.
    Evict { request: RequestId, id: InvocationId, deployment: DeploymentId },
    /// From an attempt: operations it has made, the first of them with index `first`.
    Append { id: InvocationId, token: FencingToken, first: EntryIndex, entries: Vec<Entry>, then: Then },
    /// From an attempt: an inline run has failed and may be retried. `operations`: made in all before it; fewer in
    /// the journal means that an append was lost.
    RunFailed {
        id: InvocationId,
        token: FencingToken,
        operations: u32,
        name: String,
        error: EffectError,
        retry: RetryPolicy,
    },
    /// From an attempt: it waits and nothing is ready.
    Suspend { id: InvocationId, token: FencingToken, wait: Wait },
    /// From an attempt: it has ended without a result.
    AttemptFailed { id: InvocationId, token: FencingToken, error: AttemptError },
    /// From an effect's attempt: its result, to be recorded.
    EffectCompleted {
        id: InvocationId,
        incarnation: Incarnation,
        index: EntryIndex,
        token: FencingToken,
        outcome: Outcome,
    },
    /// From an effect's attempt: it has failed and may be retried.
    EffectFailed {
        id: InvocationId,
        incarnation: Incarnation,
        index: EntryIndex,
        token: FencingToken,
        error: EffectError,
    },
    /// From the leader: durable time has reached the timer.
    TimerFired { timer: TimerKey },
    /// From the leader of another partition: rows of its outbox, the first of them with sequence number `first`.
    Deliver { source: PartitionId, first: u64, messages: Vec<Message> },
    /// From the leader: `destination` has everything up to and including `upto`.
    TruncateOutbox { destination: PartitionId, upto: u64 },
}

/// What comes after an accepted append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    GoOn,
    /// The attempt has ended with these entries; another one replays them. After an inline run, whose work may have
    /// left traces in the instance.
    StartOver,
}

/// A deployment that an invocation moves to, and the journal that was replayed against it before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Onto {
    pub deployment: DeploymentId,
    pub incarnation: Incarnation,
    /// All that the journal had; more by now means that nobody knows whether it still fits.
    pub items: u32,
}

/// How much of a completed invocation to forget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purge {
    Invocation,
    Journal,
}

/// The deployment on which an invocation is restarted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestartOn {
    /// The one of new invocations.
    Latest,
    /// The one of the original; the latest if that never had one.
    Keep,
    Deployment(DeploymentId),
}

/// What an attempt waits for before it is worth starting again. Its cancellation is an implicit member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Operations that the attempt has made in all; fewer in the journal means that an append was lost.
    pub operations: u32,
    pub mode: WaitMode,
    /// Not empty; may repeat.
    pub handles: Vec<EntryIndex>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitMode {
    Any,
    All,
}

/// Why an attempt ended without a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptError {
    pub kind: AttemptErrorKind,
    /// For people: message, and backtrace where there is one.
    pub message: String,
    /// The operation that was being made, where it is known.
    pub index: Option<EntryIndex>,
    pub retry_after: Option<DurationMs>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptErrorKind {
    /// Trap, panic, out of memory, CPU budget, retryable error: back off and try again.
    Retryable,
    /// Replay asked for something else than the journal holds: trying again cannot help.
    JournalMismatch,
    /// A limit of the journal is exceeded: trying again cannot help.
    LimitExceeded,
    /// The host could not run it for reasons of its own: try again, does not count as a failure.
    Host,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EffectError {
    pub message: String,
    pub retry_after: Option<DurationMs>,
}

/// A request for an invocation, from a door or from a handler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewInvocation {
    pub id: InvocationId,
    pub target: Target,
    pub input: Bytes,
    pub headers: Headers,
    pub idempotency_key: Option<String>,
    /// Earliest start; before it the invocation is `scheduled`.
    pub due: Option<Timestamp>,
    pub origin: Origin,
}

/// Who asked for an invocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    Ingress,
    /// A handler that does not wait for the result.
    Send {
        sender: InvocationId,
    },
    /// A handler that has a handle to the result. `ancestors`: its own callers, outermost first.
    Call {
        caller: Caller,
        ancestors: Vec<InvocationId>,
    },
}

/// A handle of one life of an invocation: where a result is to be delivered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Caller {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub index: EntryIndex,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttachMode {
    /// Until there is a result.
    Wait,
    /// What there is now.
    Peek,
}

/// What partitions tell each other through outbox and dedup, exactly once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    Invoke(NewInvocation),
    /// The result of a call.
    Complete {
        caller: Caller,
        value: Value,
    },
    ResolveAwakeable {
        id: AwakeableId,
        outcome: Outcome,
    },
    SendSignal {
        to: InvocationId,
        name: String,
        outcome: Outcome,
    },
    /// A handler asks for the result of `id`.
    Attach {
        id: InvocationId,
        caller: Caller,
        mode: AttachMode,
    },
    /// A handler cancels another invocation.
    Cancel {
        id: InvocationId,
    },
    /// The caller was cancelled; only the invocation that this caller started is meant.
    CancelCallee {
        id: InvocationId,
        caller: Caller,
    },
    /// The caller was killed; only the invocation that this caller started is meant.
    KillCallee {
        id: InvocationId,
        caller: Caller,
    },
    /// Partition 0 to all others, in the order of its records. `version`: LSN of the record there.
    Schema {
        version: Lsn,
        change: SchemaChange,
    },
}

impl From<AttemptError> for Failure {
    fn from(error: AttemptError) -> Self {
        Self::new(500, error.message)
    }
}

impl Message {
    /// About what it takes in a record.
    pub fn size_bytes(&self) -> usize {
        /// Ids, names and tags.
        const FIXED: usize = 128;
        /// Every service with its schemas: rare, and worth a delivery of its own.
        const SCHEMA: usize = 1 << 20;
        let outcome_bytes = |outcome: &Outcome| match outcome {
            Ok(bytes) => bytes.len(),
            Err(failure) => failure.message.len(),
        };
        let headers_bytes =
            |headers: &Headers| headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        FIXED
            + match self {
                Self::Invoke(new) => new.input.len() + headers_bytes(&new.headers),
                Self::Complete { value: Value::Success(bytes), .. } => bytes.len(),
                Self::Complete { value: Value::Failure(failure), .. } => failure.message.len(),
                Self::Complete { value: Value::Void, .. } => 0,
                Self::ResolveAwakeable { outcome, .. } => outcome_bytes(outcome),
                Self::SendSignal { name, outcome, .. } => name.len() + outcome_bytes(outcome),
                Self::CancelCallee { .. }
                | Self::KillCallee { .. }
                | Self::Attach { .. }
                | Self::Cancel { .. } => 0,
                Self::Schema { .. } => SCHEMA,
            }
    }
}
