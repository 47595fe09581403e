//! `cargo xtask bench`: throughput and latency of the release binary under a closed loop of clients.
//!
//! Every answer is checked; a wrong one is an error and counts as none. Here are the options and the list of workloads;
//! `load.rs` makes the load, `server.rs` runs the binary and reads what it cost, `report.rs` prints.

mod faults;
mod load;
mod report;
mod server;
mod workloads;

use std::{process::Command, time::Duration};

use anyhow::{Context as _, bail};

use self::{
    report::Report,
    server::Server,
    workloads::{Step, Workload},
};
use crate::{components, workspace};

/// Invocations of the longest workloads.
const SLEEPERS: u64 = 10_000;
const SLEEPERS_QUICK: u64 = 1_000;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Only these: greet, counter, rpc, rpc-chain5, fanout, sleep-many, awakeable, recovery, restart.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    workload: Vec<String>,
    /// Clients at once.
    #[arg(long, value_delimiter = ',', value_name = "N", default_values_t = [1, 16, 64, 256])]
    conc: Vec<usize>,
    /// Language of the handlers.
    #[arg(long, default_value = "rust", value_parser = ["rust"])]
    lang: String,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Short runs: to see whether it works, not how fast.
    #[arg(long)]
    quick: bool,
}

/// How long and how much.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub warm_up: Duration,
    pub measure: Duration,
    pub sleepers: u64,
    pub completed: u64,
    pub suspended: u64,
}

impl Size {
    fn new(quick: bool) -> Self {
        if quick {
            return Self {
                warm_up: Duration::from_millis(200),
                measure: Duration::from_secs(1),
                sleepers: SLEEPERS_QUICK,
                completed: 5_000,
                suspended: 500,
            };
        }
        Self {
            warm_up: Duration::from_secs(1),
            measure: Duration::from_secs(5),
            sleepers: SLEEPERS,
            completed: 100_000,
            suspended: 10_000,
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let wanted = wanted(&arguments.workload)?;
    build()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start threads")?;
    let report = Report::new(arguments.json);
    let size = Size::new(arguments.quick);
    for workload in wanted {
        runtime
            .block_on(measure(workload, arguments, size, &report))
            .with_context(|| format!("bench {workload}"))?;
    }
    Ok(())
}

fn wanted(names: &[String]) -> anyhow::Result<Vec<Workload>> {
    if names.is_empty() {
        return Ok(Workload::ALL.to_vec());
    }
    let mut wanted = Vec::new();
    for name in names {
        let named: Vec<Workload> =
            Workload::ALL.into_iter().filter(|workload| workload.name() == name).collect();
        if named.is_empty() {
            let known: Vec<&str> = Workload::ALL.iter().map(|workload| workload.name()).collect();
            bail!("there is no workload `{name}`; known: {}", known.join(", "));
        }
        wanted.extend(named);
    }
    Ok(wanted)
}

/// The binary and the handlers, as they are now.
fn build() -> anyhow::Result<()> {
    let status = Command::new(workspace::cargo())
        .args(["build", "--quiet", "--release", "--bin", "relight"])
        .current_dir(workspace::root())
        .status()
        .context("start cargo")?;
    if !status.success() {
        bail!("building the release binary failed ({status})");
    }
    components::build_only("bench")
}

async fn measure(
    workload: Workload,
    arguments: &Arguments,
    size: Size,
    report: &Report,
) -> anyhow::Result<()> {
    match workload {
        Workload::Recovery => report.recovery(&faults::recovery(size).await?),
        Workload::Restart => report.restart(&faults::restart(size).await?),
        Workload::SleepMany => {
            let server = Server::start_with_handlers().await?;
            report.load(workload, &faults::sleep_many(&server, size).await?);
            server.stop().await?;
        }
        Workload::Greet
        | Workload::Counter { .. }
        | Workload::Rpc
        | Workload::RpcChain5
        | Workload::Fanout
        | Workload::Awakeable => {
            for &clients in &arguments.conc {
                // A fresh server for each line: figures do not depend on what ran before.
                let server = Server::start_with_handlers().await?;
                report.load(workload, &load::closed_loop(&server, Step::new(workload), clients, size).await?);
                server.stop().await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_is_three_workloads() {
        let counters = wanted(&["counter".to_owned()]).expect("known");
        assert_eq!(counters.iter().map(|workload| workload.keys()).collect::<Vec<_>>(), [1, 100, 10_000]);
    }

    #[test]
    fn an_unknown_workload_names_the_known_ones() {
        let error = wanted(&["gret".to_owned()]).expect_err("unknown").to_string();
        assert!(error.contains("`gret`") && error.contains("rpc-chain5"), "{error}");
    }
}
