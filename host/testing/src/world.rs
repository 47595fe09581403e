//! [`World`]: one run. Commands become records, records are applied, actions are carried out; the clock moves when
//! nothing else can happen, and the process dies when it is told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use relight_core::{
    Action, Answer, DurationMs, EntryIndex, FencingToken, InvocationId, LeaderEpoch, Lsn, Outcome,
    PartitionId, Record, RequestId, Service, Target, Timestamp,
    command::{AttemptError, AttemptErrorKind, Command},
    machine::{self, Partition},
    placement::Partitioning,
    runner::{AttemptEvent, Host, Work as Kind},
    schema::HandlerMode,
    tables::{
        Invocation, Key, MemoryTables, Prefix, ReadTables as _, ReadTablesExt as _, Row, TablesError,
        TimerKey, TimerKind,
    },
};
use tokio::sync::mpsc;

use crate::{
    attempts::Instance,
    engine::Engine,
    limits::{LSN_STRIDE, RECORDS_PER_STEP_MAX, TIMERS_PER_WAIT_MAX},
    outside::{EffectEnd, Outside},
    view,
};

/// A run cannot go on, and no handler is to blame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorldError {
    #[error(transparent)]
    Tables(#[from] TablesError),
    #[error("{0}")]
    Broken(String),
    #[error("gave up after {RECORDS_PER_STEP_MAX} records: do handlers call or send to themselves for ever?")]
    EndlessRecords,
    #[error("gave up after {TIMERS_PER_WAIT_MAX} timers: does something wait or retry for ever?")]
    EndlessTimers,
}

/// Something that is ready to run, in the order in which it got so; the order survives the death of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Work {
    pub attempt: Lsn,
    pub id: InvocationId,
    pub effect: Option<EntryIndex>,
}

/// What happens to an invocation on purpose, once.
#[derive(Clone, Debug)]
pub(crate) struct Mishap {
    pub target: Target,
    /// After this entry is accepted.
    pub at: EntryIndex,
    /// The last invocation of the target that was past this entry before; only later ones are meant.
    pub not_before: Lsn,
    pub kind: MishapKind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum MishapKind {
    /// The process dies.
    Crash,
    /// The attempt ends with a retryable error.
    Fail(String),
}

/// A change of the tables at the death of the process, which no host may make: what a test plants to be found.
pub type Sabotage = fn(&mut MemoryTables);

/// How a run differs from the plain one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Death {
    /// The process dies after so many records.
    pub after_records: Option<u64>,
    pub sabotage: Option<Sabotage>,
}

pub(crate) struct World {
    pub engine: Rc<Engine>,
    pub tables: MemoryTables,
    pub outside: Outside,
    /// How long a waiting handler keeps its instance.
    pub linger: DurationMs,
    /// Results, as those who asked for them have heard them.
    pub results: BTreeMap<InvocationId, Outcome>,
    pub mishaps: Vec<Mishap>,
    /// Applied records, in words.
    pub history: Vec<String>,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) host: Arc<LeaderHost>,
    pub(crate) proposals: mpsc::UnboundedReceiver<Command>,
    pub(crate) work: BTreeSet<Work>,
    pub(crate) running: BTreeMap<InvocationId, Instance>,
    pub(crate) delayed: BTreeMap<(Timestamp, InvocationId, EntryIndex), (Lsn, EffectEnd)>,
    death: Death,
    answer: Option<Answer>,
    /// Log positions that announcements and suspensions have taken since the last record.
    extra: u64,
    requests: u128,
    records_before_step: usize,
}

const PARTITION: PartitionId = PartitionId(0);

fn partition() -> Partition {
    Partition { id: PARTITION, partitioning: Partitioning::new(1) }
}

