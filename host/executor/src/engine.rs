//! The engines of a process: their configuration, knob by knob, and the threads that drive their epochs.
//!
//! There is one for components of plain functions, from the start, and one for components with async functions, once
//! there is such a component. What a single instance may use is in `limits.rs`; how instances are made is in `guest.rs`.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZeroUsize,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    component::{HasSelf, Linker},
};

use crate::{
    bindings::Service,
    guest::Guest,
    limits::{
        BACKTRACE_FRAMES_MAX, CORE_INSTANCES_PER_COMPONENT_MAX, EPOCH_TICK, FIBER_STACK_BYTES,
        GUEST_STACK_BYTES, MEMORIES_PER_COMPONENT_MAX, TABLE_ELEMENTS_MAX, TABLES_PER_COMPONENT_MAX,
    },
    wasi,
};

/// Linear memory that a slot keeps between instances, so that the next one causes no page faults.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 16 << 20;
const TABLE_KEEP_RESIDENT_BYTES: usize = 1 << 20;
const STACK_KEEP_RESIDENT_BYTES: usize = 64 << 10;
/// Address space of one linear memory: with all of 4 GiB reserved, compiled code needs no bounds checks.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Slots per instance in a pool. Components may have more memories than this; then fewer of them run at once.
const MEMORIES_PER_INSTANCE: usize = 2;
const TABLES_PER_INSTANCE: usize = 8;
const CORE_INSTANCES_PER_INSTANCE: usize = 16;

/// What an engine is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EngineKind {
    /// Components of plain functions.
    Plain,
    /// Components that use the async part of the component model: async exports, and what their languages make of them.
    Concurrent,
}

impl EngineKind {
    pub const ALL: [Self; 2] = [Self::Plain, Self::Concurrent];

    /// For the command line of the compile worker.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Concurrent => "concurrent",
        }
    }
}

/// Sizes of the pool of instances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSize {
    pub instances: usize,
    pub memory_bytes_max: u64,
}

/// An engine that runs guests, and what it links them with.
pub(crate) struct Running {
    pub engine: Engine,
    pub linker: Linker<Guest>,
}

/// Both engines. Each has a pool for all instances: which of them runs how many is not known before.
pub(crate) struct Engines {
    size: PoolSize,
    plain: Running,
    concurrent: OnceLock<Running>,
    /// Held while the second one is made, so that there is never a third.
    making: Mutex<()>,
}

impl Engines {
    pub fn new(size: PoolSize) -> wasmtime::Result<Self> {
        let plain = Running::new(EngineKind::Plain, size)?;
        Ok(Self { size, plain, concurrent: OnceLock::new(), making: Mutex::new(()) })
    }

    /// Makes the engine when this kind is asked for the first time.
    pub fn get(&self, kind: EngineKind) -> wasmtime::Result<&Running> {
        if kind == EngineKind::Plain {
            return Ok(&self.plain);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        match self.concurrent.get() {
            Some(running) => Ok(running),
            None => {
                tracing::info!("starting the engine for components with async functions");
                let running = Running::new(kind, self.size)?;
                Ok(self.concurrent.get_or_init(|| running))
            }
        }
    }
}

impl Running {
    fn new(kind: EngineKind, size: PoolSize) -> wasmtime::Result<Self> {
        let engine = running(kind, size)?;
        let linker = linker(&engine)?;
        Ok(Self { engine, linker })
    }
}

fn running(kind: EngineKind, size: PoolSize) -> wasmtime::Result<Engine> {
    let mut config = config(kind);
    // Reusing slots costs half of what mapping memory for each instance does, and scales over cores.
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(size)));
    let engine = Engine::new(&config)?;
    drive_epochs(&engine)?;
    Ok(engine)
}

/// An engine that only compiles: the same code, without the address space of a pool.
pub(crate) fn compiling(kind: EngineKind) -> wasmtime::Result<Engine> {
    let mut config = config(kind);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// An engine for what runs once, while a component is built. Its epochs go on.
pub(crate) fn building(speed: OptLevel) -> wasmtime::Result<Engine> {
    let mut config = config(EngineKind::Plain);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand).cranelift_opt_level(speed);
    let engine = Engine::new(&config)?;
    drive_epochs(&engine)?;
    Ok(engine)
}

