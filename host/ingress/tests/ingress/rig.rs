//! A node with in-memory logs and real tables, handlers that are Rust functions, the ingress, and a client.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use relight_core::{
    Answer, AwakeableId, Command, Deployment, DeploymentId, Digest, DurationMs, EntryIndex, Failure,
    FencingToken, Handler, HandlerMode, InvocationId, JournalItem, Operation, Outcome, PartitionId,
    RequestId, Revision, Service, ServiceKind, Timestamp, Value,
    command::{Then, Wait, WaitMode},
    journal::{Entry, NotificationKind},
    placement::Partitioning,
    runner::{Attempt, AttemptEvent, AttemptStart, EffectStart, Host, Runner, Slot, Work},
    schema::{Options as Policies, PayloadDef},
    tables::{Invocation, ReadTablesExt as _},
};
use relight_http::{Limits, ShutdownTrigger, serve, shutdown};
use relight_ingress::{Ingress, Options};
use relight_log::{GroupId, Log, MemoryLog, NodeId};
use relight_partition::{Node, NodeConfig, Partitions};
use relight_storage::{Store, StoreOptions};
use tokio::{net::TcpListener, task::JoinHandle};

pub struct Rig {
    pub partitions: Partitions,
    pub ingress: Ingress,
    pub trigger: ShutdownTrigger,
    pub serving: JoinHandle<()>,
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    node: Node,
    _dir: tempfile::TempDir,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn id(&self) -> InvocationId {
        self.header("x-relight-id").expect("the answer names the invocation").parse().unwrap()
    }
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        const PARTITIONS: u16 = 4;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let log = |id| Arc::new(MemoryLog::new(GroupId(id), NodeId(1))) as Arc<dyn Log>;
        let config = NodeConfig::new(Partitioning::new(PARTITIONS));
        let logs = (0..PARTITIONS).map(log).collect();
        let node = Node::start(config, logs, store, Arc::new(Script), Arc::new(now)).await.unwrap();
        let partitions = node.partitions();
        partitions.leading().await.unwrap();
        deploy(&partitions).await;
        let (trigger, shutdown) = shutdown();
        let ingress = Ingress::new(partitions.clone(), options, Arc::new(now), shutdown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, Limits::default(), shutdown, ingress.clone()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { partitions, ingress, trigger, serving, address, client, node, _dir: dir }
    }

