//! Runs handlers and effects: WebAssembly components in instances that live as long as one attempt.
//!
//! A partition's leader hands over an attempt with its journal and a view of its key's state; the executor makes an
//! instance, answers what the guest asks from the journal, and proposes what the guest adds to it. It also decides
//! whether an uploaded component may be deployed at all, and turns it into native code.
//!
//! Architecture invariant: this crate is the only one that knows the WebAssembly engine.
//!
//! Architecture invariant: it reads no tables and knows no log. It is given a journal, a state view and events, and
//! returns proposals. Dropping an attempt at any await point is always safe.
//!
//! Architecture invariant: what a guest does wrong is a value or a trap for that guest. What the host does wrong is
//! never a value in a guest.

mod attempt;
mod bindings;
mod compile;
mod convert;
mod deployments;
mod durable;
mod effect;
mod engine;
mod exports;
mod freeze;
mod guest;
mod http;
mod identity;
mod imports;
mod in_flight;
pub mod limits;
mod log;
mod patience;
mod place;
mod random;
mod runner;
mod slots;
mod stats;
mod upload;
mod verify;
mod warm;
mod wasi;

pub use compile::{CompileError, CompileLimits, CompileWorker, compile_worker_main};
pub use deployments::ComponentPath;
pub use freeze::{Frozen, frozen};
pub use runner::{Clock, Executor, ExecutorConfig, ExecutorError};
pub use stats::ExecutorStats;
pub use upload::{Checked, UploadError};
pub use verify::{Ahead, Candidate, Divergence, Observer, Recorded, ReplayError, Step, Verdict};
pub use warm::{KeepRule, keep};
