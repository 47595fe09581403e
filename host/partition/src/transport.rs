//! [`Transport`]: how processors of different partitions reach each other.
//!
//! On one node a delivery is an event in the mailbox of the other processor; a transport over the network has the same
//! contract. Exactly-once is the business of outbox and dedup, not of a transport.

use std::sync::Arc;

use relight_core::command::Message;
use relight_core::ids::PartitionId;

use crate::event::{Event, Mailbox};

/// Carries deliveries between partitions. MAY lose, repeat and reorder them. MUST NOT block.
pub trait Transport: Send + Sync + 'static {
    fn send(&self, destination: PartitionId, delivery: Delivery);
}

/// What a partition's leader tells the leader of another partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Rows of `source`'s outbox, the first of them with sequence number `first`. Not empty.
    Messages { source: PartitionId, first: u64, messages: Vec<Message> },
    /// `destination` has applied everything up to and including `upto`.
    Delivered { destination: PartitionId, upto: u64 },
    /// `destination` saw a gap and expects `expected` next.
    Gap { destination: PartitionId, expected: u64 },
}

/// Mailboxes of this node, by partition.
pub(crate) struct LocalTransport {
    pub(crate) mailboxes: Arc<[Mailbox]>,
}

impl Transport for LocalTransport {
    fn send(&self, destination: PartitionId, delivery: Delivery) {
        let mailbox = self.mailboxes.get(usize::from(destination.0));
        mailbox.expect("the partitions of a node are all there are").send(Event::Delivery(delivery));
    }
}
