//! Messages between partitions: outbox, delivery with dense deduplication, and what each message does.

use super::Transition;
use crate::{
    action::Action,
    command::Message,
    ids::{PartitionId, PartitionKey},
    tables::{Key, OutboxRange, ReadTablesExt, Row, Tables, TablesError},
};

impl<T: Tables> Transition<'_, T> {
    /// Sends to the partition that owns the addressee. A message to this partition itself needs no outbox.
    pub(super) fn send(&mut self, message: Message) -> Result<(), TablesError> {
        let destination = self.partition.partitioning.partition(addressee(&message));
        if destination == self.partition.id {
            self.local.push_back(message);
            return Ok(());
        }
        self.send_to(destination, message)
    }

    pub(super) fn send_to(&mut self, destination: PartitionId, message: Message) -> Result<(), TablesError> {
        let mut range = self.tables.outbox_range(destination)?.unwrap_or(OutboxRange::EMPTY);
        let sequence = range.next;
        range.next += 1;
        self.tables.put(Key::Outbox(destination, sequence), Row::Outbox(message));
        self.tables.put(Key::OutboxRange(destination), Row::OutboxRange(range));
        self.actions.push(Action::Ship { destination, sequence });
        Ok(())
    }

    /// Accepts the next messages of `source`, skips what is known, refuses a gap.
    pub(super) fn deliver(
        &mut self,
        source: PartitionId,
        first: u64,
        messages: Vec<Message>,
    ) -> Result<(), TablesError> {
        let accepted = self.tables.dedup(source)?.unwrap_or(0);
        let expected = accepted + 1;
        if messages.is_empty() {
            return Ok(());
        }
        if first > expected {
            self.actions.push(Action::DeliveryGap { source, expected });
            return Ok(());
        }
        let last = first + (messages.len() as u64 - 1);
        let known = usize::try_from(expected - first).unwrap_or(usize::MAX);
        self.local.extend(messages.into_iter().skip(known));
        let upto = last.max(accepted);
        if upto > accepted {
            self.tables.put(Key::Dedup(source), Row::Dedup(upto));
        }
        self.actions.push(Action::Delivered { source, upto });
        Ok(())
    }

    pub(super) fn truncate_outbox(&mut self, destination: PartitionId, upto: u64) -> Result<(), TablesError> {
        let mut range = self.tables.outbox_range(destination)?.unwrap_or(OutboxRange::EMPTY);
        while range.first <= upto && range.first < range.next {
            self.tables.delete(Key::Outbox(destination, range.first));
            range.first += 1;
        }
        self.tables.put(Key::OutboxRange(destination), Row::OutboxRange(range));
        Ok(())
    }

    pub(super) fn receive(&mut self, message: Message) -> Result<(), TablesError> {
        match message {
            Message::Invoke(new) => self.invoke_from_handler(new),
            Message::Complete { caller, value } => self.complete_call(caller, value),
            // The handler that resolves does not wait for an answer.
            Message::ResolveAwakeable { id, outcome } => self.resolve_awakeable(id, outcome).map(drop),
            Message::SendSignal { to, name, outcome } => self.send_signal(to, name, outcome).map(drop),
            Message::Attach { id, caller, mode } => self.attach(id, caller, mode),
            Message::Cancel { id } => self.cancel(id).map(drop),
            Message::CancelCallee { id, caller } => self.cancel_callee(id, caller),
            Message::KillCallee { id, caller } => self.kill_callee(id, caller),
            Message::Schema { version, change } => self.update_schema(version, change),
        }
    }
}

fn addressee(message: &Message) -> PartitionKey {
    match message {
        Message::Invoke(new) => new.id.key,
        Message::Complete { caller, .. } => caller.id.key,
        Message::ResolveAwakeable { id, .. } => id.invocation.key,
        Message::SendSignal { to, .. } => to.key,
        Message::Attach { id, .. }
        | Message::Cancel { id }
        | Message::CancelCallee { id, .. }
        | Message::KillCallee { id, .. } => id.key,
        Message::Schema { .. } => unreachable!("a schema is sent to every partition by its number"),
    }
}
