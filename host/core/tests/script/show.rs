//! How actions and table changes read in a transcript.

use std::fmt::Write as _;

use relight_core::{
    Action, JournalItem, Lsn,
    journal::NotificationKind,
    tables::{Key, MemoryTables, Row, Status},
};

pub fn step(lsn: Lsn, actions: &[Action], before: &MemoryTables, after: &MemoryTables) -> String {
    let mut text = format!("[{lsn}]\n");
    for action in actions {
        let _ = writeln!(text, "! {}", show_action(action));
    }
    for (key, row) in after.rows() {
        match before.rows().get(key) {
            Some(known) if known == row => {}
            Some(_) if matches!(key, Key::Meta) => {}
            None if matches!(key, Key::Meta | Key::Request(_)) => {}
            Some(_) => {
                let _ = writeln!(text, "~ {}", show_row(key, row));
            }
            None => {
                let _ = writeln!(text, "+ {}", show_row(key, row));
            }
        }
    }
    for key in before.rows().keys().filter(|key| !after.rows().contains_key(key)) {
        let _ = writeln!(text, "- {key:?}");
    }
    text
}

fn show_action(action: &Action) -> String {
    match action {
        Action::Answer { answer, .. } => format!("Answer {answer:?}"),
        other => format!("{other:?}"),
    }
}

fn show_row(key: &Key, row: &Row) -> String {
    match row {
        Row::Invocation(row) => {
            let mut text = format!("{key:?}: {} {}", row.target, show_status(&row.status));
            let _ = write!(text, " operations={} items={}", row.journal.operations, row.journal.items);
            if row.failures > 0 {
                let _ = write!(text, " failures={}", row.failures);
            }
            if let Some(position) = row.cancel {
                let _ = write!(text, " cancel@{position}");
            }
            if !row.waiters.is_empty() {
                let _ = write!(text, " waiters={}", row.waiters.len());
            }
            text
        }
        Row::Journal(JournalItem::Operation(entry)) => format!("{key:?}: {:?}", entry.operation),
        Row::Journal(JournalItem::Notification(notification)) => match &notification.kind {
            NotificationKind::Completed { index, value } => format!("{key:?}: <- {index} {value:?}"),
            NotificationKind::Cancelled => format!("{key:?}: <- cancelled"),
        },
        Row::Present => format!("{key:?}"),
        Row::Service(service) => format!("{key:?}: revision {} of {:?}", service.revision, service.kind),
        Row::Deployment(_) => format!("{key:?}"),
        other => format!("{key:?}: {other:?}"),
    }
}

fn show_status(status: &Status) -> String {
    match status {
        Status::Invoked { attempt, retry_at: None, .. } => format!("running({attempt})"),
        Status::Invoked { retry_at: Some(due), .. } => format!("backing-off({})", due.0),
        other => format!("{other:?}"),
    }
}
