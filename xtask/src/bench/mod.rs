//! `cargo xtask bench`: what the release binary does under a closed loop of clients, alone or beside the peer.
//!
//! Every answer is checked; a wrong one is an error and counts as none.
//!
//! ```text
//! rows.rs       the table: workloads, clients, targets      workloads.rs  what one step does
//! load.rs       closed loops             faults.rs    sleep-many, recovery, restart, idle
//! curves.rs     one axis at a time       languages.rs the same handlers in other languages
//! quick.rs      exact counts, compared with bounds
//! system.rs     a server, ours or the peer's, and what it uses          peer.rs  where the peer comes from
//! machine.rs    syncs, disks, processes  client.rs    one connection
//! figures.rs    numbers by name          report.rs, plot.rs  tables and pictures
//! ```

mod client;
mod curves;
mod faults;
mod figures;
mod languages;
mod load;
mod machine;
mod peer;
mod plot;
mod quick;
mod report;
mod rows;
mod system;
mod workloads;

use std::{collections::BTreeMap, env, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, bail, ensure};

use self::{
    curves::Axis,
    figures::Figures,
    load::Time,
    report::{Machine, Measured},
    rows::Row,
    system::{Kind, Programs, System},
    workloads::Workload,
};
use crate::{components, workspace};

/// Says that everything is built, and that this process is the one that measures.
const BUILT_VARIABLE: &str = "RELIGHT_BENCH_BUILT";
/// How much of what `restart` finds by default a short run makes.
const SHORT_PERCENT: u64 = 10;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Count exactly what an invocation costs, and compare with recorded bounds. Measures no time.
    #[arg(long)]
    quick: bool,
    /// With --quick: what is counted becomes the bounds.
    #[arg(long, requires = "quick")]
    record: bool,
    /// Only these rows of the table: idle, greet, counter, steps10, rpc, rpc-chain5, fanout, awakeable, replay, sleep-many,
    /// recovery; and restart, which is in no row.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    workload: Vec<String>,
    /// Clients at once, instead of those of the table.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    conc: Vec<usize>,
    /// Run the peer, stock and tuned, beside ours, in turns.
    #[arg(long)]
    peer: bool,
    /// Measure along an axis, instead of the table.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "AXIS")]
    curve: Vec<Axis>,
    /// Measure the same handlers in every language, instead of the table. With --peer: JavaScript's beside those of the peer.
    #[arg(long)]
    languages: bool,
    /// Table, peer, all axes and all languages.
    #[arg(long, conflicts_with_all = ["workload", "conc", "curve", "languages", "quick"])]
    all: bool,
    /// How often each row is measured; medians are reported.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: u32,
    /// Seconds of each measurement, after a warm-up of a quarter of that.
    #[arg(long, value_name = "SECONDS")]
    secs: Option<f64>,
    /// Shorter measurements, and curves without the points that take minutes.
    #[arg(long)]
    short: bool,
    /// One JSON object a line instead of text.
    #[arg(long)]
    json: bool,
    /// Also write the tables, and pictures of curves beside it, into this file of Markdown.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Measure this program, and build none.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
}

impl Arguments {
    fn measures_rows(&self) -> bool {
        self.curve.is_empty() && !self.languages
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        return quick::run(arguments.record);
    }
    ensure!(arguments.runs != 0, "`--runs` must be at least 1");
    let rows = rows::wanted(&arguments.workload, &arguments.conc)?;
    let peer = arguments.peer || arguments.all;
    if env::var_os(BUILT_VARIABLE).is_none() {
        return build_and_measure(arguments, peer);
    }
    let target = workspace::metadata()?.target_directory;
    let programs = Programs {
        relight: arguments.server.clone().unwrap_or_else(|| target.join("release/relight").into()),
        component: target.join("components/bench.wasm").into(),
        peer: peer.then(peer::installed).transpose()?,
        environment: Vec::new(),
    };
    let secs = arguments.secs.unwrap_or(if arguments.short { 2.0 } else { 5.0 });
    let time = Time { warm_up: Duration::from_secs_f64(secs / 4.0), measure: Duration::from_secs_f64(secs) };
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let machine = Machine { cores: machine::cores(), sync: machine::sync_time(folder.path())? };
    let bench = Bench { arguments, programs, time, machine };
    // One thread: a generator that spreads over all cores takes them from what it measures.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(bench.run(&rows, peer))
}

/// Builds what is measured and, optimised as well, what measures, and hands over to it.
fn build_and_measure(arguments: &Arguments, peer: bool) -> anyhow::Result<()> {
    let target = workspace::metadata()?.target_directory;
    let generator: PathBuf = match arguments.server {
        Some(_) => env::current_exe().context("find this program")?,
        None => {
            let status = Command::new(workspace::cargo())
                .args(["build", "--quiet", "--release", "--bin", "relight", "--bin", "xtask"])
                .args(["--example", "instance_time"])
                .current_dir(workspace::root())
                .status()
                .context("start cargo")?;
            ensure!(status.success(), "building the release binary failed ({status})");
            target.join("release/xtask").into()
        }
    };
    components::build_only("bench")?;
    let status = if peer {
        peer::install()?;
        if arguments.measures_rows() {
            peer::build()?;
        }
        let mut command = peer::in_namespace(&generator);
        command.args(env::args_os().skip(1)).env(BUILT_VARIABLE, "1");
        command.status().context("start `unshare` (util-linux), which makes a network namespace")?
    } else {
        let mut command = Command::new(&generator);
        command.args(env::args_os().skip(1)).env(BUILT_VARIABLE, "1");
        command.status().context("start the load generator")?
    };
    if !status.success() {
        bail!("the measurement failed");
    }
    Ok(())
}

