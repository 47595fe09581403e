//! [`Waiters`]: doors that wait, first by request id for the answer of `apply`, then by invocation id for its result.
//!
//! Nothing here is durable. A door that is told an error may ask again with the same request id.

use std::collections::HashMap;

use relight_core::action::{Answer, Refusal};
use relight_core::ids::{InvocationId, RequestId};
use relight_core::tables::{ReadTables, ReadTablesExt as _, Status, TablesError};
use tokio::sync::OwnedSemaphorePermit;

use crate::event::{Known, Reply};
use crate::handle::{Called, DoorError, Finished};

#[derive(Default)]
pub struct Waiters {
    requests: HashMap<RequestId, Vec<RequestWaiter>>,
    results: HashMap<InvocationId, Vec<ResultWaiter>>,
    /// Accepted invocations whose row was gone already: either their result follows in the same batch, or they were
    /// purged long ago.
    unsettled: Vec<InvocationId>,
    /// Answers that are not sent: what they say may still vanish.
    given: Vec<Given>,
}

/// An answer on its way to a door.
pub enum Given {
    Command(Reply<Answer>, Answer),
    Call(Reply<Called>, Called),
    Attach(Reply<Option<Finished>>, Option<Finished>),
}

/// The permit is given back when the waiter is dropped.
pub enum RequestWaiter {
    Command { reply: Reply<Answer>, _permit: OwnedSemaphorePermit },
    Call { reply: Reply<Called>, known: Known, permit: OwnedSemaphorePermit },
}

enum ResultWaiter {
    Call { reply: Reply<Called>, previously: bool, _permit: OwnedSemaphorePermit },
    Attach { reply: Reply<Option<Finished>>, _permit: OwnedSemaphorePermit },
}

impl Waiters {
    pub fn wait_for_answer(&mut self, request: RequestId, waiter: RequestWaiter) {
        self.requests.entry(request).or_default().push(waiter);
    }

    pub fn attach(
        &mut self,
        tables: &impl ReadTables,
        id: InvocationId,
        reply: Reply<Option<Finished>>,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), TablesError> {
        let waiter = ResultWaiter::Attach { reply, _permit: permit };
        match stage(tables, id)? {
            Stage::Unknown => self.given.push(waiter.unknown(id)),
            Stage::Finished(finished) => self.given.push(waiter.finished(id, finished)),
            Stage::Unfinished => self.results.entry(id).or_default().push(waiter),
        }
        Ok(())
    }

    /// The answers since the last look. Whoever takes them sends them once they are true for good.
    pub fn take_given(&mut self) -> Vec<Given> {
        std::mem::take(&mut self.given)
    }

    /// `apply` has answered. A call goes on to wait for the result.
    pub fn answered(
        &mut self,
        tables: &impl ReadTables,
        request: RequestId,
        answer: &Answer,
    ) -> Result<(), TablesError> {
        for waiter in self.requests.remove(&request).unwrap_or_default() {
            match (waiter, answer) {
                (RequestWaiter::Command { reply, .. }, answer) => {
                    self.given.push(Given::Command(reply, answer.clone()));
                }
                (
                    RequestWaiter::Call { reply, known: Known::Refused, .. },
                    Answer::Accepted { id, previously: true, .. },
                ) => self.given.push(Given::Call(reply, Called::Known(*id))),
                (RequestWaiter::Call { reply, permit, .. }, Answer::Accepted { id, previously, .. }) => {
                    let waiter = ResultWaiter::Call { reply, previously: *previously, _permit: permit };
                    self.accepted(tables, *id, waiter)?;
                }
                (RequestWaiter::Call { reply, .. }, Answer::Refused(refusal)) => {
                    self.given.push(Given::Call(reply, Called::Refused(refusal.clone())));
                }
                (RequestWaiter::Call { reply, .. }, other) => {
                    let reason = format!("the request id was used for another command, which got {other:?}");
                    give(reply, Err(DoorError::Failed(reason)));
                }
            }
        }
        Ok(())
    }

    fn accepted(
        &mut self,
        tables: &impl ReadTables,
        id: InvocationId,
        waiter: ResultWaiter,
    ) -> Result<(), TablesError> {
        match stage(tables, id)? {
            Stage::Finished(finished) => {
                self.given.push(waiter.finished(id, finished));
                return Ok(());
            }
            Stage::Unfinished => {}
            Stage::Unknown => self.unsettled.push(id),
        }
        self.results.entry(id).or_default().push(waiter);
        Ok(())
    }

