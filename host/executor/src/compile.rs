//! Native code: made by a child process with limits, kept on disk, mapped when used.
//!
//! A file's name is the component's digest, its folder's name says for which engine configuration it was made. Files
//! appear complete or not at all. Losing them costs a compilation.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use relight_core::Digest;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use tokio::{process::Command, sync::Semaphore, task::spawn_blocking, time::timeout};
use wasmtime::{Engine, component::Component};

use crate::{
    engine::{self, EngineKind},
    limits::{COMPILATIONS_MAX, COMPILE_CPU_MAX, COMPILE_DEADLINE, COMPILE_MEMORY_BYTES_MAX},
};

/// The component itself is the problem; the text says what.
const EXIT_INVALID: u8 = 65;
/// The worker could not read or write a file.
const EXIT_IO: u8 = 74;
const EXIT_USAGE: u8 = 64;
/// What Rust's allocator writes before it aborts.
const OUT_OF_MEMORY_TEXT: &str = "memory allocation of";
/// Bytes of a worker's message that are kept.
const WORKER_MESSAGE_BYTES_MAX: usize = 4 << 10;

/// Where components are compiled.
#[derive(Clone, Debug)]
pub enum CompileWorker {
    /// A program that calls [`compile_worker_main`] with what follows `args`. A hostile component can at most end it.
    Process { program: PathBuf, args: Vec<OsString> },
    /// In this process, without limits: for tests.
    InProcess,
}

/// Bounds of one compilation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompileLimits {
    pub memory_bytes_max: u64,
    pub cpu_max: Duration,
    /// Wall time.
    pub deadline: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: COMPILE_MEMORY_BYTES_MAX,
            cpu_max: COMPILE_CPU_MAX,
            deadline: COMPILE_DEADLINE,
        }
    }
}

/// Why there is no native code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler refuses the component.
    #[error("the compiler refuses the component: {0}")]
    Invalid(String),
    /// Compiling takes more than a component may.
    #[error("compiling exceeds the limit of {0}")]
    Limit(String),
    /// The worker ended in a way that says nothing about the component.
    #[error("the compile worker ended unexpectedly: {0}")]
    Worker(String),
    #[error("failed to {doing} `{path}`")]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file that was just made, or found, is no native code of this engine.
    #[error("failed to load native code: {0}")]
    Load(String),
}

/// Native code on disk.
#[derive(Debug)]
pub(crate) struct NativeCode {
    /// Of the plain engine's configuration. What is for the other engine is in a folder of its own beside it: their
    /// configurations differ in one point only, and never change apart.
    dir: PathBuf,
    concurrent_dir: PathBuf,
    worker: CompileWorker,
    limits: CompileLimits,
    compiling: Semaphore,
    sequence: AtomicU64,
}

impl NativeCode {
    /// Creates folders, and removes what another engine configuration or a crash has left.
    pub fn open(
        native_dir: &Path,
        engine: &Engine,
        worker: CompileWorker,
        limits: CompileLimits,
    ) -> Result<Self, CompileError> {
        let name = format!("{:016x}", engine::compatibility(engine));
        let concurrent_dir = native_dir.join(format!("{name}-async"));
        let dir = native_dir.join(name);
        let dirs = [&dir, &concurrent_dir];
        for dir in dirs {
            fs::create_dir_all(dir).map_err(file("create", dir))?;
        }
        for entry in fs::read_dir(native_dir).map_err(file("read", native_dir))? {
            let path = entry.map_err(file("read", native_dir))?.path();
            if path.is_dir() && !dirs.contains(&&path) {
                fs::remove_dir_all(&path).map_err(file("remove", &path))?;
            }
        }
        for path in dirs.map(|dir| files(dir)) {
            for path in path? {
                if path.extension().is_none_or(|extension| extension != "cwasm") {
                    fs::remove_file(&path).map_err(file("remove", &path))?;
                }
            }
        }
        Ok(Self {
            dir,
            concurrent_dir,
            worker,
            limits,
            compiling: Semaphore::new(COMPILATIONS_MAX),
            sequence: AtomicU64::new(0),
        })
    }

    fn dir(&self, kind: EngineKind) -> &Path {
        match kind {
            EngineKind::Plain => &self.dir,
            EngineKind::Concurrent => &self.concurrent_dir,
        }
    }

    fn path(&self, kind: EngineKind, digest: Digest) -> PathBuf {
        self.dir(kind).join(format!("{digest}.cwasm"))
    }

