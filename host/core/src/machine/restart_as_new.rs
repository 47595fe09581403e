//! Restarting a completed invocation as a new one, from an operation of its journal.
//!
//! What is copied and why is in `restart.rs`. Copied operations are not applied again. Those that have no result come
//! to life when the new invocation starts, not while it waits for the lock of its key: until then it has done nothing.
//! An effect among them runs again as one of the new invocation, with the idempotency key of its new life: the outcome
//! of the old run is unknown, and whoever restarts it wants it to be tried.
//!
//! The copied operations are not compared with the deployment here. A handler that makes others is paused with a
//! journal mismatch, as always; one that wants to know before asks for a verification by replay first.

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    command::{AttachMode, Caller, Message, RestartOn},
    ids::{DeploymentId, EntryIndex, InvocationId, Position},
    journal::{Entry, JournalItem, Operation},
    restart::{NotRestartable, Restarted, check_lives, prefix, unfinished},
    schema::{HandlerMode, Policies, ServiceKind},
    tables::{
        Invocation, JournalSize, OpenKind, ReadTablesExt, Status, Tables, TablesError, TimerKey, TimerKind,
    },
};

/// What the new invocation runs on.
struct Place {
    deployment: DeploymentId,
    kind: ServiceKind,
    mode: HandlerMode,
    policies: Policies,
}

