//! A runner of handlers that are Rust closures: the same contract as the executor's, without guests.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use relight_core::command::{AttemptError, AttemptErrorKind, Command, EffectError, Wait, WaitMode};
use relight_core::ids::{AwakeableId, EntryIndex, FencingToken, Incarnation, InvocationId};
use relight_core::journal::{Call, Operation};
use relight_core::placement::callee_id;
use relight_core::replay::{Replay, Waited};
use relight_core::retry::RetryPolicy;
use relight_core::runner::{
    Attempt, AttemptEvent, AttemptStart, EffectStart, Host, Runner, Slot, StateView, Work,
};
use relight_core::value::{Due, DurationMs, Outcome, Target, Value};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::fixture::now;

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type HandlerFn = Arc<dyn Fn(Ctx) -> Running<Outcome> + Send + Sync>;
type EffectFn = Arc<dyn Fn(u32, Bytes) -> Running<Result<Outcome, EffectError>> + Send + Sync>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Linger {
    /// A wait that is not ready suspends at once.
    None,
    /// A wait never suspends.
    Forever,
}

pub struct Script {
    handlers: BTreeMap<String, HandlerFn>,
    effects: BTreeMap<String, EffectFn>,
    linger: Linger,
    attempts: Arc<Capacity>,
    effect_slots: Arc<Capacity>,
    pub attempts_started: AtomicUsize,
    pub effects_started: AtomicUsize,
}

impl Script {
    pub fn new(linger: Linger) -> Self {
        Self {
            handlers: BTreeMap::new(),
            effects: BTreeMap::new(),
            linger,
            attempts: Capacity::new(Work::Attempt, 1_000),
            effect_slots: Capacity::new(Work::Effect, 1_000),
            attempts_started: AtomicUsize::new(0),
            effects_started: AtomicUsize::new(0),
        }
    }

    pub fn capacity(mut self, attempts: usize) -> Self {
        self.attempts = Capacity::new(Work::Attempt, attempts);
        self
    }

    /// `name`: service and handler, with a slash.
    pub fn handler<F>(mut self, name: &str, handler: impl Fn(Ctx) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        self.handlers.insert(name.to_owned(), Arc::new(move |ctx| Box::pin(handler(ctx))));
        self
    }

    pub fn effect<F>(mut self, name: &str, effect: impl Fn(u32, Bytes) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Outcome, EffectError>> + Send + 'static,
    {
        self.effects
            .insert(name.to_owned(), Arc::new(move |attempt, input| Box::pin(effect(attempt, input))));
        self
    }

    pub fn handler_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.handlers.keys().map(|name| name.split_once('/').expect("service and handler"))
    }

    /// Attempts that run.
    pub fn running(&self) -> usize {
        self.attempts.taken()
    }
}

impl Runner for Script {
    fn reserve(&self, work: Work, host: &Arc<dyn Host>) -> Option<Slot> {
        match work {
            Work::Attempt => self.attempts.reserve(host),
            Work::Effect => self.effect_slots.reserve(host),
        }
    }

    fn start_attempt(&self, slot: Slot, mut start: AttemptStart, host: Arc<dyn Host>) -> Box<dyn Attempt> {
        self.attempts_started.fetch_add(1, Ordering::SeqCst);
        let name = format!("{}/{}", start.target.service, start.target.handler);
        let handler = Arc::clone(&self.handlers[&name]);
        let replay = start.replay().expect("a journal that can be replayed");
        let ctx = Ctx(Arc::new(Shared {
            id: start.id,
            incarnation: start.incarnation,
            token: start.token,
            state: start.state,
            linger: self.linger,
            host,
            replay: Mutex::new(replay),
            wake: Notify::new(),
        }));
        let guest = tokio::spawn(handler(ctx.clone()));
        let abort = guest.abort_handle();
        let ends = ctx.clone();
        let supervisor = tokio::spawn(async move {
            let _slot = slot;
            match guest.await {
                Ok(outcome) => ends.finish(outcome),
                Err(error) if error.is_panic() => ends.fail("the handler panicked"),
                Err(_) => {}
            }
        });
        Box::new(ScriptAttempt { ctx, abort, supervisor })
    }

