//! What a component imports and exports, by name. Nothing here judges whether that is allowed.

use std::fmt;

use wasmparser::{Encoding, Parser, Payload};
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{Resolve, World, WorldId, WorldItem, WorldKey};

use crate::componentize::{encoding, validate};
use crate::{Error, HANDLER_ASYNC_EXPORT, HANDLER_EXPORT};

/// The outside of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Everything it imports, in the order of the component.
    pub imports: Vec<Interface>,
    /// Everything it exports, in the order of the component.
    pub exports: Vec<Interface>,
    /// Size of the whole component.
    pub size_bytes: u64,
    /// Size of the code sections of all modules in it.
    pub code_bytes: u64,
    /// Size of the data sections of all modules in it.
    pub data_bytes: u64,
}

/// One imported or exported interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Such as `relight:handler/ops@0.1.0`; empty for functions that stand directly in the world.
    pub name: String,
    /// The functions of it that the component uses or provides, in the order of the component. Empty when only types are shared.
    pub functions: Vec<String>,
}

/// What kind of functions the handlers of a component are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerShape {
    /// It exports [`HANDLER_EXPORT`], whatever else it exports.
    Sync,
    /// It exports [`HANDLER_ASYNC_EXPORT`] only.
    Async,
}

impl fmt::Display for HandlerShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "sync",
            Self::Async => "async",
        })
    }
}

impl Inspection {
    /// How the component exports handlers; `None` when it exports neither interface for them.
    pub fn handler_shape(&self) -> Option<HandlerShape> {
        let exports = |name| self.exports.iter().any(|interface| interface.name == name);
        if exports(HANDLER_EXPORT) {
            Some(HandlerShape::Sync)
        } else if exports(HANDLER_ASYNC_EXPORT) {
            Some(HandlerShape::Async)
        } else {
            None
        }
    }

    /// The imported functions as `relight:handler/ops@0.1.0#call`, in the order of the component.
    pub fn import_names(&self) -> impl Iterator<Item = String> {
        names(&self.imports)
    }

    /// The exported functions as `relight:handler/handler@0.1.0#invoke`, in the order of the component.
    pub fn export_names(&self) -> impl Iterator<Item = String> {
        names(&self.exports)
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {{{}}}", self.name, self.functions.join(", "))
    }
}

/// Validate a component and list what it imports and exports.
///
/// # Errors
///
/// [`Error::NotWasm`], [`Error::CoreModule`], [`Error::Invalid`], and [`Error::Interfaces`] for a component that cannot be
/// expressed in WIT.
pub fn inspect(component: &[u8]) -> Result<Inspection, Error> {
    let (resolve, world) = decode(component)?;
    let world = &resolve.worlds[world];
    let (code_bytes, data_bytes) = section_sizes(component)?;
    Ok(Inspection {
        imports: interfaces(&resolve, world.imports.iter()),
        exports: interfaces(&resolve, world.exports.iter()),
        size_bytes: component.len() as u64,
        code_bytes,
        data_bytes,
    })
}

/// The interfaces of a component as WIT text, with the packages it refers to.
///
/// # Errors
///
/// As [`inspect`].
pub fn wit_text(component: &[u8]) -> Result<String, Error> {
    let (resolve, world) = decode(component)?;
    let World { package, .. } = resolve.worlds[world];
    let package = package.expect("a decoded component's world belongs to a package");
    let nested: Vec<_> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != package).collect();
    let mut printer = WitPrinter::default();
    printer.print(&resolve, package, &nested).map_err(|error| Error::Interfaces(error.into()))?;
    Ok(printer.output.to_string())
}

fn decode(component: &[u8]) -> Result<(Resolve, WorldId), Error> {
    if encoding(component)? == Encoding::Module {
        return Err(Error::CoreModule);
    }
    validate(component)?;
    match wit_component::decode(component).map_err(|error| Error::Interfaces(error.into()))? {
        DecodedWasm::Component(resolve, world) => Ok((resolve, world)),
        DecodedWasm::WitPackage(..) => {
            Err(Error::Interfaces("it holds interface types only, no code".into()))
        }
    }
}

fn interfaces<'a>(
    resolve: &Resolve,
    items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> Vec<Interface> {
    let mut interfaces = Vec::new();
    let mut functions_of_world = Vec::new();
    for (key, item) in items {
        match item {
            WorldItem::Interface { id, .. } => interfaces.push(Interface {
                name: resolve.name_world_key(key),
                functions: resolve.interfaces[*id].functions.keys().cloned().collect(),
            }),
            WorldItem::Function(function) => functions_of_world.push(function.name.clone()),
            WorldItem::Type { .. } => {}
        }
    }
    if !functions_of_world.is_empty() {
        interfaces.push(Interface { name: String::new(), functions: functions_of_world });
    }
    interfaces
}

fn names(interfaces: &[Interface]) -> impl Iterator<Item = String> {
    interfaces.iter().flat_map(|interface| {
        interface.functions.iter().map(|function| match interface.name.as_str() {
            "" => function.clone(),
            name => format!("{name}#{function}"),
        })
    })
}

fn section_sizes(component: &[u8]) -> Result<(u64, u64), Error> {
    let (mut code_bytes, mut data_bytes) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::CodeSectionStart { range, .. } => code_bytes += (range.end - range.start) as u64,
            Payload::DataSection(section) => {
                let range = section.range();
                data_bytes += (range.end - range.start) as u64;
            }
            _ => {}
        }
    }
    Ok((code_bytes, data_bytes))
}
