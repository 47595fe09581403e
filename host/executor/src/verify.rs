//! Verifying a record: a handler runs against the journal of an invocation, and nothing leaves the process.
//!
//! The instance is the same as that of an attempt, but there is no leader behind it. Where the record ends, so does the
//! instance: nothing is proposed, no state is read, no inline run begins, no effect starts. What is asked here is only
//! whether a component does what the journal says has been done.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use relight_core::{
    Incarnation, InvocationId, JournalItem, Operation, Outcome, Target, Timestamp, Value,
    command::WaitMode,
    ids::EntryIndex,
    replay::{Made, Mismatch, Replay, Waited, describe, describe_wait},
    restart::Restarted,
    schema::{Deployment, HandlerMode, Service, ServiceKind},
    value::DurationMs,
};
use tokio::task::JoinSet;
use wasmtime::PoolConcurrencyLimitError;

use crate::{
    attempt,
    bindings::relight::handler::requests::AttemptError as GuestError,
    compile::CompileError,
    durable::Durable,
    exports::Loaded,
    guest::{Stop, ended},
    limits::REPLAY_RUNNING_MAX,
    log::{Lines, Source},
    runner::{Executor, Shared},
    upload::{self, UploadError},
};

/// The record of an invocation.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub target: Target,
    /// Fixed when it arrived, like `mode`.
    pub kind: ServiceKind,
    pub mode: HandlerMode,
    pub idempotency_key: Option<String>,
    pub invoked_by: Option<InvocationId>,
    pub created_at: Timestamp,
    /// When the handler was first allowed to run.
    pub started_at: Timestamp,
    /// Set when the journal began as a part of another one's.
    pub restarted: Option<Box<Restarted>>,
    pub abort_timeout: DurationMs,
    /// In the order of positions, from the input on.
    pub journal: Vec<JournalItem>,
}

/// A component that records are replayed against. Its code stays in memory as long as this.
#[derive(Clone)]
pub struct Candidate {
    deployment: Arc<Deployment>,
    services: Arc<[Service]>,
    loaded: Arc<Loaded>,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("digest", &self.deployment.digest).finish_non_exhaustive()
    }
}

/// What became of a record on a component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The handler made every recorded operation again; `operations` of them, the input included.
    Compatible { operations: u32, ahead: Ahead },
    /// The handler did something else.
    Diverges(Divergence),
    /// The handler ended before it made the recorded operation at `index`.
    Fails { index: EntryIndex, message: String },
}

/// What comes after the record, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ahead {
    /// Nothing: the record has the handler's result, and it returned the same.
    Completed,
    /// The handler waits for what the record does not have yet.
    Waits(String),
    /// The handler asks for what is not recorded.
    GoesOn(String),
    /// The handler fails, but not because of the record.
    Fails(String),
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completes with the same result"),
            Self::Waits(what) => write!(f, "waits for {what}"),
            Self::GoesOn(what) => write!(f, "goes on with {what}"),
            Self::Fails(message) => write!(f, "fails: {message}"),
        }
    }
}

/// Where a component does not do what is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    pub index: EntryIndex,
    /// For people, like `got`.
    pub recorded: String,
    pub got: String,
    /// Both in one sentence.
    pub message: String,
}

impl From<Mismatch> for Divergence {
    fn from(mismatch: Mismatch) -> Self {
        let message = mismatch.to_string();
        let Mismatch { index, recorded, got } = mismatch;
        Self { index, recorded, got: got.to_string(), message }
    }
}

