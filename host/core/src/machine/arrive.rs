//! Arrival of an invocation: known already, refused, scheduled, queued behind its key's lock, or started.

use xxhash_rust::xxh3::xxh3_64;

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    command::{Caller, Message, NewInvocation, Origin},
    ids::InvocationId,
    journal::{Entry, JournalItem, Operation},
    limits, placement,
    schema::{Handler, HandlerMode, Service, ServiceKind},
    tables::{
        Invocation, JournalSize, Key, Lock, ReadTablesExt, Row, Status, Tables, TablesError, TimerKey,
        TimerKind,
    },
    value::{Failure, Timestamp, Value},
};

/// What became of a request for an invocation. One that was not accepted is given back.
enum Arrival {
    Accepted {
        previously: bool,
        due: Option<Timestamp>,
    },
    Refused(Refusal, Box<NewInvocation>),
    /// The invocation would never end, or is too deep.
    Failed(Failure, Box<NewInvocation>),
}

impl<T: Tables> Transition<'_, T> {
    pub(super) fn invoke(&mut self, new: NewInvocation) -> Result<Answer, TablesError> {
        let id = new.id;
        Ok(match self.arrive(new)? {
            Arrival::Accepted { previously, due } => Answer::Accepted { id, previously, due },
            Arrival::Refused(refusal, _) => Answer::Refused(refusal),
            Arrival::Failed(failure, _) => unreachable!("a door has no ancestors, but: {failure}"),
        })
    }

    /// A call or send of a handler arrives. What a door would be refused becomes the result.
    pub(super) fn invoke_from_handler(&mut self, new: NewInvocation) -> Result<(), TablesError> {
        let (failure, new) = match self.arrive(new)? {
            Arrival::Accepted { .. } => return Ok(()),
            Arrival::Refused(refusal @ Refusal::PayloadDiffers(_), new) => {
                (Failure::new(422, refusal.to_string()), new)
            }
            Arrival::Refused(refusal, new) => (Failure::new(404, refusal.to_string()), new),
            Arrival::Failed(failure, new) => (failure, new),
        };
        match new.origin {
            Origin::Call { caller, .. } => {
                self.send(Message::Complete { caller, value: Value::Failure(failure) })
            }
            // Nobody waits: keep it as a completed invocation, so that people can see what was lost.
            Origin::Send { .. } | Origin::Ingress if self.tables.invocation(new.id)?.is_none() => {
                let invocation = self.record_arrival(*new, None)?;
                self.complete(invocation, Err(failure))
            }
            Origin::Send { .. } | Origin::Ingress => Ok(()),
        }
    }

    fn arrive(&mut self, new: NewInvocation) -> Result<Arrival, TablesError> {
        if let Some(known) = self.tables.invocation(new.id)? {
            return self.arrive_known(known, new);
        }
        let unknown = |new: NewInvocation| {
            Ok(Arrival::Refused(Refusal::UnknownTarget(new.target.clone()), Box::new(new)))
        };
        let Some(service) = self.tables.service(&new.target.service)? else {
            return unknown(new);
        };
        let keyed = service.kind != ServiceKind::Service;
        let Some(handler) =
            service.handler(&new.target.handler).filter(|_| keyed == new.target.key.is_some())
        else {
            return unknown(new);
        };
        let due = new.due.filter(|due| *due > self.now());
        let locked = match new.target.object() {
            Some(object) if handler.mode != HandlerMode::Shared && due.is_none() => {
                self.tables.lock(&object)?
            }
            _ => None,
        };
        if let Origin::Call { caller, ancestors } = &new.origin
            && let Some(failure) = arrive_unanswerable(&new, caller, ancestors, locked)
        {
            return Ok(Arrival::Failed(failure, Box::new(new)));
        }
        if handler.mode == HandlerMode::Workflow
            && let Some(object) = new.target.object()
            && new.id != placement::workflow_id(&object.service, &object.key)
        {
            return Ok(Arrival::Refused(Refusal::UnknownInvocation(new.id), Box::new(new)));
        }
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
            None => {
                self.enter_with(invocation, locked)?;
            }
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
            return Ok(Arrival::Refused(Refusal::PayloadDiffers(key.clone()), Box::new(new)));
        }
        let due = match known.status {
            Status::Scheduled { due } => Some(due),
            _ => None,
        };
        let Origin::Call { caller, ancestors } = &new.origin else {
            return Ok(Arrival::Accepted { previously: true, due });
        };
        let caller = *caller;
        if known.mode == HandlerMode::Workflow {
            let message = format!("workflow `{}` has run already; attach to it for its result", known.target);
            return Ok(Arrival::Failed(Failure::new(409, message), Box::new(new)));
        }
        if let Status::Completed { outcome, .. } = &known.status {
            let value = Value::from(outcome.clone());
            self.send(Message::Complete { caller, value })?;
        } else if caller.id == known.id || ancestors.contains(&known.id) {
            return Ok(Arrival::Failed(deadlock(&known), Box::new(new)));
        } else if known.waiters.len() >= limits::WAITERS_MAX {
            let failure = Failure::new(429, format!("too many callers wait for `{}`", known.id));
            return Ok(Arrival::Failed(failure, Box::new(new)));
        } else {
            known.waiters.push(caller);
            self.put_invocation(known);
        }
        Ok(Arrival::Accepted { previously: true, due })
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
            incarnation: self.lsn,
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
            open: 0,
            unclaimed: 0,
            cancel: None,
            cancel_requested: false,
            failures: 0,
            failing_since: now,
            last_failure: None,
            run: None,
            restarted: None,
            status: Status::Scheduled { due: now },
        });
        let operation = Operation::Input { headers: new.headers, body: new.input };
        self.push_item(&mut invocation, JournalItem::Operation(Entry { made_at: now, operation }));
        Ok(invocation)
    }

    /// An invocation whose time has come: takes the lock of its key and starts, or queues for it.
    pub(super) fn enter(&mut self, invocation: Box<Invocation>) -> Result<(), TablesError> {
        let lock = match invocation.target.object().filter(|_| invocation.locks()) {
            Some(object) => self.tables.lock(&object)?,
            None => None,
        };
        self.enter_with(invocation, lock)
    }

    /// `lock`: that of its key as it is, if it needs one.
    fn enter_with(&mut self, mut invocation: Box<Invocation>, lock: Option<Lock>) -> Result<(), TablesError> {
        let Some(object) = invocation.target.object().filter(|_| invocation.locks()) else {
            return self.start(invocation);
        };
        let id = invocation.id;
        let Some(mut lock) = lock else {
            let lock = Lock { holder: id, inbox_first: 0, inbox_next: 0 };
            self.tables.put(Key::Lock(object), Row::Lock(lock));
            return self.start(invocation);
        };
        let sequence = lock.inbox_next;
        lock.inbox_next += 1;
        self.tables.put(Key::Inbox(object.clone(), sequence), Row::Inbox(id));
        self.tables.put(Key::Lock(object), Row::Lock(lock));
        invocation.status = Status::Pending { sequence };
        self.put_invocation(invocation);
        Ok(())
    }
}

/// A call that can never get an answer: its key is locked by somebody who waits for it, or the chain is too long.
fn arrive_unanswerable(
    new: &NewInvocation,
    caller: &Caller,
    ancestors: &[InvocationId],
    locked: Option<Lock>,
) -> Option<Failure> {
    if ancestors.len() >= limits::CALL_DEPTH_MAX {
        let max = limits::CALL_DEPTH_MAX;
        return Some(Failure::new(508, format!("calls are nested deeper than {max}")));
    }
    let holder = locked?.holder;
    (caller.id == holder || ancestors.contains(&holder)).then(|| {
        let target = &new.target;
        Failure::new(409, format!("deadlock: `{target}` is locked by `{holder}`, which waits for this call"))
    })
}

fn deadlock(known: &Invocation) -> Failure {
    Failure::new(409, format!("deadlock: `{}` waits for this call", known.target))
}
