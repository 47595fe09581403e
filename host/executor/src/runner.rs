//! The executor as its users see it: how it is made, and how leaders hand it work.

use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use relight_core::{
    Digest, Timestamp,
    runner::{Attempt, AttemptStart, EffectStart, Host, Runner, Slot, Work},
    schema::Deployment,
};
use rustls::ClientConfig;
use tokio::{runtime::Handle, sync::Semaphore};

use crate::{
    attempt,
    compile::{CompileError, CompileLimits, CompileWorker, NativeCode},
    deployments::{ComponentPath, Deployments},
    effect,
    engine::{EngineKind, Engines, PoolSize},
    exports::Loaded,
    guest::Guest,
    http,
    limits::{INSTANCES_MAX, MEMORY_BYTES_CEILING, OCCUPANCY_PERCENT_MAX, REPLAYS_MAX},
    log::{Lines, Source},
    place::{Place, WARY},
    slots::Slots,
    stats::{Counters, ExecutorStats},
    upload::{self, Checked, UploadError},
    warm::{KeepRule, Warm},
};

/// Instances for `describe`, besides those for attempts and effects.
const DESCRIBE_INSTANCES: usize = 2;

/// The wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

pub struct ExecutorConfig {
    /// Where the bytes of a component are.
    pub component_path: ComponentPath,
    /// Folder for native code; it may be deleted while no server runs.
    pub native_dir: PathBuf,
    /// Attempts of handlers that may have an instance at once.
    pub attempts_max: usize,
    /// Attempts of effects that may have an instance at once.
    pub effects_max: usize,
    /// How long a waiting handler keeps its instance when its handler and service do not say; zero: not at all;
    /// `None`: adaptive.
    pub suspend_after: Option<Duration>,
    /// Linear memory that waiting instances may have together, as long as `suspend_after` is adaptive.
    pub warm_bytes_max: u64,
    /// How long a waiting instance is kept, as long as `suspend_after` is adaptive: as a rule [`keep`](crate::keep).
    pub keep: KeepRule,
    /// Linear memory of one instance that a deployment may have at most.
    pub memory_bytes_max: u64,
    pub clock: Clock,
    pub compile_worker: CompileWorker,
    pub compile_limits: CompileLimits,
}

impl fmt::Debug for ExecutorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorConfig")
            .field("native_dir", &self.native_dir)
            .field("attempts_max", &self.attempts_max)
            .field("effects_max", &self.effects_max)
            .field("suspend_after", &self.suspend_after)
            .field("warm_bytes_max", &self.warm_bytes_max)
            .field("memory_bytes_max", &self.memory_bytes_max)
            .finish_non_exhaustive()
    }
}

/// The executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    #[error("{instances} instances at once are over the limit of {INSTANCES_MAX}: lower attempts or effects")]
    TooManyInstances { instances: usize },
    #[error("memory of {bytes} bytes per instance is over the limit of {MEMORY_BYTES_CEILING}")]
    TooMuchMemory { bytes: u64 },
    #[error("failed to start the WebAssembly engine: {0}")]
    Engine(String),
    #[error("failed to open the folder for native code")]
    Native(#[source] CompileError),
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
}

/// Runs attempts of handlers and effects in WebAssembly instances.
pub struct Executor {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// What all attempts, effects and uploads use.
pub(crate) struct Shared {
    pub deployments: Deployments,
    pub counters: Arc<Counters>,
    pub config: ExecutorConfig,
    pub place: Arc<Place>,
    pub tls: Arc<ClientConfig>,
    pub warm: Arc<Warm>,
    attempts: Arc<Slots>,
    effects: Arc<Slots>,
    /// Records that may be verified now.
    pub replays: Semaphore,
}

impl Executor {
    /// Guests that compute run on `runtime`; it should be one that nothing urgent runs on. Until then they run where
    /// they are started. Timers and I/O of both MUST be enabled.
    pub fn new(config: ExecutorConfig, runtime: Handle) -> Result<Arc<Self>, ExecutorError> {
        let instances = config
            .attempts_max
            .saturating_add(config.effects_max)
            .saturating_add(DESCRIBE_INSTANCES)
            .saturating_add(REPLAYS_MAX);
        if instances > INSTANCES_MAX {
            return Err(ExecutorError::TooManyInstances { instances });
        }
        if config.memory_bytes_max > MEMORY_BYTES_CEILING {
            return Err(ExecutorError::TooMuchMemory { bytes: config.memory_bytes_max });
        }
        let failed = |error: wasmtime::Error| ExecutorError::Engine(format!("{error:#}"));
        let size = PoolSize { instances, memory_bytes_max: config.memory_bytes_max };
        let engines = Engines::new(size).map_err(failed)?;
        let native = NativeCode::open(
            &config.native_dir,
            &engines.get(EngineKind::Plain).map_err(failed)?.engine,
            config.compile_worker.clone(),
            config.compile_limits,
        )
        .map_err(ExecutorError::Native)?;
        let counters = Arc::new(Counters::default());
        let component_path = config.component_path.clone();
        let deployments = Deployments::new(engines, Arc::new(native), component_path, counters.clone());
        let shared = Shared {
            deployments,
            counters,
            place: Place::new(runtime, WARY),
            tls: http::tls().map_err(ExecutorError::Tls)?,
            warm: Warm::new(config.warm_bytes_max),
            attempts: Slots::new(Work::Attempt, config.attempts_max),
            effects: Slots::new(Work::Effect, config.effects_max),
            replays: Semaphore::new(REPLAYS_MAX),
            config,
        };
        Ok(Arc::new(Self { shared: Arc::new(shared) }))
    }

