//! [`Oracle`]: what must hold over time, across crashes. It sees every record when it is applied, however often that is.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use relight_core::action::Action;
use relight_core::command::{Command, Record};
use relight_core::journal::Operation;
use relight_core::machine::{self, Partition};
use relight_core::tables::{Key, ReadTablesExt as _, TimerKind};
use relight_core::value::ObjectKey;
use relight_core::{EntryIndex, Incarnation, InvocationId, Lsn, PartitionId};
use relight_partition::Delivery;
use relight_storage::format::decode_record;

use crate::retention::Retention;
use crate::tables::SimTables;

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation(pub String);

impl From<relight_core::tables::TablesError> for Violation {
    fn from(error: relight_core::tables::TablesError) -> Self {
        Self(format!("tables: {error}"))
    }
}

type EffectId = (InvocationId, Incarnation, EntryIndex);

#[derive(Debug, Default)]
pub struct Oracle {
    /// Every record that was ever applied, by partition.
    records: Vec<BTreeMap<Lsn, Applied>>,
    /// Effects whose result is recorded.
    recorded: BTreeSet<EffectId>,
    /// How often each effect was carried out.
    pub executed: BTreeMap<EffectId, u64>,
    /// What each object's counters must be in the end: exactly, or at most.
    pub exact: BTreeMap<ObjectKey, u64>,
    pub at_most: BTreeMap<ObjectKey, u64>,
    /// Stale records, as often as they were applied.
    pub stale: u64,
    dedup: BTreeMap<(PartitionId, PartitionId), u64>,
    /// The last message from one partition to another whose record is durable.
    shipped: BTreeMap<(PartitionId, PartitionId), u64>,
    retention: Retention,
}

#[derive(Debug)]
struct Applied {
    payload: Bytes,
    actions: u64,
}

/// What is known of a record that was applied, for when it is durable: until then it may never have been.
#[derive(Debug)]
pub struct Fact {
    lsn: Lsn,
    applied: Applied,
    /// Effects whose result it records.
    recorded: Vec<EffectId>,
    /// From whom something was delivered, and how far.
    delivered: Option<(PartitionId, u64)>,
    /// What entered the outbox, and for whom.
    shipped: Vec<(PartitionId, u64)>,
}

impl Oracle {
    pub fn new(partitions: u16) -> Self {
        Self { records: (0..partitions).map(|_| BTreeMap::new()).collect(), ..Self::default() }
    }

    /// What must hold before a record is applied: the log never changes, reads are serial. Answers the effects whose result
    /// it records.
    pub fn before(
        &mut self,
        partition: PartitionId,
        record: &Record,
        payload: &Bytes,
        tables: &SimTables,
    ) -> Result<Vec<EffectId>, Violation> {
        let mut recorded = Vec::new();
        self.retention.before(record, tables)?;
        if let Some(known) = self.records[usize::from(partition.0)].get(&record.lsn)
            && known.payload != payload
        {
            return Err(Violation(format!("record {} of partition {partition} has changed", record.lsn)));
        }
        match &record.command {
            Command::Append { id, token, first, entries, .. } => {
                let meta = tables.meta()?.unwrap_or_default();
                let Some(invocation) = tables.invocation(*id)? else { return Ok(recorded) };
                let accepted = token.epoch == meta.epoch && invocation.attempt() == Some(token.attempt);
                let known = invocation.journal.operations.checked_sub(first.0);
                if let (true, Some(known)) = (accepted, known) {
                    let new = (first.0..).zip(entries).skip(known as usize);
                    let runs = new.filter(|(_, entry)| matches!(entry.operation, Operation::Run { .. }));
                    let run = |(index, _)| (*id, invocation.incarnation, EntryIndex(index));
                    recorded.extend(runs.map(run));
                }
                if let (true, Some(known), Some(object)) = (accepted, known, invocation.target.object())
                    && invocation.locks()
                {
                    let new = entries.iter().skip(known as usize).map(|entry| &entry.operation);
                    serial(new, &object, tables)?;
                }
            }
            Command::EffectCompleted { id, incarnation, index, token, .. } => {
                let meta = tables.meta()?.unwrap_or_default();
                let accepted = tables.effect(*id, *index)?.is_some_and(|effect| {
                    effect.incarnation == *incarnation
                        && effect.attempt == token.attempt
                        && effect.retry_at.is_none()
                });
                if accepted && token.epoch == meta.epoch {
                    recorded.push((*id, *incarnation, *index));
                }
            }
            _ => {}
        }
        Ok(recorded)
    }

