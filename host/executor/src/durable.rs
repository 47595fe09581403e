//! The durable side of a handler's attempt: its journal, what it proposes, and how it waits.
//!
//! Entries are buffered and ride together. They are proposed when the handler blocks or ends, and when the buffer is
//! large or old; what is proposed but not accepted is bounded. Nothing here knows about WebAssembly.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;
use relight_core::{
    Incarnation, InvocationId, Operation, Outcome, Target, Timestamp,
    command::{AttemptError, Command, EffectError, Then, Wait, WaitMode},
    ids::{EntryIndex, FencingToken},
    replay::{GetError, Made, Replay, WaitError, Waited},
    retry::RetryPolicy,
    runner::{AttemptEvent, AttemptStart, Host, StateView},
    schema::{Deployment, HandlerMode},
    tables::TablesError,
};
use tokio::sync::mpsc;

use crate::{
    guest::Stop,
    http::AllowList,
    limits::{
        BUFFER_AGE_MAX, BUFFER_BYTES_MAX, BUFFER_ENTRIES_MAX, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_ENTRIES_MAX,
    },
    runner::Shared,
};

/// What stays the same during an attempt.
pub(crate) struct Identity {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub token: FencingToken,
    pub target: Target,
    pub mode: HandlerMode,
    pub deployment: Arc<Deployment>,
    pub idempotency_key: Option<String>,
    pub invoked_by: Option<InvocationId>,
    pub created_at: Timestamp,
}

pub(crate) struct Durable {
    pub identity: Identity,
    replay: Replay,
    state: Arc<dyn StateView>,
    host: Arc<dyn Host>,
    /// From the leader. Not bounded here: a journal's limits bound what can arrive.
    events: mpsc::UnboundedReceiver<AttemptEvent>,
    shared: Arc<Shared>,
    random: Option<ChaCha12Rng>,
    /// When the oldest operation of the buffer was made.
    buffered_since: Option<Instant>,
    in_flight: InFlight,
    run: Option<LiveRun>,
    /// `None`: as the executor sees fit.
    linger: Option<Duration>,
}

/// An inline run between its start and its end.
pub(crate) struct LiveRun {
    pub name: String,
    pub retry: RetryPolicy,
    pub allow: AllowList,
}

/// Operations that are proposed but not accepted.
#[derive(Default)]
struct InFlight {
    batches: VecDeque<Batch>,
    entries: usize,
    bytes: usize,
}

struct Batch {
    /// Accepted when operations below this count are.
    operations: u32,
    entries: usize,
    bytes: usize,
}

impl InFlight {
    fn is_full(&self) -> bool {
        self.bytes > IN_FLIGHT_BYTES_MAX || self.entries > IN_FLIGHT_ENTRIES_MAX
    }

    fn accepted(&mut self, operations: u32) {
        while let Some(batch) = self.batches.pop_front_if(|batch| batch.operations <= operations) {
            self.entries -= batch.entries;
            self.bytes -= batch.bytes;
        }
    }
}

impl Durable {
    pub fn new(
        start: AttemptStart,
        replay: Replay,
        host: Arc<dyn Host>,
        events: mpsc::UnboundedReceiver<AttemptEvent>,
        shared: Arc<Shared>,
    ) -> Self {
        let linger = start
            .inactivity_timeout
            .map(|timeout| Duration::from_millis(timeout.0))
            .or(shared.config.suspend_after);
        Self {
            identity: Identity {
                id: start.id,
                incarnation: start.incarnation,
                token: start.token,
                target: start.target,
                mode: start.mode,
                deployment: start.deployment,
                idempotency_key: start.idempotency_key,
                invoked_by: start.invoked_by,
                created_at: start.created_at,
            },
            replay,
            state: start.state,
            host,
            events,
            shared,
            random: None,
            buffered_since: None,
            in_flight: InFlight::default(),
            run: None,
            linger,
        }
    }

    pub fn input(&self) -> (&relight_core::Headers, &Bytes) {
        self.replay.input()
    }

    pub fn is_replaying(&self) -> bool {
        self.replay.is_replaying()
    }

    pub fn now(&self) -> Timestamp {
        self.replay.now()
    }

    /// Index of the next operation.
    pub fn next_index(&self) -> EntryIndex {
        EntryIndex(self.replay.operations())
    }

    pub fn callee(&self, index: EntryIndex) -> Option<InvocationId> {
        self.replay.callee(index)
    }

    /// Whether the target is the run of a workflow.
    pub fn runs_once(&self, target: &Target) -> bool {
        self.host.runs_once(target)
    }

