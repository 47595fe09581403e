//! An executor, and a leader that keeps journal and state of one invocation in memory.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use relight_core::{
    Failure, InvocationId, JournalItem, Notification, Operation, Outcome, Target, Timestamp, Value,
    command::{AttemptError, AttemptErrorKind, Command, EffectError, Then, Wait},
    ids::{
        DeploymentId, Digest, EntryIndex, FencingToken, LeaderEpoch, Lsn, PartitionId, PartitionKey, Position,
    },
    journal::{Entry, NotificationKind},
    restart::Restarted,
    retry::RetryPolicy,
    runner::{
        Attempt, AttemptEvent, AttemptStart, EffectStart, Host, InvocationInfo, Runner, StateView, Work,
    },
    schema::{Deployment, HandlerMode, Policies, ServiceKind},
    tables::TablesError,
    value::DurationMs,
};
use relight_executor::{
    Checked, CompileLimits, CompileWorker, Executor, ExecutorConfig, KeepRule, Recorded, limits,
};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// Longer than anything here takes, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Folder of the build's output.
fn target_dir() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().expect("cargo's folder for temporary files is in the target folder").to_owned()
}

/// Whether these tests are about components with async exports: those that have a second form are taken in that.
const IS_ASYNC: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"executor_async");

/// The bytes of a guest that `cargo xtask components` has built.
pub fn component(name: &str) -> Bytes {
    let form = if IS_ASYNC && ["conformance", "hostile"].contains(&name) { "-async" } else { "" };
    let path = target_dir().join("components").join(format!("{name}{form}.wasm"));
    match fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("run `cargo xtask components` first: `{}`: {error}", path.display()),
    }
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    Timestamp(since.as_millis() as u64)
}

/// What a test may want different.
pub struct Options {
    pub attempts_max: usize,
    pub suspend_after: Option<Duration>,
    pub warm_bytes_max: u64,
    pub keep: KeepRule,
    pub memory_bytes_max: u64,
    pub compile_worker: CompileWorker,
    pub compile_limits: CompileLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempts_max: 4,
            suspend_after: Some(Duration::from_secs(3600)),
            warm_bytes_max: limits::WARM_BYTES_DEFAULT,
            keep: relight_executor::keep,
            memory_bytes_max: 64 << 20,
            compile_worker: CompileWorker::InProcess,
            compile_limits: CompileLimits::default(),
        }
    }
}

pub struct Rig {
    pub executor: Arc<Executor>,
    pub dir: tempfile::TempDir,
    pub leader: Arc<Leader>,
}

impl Rig {
    pub fn new(options: Options) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let blobs = dir.path().to_owned();
        let config = ExecutorConfig {
            component_path: Arc::new(move |digest| blobs.join(format!("{digest}.wasm"))),
            native_dir: dir.path().join("native"),
            attempts_max: options.attempts_max,
            effects_max: 4,
            suspend_after: options.suspend_after,
            warm_bytes_max: options.warm_bytes_max,
            keep: options.keep,
            memory_bytes_max: options.memory_bytes_max,
            clock: Arc::new(now),
            compile_worker: options.compile_worker,
            compile_limits: options.compile_limits,
        };
        let executor = Executor::new(config, tokio::runtime::Handle::current()).expect("the executor starts");
        Self { executor, dir, leader: Leader::new() }
    }

    /// Checks a component and stores it where the executor finds it.
    pub async fn deploy(&self, name: &str) -> Deployed {
        let bytes = component(name);
        let digest = Digest(*blake3::hash(&bytes).as_bytes());
        fs::write(self.dir.path().join(format!("{digest}.wasm")), &bytes).expect("the blob can be written");
        self.borrow_native(digest);
        let checked = self.executor.check(bytes, 64 << 20).await.expect("the component is good");
        self.lend_native(digest);
        Deployed { deployment: Arc::new(deployment(&checked)), checked }
    }

    /// Folders of native code, one for each kind of engine: the plain one is the first.
    pub fn native_dirs(&self) -> [PathBuf; 2] {
        let entries = fs::read_dir(self.dir.path().join("native")).expect("the executor made it");
        let mut dirs: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
        dirs.sort();
        dirs.try_into().expect("two kinds of engines")
    }

    /// Tests run in processes of their own: compile each component once for all of them.
    fn borrow_native(&self, digest: Digest) {
        for own in self.native_dirs() {
            let _ = fs::copy(shared_native(&own, digest), own.join(format!("{digest}.cwasm")));
        }
    }

    fn lend_native(&self, digest: Digest) {
        for dir in self.native_dirs() {
            let (made, shared) = (dir.join(format!("{digest}.cwasm")), shared_native(&dir, digest));
            if shared.exists() || !made.exists() {
                continue;
            }
            let folder = shared.parent().expect("it is in a folder");
            fs::create_dir_all(folder).expect("a folder can be made");
            let own = folder.join(format!("{digest}-{}", std::process::id()));
            fs::copy(made, &own).expect("it can be copied");
            fs::rename(own, shared).expect("a file can be renamed");
        }
    }

    pub fn host(&self) -> Arc<dyn Host> {
        self.leader.clone()
    }
}

