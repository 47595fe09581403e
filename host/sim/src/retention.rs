//! [`Retention`]: nothing is forgotten before its time but by an operator.

use std::collections::BTreeMap;

use relight_core::command::{Command, Record};
use relight_core::placement::workflow_id;
use relight_core::tables::{Key, Prefix, ReadTables as _, ReadTablesExt as _, Status, TimerKey, TimerKind};
use relight_core::value::ObjectKey;
use relight_core::{Incarnation, InvocationId, Timestamp};

use crate::oracle::Violation;
use crate::program::{WILD, WILD_RETENTION};
use crate::tables::SimTables;

#[derive(Debug, Default)]
pub struct Retention {
    /// What the timer that fires must leave alone.
    kept: Option<Kept>,
    /// When keys of wild workflows came to be kept, by their lives: after a crash records are applied again.
    since: BTreeMap<(InvocationId, Incarnation), Timestamp>,
}

#[derive(Clone, Debug)]
enum Kept {
    Invocation(InvocationId),
    Journal(InvocationId),
    Key(InvocationId),
}

impl Retention {
    /// A timer is about to fire: says what is too young to go.
    pub fn before(&mut self, record: &Record, tables: &SimTables) -> Result<(), Violation> {
        self.kept = None;
        let Command::TimerFired { timer: TimerKey { id, kind, .. } } = &record.command else { return Ok(()) };
        let time = tables.meta()?.unwrap_or_default().time.max(record.time);
        self.kept = match (kind, tables.invocation(*id)?) {
            (TimerKind::PurgeWorkflow, _) => {
                let life = tables.workflow(*id)?.map(|row| (*id, row.incarnation));
                let since = life.and_then(|life| self.since.get(&life));
                since.filter(|since| time < since.after(WILD_RETENTION)).map(|_| Kept::Key(*id))
            }
            (TimerKind::Purge, Some(row)) => match row.status {
                Status::Completed { expires_at, .. } if expires_at <= time => None,
                _ => Some(Kept::Invocation(*id)),
            },
            (TimerKind::PurgeJournal, Some(row)) => match row.status {
                Status::Completed { at, .. } if at.after(row.policies.journal_retention) <= time => None,
                _ if tables.scan(&Prefix::Journal(*id), None, 1)?.is_empty() => None,
                _ => Some(Kept::Journal(*id)),
            },
            _ => None,
        };
        Ok(())
    }

    pub fn after(&mut self, record: &Record, tables: &SimTables) -> Result<(), Violation> {
        let is_gone = match &self.kept {
            None => false,
            Some(Kept::Invocation(id)) => tables.invocation(*id)?.is_none(),
            Some(Kept::Journal(id)) => tables.scan(&Prefix::Journal(*id), None, 1)?.is_empty(),
            Some(Kept::Key(run)) => tables.workflow(*run)?.is_none_or(|row| row.purged),
        };
        if is_gone {
            return Err(Violation(format!("{:?} is forgotten too early, by {record:?}", self.kept)));
        }
        for key in &tables.touched {
            let Key::Promise(ObjectKey { service, key: object }, _) = key else { continue };
            if &**service != WILD || !tables.has(key) {
                continue;
            }
            let run = workflow_id(WILD, object);
            if tables.workflow(run)?.is_some_and(|row| row.incarnation == record.lsn) {
                self.since.insert((run, record.lsn), record.time);
            }
        }
        Ok(())
    }
}
