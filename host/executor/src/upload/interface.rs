//! What uploaded bytes are, and what they export and import, without compiling anything.

use wasmparser::{
    BinaryReaderError, ComponentExternalKind, FuncToValidate, FunctionBody, Parser, Payload, Validator,
    ValidatorResources, WasmFeatures, component_types::ComponentEntityType, types::Types,
};

use super::{PAGE_BYTES, UploadError};
use crate::{engine::EngineKind, limits::TABLE_ELEMENTS_MAX, wasi};

const MAGIC: &[u8; 4] = b"\0asm";
const NAMESPACE: &str = "relight:handler/";
const VERSION: &str = "@0.1.0";
/// A component has one of them, and may have others that nobody calls. Their functions are checked by type before the
/// component is first described.
const HANDLER_EXPORTS: [&str; 2] = [relight_wit::HANDLER_EXPORT, relight_wit::HANDLER_ASYNC_EXPORT];

/// Functions that a component may import, by interface. Interfaces of types have none.
const IMPORTS: [(&str, &[&str]); 10] = [
    ("context", &["info", "now", "random", "uuid"]),
    ("state", &["get", "keys", "set", "clear", "clear-all"]),
    (
        "ops",
        &[
            "call",
            "callee",
            "send",
            "timer",
            "awakeable",
            "resolve-awakeable",
            "signal",
            "send-signal",
            "promise",
            "promise-peek",
            "promise-complete",
            "attach",
            "output",
            "cancel",
            "effect",
        ],
    ),
    ("inline-run", &["start", "finish", "retry"]),
    ("waiting", &["wait", "wait-any", "wait-all"]),
    ("http", &["fetch"]),
    ("log", &["log"]),
    ("types", &[]),
    ("definition", &[]),
    ("requests", &[]),
];

/// Imports and exports at the outside of a component; no toolchain comes near.
const OUTSIDE_NAMES_MAX: usize = 1_000;

/// What components may be made of; the engines' configurations are the same. The concurrent one has `CM_ASYNC` beside.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES);

/// What a component that may be deployed looks like from outside.
pub(super) struct Interface {
    pub kind: EngineKind,
    /// The functions it imports, as `relight:handler/ops.call` or `wasi:cli/exit.exit`, in the order of the component.
    pub imports: Vec<String>,
}

/// `memory_bytes_max`: what one memory may begin with. Native code that needs more is not even loaded.
pub(super) fn check(bytes: &[u8], memory_bytes_max: u64) -> Result<Interface, UploadError> {
    check_kind(bytes)?;
    let (kind, outline) = outline_of_kind(bytes)?;
    let Outline { types, outside, functions } = outline;
    validate_functions(functions, bytes.len())?;
    check_initial_sizes(&outside, memory_bytes_max)?;
    check_exports(&types, &outside.exports)?;
    let mut imports = Vec::new();
    for name in &outside.imports {
        check_import(&types, name, &mut imports)?;
    }
    Ok(Interface { kind, imports })
}

/// Which engine runs a component that was checked before.
pub(super) fn engine_kind(bytes: &[u8]) -> Result<EngineKind, UploadError> {
    outline_of_kind(bytes).map(|(kind, _)| kind)
}

/// The plain engine runs everything that it can: there instances and calls cost less.
fn outline_of_kind(bytes: &[u8]) -> Result<(EngineKind, Outline<'_>), UploadError> {
    match outline(bytes, FEATURES) {
        Ok(outline) => Ok((EngineKind::Plain, outline)),
        Err(_) => {
            let outline = outline(bytes, FEATURES.union(WasmFeatures::CM_ASYNC))?;
            Ok((EngineKind::Concurrent, outline))
        }
    }
}

fn check_kind(bytes: &[u8]) -> Result<(), UploadError> {
    let not_wasm = |reason: String| Err(UploadError::NotWasm { reason });
    if bytes.is_empty() {
        return not_wasm("the body is empty".to_owned());
    }
    let begin = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(begin) {
        return not_wasm(format!("it begins with {begin:02x?}, not with {MAGIC:02x?}"));
    }
    let Some(&[version_low, version_high, layer_low, layer_high]) = bytes.get(4..8) else {
        return Err(UploadError::Truncated { message: "no header".to_owned(), offset: bytes.len() as u64 });
    };
    match ([version_low, version_high], [layer_low, layer_high]) {
        ([1, 0], [0, 0]) => Err(UploadError::CoreModule),
        ([0x0d, 0], [1, 0]) => Ok(()),
        (version, layer) => not_wasm(format!(
            "version {} of layer {} is unknown",
            u16::from_le_bytes(version),
            u16::from_le_bytes(layer)
        )),
    }
}

/// Names at the outside of a component, in its order, and what its largest memory and table begin with.
#[derive(Default)]
struct Outside {
    imports: Vec<String>,
    exports: Vec<String>,
    memory_pages: u64,
    table_elements: u64,
}

fn check_initial_sizes(outside: &Outside, memory_bytes_max: u64) -> Result<(), UploadError> {
    let memory_bytes = outside.memory_pages.saturating_mul(PAGE_BYTES);
    if memory_bytes > memory_bytes_max {
        let what = "bytes of initial memory";
        return Err(UploadError::Resources { what, needed: memory_bytes, max: memory_bytes_max });
    }
    let (needed, max) = (outside.table_elements, TABLE_ELEMENTS_MAX as u64);
    if needed > max {
        return Err(UploadError::Resources { what: "table elements", needed, max });
    }
    Ok(())
}

/// Everything about a component but the bodies of its functions, which are not validated yet.
struct Outline<'a> {
    types: Types,
    outside: Outside,
    functions: Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'a>)>,
}

