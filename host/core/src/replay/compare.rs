//! Whether an operation is the recorded one, and in which words to say that it is not.

use std::fmt;

use crate::{
    command::WaitMode,
    ids::EntryIndex,
    journal::{Call, Operation},
    value::Due,
};

/// Characters of a user's name or key that a report shows; names may be long, reports are read by people.
const QUOTE_CHARS_MAX: usize = 100;
/// Handles of a wait that a report shows.
const HANDLES_SHOWN_MAX: usize = 8;

/// Replay asked for something else than the journal holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// Of the recorded operation.
    pub index: EntryIndex,
    /// The recorded operation, for people.
    pub recorded: String,
    pub got: Got,
}

/// What the handler did instead, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Got {
    /// Made another operation.
    Operation(String),
    /// Waited for something that the journal does not answer.
    Wait(String),
    /// Returned.
    Return(String),
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, recorded, got } = self;
        write!(f, "journal mismatch at index {index}: ")?;
        match got {
            Got::Operation(got) => write!(f, "recorded {recorded}, got {got}"),
            Got::Wait(handles) => write!(
                f,
                "the handler waits for {handles}, which nothing answers, but the journal goes on with {recorded}"
            ),
            Got::Return(outcome) => {
                write!(f, "the handler returned {outcome}, but the journal goes on with {recorded}")
            }
        }
    }
}

impl Mismatch {
    pub(super) fn wait(
        index: EntryIndex,
        recorded: &Operation,
        mode: WaitMode,
        handles: &[EntryIndex],
    ) -> Self {
        let mode = match (mode, handles) {
            (_, [_]) => "handle",
            (WaitMode::Any, _) => "any of the handles",
            (WaitMode::All, _) => "all of the handles",
        };
        let mut list =
            handles.iter().take(HANDLES_SHOWN_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if HANDLES_SHOWN_MAX < handles.len() {
            list.push_str(", …");
        }
        Self { index, recorded: describe(recorded), got: Got::Wait(format!("{mode} {list}")) }
    }

    pub(super) fn finish(index: EntryIndex, recorded: &Operation, output: &Operation) -> Self {
        let outcome = match output {
            Operation::Output { outcome: Err(failure) } => {
                format!("the failure {}", quote(&failure.to_string()))
            }
            _ => "a result".to_owned(),
        };
        Self { index, recorded: describe(recorded), got: Got::Return(outcome) }
    }
}

/// Whether replay may go on with `got` in place of `recorded`.
pub(super) fn same(index: EntryIndex, recorded: &Operation, got: &Operation) -> Result<(), Mismatch> {
    let Some(difference) = difference(recorded, got) else { return Ok(()) };
    let (recorded, mut got) = (describe(recorded), describe(got));
    if recorded == got {
        got = format!("it with another {difference}");
    }
    Err(Mismatch { index, recorded, got: Got::Operation(got) })
}

/// The first part that differs.
///
/// Not compared: what the host has answered (values and keys of state, ids of callees), and policies that do not change what the
/// operation is (retry and time-out of an effect; the recorded ones rule).
fn difference(recorded: &Operation, got: &Operation) -> Option<&'static str> {
    use Operation as Op;
    match (recorded, got) {
        (Op::GetState { key, .. }, Op::GetState { key: got, .. }) => differs("key", key, got),
        (Op::StateKeys { .. }, Op::StateKeys { .. })
        | (Op::ClearAllState, Op::ClearAllState)
        | (Op::Awakeable, Op::Awakeable)
        | (Op::CancelDelivered, Op::CancelDelivered) => None,
        (Op::SetState { key, value }, Op::SetState { key: got_key, value: got }) => {
            differs("key", key, got_key).or_else(|| differs("value", value, got))
        }
        (Op::ClearState { key }, Op::ClearState { key: got }) => differs("key", key, got),
        (Op::Call(call), Op::Call(got)) => call_difference(call, got),
        (Op::Send { call, due }, Op::Send { call: got_call, due: got }) => {
            call_difference(call, got_call).or_else(|| differs("due time", due, got))
        }
        (Op::Timer { due, name }, Op::Timer { due: got_due, name: got }) => {
            differs("due time", due, got_due).or_else(|| differs("name", name, got))
        }
        (Op::Effect { name, input, .. }, Op::Effect { name: got_name, input: got, .. }) => {
            differs("name", name, got_name).or_else(|| differs("input", input, got))
        }
        (Op::ResolveAwakeable { id, outcome }, Op::ResolveAwakeable { id: got_id, outcome: got }) => {
            differs("id", id, got_id).or_else(|| differs("value", outcome, got))
        }
        (Op::Signal { name }, Op::Signal { name: got })
        | (Op::Promise { name }, Op::Promise { name: got })
        | (Op::PromisePeek { name }, Op::PromisePeek { name: got })
        | (Op::Run { name, .. }, Op::Run { name: got, .. }) => differs("name", name, got),
        (
            Op::SendSignal { to, name, outcome },
            Op::SendSignal { to: got_to, name: got_name, outcome: got },
        ) => differs("receiver", to, got_to)
            .or_else(|| differs("name", name, got_name))
            .or_else(|| differs("value", outcome, got)),
        (Op::PromiseComplete { name, outcome }, Op::PromiseComplete { name: got_name, outcome: got }) => {
            differs("name", name, got_name).or_else(|| differs("value", outcome, got))
        }
        (Op::Attach { id }, Op::Attach { id: got })
        | (Op::PeekOutput { id }, Op::PeekOutput { id: got })
        | (Op::CancelInvocation { id }, Op::CancelInvocation { id: got }) => differs("id", id, got),
        (Op::Output { outcome }, Op::Output { outcome: got }) => differs("value", outcome, got),
        _ => Some("kind"),
    }
}

