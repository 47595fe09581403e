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
    Answer, AwakeableId, Command, Deployment, DeploymentId, Digest, EntryIndex, Failure, Handler,
    HandlerMode, InvocationId, JournalItem, Operation, Outcome, PartitionId, RequestId, Revision, Service,
    ServiceKind, Timestamp, Value,
    command::{Wait, WaitMode},
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

    /// Public id of the awakeable that a `wait` handler has made.
    pub async fn awakeable(&self, id: InvocationId) -> AwakeableId {
        let row = self.until(id, |row| row.journal.operations == 2).await;
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
    };
    let greeter = vec![handler("echo"), handler("fail"), handler("headers"), handler("wait"), plain, private];
    let services = vec![
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
    let Answer::Deployed { revisions, .. } = answer else { panic!("not deployed: {answer:?}") };
    partitions.deployed_everywhere(id, &revisions).await.unwrap();
}

/// Runs an attempt to its end, or to its wait, on the spot.
struct Script;

struct Nothing;

impl Attempt for Nothing {
    fn event(&self, _: AttemptEvent) {}
}

impl Runner for Script {
    fn reserve(&self, _: Work, _: &Arc<dyn Host>) -> Option<Slot> {
        Some(Slot(Box::new(())))
    }

    fn start_attempt(&self, _: Slot, start: AttemptStart, host: Arc<dyn Host>) -> Box<dyn Attempt> {
        let (id, token) = (start.id, start.token);
        let append = |first, operation| {
            let entries = vec![Entry { made_at: now(), operation }];
            host.propose(Command::Append { id, token, first: EntryIndex(first), entries });
        };
        let JournalItem::Operation(Entry { operation: Operation::Input { headers, body }, .. }) =
            &start.journal[0]
        else {
            panic!("a journal begins with its input");
        };
        let output = |outcome| Operation::Output { outcome };
        match &*start.target.handler {
            "wait" => match value(&start.journal) {
                Some(outcome) => append(2, output(outcome)),
                None => {
                    append(1, Operation::Awakeable);
                    let wait = Wait { operations: 2, mode: WaitMode::Any, handles: vec![EntryIndex(1)] };
                    host.propose(Command::Suspend { id, token, wait });
                }
            },
            "fail" => append(1, output(Err(Failure::new(418, "no coffee here")))),
            "headers" => {
                let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
                append(1, output(Ok(names.join(" ").into())));
            }
            _ => append(1, output(Ok(body.clone()))),
        }
        Box::new(Nothing)
    }

    fn start_effect(&self, _: Slot, _: EffectStart, _: Arc<dyn Host>) -> Box<dyn Send> {
        panic!("no handler here has effects")
    }
}

/// What the awakeable of a `wait` handler was completed with.
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
