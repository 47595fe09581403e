//! `cargo xtask sim`: builds and runs the simulation. What it does and prints is in `host/sim`.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::workspace;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// How many seeds. Of planted bugs: within how many each must be found.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    from: u64,
    /// Steps with faults in each run.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// One seed, twice: both runs must be the same.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "from", "planted"])]
    seed: Option<u64>,
    /// Every bug that is planted on purpose must be found.
    #[arg(long)]
    planted: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut command = Command::new(workspace::cargo());
    command
        .args(["run", "--quiet", "--package", "relight-sim", "--bin", "sim", "--"])
        .current_dir(workspace::root());
    let Arguments { seeds, from, steps, seed, planted } = arguments;
    let numbers = [("--seeds", *seeds), ("--from", Some(*from)), ("--steps", *steps), ("--seed", *seed)];
    for (name, number) in numbers {
        if let Some(number) = number {
            command.arg(name).arg(number.to_string());
        }
    }
    if *planted {
        command.arg("--planted");
    }
    let status = command.status().context("run cargo")?;
    if !status.success() {
        bail!("the simulation has found something");
    }
    Ok(())
}