/// Where native code that belongs into `own` is kept for other tests.
fn shared_native(own: &Path, digest: Digest) -> PathBuf {
    let engine = own.file_name().expect("the folder has a name");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(engine).join(format!("{digest}.cwasm"))
}

pub struct Deployed {
    pub deployment: Arc<Deployment>,
    pub checked: Checked,
}

fn deployment(checked: &Checked) -> Deployment {
    Deployment {
        id: DeploymentId(1),
        digest: checked.digest,
        size_bytes: checked.size_bytes,
        created_at: now(),
        allow_http: vec![],
        env: vec![],
        memory_bytes_max: 64 << 20,
        services: checked.services.iter().map(|service| service.name.clone()).collect(),
        effects: checked.effects.clone(),
        sdk: checked.sdk.clone(),
        metadata: vec![],
    }
}

/// Collects what attempts propose.
pub struct Leader {
    sender: mpsc::UnboundedSender<Command>,
    commands: AsyncMutex<mpsc::UnboundedReceiver<Command>>,
    capacity: AtomicUsize,
}

impl Leader {
    fn new() -> Arc<Self> {
        let (sender, commands) = mpsc::unbounded_channel();
        Arc::new(Self { sender, commands: AsyncMutex::new(commands), capacity: AtomicUsize::new(0) })
    }

    pub async fn next(&self) -> Command {
        let mut commands = self.commands.lock().await;
        let next = tokio::time::timeout(PATIENCE, commands.recv());
        next.await.expect("the attempt proposes something").expect("the sender is in `self`")
    }

    /// What is proposed already.
    pub async fn try_next(&self) -> Option<Command> {
        self.commands.lock().await.try_recv().ok()
    }

    /// How often leaders were told of capacity.
    pub fn capacity_told(&self) -> usize {
        self.capacity.load(Ordering::SeqCst)
    }
}

impl Host for Leader {
    fn partition(&self) -> PartitionId {
        PartitionId(0)
    }

    fn runs_once(&self, target: &Target) -> bool {
        &*target.service == "Signup" && &*target.handler == "run"
    }

    fn propose(&self, command: Command) {
        self.sender.send(command).expect("the receiver is in `self`");
    }

    fn capacity(&self, _work: Work) {
        self.capacity.fetch_add(1, Ordering::SeqCst);
    }
}

type State = Arc<Mutex<BTreeMap<String, Bytes>>>;

struct View(State);

impl StateView for View {
    fn get(&self, name: &str) -> Result<Option<Bytes>, TablesError> {
        Ok(self.0.lock().expect("no test panics with it").get(name).cloned())
    }

    fn keys(&self) -> Result<Vec<String>, TablesError> {
        Ok(self.0.lock().expect("no test panics with it").keys().cloned().collect())
    }
}

