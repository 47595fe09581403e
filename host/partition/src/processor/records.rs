//! Records of the log: applied in batches, committed, and then acted upon.

use std::sync::Arc;
use std::time::Instant as Stopwatch;

use relight_core::action::Action;
use relight_core::command::Record;
use relight_core::ids::Lsn;
use relight_core::machine;
use relight_core::tables::TablesError;
use relight_storage::format::decode_record;

use super::{End, Processor, State};
use crate::fault::Fault;
use crate::handle::Finished;
use crate::held::Outward;
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
            let applied = machine::apply(&self.partition, &mut self.tables, record, &mut actions);
            applied.map_err(|error| {
                self.tables.rollback();
                self.tables_failed(error)
            })?;
        }
        self.tables.commit(last).map_err(|error| self.write_failed(error))?;
        self.durable = last;
        self.clock.observe(self.time);
        self.count_batch(count, bytes, begin);
        self.carry_out(actions).map_err(|error| self.tables_failed(error))
    }

    pub(super) fn count_batch(&mut self, records: u64, bytes: u64, begin: Stopwatch) {
        self.retention.applied(records, bytes);
        self.stats.records_applied += records;
        self.stats.bytes_applied += bytes;
        self.stats.batches += 1;
        self.stats.apply_us += u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
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
    pub(super) fn carry_out(&mut self, actions: Vec<Action>) -> Result<(), TablesError> {
        let provisional = self.reach().provisional();
        let mut schema_changed = false;
        for action in actions {
            match action {
                Action::LeaderAnnounced { epoch } => self.announced(epoch)?,
                // Looked up now, in the tables of this batch, and sent when that is durable.
                Action::Answer { request, answer } => {
                    self.waiters.answered(&self.tables, request, &answer)?
                }
                Action::Completed { id, outcome, expires_at } => {
                    self.waiters.completed(id, &Finished { outcome, expires_at });
                }
                Action::SchemaChanged => schema_changed = true,
                action if action.leaves() => self.emit(Outward::Action(action)),
                action => {
                    if let State::Leader(leader) = &mut self.state {
                        leader.act(&self.partition, action, &*self.transport, provisional);
                    }
                }
            }
        }
        self.waiters.settle();
        self.answer_doors();
        if schema_changed {
            let schema = Arc::new(Schema::load(&self.tables)?);
            self.emit(Outward::Schema(schema));
        }
        Ok(())
    }
}
