//! [`PartitionHandle`]: the doors of a partition. What is done with a command is the processor's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use relight_core::action::{Answer, Refusal};
use relight_core::command::Command;
use relight_core::ids::{InvocationId, PartitionId, RequestId};
use relight_core::tables::ReadTables;
use relight_core::value::{Outcome, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::event::{Event, Known, Mailbox, Permits};
use crate::limits::{DOOR_COMMANDS_MAX, WAITERS_MAX};
use crate::schema::Schema;
use crate::status::{PartitionStatus, Role};

/// A cheap, cloneable handle of one partition's processor.
#[derive(Clone, Debug)]
pub struct PartitionHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: PartitionId,
    mailbox: Mailbox,
    commands: Arc<Semaphore>,
    waiters: Arc<Semaphore>,
    closed: AtomicBool,
    status: watch::Receiver<PartitionStatus>,
    schema: watch::Receiver<Arc<Schema>>,
}

/// Why a door has no answer. Each message says whether a retry is safe.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DoorError {
    #[error("this node does not lead the partition; nothing was done, a retry is safe")]
    NoLeader,
    #[error("this node is shutting down; a retry with the same request id is safe")]
    ShuttingDown,
    #[error("the partition has too many requests in flight; nothing was done, a retry is safe")]
    Overloaded,
    #[error(
        "it is unknown whether the command is carried out; a retry is safe with the same request id only"
    )]
    Unknown,
    #[error("the command failed for good, nothing was done: {0}")]
    Failed(String),
}

/// What became of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Called {
    Refused(Refusal),
    /// The invocation existed before this command, which asked for a new one.
    Known(InvocationId),
    /// `previously`: the invocation existed before this command.
    Finished {
        id: InvocationId,
        previously: bool,
        outcome: Outcome,
        expires_at: Option<Timestamp>,
    },
}

/// The result of an invocation, and until when it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    pub outcome: Outcome,
    pub expires_at: Option<Timestamp>,
}

impl PartitionHandle {
    pub(crate) fn new(
        id: PartitionId,
        mailbox: Mailbox,
        status: watch::Receiver<PartitionStatus>,
        schema: watch::Receiver<Arc<Schema>>,
    ) -> Self {
        let shared = Shared {
            id,
            mailbox,
            commands: Arc::new(Semaphore::new(DOOR_COMMANDS_MAX)),
            waiters: Arc::new(Semaphore::new(WAITERS_MAX)),
            closed: AtomicBool::new(false),
            status,
            schema,
        };
        Self { shared: Arc::new(shared) }
    }

    pub fn id(&self) -> PartitionId {
        self.shared.id
    }

    /// Proposes a command that carries a request id; answers what `apply` said. The same request id gets the same
    /// answer, whether its first command was lost or not.
    pub async fn command(&self, command: Command) -> Result<Answer, DoorError> {
        let request = request_of(&command)?;
        let permits = self.permits()?;
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting::new(self, answer, Some(request), None);
        self.send(Event::Command { request, command, reply, permits })?;
        waiting.answer().await
    }

    /// Proposes a `Command::Invoke`, waits until it is accepted and then for the result, however long that takes.
    /// Dropping the future removes the waiter; the invocation goes on.
    pub async fn call(&self, command: Command) -> Result<Called, DoorError> {
        self.call_with(command, Known::Attached).await
    }

    async fn call_with(&self, command: Command, known: Known) -> Result<Called, DoorError> {
        let request = request_of(&command)?;
        let Command::Invoke { invocation, .. } = &command else {
            return Err(DoorError::Failed("only an invocation can be called".to_owned()));
        };
        let id = invocation.id;
        let permits = self.permits()?;
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting::new(self, answer, Some(request), Some(id));
        self.send(Event::Call { request, command, known, reply, permits })?;
        waiting.answer().await
    }

    /// As [`PartitionHandle::call`], for an invocation that may be asked for once: when it existed before, that is the
    /// answer, and nothing is waited for.
    pub async fn call_new(&self, command: Command) -> Result<Called, DoorError> {
        self.call_with(command, Known::Refused).await
    }

    /// Waits for the result of an invocation; `None` when there is no such invocation. Dropping the future removes
    /// the waiter.
    pub async fn attach(&self, id: InvocationId) -> Result<Option<Finished>, DoorError> {
        let permit = self.waiter()?;
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting::new(self, answer, None, Some(id));
        self.send(Event::Attach { id, reply, permit })?;
        waiting.answer().await
    }

