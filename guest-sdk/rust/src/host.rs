//! The host's functions under one name: the imports in a component, a scripted stand-in on other targets, where only tests
//! run.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::relight::handler::{context, http, inline_run, log, ops, state, waiting};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::{context, http, inline_run, log, ops, state, waiting};
