//! Limits of a journal, checked when an operation is made: what is recorded has passed them already.

use bytes::Bytes;

use crate::{
    ids::EntryIndex,
    journal::{Call, Operation},
    limits::{
        ENTRY_BYTES_MAX, FAILURE_MESSAGE_CHARS_MAX, JOURNAL_BYTES_MAX, JOURNAL_ENTRIES_MAX,
        STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX,
    },
    value::{Failure, Outcome},
};

/// Bytes of one operation besides its payload: names, keys, headers, failure messages. Beyond what HTTP carries in
/// headers it is abuse; the bound makes an entry's size that of its payload, nearly.
const ENTRY_TEXT_BYTES_MAX: usize = 64 << 10;

const _: () = assert!(FAILURE_MESSAGE_CHARS_MAX * 4 < ENTRY_TEXT_BYTES_MAX, "a cut message always fits");
const _: () = assert!(STATE_VALUE_BYTES_MAX <= ENTRY_BYTES_MAX, "every value of a state can be recorded");

/// An operation does not fit into the journal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LimitExceeded {
    #[error("the journal is full: it has the limit of {max} entries")]
    Entries { max: u32 },
    #[error("the journal is full: with the {kind} at index {index} it would exceed the limit of {max} bytes")]
    JournalBytes { index: EntryIndex, kind: &'static str, max: u64 },
    #[error("the {what} of the {kind} at index {index} has {bytes} bytes, over the limit of {max}")]
    Entry { index: EntryIndex, kind: &'static str, what: &'static str, bytes: usize, max: usize },
}

/// Whether `operation` may become the one at `index` of a journal that has `journal_bytes`.
pub(super) fn check(
    index: EntryIndex,
    journal_bytes: u64,
    operation: &Operation,
) -> Result<(), LimitExceeded> {
    if JOURNAL_ENTRIES_MAX <= index.0 {
        return Err(LimitExceeded::Entries { max: JOURNAL_ENTRIES_MAX });
    }
    let kind = operation.kind();
    let Parts { payload, payload_max, what, key, text } = parts(operation);
    for (what, bytes, max) in [
        (what, payload, payload_max),
        ("key", key, STATE_KEY_BYTES_MAX),
        ("text", text, ENTRY_TEXT_BYTES_MAX),
    ] {
        if max < bytes {
            return Err(LimitExceeded::Entry { index, kind, what, bytes, max });
        }
    }
    if JOURNAL_BYTES_MAX < journal_bytes + operation.size_bytes() as u64 {
        return Err(LimitExceeded::JournalBytes { index, kind, max: JOURNAL_BYTES_MAX });
    }
    Ok(())
}

/// Cuts the failure message in `operation`, if there is one, to what is stored.
pub(super) fn cut_failure(operation: &mut Operation) {
    if let Operation::ResolveAwakeable { outcome: Err(failure), .. }
    | Operation::SendSignal { outcome: Err(failure), .. }
    | Operation::PromiseComplete { outcome: Err(failure), .. }
    | Operation::Run { outcome: Err(failure), .. }
    | Operation::Output { outcome: Err(failure) } = operation
        // A character has at least one byte.
        && FAILURE_MESSAGE_CHARS_MAX < failure.message.len()
        && let Some((last, _)) = failure.message.char_indices().nth(FAILURE_MESSAGE_CHARS_MAX - 1)
        && failure.message[last..].chars().nth(1).is_some()
    {
        failure.message.truncate(last);
        failure.message.push('…');
    }
}

/// Sizes of what has a limit of its own, in bytes.
struct Parts {
    what: &'static str,
    payload: usize,
    payload_max: usize,
    /// Of state only.
    key: usize,
    text: usize,
}

const EMPTY: Parts = Parts { what: "payload", payload: 0, payload_max: ENTRY_BYTES_MAX, key: 0, text: 0 };

fn parts(operation: &Operation) -> Parts {
    match operation {
        Operation::Input { .. } => EMPTY,
        Operation::Awakeable
        | Operation::ClearAllState
        | Operation::CancelDelivered
        | Operation::Attach { .. }
        | Operation::PeekOutput { .. }
        | Operation::CancelInvocation { .. } => EMPTY,
        Operation::Signal { name } | Operation::Promise { name } | Operation::PromisePeek { name } => {
            Parts { text: name.len(), ..EMPTY }
        }
        Operation::SendSignal { name, outcome, .. }
        | Operation::PromiseComplete { name, outcome }
        | Operation::Run { name, outcome } => {
            let parts = outcome_parts(outcome);
            Parts { text: parts.text + name.len(), ..parts }
        }
        Operation::GetState { key, value } => {
            Parts { what: "value", payload: value.as_ref().map_or(0, Bytes::len), key: key.len(), ..EMPTY }
        }
        Operation::StateKeys { keys } => {
            Parts { what: "list of keys", payload: keys.iter().map(String::len).sum(), ..EMPTY }
        }
        Operation::SetState { key, value } => Parts {
            what: "value",
            payload: value.len(),
            payload_max: STATE_VALUE_BYTES_MAX,
            key: key.len(),
            ..EMPTY
        },
        Operation::ClearState { key } => Parts { key: key.len(), ..EMPTY },
        Operation::Call(call) | Operation::Send { call, .. } => call_parts(call),
        Operation::Timer { name, .. } => Parts { text: name.as_ref().map_or(0, String::len), ..EMPTY },
        Operation::Effect { name, input, .. } => {
            Parts { what: "input", payload: input.len(), text: name.len(), ..EMPTY }
        }
        Operation::ResolveAwakeable { outcome, .. } | Operation::Output { outcome } => outcome_parts(outcome),
    }
}

fn call_parts(call: &Call) -> Parts {
    let target = &call.target;
    let text = target.service.len()
        + target.handler.len()
        + target.key.as_ref().map_or(0, |key| key.len())
        + call.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        + call.idempotency_key.as_ref().map_or(0, String::len)
        + call.name.as_ref().map_or(0, String::len);
    Parts { what: "input", payload: call.input.len(), text, ..EMPTY }
}

fn outcome_parts(outcome: &Outcome) -> Parts {
    match outcome {
        Ok(bytes) => Parts { what: "value", payload: bytes.len(), ..EMPTY },
        Err(Failure { message, metadata, .. }) => {
            let metadata = metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            Parts { text: message.len() + metadata, ..EMPTY }
        }
    }
}
