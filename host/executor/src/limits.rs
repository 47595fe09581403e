//! Every bound that the executor enforces, with its reason, and the limiter that enforces those of one instance.
//!
//! Bounds of journals and payloads are in `relight_core::limits`.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::guest::Stop;

/// An uploaded component.
pub const COMPONENT_BYTES_MAX: usize = 64 << 20;
/// Linear memory of one instance, unless its deployment says otherwise.
pub const MEMORY_BYTES_DEFAULT: u64 = 64 << 20;
/// Linear memory of one instance that a deployment may ask for.
pub const MEMORY_BYTES_CEILING: u64 = 512 << 20;
/// Elements of all tables of one instance; the largest language runtimes need about 8,000.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Linear memories of one component; runtimes with an adapter need two.
pub const MEMORIES_PER_COMPONENT_MAX: u32 = 4;
pub const TABLES_PER_COMPONENT_MAX: u32 = 64;
/// Core instances of one component; a dynamically linked Python needs about 30.
pub const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 64;
/// Instances that may live at once: each reserves two slots of 4 GiB in each of two engines, and of 128 TiB of address
/// space a program's own place leaves 43 TiB above it.
pub const INSTANCES_MAX: usize = 5_000;

/// What a guest may hand to the host in one call: the largest payload, its headers, and room for its encoding.
pub const HOST_CALL_BYTES_MAX: usize = 16 << 20;
/// The same for `describe`: a manifest with its schemas.
pub const MANIFEST_BYTES_MAX: usize = 2 << 20;
/// Component-model handles; the contract has none, this bounds what a guest makes among its own instances.
pub const COMPONENT_HANDLES_MAX: usize = 10_000;
/// Bytes that `context.random` gives at once; part of the contract.
pub const RANDOM_BYTES_MAX: u32 = 65_536;
/// Handles in one wait: as many as a journal has operations.
pub const WAIT_HANDLES_MAX: usize = relight_core::limits::JOURNAL_ENTRIES_MAX as usize;
/// Headers of a call or send, names and values together.
pub const HEADER_BYTES_MAX: usize = 16 << 10;

/// How often a running guest is looked at: it yields to others, its budgets are checked, old entries are flushed.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);
/// Ticks that a handler or effect may compute without a host call: 5 s. Longer is an endless loop.
pub const SLICE_TICKS_MAX: u32 = 500;
/// Ticks that instantiation or `describe` may compute: 2 s. Interpreters start within 0.1 s.
pub const DESCRIBE_TICKS_MAX: u32 = 200;
/// Stack of compiled guest code: address space only, until somebody recurses. An interpreter ends its own recursion, with an
/// error that names the place, by the stack that it has in its linear memory; for CPython that takes 4 to 8 MiB of this one.
pub const GUEST_STACK_BYTES: usize = 8 << 20;
/// Stack of the fiber that guest code and host calls share.
pub const FIBER_STACK_BYTES: usize = GUEST_STACK_BYTES + (3 << 19);
/// Frames in the backtrace of a trap.
pub const BACKTRACE_FRAMES_MAX: usize = 24;

/// Buffered operations are appended above any of these three: the size of one record, the work of one replay after a
/// crash, and how long others wait to see state.
pub const BUFFER_BYTES_MAX: usize = 64 << 10;
pub const BUFFER_ENTRIES_MAX: usize = 100;
pub const BUFFER_AGE_MAX: Duration = Duration::from_millis(10);
/// Operations that are appended but not accepted; above it the handler waits, so that a flood of sends goes no faster
/// than the log.
pub const IN_FLIGHT_BYTES_MAX: usize = 1 << 20;
pub const IN_FLIGHT_ENTRIES_MAX: usize = 1_000;

/// Records that are verified at once: enough to use the machine, few enough to leave it to those who work.
pub const REPLAYS_MAX: usize = 4;
/// Running time of one replay, unless its handler may run less. The longest journal takes far less; what takes longer
/// computes, and an operator waits for it.
pub const REPLAY_RUNNING_MAX: Duration = Duration::from_secs(30);

