//! The contract between the host and its guests, and the tools that work on components by that contract alone: turning a
//! core module into a component, and reading what a component imports and exports.
//!
//! Architecture invariant: this crate knows no engine. It never compiles, instantiates or runs a guest, and it does no I/O.
//!
//! Architecture invariant: which imports and exports a deployment may have is decided where deployments are checked; this
//! crate only reports them.

mod adapt;
mod componentize;
mod error;
pub mod freeze;
mod inspect;

pub use adapt::adapt;
pub use componentize::{componentize, embed_world};
pub use error::Error;
pub use inspect::{HandlerShape, Inspection, Interface, inspect, wit_text};

/// The text of `handler.wit`, the contract itself.
pub const HANDLER_WIT: &str = include_str!("../handler.wit");

/// The WIT package that [`HANDLER_WIT`] declares.
pub const HANDLER_PACKAGE: &str = "relight:handler@0.1.0";

/// The interface that a component exports if its handlers are plain functions.
pub const HANDLER_EXPORT: &str = "relight:handler/handler@0.1.0";

/// The interface that a component exports if its handlers are async functions.
pub const HANDLER_ASYNC_EXPORT: &str = "relight:handler/handler-async@0.1.0";

/// The world that components are built against: it exports [`HANDLER_EXPORT`].
pub const HANDLER_WORLD: &str = "service";

/// The world for languages that need async functions: it exports [`HANDLER_ASYNC_EXPORT`].
pub const HANDLER_ASYNC_WORLD: &str = "service-async";

#[cfg(test)]
mod tests;