impl World {
    pub fn new(
        engine: &Rc<Engine>,
        start: Timestamp,
        linger: DurationMs,
        death: Death,
    ) -> Result<Self, WorldError> {
        engine.clock.set(start);
        engine.log.clear();
        let (host, proposals) = LeaderHost::new();
        let mut world = Self {
            engine: Rc::clone(engine),
            tables: MemoryTables::default(),
            outside: Outside::default(),
            linger,
            results: BTreeMap::new(),
            mishaps: Vec::new(),
            history: Vec::new(),
            epoch: LeaderEpoch::ZERO,
            host,
            proposals,
            work: BTreeSet::new(),
            running: BTreeMap::new(),
            delayed: BTreeMap::new(),
            death,
            answer: None,
            extra: 0,
            requests: 0,
            records_before_step: 0,
        };
        world.lead()?;
        Ok(world)
    }

    pub fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// A door's command; `make` gets the request's id.
    pub fn ask(&mut self, make: impl FnOnce(RequestId) -> Command) -> Result<Answer, WorldError> {
        self.records_before_step = self.history.len();
        self.requests += 1;
        let request = RequestId::new(self.now().0, self.requests);
        self.answer = None;
        self.record(make(request))?;
        // A door whose server dies asks again with the same id, and gets the answer that is stored.
        self.answer.take().ok_or_else(|| WorldError::Broken("a door's command got no answer".to_owned()))
    }

    /// Everything that can happen without time passing.
    pub fn settle(&mut self) -> Result<(), WorldError> {
        while let Some(work) = self.work.pop_first() {
            if RECORDS_PER_STEP_MAX < (self.history.len() - self.records_before_step) as u64 {
                return Err(WorldError::EndlessRecords);
            }
            self.run(work)?;
        }
        Ok(())
    }

    /// Lets things happen until `done`, moving the clock from timer to timer if `time_passes`. False: nothing more can
    /// happen.
    pub fn until(
        &mut self,
        time_passes: bool,
        done: impl Fn(&Self) -> Result<bool, WorldError>,
    ) -> Result<bool, WorldError> {
        self.records_before_step = self.history.len();
        for _ in 0..TIMERS_PER_WAIT_MAX {
            self.settle()?;
            if done(self)? {
                return Ok(true);
            }
            match self.next_instant(false)? {
                Some(instant) if time_passes => self.arrive_at(instant)?,
                _ => return Ok(false),
            }
        }
        Err(WorldError::EndlessTimers)
    }

    /// Moves the clock, with everything that happens on the way.
    pub fn skip(&mut self, duration: DurationMs) -> Result<(), WorldError> {
        self.records_before_step = self.history.len();
        let end = self.now().after(duration);
        self.settle()?;
        while let Some(instant) = self.next_instant(true)?.filter(|instant| *instant <= end) {
            self.arrive_at(instant)?;
            self.settle()?;
        }
        self.engine.clock.set(end);
        Ok(())
    }

    /// The process dies and comes back: everything in memory is lost.
    pub fn crash(&mut self) -> Result<(), WorldError> {
        self.running.clear();
        self.work.clear();
        self.delayed.clear();
        (self.host, self.proposals) = LeaderHost::new();
        if let Some(sabotage) = self.death.sabotage {
            sabotage(&mut self.tables);
        }
        self.lead()
    }

    fn lead(&mut self) -> Result<(), WorldError> {
        self.epoch = self.epoch.next();
        self.extra_record(Command::AnnounceLeader { epoch: self.epoch })?;
        self.host.learn(&self.tables)?;
        for action in machine::recover(&partition(), &self.tables)? {
            self.act(action)?;
        }
        Ok(())
    }

    /// Appends a command to the log and applies it. Then the process may die.
    pub(crate) fn record(&mut self, command: Command) -> Result<(), WorldError> {
        self.history.push(view::command(&command, &self.tables)?);
        self.extra = 0;
        let lsn = Lsn(self.history.len() as u64 * LSN_STRIDE);
        let actions = self.apply(lsn, command)?;
        let mishap = self.mishap()?;
        let dies = self.death.after_records == Some(self.history.len() as u64)
            || matches!(&mishap, Some((_, MishapKind::Crash)));
        if dies {
            // The actions are lost with everything else.
            self.crash()?;
        } else {
            actions.into_iter().try_for_each(|action| self.act(action))?;
        }
        match mishap {
            Some((id, MishapKind::Fail(message))) => self.fail_attempt(id, message),
            _ => Ok(()),
        }
    }

