//! Runs the initialisation of a core module while it is built, so that instances begin behind it. See `relight_wit::freeze`.
//!
//! The module sees what a component sees while it is instantiated: constant time and constant bytes, a log, and nothing else of
//! the contract. So what it becomes is what every instance would have made of itself.

use relight_wit::freeze::{self, INITIALIZE, Number, Opened, State};
use wasmtime::{
    Caller, Extern, ExternType, Linker, Module, OptLevel, Store, StoreLimits, StoreLimitsBuilder, Val,
};

use crate::{
    engine,
    imports::context::{SILENT_BYTE, SILENT_NOW},
    limits::{DESCRIBE_TICKS_MAX, RANDOM_BYTES_MAX},
};

/// What an initialisation may take: as much as the largest instance.
const MEMORY_BYTES_MAX: usize = 512 << 20;
const CONTEXT: &str = "relight:handler/context@0.1.0";
const LOG: &str = "relight:handler/log@0.1.0";
/// The allocator of lists that the host hands over.
const REALLOC: &str = "cabi_realloc";

/// A module that is initialised, and what it logged meanwhile.
#[derive(Debug)]
pub struct Frozen {
    pub module: Vec<u8>,
    pub lines: Vec<String>,
}

struct Building {
    limits: StoreLimits,
    lines: Vec<String>,
}

/// Freezes a core module behind its initialisation. None when it has none, when that does more than can be frozen, or when it fails:
/// then every instance does, and says why.
pub fn frozen(module: &[u8]) -> Option<Frozen> {
    let opened = freeze::opened(module).ok()??;
    let (state, lines) = match initialized(&opened) {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(%error, "a module is not frozen");
            return None;
        }
    };
    let module = freeze::frozen(module, &state).ok()?;
    Some(Frozen { module, lines })
}

fn initialized(opened: &Opened) -> wasmtime::Result<(State, Vec<String>)> {
    // It runs once: code that is made fast is better than fast code.
    let engine = engine::building(OptLevel::None)?;
    let module = Module::new(&engine, &opened.module)?;
    let limits = StoreLimitsBuilder::new().memory_size(MEMORY_BYTES_MAX).build();
    let mut store = Store::new(&engine, Building { limits, lines: Vec::new() });
    store.limiter(|building| &mut building.limits);
    store.set_epoch_deadline(u64::from(DESCRIBE_TICKS_MAX));
    let instance = linker(&module)?.instantiate(&mut store, &module)?;
    instance.get_typed_func::<(), ()>(&mut store, INITIALIZE)?.call(&mut store, ())?;

    let mut state = State { memories: Vec::new(), globals: Vec::new() };
    for name in &opened.memories {
        let memory = instance.get_memory(&mut store, name).ok_or_else(|| missing(name))?;
        state.memories.push(memory.data(&store).to_vec());
    }
    for name in &opened.globals {
        let global = instance.get_global(&mut store, name).ok_or_else(|| missing(name))?;
        state.globals.push(match global.get(&mut store) {
            Val::I32(value) => Number::I32(value),
            Val::I64(value) => Number::I64(value),
            Val::F32(bits) => Number::F32(bits),
            Val::F64(bits) => Number::F64(bits),
            other => return Err(wasmtime::format_err!("the global `{name}` is {other:?}")),
        });
    }
    Ok((state, store.into_data().lines))
}

fn missing(name: &str) -> wasmtime::Error {
    wasmtime::format_err!("no export `{name}`")
}

/// Every import, by the contract's lowered functions.
fn linker(module: &Module) -> wasmtime::Result<Linker<Building>> {
    let mut linker = Linker::new(module.engine());
    for import in module.imports() {
        let (module, name) = (import.module().to_owned(), import.name().to_owned());
        let ExternType::Func(ty) = import.ty() else {
            return Err(wasmtime::format_err!("the import `{module}#{name}` is no function"));
        };
        linker.func_new(&module.clone(), &name.clone(), ty, move |caller, arguments, results| {
            call(caller, (&module, &name), arguments, results)
        })?;
    }
    Ok(linker)
}