    /// The next bytes of the stream that belongs to this life of the invocation.
    pub fn random(&mut self, bytes: &mut [u8]) {
        let Identity { id, incarnation, .. } = &self.identity;
        self.random.get_or_insert_with(|| random_stream(*id, *incarnation)).fill_bytes(bytes);
    }

    /// Makes an operation. Waits only when too much is proposed and not accepted.
    pub async fn make(&mut self, operation: Operation) -> Result<Made, Stop> {
        let made = self.replay.make(self.shared.now(), operation)?;
        if !made.recorded {
            self.buffered().await?;
        }
        Ok(made)
    }

    pub async fn get_state(&mut self, key: &str) -> Result<Option<Bytes>, Stop> {
        let Self { replay, state, shared, .. } = self;
        let value = replay.get_state(shared.now(), key, || state.get(key)).map_err(read_failed)?;
        self.buffered().await?;
        Ok(value)
    }

    pub async fn state_keys(&mut self) -> Result<Vec<String>, Stop> {
        let Self { replay, state, shared, .. } = self;
        let keys = replay.state_keys(shared.now(), || state.keys()).map_err(read_failed)?;
        self.buffered().await?;
        Ok(keys)
    }

    /// Waits; answers whether it had to block. Its answer is `Ready` or `Cancelled`.
    pub async fn wait(&mut self, mode: WaitMode, handles: &[EntryIndex]) -> Result<(Waited, bool), Stop> {
        self.take_events()?;
        let mut waited = self.ask(mode, handles)?;
        if waited != Waited::Blocked {
            return Ok((waited, false));
        }
        self.flush();
        let mut linger = self.linger_until();
        if linger.is_none() {
            self.suspend(mode, handles);
        }
        while waited == Waited::Blocked {
            match self.next_event(linger).await {
                Some(event) => self.apply(event)?,
                // The leader answers by dropping this attempt; or what it waits for was on its way already.
                None => {
                    linger = None;
                    self.suspend(mode, handles);
                }
            }
            self.take_events()?;
            waited = self.ask(mode, handles)?;
        }
        Ok((waited, true))
    }

    /// What completed a handle that a wait has answered.
    pub fn value(&self, index: EntryIndex) -> Option<&relight_core::Value> {
        self.replay.value(index)
    }

    /// The inline run whose work is being done.
    pub fn live_run(&self) -> Option<&LiveRun> {
        self.run.as_ref()
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Begins an inline run: its recorded result, or `None` when the work is to be done now. Then everything made so
    /// far is accepted: real work stands on nothing that could vanish.
    pub async fn start_run(&mut self, run: LiveRun) -> Result<Option<Outcome>, Stop> {
        if let Some(outcome) = self.replay.start_run(&run.name)? {
            return Ok(Some(outcome));
        }
        self.flush();
        self.take_events()?;
        while !self.replay.is_accepted() {
            if let Some(event) = self.next_event(None).await {
                self.apply(event)?;
            }
        }
        self.run = Some(run);
        Ok(None)
    }

    /// The work of the live run is done. The attempt ends with its result.
    pub fn finish_run(&mut self, outcome: Outcome) -> Result<(), Stop> {
        let run = self.run.take().expect("the caller has seen the live run");
        self.replay.make(self.shared.now(), Operation::Run { name: run.name, outcome })?;
        self.propose_batch(Then::StartOver);
        Ok(())
    }

    /// The work of the live run has failed. The attempt ends; the run's policy says when there is another.
    pub fn fail_run(&mut self, error: EffectError) {
        let LiveRun { name, retry, .. } = self.run.take().expect("the caller has seen the live run");
        let Identity { id, token, .. } = self.identity;
        let operations = self.replay.operations();
        self.host.propose(Command::RunFailed { id, token, operations, name, error, retry });
    }

    /// The handler has returned: its output is proposed with all that is buffered.
    pub fn finish(&mut self, outcome: Outcome) -> Result<(), Stop> {
        if let Some(run) = &self.run {
            return Err(Stop::Misuse(format!("the handler returned inside the run `{}`", run.name)));
        }
        self.replay.finish(self.shared.now(), outcome)?;
        self.flush();
        Ok(())
    }

    /// The attempt has ended without a result. What it made before counts.
    pub fn fail(&mut self, mut error: AttemptError) {
        self.flush();
        error.index = error.index.or_else(|| self.replay.operations().checked_sub(1).map(EntryIndex));
        let Identity { id, token, .. } = self.identity;
        self.host.propose(Command::AttemptFailed { id, token, error });
    }

    /// Old entries do not wait for a handler that computes.
    pub fn tick(&mut self) {
        if self.buffered_since.is_some_and(|since| since.elapsed() >= BUFFER_AGE_MAX) {
            self.flush();
        }
    }
}

impl Durable {
    fn ask(&mut self, mode: WaitMode, handles: &[EntryIndex]) -> Result<Waited, Stop> {
        let waited = self.replay.wait(mode, handles).map_err(|error| match error {
            WaitError::Make(error) => error.into(),
            WaitError::UnknownHandle(_) | WaitError::Empty => Stop::Misuse(error.to_string()),
        })?;
        if self.replay.buffered_entries() > 0 && self.buffered_since.is_none() {
            // The delivery of a cancellation.
            self.buffered_since = Some(Instant::now());
        }
        Ok(waited)
    }

