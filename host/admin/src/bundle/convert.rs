//! Between a bundle and the record that the executor replays.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use relight_core::{
    self as core, DurationMs, EntryIndex, JournalItem, Lsn, Operation, Timestamp,
    journal::{Entry, Notification, NotificationKind},
    restart, retry,
    schema::{HandlerMode, ServiceKind},
};
use relight_executor::Recorded;

use super::{
    Bundle, BundleError, Call, Due, Failure, Invocation, Item, ItemKind, Kind, Life, Mode, OnExhausted,
    Outcome, Payload, Restarted, RetryPolicy, Target, Value,
};

type Result<T> = std::result::Result<T, BundleError>;

impl Invocation {
    pub fn new(recorded: &Recorded, status: &str) -> Self {
        Self {
            id: recorded.id.to_string(),
            incarnation: recorded.incarnation.0,
            target: Target::from(&recorded.target),
            kind: match recorded.kind {
                ServiceKind::Service => Kind::Service,
                ServiceKind::VirtualObject => Kind::VirtualObject,
                ServiceKind::Workflow => Kind::Workflow,
            },
            mode: match recorded.mode {
                HandlerMode::Exclusive => Mode::Exclusive,
                HandlerMode::Shared => Mode::Shared,
                HandlerMode::Workflow => Mode::Workflow,
            },
            status: status.to_owned(),
            idempotency_key: recorded.idempotency_key.clone(),
            invoked_by: recorded.invoked_by.map(|id| id.to_string()),
            created_at_ms: recorded.created_at.0,
            started_at_ms: recorded.started_at.0,
            abort_timeout_ms: recorded.abort_timeout.0,
            restarted: recorded.restarted.as_deref().map(Restarted::from),
        }
    }
}

impl From<&restart::Restarted> for Restarted {
    fn from(restarted: &restart::Restarted) -> Self {
        let life = |life: &restart::Life| Life {
            id: life.id.to_string(),
            incarnation: life.incarnation.0,
            idempotency_key: life.idempotency_key.clone(),
            invoked_by: life.invoked_by.map(|id| id.to_string()),
            created_at_ms: life.created_at.0,
            end: life.end.0,
        };
        Self {
            from: restarted.from.to_string(),
            index: restarted.index.0,
            input_at_ms: restarted.input_at.map(|at| at.0),
            lives: restarted.lives.iter().map(life).collect(),
        }
    }
}

impl Restarted {
    fn read(&self) -> Result<Box<restart::Restarted>> {
        let life = |life: &Life| {
            Ok(restart::Life {
                id: id(&life.id)?,
                incarnation: Lsn(life.incarnation),
                idempotency_key: life.idempotency_key.clone(),
                invoked_by: life.invoked_by.as_deref().map(id).transpose()?,
                created_at: Timestamp(life.created_at_ms),
                end: EntryIndex(life.end),
            })
        };
        if self.lives.is_empty() {
            return Err(BundleError::Value { text: "[]".to_owned(), expected: "a list of lives" });
        }
        Ok(Box::new(restart::Restarted {
            from: id(&self.from)?,
            index: EntryIndex(self.index),
            input_at: self.input_at_ms.map(Timestamp),
            lives: self.lives.iter().map(life).collect::<Result<_>>()?,
        }))
    }
}

impl Bundle {
    /// What the executor replays.
    pub fn recorded(&self) -> Result<Recorded> {
        let invocation = &self.invocation;
        Ok(Recorded {
            id: id(&invocation.id)?,
            incarnation: Lsn(invocation.incarnation),
            target: invocation.target.read(),
            kind: match invocation.kind {
                Kind::Service => ServiceKind::Service,
                Kind::VirtualObject => ServiceKind::VirtualObject,
                Kind::Workflow => ServiceKind::Workflow,
            },
            mode: match invocation.mode {
                Mode::Exclusive => HandlerMode::Exclusive,
                Mode::Shared => HandlerMode::Shared,
                Mode::Workflow => HandlerMode::Workflow,
            },
            idempotency_key: invocation.idempotency_key.clone(),
            invoked_by: invocation.invoked_by.as_deref().map(id).transpose()?,
            created_at: Timestamp(invocation.created_at_ms),
            started_at: Timestamp(invocation.started_at_ms),
            abort_timeout: DurationMs(invocation.abort_timeout_ms),
            restarted: invocation.restarted.as_ref().map(Restarted::read).transpose()?,
            journal: self.journal()?,
        })
    }