    /// Whether a record comes from an attempt that is over, or brings nothing that was not delivered before.
    pub fn is_stale(record: &Record, tables: &SimTables) -> Result<bool, Violation> {
        let epoch = tables.meta()?.unwrap_or_default().epoch;
        Ok(match &record.command {
            Command::Append { id, token, .. }
            | Command::Suspend { id, token, .. }
            | Command::RunFailed { id, token, .. }
            | Command::AttemptFailed { id, token, .. } => {
                let attempt = tables.invocation(*id)?.and_then(|row| row.attempt());
                token.epoch != epoch || attempt != Some(token.attempt)
            }
            Command::EffectCompleted { id, index, token, .. }
            | Command::EffectFailed { id, index, token, .. } => {
                let attempt = tables.effect(*id, *index)?.map(|effect| effect.attempt);
                token.epoch != epoch || attempt != Some(token.attempt)
            }
            Command::Deliver { source, first, messages } => {
                first + messages.len() as u64 <= tables.dedup(*source)?.unwrap_or(0) + 1
            }
            _ => false,
        })
    }

    /// What is stale changes nothing.
    pub fn unchanged(record: &Record, tables: &SimTables) -> Result<(), Violation> {
        let changed = tables.touched.iter().find(|key| !matches!(key, Key::Meta | Key::Request(_)));
        match changed {
            Some(key) => Err(Violation(format!("{record:?} is stale, and changes {key:?}"))),
            None => Ok(()),
        }
    }

    /// What must hold after it: the same record does the same again, no timer is early. `recorded`: as `before` answered.
    pub fn after(
        &mut self,
        partition: PartitionId,
        record: &Record,
        payload: Bytes,
        tables: &SimTables,
        actions: &[Action],
        recorded: Vec<EffectId>,
    ) -> Result<Fact, Violation> {
        self.retention.after(record, tables)?;
        let mut hasher = DefaultHasher::new();
        for action in actions {
            format!("{action:?}").hash(&mut hasher);
        }
        let applied = Applied { payload, actions: hasher.finish() };
        let records = &self.records[usize::from(partition.0)];
        match records.get(&record.lsn) {
            Some(known) if known.actions != applied.actions => {
                let text =
                    format!("record {} of partition {partition} did something else this time", record.lsn);
                return Err(Violation(format!("{text}: {actions:?}")));
            }
            Some(_) => {}
            None => {
                let expected = records.last_key_value().map_or(Lsn::ZERO, |(last, _)| *last);
                if record.lsn <= expected {
                    return Err(Violation(format!("record {} came after {expected}", record.lsn)));
                }
                not_early(record, tables)?;
            }
        }
        let delivered = match &record.command {
            Command::Deliver { source, .. } => Some((*source, tables.dedup(*source)?.unwrap_or(0))),
            _ => None,
        };
        let shipped = actions.iter().filter_map(|action| match action {
            Action::Ship { destination, sequence } => Some((*destination, *sequence)),
            _ => None,
        });
        Ok(Fact { lsn: record.lsn, applied, recorded, delivered, shipped: shipped.collect() })
    }

    /// A record that was applied is durable: what is delivered is never forgotten.
    pub fn durable(&mut self, partition: PartitionId, fact: Fact) -> Result<(), Violation> {
        let Fact { lsn, applied, recorded, delivered, shipped } = fact;
        self.recorded.extend(recorded);
        for (destination, sequence) in shipped {
            let last = self.shipped.entry((partition, destination)).or_default();
            *last = sequence.max(*last);
        }
        let records = &mut self.records[usize::from(partition.0)];
        if records.contains_key(&lsn) {
            return Ok(());
        }
        records.insert(lsn, applied);
        if let Some((source, now)) = delivered {
            let before = self.dedup.insert((partition, source), now).unwrap_or(0);
            if now < before {
                return Err(Violation(format!(
                    "{partition} forgot deliveries {now} to {before} of {source}"
                )));
            }
        }
        Ok(())
    }

