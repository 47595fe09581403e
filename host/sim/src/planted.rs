//! [`Planted`]: bugs on purpose, each of which the simulation must find. They are planted around the state machine, in
//! the simulated leader, its disk and what it hands to `apply`: nothing of them is in the product.

use relight_core::action::Action;
use relight_core::command::{Command, Record, Wait, WaitMode};
use relight_core::journal::JournalItem;
use relight_core::tables::{Key, Prefix, ReadTables as _, ReadTablesExt as _, Row, Status, Tables as _};
use relight_core::{FencingToken, InvocationId, LeaderEpoch, Position};

use crate::oracle::Violation;
use crate::tables::SimTables;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// A delivery that was accepted before is accepted again.
    SkipDedup,
    /// An effect starts when the log has taken its operation, not when `apply` has accepted it.
    ActOnTicket,
    /// All leaders have the same epoch.
    ReuseEpoch,
    /// Proposals of an attempt that is over count as the current one's.
    AcceptStaleAttempt,
    /// A new leader forgets the first timer.
    DropTimerOnRecovery,
    /// A new leader forgets effects that ran.
    ForgetEffectOnRecovery,
    /// An attempt is suspended although what it waits for has come.
    SuspendBlindly,
    /// A lock is given up, and the next in the inbox stays there.
    ReleaseWithoutStart,
    /// A handle gets its result twice.
    CompleteTwice,
    /// One row more than was delivered leaves the outbox.
    TruncateTooFar,
    /// A running attempt is not told of a notification.
    LoseNotification,
    /// Tables are flushed with an applied position that is one ahead.
    AppliedAhead,
    /// The disk says that a write is durable when it is not.
    LyingDisk,
    /// A door's repeated command is carried out again.
    ForgetRequest,
}

impl Planted {
    pub const ALL: [Self; 14] = [
        Self::SkipDedup,
        Self::ActOnTicket,
        Self::ReuseEpoch,
        Self::AcceptStaleAttempt,
        Self::DropTimerOnRecovery,
        Self::ForgetEffectOnRecovery,
        Self::SuspendBlindly,
        Self::ReleaseWithoutStart,
        Self::CompleteTwice,
        Self::TruncateTooFar,
        Self::LoseNotification,
        Self::AppliedAhead,
        Self::LyingDisk,
        Self::ForgetRequest,
    ];