    fn journal(&self) -> Result<Vec<JournalItem>> {
        let mut operations = 0;
        let mut journal = Vec::with_capacity(self.journal.len());
        for (position, item) in (0..).zip(&self.journal) {
            let (index, item) = item.read(position)?;
            // The index of an operation follows from its place; one that says something else was cut out of it.
            if let Some(index) = index {
                if index != operations {
                    return Err(BundleError::Gap(position));
                }
                operations += 1;
            }
            journal.push(item);
        }
        Ok(journal)
    }
}

/// Items with their positions and indexes.
pub(crate) fn items(journal: &[JournalItem]) -> Vec<Item> {
    let mut operations = 0;
    (0..)
        .zip(journal)
        .map(|(position, item)| match item {
            JournalItem::Operation(Entry { made_at, operation }) => {
                let kind = write_operation(operations, operation);
                operations += 1;
                Item { position, at_ms: made_at.0, kind }
            }
            JournalItem::Notification(Notification { at, kind }) => {
                let kind = match kind {
                    NotificationKind::Completed { index, value } => {
                        ItemKind::Completion { index: index.0, value: Value::from(value) }
                    }
                    NotificationKind::Cancelled => ItemKind::Cancel,
                };
                Item { position, at_ms: at.0, kind }
            }
        })
        .collect()
}

fn write_operation(index: u32, operation: &Operation) -> ItemKind {
    use ItemKind as To;
    match operation.clone() {
        Operation::Input { headers, body } => To::Input { index, headers, body: Payload::from(&body) },
        Operation::GetState { key, value } => {
            To::GetState { index, key, value: value.as_ref().map(Payload::from) }
        }
        Operation::StateKeys { keys } => To::StateKeys { index, keys },
        Operation::SetState { key, value } => To::SetState { index, key, value: Payload::from(&value) },
        Operation::ClearState { key } => To::ClearState { index, key },
        Operation::ClearAllState => To::ClearAllState { index },
        Operation::Call(call) => To::Call { index, call: Call::from(&call) },
        Operation::Send { call, due } => To::Send { index, call: Call::from(&call), due: Due::from(due) },
        Operation::Timer { due, name } => To::Timer { index, due: Due::from(due), name },
        Operation::Awakeable => To::Awakeable { index },
        Operation::Effect { name, input, retry, timeout } => To::Effect {
            index,
            name,
            input: Payload::from(&input),
            retry: RetryPolicy::from(retry),
            timeout_ms: timeout.0,
        },
        Operation::ResolveAwakeable { id, outcome } => {
            To::ResolveAwakeable { index, id: id.to_string(), outcome: Outcome::from(&outcome) }
        }
        Operation::Signal { name } => To::Signal { index, name },
        Operation::SendSignal { to, name, outcome } => {
            To::SendSignal { index, to: to.to_string(), name, outcome: Outcome::from(&outcome) }
        }
        Operation::Promise { name } => To::Promise { index, name },
        Operation::PromisePeek { name } => To::PromisePeek { index, name },
        Operation::PromiseComplete { name, outcome } => {
            To::PromiseComplete { index, name, outcome: Outcome::from(&outcome) }
        }
        Operation::Attach { id } => To::Attach { index, id: id.to_string() },
        Operation::PeekOutput { id } => To::OutputOf { index, id: id.to_string() },
        Operation::CancelInvocation { id } => To::CancelInvocation { index, id: id.to_string() },
        Operation::Run { name, outcome } => To::Run { index, name, outcome: Outcome::from(&outcome) },
        Operation::CancelDelivered => To::CancelDelivered { index },
        Operation::Output { outcome } => To::Output { index, outcome: Outcome::from(&outcome) },
    }
}

