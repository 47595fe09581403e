//! An attempt of a handler: one task, one instance, from the input to an output or a failure.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use relight_core::{
    DurationMs, InvocationId, Outcome,
    command::{AttemptError, AttemptErrorKind, Command},
    ids::FencingToken,
    runner::{Attempt, AttemptEvent, AttemptStart, Host, Slot},
};
use tokio::sync::mpsc;

use crate::{
    bindings::relight::handler::requests::{AttemptError as GuestError, Request},
    convert,
    durable::Durable,
    exports::Loaded,
    guest::{Guest, Role, Stop, ended},
    limits::START_COST_NEAR_MAX,
    log::{Lines, Source},
    patience::Linger,
    place::Placed,
    runner::Shared,
    stats::Counter,
};

/// The leader's handle of a running attempt. Dropping it aborts the task, wherever that stands.
pub(crate) struct Running {
    events: mpsc::UnboundedSender<AttemptEvent>,
    _task: Placed,
}

impl Attempt for Running {
    fn event(&self, event: AttemptEvent) {
        // An attempt that has ended has dropped its receiver.
        let _ = self.events.send(event);
    }
}

pub(crate) fn spawn(shared: &Arc<Shared>, slot: Slot, start: AttemptStart, host: Arc<dyn Host>) -> Running {
    let (sender, events) = mpsc::unbounded_channel();
    shared.counters.attempts_started.increment();
    shared.counters.items_replayed.add(start.journal.len() as u64);
    let (id, token) = (start.id, start.token);
    let run = run(shared.clone(), slot, start, host.clone(), events);
    let counters = shared.clone();
    let task = shared.place.spawn(async move {
        let mut ending = Ending { shared: counters, counter: None };
        let counter: PickCounter = match AssertUnwindSafe(run).catch_unwind().await {
            Ok(counter) => counter,
            Err(_) => {
                // A bug of ours. Without this the invocation would wait for a task that is gone.
                tracing::error!(invocation = %id, "the executor panicked in an attempt");
                propose_fault(&*host, id, token, "the executor panicked");
                |shared: &Shared| &shared.counters.attempts_faulted
            }
        };
        ending.counter = Some(counter);
    });
    Running { events: sender, _task: task }
}

type PickCounter = fn(&Shared) -> &Counter;

/// Counts an attempt when its task ends, by itself or by being dropped.
struct Ending {
    shared: Arc<Shared>,
    counter: Option<PickCounter>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        match self.counter {
            Some(counter) => counter(&self.shared).increment(),
            None => self.shared.counters.attempts_dropped.increment(),
        }
    }
}

fn propose_fault(host: &dyn Host, id: InvocationId, token: FencingToken, message: &str) {
    let error = AttemptError {
        kind: AttemptErrorKind::Host,
        message: message.to_owned(),
        index: None,
        retry_after: None,
    };
    host.propose(Command::AttemptFailed { id, token, error });
}

async fn run(
    shared: Arc<Shared>,
    slot: Slot,
    mut start: AttemptStart,
    host: Arc<dyn Host>,
    events: mpsc::UnboundedReceiver<AttemptEvent>,
) -> PickCounter {
    let (id, token) = (start.id, start.token);
    let loaded = match shared.deployments.get(start.deployment.digest).await {
        Ok(loaded) => loaded,
        Err(error) => {
            tracing::error!(invocation = %id, %error, "failed to load a component");
            propose_fault(&*host, id, token, &error.to_string());
            return |shared| &shared.counters.attempts_faulted;
        }
    };
    let replay = match start.replay() {
        Ok(replay) => replay,
        Err(damaged) => {
            tracing::error!(invocation = %id, error = %damaged, "failed to read a journal");
            let error = AttemptError {
                // Trying again cannot help.
                kind: AttemptErrorKind::JournalMismatch,
                message: damaged.to_string(),
                index: None,
                retry_after: None,
            };
            host.propose(Command::AttemptFailed { id, token, error });
            return |shared| &shared.counters.attempts_faulted;
        }
    };
    let abort_timeout = Duration::from_millis(start.abort_timeout.0);
    let said = start.inactivity_timeout.map(|timeout| Duration::from_millis(timeout.0));
    let start_cost = shared.start_cost(&loaded, &start.deployment).await;
    let linger = match said.or(shared.config.suspend_after) {
        Some(time) => Linger::For(time),
        None => Linger::Keep((shared.config.keep)(start_cost)),
    };
    if START_COST_NEAR_MAX < start_cost {
        // The leader goes on, and others of these start at the same time.
        tokio::task::yield_now().await;
    }
    let durable = Durable::new(start, replay, host, events, shared.clone(), linger);
    let (result, mut durable) = call(&shared, &loaded, durable, abort_timeout).await;
    let finished = match result {
        CallEnd::Returned(outcome) => durable.finish(outcome).map_err(|stop| failed(&stop.into(), None)),
        CallEnd::StartsOver => return |shared| &shared.counters.attempts_started_over,
        CallEnd::Failed(error) => Err(error),
    };
    // The instance is gone: others may run while the output is on its way.
    drop(slot);
    let Err(error) = finished else { return |shared| &shared.counters.attempts_finished };
    let kind = error.kind;
    durable.fail(error);
    match kind {
        AttemptErrorKind::JournalMismatch => |shared| &shared.counters.attempts_mismatched,
        AttemptErrorKind::Host => |shared| &shared.counters.attempts_faulted,
        AttemptErrorKind::Retryable | AttemptErrorKind::LimitExceeded => {
            |shared| &shared.counters.attempts_failed
        }
    }
}

