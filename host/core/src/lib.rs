//! The pure core of Relight: what an invocation is and how a record of the log changes it.
//!
//! Here live the types that the whole server thinks with, the journal and its replay cursor, the retry policy, the
//! tables that are derived from the log (as a trait, with an in-memory implementation for tests) and the state
//! machine: [`machine::apply`] takes tables and one record, and gives table writes and [`Action`]s.
//!
//! What does not live here: any clock, random source, thread, socket, file, WebAssembly engine or byte format.
//!
//! Architecture invariant: `apply` is synchronous and deterministic. The same tables and the same record give the
//! same tables and the same actions. Time arrives in the record; nothing here iterates over a hash map.
//!
//! Architecture invariant: the types here are not serialised. Stored forms live in `relight-storage`, HTTP forms in
//! ingress and admin, guest forms in the executor.

pub mod action;
pub mod command;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod machine;
pub mod placement;
pub mod replay;
pub mod restart;
pub mod retry;
pub mod runner;
pub mod schema;
pub mod tables;
pub mod value;

pub use action::{Action, Answer};
pub use command::{Command, Message, Record};
pub use ids::*;
pub use journal::{Entry, JournalItem, Notification, Operation};
pub use schema::{Deployment, Handler, HandlerMode, Service, ServiceKind};
pub use value::{Due, DurationMs, Failure, Headers, Outcome, Target, Timestamp, Value};
