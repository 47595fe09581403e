//! One node from start to stop: the order in which its parts are opened, served and closed.
//!
//! ```text
//! sockets → data folder → log → components, tables → executor → processors → doors → addresses.json
//! ```
//! Stopping goes the other way round, with time for requests in flight.

use std::{
    env,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, anyhow};
use relight_admin::{Admin, AdminParts};
use relight_core::{Timestamp, placement::Partitioning};
use relight_executor::{CompileLimits, CompileWorker, Executor, ExecutorConfig};
use relight_http::{Handler, Limits, Shutdown, ShutdownTrigger};
use relight_ingress::Ingress;
use relight_log::{Log, raft};
use relight_partition::{Node, NodeConfig, Partitions};
use relight_storage::{Store, StoreOptions, blobs::Blobs};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};

use crate::{
    addresses::{self, Addresses},
    config::Config,
    data_dir::DataDir,
    exit::{DAMAGED, Failure},
    fault,
    metrics::Sources,
    ports, telemetry,
};

/// How long a stopping process waits for threads that run guests.
const GUESTS_STOP_MAX: Duration = Duration::from_secs(1);
/// Data that `relight` commands in the same folder find by themselves.
const DEFAULT_DATA_DIR: &str = ".relight";

/// What a started server prints on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    Addresses,
    /// The addresses, and what to type next.
    NextCommand,
}

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Runs a node until a signal ends it.
pub fn run(config: Config, greeting: Greeting) -> Result<(), Failure> {
    telemetry::start(&config)?;
    let ingress_socket = ports::bind(ports::INGRESS, config.ingress)?;
    let admin_socket = ports::bind(ports::ADMIN, config.admin)?;
    let data = DataDir::open(&config.data_dir, config.partitions)?;
    addresses::remove(&data.addresses()).context("remove the addresses of the last server")?;

    let log = open_log(&data)?;
    let guests = runtime("relight-guest")?;
    let doors = runtime("relight-node")?;
    let outcome =
        doors.block_on(serve(&config, &data, log, &guests, [ingress_socket, admin_socket], greeting));
    doors.shutdown_timeout(GUESTS_STOP_MAX);
    guests.shutdown_timeout(GUESTS_STOP_MAX);
    outcome
}

pub fn runtime(name: &str) -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .thread_name(name)
        .enable_all()
        .build()
        .with_context(|| format!("start the threads `{name}`"))
        .map_err(Failure::from)
}

fn open_log(data: &DataDir) -> Result<raft::NodeLog, Failure> {
    raft::NodeLog::open(raft::Options::new(data.log(), data.partitions)).map_err(|error| match error {
        damaged @ raft::OpenError::Damaged { .. } => Failure::new(DAMAGED, damaged).hint(
            "nothing was changed; restore the data folder from a backup, acknowledged data is missing here",
        ),
        other => Failure::from(anyhow::Error::new(other).context("open the log")),
    })
}

async fn serve(
    config: &Config,
    data: &DataDir,
    log: raft::NodeLog,
    guests: &Runtime,
    sockets: [(TcpListener, SocketAddr); 2],
    greeting: Greeting,
) -> Result<(), Failure> {
    let mut stop_signals = StopSignals::new()?;
    let clock: Clock = Arc::new(wall_clock);
    let blobs =
        Arc::new(Blobs::open(&data.components()).context("open the components")?.with_fault(fault::at));
    let executor = executor(config, data, &blobs, &clock, guests)?;
    let logs = log.groups().iter().map(|group| Arc::new(group.clone()) as Arc<dyn Log>).collect();
    let node = start_processors(data, config.young_rows_max, logs, &executor, &clock).await?;
    let partitions = node.partitions();
    partitions.leading().await.map_err(|error| anyhow!("no leader: {error}"))?;

    let log = Arc::new(log);
    let (trigger, shutdown) = relight_http::shutdown();
    let [(ingress_socket, ingress_address), (admin_socket, admin_address)] = sockets;
    let parts = Parts { log: Arc::clone(&log), partitions, executor, blobs, clock };
    let (ingress, admin) = parts.doors(config, &shutdown);
    admin
        .start(config.defaults.clone())
        .await
        .map_err(|error| anyhow!("set up what is deployed: {error}"))?;
    let serving = [
        listen(ingress_socket, ingress, config.connections, &shutdown)?,
        listen(admin_socket, admin, config.connections, &shutdown)?,
    ];

    let addresses = Addresses::new(ingress_address, admin_address);
    addresses.write(&data.addresses()).context("write addresses.json")?;
    tracing::info!(ingress = addresses.ingress, admin = addresses.admin, data = %data.path().display(), "serving");
    greet(greeting, &addresses, config, data.path());

    stop_signals.wait().await;
    stop(trigger, serving, node, data).await;
    Ok(())
}