    /// Runs `read` on the processor, between two batches: it sees what is applied and MUST be short. The answer comes when
    /// what it saw is durable. Answers on followers, too.
    pub async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn ReadTables) -> R + Send + 'static,
    ) -> Result<R, DoorError> {
        let permit = self.waiter()?;
        let (reply, answer) = oneshot::channel();
        self.send(Event::Read(Box::new(move |tables| {
            let result = read(tables);
            Box::new(move |durable| {
                let _permit = permit;
                // A door that has gone needs no answer.
                let _ = reply.send(durable.map(|()| result));
            })
        })))?;
        answer.await.map_err(|_| DoorError::ShuttingDown)?
    }

    /// The instant at which a request id is minted. Durable time may be ahead of the wall clock, which was set back:
    /// by the wall clock alone, the id would look older than what is forgotten already.
    pub fn mint_at(&self, wall: Timestamp) -> Timestamp {
        wall.max(self.status().time)
    }

    pub fn status(&self) -> PartitionStatus {
        *self.shared.status.borrow()
    }

    /// Waits until this node leads the partition and acts.
    pub async fn leading(&self) -> Result<(), DoorError> {
        let mut status = self.shared.status.clone();
        let reached = status.wait_for(|status| matches!(status.role, Role::Leader(_) | Role::Stopped)).await;
        match reached.map(|status| status.role) {
            Ok(Role::Leader(_)) => Ok(()),
            Ok(_) | Err(_) => Err(DoorError::ShuttingDown),
        }
    }

    /// Follows the schema in this partition's tables.
    pub fn schema(&self) -> watch::Receiver<Arc<Schema>> {
        self.shared.schema.clone()
    }

    /// Lets nothing more in.
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
    }

    fn permits(&self) -> Result<Permits, DoorError> {
        let command =
            Arc::clone(&self.shared.commands).try_acquire_owned().map_err(|_| DoorError::Overloaded)?;
        Ok(Permits { command, waiter: self.waiter()? })
    }

    fn waiter(&self) -> Result<OwnedSemaphorePermit, DoorError> {
        Arc::clone(&self.shared.waiters).try_acquire_owned().map_err(|_| DoorError::Overloaded)
    }

    fn send(&self, event: Event) -> Result<(), DoorError> {
        if !self.shared.closed.load(Ordering::Acquire) && self.shared.mailbox.send(event) {
            Ok(())
        } else {
            Err(DoorError::ShuttingDown)
        }
    }
}

fn request_of(command: &Command) -> Result<RequestId, DoorError> {
    request_id(command).ok_or_else(|| DoorError::Failed("only commands of doors have an answer".to_owned()))
}

/// The request id of a door's command; `None` for commands from elsewhere.
pub(crate) fn request_id(command: &Command) -> Option<RequestId> {
    match command {
        Command::Invoke { request, .. }
        | Command::ResolveAwakeable { request, .. }
        | Command::Cancel { request, .. }
        | Command::Kill { request, .. }
        | Command::SendSignal { request, .. }
        | Command::CompletePromise { request, .. }
        | Command::Pause { request, .. }
        | Command::Resume { request, .. }
        | Command::Purge { request, .. }
        | Command::RestartAsNew { request, .. }
        | Command::Deploy { request, .. }
        | Command::Rollback { request, .. }
        | Command::PatchService { request, .. }
        | Command::Configure { request, .. }
        | Command::StartRemoval { request, .. }
        | Command::FinishRemoval { request, .. }
        | Command::Evict { request, .. } => Some(*request),
        Command::AnnounceLeader { .. }
        | Command::Append { .. }
        | Command::RunFailed { .. }
        | Command::Suspend { .. }
        | Command::AttemptFailed { .. }
        | Command::EffectCompleted { .. }
        | Command::EffectFailed { .. }
        | Command::TimerFired { .. }
        | Command::Deliver { .. }
        | Command::TruncateOutbox { .. } => None,
    }
}

/// A door that waits. Dropped before the answer it tells the processor, which then forgets the waiter.
struct Waiting<T> {
    answer: Option<oneshot::Receiver<Result<T, DoorError>>>,
    mailbox: Mailbox,
    request: Option<RequestId>,
    id: Option<InvocationId>,
}

impl<T> Waiting<T> {
    fn new(
        handle: &PartitionHandle,
        answer: oneshot::Receiver<Result<T, DoorError>>,
        request: Option<RequestId>,
        id: Option<InvocationId>,
    ) -> Self {
        Self { answer: Some(answer), mailbox: handle.shared.mailbox.clone(), request, id }
    }

    async fn answer(mut self) -> Result<T, DoorError> {
        let answer = self.answer.as_mut().expect("taken below and in drop only").await;
        self.answer = None;
        // A processor that ends drops its waiters.
        answer.unwrap_or(Err(DoorError::ShuttingDown))
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            // The processor recognises a waiter without a door by its closed channel: close it first.
            drop(answer);
            self.mailbox.send(Event::Gone { request: self.request, id: self.id });
        }
    }
}
