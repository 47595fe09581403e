//! Timers: set, deleted, and fired, each exactly once.

use super::Transition;
use crate::{
    action::Action,
    tables::{Key, ReadTablesExt, Row, Status, Tables, TablesError, TimerKey, TimerKind},
    value::Value,
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn set_timer(&mut self, timer: TimerKey) {
        self.tables.put(Key::Timer(timer.clone()), Row::Present);
        self.actions.push(Action::SetTimer { timer });
    }

    pub(super) fn delete_timer(&mut self, timer: TimerKey) {
        self.tables.delete(Key::Timer(timer.clone()));
        self.actions.push(Action::DeleteTimer { timer });
    }

    /// A timer that is not in the table has fired or was deleted. One that is not due yet stays.
    pub(super) fn timer_fired(&mut self, timer: TimerKey) -> Result<(), TablesError> {
        let key = Key::Timer(timer.clone());
        if self.tables.get(&key)?.is_none() {
            return Ok(());
        }
        if timer.due > self.now() {
            self.actions.push(Action::SetTimer { timer });
            return Ok(());
        }
        self.tables.delete(key);
        if timer.kind == TimerKind::PurgeWorkflow {
            return self.give_up_workflow(timer.id, timer.incarnation);
        }
        let invocation = self.tables.invocation(timer.id)?.filter(|row| row.incarnation == timer.incarnation);
        let Some(mut invocation) = invocation else {
            return Ok(());
        };
        match (timer.kind, &invocation.status) {
            (TimerKind::Sleep(index), _) => self.complete_handle(invocation, index, Value::Void),
            (TimerKind::Start, Status::Scheduled { .. }) => self.enter(invocation),
            (TimerKind::RetryAttempt, Status::Invoked { retry_at: Some(due), .. }) if *due == timer.due => {
                self.start(invocation)
            }
            (TimerKind::RetryEffect(index), _) => self.retry_effect(&invocation, index, timer.due),
            (TimerKind::PurgeJournal, Status::Completed { .. }) => {
                self.delete_journal(&mut invocation);
                self.put_invocation(invocation);
                Ok(())
            }
            (TimerKind::Purge, Status::Completed { .. }) => self.purge(invocation),
            (
                TimerKind::Start
                | TimerKind::RetryAttempt
                | TimerKind::PurgeJournal
                | TimerKind::Purge
                | TimerKind::PurgeWorkflow,
                _,
            ) => Ok(()),
        }
    }
}
