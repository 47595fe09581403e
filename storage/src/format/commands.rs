//! Stored forms of commands, messages and journals: what is in the log.

use relight_core::{
    Command, Entry, JournalItem, Message, Notification, Operation,
    command::{
        AttachMode, AttemptError, AttemptErrorKind, Caller, EffectError, NewInvocation, Onto, Origin, Purge,
        RestartOn, Then, Wait, WaitMode,
    },
    journal::{Call, NotificationKind},
    tables::{TimerKey, TimerKind},
};

use super::{
    FormatError,
    codec::{Reader, Stored, Writer, stored_enum, stored_struct},
};

stored_enum!(Command {
    1 => AnnounceLeader { epoch },
    2 => Invoke { request, invocation },
    3 => ResolveAwakeable { request, id, outcome },
    4 => Cancel { request, id },
    5 => Kill { request, id },
    6 => Deploy { request, deployment, services },
    7 => Append { id, token, first, entries, then },
    8 => Suspend { id, token, wait },
    9 => AttemptFailed { id, token, error },
    10 => EffectCompleted { id, incarnation, index, token, outcome },
    11 => EffectFailed { id, incarnation, index, token, error },
    12 => TimerFired { timer },
    13 => Deliver { source, first, messages },
    14 => TruncateOutbox { destination, upto },
    15 => SendSignal { request, to, name, outcome },
    16 => CompletePromise { request, workflow, name, outcome },
    17 => Pause { request, id },
    18 => Resume { request, id, onto },
    19 => Purge { request, id, what },
    20 => RunFailed { id, token, operations, name, error, retry },
    21 => Rollback { request, service, revision },
    22 => PatchService { request, service, patch },
    23 => Configure { request, defaults },
    24 => StartRemoval { request, deployment, removal },
    25 => FinishRemoval { request, deployment },
    26 => Evict { request, id, deployment },
    27 => RestartAsNew { request, id, new, from, on },
});

stored_enum!(Message {
    1 => Invoke(invocation),
    2 => Complete { caller, value },
    3 => ResolveAwakeable { id, outcome },
    4 => CancelCallee { id, caller },
    5 => KillCallee { id, caller },
    6 => Schema { version, change },
    7 => SendSignal { to, name, outcome },
    8 => Attach { id, caller, mode },
    9 => Cancel { id },
});

stored_enum!(Operation {
    1 => Input { headers, body },
    2 => GetState { key, value },
    3 => StateKeys { keys },
    4 => SetState { key, value },
    5 => ClearState { key },
    6 => ClearAllState,
    7 => Call(call),
    8 => Send { call, due },
    9 => Timer { due, name },
    10 => Awakeable,
    11 => Effect { name, input, retry, timeout },
    12 => ResolveAwakeable { id, outcome },
    13 => CancelDelivered,
    14 => Output { outcome },
    15 => Signal { name },
    16 => SendSignal { to, name, outcome },
    17 => Promise { name },
    18 => PromisePeek { name },
    19 => PromiseComplete { name, outcome },
    20 => Attach { id },
    21 => PeekOutput { id },
    22 => CancelInvocation { id },
    23 => Run { name, outcome },
});

stored_enum!(NotificationKind {
    1 => Completed { index, value },
    2 => Cancelled,
});

stored_enum!(JournalItem {
    1 => Operation(entry),
    2 => Notification(notification),
});

stored_enum!(Origin {
    1 => Ingress,
    2 => Send { sender },
    3 => Call { caller, ancestors },
});

stored_enum!(WaitMode {
    1 => Any,
    2 => All,
});

stored_enum!(AttemptErrorKind {
    1 => Retryable,
    2 => JournalMismatch,
    3 => LimitExceeded,
    4 => Host,
});

stored_enum!(TimerKind {
    1 => Sleep(index),
    2 => Start,
    3 => RetryAttempt,
    4 => RetryEffect(index),
    5 => PurgeJournal,
    6 => Purge,
    7 => PurgeWorkflow,
});

stored_enum!(Then {
    1 => GoOn,
    2 => StartOver,
});

stored_enum!(RestartOn {
    1 => Latest,
    2 => Keep,
    3 => Deployment(id),
});

stored_enum!(Purge {
    1 => Invocation,
    2 => Journal,
});

stored_enum!(AttachMode {
    1 => Wait,
    2 => Peek,
});

stored_struct! {
    Wait { operations, mode, handles }
    Onto { deployment, incarnation, items }
    AttemptError { kind, message, index, retry_after }
    EffectError { message, retry_after }
    NewInvocation { id, target, input, headers, idempotency_key, due, origin }
    Call { target, callee, input, headers, idempotency_key, name }
    Caller { id, incarnation, index }
    Entry { made_at, operation }
    Notification { at, kind }
    TimerKey { due, id, incarnation, kind }
}