/// How long a waiting handler keeps an instance that is cheap to make again, when nothing else is configured: most calls
/// within a node answer faster.
pub const LINGER_DEFAULT: Duration = Duration::from_millis(20);
/// From here on an instance is dear to make: several times what compiled code takes, half of what the smallest
/// interpreter does.
pub const KEEP_DEAR_MIN: Duration = Duration::from_micros(60);
/// Instances that take longer to make are not made in a turn of their leader, which everything else of its partition waits
/// for. About what a turn may take.
pub const START_COST_NEAR_MAX: Duration = Duration::from_micros(500);
/// Such an instance is kept so many times as long as it takes to make: making it again after such a wait takes a
/// twenty-thousandth of a processor.
pub const KEEP_FACTOR: u32 = 20_000;
/// And no longer: whoever waits for half a minute may well wait for hours.
pub const KEEP_MAX: Duration = Duration::from_secs(30);
/// Share of the instances that attempts may have; when more live, waiting ones make room.
pub const OCCUPANCY_PERCENT_MAX: usize = 75;
/// Linear memory of all waiting instances together, unless configured: several times what they take, since pages
/// that nobody has written are shared or not there.
pub const WARM_BYTES_DEFAULT: u64 = 2 << 30;

/// Lines and bytes of log that one attempt may write; then one line says that more were dropped.
pub const LOG_LINES_MAX: u32 = 1_000;
pub const LOG_BYTES_MAX: usize = 64 << 10;
/// One log line, its fields included; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 8 << 10;

/// One attempt of an effect whose definition and caller say nothing.
pub const EFFECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
pub const HTTP_REQUEST_BYTES_MAX: usize = 10 << 20;
pub const HTTP_RESPONSE_BYTES_MAX: usize = 10 << 20;
/// Status line and headers of a response.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 << 10;
pub const HTTP_HEADERS_MAX: usize = 200;
pub const HTTP_TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// Name resolution, TCP and TLS together.
pub const HTTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Memory of the compile worker: 18 MB of Python take about 1 GiB.
pub const COMPILE_MEMORY_BYTES_MAX: u64 = 4 << 30;
/// CPU time of the compile worker: 12 MB of JavaScript engine take 24 s.
pub const COMPILE_CPU_MAX: Duration = Duration::from_secs(120);
/// Wall time of the compile worker.
pub const COMPILE_DEADLINE: Duration = Duration::from_secs(300);
/// Compilations at once: each uses all cores.
pub const COMPILATIONS_MAX: usize = 1;
/// Deployments whose native code is mapped; least recently used ones are unmapped, which costs a few ms to undo.
pub const LOADED_DEPLOYMENTS_MAX: usize = 256;

const _: () = assert!(HOST_CALL_BYTES_MAX > relight_core::limits::ENTRY_BYTES_MAX + HEADER_BYTES_MAX);
const _: () = assert!(HTTP_RESPONSE_BYTES_MAX <= relight_core::limits::ENTRY_BYTES_MAX);
const _: () = assert!(MEMORY_BYTES_DEFAULT <= MEMORY_BYTES_CEILING);

/// Memory and tables of one instance. A refusal ends the attempt: a guest that saw −1 could behave differently on
/// replay.
#[derive(Debug)]
pub(crate) struct InstanceLimits {
    memory_bytes_max: usize,
    memory_bytes: usize,
    table_elements: usize,
}

impl InstanceLimits {
    /// Linear memory that the instance has.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes as u64
    }

    pub fn new(memory_bytes_max: u64) -> Self {
        Self {
            memory_bytes_max: usize::try_from(memory_bytes_max).unwrap_or(usize::MAX),
            memory_bytes: 0,
            table_elements: 0,
        }
    }
}

impl ResourceLimiter for InstanceLimits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            return Err(Stop::Memory { bytes_max: self.memory_bytes_max }.into());
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own maximum: the same on every run, so the guest may see it.
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // Not our own refusal but the pool's or the system's: never a value in the guest.
        if error.is::<Stop>() { Err(error) } else { Err(Stop::Host(format!("{error:#}")).into()) }
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > TABLE_ELEMENTS_MAX {
            return Err(Stop::Tables { elements_max: TABLE_ELEMENTS_MAX }.into());
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if error.is::<Stop>() { Err(error) } else { Err(Stop::Host(format!("{error:#}")).into()) }
    }
}
