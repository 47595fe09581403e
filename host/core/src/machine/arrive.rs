//! Arrival of an invocation: known already, refused, scheduled, queued behind its key's lock, or started.

use xxhash_rust::xxh3::xxh3_64;

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    command::{Caller, Message, NewInvocation, Origin},
    journal::{Entry, JournalItem, Operation},
    limits, placement,
    schema::{Handler, HandlerMode, Service, ServiceKind},
    tables::{
        Invocation, JournalSize, Key, Lock, ReadTablesExt, Row, Status, Tables, TablesError, TimerKey,
        TimerKind,
    },
    value::{Failure, Timestamp, Value},
};

/// What became of a request for an invocation.
enum Arrival {
    Accepted {
        previously: bool,
        due: Option<Timestamp>,
    },
    Refused(Refusal),
    /// The invocation would never end, or is too deep.
    Failed(Failure),
}

impl<T: Tables> Transition<'_, T> {
    pub(super) fn invoke(&mut self, new: NewInvocation) -> Result<Answer, TablesError> {
        let id = new.id;
        Ok(match self.arrive(new)? {
            Arrival::Accepted { previously, due } => Answer::Accepted { id, previously, due },
            Arrival::Refused(refusal) => Answer::Refused(refusal),
            Arrival::Failed(failure) => unreachable!("a door has no ancestors, but: {failure}"),
        })
    }

    /// A call or send of a handler arrives. What a door would be refused becomes the result.
    pub(super) fn invoke_from_handler(&mut self, new: NewInvocation) -> Result<(), TablesError> {
        let failure = match self.arrive(new.clone())? {
            Arrival::Accepted { .. } => return Ok(()),
            Arrival::Refused(refusal @ Refusal::PayloadDiffers(_)) => Failure::new(422, refusal.to_string()),
            Arrival::Refused(refusal) => Failure::new(404, refusal.to_string()),
            Arrival::Failed(failure) => failure,
        };
        match new.origin {
            Origin::Call { caller, .. } => {
                self.send(Message::Complete { caller, value: Value::Failure(failure) })
            }
            // Nobody waits: keep it as a completed invocation, so that people can see what was lost.
            Origin::Send { .. } | Origin::Ingress if self.tables.invocation(new.id)?.is_none() => {
                let invocation = self.record_arrival(new, None)?;
                self.complete(invocation, Err(failure))
            }
            Origin::Send { .. } | Origin::Ingress => Ok(()),
        }
    }

    fn arrive(&mut self, new: NewInvocation) -> Result<Arrival, TablesError> {
        if let Some(known) = self.tables.invocation(new.id)? {
            return self.arrive_known(known, new);
        }
        let Some(service) = self.tables.service(&new.target.service)? else {
            return Ok(Arrival::Refused(Refusal::UnknownTarget(new.target)));
        };
        let keyed = service.kind != ServiceKind::Service;
        let Some(handler) =
            service.handler(&new.target.handler).filter(|_| keyed == new.target.key.is_some())
        else {
            return Ok(Arrival::Refused(Refusal::UnknownTarget(new.target)));
        };
        let exclusive = keyed && handler.mode != HandlerMode::Shared;
        if let Origin::Call { caller, ancestors } = &new.origin
            && let Some(failure) = self.arrive_unanswerable(&new, caller, ancestors, exclusive)?
        {
            return Ok(Arrival::Failed(failure));
        }
        if handler.mode == HandlerMode::Workflow
            && let Some(object) = new.target.object()
            && new.id != placement::workflow_id(&object.service, &object.key)
        {
            return Ok(Arrival::Refused(Refusal::UnknownInvocation(new.id)));
        }
        let due = new.due.filter(|due| *due > self.now());
        let mut invocation = self.record_arrival(new, Some((&service, handler)))?;
        self.enter_workflow(&invocation)?;
        match due {
            Some(due) => {
                invocation.status = Status::Scheduled { due };
                self.set_timer(TimerKey {
                    due,
                    id: invocation.id,
                    incarnation: invocation.incarnation,
                    kind: TimerKind::Start,
                });
                self.put_invocation(invocation);
            }
            None => self.enter(invocation)?,
        }
        Ok(Arrival::Accepted { previously: false, due })
    }

    /// The same id again: attach to what is there.
    fn arrive_known(
        &mut self,
        mut known: Box<Invocation>,
        new: NewInvocation,
    ) -> Result<Arrival, TablesError> {
        if let Some(key) = &new.idempotency_key
            && known.input_hash != xxh3_64(&new.input)
        {
            return Ok(Arrival::Refused(Refusal::PayloadDiffers(key.clone())));
        }
        let due = match known.status {
            Status::Scheduled { due } => Some(due),
            _ => None,
        };
        let Origin::Call { caller, ancestors } = new.origin else {
            return Ok(Arrival::Accepted { previously: true, due });
        };
        if known.mode == HandlerMode::Workflow {
            let message = format!("workflow `{}` has run already; attach to it for its result", known.target);
            return Ok(Arrival::Failed(Failure::new(409, message)));
        }
        if let Status::Completed { outcome, .. } = &known.status {
            let value = Value::from(outcome.clone());
            self.send(Message::Complete { caller, value })?;
        } else if caller.id == known.id || ancestors.contains(&known.id) {
            return Ok(Arrival::Failed(deadlock(&known)));
        } else if known.waiters.len() >= limits::WAITERS_MAX {
            return Ok(Arrival::Failed(Failure::new(
                429,
                format!("too many callers wait for `{}`", known.id),
            )));
        } else {
            known.waiters.push(caller);
            self.put_invocation(known);
        }
        Ok(Arrival::Accepted { previously: true, due })
    }

    /// A call that can never get an answer: its key is locked by somebody who waits for it, or the chain is too long.
    fn arrive_unanswerable(
        &self,
        new: &NewInvocation,
        caller: &Caller,
        ancestors: &[crate::ids::InvocationId],
        exclusive: bool,
    ) -> Result<Option<Failure>, TablesError> {
        if ancestors.len() >= limits::CALL_DEPTH_MAX {
            let max = limits::CALL_DEPTH_MAX;
            return Ok(Some(Failure::new(508, format!("calls are nested deeper than {max}"))));
        }
        let Some(object) = new.target.object().filter(|_| exclusive) else {
            return Ok(None);
        };
        let Some(lock) = self.tables.lock(&object)? else {
            return Ok(None);
        };
        if caller.id != lock.holder && !ancestors.contains(&lock.holder) {
            return Ok(None);
        }
        let holder = lock.holder;
        Ok(Some(Failure::new(
            409,
            format!("deadlock: `{}` is locked by `{holder}`, which waits for this call", new.target),
        )))
    }

    /// Writes the journal's input and makes the invocation's row, in no stage yet. `None`: the target is unknown.
    fn record_arrival(
        &mut self,
        new: NewInvocation,
        target: Option<(&Service, &Handler)>,
    ) -> Result<Box<Invocation>, TablesError> {
        let now = self.now();
        let policies = match target {
            Some((service, handler)) => service.policies(handler, &self.registry()?.defaults),
            None => self.default_policies()?,
        };
        let (invoked_by, ancestors, waiters) = match new.origin {
            Origin::Ingress => (None, Vec::new(), Vec::new()),
            Origin::Send { sender } => (Some(sender), Vec::new(), Vec::new()),
            Origin::Call { caller, mut ancestors } => {
                ancestors.push(caller.id);
                (Some(caller.id), ancestors, vec![caller])
            }
        };
        let mut invocation = Box::new(Invocation {
            id: new.id,
            incarnation: self.record.lsn,
            target: new.target,
            kind: target.map_or(ServiceKind::Service, |(service, _)| service.kind),
            mode: target.map_or(HandlerMode::Shared, |(_, handler)| handler.mode),
            policies,
            input_hash: if new.idempotency_key.is_some() { xxh3_64(&new.input) } else { 0 },
            idempotency_key: new.idempotency_key,
            invoked_by,
            ancestors,
            waiters,
            created_at: now,
            started_at: None,
            modified_at: now,
            deployment: None,
            journal: JournalSize::default(),
            cancel: None,
            failures: 0,
            failing_since: now,
            last_failure: None,
            run: None,
            status: Status::Scheduled { due: now },
        });
        let operation = Operation::Input { headers: new.headers, body: new.input };
        self.push_item(&mut invocation, JournalItem::Operation(Entry { made_at: now, operation }));
        Ok(invocation)
    }

    /// An invocation whose time has come: takes the lock of its key and starts, or queues for it.
    pub(super) fn enter(&mut self, mut invocation: Box<Invocation>) -> Result<(), TablesError> {
        let Some(object) = invocation.target.object().filter(|_| invocation.locks()) else {
            return self.start(invocation);
        };
        let id = invocation.id;
        match self.tables.lock(&object)? {
            None => {
                let lock = Lock { holder: id, inbox_first: 0, inbox_next: 0 };
                self.tables.put(Key::Lock(object), Row::Lock(lock));
                self.start(invocation)
            }
            Some(mut lock) => {
                let sequence = lock.inbox_next;
                lock.inbox_next += 1;
                self.tables.put(Key::Inbox(object.clone(), sequence), Row::Inbox(id));
                self.tables.put(Key::Lock(object), Row::Lock(lock));
                invocation.status = Status::Pending { sequence };
                self.put_invocation(invocation);
                Ok(())
            }
        }
    }
}

fn deadlock(known: &Invocation) -> Failure {
    Failure::new(409, format!("deadlock: `{}` waits for this call", known.target))
}