    /// Whether there seems to be native code for this kind of engine.
    pub fn exists(&self, kind: EngineKind, digest: Digest) -> Result<bool, CompileError> {
        let path = self.path(kind, digest);
        path.try_exists().map_err(file("open", &path))
    }

    /// A path for a file that is not finished.
    pub fn temporary(&self, digest: Digest, extension: &str) -> PathBuf {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{digest}-{sequence}.{extension}"))
    }

    /// Compiles the component at `component`, whose digest this is. Waits for other compilations.
    pub async fn compile(
        &self,
        kind: EngineKind,
        engine: &Engine,
        digest: Digest,
        component: &Path,
    ) -> Result<(), CompileError> {
        let _turn = self.compiling.acquire().await.expect("the semaphore is never closed");
        let output = self.temporary(digest, "tmp");
        let compiled = match &self.worker {
            CompileWorker::Process { program, args } => {
                run_worker(program, args, kind, component, &output, self.limits).await
            }
            CompileWorker::InProcess => {
                let (engine, component, output) = (engine.clone(), component.to_owned(), output.clone());
                blocking(move || compile_file(&engine, &component, &output)).await
            }
        };
        let path = self.path(kind, digest);
        let dir = self.dir(kind).to_owned();
        blocking(move || {
            let published = compiled.and_then(|()| publish(&output, &path, &dir));
            if published.is_err() {
                // Nothing was made, or nothing that is of use.
                let _ = fs::remove_file(&output);
            }
            published
        })
        .await
    }

    /// Maps native code; `None` when there is none for this engine.
    pub fn load(
        &self,
        kind: EngineKind,
        engine: &Engine,
        digest: Digest,
    ) -> Result<Option<Component>, CompileError> {
        let path = self.path(kind, digest);
        if !path.try_exists().map_err(file("open", &path))? {
            return Ok(None);
        }
        match map(engine, &path) {
            Ok(component) => Ok(Some(component)),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = format!("{error:#}"), "native code is unusable");
                fs::remove_file(&path).map_err(file("remove", &path))?;
                Ok(None)
            }
        }
    }

    /// Maps native code that was just made. What the engine refuses now would need more than the pool gives one instance.
    pub fn load_new(
        &self,
        kind: EngineKind,
        engine: &Engine,
        digest: Digest,
    ) -> Result<Component, CompileError> {
        map(engine, &self.path(kind, digest)).map_err(|error| {
            self.remove(digest);
            let message = format!("{error:#}");
            if error.is::<io::Error>() { CompileError::Load(message) } else { CompileError::Invalid(message) }
        })
    }

    /// Deletes native code of all other components.
    pub fn retain(&self, digests: &BTreeSet<Digest>) -> Result<(), CompileError> {
        for kind in EngineKind::ALL {
            let kept: BTreeSet<PathBuf> = digests.iter().map(|digest| self.path(kind, *digest)).collect();
            for path in files(self.dir(kind))? {
                if path.extension().is_some_and(|extension| extension == "cwasm") && !kept.contains(&path) {
                    fs::remove_file(&path).map_err(file("remove", &path))?;
                }
            }
        }
        Ok(())
    }

    pub fn remove(&self, digest: Digest) {
        for kind in EngineKind::ALL {
            // Left behind it wastes space until the next start of another version.
            let _ = fs::remove_file(self.path(kind, digest));
        }
    }
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, CompileError> {
    let entries = fs::read_dir(dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(file("read", dir))?;
    Ok(entries.into_iter().map(|entry| entry.path()).collect())
}

fn map(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    #[expect(
        unsafe_code,
        reason = "native code is run as it is: only this server writes into its folder, complete files only, and the \
                  engine checks that they were made for its own version and configuration"
    )]
    // SAFETY: see above; a file there came from our own compiler and has not been changed since.
    unsafe {
        Component::deserialize_file(engine, path)
    }
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CompileError {
    let path = path.to_owned();
    move |source| CompileError::File { doing, path, source }
}

/// Runs on a thread where disk and CPU delay nobody.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and with it whoever asks.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Makes a finished file visible: its bytes, then its name, are on disk.
fn publish(output: &Path, path: &Path, dir: &Path) -> Result<(), CompileError> {
    File::open(output).and_then(|file| file.sync_all()).map_err(file("sync", output))?;
    fs::rename(output, path).map_err(file("rename", output))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(file("sync", dir))
}

fn compile_file(engine: &Engine, component: &Path, output: &Path) -> Result<(), CompileError> {
    let bytes = fs::read(component).map_err(file("read", component))?;
    let native =
        engine.precompile_component(&bytes).map_err(|error| CompileError::Invalid(format!("{error:#}")))?;
    fs::write(output, native).map_err(file("write", output))
}

