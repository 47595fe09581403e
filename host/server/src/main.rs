//! The `relight` binary: the command line, the server behind `relight up` and `relight server`, and `relight replay`.
//!
//! Here live configuration, the data folder, the order in which the parts of a node start and stop, telemetry and
//! signals. What the parts do lives in their crates.
//!
//! Architecture invariant: only this crate knows all parts; no part knows this crate.

mod addresses;
mod config;
mod data_dir;
mod exit;
mod fault;
mod metrics;
mod node;
mod ports;
mod replay;
mod telemetry;

use std::{env, path::Path, process::ExitCode};

use relight_cli::{Parsed, Server, Up};

use crate::{config::Config, exit::Failure};

/// What `relight server` reads when no file is named.
const CONFIG_FILE: &str = "relight.toml";

fn main() -> ExitCode {
    let result = match relight_cli::run() {
        Parsed::Done(code) => return code,
        Parsed::Replay(replaying) => return replay::run(*replaying),
        Parsed::Up(up) => run_up(&up),
        Parsed::Server(server) => run_server(&server),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run_up(up: &Up) -> Result<(), Failure> {
    let mut config = Config::default();
    config.apply_environment(env::vars())?;
    config.apply_flags(&up.flags)?;
    config.check()?;
    node::run(config, node::Greeting::NextCommand)
}

fn run_server(server: &Server) -> Result<(), Failure> {
    let mut config = Config::default();
    match &server.config {
        Some(path) => config.apply_file(path)?,
        None if Path::new(CONFIG_FILE).is_file() => config.apply_file(Path::new(CONFIG_FILE))?,
        None => {}
    }
    config.apply_environment(env::vars())?;
    config.apply_flags(&server.flags)?;
    config.check()?;
    node::run(config, node::Greeting::Addresses)
}
