//! Stored forms of rows: what is in the tables.

use relight_core::{
    Answer,
    action::Refusal,
    restart::{Life, NotRestartable, Restarted, Unresolved},
    tables::{
        Effect, Invocation, JournalSize, LastFailure, Lock, Meta, Open, OpenKind, OutboxRange, Promise, Row,
        RunFailures, Signals, Status, Workflow,
    },
};

use super::{
    FormatError,
    codec::{Reader, Stored, Writer, stored_enum, stored_struct},
};

stored_enum!(Row {
    1 => Meta(meta),
    2 => Invocation(invocation),
    3 => Journal(item),
    4 => Open(open),
    5 => Effect(effect),
    6 => Present,
    7 => State(bytes),
    8 => Lock(lock),
    9 => Inbox(id),
    10 => OutboxRange(range),
    11 => Outbox(message),
    12 => Dedup(last),
    13 => Request(answer),
    14 => Service(service),
    15 => Deployment(deployment),
    16 => Signals(signals),
    17 => Promise(promise),
    18 => Workflow(workflow),
    19 => Revision(service),
    20 => Registry(registry),
    21 => Removal(removal),
    22 => Pins(count),
});

stored_enum!(Status {
    1 => Scheduled { due },
    2 => Pending { sequence },
    3 => Invoked { attempt, operations_at_start, retry_at },
    4 => Suspended { mode, suspended, remaining },
    5 => Paused { reason },
    6 => Completed { outcome, at, expires_at },
});

stored_enum!(OpenKind {
    1 => Call { callee },
    2 => Timer { timer },
    3 => Awakeable,
    4 => Effect,
    5 => Signal { name },
    6 => Value,
});

stored_enum!(Answer {
    1 => Accepted { id, previously, due },
    2 => Resolved,
    3 => Ended,
    4 => Ending,
    5 => Deployed { deployment, revisions, changed, version },
    6 => Refused(refusal),
    7 => Paused { already },
    8 => Resumed,
    9 => Purged,
    10 => Registered { version, changed },
    11 => RestartedAsNew { id },
});

stored_enum!(Refusal {
    1 => UnknownTarget(target),
    2 => PayloadDiffers(key),
    3 => UnknownInvocation(id),
    4 => AlreadyCompleted(id),
    5 => UnknownAwakeable { id, index },
    6 => KindChanged { name, deployed },
    7 => NotCompleted(id),
    8 => NotStarted(id),
    9 => PromiseCompleted { workflow, name },
    10 => NotAWorkflow(name),
    11 => TooManySignals(id),
    12 => UnknownDeployment(id),
    13 => JournalChanged(id),
    14 => UnknownService(name),
    15 => UnknownRevision { service, revision },
    16 => NoEarlierRevision(service),
    17 => NoSuchDeployment(id),
    18 => BeingRemoved(id),
    19 => NotBeingRemoved(id),
    20 => LatestOf { deployment, services },
    21 => Pinned(id),
    22 => NotRestartable { id, why },
    23 => RequestExpired,
});

stored_enum!(NotRestartable {
    1 => Workflow,
    2 => JournalGone,
    3 => NoSuchIndex { from, last },
    4 => Unresolved { index, kind },
    5 => TooManyLives,
});

stored_enum!(Unresolved {
    1 => Awakeable,
    2 => Signal,
});

stored_struct! {
    Meta { epoch, time, requests_expired }
    Invocation {
        id, incarnation, target, kind, mode, policies, idempotency_key, input_hash, invoked_by, ancestors, waiters,
        created_at, started_at, modified_at, deployment, journal, open, unclaimed, cancel, cancel_requested, failures,
        failing_since, last_failure, run, restarted, status,
    }
    JournalSize { operations, items, bytes, runs }
    Restarted { from, index, input_at, lives }
    Life { id, incarnation, idempotency_key, invoked_by, created_at, end }
    LastFailure { kind, message, index, at }
    Open { kind, waited_by }
    Effect { incarnation, position, attempt, failures, first_start, retry_at, last_error }
    Lock { holder, inbox_first, inbox_next }
    OutboxRange { first, next }
    RunFailures { index, failures, since }
    Signals { waiting, values }
    Promise { outcome, waiters }
    Workflow { object, incarnation, unfinished, purged }
}