    /// Changes what `apply` is about to see.
    pub fn before(self, record: &mut Record, tables: &mut SimTables) -> Result<(), Violation> {
        match (self, &mut record.command) {
            (Self::SkipDedup, Command::Deliver { source, first, .. })
                if tables.dedup(*source)?.is_some_and(|accepted| *first <= accepted) =>
            {
                tables.put(Key::Dedup(*source), Row::Dedup(*first - 1));
            }
            (Self::TruncateTooFar, Command::TruncateOutbox { upto, .. }) => *upto += 1,
            (
                Self::ForgetRequest,
                Command::Invoke { request, .. }
                | Command::Cancel { request, .. }
                | Command::Kill { request, .. },
            ) => tables.delete(Key::Request(*request)),
            (Self::ReuseEpoch, command) => {
                if let Some((_, token)) = token(command) {
                    token.epoch = tables.meta()?.map_or(LeaderEpoch::ZERO, |meta| meta.epoch);
                }
            }
            (
                Self::AcceptStaleAttempt,
                command @ (Command::Append { .. } | Command::Suspend { .. } | Command::AttemptFailed { .. }),
            ) => {
                let Some((id, token)) = token(command) else { return Ok(()) };
                if let Some(attempt) = tables.invocation(id)?.and_then(|row| row.attempt()) {
                    token.attempt = attempt;
                    token.epoch = tables.meta()?.map_or(LeaderEpoch::ZERO, |meta| meta.epoch);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Changes what `apply` has done.
    pub fn after(
        self,
        record: &Record,
        tables: &mut SimTables,
        actions: &mut Vec<Action>,
    ) -> Result<(), Violation> {
        match self {
            Self::SuspendBlindly => suspend_blindly(record, tables, actions)?,
            Self::ReleaseWithoutStart => release_without_start(tables, actions)?,
            Self::CompleteTwice => complete_twice(tables)?,
            _ => {}
        }
        Ok(())
    }
}

fn token(command: &mut Command) -> Option<(InvocationId, &mut FencingToken)> {
    match command {
        Command::Append { id, token, .. }
        | Command::Suspend { id, token, .. }
        | Command::AttemptFailed { id, token, .. }
        | Command::EffectCompleted { id, token, .. }
        | Command::EffectFailed { id, token, .. } => Some((*id, token)),
        _ => None,
    }
}

fn suspend_blindly(
    record: &Record,
    tables: &mut SimTables,
    actions: &mut Vec<Action>,
) -> Result<(), Violation> {
    let Command::Suspend { id, token, wait: Wait { handles, operations, .. } } = &record.command else {
        return Ok(());
    };
    let Some(mut row) = tables.invocation(*id)? else { return Ok(()) };
    let epoch = tables.meta()?.unwrap_or_default().epoch;
    let current = row.attempt() == Some(token.attempt) && token.epoch == epoch;
    if !current || row.journal.operations != *operations || row.cancel.is_some() {
        return Ok(());
    }
    // Marks a handle that never completes again.
    let suspended = record.lsn;
    for index in handles {
        if let Some(mut open) = tables.open(*id, *index)? {
            open.waited_by = suspended;
            tables.put(Key::Open(*id, *index), Row::Open(open));
        }
    }
    let remaining = u32::try_from(handles.len()).unwrap_or(1);
    row.status = Status::Suspended { mode: WaitMode::All, suspended, remaining };
    tables.delete(Key::Running(*id));
    tables.put(Key::Invocation(*id), Row::Invocation(row));
    actions.push(Action::EndAttempt { id: *id, attempt: token.attempt });
    Ok(())
}

fn release_without_start(tables: &mut SimTables, actions: &mut Vec<Action>) -> Result<(), Violation> {
    let released = tables.touched.iter().find_map(|key| match key {
        Key::Inbox(object, sequence) if !tables.has(key) => Some((object.clone(), *sequence)),
        _ => None,
    });
    let Some((object, sequence)) = released else { return Ok(()) };
    let Some(lock) = tables.lock(&object)? else { return Ok(()) };
    let started = |action: &Action| matches!(action, Action::Start { id, .. } if *id == lock.holder);
    let (Some(mut row), true) = (tables.invocation(lock.holder)?, actions.iter().any(started)) else {
        return Ok(());
    };
    actions.retain(|action| !started(action));
    row.status = Status::Pending { sequence };
    tables.delete(Key::Running(row.id));
    tables.delete(Key::Lock(object.clone()));
    tables.put(Key::Inbox(object, sequence), Row::Inbox(row.id));
    tables.put(Key::Invocation(row.id), Row::Invocation(row));
    Ok(())
}

fn complete_twice(tables: &mut SimTables) -> Result<(), Violation> {
    let completed = tables.touched.iter().find_map(|key| match (key, tables.rows().get(key)) {
        (Key::Journal(id, _), Some(Row::Journal(item @ JournalItem::Notification(_)))) => {
            Some((*id, item.clone()))
        }
        _ => None,
    });
    let Some((id, item)) = completed else { return Ok(()) };
    let Some(mut row) = tables.invocation(id)? else { return Ok(()) };
    let last = tables.scan(&Prefix::Journal(id), None, usize::MAX)?.len();
    let position = Position(u32::try_from(last).unwrap_or(u32::MAX));
    tables.put(Key::Journal(id, position), Row::Journal(item));
    row.journal.items += 1;
    tables.put(Key::Invocation(id), Row::Invocation(row));
    Ok(())
}