    fn start_effect(&self, slot: Slot, start: EffectStart, host: Arc<dyn Host>) -> Box<dyn Send> {
        self.effects_started.fetch_add(1, Ordering::SeqCst);
        let effect = Arc::clone(&self.effects[&start.name]);
        let EffectStart { id, incarnation, index, token, attempt_number, input, .. } = start;
        Box::new(AbortOnDrop(tokio::spawn(async move {
            let _slot = slot;
            host.propose(match effect(attempt_number, input).await {
                Ok(outcome) => Command::EffectCompleted { id, incarnation, index, token, outcome },
                Err(error) => Command::EffectFailed { id, incarnation, index, token, error },
            });
        })))
    }
}

struct ScriptAttempt {
    ctx: Ctx,
    abort: tokio::task::AbortHandle,
    supervisor: JoinHandle<()>,
}

impl Attempt for ScriptAttempt {
    fn event(&self, event: AttemptEvent) {
        let mut replay = self.ctx.0.replay.lock().unwrap();
        match event {
            AttemptEvent::Accepted { operations, provisional } => {
                provisional.into_iter().for_each(|lsn| replay.provisional(lsn));
                replay.accepted(operations);
            }
            AttemptEvent::Durable { upto } => replay.durable(upto),
            AttemptEvent::Notification { position, notification, provisional } => {
                provisional.into_iter().for_each(|lsn| replay.provisional(lsn));
                replay.notify(position, notification).expect("notifications in order without gaps");
            }
        }
        self.ctx.0.wake.notify_waiters();
    }
}

