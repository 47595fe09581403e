//! Developer tasks: `cargo xtask components`, `cargo xtask tidy`, `cargo xtask bench`, `cargo xtask sim`,
//! `cargo xtask crash`.
//!
//! Nothing here is part of the product. What a user needs is in `relight` itself.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a developer's terminal")]

mod bench;
mod components;
mod crash;
mod sim;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Developer tasks of the Relight workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Build every guest of components/ and examples/ and make components of them in <target-dir>/components/.
    Components(components::Arguments),
    /// Measure the release binary.
    Bench(bench::Arguments),
    /// Run the whole system in one thread from a seed, with faults: many seeds, one seed, or bugs planted on purpose.
    Sim(sim::Arguments),
    /// Kill the real binary again and again while it runs programs whose effect is known, for as long as one likes.
    Crash(crash::Arguments),
    /// Check what rustfmt and clippy do not: dependency directions, file heads, sizes, leftovers.
    Tidy,
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Components(arguments) => components::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Sim(arguments) => sim::run(&arguments),
        Task::Crash(arguments) => crash::run(&arguments),
        Task::Tidy => tidy::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
