//! [`Event`]: everything that can wake a processor, and the [`Mailbox`] through which others send it.

use std::sync::Arc;

use relight_core::action::Answer;
use relight_core::command::Command;
use relight_core::ids::{InvocationId, LeaderEpoch, Lsn, PartitionId, RequestId};
use relight_core::runner::{Host, Work};
use relight_core::schema::HandlerMode;
use relight_core::tables::ReadTables;
use relight_core::value::Target;
use relight_log::{Leadership, ReadError};
use relight_storage::WriteError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::handle::{Called, DoorError, Finished};
use crate::proposer::Appended;
use crate::schema::Schema;
use crate::transport::Delivery;

pub type Reply<T> = oneshot::Sender<Result<T, DoorError>>;

/// What a door does with the tables between two batches. It gets its answer by the second function, once what it saw is
/// durable.
pub type Look = Box<dyn FnOnce(&dyn ReadTables) -> Seen + Send>;
pub type Seen = Box<dyn FnOnce(Result<(), DoorError>) + Send>;

/// What can wake a processor, a closed set: `Processor::handle_event` is its only reader.
pub enum Event {
    /// From the log: committed records are in the processor's buffer, or there will be none.
    Records(Result<(), ReadError>),
    /// From the log: who leads.
    Leadership(Result<Leadership, ReadError>),
    /// From the log: the answer to the oldest append.
    Appended(Appended),
    /// From the clock, or because the last turn left something to do.
    Wake,
    /// From a door: propose, and answer with what `apply` says.
    Command { request: RequestId, command: Command, reply: Reply<Answer>, permits: Permits },
    /// From a door: the same, and then wait for the invocation's result.
    Call { request: RequestId, command: Command, known: Known, reply: Reply<Called>, permits: Permits },
    /// From a door: wait for the result of an invocation that exists.
    Attach { id: InvocationId, reply: Reply<Option<Finished>>, permit: OwnedSemaphorePermit },
    /// From a door: look at the tables.
    Read(Look),
    /// From a door: nobody waits any more for what is named.
    Gone { request: Option<RequestId>, id: Option<InvocationId> },
    /// From an attempt or an effect of this leader.
    Proposed { epoch: LeaderEpoch, command: Command },
    /// From the runner: there may be capacity again.
    Capacity(Work),
    /// From the leader of another partition.
    Delivery(Delivery),
    /// From the flush of the tables.
    Flushed(Result<Lsn, WriteError>),
    /// From the node.
    Stop,
}

/// What a call does when its invocation exists already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// Waits for its result.
    Attached,
    /// Says so at once.
    Refused,
}

/// What a door's command takes up until it is given back.
pub struct Permits {
    /// Until the log has answered.
    pub command: OwnedSemaphorePermit,
    /// Until the door has its answer.
    pub waiter: OwnedSemaphorePermit,
}

/// Sends events to one processor. Not bounded by itself, since senders MUST NOT block: doors are bounded by their
/// permits, attempts and effects by the capacity of the runner, other partitions by their deliveries in flight.
#[derive(Clone, Debug)]
pub struct Mailbox(mpsc::UnboundedSender<Event>);

impl Mailbox {
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Whether the processor is still there to read it.
    pub fn send(&self, event: Event) -> bool {
        self.0.send(event).is_ok()
    }
}

/// The leader of one epoch as attempts and effects see it.
pub struct EpochHost {
    pub partition: PartitionId,
    pub epoch: LeaderEpoch,
    pub mailbox: Mailbox,
    pub schema: watch::Receiver<Arc<Schema>>,
}

impl EpochHost {
    pub fn shared(self) -> Arc<dyn Host> {
        Arc::new(self)
    }
}

impl Host for EpochHost {
    fn partition(&self) -> PartitionId {
        self.partition
    }

    fn runs_once(&self, target: &Target) -> bool {
        let schema = self.schema.borrow();
        let handler =
            schema.services.get(&target.service).and_then(|service| service.handler(&target.handler));
        handler.is_some_and(|handler| handler.mode == HandlerMode::Workflow)
    }

    fn propose(&self, command: Command) {
        self.mailbox.send(Event::Proposed { epoch: self.epoch, command });
    }

    fn capacity(&self, work: Work) {
        self.mailbox.send(Event::Capacity(work));
    }
}