    /// `None`: not at all.
    fn linger_until(&self) -> Option<tokio::time::Instant> {
        let linger = self.linger.unwrap_or_else(|| self.shared.linger());
        // A timeout beyond any clock means to linger for ever; a year is as good.
        const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
        (!linger.is_zero()).then(|| tokio::time::Instant::now() + linger.min(FOR_EVER))
    }

    /// `None` when it is time to suspend; without `linger` it never is.
    async fn next_event(&mut self, linger: Option<tokio::time::Instant>) -> Option<AttemptEvent> {
        let event = match linger {
            None => self.events.recv().await,
            Some(until) => match tokio::time::timeout_at(until, self.events.recv()).await {
                Ok(event) => event,
                Err(_) => return None,
            },
        };
        match event {
            Some(event) => Some(event),
            // The handle is dropped, and with it this task is about to be.
            None => std::future::pending().await,
        }
    }

    fn suspend(&mut self, mode: WaitMode, handles: &[EntryIndex]) {
        self.shared.counters.suspensions_proposed.increment();
        let Identity { id, token, .. } = self.identity;
        let wait = Wait { operations: self.replay.operations(), mode, handles: handles.to_vec() };
        self.host.propose(Command::Suspend { id, token, wait });
    }

    fn take_events(&mut self) -> Result<(), Stop> {
        while let Ok(event) = self.events.try_recv() {
            self.apply(event)?;
        }
        Ok(())
    }

    fn apply(&mut self, event: AttemptEvent) -> Result<(), Stop> {
        match event {
            AttemptEvent::Accepted { operations } => {
                self.replay.accepted(operations);
                self.in_flight.accepted(operations);
                Ok(())
            }
            AttemptEvent::Notification { position, notification } => {
                self.replay.notify(position, notification).map_err(|damaged| Stop::Host(damaged.to_string()))
            }
        }
    }

    /// An operation may have been buffered.
    async fn buffered(&mut self) -> Result<(), Stop> {
        let entries = self.replay.buffered_entries() as usize;
        if entries == 0 {
            return Ok(());
        }
        let since = *self.buffered_since.get_or_insert_with(Instant::now);
        if self.replay.buffered_bytes() <= BUFFER_BYTES_MAX
            && entries < BUFFER_ENTRIES_MAX
            && since.elapsed() < BUFFER_AGE_MAX
        {
            return Ok(());
        }
        self.flush();
        while self.in_flight.is_full() {
            if let Some(event) = self.next_event(None).await {
                self.apply(event)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.propose_batch(Then::GoOn);
    }

    fn propose_batch(&mut self, then: Then) {
        self.buffered_since = None;
        let bytes = self.replay.buffered_bytes();
        let Some((first, entries)) = self.replay.take_batch() else { return };
        self.in_flight.entries += entries.len();
        self.in_flight.bytes += bytes;
        self.in_flight.batches.push_back(Batch {
            operations: self.replay.operations(),
            entries: entries.len(),
            bytes,
        });
        let Identity { id, token, .. } = self.identity;
        self.host.propose(Command::Append { id, token, first, entries, then });
    }
}

fn read_failed(error: GetError<TablesError>) -> Stop {
    match error {
        GetError::Make(error) => error.into(),
        GetError::Read(error) => Stop::Host(format!("failed to read the state: {error}")),
    }
}

fn random_stream(id: InvocationId, incarnation: Incarnation) -> ChaCha12Rng {
    let mut hasher = blake3::Hasher::new_derive_key("relight 2025 random stream of an invocation");
    hasher.update(&id.to_bytes());
    hasher.update(&incarnation.0.to_be_bytes());
    ChaCha12Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use relight_core::ids::{Lsn, PartitionKey};

    #[test]
    fn random_stream_belongs_to_one_life_of_one_invocation() {
        let id = |unique| InvocationId { key: PartitionKey(1), unique };
        let first = |id, incarnation| random_stream(id, incarnation).next_u64();
        assert_eq!(first(id(1), Lsn(1)), first(id(1), Lsn(1)));
        assert_ne!(first(id(1), Lsn(1)), first(id(1), Lsn(2)));
        assert_ne!(first(id(1), Lsn(1)), first(id(2), Lsn(1)));
    }
}
