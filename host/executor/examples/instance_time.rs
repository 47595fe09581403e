//! How long one instance takes from its start to its output, in one thread and with nothing else around it: `cargo xtask
//! bench --languages` compares what a server reaches with what its cores could do of this.
//!
//! ```text
//! instance_time COMPONENT      calls Greeter/greet again and again; prints microseconds
//! ```

#![expect(clippy::print_stdout, reason = "the number is what the program is for")]

use std::{
    error::Error,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use relight_core::{
    Command, Deployment, DeploymentId, DurationMs, Entry, EntryIndex, FencingToken, HandlerMode,
    InvocationId, JournalItem, LeaderEpoch, Lsn, Operation, PartitionId, PartitionKey, Target, Timestamp,
    runner::{AttemptStart, Host, Runner as _, StateView, Work},
    tables::TablesError,
};
use relight_executor::{CompileLimits, CompileWorker, Executor, ExecutorConfig, limits};
use tokio::{runtime::Builder, sync::mpsc};

/// The median of so many batches counts, each of which takes so long.
const BATCHES: usize = 9;
const BATCH_TIME: Duration = Duration::from_millis(200);
const MEMORY_BYTES_MAX: u64 = 64 << 20;
const NOW: Timestamp = Timestamp(1_700_000_000_000);
const INPUT: &str = r#"{"n":1}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let component = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: instance_time COMPONENT")?);
    let micros = Builder::new_current_thread().enable_all().build()?.block_on(measure(component))?;
    println!("{micros:.1}");
    Ok(())
}

async fn measure(component: PathBuf) -> Result<f64, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = component.clone();
    let config = ExecutorConfig {
        component_path: Arc::new(move |_| path.clone()),
        native_dir: folder.path().join("native"),
        attempts_max: 4,
        effects_max: 1,
        suspend_after: None,
        warm_bytes_max: limits::WARM_BYTES_DEFAULT,
        keep: relight_executor::keep,
        memory_bytes_max: MEMORY_BYTES_MAX,
        clock: Arc::new(|| NOW),
        compile_worker: CompileWorker::InProcess,
        compile_limits: CompileLimits::default(),
    };
    let executor = Executor::new(config, tokio::runtime::Handle::current())?;
    let checked = executor.check(Bytes::from(fs::read(&component)?), MEMORY_BYTES_MAX).await?;
    let deployment = Arc::new(Deployment {
        id: DeploymentId(1),
        digest: checked.digest,
        size_bytes: checked.size_bytes,
        created_at: NOW,
        allow_http: Vec::new(),
        env: Vec::new(),
        memory_bytes_max: MEMORY_BYTES_MAX,
        services: checked.services.iter().map(|service| service.name.clone()).collect(),
        effects: checked.effects,
        sdk: checked.sdk,
        metadata: Vec::new(),
    });
    let (sender, mut proposals) = mpsc::unbounded_channel();
    let host: Arc<dyn Host> = Arc::new(Listener(sender));
    let mut batches = Vec::new();
    for _ in 0..=BATCHES {
        let (started, mut count) = (Instant::now(), 0_u32);
        while started.elapsed() < BATCH_TIME {
            run_one(&executor, &deployment, &host, &mut proposals).await?;
            count += 1;
        }
        batches.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    // The first loads the component.
    batches.remove(0);
    batches.sort_by(f64::total_cmp);
    Ok(batches[BATCHES / 2])
}

/// From the start of an attempt until its output is proposed and its slot is free again.
async fn run_one(
    executor: &Arc<Executor>,
    deployment: &Arc<Deployment>,
    host: &Arc<dyn Host>,
    proposals: &mut mpsc::UnboundedReceiver<Command>,
) -> Result<(), Box<dyn Error>> {
    let operation = Operation::Input { headers: Vec::new(), body: Bytes::from_static(INPUT.as_bytes()) };
    let start = AttemptStart {
        id: InvocationId { key: PartitionKey(7), unique: 42 },
        incarnation: Lsn(3),
        token: FencingToken { epoch: LeaderEpoch(1), attempt: Lsn(4) },
        target: Target { service: "Greeter".into(), key: None, handler: "greet".into() },
        mode: HandlerMode::Shared,
        deployment: deployment.clone(),
        idempotency_key: None,
        invoked_by: None,
        created_at: NOW,
        started_at: NOW,
        restarted: None,
        journal: vec![JournalItem::Operation(Entry { made_at: NOW, operation })],
        provisional: None,
        state: Arc::new(Empty),
        inactivity_timeout: None,
        abort_timeout: DurationMs::seconds(60),
    };
    let slot = loop {
        match executor.reserve(Work::Attempt, host) {
            Some(slot) => break slot,
            None => tokio::task::yield_now().await,
        }
    };
    let attempt = executor.start_attempt(slot, start, host.clone());
    match proposals.recv().await {
        Some(Command::Append { first: EntryIndex(1), entries, .. }) => match &entries[..] {
            [Entry { operation: Operation::Output { outcome: Ok(output) }, .. }]
                if *output == INPUT.as_bytes() =>
            {
                drop(attempt);
                Ok(())
            }
            other => Err(format!("`Greeter/greet` did more than to give its input back: {other:?}").into()),
        },
        other => Err(format!("`Greeter/greet` proposed {other:?}").into()),
    }
}

/// Hears what the attempt proposes.
struct Listener(mpsc::UnboundedSender<Command>);

impl Host for Listener {
    fn partition(&self) -> PartitionId {
        PartitionId(0)
    }

    fn runs_once(&self, _: &Target) -> bool {
        false
    }

    fn propose(&self, command: Command) {
        // Whoever listened has ended.
        let _ = self.0.send(command);
    }

    fn capacity(&self, _: Work) {}
}

/// The state of a target without a key.
struct Empty;

impl StateView for Empty {
    fn get(&self, _: &str) -> Result<Option<Bytes>, TablesError> {
        Ok(None)
    }

    fn keys(&self) -> Result<Vec<String>, TablesError> {
        Ok(Vec::new())
    }
}
