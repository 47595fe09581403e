//! Black-box tests: the real binary on free ports with a data folder of its own, spoken to over HTTP and with its own
//! command line. Nothing here looks inside.
//!
//! Components come from `cargo xtask components`.

mod commands;
mod deploying;
mod durability;
mod starting;
mod support;