    pub fn completed(&mut self, id: InvocationId, finished: &Finished) {
        for waiter in self.results.remove(&id).unwrap_or_default() {
            self.given.push(waiter.finished(id, finished.clone()));
        }
    }

    /// All actions of a batch are carried out.
    pub fn settle(&mut self) {
        for id in std::mem::take(&mut self.unsettled) {
            for waiter in self.results.remove(&id).unwrap_or_default() {
                self.given.push(waiter.unknown(id));
            }
        }
    }

    /// Forgets what nobody waits for any more.
    pub fn gone(&mut self, request: Option<RequestId>, id: Option<InvocationId>) {
        if let Some(request) = request
            && let Some(waiters) = self.requests.get_mut(&request)
        {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                self.requests.remove(&request);
            }
        }
        if let Some(id) = id
            && let Some(waiters) = self.results.get_mut(&id)
        {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                self.results.remove(&id);
            }
        }
    }

    /// The command of this request was not carried out, or nobody knows.
    pub fn fail(&mut self, request: RequestId, error: &DoorError) {
        for waiter in self.requests.remove(&request).unwrap_or_default() {
            waiter.fail(error.clone());
        }
    }

    /// Fails everyone: those whose command may be in the log with `sent`, those who only look with `attached`.
    pub fn fail_all(&mut self, sent: &DoorError, attached: &DoorError) {
        for (_, waiters) in self.requests.drain() {
            waiters.into_iter().for_each(|waiter| waiter.fail(sent.clone()));
        }
        for (_, waiters) in self.results.drain() {
            for waiter in waiters {
                match waiter {
                    ResultWaiter::Call { reply, .. } => give(reply, Err(sent.clone())),
                    ResultWaiter::Attach { reply, .. } => give(reply, Err(attached.clone())),
                }
            }
        }
        self.unsettled.clear();
        self.given.drain(..).for_each(|given| given.fail(sent.clone()));
    }

    pub fn len(&self) -> usize {
        self.requests.len() + self.results.len()
    }
}

enum Stage {
    Unknown,
    Unfinished,
    Finished(Finished),
}

fn stage(tables: &impl ReadTables, id: InvocationId) -> Result<Stage, TablesError> {
    Ok(match tables.invocation(id)?.map(|invocation| invocation.status) {
        None => Stage::Unknown,
        Some(Status::Completed { outcome, expires_at, .. }) => {
            Stage::Finished(Finished { outcome, expires_at: Some(expires_at) })
        }
        Some(_) => Stage::Unfinished,
    })
}

impl RequestWaiter {
    fn is_closed(&self) -> bool {
        match self {
            Self::Command { reply, .. } => reply.is_closed(),
            Self::Call { reply, .. } => reply.is_closed(),
        }
    }

    pub fn fail(self, error: DoorError) {
        match self {
            Self::Command { reply, .. } => give(reply, Err(error)),
            Self::Call { reply, .. } => give(reply, Err(error)),
        }
    }
}

impl ResultWaiter {
    fn is_closed(&self) -> bool {
        match self {
            Self::Call { reply, .. } => reply.is_closed(),
            Self::Attach { reply, .. } => reply.is_closed(),
        }
    }

    fn finished(self, id: InvocationId, Finished { outcome, expires_at }: Finished) -> Given {
        match self {
            Self::Call { reply, previously, .. } => {
                Given::Call(reply, Called::Finished { id, previously, outcome, expires_at })
            }
            Self::Attach { reply, .. } => Given::Attach(reply, Some(Finished { outcome, expires_at })),
        }
    }

    fn unknown(self, id: InvocationId) -> Given {
        match self {
            Self::Call { reply, .. } => Given::Call(reply, Called::Refused(Refusal::UnknownInvocation(id))),
            Self::Attach { reply, .. } => Given::Attach(reply, None),
        }
    }
}

impl Given {
    pub fn send(self) {
        match self {
            Self::Command(reply, answer) => give(reply, Ok(answer)),
            Self::Call(reply, called) => give(reply, Ok(called)),
            Self::Attach(reply, finished) => give(reply, Ok(finished)),
        }
    }

    pub fn fail(self, error: DoorError) {
        match self {
            Self::Command(reply, _) => give(reply, Err(error)),
            Self::Call(reply, _) => give(reply, Err(error)),
            Self::Attach(reply, _) => give(reply, Err(error)),
        }
    }
}

/// A door that has gone in the meantime needs no answer.
fn give<T>(reply: Reply<T>, answer: Result<T, DoorError>) {
    let _ = reply.send(answer);
}