fn call(
    mut caller: Caller<'_, Building>,
    (module, name): (&str, &str),
    arguments: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    match ((module, name), arguments, results) {
        ((CONTEXT, "now"), [], [now]) => {
            *now = Val::I64(SILENT_NOW.0.cast_signed());
            Ok(())
        }
        ((CONTEXT, "random"), [Val::I32(count), Val::I32(result)], []) => {
            random(&mut caller, count.cast_unsigned(), *result)
        }
        ((LOG, "log"), [_, Val::I32(text), Val::I32(length), ..], []) => {
            let line = bytes(&mut caller, *text, *length)?;
            let line = String::from_utf8_lossy(line).into_owned();
            caller.data_mut().lines.push(line);
            Ok(())
        }
        _ => Err(wasmtime::format_err!("`{module}#{name}` is not available while a module is initialised")),
    }
}

/// Gives a list of bytes as the component model does: where the module's allocator says, its address and length at `result`.
fn random(caller: &mut Caller<'_, Building>, count: u32, result: i32) -> wasmtime::Result<()> {
    if count == 0 || RANDOM_BYTES_MAX < count {
        return Err(wasmtime::format_err!("{count} random bytes are asked for"));
    }
    let Some(Extern::Func(allocate)) = caller.get_export(REALLOC) else { return Err(missing(REALLOC)) };
    let allocate = allocate.typed::<(i32, i32, i32, i32), i32>(&*caller)?;
    let address = allocate.call(&mut *caller, (0, 0, 1, count.cast_signed()))?;
    bytes(caller, address, count.cast_signed())?.fill(SILENT_BYTE);
    let pair = bytes(caller, result, 8)?;
    pair[..4].copy_from_slice(&address.to_le_bytes());
    pair[4..].copy_from_slice(&count.to_le_bytes());
    Ok(())
}

fn bytes<'c>(
    caller: &'c mut Caller<'_, Building>,
    address: i32,
    length: i32,
) -> wasmtime::Result<&'c mut [u8]> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return Err(missing("memory")) };
    let (start, length) = (address.cast_unsigned() as usize, length.cast_unsigned() as usize);
    let end = start.saturating_add(length);
    memory
        .data_mut(caller)
        .get_mut(start..end)
        .ok_or_else(|| wasmtime::format_err!("a list outside of memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up to `count`, takes time and chance, says `hello`, and grows.
    const MODULE: &str = r#"(module
        (import "relight:handler/context@0.1.0" "now" (func $now (result i64)))
        (import "relight:handler/context@0.1.0" "random" (func $random (param i32 i32)))
        (import "relight:handler/log@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
        (import "relight:handler/state@0.1.0" "clear-all" (func $clear_all))
        (memory (export "memory") 1)
        (global $count (mut i32) (i32.const 0))
        (global $time (mut i64) (i64.const 7))
        (data (i32.const 16) "hello")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "_initialize")
            (global.set $count (i32.const 41))
            (global.set $time (call $now))
            (call $random (i32.const 4) (i32.const 64))
            (call $log (i32.const 2) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 0))
            (drop (memory.grow (i32.const 2)))
            BODY)
        (func (export "look") (result i32 i64 i32 i32 i32)
            (global.get $count) (global.get $time) (i32.load (i32.const 1024)) (i32.load (i32.const 68)) (memory.size)))"#;

    fn module(body: &str) -> Vec<u8> {
        wat::parse_str(MODULE.replace("BODY", body)).expect("text")
    }

    #[test]
    fn an_instance_begins_behind_the_initialisation() {
        let frozen = frozen(&module("")).expect("it can be frozen");
        assert_eq!(frozen.lines, ["hello"]);
        let engine = engine::building(OptLevel::None).expect("engine");
        let module = Module::new(&engine, &frozen.module).expect("valid");
        let limits = StoreLimitsBuilder::new().build();
        let mut store = Store::new(&engine, Building { limits, lines: Vec::new() });
        store.set_epoch_deadline(u64::from(DESCRIBE_TICKS_MAX));
        let instance =
            linker(&module).and_then(|linker| linker.instantiate(&mut store, &module)).expect("instance");
        assert!(instance.get_func(&mut store, INITIALIZE).is_none());
        let look =
            instance.get_typed_func::<(), (i32, i64, i32, i32, i32)>(&mut store, "look").expect("look");
        let seen = look.call(&mut store, ()).expect("it returns");
        assert_eq!(seen, (41, 0, 0x2a2a_2a2a, 4, 3));
    }

    #[test]
    fn what_fails_or_does_more_is_not_frozen() {
        for body in ["unreachable", "(call $clear_all)", "(loop (br 0))"] {
            assert!(frozen(&module(body)).is_none(), "{body}");
        }
    }
}
