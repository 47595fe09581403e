//! The durable side of a handler's attempt: its journal, what it proposes, and how it waits.
//!
//! Entries are buffered and ride together. They are proposed when the handler blocks or ends, and when the buffer is
//! large or old; what is proposed but not accepted is bounded. Nothing here knows about WebAssembly.
//!
//! A recorded journal is verified by the same code without a leader ([`Outside::Nothing`]): where an attempt would have
//! to reach the outside, the instance is stopped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::RngCore;
use rand_chacha::ChaCha12Rng;
use relight_core::{
    AwakeableId, InvocationId, Operation, Outcome, Target, Timestamp,
    command::{AttemptError, Command, EffectError, Then, Wait, WaitMode},
    ids::{EntryIndex, FencingToken},
    replay::{GetError, Made, Replay, WaitError, Waited},
    retry::RetryPolicy,
    runner::{AttemptEvent, AttemptStart, Host, StateView},
    schema::Deployment,
    tables::TablesError,
};
use tokio::sync::mpsc;

use crate::{
    guest::Stop,
    http::AllowList,
    identity::{Identity, Seen},
    in_flight::{Batch, InFlight},
    limits::{BUFFER_AGE_MAX, BUFFER_BYTES_MAX, BUFFER_ENTRIES_MAX},
    patience::{Linger, Patience, Until},
    random::random_stream,
    runner::Shared,
    verify::{Recorded, Verification, goes_on},
};

pub(crate) struct Durable {
    pub identity: Identity,
    replay: Replay,
    outside: Outside,
    shared: Arc<Shared>,
    random: Option<ChaCha12Rng>,
    /// When the oldest operation of the buffer was made.
    buffered_since: Option<Instant>,
    in_flight: InFlight,
    run: Option<LiveRun>,
    patience: Patience,
}

/// What can be reached besides the journal.
enum Outside {
    Leader(Leader),
    /// Nothing is proposed and nothing comes back: a record is verified.
    Nothing(Verification),
}

struct Leader {
    token: FencingToken,
    host: Arc<dyn Host>,
    state: Arc<dyn StateView>,
    /// Not bounded here: a journal's limits bound what can arrive.
    events: mpsc::UnboundedReceiver<AttemptEvent>,
}

/// An inline run between its start and its end.
pub(crate) struct LiveRun {
    pub name: String,
    pub retry: RetryPolicy,
    pub allow: AllowList,
}

impl Durable {
    pub fn new(
        start: AttemptStart,
        replay: Replay,
        host: Arc<dyn Host>,
        events: mpsc::UnboundedReceiver<AttemptEvent>,
        shared: Arc<Shared>,
        linger: Linger,
    ) -> Self {
        Self {
            identity: Identity {
                id: start.id,
                incarnation: start.incarnation,
                target: start.target,
                mode: start.mode,
                deployment: start.deployment,
                idempotency_key: start.idempotency_key,
                invoked_by: start.invoked_by,
                created_at: start.created_at,
                restarted: start.restarted,
            },
            replay,
            outside: Outside::Leader(Leader { token: start.token, host, state: start.state, events }),
            shared,
            random: None,
            buffered_since: None,
            in_flight: InFlight::default(),
            run: None,
            patience: Patience::new(linger),
        }
    }

