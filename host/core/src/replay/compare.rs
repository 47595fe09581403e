//! Whether an operation is the recorded one, and what to say when it is not.

use std::fmt;

use super::describe::{Part, describe, describe_wait, quote, quote_both};
use crate::{
    command::WaitMode,
    ids::EntryIndex,
    journal::{Call, Operation},
};

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
        write!(f, "journal mismatch at entry {index}: the journal recorded {recorded}, the handler now ")?;
        match got {
            Got::Operation(got) => write!(f, "asks for {got}"),
            Got::Wait(handles) => write!(f, "waits for {handles}, which has no answer there"),
            Got::Return(outcome) => write!(f, "returns {outcome}"),
        }
    }
}

/// A noun phrase, like the recorded operation.
impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(got) => f.write_str(got),
            Self::Wait(handles) => write!(f, "a wait for {handles}, which has no answer there"),
            Self::Return(outcome) => write!(f, "a return of {outcome}"),
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
        Self { index, recorded: describe(recorded), got: Got::Wait(describe_wait(mode, handles)) }
    }

    pub(super) fn finish(index: EntryIndex, recorded: &Operation, output: &Operation) -> Self {
        Self { index, recorded: describe(recorded), got: Got::Return(returned(output).unwrap_or_default()) }
    }
}

/// Whether replay may go on with `got` in place of `recorded`.
pub(super) fn same(index: EntryIndex, recorded: &Operation, got: &Operation) -> Result<(), Mismatch> {
    let Some(difference) = difference(recorded, got) else { return Ok(()) };
    let Difference { part, texts } = difference;
    let mut recorded_text = describe(recorded);
    let mut got_text = returned(got).unwrap_or_else(|| describe(got));
    // What is written in the words for the operation itself needs no repetition.
    if recorded_text == describe(got) {
        match texts {
            Some((recorded, got)) => {
                recorded_text.push_str(&format!(" with the {part} {recorded}"));
                got_text.push_str(&format!(" with the {part} {got}"));
            }
            None => got_text = format!("it with another {part}"),
        }
    }
    let got = match got {
        Operation::Output { .. } => Got::Return(got_text),
        _ => Got::Operation(got_text),
    };
    Err(Mismatch { index, recorded: recorded_text, got })
}

/// What a handler returns, in words that follow "returns"; `None` for what is no output.
fn returned(operation: &Operation) -> Option<String> {
    match operation {
        Operation::Output { outcome: Ok(_) } => Some("a result".to_owned()),
        Operation::Output { outcome: Err(failure) } => {
            Some(format!("the failure {}", quote(&failure.to_string())))
        }
        _ => None,
    }
}

/// The first part that differs.
struct Difference {
    part: &'static str,
    /// Recorded and got; `None` where that is no text.
    texts: Option<(String, String)>,
}

/// Not compared: what the host has answered (values and keys of state, ids of callees), and policies that do not change
/// what the operation is (retry and time-out of an effect; the recorded ones rule).
fn difference(recorded: &Operation, got: &Operation) -> Option<Difference> {
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
        _ => Some(Difference { part: "kind", texts: None }),
    }
}

fn call_difference(recorded: &Call, got: &Call) -> Option<Difference> {
    differs("target", &recorded.target, &got.target)
        .or_else(|| differs("name", &recorded.name, &got.name))
        .or_else(|| differs("idempotency key", &recorded.idempotency_key, &got.idempotency_key))
        .or_else(|| differs("input", &recorded.input, &got.input))
        .or_else(|| differs("headers", &recorded.headers, &got.headers))
}

fn differs<T: Part>(part: &'static str, recorded: &T, got: &T) -> Option<Difference> {
    (recorded != got).then(|| Difference { part, texts: quote_both(recorded, got) })
}
