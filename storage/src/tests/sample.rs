//! Arbitrary values of all stored types, from a seed. Small numbers and texts are as likely as extreme ones.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use relight_core::{
    action::Refusal,
    command::{
        AttachMode, AttemptError, AttemptErrorKind, Caller, EffectError, NewInvocation, Onto, Origin, Purge,
        RestartOn, Then, Wait, WaitMode,
    },
    journal::{Call, NotificationKind},
    restart::{Life, NotRestartable, Restarted, Unresolved},
    retry::{OnExhausted, RetryPolicy},
    schema::{EffectDef, Options, OptionsPatch, PayloadDef, Policies, Registry, Removal, SchemaChange},
    tables::{
        Effect, Invocation, JournalSize, Key, LastFailure, Lock, Meta, Open, OpenKind, OutboxRange, Prefix,
        Promise, Row, RunFailures, Signals, Status, TimerKey, TimerKind, Workflow,
    },
    value::ObjectKey,
    *,
};

/// A source of choices: SplitMix64.
#[derive(Debug)]
pub struct Source {
    state: u64,
}

impl Source {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }
}

/// A type with arbitrary values.
pub trait Sample: Sized {
    fn sample(source: &mut Source) -> Self;
}

/// Values of `T`, for properties.
pub fn any_of<T: Sample + std::fmt::Debug>() -> impl Strategy<Value = T> {
    any::<u64>().prop_map(|seed| T::sample(&mut Source::new(seed)))
}

macro_rules! sample_number {
    ($($type:ty),*) => {
        $(impl Sample for $type {
            fn sample(source: &mut Source) -> Self {
                match source.below(4) {
                    0 => source.below(3) as Self,
                    1 => Self::MAX - source.below(3) as Self,
                    2 => (1 as Self) << source.below(Self::BITS.into()),
                    _ => source.next() as Self,
                }
            }
        })*
    };
}

sample_number!(u16, u32, u64, u128);

impl Sample for u8 {
    fn sample(source: &mut Source) -> Self {
        source.next() as Self
    }
}

impl Sample for bool {
    fn sample(source: &mut Source) -> Self {
        source.below(2) == 0
    }
}

impl<const N: usize> Sample for [u8; N] {
    fn sample(source: &mut Source) -> Self {
        std::array::from_fn(|_| u8::sample(source))
    }
}

impl Sample for String {
    fn sample(source: &mut Source) -> Self {
        (0..source.below(5))
            .map(|_| source.pick(&['\0', '\u{1}', 'a', 'b', 'ÿ', '界', '\u{10ffff}']))
            .collect()
    }
}

impl Sample for Arc<str> {
    fn sample(source: &mut Source) -> Self {
        String::sample(source).into()
    }
}

