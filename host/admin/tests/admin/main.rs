//! The admin API over real sockets, in front of a real node that runs guests.

#![allow(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

mod batches;
mod deployments;
mod invocations;
mod life_cycle;
mod rig;
