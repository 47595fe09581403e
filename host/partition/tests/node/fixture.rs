//! A node in a temporary folder, with a log of either kind, that can be stopped and started again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use relight_core::action::Answer;
use relight_core::command::{Command, NewInvocation, Origin};
use relight_core::ids::{DeploymentId, Digest, InvocationId, PartitionId, PartitionKey, RequestId, Revision};
use relight_core::placement::{Partitioning, idempotent_id, placed};
use relight_core::schema::{
    Deployment, EffectDef, Handler, HandlerMode, Options, PayloadDef, Service, ServiceKind,
};
use relight_core::tables::{Invocation, ReadTablesExt as _};
use relight_core::value::{DurationMs, Outcome, Target, Timestamp};
use relight_log::raft::NodeLog;
use relight_log::{GroupId, Log, MemoryLog, NodeId};
use relight_partition::{
    Called, DoorError, Fault, Node, NodeConfig, PartitionHandle, Partitions, StartError,
};
use relight_storage::{Store, StoreOptions};
use tempfile::TempDir;

use crate::script::Script;

const DEPLOYMENT: DeploymentId = DeploymentId(7);

pub struct Fixture {
    pub dir: TempDir,
    pub partitioning: Partitioning,
    pub logs: Logs,
    pub faults: Arc<Mutex<Vec<Fault>>>,
}

/// The logs of all partitions, as long as the process they stand for lives.
pub enum Logs {
    Memory(Vec<MemoryLog>),
    /// Opened with the node, closed with it.
    Raft,
    /// Each answers as the test says.
    Other(Vec<Arc<dyn Log>>),
}

pub struct Running {
    pub node: Node,
    pub partitions: Partitions,
    pub script: Arc<Script>,
    raft: Option<NodeLog>,
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp(u64::try_from(since.as_millis()).expect("before the year 500 million"))
}

impl Fixture {
    pub fn memory(partitions: u16) -> Self {
        let logs = (0..partitions).map(|id| MemoryLog::new(GroupId(id), NodeId(1))).collect();
        Self::new(partitions, Logs::Memory(logs))
    }

    pub fn raft(partitions: u16) -> Self {
        Self::new(partitions, Logs::Raft)
    }

    pub fn new(partitions: u16, logs: Logs) -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            partitioning: Partitioning::new(partitions),
            logs,
            faults: Arc::default(),
        }
    }

    /// Starts a node, waits until it leads, and deploys what the script has.
    pub async fn start(&self, script: Script) -> Running {
        self.start_with(script, |_| {}).await
    }

    pub async fn start_with(&self, script: Script, configure: impl FnOnce(&mut NodeConfig)) -> Running {
        let running = self.try_start(script, configure).unwrap_or_else(|error| panic!("{error}"));
        let running = running.await;
        running.partitions.leading().await.unwrap();
        running.deploy().await;
        running
    }

    pub fn try_start(
        &self,
        script: Script,
        configure: impl FnOnce(&mut NodeConfig),
    ) -> Result<impl Future<Output = Running>, StartError> {
        let (raft, logs) = self.open_logs();
        let store = Store::open(&self.tables(), StoreOptions::default()).unwrap();
        let mut config = NodeConfig::new(self.partitioning);
        let faults = Arc::clone(&self.faults);
        config.fault = Arc::new(move |fault| faults.lock().unwrap().push(fault));
        configure(&mut config);
        let script = Arc::new(script);
        let runner = Arc::clone(&script);
        // Opening blocks and answers at once; a test that expects a refusal need not poll.
        let node = poll_once(Node::start(config, logs, store, runner, Arc::new(now)))?;
        Ok(async move { Running { partitions: node.partitions(), node, script, raft } })
    }

    fn open_logs(&self) -> (Option<NodeLog>, Vec<Arc<dyn Log>>) {
        match &self.logs {
            Logs::Memory(logs) => {
                // A restart is a new epoch, as it is with consensus.
                for log in logs {
                    log.lead();
                }
                (None, logs.iter().map(|log| Arc::new(log.clone()) as Arc<dyn Log>).collect())
            }
            Logs::Raft => {
                let folder = self.dir.path().join("log");
                let options = relight_log::raft::Options::new(folder, self.partitioning.count());
                let log = NodeLog::open(options).unwrap();
                let groups =
                    log.groups().iter().map(|group| Arc::new(group.clone()) as Arc<dyn Log>).collect();
                (Some(log), groups)
            }
            Logs::Other(logs) => (None, logs.clone()),
        }
    }

    fn tables(&self) -> PathBuf {
        self.dir.path().join("tables")
    }

    /// As when a disk is replaced.
    pub fn lose_tables(&self) {
        std::fs::remove_dir_all(self.tables()).unwrap();
    }
}

fn poll_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("starting a node does not wait"),
    }
}

impl Running {
    pub async fn stop(self) {
        self.node.stop().await;
        drop(self.raft);
    }

    async fn deploy(&self) {
        let (deployment, services) = schema(&self.script);
        let command = Command::Deploy { request: request(), deployment, services };
        let version = loop {
            match self.partitions.get(PartitionId(0)).command(command.clone()).await {
                Ok(Answer::Deployed { version, .. }) => break version,
                Ok(answer) => panic!("not deployed: {answer:?}"),
                // Of logs whose appends fail now and then.
                Err(DoorError::Unknown | DoorError::Overloaded | DoorError::NoLeader) => {}
                Err(error) => panic!("not deployed: {error}"),
            }
        };
        self.partitions.registered_everywhere(version).await.unwrap();
    }