impl Sample for Bytes {
    fn sample(source: &mut Source) -> Self {
        let length = source.pick(&[0, 1, 7, 127, 128, 300]);
        (0..length).map(|_| u8::sample(source)).collect::<Vec<_>>().into()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(source: &mut Source) -> Self {
        bool::sample(source).then(|| T::sample(source))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(source: &mut Source) -> Self {
        (0..source.below(4)).map(|_| T::sample(source)).collect()
    }
}

impl<A: Sample, B: Sample> Sample for (A, B) {
    fn sample(source: &mut Source) -> Self {
        (A::sample(source), B::sample(source))
    }
}

impl<T: Sample, E: Sample> Sample for Result<T, E> {
    fn sample(source: &mut Source) -> Self {
        if bool::sample(source) { Ok(T::sample(source)) } else { Err(E::sample(source)) }
    }
}

impl<T: Sample> Sample for Box<T> {
    fn sample(source: &mut Source) -> Self {
        Self::new(T::sample(source))
    }
}

impl<T: Sample> Sample for Arc<T> {
    fn sample(source: &mut Source) -> Self {
        Self::new(T::sample(source))
    }
}

macro_rules! sample_newtype {
    ($($type:ident),+ $(,)?) => {
        $(impl Sample for $type {
            fn sample(source: &mut Source) -> Self {
                Self(Sample::sample(source))
            }
        })+
    };
}

macro_rules! sample_struct {
    ($($type:ident { $($field:ident),+ $(,)? })+) => {
        $(impl Sample for $type {
            fn sample(source: &mut Source) -> Self {
                Self { $($field: Sample::sample(source)),+ }
            }
        })+
    };
}

/// Each variant with its fields; the compiler refuses one that is missing.
macro_rules! sample_enum {
    (@item $source:ident $item:ident) => { Sample::sample($source) };
    ($($type:ident { $($variant:ident $(( $($item:ident),+ ))? $({ $($field:ident),+ })?),+ $(,)? })+) => {
        $(impl Sample for $type {
            fn sample(source: &mut Source) -> Self {
                const NAMES: &[&str] = &[$(stringify!($variant)),+];
                let value = match NAMES[source.below(NAMES.len() as u64) as usize] {
                    $(stringify!($variant) => Self::$variant
                        $(( $(sample_enum!(@item source $item)),+ ))?
                        $({ $($field: Sample::sample(source)),+ })?,)+
                    other => unreachable!("{other} is not in NAMES"),
                };
                match value {
                    $(Self::$variant { .. } => value,)+
                }
            }
        })+
    };
}

sample_newtype!(
    Lsn,
    LeaderEpoch,
    PartitionId,
    PartitionKey,
    EntryIndex,
    Position,
    Revision,
    Timestamp,
    DurationMs,
    DeploymentId,
    RequestId,
    Digest,
);

sample_struct! {
    InvocationId { key, unique }
    AwakeableId { invocation, incarnation, index }
    FencingToken { epoch, attempt }
    Failure { code, message, metadata }
    Target { service, key, handler }
    ObjectKey { service, key }
    RetryPolicy { initial_interval, factor_milli, max_interval, max_attempts, max_duration, on_exhausted }
    Options { public, inactivity_timeout, abort_timeout, idempotency_retention, journal_retention, retry }
    OptionsPatch { public, inactivity_timeout, abort_timeout, idempotency_retention, journal_retention, retry }
    Policies { public, inactivity_timeout, abort_timeout, idempotency_retention, journal_retention, retry }
    PayloadDef { required, content_type, json_schema }
    Handler { name, mode, input, output, documentation, options, metadata }
    Service { name, kind, revision, deployment, handlers, documentation, options, metadata, overrides }
    Registry { version, defaults }
    EffectDef { name, documentation, retry, timeout }
    Deployment {
        id, digest, size_bytes, created_at, allow_http, env, memory_bytes_max, services, effects, sdk, metadata,
    }
    Wait { operations, mode, handles }
    Onto { deployment, incarnation, items }
    AttemptError { kind, message, index, retry_after }
    EffectError { message, retry_after }
    NewInvocation { id, target, input, headers, idempotency_key, due, origin }
    Caller { id, incarnation, index }
    Call { target, callee, input, headers, idempotency_key, name }
    Entry { made_at, operation }
    Notification { at, kind }
    TimerKey { due, id, incarnation, kind }
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

sample_enum! {
    Value { Void, Success(bytes), Failure(failure) }
    Due { Now, At(instant), After(duration) }
    OnExhausted { Fail, Pause }
    ServiceKind { Service, VirtualObject, Workflow }
    HandlerMode { Exclusive, Shared, Workflow }
    Then { GoOn, StartOver }
    Purge { Invocation, Journal }
    RestartOn { Latest, Keep, Deployment(id) }
    Unresolved { Awakeable, Signal }
    NotRestartable {
        Workflow, JournalGone, NoSuchIndex { from, last }, Unresolved { index, kind }, TooManyLives,
    }
    AttachMode { Wait, Peek }
    WaitMode { Any, All }
    AttemptErrorKind { Retryable, JournalMismatch, LimitExceeded, Host }
    TimerKind { Sleep(index), Start, RetryAttempt, RetryEffect(index), PurgeJournal, Purge, PurgeWorkflow }
    Origin { Ingress, Send { sender }, Call { caller, ancestors } }
    NotificationKind { Completed { index, value }, Cancelled }
    JournalItem { Operation(entry), Notification(notification) }
    OpenKind { Call { callee }, Timer { timer }, Awakeable, Effect, Signal { name }, Value }
    Status {
        Scheduled { due }, Pending { sequence }, Invoked { attempt, operations_at_start, retry_at },
        Suspended { mode, suspended, remaining }, Paused { reason }, Completed { outcome, at, expires_at },
    }
    Answer {
        Accepted { id, previously, due }, Resolved, Ended, Ending,
        Deployed { deployment, revisions, changed, version }, Refused(refusal), Paused { already }, Resumed, Purged,
        Registered { version, changed }, RestartedAsNew { id },
    }
    Refusal {
        UnknownTarget(target), PayloadDiffers(key), UnknownInvocation(id), AlreadyCompleted(id),
        UnknownAwakeable { id, index }, KindChanged { name, deployed }, NotCompleted(id), NotStarted(id),
        PromiseCompleted { workflow, name }, NotAWorkflow(name), TooManySignals(id), UnknownDeployment(id),
        JournalChanged(id), NotRestartable { id, why }, RequestExpired,
        UnknownService(name), UnknownRevision { service, revision }, NoEarlierRevision(service),
        NoSuchDeployment(id), BeingRemoved(id), NotBeingRemoved(id), LatestOf { deployment, services }, Pinned(id),
    }
    Removal { Draining, Closing }
    SchemaChange {
        Deployed { deployment, services }, Services(services), Defaults(defaults),
        Removing { deployment, removal, services }, Removed(deployment),
    }
    Operation {
        Input { headers, body }, GetState { key, value }, StateKeys { keys }, SetState { key, value },
        ClearState { key }, ClearAllState, Call(call), Send { call, due }, Timer { due, name }, Awakeable,
        Effect { name, input, retry, timeout }, ResolveAwakeable { id, outcome }, CancelDelivered,
        Output { outcome }, Signal { name }, SendSignal { to, name, outcome }, Promise { name },
        PromisePeek { name }, PromiseComplete { name, outcome }, Attach { id }, PeekOutput { id },
        CancelInvocation { id }, Run { name, outcome },
    }
    Message {
        Invoke(invocation), Complete { caller, value }, ResolveAwakeable { id, outcome },
        CancelCallee { id, caller }, KillCallee { id, caller }, Schema { version, change },
        SendSignal { to, name, outcome }, Attach { id, caller, mode }, Cancel { id },
    }
    Command {
        AnnounceLeader { epoch }, Invoke { request, invocation }, ResolveAwakeable { request, id, outcome },
        Cancel { request, id }, Kill { request, id }, Deploy { request, deployment, services },
        Append { id, token, first, entries, then }, Suspend { id, token, wait }, AttemptFailed { id, token, error },
        EffectCompleted { id, incarnation, index, token, outcome },
        EffectFailed { id, incarnation, index, token, error }, TimerFired { timer },
        Deliver { source, first, messages }, TruncateOutbox { destination, upto },
        SendSignal { request, to, name, outcome }, CompletePromise { request, workflow, name, outcome },
        Pause { request, id }, Resume { request, id, onto }, Purge { request, id, what },
        RunFailed { id, token, operations, name, error, retry }, Rollback { request, service, revision },
        PatchService { request, service, patch }, Configure { request, defaults },
        StartRemoval { request, deployment, removal }, FinishRemoval { request, deployment },
        Evict { request, id, deployment }, RestartAsNew { request, id, new, from, on },
    }
    Row {
        Meta(meta), Invocation(invocation), Journal(item), Open(open), Effect(effect), Present, State(bytes),
        Lock(lock), Inbox(id), OutboxRange(range), Dedup(last), Outbox(message), Request(answer),
        Service(service), Deployment(deployment), Signals(signals), Promise(promise), Workflow(workflow),
        Revision(service), Registry(registry), Removal(removal), Pins(count),
    }
    Key {
        Meta, Invocation(id), Journal(id, position), Open(id, index), Effect(id, index), Running(id), Timer(timer),
        State(object, name), Lock(object), Inbox(object, sequence), OutboxRange(destination),
        Outbox(destination, sequence), Dedup(source), Request(id), Service(name), Deployment(id), Signals(id, name), Promise(object, name), Workflow(run),
        Revision(service, revision), Registry, Removal(id), Pins(id),
    }
    Prefix {
        Journal(id), Open(id), Effect(id), Running, Timer, State(object), Inbox(object), Outbox(destination),
        Request, Invocation, Service, Deployment, Signals(id), Promise(object),
        Revision(service), Removal,
    }
}

/// Keys that are close to each other, so that prefixes are shared and rows are met again.
#[derive(Debug)]
pub struct Near<T>(pub T);

impl Sample for Near<Key> {
    fn sample(source: &mut Source) -> Self {
        let id = near_id(source);
        let number = source.below(4);
        let index = number as u32;
        Self(match source.below(23) {
            0 => Key::Meta,
            1 => Key::Invocation(id),
            2 => Key::Journal(id, Position(index)),
            3 => Key::Open(id, EntryIndex(index)),
            4 => Key::Effect(id, EntryIndex(index)),
            5 => Key::Running(id),
            6 => Key::Timer(TimerKey {
                due: Timestamp(number),
                id,
                incarnation: Lsn(source.below(2)),
                kind: Sample::sample(source),
            }),
            7 => Key::State(near_object(source), near_text(source)),
            8 => Key::Lock(near_object(source)),
            9 => Key::Inbox(near_object(source), number),
            10 => Key::OutboxRange(PartitionId(index as u16)),
            11 => Key::Outbox(PartitionId(source.below(2) as u16), number),
            12 => Key::Dedup(PartitionId(index as u16)),
            13 => Key::Request(RequestId(number.into())),
            14 => Key::Service(near_text(source)),
            15 => Key::Signals(id, near_text(source)),
            16 => Key::Promise(near_object(source), near_text(source)),
            17 => Key::Workflow(id),
            18 => Key::Revision(near_text(source), Revision(index)),
            19 => Key::Registry,
            20 => Key::Removal(DeploymentId(number.into())),
            21 => Key::Pins(DeploymentId(number.into())),
            _ => Key::Deployment(DeploymentId(number.into())),
        })
    }
}

impl Sample for Near<Prefix> {
    fn sample(source: &mut Source) -> Self {
        let id = near_id(source);
        Self(match source.below(17) {
            0 => Prefix::Journal(id),
            1 => Prefix::Open(id),
            2 => Prefix::Effect(Some(id)),
            3 => Prefix::Effect(None),
            4 => Prefix::Running,
            5 => Prefix::Timer,
            6 => Prefix::State(near_object(source)),
            7 => Prefix::Inbox(near_object(source)),
            8 => Prefix::Outbox(PartitionId(source.below(2) as u16)),
            9 => Prefix::Request,
            10 => Prefix::Invocation,
            11 => Prefix::Service,
            12 => Prefix::Signals(id),
            13 => Prefix::Promise(near_object(source)),
            14 => Prefix::Revision(near_text(source)),
            15 => Prefix::Removal,
            _ => Prefix::Deployment,
        })
    }
}

fn near_id(source: &mut Source) -> InvocationId {
    let key = PartitionKey(source.pick(&[0, 0xff, u64::MAX]));
    InvocationId { key, unique: source.pick(&[0, u128::MAX]) }
}

fn near_text(source: &mut Source) -> Arc<str> {
    source.pick(&["", "\0", "a", "a\0", "a\u{1}", "ab"]).into()
}

fn near_object(source: &mut Source) -> ObjectKey {
    ObjectKey { service: source.pick(&["", "a"]).into(), key: near_text(source) }
}

/// A row of the kind that belongs under `key`.
pub fn row_of(key: &Key, source: &mut Source) -> Row {
    match key {
        Key::Meta => Row::Meta(Sample::sample(source)),
        Key::Invocation(_) => Row::Invocation(Sample::sample(source)),
        Key::Journal(..) => Row::Journal(Sample::sample(source)),
        Key::Open(..) => Row::Open(Sample::sample(source)),
        Key::Effect(..) => Row::Effect(Sample::sample(source)),
        Key::Running(_) | Key::Timer(_) => Row::Present,
        Key::State(..) => Row::State(Sample::sample(source)),
        Key::Lock(_) => Row::Lock(Sample::sample(source)),
        Key::Inbox(..) => Row::Inbox(Sample::sample(source)),
        Key::OutboxRange(_) => Row::OutboxRange(Sample::sample(source)),
        Key::Outbox(..) => Row::Outbox(Sample::sample(source)),
        Key::Dedup(_) => Row::Dedup(Sample::sample(source)),
        Key::Request(_) => Row::Request(Sample::sample(source)),
        Key::Service(_) => Row::Service(Sample::sample(source)),
        Key::Deployment(_) => Row::Deployment(Sample::sample(source)),
        Key::Signals(..) => Row::Signals(Sample::sample(source)),
        Key::Promise(..) => Row::Promise(Sample::sample(source)),
        Key::Workflow(_) => Row::Workflow(Sample::sample(source)),
        Key::Revision(..) => Row::Revision(Sample::sample(source)),
        Key::Registry => Row::Registry(Sample::sample(source)),
        Key::Removal(_) => Row::Removal(Sample::sample(source)),
        Key::Pins(_) => Row::Pins(Sample::sample(source)),
    }
}