    /// Whether `component` can be deployed, and what it says about itself. Leaves its native code behind.
    ///
    /// `memory_bytes_max`: linear memory that one instance of it may use.
    pub async fn check(&self, component: Bytes, memory_bytes_max: u64) -> Result<Checked, UploadError> {
        upload::check(&self.shared, component, memory_bytes_max).await
    }

    /// Forgets a component that no deployment has any more.
    pub fn forget(&self, digest: Digest) {
        self.shared.deployments.forget(digest);
    }

    /// Deletes the native code of all other components. Blocks; nothing MUST be checked at the same time.
    pub fn retain(&self, digests: &BTreeSet<Digest>) -> Result<(), CompileError> {
        self.shared.deployments.native.retain(digests)
    }

    pub fn stats(&self) -> ExecutorStats {
        let warm = self.shared.warm.stats();
        ExecutorStats {
            instances_warm: warm.instances,
            warm_bytes: warm.bytes,
            waits_cut_short: warm.told,
            ..self.shared.counters.snapshot()
        }
    }
}

impl Runner for Executor {
    fn reserve(&self, work: Work, host: &Arc<dyn Host>) -> Option<Slot> {
        match work {
            Work::Attempt => {
                let slot = self.shared.attempts.reserve(host);
                self.shared.make_room();
                slot
            }
            Work::Effect => self.shared.effects.reserve(host),
        }
    }

    fn start_attempt(&self, slot: Slot, start: AttemptStart, host: Arc<dyn Host>) -> Box<dyn Attempt> {
        Box::new(attempt::spawn(&self.shared, slot, start, host))
    }

    fn start_effect(&self, slot: Slot, start: EffectStart, host: Arc<dyn Host>) -> Box<dyn Send> {
        Box::new(effect::spawn(&self.shared, slot, start, host))
    }
}

impl Shared {
    pub fn now(&self) -> Timestamp {
        (self.config.clock)()
    }

    /// Lets waiting instances go when others may want theirs.
    pub fn make_room(&self) {
        match self.attempts.above(OCCUPANCY_PERCENT_MAX) {
            0 => {}
            above => self.warm.make_room(above),
        }
    }

    pub fn memory_bytes_max(&self, deployment: &Deployment) -> u64 {
        deployment.memory_bytes_max.min(self.config.memory_bytes_max)
    }

    /// Counts an instance for as long as it lives, and what it calls.
    pub fn live_instance(&self) -> LiveInstance {
        self.counters.instances_created.increment();
        self.counters.instances_live.increment();
        LiveInstance { counters: Some(self.counters.clone()), host_calls: 0 }
    }

    /// How long a waiting instance of a deployment is kept when nobody says.
    pub async fn start_cost(&self, loaded: &Loaded, deployment: &Deployment) -> Duration {
        let memory_bytes_max = self.memory_bytes_max(deployment);
        let store = || {
            let unseen = LiveInstance { counters: None, host_calls: 0 };
            Guest::store(loaded.engine(), memory_bytes_max, Lines::new(Source::Silent), unseen, None)
        };
        // What cannot be instantiated says so when it is to run.
        loaded.start_cost(store).await.unwrap_or_default()
    }
}

pub(crate) struct LiveInstance {
    /// `None`: nobody counts it.
    counters: Option<Arc<Counters>>,
    /// Here until the end, so that a call costs no access to what all threads share.
    pub host_calls: u64,
}

impl Drop for LiveInstance {
    fn drop(&mut self) {
        if let Some(counters) = &self.counters {
            counters.host_calls.add(self.host_calls);
            counters.instances_live.decrement();
        }
    }
}
