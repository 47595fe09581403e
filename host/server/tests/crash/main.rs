//! The real binary is killed, again and again, while it runs programs whose net effect is known; in the end every
//! counter, every payment and every answer must be what the programs say. Faults, damage, order and suspension are
//! looked at the same way, from outside.
//!
//! ```text
//! RELIGHT_CRASH_KILLS=500        random kills of a test, at least
//! RELIGHT_CRASH_SECONDS=600      and for how long it kills, at least
//! RELIGHT_CRASH_PROGRAMS=100000  or: so many programs, with the kills spread over them
//! RELIGHT_CRASH_FROM=42000       of these, those from this number on
//! RELIGHT_CRASH_SEED=7           which programs and which pauses; printed when a test fails
//! RELIGHT_CRASH_FAULTS=all       faults at every durable write, not at a sample
//! ```
//!
//! Long runs go past the time that `cargo nextest` gives a test: `cargo xtask crash --programs 100000 --kills 200`.
//!
//! Components come from `cargo xtask components`.
#![allow(clippy::print_stderr, reason = "a failing test says where its data is and how to repeat it")]

mod check;
mod component;
mod damage;
mod fault_points;
mod generator;
mod http;
mod ledger;
mod load;
mod operator;
mod order;
mod program;
mod random_kills;
mod scenario;
mod server;
mod suspension;