/// Changes whenever native code of this engine would not run in another one.
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// All imports of the contract, and WASI as far as it is offered.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    Service::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}

fn config(kind: EngineKind) -> Config {
    let is_concurrent = kind == EngineKind::Concurrent;
    let mut config = Config::new();
    config
        // The contract has one blocking call at a time; without it a store and its calls are 30 % cheaper.
        .concurrency_support(is_concurrent)
        .wasm_component_model_async(is_concurrent)
        // Endless loops must end, and computing guests must let others run.
        .epoch_interruption(true)
        // Not used: a count of instructions costs half of the speed, and nothing recorded depends on it.
        .consume_fuel(false)
        // A journal may be replayed on another kind of CPU, where other NaN bits would come out.
        .cranelift_nan_canonicalization(true)
        // The same reason.
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        // Threads and shared memory have no deterministic order.
        .wasm_threads(false)
        .wasm_shared_everything_threads(false)
        .shared_memory(false)
        // A memory stays within its 4 GiB slot.
        .wasm_memory64(false)
        // Collections happen at times that a guest could observe; no language we know needs them.
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .gc_support(false)
        .wasm_stack_switching(false)
        // What LLVM and the toolchains of all languages emit.
        .wasm_simd(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_reference_types(true)
        .wasm_tail_call(true)
        .wasm_extended_const(true)
        // Dynamic linking and adapters bring a second memory.
        .wasm_multi_memory(true)
        .wasm_component_model(true)
        // Snapshots of language runtimes are mapped, not copied: 10 times faster for 10 MB.
        .memory_init_cow(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        // Depth of recursion is a failure like any other; both bounds are address space only.
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // A trap names its place; a deep recursion must not make that expensive.
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        // Components are compiled once and run for ever.
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(true);
    config
}

fn pool(size: PoolSize) -> PoolingAllocationConfig {
    let count = |per_instance: usize| {
        u32::try_from(size.instances * per_instance).expect("INSTANCES_MAX times a small number fits u32")
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(1))
        .total_stacks(count(1))
        .total_core_instances(count(CORE_INSTANCES_PER_INSTANCE))
        .total_memories(count(MEMORIES_PER_INSTANCE))
        .total_tables(count(TABLES_PER_INSTANCE))
        .max_memory_size(usize::try_from(size.memory_bytes_max).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS_MAX)
        // What the largest language runtimes need, several times over.
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(16 << 20)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
        .max_tables_per_module(TABLES_PER_COMPONENT_MAX)
        .max_memories_per_module(MEMORIES_PER_COMPONENT_MAX);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        // The kernel tells which pages were touched: only these are reset, without unmapping anything. Twice as fast,
        // and the only way that scales over cores.
        pool.pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
            .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
            .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES);
    } else {
        // Without it, keeping pages means to clear all of them: return them in batches instead.
        pool.decommit_batch_size(32);
    }
    pool
}

/// A thread, not a task: it must tick when all workers are busy with guests. It ends with the engine.
fn drive_epochs(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("relight-epoch".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH_TICK);
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiling_engine_makes_code_for_running_engine() {
        for kind in EngineKind::ALL {
            let size = PoolSize { instances: 2, memory_bytes_max: 64 << 20 };
            let running = running(kind, size).expect("engine");
            let compiling = compiling(kind).expect("engine");
            assert_eq!(compatibility(&running), compatibility(&compiling));
        }
    }

    #[test]
    fn both_engines_fit_the_address_space_with_all_instances() {
        let size = PoolSize { instances: crate::limits::INSTANCES_MAX, memory_bytes_max: 64 << 20 };
        let engines = Engines::new(size).expect("engine");
        let concurrent = engines.get(EngineKind::Concurrent).expect("engine");
        let again = engines.get(EngineKind::Concurrent).expect("engine");
        assert!(Engine::same(&concurrent.engine, &again.engine));
    }
}
