//! The state machine of one partition: tables + record → table writes + actions.
//!
//! [`apply`] is the only way in: one match over the commands, one file per transition below. What the leader does
//! with the actions, and how records get here, is the partition crate's business.

mod append;
mod arrive;
mod attach;
mod awakeable;
mod cancel;
mod complete;
mod deploy;
mod effect;
mod failed;
mod messages;
mod notify;
mod operate;
mod promise;
mod recover;
mod remove;
mod restart_as_new;
mod rollback;
mod run;
mod signal;
mod start;
mod suspend;
mod timer;

use std::collections::VecDeque;

pub use recover::recover;

use crate::{
    action::{Action, Answer, Refusal},
    command::{Command, Message, Record},
    ids::{EntryIndex, FencingToken, InvocationId, Lsn, PartitionId, Position, RequestId},
    journal::{JournalItem, Operation},
    limits,
    placement::Partitioning,
    tables::{Invocation, JournalSize, Key, Meta, ReadTablesExt, Row, Tables, TablesError},
    value::Timestamp,
};

/// Which partition a state machine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partition {
    pub id: PartitionId,
    pub partitioning: Partitioning,
}

/// Applies one record. Records MUST come in the order of their LSNs, each once per state of the tables.
///
/// On an error the caller MUST throw away the uncommitted writes and stop the partition.
pub fn apply<T: Tables>(
    partition: &Partition,
    tables: &mut T,
    record: Record,
    actions: &mut Vec<Action>,
) -> Result<(), TablesError> {
    let Record { lsn, time, command } = record;
    let mut meta = tables.meta()?.unwrap_or_default();
    meta.time = meta.time.max(time);
    let mut tx = Transition { partition, tables, lsn, meta, actions, local: VecDeque::new() };
    tx.expire_requests()?;
    tx.dispatch(command)?;
    while let Some(message) = tx.local.pop_front() {
        tx.receive(message)?;
    }
    let meta = tx.meta;
    tables.put(Key::Meta, Row::Meta(meta));
    Ok(())
}

/// One record on its way through the tables.
struct Transition<'a, T> {
    partition: &'a Partition,
    tables: &'a mut T,
    /// Of the record.
    lsn: Lsn,
    meta: Meta,
    actions: &'a mut Vec<Action>,
    /// Messages to this partition itself: they need no outbox.
    local: VecDeque<Message>,
}

