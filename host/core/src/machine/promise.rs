//! Promises of a workflow's key, and what keeps them: they live as long as the key's run is retained.

use std::sync::Arc;

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    command::Caller,
    ids::{EntryIndex, Incarnation, InvocationId},
    limits, placement,
    schema::{HandlerMode, Policies, ServiceKind},
    tables::{
        Invocation, Key, OpenKind, Prefix, Promise, ReadTablesExt, Row, Tables, TablesError, TimerKey,
        TimerKind, Workflow,
    },
    value::{Failure, ObjectKey, Outcome, Value},
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn append_promise(
        &mut self,
        invocation: &mut Invocation,
        index: EntryIndex,
        name: String,
    ) -> Result<(), TablesError> {
        let Some(object) = workflow_object(invocation) else {
            self.complete_now(invocation, index, no_workflow(invocation));
            return Ok(());
        };
        let name = Arc::<str>::from(name);
        let mut promise = self.tables.promise(&object, name.clone())?.unwrap_or_default();
        match promise.outcome.clone() {
            Some(outcome) => self.complete_now(invocation, index, Value::from(outcome)),
            None if !self.has_place(&mut promise)? => {
                let message = format!("too many handlers wait for the promise `{name}`");
                self.complete_now(invocation, index, Value::Failure(Failure::new(429, message)));
            }
            None => {
                let caller = Caller { id: invocation.id, incarnation: invocation.incarnation, index };
                promise.waiters.push(caller);
                self.open_handle(invocation, index, OpenKind::Value);
                self.keep_workflow(&object)?;
                self.tables.put(Key::Promise(object, name), Row::Promise(promise));
            }
        }
        Ok(())
    }

    /// Whether one more may wait for it. Those who have ended since they asked are left out.
    fn has_place(&self, promise: &mut Promise) -> Result<bool, TablesError> {
        if promise.waiters.len() < limits::WAITERS_MAX {
            return Ok(true);
        }
        let mut waiters = Vec::with_capacity(promise.waiters.len());
        for caller in std::mem::take(&mut promise.waiters) {
            let row = self.tables.invocation(caller.id)?;
            let lives = row.is_some_and(|row| row.incarnation == caller.incarnation);
            if lives && self.tables.open(caller.id, caller.index)?.is_some() {
                waiters.push(caller);
            }
        }
        promise.waiters = waiters;
        Ok(promise.waiters.len() < limits::WAITERS_MAX)
    }

    pub(super) fn append_promise_peek(
        &mut self,
        invocation: &mut Invocation,
        index: EntryIndex,
        name: String,
    ) -> Result<(), TablesError> {
        let value = match workflow_object(invocation) {
            None => no_workflow(invocation),
            Some(object) => {
                match self.tables.promise(&object, name.into())?.and_then(|promise| promise.outcome) {
                    Some(outcome) => Value::from(outcome),
                    None => Value::Void,
                }
            }
        };
        self.complete_now(invocation, index, value);
        Ok(())
    }

    pub(super) fn append_promise_complete(
        &mut self,
        invocation: &mut Invocation,
        index: EntryIndex,
        name: String,
        outcome: Outcome,
    ) -> Result<(), TablesError> {
        let value = match workflow_object(invocation) {
            None => no_workflow(invocation),
            Some(object) => match self.complete_promise(&object, name, outcome)? {
                Ok(()) => Value::Void,
                Err(refusal) => Value::Failure(Failure::new(409, refusal.to_string())),
            },
        };
        self.complete_now(invocation, index, value);
        Ok(())
    }

    pub(super) fn complete_promise_from_door(
        &mut self,
        workflow: &ObjectKey,
        name: String,
        outcome: Outcome,
    ) -> Result<Answer, TablesError> {
        let service = self.tables.service(&workflow.service)?;
        if service.is_none_or(|service| service.kind != ServiceKind::Workflow) {
            return Ok(Answer::Refused(Refusal::NotAWorkflow(workflow.service.clone())));
        }
        Ok(match self.complete_promise(workflow, name, outcome)? {
            Ok(()) => Answer::Resolved,
            Err(refusal) => Answer::Refused(refusal),
        })
    }

    fn complete_promise(
        &mut self,
        object: &ObjectKey,
        name: String,
        outcome: Outcome,
    ) -> Result<Result<(), Refusal>, TablesError> {
        let key: Arc<str> = name.as_str().into();
        let mut promise = self.tables.promise(object, key.clone())?.unwrap_or_default();
        if promise.outcome.is_some() {
            return Ok(Err(Refusal::PromiseCompleted { workflow: object.clone(), name }));
        }
        for caller in std::mem::take(&mut promise.waiters) {
            self.send(crate::command::Message::Complete { caller, value: Value::from(outcome.clone()) })?;
        }
        promise.outcome = Some(outcome);
        self.keep_workflow(object)?;
        self.tables.put(Key::Promise(object.clone(), key), Row::Promise(promise));
        Ok(Ok(()))
    }

    /// The row that keeps a workflow's key. A key that has not run is given up after the retention.
    fn keep_workflow(&mut self, object: &ObjectKey) -> Result<(), TablesError> {
        let run = placement::workflow_id(&object.service, &object.key);
        if self.tables.workflow(run)?.is_some() {
            return Ok(());
        }
        let row = self.new_workflow(object.clone());
        self.tables.put(Key::Workflow(run), Row::Workflow(row));
        if self.tables.invocation(run)?.is_none() {
            self.give_up_later(run, object)?;
        }
        Ok(())
    }

    fn new_workflow(&self, object: ObjectKey) -> Workflow {
        Workflow { object, incarnation: self.lsn, unfinished: 0, purged: false }
    }

    /// Sets the timer of a row that this record has made.
    fn give_up_later(&mut self, run: InvocationId, object: &ObjectKey) -> Result<(), TablesError> {
        let service = self.tables.service(&object.service)?;
        let defaults = self.registry()?.defaults;
        let retention = service.and_then(|service| {
            let run = service.handlers.iter().find(|handler| handler.mode == HandlerMode::Workflow)?;
            Some(service.policies(run, &defaults).idempotency_retention)
        });
        let due = self.now().after(retention.unwrap_or(Policies::of(&[&defaults]).idempotency_retention));
        let incarnation = self.lsn;
        self.set_timer(TimerKey { due, id: run, incarnation, kind: TimerKind::PurgeWorkflow });
        Ok(())
    }

    /// The time is over in which the run might have come. If it did, it keeps the key.
    pub(super) fn give_up_workflow(
        &mut self,
        run: InvocationId,
        incarnation: Incarnation,
    ) -> Result<(), TablesError> {
        let row = self.tables.workflow(run)?.filter(|row| row.incarnation == incarnation);
        if row.is_some() && self.tables.invocation(run)?.is_none() {
            return self.purge_workflow(run);
        }
        Ok(())
    }

    /// A handler of a workflow's key arrives, its run or a shared one.
    pub(super) fn enter_workflow(&mut self, invocation: &Invocation) -> Result<(), TablesError> {
        let Some(object) = workflow_object(invocation) else { return Ok(()) };
        let run = placement::workflow_id(&object.service, &object.key);
        let known = self.tables.workflow(run)?;
        let is_new = known.is_none();
        let mut row = known.unwrap_or_else(|| self.new_workflow(object));
        if !invocation.locks() {
            row.unfinished += 1;
            if is_new && self.tables.invocation(run)?.is_none() {
                self.give_up_later(run, &row.object)?;
            }
        } else if row.purged {
            row.purged = false;
            self.begin_anew(&row.object)?;
        }
        self.tables.put(Key::Workflow(run), Row::Workflow(row));
        Ok(())
    }

    /// A shared handler of a workflow's key is completed.
    pub(super) fn leave_workflow(&mut self, invocation: &Invocation) -> Result<(), TablesError> {
        let Some(object) = workflow_object(invocation).filter(|_| !invocation.locks()) else { return Ok(()) };
        let run = placement::workflow_id(&object.service, &object.key);
        let Some(mut row) = self.tables.workflow(run)? else { return Ok(()) };
        row.unfinished = row.unfinished.saturating_sub(1);
        if row.purged && row.unfinished == 0 {
            return self.forget_workflow(run, &row.object);
        }
        self.tables.put(Key::Workflow(run), Row::Workflow(row));
        Ok(())
    }

    /// The run is purged, or never came: state and promises go, with the last shared handler if there is one.
    pub(super) fn purge_workflow(&mut self, run: InvocationId) -> Result<(), TablesError> {
        let Some(mut row) = self.tables.workflow(run)? else { return Ok(()) };
        if row.unfinished == 0 {
            return self.forget_workflow(run, &row.object);
        }
        row.purged = true;
        self.tables.put(Key::Workflow(run), Row::Workflow(row));
        Ok(())
    }

    /// The run comes again before the last shared handler of its earlier life is completed: nothing of that life is left
    /// but those who wait.
    fn begin_anew(&mut self, object: &ObjectKey) -> Result<(), TablesError> {
        self.tables.delete_all(&Prefix::State(object.clone()))?;
        for (key, row) in self.tables.scan(&Prefix::Promise(object.clone()), None, usize::MAX)? {
            match row {
                Row::Promise(promise) if promise.outcome.is_some() => self.tables.delete(key),
                _ => {}
            }
        }
        Ok(())
    }

    fn forget_workflow(&mut self, run: InvocationId, object: &ObjectKey) -> Result<(), TablesError> {
        self.tables.delete(Key::Workflow(run));
        self.tables.delete_all(&Prefix::State(object.clone()))?;
        self.tables.delete_all(&Prefix::Promise(object.clone()))
    }
}

fn workflow_object(invocation: &Invocation) -> Option<ObjectKey> {
    invocation.target.object().filter(|_| invocation.kind == ServiceKind::Workflow)
}

fn no_workflow(invocation: &Invocation) -> Value {
    Value::Failure(Failure::new(
        400,
        format!("`{}` is not a workflow, so it has no promises", invocation.target.service),
    ))
}