fn executor(
    config: &Config,
    data: &DataDir,
    blobs: &Arc<Blobs>,
    clock: &Clock,
    guests: &Runtime,
) -> Result<Arc<Executor>, Failure> {
    let program = env::current_exe().context("find this program")?;
    let blobs = Arc::clone(blobs);
    let config = ExecutorConfig {
        component_path: Arc::new(move |digest| blobs.path(digest)),
        native_dir: data.native(),
        attempts_max: config.attempts_max,
        effects_max: config.effects_max,
        suspend_after: config.suspend_after,
        warm_bytes_max: config.warm_bytes_max,
        keep: relight_executor::keep,
        memory_bytes_max: config.memory_bytes_max,
        clock: Arc::clone(clock),
        compile_worker: CompileWorker::Process { program, args: vec!["compile-worker".into()] },
        compile_limits: CompileLimits::default(),
    };
    Ok(Executor::new(config, guests.handle().clone()).context("start the executor")?)
}

async fn start_processors(
    data: &DataDir,
    young_rows_max: usize,
    logs: Vec<Arc<dyn Log>>,
    executor: &Arc<Executor>,
    clock: &Clock,
) -> Result<Node, Failure> {
    let options = StoreOptions { fault: fault::at, young_rows_max, ..StoreOptions::default() };
    let store = Store::open(&data.tables(), options).context("open the tables")?;
    let config = NodeConfig::new(Partitioning::new(data.partitions));
    let runner: Arc<Executor> = Arc::clone(executor);
    let started = Node::start(config, logs, store, runner, Arc::clone(clock)).await;
    started.map_err(|error| {
        let damaged = matches!(
            error,
            relight_partition::StartError::Open { source: relight_storage::OpenError::Damaged { .. }, .. }
                | relight_partition::StartError::LogShort { .. }
                | relight_partition::StartError::LogTrimmed { .. }
        );
        if damaged { Failure::new(DAMAGED, error) } else { Failure::from(error) }
    })
}

/// What the doors are made of.
struct Parts {
    log: Arc<raft::NodeLog>,
    partitions: Partitions,
    executor: Arc<Executor>,
    blobs: Arc<Blobs>,
    clock: Clock,
}

impl Parts {
    fn doors(self, config: &Config, shutdown: &Shutdown) -> (Ingress, Admin) {
        let ingress =
            Ingress::new(self.partitions.clone(), config.requests, Arc::clone(&self.clock), shutdown.clone());
        let sources = Sources {
            log: self.log,
            partitions: self.partitions.clone(),
            executor: Arc::clone(&self.executor),
            ingress: ingress.clone(),
        };
        let admin = Admin::new(AdminParts {
            partitions: self.partitions,
            executor: self.executor,
            blobs: self.blobs,
            clock: self.clock,
            metrics: Arc::new(move || sources.text()),
            wit_text: |component| relight_wit::wit_text(component).map_err(|error| error.to_string()),
            version: env!("CARGO_PKG_VERSION"),
            options: config.uploads,
        });
        (ingress, admin)
    }
}

fn listen<H: Handler>(
    socket: TcpListener,
    handler: H,
    limits: Limits,
    shutdown: &Shutdown,
) -> Result<JoinHandle<()>, Failure> {
    let socket = tokio::net::TcpListener::from_std(socket).context("serve a socket")?;
    Ok(tokio::spawn(relight_http::serve(socket, limits, shutdown.clone(), handler)))
}

async fn stop(trigger: ShutdownTrigger, serving: [JoinHandle<()>; 2], node: Node, data: &DataDir) {
    tracing::info!("stopping");
    if let Err(error) = addresses::remove(&data.addresses()) {
        tracing::warn!(%error, "cannot remove addresses.json");
    }
    trigger.start();
    for door in serving {
        // A door that panicked has logged it.
        let _ = door.await;
    }
    node.stop().await;
    tracing::info!("stopped");
}

pub fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).expect("milliseconds since 1970 fit 64 bits"))
}

struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    fn new() -> Result<Self, Failure> {
        let interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        Ok(Self { interrupt, terminate })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[expect(clippy::print_stdout, reason = "what a person or script that started the server reads")]
fn greet(greeting: Greeting, addresses: &Addresses, config: &Config, data: &Path) {
    println!("ingress  {}", addresses.ingress);
    println!("admin    {}", addresses.admin);
    println!("data     {}", data.display());
    if greeting == Greeting::NextCommand {
        // Commands in this folder find the server by themselves when its data is where they look.
        let found = config.data_dir == Path::new(DEFAULT_DATA_DIR);
        let flags = if found { String::new() } else { format!(" --admin {}", addresses.admin) };
        println!(
            "\nNext, in another terminal:\n  relight new hello --lang rust && relight deploy hello{flags}"
        );
    }
}