async fn run_worker(
    program: &Path,
    args: &[OsString],
    kind: EngineKind,
    component: &Path,
    output: &Path,
    limits: CompileLimits,
) -> Result<(), CompileError> {
    let child = Command::new(program)
        .args(args)
        .arg(component)
        .arg(output)
        .arg(limits.memory_bytes_max.to_string())
        .arg(limits.cpu_max.as_secs().max(1).to_string())
        .arg(kind.name())
        // Secrets of the server are none of its business.
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(file("run", program))?;
    let Ok(finished) = timeout(limits.deadline, child.wait_with_output()).await else {
        return Err(CompileError::Limit(format!("{} s", limits.deadline.as_secs())));
    };
    let finished = finished.map_err(file("wait for", program))?;
    let message = &finished.stderr[..finished.stderr.len().min(WORKER_MESSAGE_BYTES_MAX)];
    judge(finished.status, String::from_utf8_lossy(message).trim(), limits)
}

fn judge(status: ExitStatus, message: &str, limits: CompileLimits) -> Result<(), CompileError> {
    if status.success() {
        return Ok(());
    }
    let memory = || CompileError::Limit(format!("{} MiB of memory", limits.memory_bytes_max >> 20));
    if status.signal() == Some(Signal::XCPU.as_raw()) || status.signal() == Some(Signal::KILL.as_raw()) {
        return Err(CompileError::Limit(format!("{} s of CPU time", limits.cpu_max.as_secs())));
    }
    if message.contains(OUT_OF_MEMORY_TEXT) || message.contains("Cannot allocate memory") {
        return Err(memory());
    }
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(EXIT_INVALID) => Err(CompileError::Invalid(message.to_owned())),
        _ => Err(CompileError::Worker(format!("{status}: {message}"))),
    }
}

/// What the compile worker does: limits itself, compiles, ends. Nothing in it is trusted to end well.
///
/// `args`: path of the component, path of the output, bytes of memory, seconds of CPU time, kind of engine.
pub fn compile_worker_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = worker_args(args).and_then(|args| {
        let WorkerArgs { component, output, memory_bytes_max, cpu_s_max, kind } = args;
        limit_self(memory_bytes_max, cpu_s_max)?;
        let engine = engine::compiling(kind).map_err(|error| (EXIT_IO, format!("{error:#}")))?;
        compile_file(&engine, &component, &output).map_err(|error| match error {
            CompileError::Invalid(message) => (EXIT_INVALID, message),
            CompileError::File { ref source, .. } => (EXIT_IO, format!("{error}: {source}")),
            other => (EXIT_IO, other.to_string()),
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::from(code)
        }
    }
}

struct WorkerArgs {
    component: PathBuf,
    output: PathBuf,
    memory_bytes_max: u64,
    cpu_s_max: u64,
    kind: EngineKind,
}

fn worker_args(args: impl IntoIterator<Item = OsString>) -> Result<WorkerArgs, (u8, String)> {
    let usage = || (EXIT_USAGE, "usage: IN OUT MEMORY-BYTES CPU-SECONDS ENGINE".to_owned());
    let args: Vec<OsString> = args.into_iter().collect();
    let [component, output, memory, cpu, kind] = args.as_slice() else { return Err(usage()) };
    let number = |text: &OsString| text.to_str().and_then(|text| text.parse().ok());
    let (Some(memory), Some(cpu)) = (number(memory), number(cpu)) else { return Err(usage()) };
    let kind = EngineKind::ALL.into_iter().find(|known| *kind == *known.name()).ok_or_else(usage)?;
    let (component, output) = (component.into(), output.into());
    Ok(WorkerArgs { component, output, memory_bytes_max: memory, cpu_s_max: cpu, kind })
}

fn limit_self(memory_bytes_max: u64, cpu_s_max: u64) -> Result<(), (u8, String)> {
    let set = |resource, soft: u64, hard: u64| {
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })
            .map_err(|error| (EXIT_IO, format!("failed to limit {resource:?}: {error}")))
    };
    // Writable memory; the address space as a whole also holds mapped files and stacks that are never touched.
    set(Resource::Data, memory_bytes_max, memory_bytes_max)?;
    // At the soft limit comes a signal that says why; the hard one is for a process that would ignore it.
    set(Resource::Cpu, cpu_s_max, cpu_s_max + 1)?;
    // A crash of a child is expected: it leaves no image of memory behind.
    set(Resource::Core, 0, 0)
}
