//! [`Planted`]: bugs on purpose, each of which the simulation must find. They are planted around the state machine, in
//! the simulated leader, its disk and what it hands to `apply`: nothing of them is in the product.

use std::collections::BTreeSet;

use relight_core::action::{Action, Answer, Refusal};
use relight_core::command::{AttachMode, Command, Message, Purge, Record, Then, Wait, WaitMode};
use relight_core::journal::{JournalItem, Operation};
use relight_core::machine::{self, Partition};
use relight_core::tables::{
    Key, Prefix, Promise, ReadTables as _, ReadTablesExt as _, Row, Status, Tables as _, TimerKey, TimerKind,
    Workflow,
};
use relight_core::{FencingToken, Incarnation, InvocationId, LeaderEpoch, Position, RequestId};

use crate::oracle::Violation;
use crate::program::ARRIVAL;
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
    /// A door's command whose outcome has expired is carried out again.
    RepeatExpired,
    /// The result of an inline run is recorded, and its instance goes on.
    RunWithoutStartOver,
    /// A promise that has a value gets another one.
    PromiseTwice,
    /// Who asked for a signal last gets it first.
    SignalOutOfOrder,
    /// The one behind the next in the inbox is left out.
    SkipInInbox,
    /// A timer of an earlier life of an id forgets what belongs to the later one.
    StaleRetention,
    /// Nobody tells the one that attached to an invocation how that ended.
    LoseWaiter,
    /// The same of a workflow's key.
    StaleKey,
    /// What was resumed waits for effects that are not started again.
    ResumeWithoutEffects,
    /// The promises of a purged workflow are there in its next life.
    KeepPromises,
    /// What leaves a partition does not wait until its record is durable.
    LeaveAhead,
    /// Nor does an inline run.
    WorkAhead,
    /// Nor does what is written to the tables' files.
    FlushAhead,
}