impl<T: Tables> Transition<'_, T> {
    fn dispatch(&mut self, command: Command) -> Result<(), TablesError> {
        match command {
            Command::AnnounceLeader { epoch } => {
                self.announce_leader(epoch);
                Ok(())
            }
            Command::Invoke { request, invocation } => self.door(request, |tx| tx.invoke(invocation)),
            Command::ResolveAwakeable { request, id, outcome } => {
                self.door(request, |tx| tx.resolve_awakeable(id, outcome))
            }
            Command::Cancel { request, id } => self.door(request, |tx| tx.cancel(id)),
            Command::Kill { request, id } => self.door(request, |tx| tx.kill(id)),
            Command::Deploy { request, deployment, services } => {
                self.door(request, |tx| tx.deploy(deployment, services))
            }
            Command::Rollback { request, service, revision } => {
                self.door(request, |tx| tx.rollback(&service, revision))
            }
            Command::PatchService { request, service, patch } => {
                self.door(request, |tx| tx.patch_service(&service, &patch))
            }
            Command::Configure { request, defaults } => self.door(request, |tx| tx.configure(defaults)),
            Command::StartRemoval { request, deployment, removal } => {
                self.door(request, |tx| tx.start_removal(deployment, removal))
            }
            Command::FinishRemoval { request, deployment } => {
                self.door(request, |tx| tx.finish_removal(deployment))
            }
            Command::Evict { request, id, deployment } => self.door(request, |tx| tx.evict(id, deployment)),
            Command::SendSignal { request, to, name, outcome } => {
                self.door(request, |tx| tx.send_signal(to, name, outcome))
            }
            Command::CompletePromise { request, workflow, name, outcome } => {
                self.door(request, |tx| tx.complete_promise_from_door(&workflow, name, outcome))
            }
            Command::Pause { request, id } => self.door(request, |tx| tx.pause_by_operator(id)),
            Command::Resume { request, id, onto } => self.door(request, |tx| tx.resume(id, onto)),
            Command::Purge { request, id, what } => self.door(request, |tx| tx.purge_by_operator(id, what)),
            Command::RestartAsNew { request, id, new, from, on } => {
                self.door(request, |tx| tx.restart_as_new(id, new, from, on))
            }
            Command::Append { id, token, first, entries, then } => {
                self.append(id, token, first, entries, then)
            }
            Command::RunFailed { id, token, operations, name, error, retry } => {
                self.run_failed(id, token, operations, name, error, retry)
            }
            Command::Suspend { id, token, wait } => self.suspend(id, token, &wait),
            Command::AttemptFailed { id, token, error } => self.attempt_failed(id, token, error),
            Command::EffectCompleted { id, incarnation, index, token, outcome } => {
                self.effect_completed(id, incarnation, index, token, outcome)
            }
            Command::EffectFailed { id, incarnation, index, token, error } => {
                self.effect_failed(id, incarnation, index, token, error)
            }
            Command::TimerFired { timer } => self.timer_fired(timer),
            Command::Deliver { source, first, messages } => self.deliver(source, first, messages),
            Command::TruncateOutbox { destination, upto } => self.truncate_outbox(destination, upto),
        }
    }

    /// Durable time.
    fn now(&self) -> Timestamp {
        self.meta.time
    }

    /// Carries out a door's command once; a repeated one gets the stored answer. Outcomes of requests that were minted
    /// before the cut-off may be forgotten, so such a request is refused: it may have been carried out. Since it leaves
    /// nothing behind, no outcome is ever stored where the deletion has been already.
    fn door(
        &mut self,
        request: RequestId,
        carry_out: impl FnOnce(&mut Self) -> Result<Answer, TablesError>,
    ) -> Result<(), TablesError> {
        let answer = match self.tables.request(request)? {
            Some(stored) => stored,
            None if request < RequestId::lowest_at(self.requests_cutoff().0) => {
                Answer::Refused(Refusal::RequestExpired)
            }
            None => {
                let answer = carry_out(self)?;
                self.tables.put(Key::Request(request), Row::Request(answer.clone()));
                answer
            }
        };
        self.actions.push(Action::Answer { request, answer });
        Ok(())
    }

    /// Requests minted before it are as good as forgotten. Never goes back, since durable time does not.
    fn requests_cutoff(&self) -> Timestamp {
        Timestamp(self.now().0.saturating_sub(limits::REQUEST_OUTCOME_MS))
    }

    /// Deletes outcomes that no door asks for any more, about once in a minute of durable time.
    fn expire_requests(&mut self) -> Result<(), TablesError> {
        const INTERVAL_MS: u64 = 60_000;
        const ROWS_PER_RECORD_MAX: usize = 1_000;
        let cutoff = self.requests_cutoff();
        if cutoff.0 < self.meta.requests_expired.0 + INTERVAL_MS {
            return Ok(());
        }
        let end = RequestId::lowest_at(cutoff.0);
        let after = Key::Request(RequestId::highest_before(self.meta.requests_expired.0));
        let rows = self.tables.scan(&crate::tables::Prefix::Request, Some(&after), ROWS_PER_RECORD_MAX)?;
        let more = rows.len() == ROWS_PER_RECORD_MAX;
        let mut reached_end = !more;
        for (key, _) in rows {
            match &key {
                Key::Request(id) if *id < end => self.tables.delete(key),
                _ => reached_end = true,
            }
        }
        if reached_end {
            self.meta.requests_expired = cutoff;
        }
        Ok(())
    }

    fn announce_leader(&mut self, epoch: crate::ids::LeaderEpoch) {
        if epoch > self.meta.epoch {
            self.meta.epoch = epoch;
            self.actions.push(Action::LeaderAnnounced { epoch });
        }
    }

    /// The invocation whose running attempt carries `token`, or `None` when the token is stale.
    fn attempted(
        &self,
        id: InvocationId,
        token: FencingToken,
    ) -> Result<Option<Box<Invocation>>, TablesError> {
        if token.epoch != self.meta.epoch {
            return Ok(None);
        }
        Ok(self.tables.invocation(id)?.filter(|invocation| invocation.attempt() == Some(token.attempt)))
    }

    fn put_invocation(&mut self, mut invocation: Box<Invocation>) {
        invocation.modified_at = self.now();
        self.tables.put(Key::Invocation(invocation.id), Row::Invocation(invocation));
    }

    /// Adds an item to a journal and gives its position.
    fn push_item(&mut self, invocation: &mut Invocation, item: JournalItem) -> Position {
        let position = Position(invocation.journal.items);
        invocation.journal.items += 1;
        invocation.journal.bytes += item.size_bytes() as u64;
        if let JournalItem::Operation(entry) = &item {
            invocation.journal.operations += 1;
            invocation.journal.runs += u32::from(matches!(entry.operation, Operation::Run { .. }));
        }
        self.tables.put(Key::Journal(invocation.id, position), Row::Journal(item));
        position
    }

    /// Positions are dense, so no scan has to look for the items.
    fn delete_journal(&mut self, invocation: &mut Invocation) {
        for position in 0..invocation.journal.items {
            self.tables.delete(Key::Journal(invocation.id, Position(position)));
        }
        invocation.journal = JournalSize::default();
    }

    fn unknown(id: InvocationId) -> Answer {
        Answer::Refused(Refusal::UnknownInvocation(id))
    }
}

/// The operation with `index`, found by counting: positions are the keys.
fn operation_at(items: &[JournalItem], index: EntryIndex) -> Option<&crate::journal::Entry> {
    items
        .iter()
        .filter_map(|item| match item {
            JournalItem::Operation(entry) => Some(entry),
            JournalItem::Notification(_) => None,
        })
        .nth(index.0 as usize)
}

/// Cuts a message that is to be stored.
fn bounded(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(limits::FAILURE_MESSAGE_CHARS_MAX) {
        message.truncate(end);
        message.push('…');
    }
    message
}