    /// For verifying a record, whose journal is in `replay` already.
    pub fn recorded(
        recorded: &Recorded,
        replay: Replay,
        deployment: Arc<Deployment>,
        verification: Verification,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            identity: Identity {
                id: recorded.id,
                incarnation: recorded.incarnation,
                target: recorded.target.clone(),
                mode: recorded.mode,
                deployment,
                idempotency_key: recorded.idempotency_key.clone(),
                invoked_by: recorded.invoked_by,
                created_at: recorded.created_at,
                restarted: recorded.restarted.clone(),
            },
            replay,
            outside: Outside::Nothing(verification),
            shared,
            random: None,
            buffered_since: None,
            in_flight: InFlight::default(),
            run: None,
            // Nothing ever waits.
            patience: Patience::new(Linger::For(Duration::ZERO)),
        }
    }

    pub fn input(&self) -> (&relight_core::Headers, &Bytes) {
        self.replay.input()
    }

    pub fn is_replaying(&self) -> bool {
        self.replay.is_replaying()
    }

    /// Operations that the record had when the attempt began, as far as they are made.
    pub fn recorded_operations(&self) -> u32 {
        self.replay.operations() - self.replay.buffered_entries()
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

    /// The invocation as which the handler makes its next operation: another one while it replays what was copied.
    pub fn seen_as(&self) -> Seen<'_> {
        self.identity.at(self.next_index())
    }

    /// Public id of the awakeable at `index`.
    pub fn awakeable_id(&self, index: EntryIndex) -> AwakeableId {
        let Seen { id, incarnation, .. } = self.identity.at(index);
        AwakeableId { invocation: id, incarnation, index }
    }

    /// Whether the target is the run of a workflow.
    pub fn runs_once(&self, target: &Target) -> bool {
        match &self.outside {
            Outside::Leader(leader) => leader.host.runs_once(target),
            // Only the id of a callee depends on it, and there the recorded one counts.
            Outside::Nothing(_) => false,
        }
    }

    /// The next bytes of the stream that belongs to this life of the invocation.
    pub fn random(&mut self, bytes: &mut [u8]) {
        let (id, incarnation) = self.identity.seed();
        self.random.get_or_insert_with(|| random_stream(id, incarnation)).fill_bytes(bytes);
    }

    /// Makes an operation. Waits only when too much is proposed and not accepted.
    pub async fn make(&mut self, operation: Operation) -> Result<Made, Stop> {
        let due = if let Operation::Timer { due, .. } = &operation { Some(*due) } else { None };
        let Self { replay, outside, shared, .. } = self;
        let made = match outside {
            Outside::Leader(_) => replay.make(shared.now(), operation)?,
            Outside::Nothing(verification) => {
                let made = replay.make(shared.now(), operation.clone())?;
                verification.make(made, operation)?;
                made
            }
        };
        if let Some(due) = due {
            self.patience.timer(made.index, due.instant(self.replay.now()));
        }
        if !made.recorded {
            self.buffered().await?;
        }
        Ok(made)
    }

    pub async fn get_state(&mut self, key: &str) -> Result<Option<Bytes>, Stop> {
        let Self { replay, outside, shared, .. } = self;
        let index = replay.operations();
        let read = || match outside {
            Outside::Leader(leader) => leader.state.get(key).map_err(unreadable),
            Outside::Nothing(_) => Err(goes_on(&Operation::GetState { key: key.to_owned(), value: None })),
        };
        let value = replay.get_state(shared.now(), key, read).map_err(read_failed)?;
        if let Outside::Nothing(verification) = outside
            && index < replay.operations()
        {
            verification
                .read(EntryIndex(index), Operation::GetState { key: key.to_owned(), value: value.clone() });
        }
        self.buffered().await?;
        Ok(value)
    }

    pub async fn state_keys(&mut self) -> Result<Vec<String>, Stop> {
        let Self { replay, outside, shared, .. } = self;
        let index = replay.operations();
        let read = || match outside {
            Outside::Leader(leader) => leader.state.keys().map_err(unreadable),
            Outside::Nothing(_) => Err(goes_on(&Operation::StateKeys { keys: Vec::new() })),
        };
        let keys = replay.state_keys(shared.now(), read).map_err(read_failed)?;
        if let Outside::Nothing(verification) = outside
            && index < replay.operations()
        {
            verification.read(EntryIndex(index), Operation::StateKeys { keys: keys.clone() });
        }
        self.buffered().await?;
        Ok(keys)
    }

    /// Waits; answers whether it had to block. Its answer is `Ready` or `Cancelled`. `memory_bytes`: what the instance
    /// has.
    pub async fn wait(
        &mut self,
        mode: WaitMode,
        handles: &[EntryIndex],
        memory_bytes: u64,
    ) -> Result<(Waited, bool), Stop> {
        self.take_events()?;
        let mut waited = self.ask(mode, handles)?;
        if let Outside::Nothing(verification) = &self.outside {
            verification.wait(&self.replay, waited, mode, handles)?;
        }
        if waited != Waited::Blocked {
            return Ok((waited, false));
        }
        self.flush();
        // Until the instance goes on or is gone: it takes room as long as it is there.
        let until = self.patience.blocks(&self.shared, mode, handles, memory_bytes);
        let mut suspends = until.is_none();
        if suspends {
            self.suspend(mode, handles);
        }
        while waited == Waited::Blocked {
            match self.next_event(until.as_ref().filter(|_| !suspends)).await {
                Some(event) => self.apply(event)?,
                // The leader answers by dropping this attempt; or what it waits for was on its way already.
                None => {
                    suspends = true;
                    self.suspend(mode, handles);
                }
            }
            self.take_events()?;
            waited = self.ask(mode, handles)?;
        }
        if !suspends {
            self.shared.counters.waits_kept.increment();
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
    pub async fn start_run(&mut self, name: String, retry: RetryPolicy) -> Result<Option<Outcome>, Stop> {
        let recorded = self.replay.start_run(&name)?;
        if let Outside::Nothing(verification) = &self.outside {
            verification.start_run(&self.replay, name, recorded.as_ref())?;
            return Ok(recorded);
        }
        if recorded.is_some() {
            return Ok(recorded);
        }
        self.flush();
        self.take_events()?;
        while !self.replay.is_accepted() {
            if let Some(event) = self.next_event(None).await {
                self.apply(event)?;
            }
        }
        let allow = AllowList::new(&self.identity.deployment.allow_http);
        self.run = Some(LiveRun { name, retry, allow });
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
        let operations = self.replay.operations();
        self.propose(|id, token| Command::RunFailed { id, token, operations, name, error, retry });
    }

    /// The handler has returned: its output is proposed with all that is buffered.
    pub fn finish(&mut self, outcome: Outcome) -> Result<(), Stop> {
        if let Some(run) = &self.run {
            return Err(Stop::Misuse(format!("the handler returned inside the run `{}`", run.name)));
        }
        match &self.outside {
            Outside::Leader(_) => self.replay.finish(self.shared.now(), outcome)?,
            Outside::Nothing(verification) => {
                self.replay.finish(self.shared.now(), outcome.clone())?;
                verification.finish(&self.replay, outcome)?;
            }
        }
        self.flush();
        Ok(())
    }

    /// The attempt has ended without a result. What it made before counts.
    pub fn fail(&mut self, mut error: AttemptError) {
        self.flush();
        error.index = error.index.or_else(|| self.replay.operations().checked_sub(1).map(EntryIndex));
        self.propose(|id, token| Command::AttemptFailed { id, token, error });
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

    /// `None` when it is time to suspend; without `until` it never is.
    async fn next_event(&mut self, until: Option<&Until>) -> Option<AttemptEvent> {
        let Outside::Leader(leader) = &mut self.outside else { unreachable!("{ALONE}") };
        let event = match until {
            None => leader.events.recv().await,
            Some(until) => tokio::select! {
                biased;
                event = leader.events.recv() => event,
                () = until.over() => return None,
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
        let wait = Wait { operations: self.replay.operations(), mode, handles: handles.to_vec() };
        self.propose(|id, token| Command::Suspend { id, token, wait });
    }

    fn take_events(&mut self) -> Result<(), Stop> {
        while let Outside::Leader(leader) = &mut self.outside
            && let Ok(event) = leader.events.try_recv()
        {
            self.apply(event)?;
        }
        Ok(())
    }

    fn apply(&mut self, event: AttemptEvent) -> Result<(), Stop> {
        match event {
            AttemptEvent::Accepted { operations, provisional } => {
                provisional.into_iter().for_each(|lsn| self.replay.provisional(lsn));
                self.replay.accepted(operations);
                self.in_flight.accepted(operations);
                Ok(())
            }
            AttemptEvent::Durable { upto } => {
                self.replay.durable(upto);
                Ok(())
            }
            AttemptEvent::Notification { position, notification, provisional } => {
                provisional.into_iter().for_each(|lsn| self.replay.provisional(lsn));
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
        self.in_flight.push(Batch { operations: self.replay.operations(), entries: entries.len(), bytes });
        self.propose(|id, token| Command::Append { id, token, first, entries, then });
    }

    fn propose(&self, command: impl FnOnce(InvocationId, FencingToken) -> Command) {
        let Outside::Leader(leader) = &self.outside else { unreachable!("{ALONE}") };
        leader.host.propose(command(self.identity.id, leader.token));
    }
}

/// Why a verification never gets to where an attempt needs its leader.
const ALONE: &str = "the instance is stopped where its record ends";

fn unreadable(error: TablesError) -> Stop {
    Stop::Host(format!("failed to read the state: {error}"))
}

fn read_failed(error: GetError<Stop>) -> Stop {
    match error {
        GetError::Make(error) => error.into(),
        GetError::Read(stop) => stop,
    }
}
