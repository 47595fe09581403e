//! Cancel (cooperative) and kill (immediate), from doors and along calls.

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    command::{Caller, Message},
    ids::{EntryIndex, InvocationId},
    journal::NotificationKind,
    tables::{Invocation, Key, OpenKind, Prefix, ReadTablesExt, Row, Status, Tables, TablesError},
    value::Failure,
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn cancel(&mut self, id: InvocationId) -> Result<Answer, TablesError> {
        let Some(mut invocation) = self.tables.invocation(id)? else {
            return Ok(Self::unknown(id));
        };
        match &invocation.status {
            Status::Completed { .. } => Ok(Answer::Refused(Refusal::AlreadyCompleted(id))),
            Status::Scheduled { .. } | Status::Pending { .. } => {
                invocation.cancel_requested = true;
                self.complete(invocation, Err(Failure::cancelled()))?;
                Ok(Answer::Ended)
            }
            // Cancels before the delivery merge.
            _ if invocation.cancel.is_some() => Ok(Answer::Ending),
            Status::Invoked { retry_at: None, .. } => {
                self.push_notification(&mut invocation, NotificationKind::Cancelled);
                self.put_invocation(invocation);
                Ok(Answer::Ending)
            }
            Status::Invoked { .. } | Status::Suspended { .. } | Status::Paused { .. } => {
                self.push_notification(&mut invocation, NotificationKind::Cancelled);
                self.restart(invocation)?;
                Ok(Answer::Ending)
            }
        }
    }

    pub(super) fn kill(&mut self, id: InvocationId) -> Result<Answer, TablesError> {
        let Some(invocation) = self.tables.invocation(id)? else {
            return Ok(Self::unknown(id));
        };
        if let Status::Completed { .. } = invocation.status {
            return Ok(Answer::Refused(Refusal::AlreadyCompleted(id)));
        }
        for (index, callee) in self.open_calls(&invocation)? {
            let caller = Caller { id, incarnation: invocation.incarnation, index };
            self.send(Message::KillCallee { id: callee, caller })?;
        }
        self.complete(invocation, Err(Failure::killed()))?;
        Ok(Answer::Ended)
    }

    /// Cancels every call of this invocation that has no result. Sends go on.
    pub(super) fn cancel_callees(&mut self, invocation: &Invocation) -> Result<(), TablesError> {
        for (index, callee) in self.open_calls(invocation)? {
            let caller = Caller { id: invocation.id, incarnation: invocation.incarnation, index };
            self.send(Message::CancelCallee { id: callee, caller })?;
        }
        Ok(())
    }

    pub(super) fn cancel_callee(&mut self, id: InvocationId, caller: Caller) -> Result<(), TablesError> {
        if self.is_started_by(id, caller)? {
            self.cancel(id)?;
        }
        Ok(())
    }

    pub(super) fn kill_callee(&mut self, id: InvocationId, caller: Caller) -> Result<(), TablesError> {
        if self.is_started_by(id, caller)? {
            self.kill(id)?;
        }
        Ok(())
    }

    /// Others may wait for the same invocation by its idempotency key; only the one that started it may end it.
    fn is_started_by(&self, id: InvocationId, caller: Caller) -> Result<bool, TablesError> {
        let invocation = self.tables.invocation(id)?;
        Ok(invocation.is_some_and(|row| row.invoked_by == Some(caller.id) && row.waiters.contains(&caller)))
    }

    fn open_calls(&self, invocation: &Invocation) -> Result<Vec<(EntryIndex, InvocationId)>, TablesError> {
        if invocation.open == 0 {
            return Ok(Vec::new());
        }
        let rows = self.tables.scan(&Prefix::Open(invocation.id), None, usize::MAX)?;
        Ok(rows
            .into_iter()
            .filter_map(|(key, row)| match (key, row) {
                (Key::Open(_, index), Row::Open(open)) => match open.kind {
                    OpenKind::Call { callee } => Some((index, callee)),
                    _ => None,
                },
                _ => None,
            })
            .collect())
    }
}
