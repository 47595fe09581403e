//! Handlers that try to break the host's limits, one each. None of them may disturb another invocation, and each must end with a
//! message that names the limit.
//!
//! `examples/asynchronous.rs` exports the same handlers as async functions.

// With a path, so that the files of both forms are beside each other.
#[path = "services.rs"]
mod services;

use services::*;

services::everything!(relight::export);
