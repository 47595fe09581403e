//! The ingress over real sockets, in front of a real node whose handlers are scripted.

#![allow(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

mod calls;
mod refusals;
mod results;
mod rig;
mod signals;
mod workflows;
