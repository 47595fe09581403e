//! What comes back to an invocation: results of its handles, and cancellation.

use super::Transition;
use crate::{
    action::Action,
    command::{Caller, WaitMode},
    ids::EntryIndex,
    journal::{JournalItem, Notification, NotificationKind},
    tables::{Invocation, Key, OpenKind, ReadTablesExt, Status, Tables, TablesError},
    value::Value,
};

impl<T: Tables> Transition<'_, T> {
    /// The result of a call, or of what was asked for. One for a handle of another life, or for one that has a result, changes nothing.
    pub(super) fn complete_call(&mut self, caller: Caller, value: Value) -> Result<(), TablesError> {
        let waits = match self.tables.open(caller.id, caller.index)? {
            Some(open) => matches!(open.kind, OpenKind::Call { .. } | OpenKind::Value),
            None => false,
        };
        match self.tables.invocation(caller.id)?.filter(|row| waits && row.incarnation == caller.incarnation)
        {
            Some(invocation) => self.complete_handle(invocation, caller.index, value),
            None => Ok(()),
        }
    }

    /// Gives the handle its result and wakes the invocation if that is what it waits for.
    pub(super) fn complete_handle(
        &mut self,
        mut invocation: Box<Invocation>,
        index: EntryIndex,
        value: Value,
    ) -> Result<(), TablesError> {
        let id = invocation.id;
        let Some(open) = self.tables.open(id, index)? else {
            return Ok(());
        };
        self.tables.delete(Key::Open(id, index));
        invocation.open -= 1;
        self.push_notification(&mut invocation, NotificationKind::Completed { index, value });
        let wake = match &mut invocation.status {
            Status::Suspended { mode, suspended, remaining } if open.waited_by == *suspended => {
                *remaining -= 1;
                *mode == WaitMode::Any || *remaining == 0
            }
            _ => false,
        };
        if wake {
            return self.start(invocation);
        }
        self.put_invocation(invocation);
        Ok(())
    }

    /// Completes a handle that has just been made.
    pub(super) fn complete_now(&mut self, invocation: &mut Invocation, index: EntryIndex, value: Value) {
        self.push_notification(invocation, NotificationKind::Completed { index, value });
    }

    /// Adds a notification to the journal; a running attempt hears of it.
    pub(super) fn push_notification(&mut self, invocation: &mut Invocation, kind: NotificationKind) {
        let notification = Notification { at: self.now(), kind };
        let position = self.push_item(invocation, JournalItem::Notification(notification.clone()));
        if matches!(notification.kind, NotificationKind::Cancelled) {
            invocation.cancel = Some(position);
            invocation.cancel_requested = true;
        }
        if invocation.attempt().is_some() {
            self.actions.push(Action::Notify { id: invocation.id, position, notification });
        }
    }
}
