//! Handlers that each show one behaviour of the host. What the handler itself can see is asserted inside it: a wrong answer is a panic
//! whose message says what was expected. What only the outside can see is in the handler's documentation, and tested from there.
//!
//! One file per part of the contract; guests that break limits are in `../hostile`.
//!
//! `examples/asynchronous.rs` exports the same handlers as async functions.

// With a path, so that the files of both forms are beside each other.
#[path = "services.rs"]
mod services;

use services::*;

services::everything!(relight::export);
