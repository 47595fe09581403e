//! Records of the log: applied in batches, committed, and then acted upon.

use std::sync::Arc;
use std::time::Instant as Stopwatch;

use relight_core::action::Action;
use relight_core::command::Record;
use relight_core::ids::{LeaderEpoch, Lsn};
use relight_core::machine;
use relight_core::tables::TablesError;
use relight_storage::format::decode_record;
use tokio::time::Instant;

use super::{End, Processor, State};
use crate::event::EpochHost;
use crate::fault::Fault;
use crate::handle::{DoorError, Finished};
use crate::leader::Leader;
use crate::schema::Schema;

impl Processor {
    /// Applies the records that were read, in one batch of the tables.
    pub(super) fn apply_records(&mut self) -> Result<(), End> {
        let Some(last) = self.records.last() else {
            return Ok(());
        };
        let (begin, last, count) = (Stopwatch::now(), Lsn(last.lsn.0), self.records.len() as u64);
        let mut bytes = 0;
        let mut actions = Vec::new();
        for record in std::mem::take(&mut self.records) {
            bytes += record.payload.len() as u64;
            let record = self.decode(record)?;
            if let State::Leader(leader) = &mut self.state {
                leader.applied(&record.command, Instant::now());
            }
            let applied = machine::apply(&self.partition, &mut self.tables, record, &mut actions);
            applied.map_err(|error| {
                self.tables.rollback();
                self.tables_failed(error)
            })?;
        }
        self.tables.commit(last).map_err(|error| self.write_failed(error))?;
        self.clock.observe(self.time);
        self.retention.applied(count, bytes);
        self.stats.records_applied += count;
        self.stats.bytes_applied += bytes;
        self.stats.batches += 1;
        self.stats.apply_us += u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.carry_out(actions).map_err(|error| self.tables_failed(error))
    }

    /// A new leader may have proposed its announcement before it had applied the last record of the old one, with an
    /// earlier time. `apply` takes the greater one then, and so does the clock.
    fn decode(&mut self, record: relight_log::Record) -> Result<Record, End> {
        let lsn = Lsn(record.lsn.0);
        let record = decode_record(lsn, record.payload)
            .map_err(|source| End::Fault(Fault::Record { partition: self.partition.id, lsn, source }))?;
        self.time = self.time.max(record.time);
        Ok(record)
    }

    /// Carries out the actions of a batch. The batch is committed as a whole: what an action speaks of may have gone
    /// on in the tables, which is why starts look at the tables again.
    fn carry_out(&mut self, actions: Vec<Action>) -> Result<(), TablesError> {
        let mut schema_changed = false;
        for action in actions {
            match action {
                Action::LeaderAnnounced { epoch } => self.announced(epoch)?,
                Action::Answer { request, answer } => {
                    self.waiters.answered(&self.tables, request, &answer)?
                }
                Action::Completed { id, outcome, expires_at } => {
                    self.waiters.completed(id, &Finished { outcome, expires_at });
                }
                Action::SchemaChanged => schema_changed = true,
                action => {
                    if let State::Leader(leader) = &mut self.state {
                        leader.act(&self.partition, action, &*self.transport);
                    }
                }
            }
        }
        self.waiters.settle();
        if schema_changed {
            self.schema.send_replace(Arc::new(Schema::load(&self.tables)?));
        }
        Ok(())
    }

    fn announced(&mut self, epoch: LeaderEpoch) -> Result<(), TablesError> {
        match &self.state {
            State::Announcing(own) if *own == epoch => {
                let (mailbox, schema) = (self.mailbox.clone(), self.schema.subscribe());
                let host = EpochHost { partition: self.partition.id, epoch, mailbox, schema }.shared();
                let leader = Leader::begin(&self.partition, epoch, &self.tables, host)?;
                tracing::info!(partition = %self.partition.id, %epoch, "leads");
                self.state = State::Leader(Box::new(leader));
            }
            // Somebody else leads, and the log has not said so yet: its tokens are fenced off already.
            State::Announcing(own) if *own < epoch => {
                self.step_down(&DoorError::Unknown, &DoorError::NoLeader);
            }
            State::Leader(leader) if leader.epoch < epoch => {
                self.step_down(&DoorError::Unknown, &DoorError::NoLeader);
            }
            State::Follower | State::Announcing(_) | State::Leader(_) => {}
        }
        Ok(())
    }
}
