//! A node whose handlers are guests, with ingress-free access: the admin API, and commands for what is not its own.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use relight_admin::{Admin, AdminParts};
use relight_core::{
    Answer, Command, DurationMs, InvocationId, RequestId, Target, Timestamp,
    command::{NewInvocation, Origin},
    ids::PartitionKey,
    placement::{Partitioning, placed, workflow_id},
};
use relight_executor::{CompileLimits, CompileWorker, Executor, ExecutorConfig, limits};
use relight_http::{Limits, ShutdownTrigger, serve, shutdown};
use relight_log::{GroupId, Log, MemoryLog, NodeId};
use relight_partition::{Node, NodeConfig, Partitions};
use relight_storage::{Store, StoreOptions, blobs::Blobs};
use tokio::net::TcpListener;

pub struct Rig {
    pub partitions: Partitions,
    pub dir: tempfile::TempDir,
    address: SocketAddr,
    sent: AtomicU64,
    client: Client<HttpConnector, Full<Bytes>>,
    node: Node,
    _trigger: ShutdownTrigger,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, words: &str) {
        let body = self.json();
        assert_eq!((self.status.as_u16(), &body["code"]), (status, &code.into()), "{body}");
        assert!(body["message"].as_str().unwrap().contains(words), "{body}");
    }
}

/// The bytes of a guest that `cargo xtask components` has built.
pub fn component(name: &str) -> Bytes {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = temporary.parent().expect("cargo's folder for temporary files is in the target folder");
    let path = target.join("components").join(format!("{name}.wasm"));
    match fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("run `cargo xtask components` first: `{}`: {error}", path.display()),
    }
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

impl Rig {
    pub async fn start() -> Self {
        const PARTITIONS: u16 = 2;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("tables"), StoreOptions::default()).unwrap();
        let blobs = Arc::new(Blobs::open(&dir.path().join("blobs")).unwrap());
        let component_path = {
            let blobs = Arc::clone(&blobs);
            Arc::new(move |digest| blobs.path(digest))
        };
        let config = ExecutorConfig {
            component_path,
            native_dir: dir.path().join("native"),
            attempts_max: 4,
            effects_max: 4,
            suspend_after: Some(std::time::Duration::ZERO),
            warm_bytes_max: limits::WARM_BYTES_DEFAULT,
            keep: relight_executor::keep,
            memory_bytes_max: 128 << 20,
            clock: Arc::new(now),
            compile_worker: CompileWorker::InProcess,
            compile_limits: CompileLimits::default(),
        };
        let executor = Executor::new(config, tokio::runtime::Handle::current()).unwrap();
        let log = |id| Arc::new(MemoryLog::new(GroupId(id), NodeId(1))) as Arc<dyn Log>;
        let config = NodeConfig::new(Partitioning::new(PARTITIONS));
        let logs = (0..PARTITIONS).map(log).collect();
        let node = Node::start(config, logs, store, executor.clone(), Arc::new(now)).await.unwrap();
        let partitions = node.partitions();
        partitions.leading().await.unwrap();
        let admin = Admin::new(AdminParts {
            partitions: partitions.clone(),
            executor,
            blobs,
            clock: Arc::new(now),
            metrics: Arc::new(|| "# EOF\n".to_owned()),
            wit_text: |component| Ok(format!("package of {} bytes", component.len())),
            version: "1.2.3",
            options: relight_admin::Options::default(),
        });
        let (trigger, shutdown) = shutdown();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Limits::default(), shutdown, admin));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { partitions, dir, address, sent: AtomicU64::new(1), client, node, _trigger: trigger }
    }

    /// Closes the tables before their folder goes.
    pub async fn stop(self) {
        self.node.stop().await;
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path, "").await
    }

    pub async fn deploy(&self, query: &str, component: Bytes) -> Reply {
        self.request(Method::POST, &format!("/deployments{query}"), component).await
    }

    pub async fn request(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
        let uri = format!("http://{}{path}", self.address);
        let request = hyper::Request::builder().method(method).uri(uri).body(Full::new(body.into())).unwrap();
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Starts an invocation, as an ingress would.
    pub async fn send(&self, service: &str, key: Option<&str>, handler: &str, input: &str) -> InvocationId {
        let target = Target { service: service.into(), key: key.map(Into::into), handler: handler.into() };
        let id = self.new_id(&target);
        self.start_as(id, target, input, None).await
    }

    /// One that starts in an hour.
    pub async fn schedule(&self, service: &str, key: &str, handler: &str) -> InvocationId {
        let target = Target { service: service.into(), key: Some(key.into()), handler: handler.into() };
        let id = self.new_id(&target);
        self.start_as(id, target, "", Some(now().after(DurationMs::hours(1)))).await
    }

    /// The run of a workflow's key.
    pub async fn run(&self, workflow: &str, key: &str, input: &str) -> InvocationId {
        let target = Target { service: workflow.into(), key: Some(key.into()), handler: "run".into() };
        self.start_as(workflow_id(workflow, key), target, input, None).await
    }

    fn new_id(&self, target: &Target) -> InvocationId {
        let next = self.sent.fetch_add(1, Ordering::Relaxed);
        // Un-keyed ones are spread.
        let spread = PartitionKey(next.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        InvocationId { key: placed(target, None).unwrap_or(spread), unique: next.into() }
    }

    async fn start_as(
        &self,
        id: InvocationId,
        target: Target,
        input: &str,
        due: Option<Timestamp>,
    ) -> InvocationId {
        let invocation = NewInvocation {
            id,
            target,
            input: Bytes::copy_from_slice(input.as_bytes()),
            headers: Vec::new(),
            idempotency_key: None,
            due,
            origin: Origin::Ingress,
        };
        let request = RequestId::new(now().0, id.unique);
        let command = Command::Invoke { request, invocation };
        let answer = self.partitions.of(id.key).command(command).await.unwrap();
        assert!(matches!(answer, Answer::Accepted { .. }), "{answer:?}");
        id
    }

    /// Waits until the admin API shows the invocation in this status.
    pub async fn until_status(&self, id: InvocationId, status: &str) -> serde_json::Value {
        loop {
            let detail = self.get(&format!("/invocations/{id}")).await.json();
            if detail["status"] == status {
                return detail;
            }
        }
    }

    pub fn stored_components(&self) -> usize {
        fs::read_dir(self.dir.path().join("blobs")).unwrap().count()
    }
}
