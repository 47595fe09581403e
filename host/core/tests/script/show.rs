//! How actions and table changes read in a transcript.

use std::fmt::Write as _;

use relight_core::{
    Action, JournalItem, Lsn, Message,
    journal::NotificationKind,
    schema::{Options, SchemaChange, Service},
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
            if row.open > 0 {
                let _ = write!(text, " open={}", row.open);
            }
            if row.unclaimed > 0 {
                let _ = write!(text, " unclaimed={}", row.unclaimed);
            }
            if let Some(restarted) = &row.restarted {
                let lives: Vec<String> =
                    restarted.lives.iter().map(|life| format!("{}<{}", life.id, life.end)).collect();
                let _ = write!(
                    text,
                    " restarted={}@{} lives={}",
                    restarted.from,
                    restarted.index,
                    lives.join(",")
                );
            }
            if let Some(position) = row.cancel {
                let _ = write!(text, " cancel@{position}");
            } else if row.cancel_requested {
                text.push_str(" cancelled");
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
        Row::Service(service) => format!("{key:?}: {}", show_service(service)),
        Row::Revision(Some(service)) => format!("{key:?}: {}", show_service(service)),
        Row::Deployment(_) => format!("{key:?}"),
        Row::Outbox(Message::Schema { version, change }) => {
            format!("{key:?}: schema {version}: {}", show_change(change))
        }
        other => format!("{key:?}: {other:?}"),
    }
}

fn show_service(service: &Service) -> String {
    let mut text = format!("revision {} of {:?} from {}", service.revision, service.kind, service.deployment);
    if service.overrides != Options::default() {
        let _ = write!(text, " with {:?}", service.overrides);
    }
    text
}

fn show_change(change: &SchemaChange) -> String {
    let names = |services: &[Service]| {
        services.iter().map(|service| format!("{} {}", service.name, service.revision)).collect::<Vec<_>>()
    };
    match change {
        SchemaChange::Deployed { deployment, services } => {
            format!("{} deployed, latest of {:?}", deployment.id, names(services))
        }
        SchemaChange::Services(services) => format!("latest are {:?}", names(services)),
        other => format!("{other:?}"),
    }
}

fn show_status(status: &Status) -> String {
    match status {
        Status::Invoked { attempt, retry_at: None, .. } => format!("running({attempt})"),
        Status::Invoked { retry_at: Some(due), .. } => format!("backing-off({})", due.0),
        other => format!("{other:?}"),
    }
}
