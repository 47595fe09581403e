//! Core modules that are frozen after their initialisation: what it left in memory and in globals becomes the state in which every
//! instance begins, so that none of them initialises itself again.
//!
//! What does not live here: running the initialisation. Whoever has an engine opens a module, runs it, and brings what it found.

use std::ops::Range;

use wasm_encoder::{
    ConstExpr, DataSection, ExportKind, ExportSection, GlobalSection, Ieee32, Ieee64, MemorySection, Module,
    RawSection,
    reencode::{Reencode, RoundtripReencoder},
};
use wasmparser::{DataKind, ExternalKind, GlobalType, Operator, Parser, Payload, TypeRef, ValType};

use crate::{Error, componentize::validate, error::Cause};

/// What runs an initialisation, where a compiler makes one.
pub const INITIALIZE: &str = "_initialize";

const PAGE_BYTES: usize = 64 << 10;
/// Shorter stretches of zeros are part of a segment: a segment costs more than that.
const ZEROS_MIN: usize = 256;

/// A module that shows everything which its initialisation can change.
#[derive(Debug)]
pub struct Opened {
    pub module: Vec<u8>,
    /// Names of its exported memories, in order.
    pub memories: Vec<String>,
    /// Names of its exported globals that can change, in order.
    pub globals: Vec<String>,
}

/// What an initialisation has left.
#[derive(Debug)]
pub struct State {
    /// Contents of the memories of [`Opened::memories`].
    pub memories: Vec<Vec<u8>>,
    /// Values of the globals of [`Opened::globals`].
    pub globals: Vec<Number>,
}

/// Floating-point numbers by their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
}

/// The module with everything exported that its initialisation can change. None when it has no initialisation, or when that can change
/// something which [`frozen`] cannot write down: tables, references, memories of others.
///
/// # Errors
///
/// [`Error::NotWasm`] and [`Error::Invalid`].
pub fn opened(module: &[u8]) -> Result<Option<Opened>, Error> {
    validate(module)?;
    let parts = Parts::read(module)?;
    if !parts.can_be_frozen {
        return Ok(None);
    }
    let name = |kind: &str, index: u32| format!("relight:freeze/{kind}/{index}");
    let memories: Vec<u32> = (0..parts.memory_count).collect();
    let mut exports = parts.exports(|_| true);
    for (index, kind, export) in memories
        .iter()
        .map(|index| (*index, "memory", ExportKind::Memory))
        .chain(parts.changing().map(|(index, _)| (index, "global", ExportKind::Global)))
    {
        exports.export(&name(kind, index), export, index);
    }
    Ok(Some(Opened {
        module: parts.rewritten(module, |id| (id == EXPORTS).then(|| section(&exports))),
        memories: memories.iter().map(|index| name("memory", *index)).collect(),
        globals: parts.changing().map(|(index, _)| name("global", index)).collect(),
    }))
}

/// The module that was [`opened`], as its initialisation left it, and without it.
///
/// # Errors
///
/// [`Error::NotWasm`] and [`Error::Invalid`]; [`Error::Freeze`] for a state that is not one of this module.
pub fn frozen(module: &[u8], state: &State) -> Result<Vec<u8>, Error> {
    validate(module)?;
    let parts = Parts::read(module)?;
    let (memories, globals) = (parts.memories(state), parts.globals(state));
    let (memories, globals) = (memories.map_err(Error::Freeze)?, globals.map_err(Error::Freeze)?);
    let exports = parts.exports(|name| name != INITIALIZE);
    let data = data(&state.memories);
    let frozen = parts.rewritten(module, |id| match id {
        MEMORIES => Some(section(&memories)),
        GLOBALS => Some(section(&globals)),
        EXPORTS => Some(section(&exports)),
        // Nothing refers to segments, so nothing needs their number before the code.
        DATA_COUNT => Some(Vec::new()),
        DATA => Some(section(&data)),
        _ => None,
    });
    validate(&frozen)?;
    Ok(frozen)
}

// Numbers of sections.
const MEMORIES: u8 = 5;
const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;

/// A section with its number and length.
fn section(section: &impl wasm_encoder::Section) -> Vec<u8> {
    let mut bytes = Vec::new();
    section.append_to(&mut bytes);
    bytes
}

/// What freezing has to know of a module.
struct Parts<'a> {
    can_be_frozen: bool,
    memory_count: u32,
    memories: Option<wasmparser::MemorySectionReader<'a>>,
    globals: Vec<wasmparser::Global<'a>>,
    exports: Vec<wasmparser::Export<'a>>,
    /// Number and place of each section.
    sections: Vec<(u8, Range<usize>)>,
}