/// One invocation: what a partition would have in its tables.
pub struct Life {
    pub id: InvocationId,
    pub target: Target,
    pub mode: HandlerMode,
    pub deployment: Arc<Deployment>,
    pub journal: Vec<JournalItem>,
    pub abort_timeout: DurationMs,
    pub restarted: Option<Box<Restarted>>,
    state: State,
    attempts: u64,
    running: Option<Box<dyn Attempt>>,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum End {
    Output(Outcome),
    Failed(AttemptError),
    Suspended(Wait),
    /// An inline run is recorded; another attempt goes on.
    StartedOver,
    RunFailed(FailedRun),
}

/// An inline run that may be tried again.
#[derive(Debug)]
pub struct FailedRun {
    pub name: String,
    pub error: EffectError,
    pub retry: RetryPolicy,
}

impl Life {
    /// `target`: `Service/handler` or `Object/key/handler`.
    pub fn new(deployed: &Deployed, target: &str, input: &str) -> Self {
        let target = match target.split('/').collect::<Vec<_>>()[..] {
            [service, handler] => Target { service: service.into(), key: None, handler: handler.into() },
            [service, key, handler] => {
                Target { service: service.into(), key: Some(key.into()), handler: handler.into() }
            }
            _ => panic!("`{target}` is no target"),
        };
        let service = deployed.checked.services.iter().find(|service| service.name == target.service);
        let handler = service.and_then(|service| service.handler(&target.handler));
        let mode = handler.unwrap_or_else(|| panic!("there is no `{target}`")).mode;
        let body = Bytes::copy_from_slice(input.as_bytes());
        let operation = Operation::Input { headers: vec![("x-test".to_owned(), "yes".to_owned())], body };
        Self {
            id: InvocationId { key: PartitionKey(7), unique: 42 },
            target,
            mode,
            deployment: deployed.deployment.clone(),
            journal: vec![JournalItem::Operation(Entry { made_at: now(), operation })],
            abort_timeout: Policies::DEFAULT.abort_timeout,
            restarted: None,
            state: State::default(),
            attempts: 0,
            running: None,
        }
    }

    fn token(&self) -> FencingToken {
        FencingToken { epoch: LeaderEpoch(1), attempt: Lsn(self.attempts) }
    }

    pub fn start(&mut self, rig: &Rig) {
        self.drop_attempt();
        self.attempts += 1;
        let host = rig.host();
        let slot = rig.executor.reserve(Work::Attempt, &host).expect("there is a slot");
        // A copy: the view is of the LSN of the journal.
        let view = State::new(Mutex::new(self.state.lock().expect("no test panics with it").clone()));
        let start = AttemptStart {
            id: self.id,
            incarnation: Lsn(3),
            token: self.token(),
            target: self.target.clone(),
            mode: self.mode,
            deployment: self.deployment.clone(),
            idempotency_key: None,
            invoked_by: None,
            created_at: Timestamp(1),
            started_at: Timestamp(1),
            restarted: self.restarted.clone(),
            journal: self.journal.clone(),
            provisional: None,
            state: Arc::new(View(view)),
            inactivity_timeout: None,
            abort_timeout: self.abort_timeout,
        };
        self.running = Some(rig.executor.start_attempt(slot, start, host));
    }

    pub fn drop_attempt(&mut self) {
        self.running = None;
    }

    pub fn operations(&self) -> u32 {
        self.made().count() as u32
    }

    /// The operations of the journal.
    pub fn made(&self) -> impl Iterator<Item = &Operation> {
        self.journal.iter().filter_map(|item| match item {
            JournalItem::Operation(entry) => Some(&entry.operation),
            JournalItem::Notification(_) => None,
        })
    }

    /// Applies a proposal as the state machine would; answers how the attempt ended, if it did.
    pub fn apply(&mut self, command: Command) -> Option<End> {
        match command {
            Command::Append { id, token, first, entries, then } => {
                assert_eq!((id, token, first), (self.id, self.token(), EntryIndex(self.operations())));
                let end = self.append(entries);
                match then {
                    Then::GoOn => end,
                    Then::StartOver => Some(End::StartedOver),
                }
            }
            Command::RunFailed { id, token, operations, name, error, retry } => {
                assert_eq!((id, token, operations), (self.id, self.token(), self.operations()));
                Some(End::RunFailed(FailedRun { name, error, retry }))
            }
            Command::Suspend { id, token, wait } => {
                assert_eq!((id, token, wait.operations), (self.id, self.token(), self.operations()));
                Some(End::Suspended(wait))
            }
            Command::AttemptFailed { id, token, error } => {
                assert_eq!((id, token), (self.id, self.token()));
                Some(End::Failed(error))
            }
            other => panic!("an attempt does not propose this: {other:?}"),
        }
    }

    fn append(&mut self, entries: Vec<Entry>) -> Option<End> {
        assert!(!entries.is_empty());
        let mut output = None;
        for entry in entries {
            assert!(output.is_none(), "the output is the last operation");
            let mut state = self.state.lock().expect("no test panics with it");
            match &entry.operation {
                Operation::SetState { key, value } => drop(state.insert(key.clone(), value.clone())),
                Operation::ClearState { key } => drop(state.remove(key)),
                Operation::ClearAllState => state.clear(),
                Operation::Output { outcome } => output = Some(outcome.clone()),
                _ => {}
            }
            drop(state);
            self.journal.push(JournalItem::Operation(entry));
        }
        if let Some(running) = &self.running {
            running.event(AttemptEvent::Accepted { operations: self.operations(), provisional: None });
        }
        output.map(End::Output)
    }