/// How a handler's instance ended.
enum CallEnd {
    Returned(Outcome),
    /// After an inline run; the end of the attempt is proposed.
    StartsOver,
    Failed(AttemptError),
}

/// Runs the handler and tells how it ended.
async fn call(
    shared: &Arc<Shared>,
    loaded: &Loaded,
    durable: Durable,
    abort_timeout: Duration,
) -> (CallEnd, Box<Durable>) {
    let lines = Lines::new(Source::Invocation(durable.identity.id));
    let (returned, durable, lines) = invoke(shared, loaded, Box::new(durable), lines, abort_timeout).await;
    let end = match returned {
        Ok(Ok(bytes)) => CallEnd::Returned(Ok(bytes)),
        Ok(Err(error)) => returned_error(error),
        Err(error) if matches!(error.downcast_ref(), Some(Stop::StartOver)) => CallEnd::StartsOver,
        Err(error) => CallEnd::Failed(failed(&error, lines.last_error())),
    };
    (end, durable)
}

/// What the handler returned, or how its instance ended.
pub(crate) type Invoked = wasmtime::Result<Result<Bytes, GuestError>>;

/// Runs the handler in an instance that exists only as long as this call.
pub(crate) async fn invoke(
    shared: &Arc<Shared>,
    loaded: &Loaded,
    durable: Box<Durable>,
    lines: Lines,
    abort_timeout: Duration,
) -> (Invoked, Box<Durable>, Lines) {
    let identity = &durable.identity;
    let memory_bytes_max = shared.memory_bytes_max(&identity.deployment);
    let deployment = Some(identity.deployment.clone());
    let live = shared.live_instance();
    let mut store = Guest::store(loaded.engine(), memory_bytes_max, lines, live, deployment);
    let instance = match loaded.instantiate(&mut store).await {
        Ok(instance) => instance,
        Err(error) => {
            store.data_mut().end_lines();
            return (Err(error), durable, store.into_data().lines);
        }
    };
    let (headers, input) = durable.input();
    let request = Request {
        service: identity.target.service.to_string(),
        key: identity.target.key.as_ref().map(ToString::to_string),
        handler: identity.target.handler.to_string(),
        headers: headers.clone(),
        input: input.clone(),
    };
    store.data_mut().begin(Role::Handler(durable), abort_timeout);
    let returned = loaded.invoke(&mut store, &instance, &request).await;
    store.data_mut().end_lines();
    let guest = store.into_data();
    let Role::Handler(durable) = guest.role else { unreachable!("the role was given above") };
    (returned, durable, guest.lines)
}

fn returned_error(error: GuestError) -> CallEnd {
    match error {
        GuestError::Terminal(failure) => CallEnd::Returned(Err(convert::failure(failure))),
        GuestError::Retryable((message, retry_after)) => CallEnd::Failed(AttemptError {
            kind: AttemptErrorKind::Retryable,
            message: convert::truncated(message, relight_core::limits::FAILURE_MESSAGE_CHARS_MAX),
            index: None,
            retry_after: retry_after.map(DurationMs),
        }),
    }
}

fn failed(error: &wasmtime::Error, last_error: Option<&str>) -> AttemptError {
    let ended = ended(error, last_error);
    AttemptError { kind: ended.kind, message: ended.message, index: ended.index, retry_after: None }
}
