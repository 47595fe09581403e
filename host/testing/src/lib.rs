//! Handlers run without a server: the real executor and the real state machine over tables in memory, a log that is a
//! counter, and a clock that moves when nothing else can.
//!
//! One partition, one thread, one thing at a time: the same scenario gives the same journals, byte for byte, also when
//! the process of the story dies in the middle. [`Session`] carries out steps; a [`Scenario`] is a file of them;
//! [`run`] runs it, also once for every record with a crash after it; [`serve`] takes steps from another program.
//!
//! ```text
//! scenario.rs, steps.rs  what can be written            session.rs  what a step does
//! world.rs               log → apply → actions, clock   attempts.rs attempts and effects, one at a time
//! outside.rs             answers of effects             engine.rs   the executor, compiled components
//! expect.rs              partial matches                view.rs     journals for people
//! everywhere.rs          a crash after every record     stdio.rs    the protocol for other programs
//! ```
//!
//! Architecture invariant: this crate knows no log, no storage and no partition; what it shares with a server is the
//! state machine and the executor, and both are the ones that the server runs.

mod attempts;
mod engine;
mod everywhere;
mod expect;
mod limits;
mod log;
mod outside;
mod report;
mod scenario;
mod session;
mod stdio;
mod steps;
mod view;
mod world;

pub use engine::{Engine, EngineError};
pub use everywhere::{Options, run};
pub use report::{Outcome, Problem, Report};
pub use scenario::{Component, Scenario, ScenarioError, Settings};
pub use session::{Session, StepError};
pub use stdio::{ServeError, serve};
