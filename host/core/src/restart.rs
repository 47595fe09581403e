//! What a new invocation takes over when a completed one is restarted from an operation of its journal: items of the
//! journal, and who made them.
//!
//! The prefix must replay exactly as it did. Three things make that so:
//!
//! * Its operations are copied with all their results in their old order, so waits between them answer as they did.
//!   A result of an operation behind the prefix is nothing that the prefix can have seen.
//! * A cancellation is copied when its delivery is, for the replayed delivery needs its cause. One that the prefix has
//!   not delivered is left behind: whoever restarts a cancelled invocation wants it to run.
//! * Ids that the handler could see while it made the prefix are those of the invocations that made it: [`Life`].
//!
//! Who carries it out, and what happens to operations without a result, is in `machine/restart_as_new.rs`.

use crate::{
    ids::{EntryIndex, Incarnation, InvocationId, Position},
    journal::{Entry, JournalItem, Notification, NotificationKind, Operation},
    limits,
    tables::Invocation,
    value::Timestamp,
};

/// Where the beginning of a journal comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restarted {
    /// The invocation that was restarted.
    pub from: InvocationId,
    /// The last operation that was copied.
    pub index: EntryIndex,
    /// Time of the input in the first life; `None` when that was never started.
    pub input_at: Option<Timestamp>,
    /// Those whose operations the journal begins with, the first life first. Never empty.
    pub lives: Vec<Life>,
}

/// An invocation as its handler could see it while it made operations that were copied later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub idempotency_key: Option<String>,
    pub invoked_by: Option<InvocationId>,
    pub created_at: Timestamp,
    /// It made the operations below this index that no earlier life made.
    pub end: EntryIndex,
}

impl Restarted {
    /// Operations that were copied.
    pub fn operations(&self) -> u32 {
        self.index.0 + 1
    }

    /// Who made the operation at `index`; `None` when it is not a copy.
    pub fn life_at(&self, index: EntryIndex) -> Option<&Life> {
        self.lives.iter().find(|life| index < life.end)
    }

    /// What the random stream is keyed by: the first life, however often it was restarted.
    pub fn seed(&self) -> (InvocationId, Incarnation) {
        let first = self.lives.first().expect("the input has been made by somebody");
        (first.id, first.incarnation)
    }

    /// Of an invocation that takes over the operations of `original` up to `index`.
    pub(crate) fn new(original: &Invocation, index: EntryIndex) -> Self {
        let end = index.next();
        let mut lives: Vec<Life> = Vec::new();
        let before = original.restarted.as_ref().map_or(&[][..], |restarted| &restarted.lives);
        let own = Life {
            id: original.id,
            incarnation: original.incarnation,
            idempotency_key: original.idempotency_key.clone(),
            invoked_by: original.invoked_by,
            created_at: original.created_at,
            end,
        };
        for life in before.iter().chain([&own]) {
            if lives.last().is_none_or(|last| last.end < end) {
                lives.push(Life { end: life.end.min(end), ..life.clone() });
            }
        }
        Self { from: original.id, index, input_at: original.input_at(), lives }
    }
}

/// Why an invocation that exists cannot be restarted, or not from there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotRestartable {
    #[error("it is the run of a workflow, and each key runs once")]
    Workflow,
    #[error("its journal is gone")]
    JournalGone,
    #[error("it can be restarted from 0 to {last}, and not from {from}")]
    NoSuchIndex { from: EntryIndex, last: EntryIndex },
    #[error("the {kind} at index {index} has no result, and nobody could give it one")]
    Unresolved { index: EntryIndex, kind: Unresolved },
    #[error("it was restarted too often from ever later operations; restart it from an earlier one")]
    TooManyLives,
}

/// What only the outside can resolve, by an id that ends with the original.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unresolved {
    Awakeable,
    Signal,
}

impl std::fmt::Display for Unresolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Awakeable => "awakeable",
            Self::Signal => "signal",
        })
    }
}

/// The items that a restart from `from` takes over of a whole journal, in their order.
pub(crate) fn prefix(
    journal: Vec<JournalItem>,
    from: EntryIndex,
) -> Result<Vec<JournalItem>, NotRestartable> {
    // The output is the last operation, if there is one.
    let is_restartable = |item: &&JournalItem| match item {
        JournalItem::Operation(entry) => !matches!(entry.operation, Operation::Output { .. }),
        JournalItem::Notification(_) => false,
    };
    let restartable = journal.iter().filter(is_restartable).count();
    let Some(last) = restartable.checked_sub(1) else { return Err(NotRestartable::JournalGone) };
    if last < from.0 as usize {
        let last = EntryIndex(u32::try_from(last).expect("a journal has fewer operations than u32 counts"));
        return Err(NotRestartable::NoSuchIndex { from, last });
    }
    let delivered = last_delivery(&journal, from);
    let mut copied = Vec::new();
    let mut made = 0;
    for (place, item) in journal.into_iter().enumerate() {
        let is_copied = match &item {
            JournalItem::Operation(_) => {
                made += 1;
                made <= from.0 + 1
            }
            JournalItem::Notification(Notification { kind, .. }) => match kind {
                NotificationKind::Completed { index, .. } => *index <= from,
                NotificationKind::Cancelled => delivered.is_some_and(|delivered| place < delivered),
            },
        };
        if is_copied {
            copied.push(item);
        }
    }
    let unresolved = unfinished(&copied).find_map(|(index, _, entry)| match entry.operation {
        Operation::Awakeable => Some((index, Unresolved::Awakeable)),
        Operation::Signal { .. } => Some((index, Unresolved::Signal)),
        _ => None,
    });
    match unresolved {
        Some((index, kind)) => Err(NotRestartable::Unresolved { index, kind }),
        None => Ok(copied),
    }
}

/// Whether the new invocation's lives are few enough to be carried in its row.
pub(crate) fn check_lives(restarted: &Restarted) -> Result<(), NotRestartable> {
    if restarted.lives.len() <= limits::LIVES_MAX { Ok(()) } else { Err(NotRestartable::TooManyLives) }
}

/// Place of the last delivery of a cancellation among the operations up to `from`.
fn last_delivery(journal: &[JournalItem], from: EntryIndex) -> Option<usize> {
    let operations = journal.iter().enumerate().filter_map(|(place, item)| match item {
        JournalItem::Operation(entry) => Some((place, entry)),
        JournalItem::Notification(_) => None,
    });
    operations
        .take(from.0 as usize + 1)
        .filter(|(_, entry)| matches!(entry.operation, Operation::CancelDelivered))
        .last()
        .map(|(place, _)| place)
}

/// Operations that complete by a notification and have none, with index and position.
pub(crate) fn unfinished(items: &[JournalItem]) -> impl Iterator<Item = (EntryIndex, Position, &Entry)> {
    let completed: std::collections::BTreeSet<EntryIndex> = items
        .iter()
        .filter_map(|item| match item {
            JournalItem::Notification(Notification {
                kind: NotificationKind::Completed { index, .. },
                ..
            }) => Some(*index),
            _ => None,
        })
        .collect();
    let mut index = EntryIndex::ZERO;
    let mut position = Position::ZERO;
    items.iter().filter_map(move |item| {
        let at = position;
        position = position.next();
        let JournalItem::Operation(entry) = item else { return None };
        let this = index;
        index = index.next();
        (entry.operation.is_awaited() && !completed.contains(&this)).then_some((this, at, entry))
    })
}
