//! [`World`]: a node of one partition in one thread. As in a server everything that is queued is applied, and guests run, until
//! none has anything to do; all of it goes into the log in one append, which one pass of the driver makes durable; and
//! what leaves the partition does so.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use relight_core::{
    Action, Command, Deployment, DeploymentId, Digest, InvocationId, LeaderEpoch, Lsn, PartitionId,
    PartitionKey, RequestId, Service, Target, Timestamp,
    command::{NewInvocation, Origin},
    machine::{self, Partition},
    placement::{Partitioning, placed},
    runner::{Attempt, AttemptStart, EffectStart, Host, Runner, Slot, StateView, Work},
    tables::TablesError,
};
use relight_executor::{CompileLimits, CompileWorker, Executor, ExecutorConfig, limits};
use relight_log::{
    Epoch, Log as _, ReadLimit,
    raft::{Driver, GroupLog, Options},
};
use relight_partition::{Delivery, Leader, Reach, Transport};
use relight_storage::format::{decode_record, encode_record};
use tokio::{
    sync::mpsc,
    task::yield_now,
    time::{Instant, timeout},
};

use crate::count::{CountingDisk, CountingTables, Counts, allocations};

const MEMORY_BYTES_MAX: u64 = 64 << 20;
/// More than ever run at once, callers and callees: none is refused, and nobody waits for capacity.
const ATTEMPTS_MAX: usize = 200;
/// Nobody lingers so long: what waits has its answer in the next turn.
const SUSPEND_AFTER: Duration = Duration::from_secs(3600);
const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// Times that all other tasks are polled. Guests run in the first, unless the machine stops one in the middle.
const IDLE_ROUNDS: u32 = 8;
/// Components are loaded meanwhile; a guest that proposes nothing for so long never will.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    Greet,
    Counter,
    Steps10,
    Rpc,
}

/// A bug on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// What an attempt proposes is appended twice; `apply` takes no notice of the second.
    OneMoreAppend,
}

impl Workload {
    pub const ALL: [Self; 4] = [Self::Greet, Self::Counter, Self::Steps10, Self::Rpc];