/// There is no verdict, for a reason that neither record nor component is to blame for.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("failed to load the component")]
    Load(#[source] CompileError),
    #[error("failed to describe the component")]
    Describe(#[source] UploadError),
    #[error("the record is not the journal of an invocation: {0}")]
    Damaged(String),
    #[error("failed to replay: {0}")]
    Host(String),
}

/// Somebody who follows a replay. Called by the thread that runs the guest: MUST be short.
pub trait Observer: Send + Sync {
    fn step(&self, step: Step);

    /// A line that the guest logs, whether an earlier attempt has logged it or not. `fields`: as `name=value`.
    fn line(&self, level: &'static str, message: &str, fields: &str);
}

/// What the handler and the record agree on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The handler made the recorded operation at `index`, which has what the host answered at once.
    Made { index: EntryIndex, operation: Operation },
    /// A wait was answered by `answer`; for all of several handles by the last.
    Answered { mode: WaitMode, handles: Vec<EntryIndex>, answer: EntryIndex, value: Option<Value> },
}

impl Candidate {
    /// Why the component can't go on with invocations of this target, if it can't.
    pub fn refuses(&self, target: &Target, kind: ServiceKind, mode: HandlerMode) -> Option<Divergence> {
        let Target { service: service_name, handler: handler_name, .. } = target;
        let recorded = describe_handler(mode, kind, target);
        let got = match self.services.iter().find(|service| service.name == *service_name) {
            None => format!("a component without the service `{service_name}`"),
            Some(service) => match service.handler(handler_name) {
                None => format!("the {} `{service_name}` without the handler `{handler_name}`", service.kind),
                Some(handler) if (service.kind, handler.mode) == (kind, mode) => return None,
                Some(handler) => describe_handler(handler.mode, service.kind, target),
            },
        };
        let message =
            format!("journal mismatch at entry 0: the journal is that of {recorded}, this is {got}");
        Some(Divergence { index: EntryIndex::ZERO, recorded, got, message })
    }
}

/// Such as "the shared handler `get` of the virtual object `Cart`".
fn describe_handler(mode: HandlerMode, kind: ServiceKind, target: &Target) -> String {
    let mode = match (kind, mode) {
        (ServiceKind::Service, _) => "",
        (_, HandlerMode::Exclusive) => "exclusive ",
        (_, HandlerMode::Shared) => "shared ",
        (_, HandlerMode::Workflow) => "run ",
    };
    format!("the {mode}handler `{}` of the {kind} `{}`", target.handler, target.service)
}

impl Executor {
    /// The component of `deployment`, ready for replays. It need not be deployed: one that was checked is good enough.
    pub async fn candidate(&self, deployment: Arc<Deployment>) -> Result<Candidate, ReplayError> {
        let shared = &self.shared;
        let loaded = shared.deployments.get(deployment.digest).await.map_err(ReplayError::Load)?;
        let _turn = shared.replays.acquire().await.expect("the semaphore is never closed");
        let memory_bytes_max = shared.memory_bytes_max(&deployment);
        let manifest =
            upload::describe(shared, &loaded, memory_bytes_max).await.map_err(ReplayError::Describe)?;
        Ok(Candidate { deployment, services: manifest.services.into(), loaded })
    }

    /// Runs the handler of `recorded` as far as the record goes. Waits for other replays; dropping the future ends it.
    pub async fn replay(
        &self,
        candidate: &Candidate,
        recorded: Recorded,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Verdict, ReplayError> {
        if let Some(divergence) = candidate.refuses(&recorded.target, recorded.kind, recorded.mode) {
            return Ok(Verdict::Diverges(divergence));
        }
        let (shared, candidate) = (self.shared.clone(), candidate.clone());
        // Guest code runs where guests run, whoever asks. A set, because dropping it aborts what is in it.
        let mut task = JoinSet::new();
        task.spawn_on(
            async move { run(&shared, &candidate, recorded, observer).await },
            self.shared.place.runtime(),
        );
        match task.join_next().await.expect("one task was spawned") {
            Ok(verdict) => verdict,
            Err(error) => Err(ReplayError::Host(error.to_string())),
        }
    }
}

async fn run(
    shared: &Arc<Shared>,
    candidate: &Candidate,
    mut recorded: Recorded,
    observer: Option<Arc<dyn Observer>>,
) -> Result<Verdict, ReplayError> {
    let _turn = shared.replays.acquire().await.expect("the semaphore is never closed");
    let journal = std::mem::take(&mut recorded.journal);
    let replay = Replay::of_life(recorded.started_at, recorded.restarted.as_deref(), journal)
        .map_err(|damaged| ReplayError::Damaged(damaged.to_string()))?;
    let lines = Lines::new(observer.clone().map_or(Source::Silent, Source::Observed));
    let verification = Verification { observer, awaited: BTreeMap::new() };
    let deployment = candidate.deployment.clone();
    let durable = Durable::recorded(&recorded, replay, deployment, verification, shared.clone());
    let running_max = Duration::from_millis(recorded.abort_timeout.0).min(REPLAY_RUNNING_MAX);
    let (returned, mut durable, lines) =
        attempt::invoke(shared, &candidate.loaded, Box::new(durable), lines, running_max).await;
    let finished = match returned {
        Ok(Ok(value)) => durable.finish(Ok(value)).map_err(Into::into),
        Ok(Err(GuestError::Terminal(failure))) => {
            durable.finish(Err(crate::convert::failure(failure))).map_err(Into::into)
        }
        Ok(Err(GuestError::Retryable((message, _)))) => return Ok(failed(&durable, message)),
        Err(error) => Err(error),
    };
    match finished {
        Ok(()) => Ok(compatible(&durable, Ahead::Completed)),
        Err(error) => verdict(&durable, &error, &lines),
    }
}

fn verdict(durable: &Durable, error: &wasmtime::Error, lines: &Lines) -> Result<Verdict, ReplayError> {
    match error.downcast_ref::<Stop>() {
        Some(Stop::RecordEnds(ahead)) => Ok(compatible(durable, ahead.clone())),
        Some(Stop::Mismatch(mismatch)) => Ok(Verdict::Diverges(mismatch.clone().into())),
        Some(Stop::Host(message)) => Err(ReplayError::Host(message.clone())),
        None if error.is::<PoolConcurrencyLimitError>() => Err(ReplayError::Host(format!("{error:#}"))),
        _ => Ok(failed(durable, ended(error, lines.last_error()).message)),
    }
}

fn compatible(durable: &Durable, ahead: Ahead) -> Verdict {
    Verdict::Compatible { operations: durable.recorded_operations(), ahead }
}

fn failed(durable: &Durable, message: String) -> Verdict {
    if durable.is_replaying() {
        Verdict::Fails { index: durable.next_index(), message }
    } else {
        compatible(durable, Ahead::Fails(message))
    }
}

/// What stands in for a leader while a record is verified.
pub(crate) struct Verification {
    observer: Option<Arc<dyn Observer>>,
    /// Operations that can be waited for, in words.
    awaited: BTreeMap<EntryIndex, String>,
}

/// The end of a record before an operation that is not recorded.
pub(crate) fn goes_on(operation: &Operation) -> Stop {
    Stop::RecordEnds(Ahead::GoesOn(describe(operation)))
}

impl Verification {
    /// The handler has made an operation.
    pub fn make(&mut self, made: Made, operation: Operation) -> Result<(), Stop> {
        if !made.recorded {
            return Err(goes_on(&operation));
        }
        if operation.is_awaited() {
            self.awaited.insert(made.index, describe(&operation));
        }
        self.step(|| Step::Made { index: made.index, operation });
        Ok(())
    }

    /// The handler has read state, and the record had it.
    pub fn read(&self, index: EntryIndex, operation: Operation) {
        self.step(|| Step::Made { index, operation });
    }

    /// The handler waits, and this is the answer.
    pub fn wait(
        &self,
        replay: &Replay,
        waited: Waited,
        mode: WaitMode,
        handles: &[EntryIndex],
    ) -> Result<(), Stop> {
        match waited {
            Waited::Blocked => Err(Stop::RecordEnds(Ahead::Waits(self.describe_wait(mode, handles)))),
            Waited::Cancelled if 0 < replay.buffered_entries() => Err(goes_on(&Operation::CancelDelivered)),
            Waited::Cancelled => {
                let index = EntryIndex(replay.operations() - 1);
                self.step(|| Step::Made { index, operation: Operation::CancelDelivered });
                Ok(())
            }
            Waited::Ready(answer) => {
                let value = || replay.value(answer).cloned();
                self.step(|| Step::Answered { mode, handles: handles.to_vec(), answer, value: value() });
                Ok(())
            }
        }
    }

    /// The handler begins an inline run. One that is not recorded never begins.
    pub fn start_run(&self, replay: &Replay, name: String, recorded: Option<&Outcome>) -> Result<(), Stop> {
        match recorded {
            None => Err(goes_on(&Operation::Run { name, outcome: Ok(Bytes::new()) })),
            Some(outcome) => {
                let index = EntryIndex(replay.operations() - 1);
                self.step(|| Step::Made {
                    index,
                    operation: Operation::Run { name, outcome: outcome.clone() },
                });
                Ok(())
            }
        }
    }

    /// The handler has returned.
    pub fn finish(&self, replay: &Replay, outcome: Outcome) -> Result<(), Stop> {
        let operation = Operation::Output { outcome };
        if 0 < replay.buffered_entries() {
            return Err(goes_on(&operation));
        }
        let index = EntryIndex(replay.operations() - 1);
        self.step(|| Step::Made { index, operation });
        Ok(())
    }

    fn step(&self, step: impl FnOnce() -> Step) {
        if let Some(observer) = &self.observer {
            observer.step(step());
        }
    }

    /// Names a single operation; several of them by their indexes.
    fn describe_wait(&self, mode: WaitMode, handles: &[EntryIndex]) -> String {
        let entries = describe_wait(mode, handles);
        match handles {
            [index] => match self.awaited.get(index) {
                Some(operation) => format!("{entries}, {operation}"),
                None => entries,
            },
            _ => entries,
        }
    }
}
