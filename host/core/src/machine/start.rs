//! Starting attempts, and handing a key's lock to the next in its inbox.

use super::Transition;
use crate::{
    action::Action,
    ids::InvocationId,
    tables::{
        Invocation, Key, OpenKind, Prefix, ReadTablesExt, Row, Status, Tables, TablesError, TimerKey,
        TimerKind,
    },
    value::ObjectKey,
};

impl<T: Tables> Transition<'_, T> {
    /// Starts an attempt, whatever stage the invocation was in. The attempt's number is the LSN of this record.
    pub(super) fn start(&mut self, mut invocation: Box<Invocation>) -> Result<(), TablesError> {
        let (id, attempt) = (invocation.id, self.lsn);
        // One that begins with a part of another's journal has begun when that has come to life.
        if invocation.restarted.is_none() {
            invocation.started_at.get_or_insert(self.meta.time);
        }
        match invocation.deployment {
            Some(deployment) => {
                if let Some(reason) = self.closed(deployment)? {
                    invocation.status = Status::Paused { reason };
                    self.put_invocation(invocation);
                    return Ok(());
                }
            }
            None => {
                // It was deployed when the invocation arrived, and may be again: what was accepted is not lost.
                let Some(service) = self.tables.service(&invocation.target.service)? else {
                    let name = &invocation.target.service;
                    let reason = format!("service `{name}` was removed; deploy it and resume, or kill");
                    invocation.status = Status::Paused { reason };
                    self.put_invocation(invocation);
                    return Ok(());
                };
                self.pin(&mut invocation, service.deployment)?;
            }
        }
        if invocation.started_at.is_none() {
            invocation.started_at = Some(self.now());
            self.reopen_copied(&mut invocation)?;
        }
        if invocation.failures == 0 {
            invocation.failing_since = self.now();
        }
        let operations_at_start = invocation.journal.operations;
        invocation.status = Status::Invoked { attempt, operations_at_start, retry_at: None };
        self.tables.put(Key::Running(id), Row::Present);
        self.actions.push(Action::Start { id, attempt });
        self.put_invocation(invocation);
        Ok(())
    }

    /// Ends the current attempt and starts another at once.
    pub(super) fn restart(&mut self, mut invocation: Box<Invocation>) -> Result<(), TablesError> {
        if let Status::Paused { .. } = invocation.status {
            self.start_idle_effects(&invocation)?;
        }
        self.leave_stage(&mut invocation)?;
        self.start(invocation)
    }

    /// While an invocation is paused its effects get no new attempts; those that are due start now. One that has run
    /// on since before the pause keeps its attempt, so the leader finds it running and leaves it.
    fn start_idle_effects(&mut self, invocation: &Invocation) -> Result<(), TablesError> {
        let (id, incarnation) = (invocation.id, invocation.incarnation);
        for (key, row) in self.tables.scan(&Prefix::Effect(Some(id)), None, usize::MAX)? {
            if let (Key::Effect(_, index), Row::Effect(effect)) = (key, row)
                && effect.retry_at.is_none()
            {
                self.actions.push(Action::StartEffect { id, incarnation, index, attempt: effect.attempt });
            }
        }
        Ok(())
    }

    /// Undoes what the invocation's stage holds: attempt, back-off timer, start timer, place in an inbox.
    pub(super) fn leave_stage(&mut self, invocation: &mut Invocation) -> Result<(), TablesError> {
        let (id, incarnation) = (invocation.id, invocation.incarnation);
        match invocation.status {
            Status::Scheduled { due } => {
                self.delete_timer(TimerKey { due, id, incarnation, kind: TimerKind::Start });
            }
            Status::Pending { sequence } => {
                if let Some(object) = invocation.target.object() {
                    self.tables.delete(Key::Inbox(object, sequence));
                }
            }
            Status::Invoked { attempt, retry_at: None, .. } => {
                self.tables.delete(Key::Running(id));
                self.actions.push(Action::EndAttempt { id, attempt });
            }
            Status::Invoked { retry_at: Some(due), .. } => {
                self.delete_timer(TimerKey { due, id, incarnation, kind: TimerKind::RetryAttempt });
            }
            Status::Suspended { .. } | Status::Paused { .. } | Status::Completed { .. } => {}
        }
        Ok(())
    }

    /// Gives the lock of `object` up, if `holder` has it, and starts the next of its inbox.
    pub(super) fn release(&mut self, object: ObjectKey, holder: InvocationId) -> Result<(), TablesError> {
        let Some(mut lock) = self.tables.lock(&object)?.filter(|lock| lock.holder == holder) else {
            return Ok(());
        };
        // Rows below `inbox_first` are deleted: starting there spares the scan their tombstones.
        let after = lock.inbox_first.checked_sub(1).map(|below| Key::Inbox(object.clone(), below));
        let next = if lock.inbox_first == lock.inbox_next {
            None
        } else {
            self.tables.scan(&Prefix::Inbox(object.clone()), after.as_ref(), 1)?.pop()
        };
        let Some((Key::Inbox(_, sequence), Row::Inbox(id))) = next else {
            self.tables.delete(Key::Lock(object));
            return Ok(());
        };
        self.tables.delete(Key::Inbox(object.clone(), sequence));
        lock.holder = id;
        lock.inbox_first = sequence + 1;
        self.tables.put(Key::Lock(object), Row::Lock(lock));
        let invocation = self.tables.invocation(id)?.ok_or_else(|| TablesError::Damaged {
            key: Box::new(Key::Invocation(id)),
            reason: "is in an inbox but does not exist".to_owned(),
        })?;
        self.start(invocation)
    }

    /// Closes every handle that has no result: timers and effects end, calls go on unheard.
    pub(super) fn close_handles(&mut self, invocation: &mut Invocation) -> Result<(), TablesError> {
        let id = invocation.id;
        if invocation.open == 0 {
            return Ok(());
        }
        invocation.open = 0;
        for (key, row) in self.tables.scan(&Prefix::Open(id), None, usize::MAX)? {
            let (Key::Open(_, index), Row::Open(open)) = (&key, row) else {
                continue;
            };
            match open.kind {
                OpenKind::Call { .. } | OpenKind::Awakeable | OpenKind::Value => {}
                OpenKind::Signal { name } => self.tables.delete(Key::Signals(id, name)),
                OpenKind::Timer { timer } => self.delete_timer(timer),
                OpenKind::Effect => self.close_effect(invocation, *index)?,
            }
            self.tables.delete(key);
        }
        Ok(())
    }
}
