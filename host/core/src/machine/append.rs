//! An attempt's operations become journal entries, and each does what it says.

use super::Transition;
use crate::{
    action::Action,
    command::{AttachMode, Caller, Message, NewInvocation, Origin, Then},
    ids::{EntryIndex, FencingToken, InvocationId, Position},
    journal::{Call, Entry, JournalItem, Operation},
    tables::{
        Effect, Invocation, Key, Open, OpenKind, Prefix, Row, Tables, TablesError, TimerKey, TimerKind,
    },
    value::Due,
};

impl<T: Tables> Transition<'_, T> {
    /// `first` equal to the stored count: accepted; lower: the known part is skipped; higher: something was lost
    /// on the way, so the attempt is ended and another one started.
    pub(super) fn append(
        &mut self,
        id: InvocationId,
        token: FencingToken,
        first: EntryIndex,
        entries: Vec<Entry>,
        then: Then,
    ) -> Result<(), TablesError> {
        let Some(mut invocation) = self.attempted(id, token)? else {
            return Ok(());
        };
        let Some(known) = invocation.journal.operations.checked_sub(first.0) else {
            return self.restart(invocation);
        };
        for entry in entries.into_iter().skip(known as usize) {
            if let Operation::Output { outcome } = &entry.operation {
                let outcome = outcome.clone();
                self.push_item(&mut invocation, JournalItem::Operation(entry));
                return self.complete(invocation, outcome);
            }
            self.append_entry(&mut invocation, entry)?;
        }
        if then == Then::StartOver {
            invocation.failures = 0;
            return self.restart(invocation);
        }
        let operations = invocation.journal.operations;
        self.actions.push(Action::Accepted { id, attempt: token.attempt, operations });
        self.put_invocation(invocation);
        Ok(())
    }

    fn append_entry(&mut self, invocation: &mut Invocation, entry: Entry) -> Result<(), TablesError> {
        let index = EntryIndex(invocation.journal.operations);
        let operation = entry.operation.clone();
        let position = self.push_item(invocation, JournalItem::Operation(entry));
        match operation {
            Operation::GetState { .. } | Operation::StateKeys { .. } => {}
            Operation::SetState { key, value } => {
                if let Some(object) = invocation.target.object() {
                    self.tables.put(Key::State(object, key.into()), Row::State(value));
                }
            }
            Operation::ClearState { key } => {
                if let Some(object) = invocation.target.object() {
                    self.tables.delete(Key::State(object, key.into()));
                }
            }
            Operation::ClearAllState => {
                if let Some(object) = invocation.target.object() {
                    self.tables.delete_all(&Prefix::State(object))?;
                }
            }
            Operation::Call(call) => self.append_call(invocation, index, call)?,
            Operation::Send { call, due } => {
                let due = match due {
                    Due::Now => None,
                    due => Some(due.instant(self.now())),
                };
                self.send(Message::Invoke(new_invocation(
                    call,
                    due,
                    Origin::Send { sender: invocation.id },
                )))?;
            }
            Operation::Timer { due, .. } => {
                let due = due.instant(self.now());
                let (id, incarnation) = (invocation.id, invocation.incarnation);
                let timer = TimerKey { due, id, incarnation, kind: TimerKind::Sleep(index) };
                self.set_timer(timer.clone());
                self.open_handle(invocation, index, OpenKind::Timer { timer });
            }
            Operation::Awakeable => self.open_handle(invocation, index, OpenKind::Awakeable),
            Operation::Effect { .. } => self.append_effect(invocation, index, position),
            Operation::ResolveAwakeable { id, outcome } => {
                self.send(Message::ResolveAwakeable { id, outcome })?
            }
            Operation::Signal { name } => self.append_signal(invocation, index, name)?,
            Operation::SendSignal { to, name, outcome } => {
                self.send(Message::SendSignal { to, name, outcome })?;
            }
            Operation::Promise { name } => self.append_promise(invocation, index, name)?,
            Operation::PromisePeek { name } => self.append_promise_peek(invocation, index, name)?,
            Operation::PromiseComplete { name, outcome } => {
                self.append_promise_complete(invocation, index, name, outcome)?;
            }
            Operation::Attach { id } => self.append_attach(invocation, index, id, AttachMode::Wait)?,
            Operation::PeekOutput { id } => self.append_attach(invocation, index, id, AttachMode::Peek)?,
            Operation::CancelInvocation { id } => self.send(Message::Cancel { id })?,
            Operation::Run { .. } => {
                invocation.run = None;
                self.warn_of_runs(invocation);
            }
            Operation::CancelDelivered => {
                invocation.cancel = None;
                self.cancel_callees(invocation)?;
            }
            Operation::Input { .. } => unreachable!("only an arrival writes the input"),
            Operation::Output { .. } => unreachable!("handled by the caller: nothing follows an output"),
        }
        Ok(())
    }

    fn append_call(
        &mut self,
        invocation: &mut Invocation,
        index: EntryIndex,
        call: Call,
    ) -> Result<(), TablesError> {
        let caller = Caller { id: invocation.id, incarnation: invocation.incarnation, index };
        self.open_handle(invocation, index, OpenKind::Call { callee: call.callee });
        let origin = Origin::Call { caller, ancestors: invocation.ancestors.clone() };
        self.send(Message::Invoke(new_invocation(call, None, origin)))
    }

    pub(super) fn append_effect(
        &mut self,
        invocation: &mut Invocation,
        index: EntryIndex,
        position: Position,
    ) {
        let (id, incarnation, attempt) = (invocation.id, invocation.incarnation, self.lsn);
        let effect = Effect {
            incarnation,
            position,
            attempt,
            failures: 0,
            first_start: self.now(),
            retry_at: None,
            last_error: None,
        };
        self.open_handle(invocation, index, OpenKind::Effect);
        self.tables.put(Key::Effect(id, index), Row::Effect(effect));
        self.actions.push(Action::StartEffect { id, incarnation, index, attempt });
    }

    pub(super) fn open_handle(&mut self, invocation: &mut Invocation, index: EntryIndex, kind: OpenKind) {
        let open = Open { kind, waited_by: crate::ids::Lsn::ZERO };
        invocation.open += 1;
        self.tables.put(Key::Open(invocation.id, index), Row::Open(open));
    }
}

fn new_invocation(call: Call, due: Option<crate::value::Timestamp>, origin: Origin) -> NewInvocation {
    NewInvocation {
        id: call.callee,
        target: call.target,
        input: call.input,
        headers: call.headers,
        idempotency_key: call.idempotency_key,
        due,
        origin,
    }
}