    /// Closes the tables before their folder goes.
    pub async fn stop(self) {
        self.node.stop().await;
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.request(Method::POST, path, &[], body).await
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request =
            hyper::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Waits until the invocation exists and is as wanted.
    pub async fn until(&self, id: InvocationId, wanted: impl Fn(&Invocation) -> bool) -> Box<Invocation> {
        loop {
            let row =
                self.partitions.of(id.key).read(move |tables| tables.invocation(id).unwrap()).await.unwrap();
            match row {
                Some(row) if wanted(&row) => return row,
                _ => tokio::task::yield_now().await,
            }
        }
    }

    /// Waits until the handler waits for its value.
    pub async fn waiting(&self, id: InvocationId) -> Box<Invocation> {
        self.until(id, |row| row.journal.operations == 2).await
    }

    /// Public id of the awakeable that a `wait` handler has made.
    pub async fn awakeable(&self, id: InvocationId) -> AwakeableId {
        let row = self.waiting(id).await;
        AwakeableId { invocation: id, incarnation: row.incarnation, index: EntryIndex(1) }
    }
}

async fn deploy(partitions: &Partitions) {
    let id = DeploymentId(7);
    let handler = |name: &str| Handler {
        name: name.into(),
        mode: HandlerMode::Exclusive,
        input: PayloadDef::default(),
        output: PayloadDef::default(),
        documentation: None,
        options: Policies::default(),
        metadata: Vec::new(),
    };
    let mut plain = handler("plain");
    plain.input =
        PayloadDef { required: true, content_type: Some("text/plain".to_owned()), json_schema: None };
    plain.output.content_type = Some("text/plain".to_owned());
    let mut private = handler("private");
    private.options.public = Some(false);
    let service = |name: &str, kind, handlers| Service {
        name: name.into(),
        kind,
        revision: Revision(0),
        deployment: id,
        handlers,
        documentation: None,
        options: Policies::default(),
        metadata: Vec::new(),
        overrides: Policies::default(),
    };
    let greeter = vec![
        handler("echo"),
        handler("fail"),
        handler("headers"),
        handler("wait"),
        handler("signal"),
        plain,
        private,
    ];
    let run = |name| Handler { mode: HandlerMode::Workflow, ..handler(name) };
    let mut forgotten = run("echo");
    forgotten.options.idempotency_retention = Some(DurationMs::ZERO);
    let waits_forgotten = Handler { name: "promise".into(), ..forgotten.clone() };
    let shared = Handler { mode: HandlerMode::Shared, ..handler("echo") };
    let services = vec![
        service("Signup", ServiceKind::Workflow, vec![run("promise"), shared]),
        service("Forgotten", ServiceKind::Workflow, vec![forgotten]),
        service("Unkept", ServiceKind::Workflow, vec![waits_forgotten]),
        service("Greeter", ServiceKind::Service, greeter),
        service("Cart", ServiceKind::VirtualObject, vec![handler("echo"), handler("wait")]),
    ];
    let deployment = Deployment {
        id,
        digest: Digest([0; 32]),
        size_bytes: 0,
        created_at: now(),
        allow_http: Vec::new(),
        env: Vec::new(),
        memory_bytes_max: 0,
        services: services.iter().map(|service| service.name.clone()).collect(),
        effects: Vec::new(),
        sdk: String::new(),
        metadata: Vec::new(),
    };
    let command = Command::Deploy { request: RequestId::new(now().0, 1), deployment, services };
    let answer = partitions.get(PartitionId(0)).command(command).await.unwrap();
    let Answer::Deployed { version, .. } = answer else { panic!("not deployed: {answer:?}") };
    partitions.registered_everywhere(version).await.unwrap();
}

/// Runs an attempt to its end, or to its wait, on the spot.
struct Script;

/// An attempt; one that waits ends with the value that comes before it is suspended.
struct Scripted {
    id: InvocationId,
    token: FencingToken,
    host: Arc<dyn Host>,
}

impl Scripted {
    fn append(&self, first: u32, operation: Operation) {
        let (id, token, first) = (self.id, self.token, EntryIndex(first));
        let entries = vec![Entry { made_at: now(), operation }];
        self.host.propose(Command::Append { id, token, first, entries, then: Then::GoOn });
    }
}

impl Attempt for Scripted {
    fn event(&self, event: AttemptEvent) {
        if let AttemptEvent::Notification { notification, .. } = event
            && let Some(outcome) = value(&[JournalItem::Notification(notification)])
        {
            self.append(2, Operation::Output { outcome });
        }
    }
}

impl Runner for Script {
    fn reserve(&self, _: Work, _: &Arc<dyn Host>) -> Option<Slot> {
        Some(Slot(Box::new(())))
    }

    fn start_attempt(&self, _: Slot, start: AttemptStart, host: Arc<dyn Host>) -> Box<dyn Attempt> {
        let (id, token) = (start.id, start.token);
        let scripted = Scripted { id, token, host: Arc::clone(&host) };
        let append = |first, operation| scripted.append(first, operation);
        let JournalItem::Operation(Entry { operation: Operation::Input { headers, body }, .. }) =
            &start.journal[0]
        else {
            panic!("a journal begins with its input");
        };
        let output = |outcome| Operation::Output { outcome };
        let awaited = match &*start.target.handler {
            "wait" => Some(Operation::Awakeable),
            "signal" => Some(Operation::Signal { name: "go".to_owned() }),
            "promise" => Some(Operation::Promise { name: "go".to_owned() }),
            _ => None,
        };
        match (&*start.target.handler, awaited) {
            (_, Some(awaited)) => match value(&start.journal) {
                Some(outcome) => append(2, output(outcome)),
                None => {
                    append(1, awaited);
                    let wait = Wait { operations: 2, mode: WaitMode::Any, handles: vec![EntryIndex(1)] };
                    host.propose(Command::Suspend { id, token, wait });
                }
            },
            ("fail", None) => append(1, output(Err(Failure::new(418, "no coffee here")))),
            ("headers", None) => {
                let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
                append(1, output(Ok(names.join(" ").into())));
            }
            _ => append(1, output(Ok(body.clone()))),
        }
        Box::new(scripted)
    }

    fn start_effect(&self, _: Slot, _: EffectStart, _: Arc<dyn Host>) -> Box<dyn Send> {
        panic!("no handler here has effects")
    }
}

/// What the handler waits for, once it has come.
fn value(journal: &[JournalItem]) -> Option<Outcome> {
    journal.iter().find_map(|item| match item {
        JournalItem::Notification(notification) => match &notification.kind {
            NotificationKind::Completed { value: Value::Success(bytes), .. } => Some(Ok(bytes.clone())),
            NotificationKind::Completed { value: Value::Failure(failure), .. } => Some(Err(failure.clone())),
            _ => None,
        },
        JournalItem::Operation(_) => None,
    })
}