/// What all measurements of this process have in common.
struct Bench<'a> {
    arguments: &'a Arguments,
    programs: Programs,
    time: Time,
    machine: Machine,
}

impl Bench<'_> {
    async fn run(&self, rows: &[Row], peer: bool) -> anyhow::Result<()> {
        let Arguments { all, curve, languages, short, report, .. } = self.arguments;
        if self.arguments.measures_rows() {
            self.rows(rows, peer).await?;
        }
        let axes = if *all { &Axis::ALL[..] } else { curve };
        for &axis in axes {
            let curve = curves::measure(axis, &self.programs, self.time, *short).await?;
            let mut section = report::curve(&curve);
            println!("\n{section}");
            if let Some(report) = report {
                section.push_str(&report::picture(report, &curve)?);
                report::write(report, &format!("curve-{axis}"), &section)?;
            }
        }
        if *languages || *all {
            let measured = languages::measure(&self.programs, self.time).await?;
            let mut section = report::languages(&measured);
            if peer {
                section.push_str(&self.beside_typescript().await?);
            }
            println!("\n{section}");
            if let Some(report) = report {
                report::write(report, "languages", &section)?;
            }
        }
        Ok(())
    }

    /// Our handlers in JavaScript and the peer's, on its SDK for TypeScript, in turns.
    async fn beside_typescript(&self) -> anyhow::Result<String> {
        let folder = tempfile::tempdir().context("make a temporary folder")?;
        let programs = match languages::beside_typescript(&self.programs, folder.path())? {
            Ok(programs) => programs,
            Err(reason) => return Ok(format!("\nNot measured beside the peer's SDK: {reason}\n")),
        };
        let bench = Bench { programs, ..*self };
        let measured = bench.in_turns(&languages::BESIDE_PEER, true).await?;
        Ok(format!("\n{}{}", report::peers(&measured), report::reached(&measured)))
    }

    /// Every row, as often as was asked for; ours and the peer in turns, so that what the machine does meanwhile happens to
    /// both.
    async fn in_turns(&self, rows: &[Row], peer: bool) -> anyhow::Result<Vec<Measured>> {
        let kinds: &[Kind] =
            if peer { &[Kind::Ours, Kind::PeerStock, Kind::PeerTuned] } else { &[Kind::Ours] };
        let mut measured: Vec<Measured> =
            rows.iter().map(|row| Measured { row: *row, runs: BTreeMap::new() }).collect();
        for run in 0..self.arguments.runs {
            for &kind in kinds {
                self.pass(kind, run, &mut measured).await.with_context(|| format!("measure {kind}"))?;
            }
        }
        Ok(measured)
    }

    async fn rows(&self, rows: &[Row], peer: bool) -> anyhow::Result<()> {
        let measured = self.in_turns(rows, peer).await?;
        let table = report::rows(&measured, self.machine);
        let beside = peer.then(|| report::peers(&measured));
        if !self.arguments.json {
            println!("\n{table}");
            beside.iter().for_each(|table| println!("{table}"));
        }
        if let Some(report) = &self.arguments.report {
            report::write(report, "rows", &table)?;
            if let Some(beside) = &beside {
                report::write(report, "peer", beside)?;
            }
        }
        Ok(())
    }

    /// All rows once, on one server but for those that need one of their own.
    async fn pass(&self, kind: Kind, run: u32, measured: &mut [Measured]) -> anyhow::Result<()> {
        let mut system = None;
        for (index, measured) in measured.iter_mut().enumerate() {
            let row = measured.row;
            if !rows::is_for(&row, kind) {
                continue;
            }
            let salt = u32::try_from(index).unwrap_or(u32::MAX);
            let figures = self.row(kind, &row, &mut system, salt).await;
            let figures = figures.with_context(|| format!("run {run} of {}", row.workload))?;
            println!("{}", report::line(kind, &row, &figures, self.arguments.json));
            measured.runs.entry(kind).or_default().push(figures);
        }
        Ok(())
    }

    async fn row(
        &self,
        kind: Kind,
        row: &Row,
        system: &mut Option<System>,
        salt: u32,
    ) -> anyhow::Result<Figures> {
        match row.workload {
            Workload::Recovery { invocations } => {
                // It goes on with nothing that runs beside it.
                drop(system.take());
                return faults::recovery(kind, &self.programs, invocations).await;
            }
            Workload::Restart => {
                drop(system.take());
                let percent = if self.arguments.short { SHORT_PERCENT } else { 100 };
                return faults::restart(&self.programs, percent).await;
            }
            _ => {}
        }
        let system = match system {
            Some(system) => system,
            None => system.insert(System::start(kind, &self.programs).await?),
        };
        match row.workload {
            Workload::Idle => faults::idle(system).await,
            Workload::SleepMany { invocations } => faults::sleep_many(system, invocations, self.time).await,
            workload => load::closed_loop(system, workload, row.clients, self.time, salt).await,
        }
    }
}
