//! What people and expectations see: payloads, journals entry by entry, stages with their reasons, records in words.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use relight_core::{
    AwakeableId, Due, EntryIndex, Failure, InvocationId, JournalItem, Lsn, Operation, Outcome, Value,
    command::Command,
    journal::{Call, Entry, NotificationKind},
    tables::{
        Invocation, Key, MemoryTables, OpenKind, Prefix, ReadTables as _, ReadTablesExt as _, Row, Status,
        TablesError,
    },
};
use relight_http::time::{format_duration, format_instant};
use serde_json::{Value as Json, json};

use crate::{expect::Shown, limits::SHOWN_CHARS_MAX};

/// JSON where it is JSON, text where it is text; nothing is `null`, as handlers read it.
pub(crate) fn payload(bytes: &Bytes) -> Json {
    if bytes.is_empty() {
        return Json::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"base64": STANDARD.encode(bytes)}),
    })
}

pub(crate) fn failure(failure: &Failure) -> Json {
    let metadata: BTreeMap<_, _> = failure.metadata.iter().map(|(name, value)| (name, value)).collect();
    json!({"code": failure.code, "message": failure.message, "metadata": metadata})
}

/// A value for a report, cut where it is long.
pub(crate) fn shown(value: &Json) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The operations of a journal with what came back.
pub(crate) fn journal(tables: &MemoryTables, row: &Invocation) -> Result<Vec<Shown>, TablesError> {
    let items = tables.journal(row.id)?;
    let mut results = BTreeMap::new();
    for item in &items {
        if let JournalItem::Notification(notification) = item
            && let NotificationKind::Completed { index, value } = &notification.kind
        {
            results.insert(*index, value.clone());
        }
    }
    let operations = items.into_iter().filter_map(|item| match item {
        JournalItem::Operation(Entry { operation, .. }) => Some(operation),
        JournalItem::Notification(_) => None,
    });
    Ok((0..)
        .map(EntryIndex)
        .zip(operations)
        .map(|(index, operation)| entry(row, index, &operation, results.get(&index)))
        .collect())
}

fn entry(row: &Invocation, index: EntryIndex, operation: &Operation, result: Option<&Value>) -> Shown {
    let mut parts = parts(row, index, operation);
    parts["index"] = json!(index.0);
    parts["kind"] = json!(operation.kind());
    match result {
        Some(Value::Void) => parts["result"] = Json::Null,
        Some(Value::Success(bytes)) => parts["result"] = payload(bytes),
        Some(Value::Failure(failed)) => parts["failure"] = failure(failed),
        None => {}
    }
    Shown { line: line(operation), parts }
}

/// The kind of an operation and what tells it from others of its kind.
pub(crate) fn line(operation: &Operation) -> String {
    let kind = operation.kind();
    let failed = |outcome: &Outcome| match outcome {
        Ok(_) => String::new(),
        Err(failure) => format!(" failure {}", failure.code),
    };
    match operation {
        Operation::GetState { key, .. } | Operation::SetState { key, .. } | Operation::ClearState { key } => {
            format!("{kind} {key}")
        }
        Operation::Call(call) => format!("{kind} {}", call.target),
        Operation::Send { call, due } => format!("{kind} {}{}", call.target, delay(*due)),
        Operation::Timer { due, .. } => format!("{kind}{}", delay(*due)),
        Operation::Effect { name, .. }
        | Operation::Signal { name }
        | Operation::SendSignal { name, .. }
        | Operation::Promise { name }
        | Operation::PromisePeek { name } => format!("{kind} {name}"),
        Operation::PromiseComplete { name, outcome } | Operation::Run { name, outcome } => {
            format!("{kind} {name}{}", failed(outcome))
        }
        Operation::Output { outcome } => format!("{kind}{}", failed(outcome)),
        _ => kind.to_owned(),
    }
}

fn delay(due: Due) -> String {
    match due {
        Due::Now => String::new(),
        Due::At(instant) => format!(" at {}", format_instant(instant.0)),
        Due::After(duration) => format!(" after {}", format_duration(duration.0)),
    }
}

fn parts(row: &Invocation, index: EntryIndex, operation: &Operation) -> Json {
    match operation {
        Operation::Input { headers, body } => {
            let headers: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name, value)).collect();
            json!({"headers": headers, "value": payload(body)})
        }
        Operation::GetState { key, value } => {
            json!({"name": key, "value": value.as_ref().map_or(Json::Null, payload)})
        }
        Operation::SetState { key, value } => json!({"name": key, "value": payload(value)}),
        Operation::ClearState { key } => json!({"name": key}),
        Operation::StateKeys { keys } => json!({"value": keys}),
        Operation::Call(call) => called(call),
        Operation::Send { call, due } => {
            let mut parts = called(call);
            parts["due"] = json!(delay(*due).trim_start());
            parts
        }
        Operation::Timer { due, name } => json!({"name": name, "due": delay(*due).trim_start()}),
        Operation::Awakeable => {
            json!({"id": AwakeableId { invocation: row.id, incarnation: row.incarnation, index }.to_string()})
        }
        Operation::Effect { name, input, .. } => json!({"name": name, "value": payload(input)}),
        Operation::ResolveAwakeable { id, outcome } => with(json!({"id": id.to_string()}), outcome),
        Operation::SendSignal { to, name, outcome } => {
            with(json!({"to": to.to_string(), "name": name}), outcome)
        }
        Operation::Signal { name } | Operation::Promise { name } | Operation::PromisePeek { name } => {
            json!({"name": name})
        }
        Operation::PromiseComplete { name, outcome } | Operation::Run { name, outcome } => {
            with(json!({"name": name}), outcome)
        }
        Operation::Attach { id } | Operation::PeekOutput { id } | Operation::CancelInvocation { id } => {
            json!({"id": id.to_string()})
        }
        Operation::Output { outcome } => with(json!({}), outcome),
        _ => json!({}),
    }
}