    pub fn of(&self, id: InvocationId) -> &PartitionHandle {
        self.partitions.of(id.key)
    }

    /// Calls a handler and waits for its result.
    pub async fn call(&self, target: Target, input: impl Into<Bytes>) -> Outcome {
        self.call_new(new_invocation(target, input.into(), None)).await.unwrap()
    }

    pub async fn call_new(&self, invocation: NewInvocation) -> Result<Outcome, DoorError> {
        let handle = self.of(invocation.id);
        match handle.call(Command::Invoke { request: request(), invocation }).await? {
            Called::Finished { outcome, .. } => Ok(outcome),
            refused => panic!("refused: {refused:?}"),
        }
    }

    /// Starts an invocation and does not wait for its result.
    pub async fn send(&self, target: Target, input: impl Into<Bytes>) -> InvocationId {
        let invocation = new_invocation(target, input.into(), None);
        let id = invocation.id;
        let answer = self.of(id).command(Command::Invoke { request: request(), invocation }).await.unwrap();
        assert_eq!(answer, Answer::Accepted { id, previously: false, due: None });
        id
    }

    /// The result of an invocation that exists.
    pub async fn result(&self, id: InvocationId) -> Outcome {
        self.of(id).attach(id).await.unwrap().expect("the invocation exists").outcome
    }

    pub async fn row(&self, id: InvocationId) -> Option<Box<Invocation>> {
        self.of(id).read(move |tables| tables.invocation(id).unwrap()).await.unwrap()
    }

    /// Returns after every event before it is handled and the status is published.
    pub async fn settle(&self, handle: &PartitionHandle) {
        for _ in 0..2 {
            handle.read(|_| ()).await.unwrap();
        }
    }

    /// Waits until the row of an invocation is as wanted; each look is an event of the processor.
    pub async fn until_row(&self, id: InvocationId, wanted: impl Fn(&Invocation) -> bool) -> Box<Invocation> {
        loop {
            if let Some(row) = self.row(id).await.filter(|row| wanted(row)) {
                return row;
            }
            tokio::task::yield_now().await;
        }
    }
}

pub fn request() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    RequestId::new(now().0, NEXT.fetch_add(1, Ordering::Relaxed).into())
}

pub fn new_invocation(target: Target, input: Bytes, idempotency_key: Option<&str>) -> NewInvocation {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = match idempotency_key {
        Some(key) => idempotent_id(&target, key),
        None => {
            // Un-keyed ones are spread.
            let key = placed(&target, None).unwrap_or(PartitionKey(next.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            InvocationId { key, unique: (u128::from(now().0) << 64) | u128::from(next) }
        }
    };
    let idempotency_key = idempotency_key.map(str::to_owned);
    NewInvocation {
        id,
        target,
        input,
        headers: Vec::new(),
        idempotency_key,
        due: None,
        origin: Origin::Ingress,
    }
}

/// A handler of a service.
pub fn service(service: &str, handler: &str) -> Target {
    Target { service: service.into(), key: None, handler: handler.into() }
}

/// A handler of an object; services with a lower-case first letter are objects.
pub fn object(service: &str, key: &str, handler: &str) -> Target {
    Target { key: Some(key.into()), ..self::service(service, handler) }
}

/// A key of `service` on another partition than `other`, if there is one.
pub fn key_elsewhere(partitioning: Partitioning, name: &str, other: PartitionId) -> String {
    let elsewhere = |key: &String| {
        let target = object(name, key, "h");
        partitioning.partition(placed(&target, None).expect("it has a key")) != other
    };
    (0..1_000).map(|n| format!("k{n}")).find(elsewhere).unwrap_or_else(|| "k0".to_owned())
}

/// What the handlers of a script look like when they are deployed: names that begin in lower case are objects, and what
/// `Brief` does is not kept.
fn schema(script: &Script) -> (Deployment, Vec<Service>) {
    let mut services: Vec<Service> = Vec::new();
    for (name, handler) in script.handler_names() {
        if services.last().is_none_or(|service| &*service.name != name) {
            let keyed = name.starts_with(char::is_lowercase);
            let journal_retention = (name == "Brief").then_some(DurationMs::ZERO);
            services.push(Service {
                name: name.into(),
                kind: if keyed { ServiceKind::VirtualObject } else { ServiceKind::Service },
                revision: Revision(0),
                deployment: DEPLOYMENT,
                handlers: Vec::new(),
                documentation: None,
                options: Options { journal_retention, ..Options::default() },
                metadata: Vec::new(),
                overrides: Options::default(),
            });
        }
        services.last_mut().expect("just pushed").handlers.push(Handler {
            name: handler.into(),
            mode: HandlerMode::Exclusive,
            input: PayloadDef::default(),
            output: PayloadDef::default(),
            documentation: None,
            options: Options::default(),
            metadata: Vec::new(),
        });
    }
    let deployment = Deployment {
        id: DEPLOYMENT,
        digest: Digest([0; 32]),
        size_bytes: 0,
        created_at: Timestamp(0),
        allow_http: Vec::new(),
        env: Vec::new(),
        memory_bytes_max: 1 << 20,
        services: services.iter().map(|service| Arc::clone(&service.name)).collect(),
        effects: Vec::<EffectDef>::new(),
        sdk: "script".to_owned(),
        metadata: Vec::new(),
    };
    (deployment, services)
}