    /// Messages are on their way: their records MUST be durable.
    pub fn sends(&self, to: PartitionId, delivery: &Delivery) -> Result<(), Violation> {
        let Delivery::Messages { source, first, messages } = delivery else { return Ok(()) };
        let last = first + messages.len() as u64 - 1;
        let durable = self.shipped.get(&(*source, to)).copied().unwrap_or(0);
        if durable < last {
            return Err(Violation(format!("{source} sends {last} to {to}, and durable is {durable}")));
        }
        Ok(())
    }

    /// What the log has at `lsn` is what was applied there before it was durable.
    pub fn is_as_applied(&self, partition: PartitionId, lsn: Lsn, payload: &Bytes) -> Result<(), Violation> {
        match self.records[usize::from(partition.0)].get(&lsn) {
            Some(known) if known.payload == payload => Ok(()),
            _ => {
                Err(Violation(format!("{partition} applied something else at {lsn} than its log has there")))
            }
        }
    }

    /// An effect is about to reach the outside.
    pub fn executes(&mut self, effect: EffectId) -> Result<(), Violation> {
        if self.recorded.contains(&effect) {
            return Err(Violation(format!("{effect:?} is recorded, and runs again")));
        }
        *self.executed.entry(effect).or_default() += 1;
        Ok(())
    }

    /// Every effect with a recorded result was carried out.
    pub fn all_executed(&self) -> Result<(), Violation> {
        match self.recorded.iter().find(|effect| !self.executed.contains_key(effect)) {
            Some(effect) => Err(Violation(format!("{effect:?} has a result and never ran"))),
            None => Ok(()),
        }
    }

    /// The tables are what the log says: the whole log over empty tables gives the same rows.
    pub fn rebuilt(&self, partition: &Partition, tables: &SimTables) -> Result<(), Violation> {
        let mut rebuilt = SimTables::default();
        for (lsn, applied) in &self.records[usize::from(partition.id.0)] {
            let record = decode_record(*lsn, applied.payload.clone())
                .map_err(|error| Violation(format!("record {lsn} cannot be read: {error}")))?;
            machine::apply(partition, &mut rebuilt, record, &mut Vec::new())?;
            rebuilt.touched.clear();
        }
        if rebuilt.rows() == tables.rows() {
            return Ok(());
        }
        let differs = rebuilt.rows().iter().find(|(key, row)| tables.rows().get(*key) != Some(*row));
        let extra = tables.rows().keys().find(|key| !rebuilt.has(key));
        Err(Violation(format!("tables of {} differ from the log: {differs:?}, {extra:?}", partition.id)))
    }
}

fn not_early(record: &Record, tables: &SimTables) -> Result<(), Violation> {
    if let Command::TimerFired { timer } = &record.command
        && let TimerKind::Sleep(index) = timer.kind
        && record.time < timer.due
        && !tables.has(&Key::Timer(timer.clone()))
        && tables.open(timer.id, index)?.is_none()
        && tables.meta()?.is_some_and(|meta| meta.time < timer.due)
    {
        return Err(Violation(format!("{timer:?} fired early, at {:?}", record.time)));
    }
    Ok(())
}

/// An exclusive handler reads what the one before it wrote: nobody else writes while it holds the lock.
fn serial<'a>(
    operations: impl Iterator<Item = &'a Operation>,
    object: &ObjectKey,
    tables: &SimTables,
) -> Result<(), Violation> {
    let mut written = BTreeSet::new();
    for operation in operations {
        match operation {
            Operation::SetState { key, .. } | Operation::ClearState { key } => {
                written.insert(key.as_str());
            }
            Operation::GetState { key, value } if !written.contains(key.as_str()) => {
                let stored = tables.state(object, key.as_str().into())?;
                if stored != *value {
                    return Err(Violation(format!("{object:?} read {value:?} where {stored:?} is stored")));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