impl Drop for ScriptAttempt {
    fn drop(&mut self) {
        self.abort.abort();
        self.supervisor.abort();
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a handler sees.
#[derive(Clone)]
pub struct Ctx(Arc<Shared>);

struct Shared {
    id: InvocationId,
    incarnation: Incarnation,
    token: FencingToken,
    state: Arc<dyn StateView>,
    linger: Linger,
    host: Arc<dyn Host>,
    replay: Mutex<Replay>,
    wake: Notify,
}

impl Ctx {
    pub fn input(&self) -> Bytes {
        self.0.replay.lock().unwrap().input().1.clone()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.input().to_vec()).expect("input is text")
    }

    pub fn get(&self, key: &str) -> Option<Bytes> {
        let mut replay = self.0.replay.lock().unwrap();
        replay.get_state(now(), key, || self.0.state.get(key)).expect("state can be read")
    }

    pub fn keys(&self) -> Vec<String> {
        let mut replay = self.0.replay.lock().unwrap();
        replay.state_keys(now(), || self.0.state.keys()).expect("state can be read")
    }

    pub fn set(&self, key: &str, value: impl Into<Bytes>) {
        self.make(Operation::SetState { key: key.to_owned(), value: value.into() });
    }

    pub fn call(&self, target: Target, input: impl Into<Bytes>) -> EntryIndex {
        let call = self.prepare(target, input.into());
        self.make(Operation::Call(call))
    }

    pub fn timer(&self, ms: u64) -> EntryIndex {
        self.make(Operation::Timer { due: Due::After(DurationMs(ms)), name: None })
    }

    pub fn awakeable(&self) -> (EntryIndex, AwakeableId) {
        let index = self.make(Operation::Awakeable);
        (index, AwakeableId { invocation: self.0.id, incarnation: self.0.incarnation, index })
    }

    pub fn effect(&self, name: &str, input: impl Into<Bytes>) -> EntryIndex {
        let (name, input, timeout) = (name.to_owned(), input.into(), DurationMs::seconds(60));
        let retry = RetryPolicy { initial_interval: DurationMs(5), ..RetryPolicy::EFFECT };
        self.make(Operation::Effect { name, input, retry, timeout })
    }

    /// The value of one handle.
    pub async fn wait(&self, handle: EntryIndex) -> Value {
        self.wait_all(&[handle]).await.pop().expect("one value")
    }

    pub async fn wait_all(&self, handles: &[EntryIndex]) -> Vec<Value> {
        match self.wait_for(WaitMode::All, handles).await {
            Waited::Ready(_) => {}
            other => panic!("not ready: {other:?}"),
        }
        let replay = self.0.replay.lock().unwrap();
        handles.iter().map(|handle| replay.value(*handle).cloned().expect("it is ready")).collect()
    }

    /// As before an inline run.
    pub async fn until_accepted(&self) {
        self.flush();
        loop {
            let woken = self.0.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.0.replay.lock().unwrap().is_accepted() {
                return;
            }
            woken.await;
        }
    }

    async fn wait_for(&self, mode: WaitMode, handles: &[EntryIndex]) -> Waited {
        let mut suspending = self.0.linger == Linger::Forever;
        loop {
            let woken = self.0.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let operations = {
                let mut replay = self.0.replay.lock().unwrap();
                match replay.wait(mode, handles).expect("a wait for handles of its own") {
                    Waited::Blocked => replay.operations(),
                    waited => return waited,
                }
            };
            self.flush();
            if !suspending {
                suspending = true;
                let wait = Wait { operations, mode, handles: handles.to_vec() };
                self.0.host.propose(Command::Suspend { id: self.0.id, token: self.0.token, wait });
            }
            woken.await;
        }
    }

    fn prepare(&self, target: Target, input: Bytes) -> Call {
        let index = EntryIndex(self.0.replay.lock().unwrap().operations());
        let callee = callee_id(self.0.id, self.0.incarnation, index, &target, None);
        Call { target, callee, input, headers: Vec::new(), idempotency_key: None, name: None }
    }

    fn make(&self, operation: Operation) -> EntryIndex {
        let mut replay = self.0.replay.lock().unwrap();
        replay.make(now(), operation).expect("the handler does the same on every pass").index
    }

    fn finish(&self, outcome: Outcome) {
        self.0.replay.lock().unwrap().finish(now(), outcome).expect("the handler ends as recorded");
        self.flush();
    }

    fn fail(&self, message: &str) {
        self.flush();
        let (kind, message) = (AttemptErrorKind::Retryable, message.to_owned());
        let error = AttemptError { kind, message, index: None, retry_after: None };
        self.0.host.propose(Command::AttemptFailed { id: self.0.id, token: self.0.token, error });
    }

    fn flush(&self) {
        let batch = self.0.replay.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take_batch();
        if let Some((first, entries)) = batch {
            self.0.host.propose(Command::Append {
                id: self.0.id,
                token: self.0.token,
                first,
                entries,
                then: relight_core::command::Then::GoOn,
            });
        }
    }
}

/// Slots, and the hosts that wait for one.
struct Capacity {
    work: Work,
    max: usize,
    state: Mutex<(usize, Vec<Arc<dyn Host>>)>,
}

struct Permit(Arc<Capacity>);

impl Capacity {
    fn new(work: Work, max: usize) -> Arc<Self> {
        Arc::new(Self { work, max, state: Mutex::default() })
    }

    fn reserve(self: &Arc<Self>, host: &Arc<dyn Host>) -> Option<Slot> {
        let mut state = self.state.lock().unwrap();
        if state.0 == self.max {
            state.1.push(Arc::clone(host));
            return None;
        }
        state.0 += 1;
        Some(Slot(Box::new(Permit(Arc::clone(self)))))
    }

    fn taken(&self) -> usize {
        self.state.lock().unwrap().0
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let hosts = {
            let mut state = self.0.state.lock().unwrap();
            state.0 -= 1;
            std::mem::take(&mut state.1)
        };
        hosts.iter().for_each(|host| host.capacity(self.0.work));
    }
}

/// The payload of a value that is a success.
pub fn bytes(value: Value) -> Bytes {
    match value {
        Value::Success(bytes) => bytes,
        other => panic!("not a success: {other:?}"),
    }
}
