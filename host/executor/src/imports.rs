//! The imports of the contract, one file for each interface: each function converts, asks the role, and returns.

pub(crate) mod context;
mod http;
mod inline_run;
mod log;
mod ops;
mod state;
mod waiting;

use crate::{
    bindings::relight::handler::{definition, requests},
    guest::Guest,
};

// Interfaces of types: `bindgen!` asks for an implementation of nothing.
impl definition::Host for Guest {}
impl requests::Host for Guest {}