fn outline(bytes: &[u8], features: WasmFeatures) -> Result<Outline<'_>, UploadError> {
    let mut validator = Validator::new_with_features(features);
    let mut outside = Outside::default();
    // Components nest: names count at depth 1 only.
    let mut depth = 0_u32;
    let mut functions = Vec::new();
    let mut end = None;
    let mut parser = Parser::new(0);
    parser.set_features(features);
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error, bytes.len()))?;
        match &payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section.clone() {
                    outside
                        .imports
                        .push(import.map_err(|error| invalid(&error, bytes.len()))?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section.clone() {
                    let export = export.map_err(|error| invalid(&error, bytes.len()))?;
                    if export.kind == ComponentExternalKind::Instance {
                        outside.exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let memory = memory.map_err(|error| invalid(&error, bytes.len()))?;
                    outside.memory_pages = outside.memory_pages.max(memory.initial);
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let table = table.map_err(|error| invalid(&error, bytes.len()))?;
                    outside.table_elements = outside.table_elements.max(table.ty.initial);
                }
            }
            _ => {}
        }
        if outside.imports.len() + outside.exports.len() > OUTSIDE_NAMES_MAX {
            return Err(UploadError::Resources {
                what: "imports and exports",
                needed: (outside.imports.len() + outside.exports.len()) as u64,
                max: OUTSIDE_NAMES_MAX as u64,
            });
        }
        match validator.payload(&payload).map_err(|error| invalid(&error, bytes.len()))? {
            wasmparser::ValidPayload::Func(function, body) => functions.push((function, body)),
            wasmparser::ValidPayload::End(types) => end = Some(types),
            wasmparser::ValidPayload::Ok | wasmparser::ValidPayload::Parser(_) => {}
        }
    }
    let types = end.ok_or(UploadError::Truncated {
        message: "the end is missing".to_owned(),
        offset: bytes.len() as u64,
    })?;
    Ok(Outline { types, outside, functions })
}

/// After the outline, because that is what most mistakes are in.
fn validate_functions(
    functions: Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'_>)>,
    length: usize,
) -> Result<(), UploadError> {
    let mut allocations = wasmparser::FuncValidatorAllocations::default();
    for (function, body) in functions {
        let mut function = function.into_validator(allocations);
        function.validate(&body).map_err(|error| invalid(&error, length))?;
        allocations = function.into_allocations();
    }
    Ok(())
}

fn invalid(error: &BinaryReaderError, length: usize) -> UploadError {
    let (message, offset) = (error.message().to_owned(), error.offset() as u64);
    if offset >= length as u64 || message.starts_with("unexpected end") {
        UploadError::Truncated { message, offset }
    } else {
        UploadError::Invalid { message, offset }
    }
}

fn check_exports(types: &Types, exports: &[String]) -> Result<(), UploadError> {
    let is_exported = exports.iter().any(|name| {
        HANDLER_EXPORTS.contains(&name.as_str())
            && types
                .component_item_for_export(name)
                .is_some_and(|item| matches!(item.ty, ComponentEntityType::Instance(_)))
    });
    if is_exported {
        return Ok(());
    }
    Err(UploadError::MissingExport { name: HANDLER_EXPORTS[0].to_owned() })
}

fn check_import(types: &Types, name: &str, functions: &mut Vec<String>) -> Result<(), UploadError> {
    if name.starts_with("wasi:") {
        return check_wasi(types, name, functions);
    }
    let unknown = || UploadError::UnknownImport { name: name.to_owned() };
    let interface = name.strip_prefix(NAMESPACE).ok_or_else(unknown)?;
    let item = types.component_item_for_import(name).ok_or_else(unknown)?;
    let ComponentEntityType::Instance(id) = item.ty else { return Err(unknown()) };
    let interface_name = interface.split('@').next().unwrap_or(interface);
    let supported = interface
        .strip_suffix(VERSION)
        .and_then(|interface| IMPORTS.iter().find(|(known, _)| *known == interface))
        .map(|(_, functions)| *functions);
    let mut has_function = false;
    for (function, item) in &types[id].exports {
        if !matches!(item.ty, ComponentEntityType::Func(_)) {
            continue;
        }
        has_function = true;
        let path = format!("{NAMESPACE}{interface_name}.{function}");
        if !supported.is_some_and(|supported| supported.contains(&function.as_str())) {
            let version = interface.strip_suffix(VERSION).map_or(interface, |_| "");
            let what = match version {
                "" => format!("`{path}`"),
                _ => format!("`{path}` of `{name}`"),
            };
            return Err(UploadError::Unsupported { what });
        }
        functions.push(path);
    }
    if supported.is_none() && !has_function {
        return Err(UploadError::Unsupported { what: format!("`{name}`") });
    }
    Ok(())
}

/// What language runtimes import on their own; what there is of it has nothing to do with the outside.
fn check_wasi(types: &Types, name: &str, functions: &mut Vec<String>) -> Result<(), UploadError> {
    let refused = || UploadError::Wasi { name: name.to_owned() };
    let offered = wasi::offered(name).ok_or_else(refused)?;
    let item = types.component_item_for_import(name).ok_or_else(refused)?;
    let ComponentEntityType::Instance(id) = item.ty else { return Err(refused()) };
    let interface = name.split('@').next().unwrap_or(name);
    for (function, item) in &types[id].exports {
        if !matches!(item.ty, ComponentEntityType::Func(_)) {
            continue;
        }
        let path = format!("{interface}.{function}");
        if !offered.contains(&function.as_str()) {
            return Err(UploadError::Wasi { name: path });
        }
        functions.push(path);
    }
    Ok(())
}