impl Item {
    /// The item, and its index if it is an operation.
    fn read(&self, position: u32) -> Result<(Option<u32>, JournalItem)> {
        if self.position != position {
            return Err(BundleError::Gap(position));
        }
        let at = Timestamp(self.at_ms);
        let notification = |kind| Ok((None, JournalItem::Notification(Notification { at, kind })));
        match &self.kind {
            ItemKind::Cancel => notification(NotificationKind::Cancelled),
            ItemKind::Completion { index, value } => {
                let value = value.read()?;
                notification(NotificationKind::Completed { index: EntryIndex(*index), value })
            }
            kind => {
                let (index, operation) = read_operation(kind.clone())?;
                Ok((Some(index), JournalItem::Operation(Entry { made_at: at, operation })))
            }
        }
    }
}

fn read_operation(kind: ItemKind) -> Result<(u32, Operation)> {
    use ItemKind as From;
    Ok(match kind {
        From::Input { index, headers, body } => (index, Operation::Input { headers, body: body.read()? }),
        From::GetState { index, key, value } => {
            (index, Operation::GetState { key, value: value.map(|value| value.read()).transpose()? })
        }
        From::StateKeys { index, keys } => (index, Operation::StateKeys { keys }),
        From::SetState { index, key, value } => (index, Operation::SetState { key, value: value.read()? }),
        From::ClearState { index, key } => (index, Operation::ClearState { key }),
        From::ClearAllState { index } => (index, Operation::ClearAllState),
        From::Call { index, call } => (index, Operation::Call(call.read()?)),
        From::Send { index, call, due } => (index, Operation::Send { call: call.read()?, due: due.read() }),
        From::Timer { index, due, name } => (index, Operation::Timer { due: due.read(), name }),
        From::Awakeable { index } => (index, Operation::Awakeable),
        From::Effect { index, name, input, retry, timeout_ms } => {
            let (retry, timeout) = (retry.read(), DurationMs(timeout_ms));
            (index, Operation::Effect { name, input: input.read()?, retry, timeout })
        }
        From::ResolveAwakeable { index, id: text, outcome } => {
            (index, Operation::ResolveAwakeable { id: id(&text)?, outcome: outcome.read()? })
        }
        From::Signal { index, name } => (index, Operation::Signal { name }),
        From::SendSignal { index, to, name, outcome } => {
            (index, Operation::SendSignal { to: id(&to)?, name, outcome: outcome.read()? })
        }
        From::Promise { index, name } => (index, Operation::Promise { name }),
        From::PromisePeek { index, name } => (index, Operation::PromisePeek { name }),
        From::PromiseComplete { index, name, outcome } => {
            (index, Operation::PromiseComplete { name, outcome: outcome.read()? })
        }
        From::Attach { index, id: text } => (index, Operation::Attach { id: id(&text)? }),
        From::OutputOf { index, id: text } => (index, Operation::PeekOutput { id: id(&text)? }),
        From::CancelInvocation { index, id: text } => (index, Operation::CancelInvocation { id: id(&text)? }),
        From::Run { index, name, outcome } => (index, Operation::Run { name, outcome: outcome.read()? }),
        From::CancelDelivered { index } => (index, Operation::CancelDelivered),
        From::Output { index, outcome } => (index, Operation::Output { outcome: outcome.read()? }),
        From::Completion { .. } | From::Cancel => unreachable!("notifications are read by the caller"),
    })
}

fn id<T: std::str::FromStr<Err = core::ParseIdError>>(text: &str) -> Result<T> {
    text.parse().map_err(|core::ParseIdError { text, expected }| BundleError::Value { text, expected })
}

impl From<&core::Target> for Target {
    fn from(target: &core::Target) -> Self {
        Self {
            service: target.service.to_string(),
            key: target.key.as_ref().map(ToString::to_string),
            handler: target.handler.to_string(),
        }
    }
}

impl Target {
    fn read(&self) -> core::Target {
        core::Target {
            service: self.service.as_str().into(),
            key: self.key.as_deref().map(Into::into),
            handler: self.handler.as_str().into(),
        }
    }
}

impl From<&core::journal::Call> for Call {
    fn from(call: &core::journal::Call) -> Self {
        Self {
            target: Target::from(&call.target),
            callee: call.callee.to_string(),
            input: Payload::from(&call.input),
            headers: call.headers.clone(),
            idempotency_key: call.idempotency_key.clone(),
            name: call.name.clone(),
        }
    }
}

