//! The processor of a partition: the loop that feeds the log to the state machine and does what comes out of it.
//!
//! Here live the loop itself (`processor.rs`), the proposer that batches commands into the log, what a leader does
//! (attempts, effects, timers, outbox), the doors of a partition ([`PartitionHandle`]) and the [`Node`] that runs all
//! partitions.
//!
//! ```text
//!  doors ─┐                                  ┌─▶ waiters of doors
//!  runner ├─▶ Event ─▶ apply, commit ─▶ log ─▶ durable ─▶ what leaves ─▶ effects, peers
//!  peers ─┘       ▲          └─▶ attempts, timers ─┘ (what they propose)
//! ```
//!
//! What does not live here: what a command means (`relight-core`), bytes of rows and records (`relight-storage`),
//! consensus (`relight-log`), running guests (an implementation of `relight_core::runner::Runner`), HTTP.
//!
//! Architecture invariant: one task owns all state of a partition. There is no lock around it; everybody else holds a
//! handle that sends events.
//!
//! Architecture invariant: tables are written by `apply` alone, in the order of the log, and the applied LSN is
//! committed in the same batch. A leader applies what it proposes before the log has it; what leaves the partition waits
//! until it is durable, and so do the tables' files. Actions are carried out by the leader whose announcement is applied.
//! Losing them is harmless: a new leader rebuilds them from the tables.
//!
//! Architecture invariant: a command that the log loses takes all behind it along. Its door is told, and the next leader
//! begins with what the log has. Nothing waits for ever on a lost one.

mod attempts;
mod clock;
mod effects;
mod event;
mod fault;
mod handle;
mod held;
mod leader;
mod limits;
mod node;
mod outbox;
mod processor;
mod proposer;
mod retention;
mod schema;
mod state_view;
mod status;
mod timers;
mod transport;
mod waiters;

pub use attempts::{Left, Reach};
pub use fault::{Fault, FaultHook};
pub use handle::{Called, DoorError, Finished, PartitionHandle};
pub use leader::Leader;
pub use node::{Clock, Node, NodeConfig, Partitions, StartError, WrapTransport};
pub use retention::RetentionPolicy;
pub use schema::Schema;
pub use state_view::LeaderTables;
pub use status::{PartitionStatus, Role, Stats};
pub use transport::{Delivery, Transport};