fn call_difference(recorded: &Call, got: &Call) -> Option<&'static str> {
    differs("target", &recorded.target, &got.target)
        .or_else(|| differs("name", &recorded.name, &got.name))
        .or_else(|| differs("idempotency key", &recorded.idempotency_key, &got.idempotency_key))
        .or_else(|| differs("input", &recorded.input, &got.input))
        .or_else(|| differs("list of headers", &recorded.headers, &got.headers))
}

fn differs<T: PartialEq>(part: &'static str, recorded: &T, got: &T) -> Option<&'static str> {
    (recorded != got).then_some(part)
}

fn describe(operation: &Operation) -> String {
    let kind = operation.kind();
    match operation {
        Operation::Input { .. }
        | Operation::StateKeys { .. }
        | Operation::ClearAllState
        | Operation::Awakeable => kind.to_owned(),
        Operation::GetState { key, .. } | Operation::SetState { key, .. } | Operation::ClearState { key } => {
            format!("{kind} {}", quote(key))
        }
        Operation::Call(call) => describe_call(kind, call),
        Operation::Send { call, due } => format!("{}{}", describe_call(kind, call), describe_due(*due)),
        Operation::Timer { due, name } => format!("{kind}{}{}", describe_due(*due), describe_name(name)),
        Operation::Effect { name, .. } => format!("{kind} {}", quote(name)),
        Operation::ResolveAwakeable { id, .. } => format!("{kind} `{id}`"),
        Operation::Signal { name }
        | Operation::Promise { name }
        | Operation::PromisePeek { name }
        | Operation::PromiseComplete { name, .. }
        | Operation::Run { name, .. } => format!("{kind} {}", quote(name)),
        Operation::SendSignal { to, name, .. } => format!("{kind} {} to `{to}`", quote(name)),
        Operation::Attach { id } | Operation::PeekOutput { id } | Operation::CancelInvocation { id } => {
            format!("{kind} `{id}`")
        }
        Operation::CancelDelivered => "the delivery of a cancellation".to_owned(),
        Operation::Output { outcome: Ok(_) } => "the result of the handler".to_owned(),
        Operation::Output { outcome: Err(failure) } => {
            format!("the failure {} of the handler", quote(&failure.to_string()))
        }
    }
}

fn describe_call(kind: &str, call: &Call) -> String {
    format!("{kind} {}{}", quote(&call.target.to_string()), describe_name(&call.name))
}

fn describe_name(name: &Option<String>) -> String {
    name.as_ref().map_or_else(String::new, |name| format!(" named {}", quote(name)))
}

fn describe_due(due: Due) -> String {
    match due {
        Due::Now => String::new(),
        Due::At(instant) => format!(" at {} ms since the epoch", instant.0),
        Due::After(duration) => format!(" after {} ms", duration.0),
    }
}

fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
