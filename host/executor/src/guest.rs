//! One instance of a component and what belongs to it: the data of its store, its budgets, and how it ends.
//!
//! What an instance may do depends on its [`Role`]; the imports ask for the role they need.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use relight_core::{
    command::AttemptErrorKind,
    ids::EntryIndex,
    limits::FAILURE_MESSAGE_CHARS_MAX,
    replay::{LimitExceeded, MakeError, Mismatch},
    schema::Deployment,
};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace};

use crate::{
    convert::truncated,
    durable::Durable,
    effect::Live,
    limits::{
        COMPONENT_HANDLES_MAX, DESCRIBE_TICKS_MAX, EPOCH_TICK, HOST_CALL_BYTES_MAX, InstanceLimits,
        SLICE_TICKS_MAX,
    },
    log::Lines,
    place,
    runner::LiveInstance,
    verify::Ahead,
    wasi::Wasi,
};

/// Data of a store.
pub(crate) struct Guest {
    pub limits: InstanceLimits,
    pub role: Role,
    pub cpu: Cpu,
    pub lines: Lines,
    live: LiveInstance,
    pub wasi: Wasi,
}

/// What an instance is for, and with it what it may do.
pub(crate) enum Role {
    /// Instantiation and `describe`: constants and captured logs only.
    Silent,
    /// An attempt of a handler.
    Handler(Box<Durable>),
    /// An attempt of an effect.
    Effect(Box<Live>),
}

/// Why an instance is stopped, other than by a trap of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error(transparent)]
    Mismatch(Mismatch),
    #[error(transparent)]
    Limit(LimitExceeded),
    /// The guest broke a rule of the contract.
    #[error("{0}")]
    Misuse(String),
    /// An inline run is over, and so is its instance; another attempt goes on.
    #[error("the attempt goes on in another instance")]
    StartOver,
    /// A record is verified, and here it ends.
    #[error("the record ends here")]
    RecordEnds(Ahead),
    /// A program that thinks it is one of its own.
    #[error("the program ended itself with exit code {code}")]
    Exit { code: u8 },
    /// The host's fault, not the guest's.
    #[error("{0}")]
    Host(String),
    #[error("memory limit of {bytes_max} bytes exceeded")]
    Memory { bytes_max: usize },
    #[error("table limit of {elements_max} elements exceeded")]
    Tables { elements_max: usize },
    #[error("computed for {} ms without a host call", limit.as_millis())]
    Slice { limit: Duration },
    #[error("ran for more than {} ms without waiting (`abort_timeout`)", limit.as_millis())]
    AbortTimeout { limit: Duration },
}

impl From<MakeError> for Stop {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Mismatch(mismatch) => Self::Mismatch(mismatch),
            MakeError::Limit(limit) => Self::Limit(limit),
        }
    }
}

impl Guest {
    /// A store for one instance. It begins silent, with the budget of an instantiation. `deployment`: unless it is only
    /// described.
    pub fn store(
        engine: &Engine,
        memory_bytes_max: u64,
        lines: Lines,
        live: LiveInstance,
        deployment: Option<Arc<Deployment>>,
    ) -> Store<Self> {
        let guest = Self {
            limits: InstanceLimits::new(memory_bytes_max),
            role: Role::Silent,
            cpu: Cpu::new(DESCRIBE_TICKS_MAX, Duration::MAX),
            lines,
            live,
            wasi: Wasi::new(deployment),
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.limits);
        store.set_hostcall_fuel(HOST_CALL_BYTES_MAX);
        store.set_max_component_handles(COMPONENT_HANDLES_MAX);
        store.epoch_deadline_callback(|mut context| context.data_mut().tick());
        store.set_epoch_deadline(1);
        store
    }

    /// The instance exists: it may do now what its role allows.
    pub fn begin(&mut self, role: Role, abort_timeout: Duration) {
        self.role = role;
        self.cpu = Cpu::new(SLICE_TICKS_MAX, abort_timeout);
    }

    /// The guest has called the host.
    pub fn host_call(&mut self) {
        self.live.host_calls += 1;
        self.cpu.host_call();
    }

    /// The role of a handler, for the imports that need it. Counts as a host call.
    pub fn handler(&mut self, import: &str) -> Result<&mut Durable, Stop> {
        let durable = self.handler_or_run(import)?;
        match durable.live_run() {
            None => Ok(durable),
            Some(run) => Err(Stop::Misuse(format!(
                "`{import}` is not available inside the run `{}`: finish it first",
                run.name
            ))),
        }
    }

