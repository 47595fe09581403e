//! `cargo xtask bench --quick`: counts what an invocation costs, in one thread, and compares it with recorded bounds. What
//! is counted, and how, is in `host/sim/tests/quick`.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{components, workspace};

/// `record`: what is counted becomes the bounds.
pub fn run(record: bool) -> anyhow::Result<()> {
    components::build_only("bench")?;
    let mut command = Command::new(workspace::cargo());
    // The features of the whole workspace: nothing is compiled that its tests do not need anyway.
    command.args(["test", "--quiet", "--workspace", "--test", "quick"]);
    if record {
        command.arg("an_invocation_costs_no_more_than_its_bounds").env("RELIGHT_RECORD_BOUNDS", "1");
    }
    command.args(["--", "--nocapture", "--test-threads", "1"]).current_dir(workspace::root());
    let status = command.status().context("run cargo")?;
    if !status.success() {
        bail!("an invocation costs more than its bounds allow, or could not be counted");
    }
    Ok(())
}
