//! `cargo xtask crash`: the real binary under random kills, for as long as one likes. What it does and prints is in
//! `host/server/tests/crash`.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::workspace;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// How many programs.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    programs: u64,
    /// How many kills, spread over them.
    #[arg(long, value_name = "N", default_value_t = 200)]
    kills: u64,
    /// Begin with the program that has this number, as a run that ended early says.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    from: u64,
    /// Which programs; another one each time unless it is given.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Hardly any instances, and none that waits.
    #[arg(long)]
    suspend: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { programs, kills, from, seed, suspend } = arguments;
    let name = match suspend {
        false => "random_kills::random_kills_lose_nothing_and_repeat_nothing",
        true => "random_kills::random_kills_lose_nothing_when_every_wait_suspends",
    };
    let mut command = Command::new(workspace::cargo());
    command
        .args(["test", "--quiet", "--workspace", "--test", "crash", name, "--", "--exact", "--nocapture"])
        .current_dir(workspace::root())
        .env("RELIGHT_CRASH_PROGRAMS", programs.to_string())
        .env("RELIGHT_CRASH_KILLS", kills.to_string())
        .env("RELIGHT_CRASH_FROM", from.to_string());
    if let Some(seed) = seed {
        command.env("RELIGHT_CRASH_SEED", seed.to_string());
    }
    let status = command.status().context("run cargo")?;
    if !status.success() {
        bail!("something was lost, repeated or left behind");
    }
    Ok(())
}
