//! [`Engine`]: one executor on one thread. Components are compiled once for all runs of a process.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt, io,
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use relight_core::{Digest, Timestamp};
use relight_executor::{
    Checked, CompileLimits, CompileWorker, Executor, ExecutorConfig, ExecutorError, UploadError, limits,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tracing::Dispatch;

use crate::{
    limits::{ATTEMPTS_MAX, EFFECTS_MAX, MEMORY_BYTES_MAX},
    log::Log,
    scenario::Component,
};

/// Folder of native code.
const NATIVE: &str = "native";

/// The executor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to make a temporary folder")]
    Folder(#[source] io::Error),
    #[error("failed to start the executor")]
    Executor(#[source] ExecutorError),
}

/// Everything that outlives one run of a scenario.
pub struct Engine {
    // Dropped in this order: tasks end before what they use.
    runtime: Runtime,
    pub(crate) executor: Arc<Executor>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    dispatch: Dispatch,
    checked: RefCell<BTreeMap<(Digest, u64), Rc<Checked>>>,
    folder: TempDir,
}

/// Time that stands still until it is moved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    pub fn set(&self, instant: Timestamp) {
        self.0.store(instant.0, Ordering::Relaxed);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("executor", &self.executor).finish_non_exhaustive()
    }
}

impl Engine {
    pub fn new(compile_worker: CompileWorker) -> Result<Self, EngineError> {
        // One thread: guests run while this crate waits for them, and never beside each other.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(EngineError::Runtime)?;
        let folder = tempfile::tempdir().map_err(EngineError::Folder)?;
        let (clock, log) = (Clock::default(), Log::default());
        let (now, components) = (clock.clone(), folder.path().to_owned());
        let config = ExecutorConfig {
            component_path: Arc::new(move |digest| components.join(format!("{digest}.wasm"))),
            native_dir: folder.path().join(NATIVE),
            attempts_max: ATTEMPTS_MAX,
            effects_max: EFFECTS_MAX,
            // An attempt tells at once that it is blocked; what is to follow from that is decided here.
            suspend_after: Some(Duration::ZERO),
            warm_bytes_max: limits::WARM_BYTES_DEFAULT,
            keep: relight_executor::keep,
            memory_bytes_max: MEMORY_BYTES_MAX,
            clock: Arc::new(move || now.now()),
            compile_worker,
            compile_limits: CompileLimits::default(),
        };
        let executor = Executor::new(config, runtime.handle().clone()).map_err(EngineError::Executor)?;
        let dispatch = Dispatch::new(log.capture());
        Ok(Self { runtime, executor, clock, log, dispatch, checked: RefCell::default(), folder })
    }

    /// Where native code is, for tests that have it already.
    #[doc(hidden)]
    pub fn native_dir(&self) -> PathBuf {
        self.folder.path().join(NATIVE)
    }

    /// Checks and compiles a component, so that the first scenario does not have to; what it says about itself.
    pub fn prepare(&self, component: &Component) -> Result<Rc<Checked>, UploadError> {
        self.check(&component.bytes, component.memory_bytes_max)
    }

    /// Checks and compiles a component, unless that is done.
    pub(crate) fn check(&self, component: &Bytes, memory_bytes_max: u64) -> Result<Rc<Checked>, UploadError> {
        let known = (Digest(*blake3::hash(component).as_bytes()), memory_bytes_max);
        if let Some(checked) = self.checked.borrow().get(&known) {
            return Ok(Rc::clone(checked));
        }
        let path = self.folder.path().join(format!("{}.wasm", known.0));
        std::fs::write(&path, component).map_err(|error| UploadError::Host {
            message: format!("failed to write `{}`: {error}", path.display()),
        })?;
        let checked = Rc::new(self.block_on(self.executor.check(component.clone(), memory_bytes_max))?);
        self.checked.borrow_mut().insert(known, Rc::clone(&checked));
        Ok(checked)
    }

    /// Lets guests run until `future` is ready; what they log is kept.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        tracing::dispatcher::with_default(&self.dispatch, || self.runtime.block_on(future))
    }
}
