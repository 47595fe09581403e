//! One invocation with everything that explains its status.

use relight_core::{
    AwakeableId, EntryIndex, InvocationId, Operation,
    command::{AttemptErrorKind, WaitMode},
    journal::JournalItem,
    limits::RUNS_WARNED,
    tables::{
        Invocation, Key, LastFailure as Failure, Open, OpenKind, Prefix, ReadTables, ReadTablesExt as _, Row,
        Status, TablesError,
    },
};
use relight_http::time::format_instant;

use crate::{
    Admin,
    codes::Code,
    error::{Error, Result},
    invocations::summary,
    journal::{READ_ITEMS_MAX, read_items},
    types::{InvocationDetail, LastFailure, OpenOperation},
};

/// Open operations that a detail shows; an invocation may have thousands.
const OPEN_MAX: usize = 100;

/// What is read of an invocation, as it was at one moment.
struct Found {
    invocation: Box<Invocation>,
    open: Vec<OpenOperation>,
    /// Holds the key that a pending invocation waits for.
    holder: Option<InvocationId>,
}

impl Admin {
    pub(crate) async fn invocation(&self, id: InvocationId) -> Result<InvocationDetail> {
        let found = self.partition_of(id).read(move |tables| find(tables, id)).await??;
        let mut found = found.ok_or_else(|| unknown(id))?;
        self.describe_values(id, &mut found.open).await?;
        Ok(detail(found))
    }

