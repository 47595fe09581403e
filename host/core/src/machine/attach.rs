//! A handler asks for the result of another invocation.

use super::Transition;
use crate::{
    command::{AttachMode, Caller, Message},
    ids::{EntryIndex, InvocationId},
    limits,
    tables::{Invocation, OpenKind, ReadTablesExt, Status, Tables, TablesError},
    value::{Failure, Value},
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn append_attach(
        &mut self,
        invocation: &mut Invocation,
        index: EntryIndex,
        id: InvocationId,
        mode: AttachMode,
    ) -> Result<(), TablesError> {
        let caller = Caller { id: invocation.id, incarnation: invocation.incarnation, index };
        self.open_handle(invocation, index, OpenKind::Value);
        self.send(Message::Attach { id, caller, mode })
    }

    pub(super) fn attach(
        &mut self,
        id: InvocationId,
        caller: Caller,
        mode: AttachMode,
    ) -> Result<(), TablesError> {
        let failure = |code, message: String| Some(Value::Failure(Failure::new(code, message)));
        let value = match self.tables.invocation(id)? {
            None => failure(404, format!("unknown invocation `{id}`")),
            Some(invocation) => match (&invocation.status, mode) {
                (Status::Completed { outcome, .. }, _) => Some(Value::from(outcome.clone())),
                (_, AttachMode::Peek) => Some(Value::Void),
                (_, AttachMode::Wait) if id == caller.id => {
                    failure(409, "deadlock: an invocation can't wait for its own result".to_owned())
                }
                (_, AttachMode::Wait) if invocation.waiters.len() >= limits::WAITERS_MAX => {
                    failure(429, format!("too many callers wait for `{id}`"))
                }
                (_, AttachMode::Wait) => {
                    self.add_waiter(invocation, caller);
                    None
                }
            },
        };
        match value {
            Some(value) => self.send(Message::Complete { caller, value }),
            None => Ok(()),
        }
    }

    fn add_waiter(&mut self, mut invocation: Box<Invocation>, caller: Caller) {
        invocation.waiters.push(caller);
        self.put_invocation(invocation);
    }
}