impl Call {
    fn read(self) -> Result<core::journal::Call> {
        Ok(core::journal::Call {
            target: self.target.read(),
            callee: id(&self.callee)?,
            input: self.input.read()?,
            headers: self.headers,
            idempotency_key: self.idempotency_key,
            name: self.name,
        })
    }
}

impl From<&Bytes> for Payload {
    fn from(bytes: &Bytes) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

impl Payload {
    fn read(&self) -> Result<Bytes> {
        match self {
            Self::Utf8(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Self::Base64(text) => STANDARD.decode(text).map(Bytes::from).map_err(|_| BundleError::Value {
                text: text.chars().take(40).collect(),
                expected: "bytes in base 64",
            }),
        }
    }
}

impl From<&core::Outcome> for Outcome {
    fn from(outcome: &core::Outcome) -> Self {
        match outcome {
            Ok(bytes) => Self::Success(Payload::from(bytes)),
            Err(failure) => Self::Failure(Failure::from(failure)),
        }
    }
}

impl Outcome {
    fn read(&self) -> Result<core::Outcome> {
        Ok(match self {
            Self::Success(payload) => Ok(payload.read()?),
            Self::Failure(failure) => Err(failure.read()),
        })
    }
}

impl From<&core::Value> for Value {
    fn from(value: &core::Value) -> Self {
        match value {
            core::Value::Void => Self::Void,
            core::Value::Success(bytes) => Self::Success(Payload::from(bytes)),
            core::Value::Failure(failure) => Self::Failure(Failure::from(failure)),
        }
    }
}

impl Value {
    fn read(&self) -> Result<core::Value> {
        Ok(match self {
            Self::Void => core::Value::Void,
            Self::Success(payload) => core::Value::Success(payload.read()?),
            Self::Failure(failure) => core::Value::Failure(failure.read()),
        })
    }
}

impl From<&core::Failure> for Failure {
    fn from(failure: &core::Failure) -> Self {
        let core::Failure { code, message, metadata } = failure.clone();
        Self { code, message, metadata }
    }
}

impl Failure {
    fn read(&self) -> core::Failure {
        let Self { code, message, metadata } = self.clone();
        core::Failure { code, message, metadata }
    }
}

impl From<core::Due> for Due {
    fn from(due: core::Due) -> Self {
        match due {
            core::Due::Now => Self::Now,
            core::Due::At(instant) => Self::AtMs(instant.0),
            core::Due::After(duration) => Self::AfterMs(duration.0),
        }
    }
}

impl Due {
    fn read(self) -> core::Due {
        match self {
            Self::Now => core::Due::Now,
            Self::AtMs(instant) => core::Due::At(Timestamp(instant)),
            Self::AfterMs(duration) => core::Due::After(DurationMs(duration)),
        }
    }
}

impl From<retry::RetryPolicy> for RetryPolicy {
    fn from(policy: retry::RetryPolicy) -> Self {
        Self {
            initial_interval_ms: policy.initial_interval.0,
            factor_milli: policy.factor_milli,
            max_interval_ms: policy.max_interval.0,
            max_attempts: policy.max_attempts,
            max_duration_ms: policy.max_duration.map(|duration| duration.0),
            on_exhausted: match policy.on_exhausted {
                retry::OnExhausted::Fail => OnExhausted::Fail,
                retry::OnExhausted::Pause => OnExhausted::Pause,
            },
        }
    }
}

impl RetryPolicy {
    fn read(self) -> retry::RetryPolicy {
        retry::RetryPolicy {
            initial_interval: DurationMs(self.initial_interval_ms),
            factor_milli: self.factor_milli,
            max_interval: DurationMs(self.max_interval_ms),
            max_attempts: self.max_attempts,
            max_duration: self.max_duration_ms.map(DurationMs),
            on_exhausted: match self.on_exhausted {
                OnExhausted::Fail => retry::OnExhausted::Fail,
                OnExhausted::Pause => retry::OnExhausted::Pause,
            },
        }
    }
}

#[cfg(test)]
mod tests;