impl Planted {
    pub const ALL: [Self; 27] = [
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
        Self::RepeatExpired,
        Self::RunWithoutStartOver,
        Self::PromiseTwice,
        Self::SignalOutOfOrder,
        Self::SkipInInbox,
        Self::StaleRetention,
        Self::StaleKey,
        Self::LoseWaiter,
        Self::ResumeWithoutEffects,
        Self::KeepPromises,
        Self::LeaveAhead,
        Self::WorkAhead,
        Self::FlushAhead,
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
                command @ (Command::Append { .. }
                | Command::Suspend { .. }
                | Command::RunFailed { .. }
                | Command::AttemptFailed { .. }),
            ) => {
                let Some((id, token)) = token(command) else { return Ok(()) };
                if let Some(attempt) = tables.invocation(id)?.and_then(|row| row.attempt()) {
                    token.attempt = attempt;
                    token.epoch = tables.meta()?.map_or(LeaderEpoch::ZERO, |meta| meta.epoch);
                }
            }
            (Self::RunWithoutStartOver, Command::Append { then, .. }) => *then = Then::GoOn,
            (Self::PromiseTwice, Command::Append { id, entries, .. }) => {
                let row = tables.invocation(*id)?;
                let Some(object) = row.and_then(|row| row.target.object()) else { return Ok(()) };
                for entry in entries {
                    if let Operation::PromiseComplete { name, .. } = &entry.operation
                        && let Some(promise) = tables.promise(&object, name.as_str().into())?
                        && promise.outcome.is_some()
                    {
                        tables.delete(Key::Promise(object.clone(), name.as_str().into()));
                    }
                }
            }
            (Self::StaleKey, Command::TimerFired { timer }) if timer.kind == TimerKind::PurgeWorkflow => {
                if let Some(row) = tables.workflow(timer.id)? {
                    move_timer(timer, row.incarnation, tables);
                }
            }
            (Self::StaleRetention, Command::TimerFired { timer }) => {
                let row = tables.invocation(timer.id)?;
                if matches!(timer.kind, TimerKind::Purge | TimerKind::PurgeJournal)
                    && let Some(row) = row.filter(|row| row.incarnation != timer.incarnation)
                {
                    move_timer(timer, row.incarnation, tables);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Changes what `apply` has done.
    pub fn after(
        self,
        partition: &Partition,
        record: &Record,
        tables: &mut SimTables,
        actions: &mut Vec<Action>,
    ) -> Result<(), Violation> {
        match self {
            Self::RepeatExpired => repeat_expired(partition, record, tables, actions)?,
            Self::SuspendBlindly => suspend_blindly(record, tables, actions)?,
            Self::ReleaseWithoutStart => release_without_start(tables, actions)?,
            Self::CompleteTwice => complete_twice(tables)?,
            Self::SignalOutOfOrder => signal_out_of_order(tables)?,
            Self::SkipInInbox => skip_in_inbox(tables)?,
            Self::LoseWaiter => lose_waiter(record, tables)?,
            Self::ResumeWithoutEffects if matches!(record.command, Command::Resume { .. }) => {
                actions.retain(|action| !matches!(action, Action::StartEffect { .. }));
            }
            Self::KeepPromises => keep_promises(record, tables)?,
            _ => {}
        }
        Ok(())
    }
}

fn token(command: &mut Command) -> Option<(InvocationId, &mut FencingToken)> {
    match command {
        Command::Append { id, token, .. }
        | Command::Suspend { id, token, .. }
        | Command::RunFailed { id, token, .. }
        | Command::AttemptFailed { id, token, .. }
        | Command::EffectCompleted { id, token, .. }
        | Command::EffectFailed { id, token, .. } => Some((*id, token)),
        _ => None,
    }
}

/// A timer counts for another life than that for which it was set.
fn move_timer(timer: &mut TimerKey, incarnation: Incarnation, tables: &mut SimTables) {
    tables.delete(Key::Timer(timer.clone()));
    timer.incarnation = incarnation;
    tables.put(Key::Timer(timer.clone()), Row::Present);
}

/// Carries the command out under an id of now, and answers as if it were the old one.
fn repeat_expired(
    partition: &Partition,
    record: &Record,
    tables: &mut SimTables,
    actions: &mut Vec<Action>,
) -> Result<(), Violation> {
    let expired = Answer::Refused(Refusal::RequestExpired);
    let is_expired = |action: &Action| matches!(action, Action::Answer { answer, .. } if *answer == expired);
    if !actions.iter().any(is_expired) {
        return Ok(());
    }
    let mut again = record.clone();
    let Some(request) = request(&mut again.command) else { return Ok(()) };
    let time = tables.meta()?.unwrap_or_default().time;
    let old = std::mem::replace(request, RequestId::new(time.0, request.0));
    let new = *request;
    actions.clear();
    machine::apply(partition, tables, again, actions)?;
    tables.delete(Key::Request(new));
    for action in actions {
        if let Action::Answer { request, .. } = action {
            *request = old;
        }
    }
    Ok(())
}

fn request(command: &mut Command) -> Option<&mut RequestId> {
    match command {
        Command::Invoke { request, .. }
        | Command::ResolveAwakeable { request, .. }
        | Command::Cancel { request, .. }
        | Command::Kill { request, .. }
        | Command::Deploy { request, .. } => Some(request),
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

/// Whoever asks for a signal while another waits for one of that name comes before it.
fn signal_out_of_order(tables: &mut SimTables) -> Result<(), Violation> {
    let signals = |key: &&Key| matches!(key, Key::Signals(..));
    let touched: BTreeSet<Key> = tables.touched.iter().filter(signals).cloned().collect();
    for key in touched {
        if let Some(Row::Signals(mut signals)) = tables.get(&key)? {
            signals.waiting.reverse();
            tables.put(key, Row::Signals(signals));
        }
    }
    Ok(())
}

fn skip_in_inbox(tables: &mut SimTables) -> Result<(), Violation> {
    let released = tables.touched.iter().find_map(|key| match key {
        Key::Inbox(object, _) if !tables.has(key) => Some(object.clone()),
        _ => None,
    });
    let Some(object) = released else { return Ok(()) };
    let next = tables.scan(&Prefix::Inbox(object), None, 1)?.pop();
    if let Some((key, _)) = next {
        tables.delete(key);
    }
    Ok(())
}

fn lose_waiter(record: &Record, tables: &mut SimTables) -> Result<(), Violation> {
    let attached = match &record.command {
        Command::Append { entries, .. } => entries.iter().find_map(|entry| match entry.operation {
            Operation::Attach { id } => Some(id),
            _ => None,
        }),
        Command::Deliver { messages, .. } => messages.iter().find_map(|message| match message {
            Message::Attach { id, mode: AttachMode::Wait, .. } => Some(*id),
            _ => None,
        }),
        _ => None,
    };
    let Some(id) = attached else { return Ok(()) };
    if let Some(mut row) = tables.invocation(id)?
        && row.waiters.pop().is_some()
    {
        tables.put(Key::Invocation(id), Row::Invocation(row));
    }
    Ok(())
}

/// As if the purge of a run left a promise behind.
fn keep_promises(record: &Record, tables: &mut SimTables) -> Result<(), Violation> {
    let Command::Purge { id, what: Purge::Invocation, .. } = record.command else { return Ok(()) };
    let left = tables.touched.iter().find_map(|key| match key {
        Key::Promise(object, name) if &**name == ARRIVAL && !tables.has(key) => {
            Some((object.clone(), key.clone()))
        }
        _ => None,
    });
    let Some((object, key)) = left else { return Ok(()) };
    let workflow = Workflow { object, incarnation: record.lsn, unfinished: 0, purged: false };
    let promise = Promise { outcome: Some(Ok("old".into())), waiters: Vec::new() };
    tables.put(Key::Workflow(id), Row::Workflow(workflow));
    tables.put(key, Row::Promise(promise));
    Ok(())
}
