//! The end of an invocation: result to everyone who waits, everything it held released, retention begun.

use super::Transition;
use crate::{
    action::Action,
    command::Message,
    schema::HandlerMode,
    tables::{Invocation, Key, Prefix, Status, Tables, TablesError, TimerKey, TimerKind},
    value::{DurationMs, Outcome, Value},
};

impl<T: Tables> Transition<'_, T> {
    /// Ends an invocation that is not completed, in whatever stage it is.
    pub(super) fn complete(
        &mut self,
        mut invocation: Box<Invocation>,
        outcome: Outcome,
    ) -> Result<(), TablesError> {
        let id = invocation.id;
        self.leave_stage(&mut invocation)?;
        self.unpin(&invocation)?;
        self.close_handles(&mut invocation)?;
        self.drop_signals(&mut invocation)?;
        self.leave_workflow(&invocation)?;
        for caller in std::mem::take(&mut invocation.waiters) {
            self.send(Message::Complete { caller, value: Value::from(outcome.clone()) })?;
        }
        invocation.cancel = None;
        let object = invocation.target.object().filter(|_| invocation.locks());
        let expires_at = self.retain(invocation, &outcome)?;
        self.actions.push(Action::Completed { id, outcome, expires_at });
        match object {
            Some(object) => self.release(object, id),
            None => Ok(()),
        }
    }

    /// Keeps the completed invocation for as long as its policies say; answers until when, if at all.
    fn retain(
        &mut self,
        mut invocation: Box<Invocation>,
        outcome: &Outcome,
    ) -> Result<Option<crate::value::Timestamp>, TablesError> {
        let (id, incarnation, now) = (invocation.id, invocation.incarnation, self.now());
        let journal_retention = invocation.policies.journal_retention;
        let identified = invocation.idempotency_key.is_some() || invocation.mode == HandlerMode::Workflow;
        let retention =
            if identified { invocation.policies.idempotency_retention } else { journal_retention };
        if retention == DurationMs::ZERO {
            self.purge(invocation)?;
            return Ok(None);
        }
        let expires_at = now.after(retention);
        self.set_timer(TimerKey { due: expires_at, id, incarnation, kind: TimerKind::Purge });
        if journal_retention == DurationMs::ZERO {
            self.delete_journal(&mut invocation);
        } else if journal_retention < retention {
            let due = now.after(journal_retention);
            self.set_timer(TimerKey { due, id, incarnation, kind: TimerKind::PurgeJournal });
        }
        invocation.status = Status::Completed { outcome: outcome.clone(), at: now, expires_at };
        self.put_invocation(invocation);
        Ok(Some(expires_at))
    }

    /// Signals that nobody has waited for. Those that handles wait for go with the handles.
    fn drop_signals(&mut self, invocation: &mut Invocation) -> Result<(), TablesError> {
        if invocation.unclaimed == 0 {
            return Ok(());
        }
        invocation.unclaimed = 0;
        self.tables.delete_all(&Prefix::Signals(invocation.id))
    }

    /// Forgets an invocation; with the run of a workflow, the state and promises of its key.
    pub(super) fn purge(&mut self, mut invocation: Box<Invocation>) -> Result<(), TablesError> {
        let id = invocation.id;
        self.tables.delete(Key::Invocation(id));
        self.delete_journal(&mut invocation);
        if invocation.mode == HandlerMode::Workflow { self.purge_workflow(id) } else { Ok(()) }
    }
}
