//! What can go wrong between an attempt and its journal.

use super::{Mismatch, limit::LimitExceeded};
use crate::ids::{EntryIndex, Position};

/// An operation cannot be made. The attempt ends, and trying again cannot help: `Mismatch` belongs to
/// `AttemptErrorKind::JournalMismatch`, `Limit` to `AttemptErrorKind::LimitExceeded`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MakeError {
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
}

/// State cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GetError<E> {
    #[error(transparent)]
    Make(#[from] MakeError),
    /// Nothing is recorded: the attempt ends, and may be tried again.
    #[error("failed to read the state view")]
    Read(#[source] E),
}

/// A wait cannot be answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WaitError {
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The guest's mistake: traps.
    #[error("`{0}` is not a handle that this invocation can wait for")]
    UnknownHandle(EntryIndex),
    /// The guest's mistake: traps.
    #[error("a wait for any of no handles would never end")]
    Empty,
}

/// The items of a journal contradict each other: the host's mistake, or a broken disk.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("journal is damaged at position {position}: {kind}")]
pub struct Damaged {
    pub position: Position,
    kind: DamagedKind,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum DamagedKind {
    #[error("it does not begin with the input")]
    NoInput,
    #[error("a second input")]
    SecondInput,
    #[error("an operation after the output")]
    AfterOutput,
    #[error("a notification for `{0}`, which nothing could complete")]
    UnknownHandle(EntryIndex),
    #[error("a second notification for `{0}`")]
    CompletedTwice(EntryIndex),
    #[error("items before it are missing")]
    Gap,
}

impl DamagedKind {
    pub(super) fn at(self, position: Position) -> Damaged {
        Damaged { position, kind: self }
    }
}
