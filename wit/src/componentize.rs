//! From a core module, as a language's compiler leaves it, to a component.

use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::adapt::adapt;
use crate::error::Cause;
use crate::{Error, HANDLER_WIT};

/// The custom sections by which a module names its world begin with this.
const WORLD_SECTION_PREFIX: &str = "component-type";

/// Make a component from a core module whose toolchain embedded the world it was built for, and validate it.
///
/// Bytes that already are a component are validated and returned as they are. A module that was compiled for
/// `wasi_snapshot_preview1` gets its clock, its randomness and its output from the contract instead (see
/// `components/adapter`). The result imports only those functions that the module uses.
///
/// # Errors
///
/// Every variant of [`Error`] but [`Error::CoreModule`] and [`Error::Interfaces`].
pub fn componentize(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    match encoding(bytes)? {
        Encoding::Component => {
            validate(bytes)?;
            Ok(bytes.to_vec())
        }
        Encoding::Module => {
            validate(bytes)?;
            if !names_world(bytes)? {
                return Err(Error::NoWorld);
            }
            let adapted = adapt(bytes)?;
            let component = encode(adapted.as_deref().unwrap_or(bytes)).map_err(Error::Componentize)?;
            validate(&component)?;
            Ok(component)
        }
    }
}

/// Write into a core module which world it was built for; for toolchains that do not do so themselves.
///
/// `world` is [`HANDLER_WORLD`](crate::HANDLER_WORLD), [`HANDLER_ASYNC_WORLD`](crate::HANDLER_ASYNC_WORLD), or a world of the last of `more_packages`: WIT texts that may refer to the
/// contract and to those before them.
///
/// # Errors
///
/// [`Error::NotWasm`] and [`Error::Invalid`] for the module, [`Error::Componentize`] for a component, or when there is no such world.
pub fn embed_world(module: &[u8], more_packages: &[&str], world: &str) -> Result<Vec<u8>, Error> {
    if encoding(module)? == Encoding::Component {
        return Err(Error::Componentize("it already is a component".into()));
    }
    validate(module)?;
    embed(module, more_packages, world).map_err(Error::Componentize)
}

/// Whether `bytes` begin as a core module or as a component.
pub(crate) fn encoding(bytes: &[u8]) -> Result<Encoding, Error> {
    let header = bytes.get(..8).ok_or_else(|| Error::NotWasm {
        reason: format!("{} bytes are too few for the header", bytes.len()),
    })?;
    match (&header[..4], &header[4..]) {
        (b"\0asm", [1, 0, 0, 0]) => Ok(Encoding::Module),
        (b"\0asm", [0x0d, 0, 1, 0]) => Ok(Encoding::Component),
        (b"\0asm", version) => Err(Error::NotWasm { reason: format!("unknown version {version:02x?}") }),
        (magic, _) => Err(Error::NotWasm { reason: format!("it begins with {magic:02x?}") }),
    }
}

/// Check that `bytes` are valid WebAssembly, of either encoding.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), Error> {
    Validator::new_with_features(WasmFeatures::default()).validate_all(bytes)?;
    Ok(())
}

fn names_world(module: &[u8]) -> Result<bool, Error> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CustomSection(section) = payload?
            && section.name().starts_with(WORLD_SECTION_PREFIX)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn embed(module: &[u8], more_packages: &[&str], world: &str) -> Result<Vec<u8>, Cause> {
    let mut resolve = Resolve::default();
    let mut package = resolve.push_str("handler.wit", HANDLER_WIT)?;
    for (index, text) in more_packages.iter().enumerate() {
        package = resolve.push_str(format!("package {index}"), text)?;
    }
    let world = resolve.select_world(&[package], Some(world))?;
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    Ok(module)
}

fn encode(module: &[u8]) -> Result<Vec<u8>, Cause> {
    Ok(ComponentEncoder::default().module(module)?.validate(false).encode()?)
}