    /// A record that leaves the positions of all others as they are.
    pub(crate) fn extra_record(&mut self, command: Command) -> Result<(), WorldError> {
        self.extra += 1;
        let lsn = Lsn(self.history.len() as u64 * LSN_STRIDE + self.extra);
        let actions = self.apply(lsn, command)?;
        actions.into_iter().try_for_each(|action| self.act(action))
    }

    /// Answers the actions; what those outside hear, they hear in any case.
    fn apply(&mut self, lsn: Lsn, command: Command) -> Result<Vec<Action>, WorldError> {
        let record = Record { lsn, time: self.now(), command };
        let mut actions = Vec::new();
        machine::apply(&partition(), &mut self.tables, record, &mut actions)?;
        for action in &actions {
            match action {
                Action::Answer { answer, .. } => self.answer = Some(answer.clone()),
                Action::Completed { id, outcome, .. } => drop(self.results.insert(*id, outcome.clone())),
                Action::SchemaChanged => self.host.learn(&self.tables)?,
                _ => {}
            }
        }
        Ok(actions)
    }

    fn act(&mut self, action: Action) -> Result<(), WorldError> {
        match action {
            Action::Start { id, attempt } => {
                self.work.insert(Work { attempt, id, effect: None });
            }
            Action::StartEffect { id, index, attempt, .. } => {
                self.work.insert(Work { attempt, id, effect: Some(index) });
            }
            Action::Notify { id, position, notification } => {
                if let Some(instance) = self.running.get(&id).filter(|it| it.loaded <= position) {
                    let event = AttemptEvent::Notification { position, notification, provisional: None };
                    instance.handle.event(event);
                }
                self.wake(id)?;
            }
            Action::Accepted { id, attempt, operations } => {
                if let Some(instance) = self.running.get(&id).filter(|it| it.attempt == attempt) {
                    instance.handle.event(AttemptEvent::Accepted { operations, provisional: None });
                }
            }
            // Unless it has made room for a later one already.
            Action::EndAttempt { id, attempt }
                if self.running.get(&id).is_some_and(|it| it.attempt == attempt) =>
            {
                self.running.remove(&id);
            }
            Action::AbortEffect { id, index } => {
                self.delayed.retain(|(_, of, at), _| (*of, *at) != (id, index))
            }
            // Timers are read from the tables; there is no other partition; the rest was heard already.
            _ => {}
        }
        Ok(())
    }

    /// The first mishap whose time has come.
    fn mishap(&mut self) -> Result<Option<(InvocationId, MishapKind)>, WorldError> {
        for place in 0..self.mishaps.len() {
            let Mishap { target, at, not_before, .. } = &self.mishaps[place];
            let meant = self.latest(target)?.filter(|row| *not_before < row.incarnation);
            let hit = meant.filter(|row| at.0 < row.journal.operations);
            if let Some(row) = hit {
                return Ok(Some((row.id, self.mishaps.remove(place).kind)));
            }
        }
        Ok(None)
    }

    fn fail_attempt(&mut self, id: InvocationId, message: String) -> Result<(), WorldError> {
        let attempt = self.tables.invocation(id)?.and_then(|row| row.attempt());
        // It has no attempt: the entry was its last, or it waits for its key.
        let Some(attempt) = attempt else { return Ok(()) };
        let token = FencingToken { epoch: self.epoch, attempt };
        let kind = AttemptErrorKind::Retryable;
        let error = AttemptError { kind, message, index: None, retry_after: None };
        self.record(Command::AttemptFailed { id, token, error })
    }

