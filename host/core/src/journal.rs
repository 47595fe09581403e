//! The journal of one invocation: operations (what the handler did) and notifications (what came back).
//!
//! Operations have a dense index, operations and notifications together a dense position. How a journal is replayed
//! is in `replay/`; how it is stored is not known here.

use bytes::Bytes;

use crate::{
    ids::{AwakeableId, EntryIndex, InvocationId},
    retry::RetryPolicy,
    value::{Due, DurationMs, Headers, Outcome, Target, Timestamp, Value},
};

/// An operation with the time at which the executor made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Stamp by the executor's clock; part of what `now()` answers after it, on every replay.
    pub made_at: Timestamp,
    pub operation: Operation,
}

/// What a handler did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Always index 0; written by `apply`, never proposed by an attempt.
    Input {
        headers: Headers,
        body: Bytes,
    },
    /// Recorded only when it reads something that this invocation has not written itself.
    GetState {
        key: String,
        value: Option<Bytes>,
    },
    StateKeys {
        keys: Vec<String>,
    },
    SetState {
        key: String,
        value: Bytes,
    },
    ClearState {
        key: String,
    },
    ClearAllState,
    Call(Call),
    Send {
        call: Call,
        due: Due,
    },
    Timer {
        due: Due,
        name: Option<String>,
    },
    Awakeable,
    Effect {
        name: String,
        input: Bytes,
        retry: RetryPolicy,
        timeout: DurationMs,
    },
    ResolveAwakeable {
        id: AwakeableId,
        outcome: Outcome,
    },
    /// Completes with the next value of that name that was sent to this invocation.
    Signal {
        name: String,
    },
    SendSignal {
        to: InvocationId,
        name: String,
        outcome: Outcome,
    },
    /// Promises of the workflow that the handler belongs to.
    Promise {
        name: String,
    },
    /// Completes at once, with nothing while the promise has no value.
    PromisePeek {
        name: String,
    },
    /// Completes with a failure when the promise has a value.
    PromiseComplete {
        name: String,
        outcome: Outcome,
    },
    /// The result of another invocation.
    Attach {
        id: InvocationId,
    },
    /// Completes at once, with nothing while the invocation is not completed.
    PeekOutput {
        id: InvocationId,
    },
    CancelInvocation {
        id: InvocationId,
    },
    /// An inline side effect that was carried out, with its result.
    Run {
        name: String,
        outcome: Outcome,
    },
    /// A wait has answered `cancelled`; applying it cancels the calls that have no result yet.
    CancelDelivered,
    /// Always the last.
    Output {
        outcome: Outcome,
    },
}

/// Arguments that call and send share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub target: Target,
    /// Assigned by the executor, derived from caller and index or from the idempotency key.
    pub callee: InvocationId,
    pub input: Bytes,
    pub headers: Headers,
    pub idempotency_key: Option<String>,
    /// Shown to people in the journal; no meaning for execution.
    pub name: Option<String>,
}

impl Operation {
    /// Whether the operation's index is a handle that completes by a notification.
    pub fn is_awaited(&self) -> bool {
        matches!(
            self,
            Self::Call(_)
                | Self::Timer { .. }
                | Self::Awakeable
                | Self::Effect { .. }
                | Self::Signal { .. }
                | Self::Promise { .. }
                | Self::PromisePeek { .. }
                | Self::PromiseComplete { .. }
                | Self::Attach { .. }
                | Self::PeekOutput { .. }
        )
    }

    /// Name of the kind, as users see it in journals and mismatch reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Input { .. } => "input",
            Self::GetState { .. } => "get-state",
            Self::StateKeys { .. } => "state-keys",
            Self::SetState { .. } => "set-state",
            Self::ClearState { .. } => "clear-state",
            Self::ClearAllState => "clear-all-state",
            Self::Call(_) => "call",
            Self::Send { .. } => "send",
            Self::Timer { .. } => "timer",
            Self::Awakeable => "awakeable",
            Self::Effect { .. } => "effect",
            Self::ResolveAwakeable { .. } => "resolve-awakeable",
            Self::Signal { .. } => "signal",
            Self::SendSignal { .. } => "send-signal",
            Self::Promise { .. } => "promise",
            Self::PromisePeek { .. } => "promise-peek",
            Self::PromiseComplete { .. } => "promise-complete",
            Self::Attach { .. } => "attach",
            Self::PeekOutput { .. } => "output-of",
            Self::CancelInvocation { .. } => "cancel-invocation",
            Self::Run { .. } => "run",
            Self::CancelDelivered => "cancel-delivered",
            Self::Output { .. } => "output",
        }
    }

    /// Bytes that count against the limits of a journal; an estimate of what storing the operation takes.
    pub fn size_bytes(&self) -> usize {
        const FIXED: usize = 32;
        let headers =
            |headers: &Headers| headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let outcome = |outcome: &Outcome| match outcome {
            Ok(bytes) => bytes.len(),
            Err(failure) => failure.message.len(),
        };
        let call = |call: &Call| {
            call.input.len()
                + headers(&call.headers)
                + call.target.key.as_ref().map_or(0, |key| key.len())
                + 64
        };
        FIXED
            + match self {
                Self::Input { headers: list, body } => headers(list) + body.len(),
                Self::GetState { key, value } => key.len() + value.as_ref().map_or(0, Bytes::len),
                Self::StateKeys { keys } => keys.iter().map(String::len).sum(),
                Self::SetState { key, value } => key.len() + value.len(),
                Self::ClearState { key } => key.len(),
                Self::ClearAllState
                | Self::Awakeable
                | Self::CancelDelivered
                | Self::Attach { .. }
                | Self::PeekOutput { .. }
                | Self::CancelInvocation { .. } => 0,
                Self::Signal { name } | Self::Promise { name } | Self::PromisePeek { name } => name.len(),
                Self::SendSignal { name, outcome: inner, .. }
                | Self::PromiseComplete { name, outcome: inner }
                | Self::Run { name, outcome: inner } => name.len() + outcome(inner),
                Self::Call(inner) | Self::Send { call: inner, .. } => call(inner),
                Self::Timer { name, .. } => name.as_ref().map_or(0, String::len),
                Self::Effect { name, input, .. } => name.len() + input.len(),
                Self::ResolveAwakeable { outcome: inner, .. } | Self::Output { outcome: inner } => {
                    outcome(inner)
                }
            }
    }
}

/// What came back. Its place in the journal is its position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// Time of the record that delivered it.
    pub at: Timestamp,
    pub kind: NotificationKind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotificationKind {
    /// The operation at `index` has its result.
    Completed { index: EntryIndex, value: Value },
    /// Somebody cancelled this invocation; delivered by the next wait that reaches its position.
    Cancelled,
}

/// One item of a journal, in the order of positions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JournalItem {
    Operation(Entry),
    Notification(Notification),
}

impl JournalItem {
    /// Bytes that count against the limits of a journal.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Operation(entry) => entry.operation.size_bytes(),
            Self::Notification(notification) => match &notification.kind {
                NotificationKind::Completed { value: Value::Success(bytes), .. } => 32 + bytes.len(),
                NotificationKind::Completed { value: Value::Failure(failure), .. } => {
                    32 + failure.message.len()
                }
                NotificationKind::Completed { value: Value::Void, .. } | NotificationKind::Cancelled => 32,
            },
        }
    }
}
