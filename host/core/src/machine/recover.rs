//! What a new leader starts: everything that the tables say is running. Timers and outbox it reads itself.

use super::Partition;
use crate::{
    action::Action,
    tables::{Key, Prefix, ReadTables, ReadTablesExt, Row, Status, TablesError},
};

/// Rows read at once.
const PAGE: usize = 1_000;

/// Actions for a leader that has applied its own announcement. The cost is that of what runs, not of what is stored.
pub fn recover<T: ReadTables + ?Sized>(
    _partition: &Partition,
    tables: &T,
) -> Result<Vec<Action>, TablesError> {
    let mut actions = Vec::new();
    each(tables, &Prefix::Running, |key, _| {
        if let Key::Running(id) = key
            && let Some(attempt) = tables.invocation(id)?.and_then(|invocation| invocation.attempt())
        {
            actions.push(Action::Start { id, attempt });
        }
        Ok(())
    })?;
    each(tables, &Prefix::Effect(None), |key, row| {
        if let (Key::Effect(id, index), Row::Effect(effect)) = (key, row)
            && effect.retry_at.is_none()
            && let Some(invocation) = tables.invocation(id)?
            && !matches!(invocation.status, Status::Paused { .. })
        {
            let (incarnation, attempt) = (effect.incarnation, effect.attempt);
            actions.push(Action::StartEffect { id, incarnation, index, attempt });
        }
        Ok(())
    })?;
    Ok(actions)
}

fn each<T: ReadTables + ?Sized>(
    tables: &T,
    prefix: &Prefix,
    mut visit: impl FnMut(Key, Row) -> Result<(), TablesError>,
) -> Result<(), TablesError> {
    let mut after = None;
    loop {
        let rows = tables.scan(prefix, after.as_ref(), PAGE)?;
        let last = rows.len() < PAGE;
        after = rows.last().map(|(key, _)| key.clone());
        for (key, row) in rows {
            visit(key, row)?;
        }
        if last {
            return Ok(());
        }
    }
}