impl<T: Tables> Transition<'_, T> {
    pub(super) fn restart_as_new(
        &mut self,
        id: InvocationId,
        new: InvocationId,
        from: EntryIndex,
        on: RestartOn,
    ) -> Result<Answer, TablesError> {
        let Some(original) = self.tables.invocation(id)? else {
            return Ok(Self::unknown(id));
        };
        match original.status {
            Status::Completed { .. } => {}
            Status::Scheduled { .. } | Status::Pending { .. } => {
                return Ok(Answer::Refused(Refusal::NotStarted(id)));
            }
            Status::Invoked { .. } | Status::Suspended { .. } | Status::Paused { .. } => {
                return Ok(Answer::Refused(Refusal::NotCompleted(id)));
            }
        }
        // The door gives a random id of the same key; one that is neither would be lost or would end another's life.
        if new.key != id.key || self.tables.invocation(new)?.is_some() {
            return Ok(Self::unknown(new));
        }
        let place = match self.restarted_on(&original, on)? {
            Ok(place) => place,
            Err(refusal) => return Ok(Answer::Refused(refusal)),
        };
        let refused = |why| Ok(Answer::Refused(Refusal::NotRestartable { id, why }));
        if place.mode == HandlerMode::Workflow || original.mode == HandlerMode::Workflow {
            return refused(NotRestartable::Workflow);
        }
        let restarted = Restarted::new(&original, from);
        let items = check_lives(&restarted).and(prefix(self.tables.journal(id)?, from));
        match items {
            Ok(items) => {
                self.begin_restarted(&original, new, place, restarted, items)?;
                Ok(Answer::RestartedAsNew { id: new })
            }
            Err(why) => refused(why),
        }
    }

    /// Where it is to run. What is known of that deployment's handler counts; an older one's is as it was.
    fn restarted_on(
        &self,
        original: &Invocation,
        on: RestartOn,
    ) -> Result<Result<Place, Refusal>, TablesError> {
        let target = &original.target;
        let latest = self.tables.service(&target.service)?;
        let asked = match on {
            RestartOn::Latest => None,
            RestartOn::Keep => original.deployment,
            RestartOn::Deployment(id) => Some(id),
        };
        let Some(deployment) = asked.or(latest.as_ref().map(|service| service.deployment)) else {
            return Ok(Err(Refusal::UnknownTarget(target.clone())));
        };
        let known = self.tables.deployment(deployment)?;
        if known.is_none_or(|row| !row.services.contains(&target.service)) {
            return Ok(Err(Refusal::UnknownDeployment(deployment)));
        }
        if self.tables.removal(deployment)?.is_some() {
            return Ok(Err(Refusal::BeingRemoved(deployment)));
        }
        let (kind, mode, policies) = match latest.filter(|service| service.deployment == deployment) {
            None => (original.kind, original.mode, original.policies),
            Some(service) => {
                let keyed = service.kind != ServiceKind::Service;
                match service.handler(&target.handler).filter(|_| keyed == target.key.is_some()) {
                    Some(handler) => {
                        (service.kind, handler.mode, service.policies(handler, &self.registry()?.defaults))
                    }
                    None => return Ok(Err(Refusal::UnknownTarget(target.clone()))),
                }
            }
        };
        Ok(Ok(Place { deployment, kind, mode, policies }))
    }

    fn begin_restarted(
        &mut self,
        original: &Invocation,
        new: InvocationId,
        place: Place,
        restarted: Restarted,
        items: Vec<JournalItem>,
    ) -> Result<(), TablesError> {
        let now = self.now();
        let mut invocation = Box::new(Invocation {
            id: new,
            incarnation: self.lsn,
            target: original.target.clone(),
            kind: place.kind,
            mode: place.mode,
            policies: place.policies,
            // The key belongs to the original, whose result stays what it answers.
            idempotency_key: None,
            input_hash: 0,
            invoked_by: None,
            ancestors: Vec::new(),
            waiters: Vec::new(),
            created_at: now,
            started_at: None,
            modified_at: now,
            deployment: None,
            journal: JournalSize::default(),
            open: 0,
            unclaimed: 0,
            cancel: None,
            cancel_requested: false,
            failures: 0,
            failing_since: now,
            last_failure: None,
            run: None,
            restarted: Some(Box::new(restarted)),
            status: Status::Scheduled { due: now },
        });
        self.pin(&mut invocation, place.deployment)?;
        for item in items {
            self.push_item(&mut invocation, item);
        }
        self.enter_workflow(&invocation)?;
        self.enter(invocation)
    }

    /// The restarted invocation starts for the first time: copied operations that wait for a result wait again.
    pub(super) fn reopen_copied(&mut self, invocation: &mut Invocation) -> Result<(), TablesError> {
        let journal = self.tables.journal(invocation.id)?;
        for (index, position, entry) in unfinished(&journal) {
            self.reopen(invocation, index, position, entry)?;
        }
        Ok(())
    }

    fn reopen(
        &mut self,
        invocation: &mut Invocation,
        index: EntryIndex,
        position: Position,
        entry: &Entry,
    ) -> Result<(), TablesError> {
        let (id, incarnation) = (invocation.id, invocation.incarnation);
        match &entry.operation {
            Operation::Call(call) => {
                self.open_handle(invocation, index, OpenKind::Call { callee: call.callee });
                let caller = Caller { id, incarnation, index };
                self.send(Message::Attach { id: call.callee, caller, mode: AttachMode::Wait })
            }
            Operation::Timer { due, .. } => {
                // The instant at which the original's fired went with its row. That of the handler's own clock is the
                // same but for the time that the operation took to the log.
                let due = due.instant(entry.made_at);
                let timer = TimerKey { due, id, incarnation, kind: TimerKind::Sleep(index) };
                self.set_timer(timer.clone());
                self.open_handle(invocation, index, OpenKind::Timer { timer });
                Ok(())
            }
            Operation::Effect { .. } => {
                self.append_effect(invocation, index, position);
                Ok(())
            }
            Operation::Promise { name } => self.append_promise(invocation, index, name.clone()),
            // Those have had their answer at once; asked again they get that of now.
            Operation::PromisePeek { name } | Operation::PromiseComplete { name, .. } => {
                self.append_promise_peek(invocation, index, name.clone())
            }
            Operation::Attach { id } => self.append_attach(invocation, index, *id, AttachMode::Wait),
            Operation::PeekOutput { id } => self.append_attach(invocation, index, *id, AttachMode::Peek),
            other => unreachable!("a restart refuses what has no result and is {}", other.kind()),
        }
    }
}