    /// Something came back.
    pub fn notify(&mut self, kind: NotificationKind) {
        let notification = Notification { at: now(), kind };
        let position = Position(self.journal.len() as u32);
        self.journal.push(JournalItem::Notification(notification.clone()));
        if let Some(running) = &self.running {
            running.event(AttemptEvent::Notification { position, notification, provisional: None });
        }
    }

    pub fn complete(&mut self, index: u32, value: Value) {
        self.notify(NotificationKind::Completed { index: EntryIndex(index), value });
    }

    /// Applies proposals until one ends the attempt.
    pub async fn end(&mut self, rig: &Rig) -> End {
        loop {
            let command = rig.leader.next().await;
            if let Some(end) = self.apply(command) {
                return end;
            }
        }
    }

    /// Runs attempts until one ends in another way than by an inline run's result.
    pub async fn end_after_runs(&mut self, rig: &Rig) -> End {
        loop {
            self.start(rig);
            match self.end(rig).await {
                End::StartedOver => {}
                end => return end,
            }
        }
    }

    /// Records what the state machine records by itself.
    pub fn record(&mut self, operation: Operation) {
        self.journal.push(JournalItem::Operation(Entry { made_at: now(), operation }));
    }

    /// What a replay needs. Only virtual objects have a key here.
    pub fn recorded(&self) -> Recorded {
        let keyed = self.target.key.is_some();
        Recorded {
            id: self.id,
            incarnation: Lsn(3),
            target: self.target.clone(),
            kind: if keyed { ServiceKind::VirtualObject } else { ServiceKind::Service },
            mode: self.mode,
            idempotency_key: None,
            invoked_by: None,
            created_at: Timestamp(1),
            started_at: Timestamp(1),
            restarted: self.restarted.clone(),
            abort_timeout: self.abort_timeout,
            journal: self.journal.clone(),
        }
    }

    /// Applies proposals until the journal has so many operations.
    pub async fn until_operations(&mut self, rig: &Rig, count: u32) {
        while self.operations() < count {
            let command = rig.leader.next().await;
            if let Some(end) = self.apply(command) {
                panic!("ended before its operation {count}: {end:?}");
            }
        }
    }

    /// Runs one attempt that ends with a result.
    #[track_caller]
    pub fn output(end: End) -> String {
        match end {
            End::Output(Ok(bytes)) => String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8"),
            other => panic!("there is no output: {other:?}"),
        }
    }

    #[track_caller]
    pub fn failure(end: End) -> Failure {
        match end {
            End::Output(Err(failure)) => failure,
            other => panic!("there is no terminal failure: {other:?}"),
        }
    }

    #[track_caller]
    pub fn error(end: End, kind: AttemptErrorKind) -> AttemptError {
        match end {
            End::Failed(error) if error.kind == kind => error,
            other => panic!("there is no failure of kind {kind:?}: {other:?}"),
        }
    }
}

/// Starts an attempt of an effect; the answer aborts it when dropped.
pub fn start_effect(rig: &Rig, deployment: Arc<Deployment>, name: &str, input: &str) -> Box<dyn Send> {
    let timeout = deployment.effect(name).and_then(|effect| effect.timeout);
    let host = rig.host();
    let slot = rig.executor.reserve(Work::Effect, &host).expect("there is a slot");
    let start = EffectStart {
        id: InvocationId { key: PartitionKey(7), unique: 42 },
        incarnation: Lsn(3),
        index: EntryIndex(1),
        token: FencingToken { epoch: LeaderEpoch(1), attempt: Lsn(1) },
        attempt_number: 2,
        invocation: InvocationInfo {
            target: Target { service: "Effects".into(), key: None, handler: "run".into() },
            idempotency_key: Some("order-1".to_owned()),
            invoked_by: None,
            headers: vec![("x-tenant".to_owned(), "acme".to_owned())],
            created_at: Timestamp(1_700_000_000_000),
        },
        deployment,
        name: name.to_owned(),
        input: Bytes::copy_from_slice(input.as_bytes()),
        timeout: timeout.unwrap_or(DurationMs::seconds(60)),
    };
    rig.executor.start_effect(slot, start, host)
}