    /// The role of a handler, whether or not it is in the middle of a run. Counts as a host call.
    pub fn handler_or_run(&mut self, import: &str) -> Result<&mut Durable, Stop> {
        self.host_call();
        match &mut self.role {
            Role::Handler(durable) => Ok(durable),
            Role::Silent => Err(Stop::Misuse(format!(
                "`{import}` is not available while the component is instantiated or described"
            ))),
            Role::Effect(_) => Err(Stop::Misuse(format!("`{import}` is not available inside an effect"))),
        }
    }

    /// Every 10 ms of computing.
    fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.cpu.tick()?;
        if self.cpu.computes() {
            place::moves();
        }
        if let Role::Handler(durable) = &mut self.role {
            durable.tick();
        }
        // The runtime's own yield, and not the engine's: that one is polled again before anything else.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    }
}

/// Budgets of computing time.
pub(crate) struct Cpu {
    slice_ticks: u32,
    slice_ticks_max: u32,
    /// Since it has last waited.
    running_ticks: u32,
    running_since: Instant,
    abort_timeout: Duration,
}

impl Cpu {
    fn new(slice_ticks_max: u32, abort_timeout: Duration) -> Self {
        Self {
            slice_ticks: 0,
            slice_ticks_max,
            running_ticks: 0,
            running_since: Instant::now(),
            abort_timeout,
        }
    }

    /// A host call ends a slice.
    pub fn host_call(&mut self) {
        self.slice_ticks = 0;
    }

    /// The guest has waited: its running time begins anew.
    pub fn waited(&mut self) {
        self.running_since = Instant::now();
        self.running_ticks = 0;
    }

    /// Whether it has been running for a whole tick. The first one may come at once, or while the thread waits for a
    /// processor.
    fn computes(&self) -> bool {
        1 < self.running_ticks
    }

    fn tick(&mut self) -> Result<(), Stop> {
        self.slice_ticks += 1;
        self.running_ticks = self.running_ticks.saturating_add(1);
        if self.slice_ticks > self.slice_ticks_max {
            return Err(Stop::Slice { limit: EPOCH_TICK * self.slice_ticks_max });
        }
        if self.running_since.elapsed() > self.abort_timeout {
            return Err(Stop::AbortTimeout { limit: self.abort_timeout });
        }
        Ok(())
    }
}

/// How an instance ended, when not by returning.
pub(crate) struct Ended {
    pub kind: AttemptErrorKind,
    /// For people: the guest's last error line, the trap, the backtrace.
    pub message: String,
    /// Where the recorded journal and the handler part.
    pub index: Option<EntryIndex>,
}

/// `last_error`: the guest's last line of level error.
pub(crate) fn ended(error: &wasmtime::Error, last_error: Option<&str>) -> Ended {
    let stop = error.downcast_ref::<Stop>();
    let kind = match stop {
        Some(Stop::Mismatch(_)) => AttemptErrorKind::JournalMismatch,
        Some(Stop::Limit(_)) => AttemptErrorKind::LimitExceeded,
        Some(Stop::Host(_)) => AttemptErrorKind::Host,
        None if error.is::<PoolConcurrencyLimitError>() => AttemptErrorKind::Host,
        _ => AttemptErrorKind::Retryable,
    };
    let index = match stop {
        Some(Stop::Mismatch(mismatch)) => Some(mismatch.index),
        _ => None,
    };
    let mut message = String::new();
    // A stop has its own reason; what the guest logged before is another story. Not so when it ended itself.
    if let (None | Some(Stop::Exit { .. }), Some(line)) = (stop, last_error) {
        message.push_str(line);
        message.push('\n');
    }
    match (stop, error.downcast_ref::<Trap>()) {
        (Some(stop), _) => message.push_str(&stop.to_string()),
        (None, Some(trap)) => message.push_str(&trap.to_string()),
        (None, None) => message.push_str(&error.root_cause().to_string()),
    }
    if kind == AttemptErrorKind::Retryable
        && let Some(backtrace) = error.downcast_ref::<WasmBacktrace>()
        && !backtrace.frames().is_empty()
    {
        message.push('\n');
        message.push_str(backtrace.to_string().trim_end());
    }
    Ended { kind, message: truncated(message, FAILURE_MESSAGE_CHARS_MAX), index }
}