impl<'a> Parts<'a> {
    fn read(module: &'a [u8]) -> Result<Self, Error> {
        let mut parts = Self {
            can_be_frozen: true,
            memory_count: 0,
            memories: None,
            globals: Vec::new(),
            exports: Vec::new(),
            sections: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            if let Some(section) = payload.as_section() {
                parts.sections.push(section);
            }
            parts.can_be_frozen &= parts.take(payload)?;
        }
        let initializes =
            parts.exports.iter().any(|one| one.name == INITIALIZE && one.kind == ExternalKind::Func);
        let has_data = parts.sections.iter().any(|(id, _)| *id == DATA);
        parts.can_be_frozen &= initializes && has_data && parts.memories.is_some();
        let has_numbers = parts.changing().all(|(_, ty)| is_number(ty.content_type));
        parts.can_be_frozen &= has_numbers;
        Ok(parts)
    }

    /// Whether what the payload says can be frozen.
    fn take(&mut self, payload: Payload<'a>) -> Result<bool, Error> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    if !matches!(import?.ty, TypeRef::Func(_)) {
                        return Ok(false);
                    }
                }
            }
            Payload::MemorySection(section) => {
                self.memory_count = section.count();
                self.memories = Some(section.clone());
                for memory in section {
                    let memory = memory?;
                    if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
                        return Ok(false);
                    }
                }
            }
            Payload::GlobalSection(section) => {
                self.globals = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::ExportSection(section) => {
                self.exports = section.into_iter().collect::<Result<_, _>>()?;
            }
            // It would run in every instance, before anything is there.
            Payload::StartSection { .. } => return Ok(false),
            Payload::DataSection(section) => {
                for segment in section {
                    if matches!(segment?.kind, DataKind::Passive) {
                        return Ok(false);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut operators = body.get_operators_reader()?;
                while !operators.eof() {
                    if changes_the_rest(&operators.read()?) {
                        return Ok(false);
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }

    /// Globals that can change.
    fn changing(&self) -> impl Iterator<Item = (u32, GlobalType)> {
        (0..).zip(&self.globals).map(|(index, global)| (index, global.ty)).filter(|(_, ty)| ty.mutable)
    }

    fn exports(&self, keep: impl Fn(&str) -> bool) -> ExportSection {
        let mut exports = ExportSection::new();
        for export in self.exports.iter().filter(|export| keep(export.name)) {
            exports.export(export.name, ExportKind::from(export.kind), export.index);
        }
        exports
    }

    fn memories(&self, state: &State) -> Result<MemorySection, Cause> {
        let mut memories = MemorySection::new();
        let declared = self.memories.clone().into_iter().flatten();
        if self.memory_count as usize != state.memories.len() {
            return Err("the state has another number of memories".into());
        }
        for (memory, content) in declared.zip(&state.memories) {
            let memory = memory?;
            let pages = (content.len() / PAGE_BYTES) as u64;
            if content.len() % PAGE_BYTES != 0 || pages < memory.initial {
                return Err("a memory is no longer as large as it began".into());
            }
            memories.memory(wasm_encoder::MemoryType {
                minimum: pages,
                maximum: memory.maximum,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        Ok(memories)
    }

    fn globals(&self, state: &State) -> Result<GlobalSection, Cause> {
        let mut globals = GlobalSection::new();
        let mut values = state.globals.iter();
        for global in &self.globals {
            let ty = RoundtripReencoder.global_type(global.ty)?;
            let value = if global.ty.mutable {
                constant(global.ty.content_type, values.next().ok_or("a global has no value")?)?
            } else {
                RoundtripReencoder.const_expr(global.init_expr.clone())?
            };
            globals.global(ty, &value);
        }
        Ok(globals)
    }

    /// The module, with sections of its own in place of some.
    fn rewritten(&self, module: &[u8], new: impl Fn(u8) -> Option<Vec<u8>>) -> Vec<u8> {
        let mut out = Module::new().finish();
        for (id, place) in &self.sections {
            match new(*id) {
                // What was encoded has no number yet.
                Some(section) if section.is_empty() => {}
                Some(section) => out.extend(section),
                None => wasm_encoder::Section::append_to(
                    &RawSection { id: *id, data: &module[place.clone()] },
                    &mut out,
                ),
            }
        }
        out
    }
}

fn is_number(ty: ValType) -> bool {
    matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64)
}

fn constant(ty: ValType, value: &Number) -> Result<ConstExpr, Cause> {
    match (ty, *value) {
        (ValType::I32, Number::I32(value)) => Ok(ConstExpr::i32_const(value)),
        (ValType::I64, Number::I64(value)) => Ok(ConstExpr::i64_const(value)),
        (ValType::F32, Number::F32(bits)) => Ok(ConstExpr::f32_const(Ieee32::new(bits))),
        (ValType::F64, Number::F64(bits)) => Ok(ConstExpr::f64_const(Ieee64::new(bits))),
        _ => Err(format!("a global of type {ty} has the value {value:?}").into()),
    }
}

/// Whether it changes tables, or depends on segments that are no longer there.
fn changes_the_rest(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. }
            | Operator::MemoryInit { .. }
            | Operator::DataDrop { .. }
    )
}

/// Everything that is not zero.
fn data(memories: &[Vec<u8>]) -> DataSection {
    let mut data = DataSection::new();
    for (index, content) in (0..).zip(memories) {
        for run in runs(content) {
            let offset = u32::try_from(run.start).expect("a memory of 32 bits ends before");
            let offset = ConstExpr::i32_const(offset.cast_signed());
            data.active(index, &offset, content[run].iter().copied());
        }
    }
    data
}

/// Stretches with nothing but short stretches of zeros in them.
fn runs(content: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(length) = content[at..].iter().position(|byte| *byte != 0) {
        let start = at + length;
        let end =
            content[start..].iter().position(|byte| *byte == 0).map_or(content.len(), |end| start + end);
        match runs.last_mut() {
            Some(last) if start - last.end < ZEROS_MIN => last.end = end,
            _ => runs.push(start..end),
        }
        at = end;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: &str = r#"(module
        (import "a" "b" (func $b))
        (memory (export "memory") 1)
        (memory 1 4)
        (global $count (mut i32) (i32.const 1))
        (global $limit i32 (i32.const 9))
        (global $half (mut f64) (f64.const 0.5))
        (func (export "_initialize") (call $b))
        (func (export "get") (result i32) (global.get $count))
        (data (i32.const 8) "before"))"#;

    fn state() -> State {
        let mut first = vec![0; 2 * PAGE_BYTES];
        first[8..13].copy_from_slice(b"after");
        first[PAGE_BYTES + 7] = 1;
        let globals = vec![Number::I32(-5), Number::F64(2.5_f64.to_bits())];
        State { memories: vec![first, vec![0; PAGE_BYTES]], globals }
    }

    #[test]
    fn what_can_change_is_exported() {
        let module = wat::parse_str(COUNTS).expect("text");
        let opened = opened(&module).expect("valid").expect("it initialises itself");
        assert_eq!((opened.memories.len(), opened.globals.len()), (2, 2));
        validate(&opened.module).expect("valid");
    }

    #[test]
    fn a_frozen_module_begins_with_the_state_and_without_its_initialisation() {
        let module = wat::parse_str(COUNTS).expect("text");
        let frozen = frozen(&module, &state()).expect("it fits");
        let parts = Parts::read(&frozen).expect("valid");
        assert!(!parts.can_be_frozen, "it does not initialise itself");
        assert_eq!(parts.exports.iter().map(|export| export.name).collect::<Vec<_>>(), ["memory", "get"]);
        let memories: Vec<u64> = parts
            .memories
            .expect("two memories")
            .into_iter()
            .map(|memory| memory.expect("valid").initial)
            .collect();
        assert_eq!(memories, [2, 1]);
        let first = |index: usize| {
            let expression = parts.globals[index].init_expr.clone();
            format!("{:?}", expression.get_operators_reader().read().expect("a constant"))
        };
        assert!(first(0).contains("-5"), "{}", first(0));
        assert!(first(1).contains('9'), "{}", first(1));
        assert!(frozen.windows(5).any(|bytes| bytes == b"after"));
        assert!(!frozen.windows(6).any(|bytes| bytes == b"before"));
    }

    #[test]
    fn a_state_of_another_module_is_refused() {
        let module = wat::parse_str(COUNTS).expect("text");
        let mut wrong = state();
        wrong.globals[0] = Number::I64(1);
        frozen(&module, &wrong).expect_err("a global of another type");
        let mut wrong = state();
        wrong.memories.pop();
        frozen(&module, &wrong).expect_err("a memory is missing");
    }

    #[test]
    fn what_cannot_be_written_down_is_left_as_it_is() {
        for part in [
            r#"(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))"#,
            r#"(global (mut funcref) (ref.null func))"#,
            r#"(data "passive")"#,
            r#"(start 1)"#,
            r#"(import "a" "g" (global i32))"#,
        ] {
            let (imports, rest) = if part.starts_with("(import") { (part, "") } else { ("", part) };
            let text = format!(
                r#"(module {imports} (func $i (export "_initialize")) (func) (memory 1) (data (i32.const 0) "a") {rest})"#
            );
            let module = wat::parse_str(&text).expect("text");
            assert!(opened(&module).expect("valid").is_none(), "{part}");
        }
    }

    #[test]
    fn runs_are_joined_over_short_stretches_of_zeros() {
        let mut content = vec![0; 4096];
        for index in [10, 11, 100, 3000] {
            content[index] = 1;
        }
        assert_eq!(runs(&content), [10..101, 3000..3001]);
        assert_eq!(runs(&[0; 9]), []);
        assert_eq!(runs(&[1; 9]).first(), Some(&(0..9)));
    }
}