fn called(call: &Call) -> Json {
    let headers: BTreeMap<_, _> = call.headers.iter().map(|(name, value)| (name, value)).collect();
    json!({
        "target": call.target.to_string(),
        "id": call.callee.to_string(),
        "value": payload(&call.input),
        "headers": headers,
        "idempotency-key": call.idempotency_key,
        "name": call.name,
    })
}

fn with(mut parts: Json, outcome: &Outcome) -> Json {
    match outcome {
        Ok(bytes) => parts["value"] = payload(bytes),
        Err(failed) => parts["failure"] = failure(failed),
    }
    parts
}

/// The stage of an invocation, and why it is in it.
pub(crate) fn stage(tables: &MemoryTables, row: &Invocation) -> Result<String, TablesError> {
    let name = row.status.name();
    Ok(match &row.status {
        Status::Scheduled { due } => format!("{name} until {}", format_instant(due.0)),
        Status::Pending { .. } => {
            let lock = row.target.object().map(|object| tables.lock(&object)).transpose()?.flatten();
            let holder = lock.map(|lock| tables.invocation(lock.holder)).transpose()?.flatten();
            match holder {
                Some(holder) => format!("{name}, the key is held by `{}`", holder.target),
                None => name.to_owned(),
            }
        }
        Status::Invoked { retry_at: Some(instant), .. } => {
            let why = row.last_failure.as_ref().map_or("", |failure| failure.message.as_str());
            format!("{name} until {}: {why}", format_instant(instant.0))
        }
        Status::Invoked { retry_at: None, .. } => name.to_owned(),
        Status::Suspended { suspended, .. } => {
            format!("{name}, waiting for {}", waiting(tables, row, *suspended)?)
        }
        Status::Paused { reason } => format!("{name}: {reason}"),
        Status::Completed { outcome: Ok(bytes), .. } => format!("{name} with {}", shown(&payload(bytes))),
        Status::Completed { outcome: Err(failed), .. } => format!("{name} with failure {failed}"),
    })
}

fn waiting(tables: &MemoryTables, row: &Invocation, suspended: Lsn) -> Result<String, TablesError> {
    let journal = journal(tables, row)?;
    let mut all = Vec::new();
    for (key, open) in tables.scan(&Prefix::Open(row.id), None, usize::MAX)? {
        let (Key::Open(_, index), Row::Open(open)) = (key, open) else { continue };
        if open.waited_by != suspended {
            continue;
        }
        let line = journal.get(index.0 as usize).map_or("?", |shown| shown.line.as_str());
        let due = match open.kind {
            OpenKind::Timer { timer } => format!(" (due {})", format_instant(timer.due.0)),
            _ => String::new(),
        };
        all.push(format!("entry {index}: {line}{due}"));
    }
    Ok(all.join(", "))
}

/// A record in words.
pub(crate) fn command(command: &Command, tables: &MemoryTables) -> Result<String, TablesError> {
    let target = |id: &InvocationId| -> Result<String, TablesError> {
        Ok(tables.invocation(*id)?.map_or_else(|| id.to_string(), |row| format!("`{}`", row.target)))
    };
    Ok(match command {
        Command::Invoke { invocation, .. } => format!("the arrival of `{}`", invocation.target),
        Command::Append { id, first, entries, .. } => {
            let line = entries.first().map(|entry| line(&entry.operation)).unwrap_or_default();
            format!("entry {first} of {}: {line}", target(id)?)
        }
        Command::AttemptFailed { id, .. } => format!("the failure of an attempt of {}", target(id)?),
        Command::RunFailed { id, name, .. } => format!("the failure of the run `{name}` of {}", target(id)?),
        Command::EffectCompleted { id, index, .. } => {
            format!("the result of the effect at entry {index} of {}", target(id)?)
        }
        Command::EffectFailed { id, index, .. } => {
            format!("a failure of the effect at entry {index} of {}", target(id)?)
        }
        Command::TimerFired { timer } => format!("a timer ({:?}) of {}", timer.kind, target(&timer.id)?),
        Command::ResolveAwakeable { id, .. } => {
            format!("the answer to an awakeable of {}", target(&id.invocation)?)
        }
        Command::SendSignal { to, name, .. } => format!("the signal `{name}` to {}", target(to)?),
        Command::CompletePromise { workflow, name, .. } => format!("the promise `{name}` of `{workflow:?}`"),
        Command::Cancel { id, .. } => format!("the cancellation of {}", target(id)?),
        Command::Kill { id, .. } => format!("the killing of {}", target(id)?),
        Command::Pause { id, .. } => format!("the pausing of {}", target(id)?),
        Command::Resume { id, .. } => format!("the resumption of {}", target(id)?),
        Command::Purge { id, .. } => format!("the purge of {}", target(id)?),
        Command::Deploy { .. } => "a deployment".to_owned(),
        _ => "a record".to_owned(),
    })
}