    /// What promises and attached results are called is in the journal alone. Read in pieces: it may be long.
    async fn describe_values(&self, id: InvocationId, open: &mut [OpenOperation]) -> Result<()> {
        let mut after = None;
        let mut index = 0;
        while open.iter().any(|one| one.kind == VALUE) {
            let items = self.partition_of(id).read(move |tables| read_items(tables, id, after)).await??;
            let more = items.len() == READ_ITEMS_MAX;
            for (position, item) in items {
                after = Some(position);
                let JournalItem::Operation(entry) = item else { continue };
                if let Some(one) = open.iter_mut().find(|one| one.index == index) {
                    describe_value(one, &entry.operation);
                }
                index += 1;
            }
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// Kind of an open operation until the journal has told which it is.
const VALUE: &str = "value";

fn describe_value(open: &mut OpenOperation, operation: &Operation) {
    let description = match operation {
        Operation::Promise { name } | Operation::PromiseComplete { name, .. } => format!("promise `{name}`"),
        Operation::Attach { id } | Operation::PeekOutput { id } => format!("result of {id}"),
        _ => return,
    };
    operation.kind().clone_into(&mut open.kind);
    open.description = description;
}

pub(crate) fn unknown(id: InvocationId) -> Error {
    Error::not_found(Code::UnknownInvocation, format!("unknown invocation `{id}`"))
}

fn find(tables: &dyn ReadTables, id: InvocationId) -> std::result::Result<Option<Found>, TablesError> {
    let Some(invocation) = tables.invocation(id)? else { return Ok(None) };
    let mut open = Vec::new();
    for (key, row) in tables.scan(&Prefix::Open(id), None, OPEN_MAX)? {
        let (Key::Open(_, index), Row::Open(row)) = (&key, row) else {
            return Err(TablesError::Damaged {
                key: Box::new(key),
                reason: "is not an open operation".to_owned(),
            });
        };
        open.push(open_operation(tables, &invocation, *index, &row)?);
    }
    let holder = match (&invocation.status, invocation.target.object()) {
        (Status::Pending { .. }, Some(object)) => tables.lock(&object)?.map(|lock| lock.holder),
        _ => None,
    };
    Ok(Some(Found { invocation, open, holder }))
}

fn open_operation(
    tables: &dyn ReadTables,
    invocation: &Invocation,
    index: EntryIndex,
    open: &Open,
) -> std::result::Result<OpenOperation, TablesError> {
    let (kind, description) = match &open.kind {
        OpenKind::Call { callee } => ("call", format!("call {callee}")),
        OpenKind::Timer { timer } => ("timer", format!("timer due {}", format_instant(timer.due.0))),
        OpenKind::Awakeable => {
            let id = AwakeableId { invocation: invocation.id, incarnation: invocation.incarnation, index };
            ("awakeable", format!("awakeable {id}"))
        }
        OpenKind::Effect => ("effect", effect_description(tables, invocation.id, index)?),
        OpenKind::Signal { name } => ("signal", format!("signal `{name}`")),
        OpenKind::Value => (VALUE, format!("value of entry {index}")),
    };
    let awaited =
        matches!(invocation.status, Status::Suspended { suspended, .. } if suspended == open.waited_by);
    Ok(OpenOperation { index: index.0, kind: kind.to_owned(), description, awaited })
}

fn effect_description(
    tables: &dyn ReadTables,
    id: InvocationId,
    index: EntryIndex,
) -> std::result::Result<String, TablesError> {
    let Some(effect) = tables.effect(id, index)? else { return Ok(format!("effect {index}")) };
    let name = match tables.get(&Key::Journal(id, effect.position))? {
        Some(Row::Journal(JournalItem::Operation(entry))) => match entry.operation {
            Operation::Effect { name, .. } => name,
            _ => index.to_string(),
        },
        _ => index.to_string(),
    };
    Ok(match (effect.retry_at, effect.last_error) {
        (Some(at), Some(error)) => format!(
            "effect {name} ({} failed, next at {}: {error})",
            attempts(effect.failures),
            format_instant(at.0)
        ),
        _ => format!("effect {name}"),
    })
}

fn detail(found: Found) -> InvocationDetail {
    let Found { invocation, open, holder } = found;
    let instant = |at: relight_core::Timestamp| format_instant(at.0);
    let (completed_at, expires_at) = match &invocation.status {
        Status::Completed { at, expires_at, .. } => (Some(instant(*at)), Some(instant(*expires_at))),
        _ => (None, None),
    };
    InvocationDetail {
        summary: summary(&invocation),
        reason: reason(&invocation, &open, holder),
        idempotency_key: invocation.idempotency_key.clone(),
        invoked_by: match (&invocation.restarted, invocation.invoked_by) {
            (Some(_), _) => "restart-as-new",
            (None, Some(_)) => "service",
            (None, None) => "ingress",
        }
        .to_owned(),
        invoked_by_id: invocation.invoked_by.map(|id| id.to_string()),
        restarted_from: invocation.restarted.as_ref().map(|restarted| restarted.from.to_string()),
        restarted_from_index: invocation.restarted.as_ref().map(|restarted| restarted.index.0),
        running_at: invocation.started_at.map(instant),
        scheduled_start_at: match &invocation.status {
            Status::Scheduled { due } => Some(instant(*due)),
            _ => None,
        },
        completed_at,
        expires_at,
        journal_size: invocation.journal.operations,
        journal_bytes: invocation.journal.bytes,
        retry_count: invocation.failures + run_failures(&invocation).unwrap_or_default(),
        next_retry_at: match &invocation.status {
            Status::Invoked { retry_at, .. } => retry_at.map(instant),
            _ => None,
        },
        last_failure: invocation.last_failure.as_ref().map(last_failure),
        cancel_requested: invocation.cancel_requested,
        warnings: warnings(&invocation),
        open,
    }
}

fn warnings(invocation: &Invocation) -> Vec<String> {
    let runs = invocation.journal.runs;
    let too_many = (RUNS_WARNED <= runs).then(|| {
        format!("{runs} inline runs: each of them replays all before it; loops should use effects instead")
    });
    too_many.into_iter().collect()
}

fn last_failure(failure: &Failure) -> LastFailure {
    LastFailure {
        message: failure.message.clone(),
        kind: match failure.kind {
            AttemptErrorKind::Retryable => "retryable",
            AttemptErrorKind::JournalMismatch => "journal-mismatch",
            AttemptErrorKind::LimitExceeded => "limit-exceeded",
            AttemptErrorKind::Host => "host",
        }
        .to_owned(),
        at: format_instant(failure.at.0),
        related_entry_index: failure.index.map(|index| index.0),
    }
}

/// Why an invocation is in its status; `None` where the status says it all.
fn reason(invocation: &Invocation, open: &[OpenOperation], holder: Option<InvocationId>) -> Option<String> {
    match &invocation.status {
        Status::Scheduled { due } => Some(format!("scheduled, starts at {}", format_instant(due.0))),
        Status::Pending { .. } => Some(match holder {
            Some(holder) => format!("pending, the key is held by {holder}"),
            None => "pending, the key is held".to_owned(),
        }),
        Status::Invoked { retry_at: Some(at), .. } => {
            let failure = invocation.last_failure.as_ref().map_or("", |failure| failure.message.as_str());
            let failed = match (run_failures(invocation), invocation.run) {
                (Some(count), Some(run)) => format!("{} of the run at entry {}", attempts(count), run.index),
                _ => attempts(invocation.failures),
            };
            Some(format!("backing-off, {failed} failed, next at {}: {failure}", format_instant(at.0)))
        }
        Status::Invoked { retry_at: None, .. } | Status::Completed { .. } => None,
        Status::Suspended { mode, .. } => {
            let waited = open.iter().filter(|operation| operation.awaited);
            let list = waited.map(|operation| operation.description.as_str()).collect::<Vec<_>>().join(", ");
            let all = if *mode == WaitMode::All { "all of " } else { "" };
            Some(format!("suspended, waiting for: {all}{list}"))
        }
        Status::Paused { reason } if reason.starts_with("paused") => Some(reason.clone()),
        Status::Paused { reason } => Some(format!("paused: {reason}")),
    }
}

/// Failed attempts of the inline run that is to be made next.
fn run_failures(invocation: &Invocation) -> Option<u32> {
    invocation.run.filter(|run| run.index.0 == invocation.journal.operations).map(|run| run.failures)
}

fn attempts(count: u32) -> String {
    if count == 1 { "1 attempt".to_owned() } else { format!("{count} attempts") }
}

#[cfg(test)]
mod tests {
    use relight_core::{
        Lsn, Position, Timestamp,
        journal::Entry,
        retry::RetryPolicy,
        tables::{Effect, Lock, RunFailures, Tables as _, TimerKey, TimerKind, memory::MemoryTables},
        value::DurationMs,
    };

    use super::*;
    use crate::samples;

    fn show(tables: &MemoryTables) -> InvocationDetail {
        detail(find(tables, samples::ID).expect("memory cannot fail").expect("it exists"))
    }

    fn with(invocation: Invocation) -> MemoryTables {
        let mut tables = MemoryTables::default();
        tables.put(Key::Invocation(invocation.id), Row::Invocation(Box::new(invocation)));
        tables
    }

    #[test]
    fn a_suspended_one_names_what_it_waits_for() {
        let suspended = Lsn(20);
        let mut tables =
            with(samples::invocation(Status::Suspended { mode: WaitMode::All, suspended, remaining: 3 }));
        let timer = TimerKey {
            due: Timestamp(0),
            id: samples::ID,
            incarnation: Lsn(3),
            kind: TimerKind::Sleep(EntryIndex(1)),
        };
        let mut open = |index, kind, waited_by| {
            let index = EntryIndex(index);
            tables.put(Key::Open(samples::ID, index), Row::Open(Open { kind, waited_by }));
        };
        open(1, OpenKind::Timer { timer }, suspended);
        open(2, OpenKind::Awakeable, suspended);
        open(3, OpenKind::Call { callee: samples::ID }, Lsn(10));
        open(4, OpenKind::Effect, suspended);
        let effect = Effect {
            incarnation: Lsn(3),
            position: Position(5),
            attempt: Lsn(9),
            failures: 2,
            first_start: Timestamp(0),
            retry_at: Some(Timestamp(1000)),
            last_error: Some("refused".to_owned()),
        };
        tables.put(Key::Effect(samples::ID, EntryIndex(4)), Row::Effect(effect));
        let operation = Operation::Effect {
            name: "pay".to_owned(),
            input: bytes::Bytes::new(),
            retry: RetryPolicy::EFFECT,
            timeout: DurationMs(1),
        };
        let entry = Entry { made_at: Timestamp(0), operation };
        tables.put(Key::Journal(samples::ID, Position(5)), Row::Journal(JournalItem::Operation(entry)));

        let shown = show(&tables);
        let awakeable = AwakeableId { invocation: samples::ID, incarnation: Lsn(3), index: EntryIndex(2) };
        let expected = format!(
            "suspended, waiting for: all of timer due 1970-01-01T00:00:00.000Z, awakeable {awakeable}, effect pay (2 \
             attempts failed, next at 1970-01-01T00:00:01.000Z: refused)"
        );
        assert_eq!(shown.reason, Some(expected));
        assert_eq!(shown.open.iter().map(|one| one.awaited).collect::<Vec<_>>(), [true, true, false, true]);
    }

    #[test]
    fn a_pending_one_names_who_holds_its_key() {
        let mut tables = with(samples::invocation(Status::Pending { sequence: 4 }));
        let object = samples::target().object().expect("it has a key");
        let lock = Lock { holder: samples::ID, inbox_first: 4, inbox_next: 5 };
        tables.put(Key::Lock(object), Row::Lock(lock));
        assert_eq!(show(&tables).reason, Some(format!("pending, the key is held by {}", samples::ID)));
    }

    #[test]
    fn one_that_backs_off_names_its_failure_and_the_next_attempt() {
        let retry_at = Some(Timestamp(5000));
        let mut invocation =
            samples::invocation(Status::Invoked { attempt: Lsn(4), operations_at_start: 1, retry_at });
        invocation.failures = 1;
        invocation.last_failure = Some(Failure {
            kind: AttemptErrorKind::Retryable,
            message: "unreachable executed".to_owned(),
            index: Some(EntryIndex(2)),
            at: Timestamp(4000),
        });
        let shown = show(&with(invocation));
        let expected =
            "backing-off, 1 attempt failed, next at 1970-01-01T00:00:05.000Z: unreachable executed";
        assert_eq!(shown.reason.as_deref(), Some(expected));
        assert_eq!(shown.next_retry_at.as_deref(), Some("1970-01-01T00:00:05.000Z"));
        assert_eq!(shown.last_failure.expect("it failed").related_entry_index, Some(2));
    }

    #[test]
    fn a_run_that_backs_off_counts_its_own_failures() {
        let status =
            Status::Invoked { attempt: Lsn(4), operations_at_start: 1, retry_at: Some(Timestamp(5000)) };
        let mut invocation = samples::invocation(status);
        invocation.journal.operations = 3;
        invocation.run = Some(RunFailures { index: EntryIndex(3), failures: 2, since: Timestamp(0) });
        invocation.last_failure = Some(Failure {
            kind: AttemptErrorKind::Retryable,
            message: "refused".to_owned(),
            index: Some(EntryIndex(3)),
            at: Timestamp(4000),
        });
        let shown = show(&with(invocation.clone()));
        let expected =
            "backing-off, 2 attempts of the run at entry 3 failed, next at 1970-01-01T00:00:05.000Z: refused";
        assert_eq!((shown.reason.as_deref(), shown.retry_count), (Some(expected), 2));

        // The run is recorded since: what fails now is the attempt.
        invocation.journal.operations = 5;
        invocation.failures = 1;
        let shown = show(&with(invocation));
        assert_eq!(shown.retry_count, 1);
        assert!(shown.reason.expect("it backs off").starts_with("backing-off, 1 attempt failed"));
    }

    #[test]
    fn signals_and_values_are_named() {
        let status = Status::Suspended { mode: WaitMode::Any, suspended: Lsn(9), remaining: 2 };
        let mut tables = with(samples::invocation(status));
        for (index, kind) in [(1, OpenKind::Signal { name: "go".into() }), (2, OpenKind::Value)] {
            let row = Open { kind, waited_by: Lsn(9) };
            tables.put(Key::Open(samples::ID, EntryIndex(index)), Row::Open(row));
        }
        let shown = show(&tables);
        assert_eq!(shown.reason.as_deref(), Some("suspended, waiting for: signal `go`, value of entry 2"));
        let mut value = shown.open[1].clone();
        for (operation, kind, description) in [
            (Operation::Promise { name: "gate".to_owned() }, "promise", "promise `gate`".to_owned()),
            (Operation::Attach { id: samples::ID }, "attach", format!("result of {}", samples::ID)),
            (Operation::PeekOutput { id: samples::ID }, "output-of", format!("result of {}", samples::ID)),
        ] {
            describe_value(&mut value, &operation);
            assert_eq!((value.kind.as_str(), &value.description), (kind, &description));
        }
    }

    #[test]
    fn many_runs_are_warned_of_and_a_request_to_cancel_is_not_forgotten() {
        let mut invocation = samples::invocation(Status::Paused { reason: "paused".to_owned() });
        invocation.journal.runs = RUNS_WARNED - 1;
        let shown = show(&with(invocation.clone()));
        assert_eq!((shown.warnings, shown.cancel_requested), (Vec::new(), false));
        invocation.journal.runs = RUNS_WARNED;
        // Delivered: no wait has to answer it any more.
        invocation.cancel = None;
        invocation.cancel_requested = true;
        let shown = show(&with(invocation));
        assert!(shown.warnings[0].starts_with("1000 inline runs"), "{:?}", shown.warnings);
        assert!(shown.cancel_requested);
    }

    #[test]
    fn a_paused_one_says_why() {
        for (reason, expected) in [
            ("paused by an operator", "paused by an operator"),
            ("gave up after 70 attempts: no", "paused: gave up after 70 attempts: no"),
        ] {
            let shown = show(&with(samples::invocation(Status::Paused { reason: reason.to_owned() })));
            assert_eq!(shown.reason.as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_unknown_one_is_not_found() {
        assert!(find(&MemoryTables::default(), samples::ID).expect("memory cannot fail").is_none());
    }
}
