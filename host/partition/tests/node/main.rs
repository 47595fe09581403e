//! Nodes end to end: real tables, real logs, handlers that are closures.

#![allow(clippy::unwrap_used, reason = "tests")]

mod ahead;
mod doors;
mod fixture;
mod flows;
mod leadership;
mod loss;
mod restart;
mod script;