    /// The invocation of `target` that was made last.
    pub fn latest(&self, target: &Target) -> Result<Option<Box<Invocation>>, WorldError> {
        let rows = self.tables.scan(&Prefix::Invocation, None, usize::MAX)?;
        let own = rows.into_iter().filter_map(|(_, row)| match row {
            Row::Invocation(row) if row.target == *target => Some(row),
            _ => None,
        });
        Ok(own.max_by_key(|row| row.incarnation))
    }

    /// When something happens by itself. `purges`: also what only ends a retention.
    pub fn next_instant(&self, purges: bool) -> Result<Option<Timestamp>, WorldError> {
        let timer = self.next_timer(purges)?.map(|timer| timer.due);
        let delayed = self.delayed.keys().next().map(|(instant, ..)| *instant);
        let lingers = self.running.values().filter_map(|instance| instance.suspends_at(self.linger));
        let instant = [timer, delayed].into_iter().flatten().chain(lingers).min();
        Ok(instant.map(|instant| instant.max(self.now())))
    }

    fn next_timer(&self, purges: bool) -> Result<Option<TimerKey>, WorldError> {
        let counts = |timer: &TimerKey| {
            let purge =
                matches!(timer.kind, TimerKind::Purge | TimerKind::PurgeJournal | TimerKind::PurgeWorkflow);
            purges || !purge
        };
        let timers = self.tables.rows().range(first_timer()..).map_while(|(key, _)| match key {
            Key::Timer(timer) => Some(timer),
            _ => None,
        });
        Ok(timers.into_iter().find(|timer| counts(timer)).cloned())
    }

    /// It is `instant`: the first thing that is due happens.
    fn arrive_at(&mut self, instant: Timestamp) -> Result<(), WorldError> {
        self.engine.clock.set(instant);
        let lingering = self
            .running
            .iter()
            .find(|(_, instance)| instance.suspends_at(self.linger).is_some_and(|until| until <= instant));
        if let Some((id, _)) = lingering {
            let id = *id;
            return self.suspend(id);
        }
        if let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= instant) {
            let ((_, id, index), (attempt, end)) = entry.remove_entry();
            return self.end_effect(id, index, attempt, end);
        }
        match self.next_timer(true)?.filter(|timer| timer.due <= instant) {
            Some(timer) => self.record(Command::TimerFired { timer }),
            None => Ok(()),
        }
    }
}

/// A key that is not above any timer's, and above all that come before timers.
fn first_timer() -> Key {
    let id = InvocationId { key: relight_core::PartitionKey(0), unique: 0 };
    let kind = TimerKind::Sleep(EntryIndex::ZERO);
    Key::Timer(TimerKey { due: Timestamp(0), id, incarnation: Lsn::ZERO, kind })
}

/// The leader of one life of the process, as attempts see it.
pub(crate) struct LeaderHost {
    proposals: mpsc::UnboundedSender<Command>,
    services: Mutex<BTreeMap<Arc<str>, Arc<Service>>>,
}

impl LeaderHost {
    fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Command>) {
        let (sender, proposals) = mpsc::unbounded_channel();
        (Arc::new(Self { proposals: sender, services: Mutex::default() }), proposals)
    }

    fn learn(&self, tables: &MemoryTables) -> Result<(), TablesError> {
        let rows = tables.scan(&Prefix::Service, None, usize::MAX)?;
        let services = rows.into_iter().filter_map(|(_, row)| match row {
            Row::Service(service) => Some((Arc::clone(&service.name), service)),
            _ => None,
        });
        *self.services.lock().unwrap_or_else(PoisonError::into_inner) = services.collect();
        Ok(())
    }
}

impl Host for LeaderHost {
    fn partition(&self) -> PartitionId {
        PARTITION
    }

    fn runs_once(&self, target: &Target) -> bool {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let handler = services.get(&target.service).and_then(|service| service.handler(&target.handler));
        handler.is_some_and(|handler| handler.mode == HandlerMode::Workflow)
    }

    fn propose(&self, command: Command) {
        // A leader that is gone has dropped the other end.
        let _ = self.proposals.send(command);
    }

    fn capacity(&self, _work: Kind) {}
}
