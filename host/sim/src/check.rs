//! What must hold in one partition's tables after every record: of the rows that it touched, and now and then of all.

use relight_core::journal::{JournalItem, NotificationKind};
use relight_core::tables::{Invocation, Key, OpenKind, OutboxRange, ReadTablesExt as _, Row, Status};
use relight_core::value::ObjectKey;
use relight_core::{InvocationId, Position};

use crate::oracle::Violation;
use crate::tables::SimTables;

macro_rules! must {
    ($holds:expr, $($text:tt)*) => {
        if !$holds {
            return Err(Violation(format!($($text)*)));
        }
    };
}

/// Checks what the last record touched.
pub fn touched(tables: &mut SimTables) -> Result<(), Violation> {
    let mut keys = std::mem::take(&mut tables.touched);
    keys.sort();
    keys.dedup();
    keys.iter().try_for_each(|key| check(tables, key))
}

/// Checks every row.
pub fn all(tables: &SimTables) -> Result<(), Violation> {
    tables.rows().keys().try_for_each(|key| check(tables, key))
}

fn check(tables: &SimTables, key: &Key) -> Result<(), Violation> {
    match key {
        Key::Invocation(id) | Key::Running(id) | Key::Open(id, _) | Key::Effect(id, _) => {
            invocation(tables, *id)?;
        }
        Key::Lock(object) | Key::Inbox(object, _) => lock(tables, object)?,
        Key::Outbox(destination, _) | Key::OutboxRange(destination) => {
            let range = tables.outbox_range(*destination)?.unwrap_or(OutboxRange::EMPTY);
            must!(range.first <= range.next, "outbox to {destination} is {range:?}");
            for sequence in range.first..range.next {
                let has = tables.has(&Key::Outbox(*destination, sequence));
                must!(has, "outbox to {destination} is {range:?} without {sequence}");
            }
            if let Key::Outbox(_, sequence) = key {
                let inside = (range.first..range.next).contains(sequence);
                must!(!tables.has(key) || inside, "outbox to {destination} is {range:?} but has {sequence}");
            }
        }
        Key::Journal(id, position) => journal(tables, *id, *position)?,
        _ => {}
    }
    match (key, tables.rows().get(key)) {
        (Key::Open(id, index), Some(Row::Open(open))) => {
            let row = tables.invocation(*id)?;
            must!(row.is_some(), "handle {index} of {id} is open, and the invocation is gone");
            match &open.kind {
                OpenKind::Timer { timer } => {
                    must!(tables.has(&Key::Timer(timer.clone())), "{id} waits for {timer:?}, which is gone");
                }
                OpenKind::Effect => {
                    let effect = tables.has(&Key::Effect(*id, *index));
                    must!(effect, "{id} waits for effect {index}, which is gone");
                }
                OpenKind::Call { .. } | OpenKind::Awakeable | OpenKind::Signal { .. } | OpenKind::Value => {}
            }
        }
        (Key::Effect(id, index), Some(Row::Effect(effect))) => {
            must!(tables.has(&Key::Open(*id, *index)), "effect {index} of {id} runs for nobody");
            let row = tables.invocation(*id)?;
            must!(
                row.is_some_and(|row| row.incarnation == effect.incarnation),
                "effect of another life of {id}"
            );
        }
        (Key::Running(id), Some(_)) => {
            must!(tables.invocation(*id)?.is_some(), "{id} runs, and is gone");
        }
        _ => {}
    }
    Ok(())
}

fn invocation(tables: &SimTables, id: InvocationId) -> Result<(), Violation> {
    let running = tables.has(&Key::Running(id));
    let Some(row) = tables.invocation(id)? else {
        must!(!running, "{id} runs, and is gone");
        return Ok(());
    };
    must!(running == row.attempt().is_some(), "running row and status of {id} disagree: {:?}", row.status);
    let active =
        matches!(row.status, Status::Invoked { .. } | Status::Suspended { .. } | Status::Paused { .. });
    if let Some(object) = row.target.object().filter(|_| row.locks()) {
        let holder = tables.lock(&object)?.map(|lock| lock.holder);
        must!(
            active == (holder == Some(id)),
            "{id} is {} and the lock of {object:?} is held by {holder:?}",
            row.status.name()
        );
        if let Status::Pending { sequence } = row.status {
            let queued = tables.rows().get(&Key::Inbox(object.clone(), sequence)) == Some(&Row::Inbox(id));
            must!(queued && holder.is_some(), "{id} is pending, but not in the inbox of {object:?}");
        }
    }
    stage(tables, &row)
}

fn stage(tables: &SimTables, row: &Invocation) -> Result<(), Violation> {
    let id = row.id;
    match &row.status {
        Status::Suspended { suspended, remaining, .. } => {
            must!(row.cancel.is_none(), "{id} is suspended with an undelivered cancel");
            let open = tables.scan_open(id)?;
            let marked = open.iter().filter(|waited_by| *waited_by == suspended).count();
            must!(1 <= *remaining && (*remaining as usize) <= marked, "nothing wakes {id}: {:?}", row.status);
        }
        Status::Completed { .. } => {
            must!(tables.scan_open(id)?.is_empty(), "{id} is completed and has open handles");
            must!(row.waiters.is_empty(), "{id} is completed and has waiters");
        }
        _ => {}
    }
    Ok(())
}

fn lock(tables: &SimTables, object: &ObjectKey) -> Result<(), Violation> {
    let Some(lock) = tables.lock(object)? else {
        return Ok(());
    };
    let holder = tables.invocation(lock.holder)?;
    let holds = holder.is_some_and(|row| {
        row.target.object().as_ref() == Some(object)
            && row.locks()
            && matches!(row.status, Status::Invoked { .. } | Status::Suspended { .. } | Status::Paused { .. })
    });
    must!(holds, "{object:?} is locked by {}, which does not hold it", lock.holder);
    must!(lock.inbox_first <= lock.inbox_next, "inbox of {object:?} is {lock:?}");
    Ok(())
}

/// A handle completes once, after it was made.
fn journal(tables: &SimTables, id: InvocationId, position: Position) -> Result<(), Violation> {
    let Some(JournalItem::Notification(added)) = tables.journal_item(id, position)? else {
        return Ok(());
    };
    let NotificationKind::Completed { index, .. } = added.kind else {
        return Ok(());
    };
    let mut operations = 0;
    for (before, item) in tables.journal(id)?.into_iter().enumerate() {
        if before >= position.0 as usize {
            break;
        }
        match item {
            JournalItem::Operation(_) => operations += 1,
            JournalItem::Notification(notification) => {
                let twice = matches!(notification.kind, NotificationKind::Completed { index: other, .. } if other == index);
                must!(!twice, "handle {index} of {id} completes twice");
            }
        }
    }
    must!(index.0 < operations, "handle {index} of {id} completes before it is made");
    Ok(())
}