    pub fn name(self) -> &'static str {
        match self {
            Self::Greet => "greet",
            Self::Counter => "counter",
            Self::Steps10 => "steps10",
            Self::Rpc => "rpc",
        }
    }

    fn target(self, n: u128) -> Target {
        let (service, handler) = match self {
            Self::Greet => ("Greeter", "greet"),
            Self::Counter => ("Counter", "add"),
            Self::Steps10 => ("Steps", "steps"),
            Self::Rpc => ("Rpc", "call"),
        };
        // As many digits for every key: as many bytes.
        let key = (self == Self::Counter).then(|| format!("k{n:09}").into());
        Target { service: service.into(), key, handler: handler.into() }
    }

    /// What goes in and what must come out.
    fn body(self) -> (&'static str, &'static str) {
        match self {
            Self::Greet | Self::Rpc => (r#"{"n":1}"#, r#"{"n":1}"#),
            Self::Counter => ("1", "1"),
            Self::Steps10 => (r#"{"n":10}"#, "45"),
        }
    }
}

pub struct World {
    partition: Partition,
    tables: CountingTables,
    leader: Option<Leader>,
    runner: Counting,
    driver: Driver,
    log: GroupLog,
    applied: Lsn,
    durable: Lsn,
    /// What leaves the partition, once the log has it.
    held: Vec<Action>,
    disk: Arc<CountingDisk>,
    host: Arc<Queue>,
    proposals: mpsc::UnboundedReceiver<Command>,
    queue: Vec<Command>,
    epoch: LeaderEpoch,
    now: Instant,
    records: u64,
    minted: u128,
    /// What must come out of those that are under way.
    open: BTreeMap<InvocationId, &'static str>,
    planted: Option<Planted>,
}

impl World {
    /// A node that leads, with the handlers of components/bench deployed.
    pub async fn start(planted: Option<Planted>) -> Self {
        let partition = Partition { id: PartitionId(0), partitioning: Partitioning::new(1) };
        let disk = Arc::new(CountingDisk::default());
        let (driver, mut logs) =
            Driver::open_on(disk.clone(), &Options::new("", 1)).expect("an empty log opens");
        let log = logs.pop().expect("there is one group");
        let (sender, proposals) = mpsc::unbounded_channel();
        let mut world = Self {
            partition,
            tables: CountingTables::default(),
            leader: None,
            runner: Counting { executor: executor(), state_reads: Arc::default() },
            driver,
            applied: Lsn::ZERO,
            durable: Lsn::ZERO,
            held: Vec::new(),
            log,
            disk,
            host: Arc::new(Queue(sender)),
            proposals,
            queue: Vec::new(),
            epoch: LeaderEpoch::ZERO,
            now: Instant::now(),
            records: 0,
            minted: 0,
            open: BTreeMap::new(),
            planted,
        };
        world.driver.pass(Duration::ZERO).expect("the disk does not fail");
        let epoch = world.log.state().leading().expect("the only voter leads");
        world.epoch = LeaderEpoch(epoch.0);
        world.begin();
        world.deploy().await;
        world
    }

    async fn deploy(&mut self) {
        let component = fs::read(component()).unwrap_or_else(|error| {
            panic!("run `cargo xtask components` first: `{}`: {error}", component().display())
        });
        let checked = self.runner.executor.check(component.into(), MEMORY_BYTES_MAX).await;
        let checked = checked.expect("the component is good");
        let id = DeploymentId(1);
        let services: Vec<Service> =
            checked.services.into_iter().map(|service| Service { deployment: id, ..service }).collect();
        let deployment = Deployment {
            id,
            digest: checked.digest,
            size_bytes: checked.size_bytes,
            created_at: NOW,
            allow_http: Vec::new(),
            env: Vec::new(),
            memory_bytes_max: MEMORY_BYTES_MAX,
            services: services.iter().map(|service| service.name.clone()).collect(),
            effects: checked.effects,
            sdk: checked.sdk,
            metadata: Vec::new(),
        };
        let request = self.request();
        self.queue.push(Command::Deploy { request, deployment, services });
        self.turn().await;
    }

    /// Runs so many invocations to their end, so many at once.
    pub async fn run(&mut self, workload: Workload, invocations: u64, at_once: u64) {
        assert_eq!(invocations % at_once, 0);
        for _ in 0..invocations / at_once {
            (0..at_once).for_each(|_| self.invoke(workload));
            while !self.open.is_empty() {
                self.turn().await;
            }
        }
    }

    pub fn counts(&self) -> Counts {
        let executor = self.runner.executor.stats();
        Counts([
            self.records,
            self.disk.bytes.load(Ordering::Relaxed),
            self.disk.syncs.load(Ordering::Relaxed),
            executor.instances_created,
            executor.host_calls,
            executor.items_replayed,
            self.runner.state_reads.load(Ordering::Relaxed),
            self.tables.gets.get(),
            self.tables.scans.get(),
            self.tables.puts,
            self.tables.deletes,
            allocations(),
        ])
    }

    fn request(&mut self) -> RequestId {
        self.minted += 1;
        RequestId::new(NOW.0, self.minted)
    }

    fn invoke(&mut self, workload: Workload) {
        let request = self.request();
        let target = workload.target(self.minted);
        let key = placed(&target, None).unwrap_or(PartitionKey(0));
        let id = InvocationId { key, unique: self.minted };
        let (input, output) = workload.body();
        let invocation = NewInvocation {
            id,
            target,
            input: input.into(),
            headers: Vec::new(),
            idempotency_key: None,
            due: None,
            origin: Origin::Ingress,
        };
        self.open.insert(id, output);
        self.queue.push(Command::Invoke { request, invocation });
    }

    /// Everything that is queued and what follows from it at once, up to where it waits for the log, and from there on.
    async fn turn(&mut self) {
        if self.queue.is_empty() {
            let command = timeout(PATIENCE, self.proposals.recv()).await;
            let command =
                command.unwrap_or_else(|_| panic!("nothing happens, and {} are open", self.open.len()));
            self.propose(command.expect("the host holds the other end"));
        }
        let mut records = Vec::new();
        while !self.queue.is_empty() {
            for command in std::mem::take(&mut self.queue) {
                let payload = encode_record(NOW, &command);
                self.applied = self.applied.next();
                self.apply(self.applied, payload.clone());
                records.push(payload);
            }
            self.go_on().await;
        }
        let first = self.durable.next();
        let ticket = self.log.append_at(Epoch(self.epoch.0), Some(relight_log::Lsn(first.0)), records);
        self.driver.pass(Duration::ZERO).expect("the disk does not fail");
        ticket.await.expect("the leader's append is taken");
        self.durable = self.applied;
        if let Some(leader) = &mut self.leader {
            leader.durable(self.durable);
        }
        for action in std::mem::take(&mut self.held) {
            self.act(action);
        }
        self.go_on().await;
    }

    /// Reads what the log has before this node leads: its own announcement.
    fn begin(&mut self) {
        let ticket = self.log.append(
            Epoch(self.epoch.0),
            vec![encode_record(NOW, &Command::AnnounceLeader { epoch: self.epoch })],
        );
        self.driver.pass(Duration::ZERO).expect("the disk does not fail");
        drop(ticket);
        let mut reader = self.log.reader(relight_log::Lsn(1)).expect("nothing is trimmed");
        let mut stored = Vec::new();
        while reader.try_read(ReadLimit::default(), &mut stored).expect("the log is whole") {
            for stored in stored.drain(..) {
                let lsn = Lsn(stored.lsn.0);
                (self.applied, self.durable) = (lsn, lsn);
                self.apply(lsn, stored.payload);
            }
        }
    }

    fn apply(&mut self, lsn: Lsn, payload: bytes::Bytes) {
        let record = decode_record(lsn, payload).expect("it was just encoded");
        if let Some(leader) = &mut self.leader {
            leader.applied(&record.command, self.now);
        }
        self.records += 1;
        let mut actions = Vec::new();
        machine::apply(&self.partition, &mut self.tables, record, &mut actions)
            .expect("memory does not fail");
        for action in actions {
            if action.leaves() && self.durable < self.applied {
                self.held.push(action);
            } else {
                self.act(action);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::LeaderAnnounced { epoch } => {
                let host: Arc<dyn Host> = self.host.clone();
                let leader = Leader::begin(&self.partition, epoch, &self.tables, host);
                self.leader = Some(leader.expect("memory does not fail"));
            }
            Action::Completed { id, outcome, .. } => {
                // Callees complete, too.
                if let Some(expected) = self.open.remove(&id) {
                    assert_eq!(outcome.as_deref(), Ok(expected.as_bytes()));
                }
            }
            Action::Answer { .. } | Action::SchemaChanged => {}
            action => {
                let provisional = self.reach().provisional().filter(|_| !action.leaves());
                let leader = self.leader.as_mut().expect("nothing happens before it leads");
                leader.act(&self.partition, action, &Nowhere, provisional);
            }
        }
    }

    fn reach(&self) -> Reach {
        Reach { applied: self.applied, durable: self.durable }
    }

    /// Starts what is ready, and lets guests run until none has anything to do.
    async fn go_on(&mut self) {
        let reach = self.reach();
        if let Some(leader) = &mut self.leader {
            let proposed = leader.propose(&self.tables, &Nowhere, NOW, self.now);
            self.queue.extend(proposed.expect("memory does not fail"));
            leader
                .start_ready(&self.tables, &self.runner, reach, Instant::now() + SUSPEND_AFTER)
                .expect("memory does not fail");
        }
        for _ in 0..IDLE_ROUNDS {
            yield_now().await;
            while let Ok(command) = self.proposals.try_recv() {
                self.propose(command);
            }
        }
    }

    fn propose(&mut self, command: Command) {
        if self.planted == Some(Planted::OneMoreAppend) && matches!(command, Command::Append { .. }) {
            self.queue.push(command.clone());
        }
        self.queue.push(command);
    }
}

fn executor() -> Arc<Executor> {
    let config = ExecutorConfig {
        component_path: Arc::new(|_: Digest| component()),
        // Kept from run to run: files in it appear complete or not at all.
        native_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("quick"),
        attempts_max: ATTEMPTS_MAX,
        effects_max: 1,
        suspend_after: Some(SUSPEND_AFTER),
        warm_bytes_max: limits::WARM_BYTES_DEFAULT,
        keep: relight_executor::keep,
        memory_bytes_max: MEMORY_BYTES_MAX,
        clock: Arc::new(|| NOW),
        compile_worker: CompileWorker::InProcess,
        compile_limits: CompileLimits::default(),
    };
    Executor::new(config, tokio::runtime::Handle::current()).expect("the executor starts")
}

fn component() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().expect("it is in the target folder").join("components/bench.wasm")
}

/// The executor, with states that count how often they are read.
struct Counting {
    executor: Arc<Executor>,
    state_reads: Arc<AtomicU64>,
}

impl Runner for Counting {
    fn reserve(&self, work: Work, host: &Arc<dyn Host>) -> Option<Slot> {
        self.executor.reserve(work, host)
    }

    fn start_attempt(&self, slot: Slot, start: AttemptStart, host: Arc<dyn Host>) -> Box<dyn Attempt> {
        let state = Arc::new(CountingState { state: start.state, reads: self.state_reads.clone() });
        self.executor.start_attempt(slot, AttemptStart { state, ..start }, host)
    }

    fn start_effect(&self, slot: Slot, start: EffectStart, host: Arc<dyn Host>) -> Box<dyn Send> {
        self.executor.start_effect(slot, start, host)
    }
}

struct CountingState {
    state: Arc<dyn StateView>,
    reads: Arc<AtomicU64>,
}

impl StateView for CountingState {
    fn get(&self, name: &str) -> Result<Option<bytes::Bytes>, TablesError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.state.get(name)
    }

    fn keys(&self) -> Result<Vec<String>, TablesError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.state.keys()
    }
}

/// Where guests propose.
struct Queue(mpsc::UnboundedSender<Command>);

impl Host for Queue {
    fn partition(&self) -> PartitionId {
        PartitionId(0)
    }

    fn runs_once(&self, _: &Target) -> bool {
        false
    }

    fn propose(&self, command: Command) {
        // The world is gone: so is who proposes, in a moment.
        let _ = self.0.send(command);
    }

    fn capacity(&self, work: Work) {
        unreachable!("no {work:?} was refused");
    }
}

/// There is one partition.
struct Nowhere;

impl Transport for Nowhere {
    fn send(&self, destination: PartitionId, _: Delivery) {
        unreachable!("{destination} is this partition");
    }
}
