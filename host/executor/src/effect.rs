//! An attempt of an effect: a fresh instance with live time, randomness and outgoing HTTP.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use relight_core::{
    DurationMs, Failure, InvocationId, Outcome, Timestamp,
    command::{AttemptErrorKind, Command, EffectError},
    limits::{ENTRY_BYTES_MAX, FAILURE_MESSAGE_CHARS_MAX},
    runner::{EffectStart, Host, InvocationInfo, Slot},
};

use crate::{
    bindings::relight::handler::requests::{AttemptError as GuestError, EffectRequest},
    convert,
    guest::{Guest, Role, ended},
    http::AllowList,
    log::{Lines, Source},
    place::Placed,
    runner::Shared,
};

/// What an effect's imports need.
pub(crate) struct Live {
    pub id: InvocationId,
    /// The invocation that asked for the effect.
    pub invocation: InvocationInfo,
    pub allow: AllowList,
    pub shared: Arc<Shared>,
}

impl Live {
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }
}

/// Dropping the answer aborts the effect.
pub(crate) fn spawn(shared: &Arc<Shared>, slot: Slot, start: EffectStart, host: Arc<dyn Host>) -> Placed {
    shared.counters.effects_started.increment();
    let shared = shared.clone();
    let place = shared.place.clone();
    place.spawn(async move {
        let mut ending = Ending { shared: shared.clone(), completed: None };
        let timeout = Duration::from_millis(start.timeout.0);
        let run = AssertUnwindSafe(run(&shared, &start)).catch_unwind();
        let result = match tokio::time::timeout(timeout, run).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                tracing::error!(invocation = %start.id, "the executor panicked in an effect");
                Err(retryable("the executor panicked"))
            }
            Err(_) => Err(retryable(format!("timed out after {} ms", timeout.as_millis()))),
        };
        drop(slot);
        ending.completed = Some(result.is_ok());
        host.propose(command(&start, result));
    })
}

/// Counts an effect when its task ends, by itself or by being dropped.
struct Ending {
    shared: Arc<Shared>,
    completed: Option<bool>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let counters = &self.shared.counters;
        match self.completed {
            Some(true) => counters.effects_completed.increment(),
            Some(false) => counters.effects_failed.increment(),
            None => counters.effects_dropped.increment(),
        }
    }
}

fn command(start: &EffectStart, result: Result<Outcome, EffectError>) -> Command {
    let &EffectStart { id, incarnation, index, token, .. } = start;
    match result {
        Ok(outcome) => Command::EffectCompleted { id, incarnation, index, token, outcome },
        Err(error) => Command::EffectFailed { id, incarnation, index, token, error },
    }
}

fn retryable(message: impl Into<String>) -> EffectError {
    EffectError { message: message.into(), retry_after: None }
}

/// The result, terminal failures included; the error may be retried.
async fn run(shared: &Arc<Shared>, start: &EffectStart) -> Result<Outcome, EffectError> {
    if start.deployment.effect(&start.name).is_none() {
        return Ok(Err(Failure::new(404, format!("the component has no effect `{}`", start.name))));
    }
    let loaded = shared.deployments.get(start.deployment.digest).await.map_err(|error| {
        tracing::error!(invocation = %start.id, %error, "failed to load a component");
        retryable(error.to_string())
    })?;
    let memory_bytes_max = shared.memory_bytes_max(&start.deployment);
    let lines = Lines::new(Source::Invocation(start.id));
    let (live, deployment) = (shared.live_instance(), Some(start.deployment.clone()));
    let mut store = Guest::store(loaded.engine(), memory_bytes_max, lines, live, deployment);
    let stopped = |error: &wasmtime::Error, guest: &mut Guest| {
        guest.end_lines();
        let ended = ended(error, guest.lines.last_error());
        if ended.kind == AttemptErrorKind::Host {
            tracing::error!(invocation = %start.id, error = ended.message, "failed to run an effect");
        }
        retryable(ended.message)
    };
    let instance = loaded.instantiate(&mut store).await.map_err(|error| stopped(&error, store.data_mut()))?;
    let live = Live {
        id: start.id,
        invocation: start.invocation.clone(),
        allow: AllowList::new(&start.deployment.allow_http),
        shared: shared.clone(),
    };
    store.data_mut().begin(Role::Effect(Box::new(live)), Duration::from_millis(start.timeout.0));
    let request = EffectRequest {
        name: start.name.clone(),
        input: start.input.clone(),
        attempt: start.attempt_number,
        idempotency_key: idempotency_key(start),
    };
    let started = Instant::now();
    let returned = loaded.effect(&mut store, &instance, &request).await;
    tracing::debug!(
        invocation = %start.id, index = %start.index, elapsed_us = started.elapsed().as_micros() as u64,
        "effect returned"
    );
    store.data_mut().end_lines();
    match returned {
        Ok(Ok(bytes)) => Ok(bounded(bytes)),
        Ok(Err(GuestError::Terminal(failure))) => Ok(Err(convert::failure(failure))),
        Ok(Err(GuestError::Retryable((message, retry_after)))) => Err(EffectError {
            message: convert::truncated(message, FAILURE_MESSAGE_CHARS_MAX),
            retry_after: retry_after.map(DurationMs),
        }),
        Err(error) => Err(stopped(&error, store.data_mut())),
    }
}

/// Another attempt would do its work once more and give a result as large.
fn bounded(bytes: Bytes) -> Outcome {
    if bytes.len() > ENTRY_BYTES_MAX {
        let message = format!("result of {} bytes is over the limit of {ENTRY_BYTES_MAX}", bytes.len());
        return Err(Failure::new(500, message));
    }
    Ok(bytes)
}

/// The same for all attempts of this effect, different for every other.
fn idempotency_key(start: &EffectStart) -> String {
    format!("{}-{}-{}", start.id, start.incarnation, start.index)
}
