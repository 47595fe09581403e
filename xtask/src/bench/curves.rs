//! Cost curves: one axis at a time, everything else as it is. Each should be linear or better, but for what the
//! documentation says is not.

use std::{
    fmt, fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tempfile::TempDir;

use super::{
    faults::{resident_mb, suspend},
    figures::Figures,
    load::{Time, closed_loop},
    system::{Kind, Programs, System},
    workloads::{Hands, Step, Workload},
};

/// Clients where the axis is not how many.
const CLIENTS: usize = 64;
const PAYLOAD_CLIENTS: usize = 16;
/// No further point is begun when the last one took so long.
const POINT_MAX: Duration = Duration::from_secs(120);
/// Invocations that keep a deployment in use.
const PINNED: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Axis {
    /// Suspended invocations, beside which a load runs.
    Suspended,
    /// Keys that a load of counters spreads over.
    Keys,
    /// Entries of a journal that is written and replayed.
    Entries,
    /// Bytes of input and output.
    Payload,
    /// Clients, each with a connection.
    Connections,
    /// Deployments, each with invocations that are pinned to it.
    Deployments,
}

/// What was measured along one axis.
#[derive(Debug)]
pub struct Curve {
    pub axis: Axis,
    pub points: Vec<(u64, Figures)>,
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suspended => "suspended",
            Self::Keys => "keys",
            Self::Entries => "entries",
            Self::Payload => "payload",
            Self::Connections => "connections",
            Self::Deployments => "deployments",
        })
    }
}

impl Axis {
    pub const ALL: [Self; 6] =
        [Self::Suspended, Self::Keys, Self::Entries, Self::Payload, Self::Connections, Self::Deployments];

    /// What a heading says.
    pub fn title(self) -> &'static str {
        match self {
            Self::Suspended => "Suspended invocations, with `greet` from 64 clients beside them",
            Self::Keys => "Keys, `counter` from 64 clients",
            Self::Entries => "Entries of a journal of inline runs: written one by one, and replayed at once",
            Self::Payload => "Bytes of input and of output, `greet` from 16 clients",
            Self::Connections => "Connections, `greet`",
            Self::Deployments => {
                "Deployments that are in use, with `greet` on the last of them from 64 clients"
            }
        }
    }

    /// The figures that matter, in the order of the columns; the first two are plotted.
    pub fn figures(self) -> &'static [&'static str] {
        match self {
            Self::Entries => &["written_ms", "p50_ms", "rss_mb"],
            Self::Connections => &["ops_per_s", "p50_ms", "p99_ms", "rss_mb"],
            Self::Payload => &["ops_per_s", "mb_per_s", "p50_ms", "rss_mb"],
            Self::Suspended | Self::Keys | Self::Deployments => &["ops_per_s", "rss_mb", "p50_ms"],
        }
    }

    fn points(self, short: bool) -> &'static [u64] {
        match (self, short) {
            (Self::Suspended, true) => &[100, 1_000, 10_000, 100_000],
            (Self::Suspended, false) => &[100, 1_000, 10_000, 100_000, 1_000_000],
            (Self::Keys, _) => &[1, 10, 100, 1_000, 10_000, 100_000],
            (Self::Entries, true) => &[10, 100, 1_000, 4_000],
            (Self::Entries, false) => &[10, 100, 1_000, 10_000],
            (Self::Payload, _) => &[100, 1_000, 10_000, 100_000, 1 << 20],
            (Self::Connections, _) => &[1, 4, 16, 64, 256, 1_000],
            (Self::Deployments, true) => &[1, 4, 16],
            (Self::Deployments, false) => &[1, 4, 16, 64],
        }
    }
}

/// `short`: without the points that take minutes.
pub async fn measure(axis: Axis, programs: &Programs, time: Time, short: bool) -> anyhow::Result<Curve> {
    let system = System::start(Kind::Ours, programs).await?;
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let mut curve = Curve { axis, points: Vec::new() };
    let mut before = 0;
    for (index, &at) in axis.points(short).iter().enumerate() {
        let started = Instant::now();
        let point = Point { axis, at, before, salt: u32::try_from(index).unwrap_or(u32::MAX) };
        let mut figures = point
            .measure(&system, programs, time, &folder)
            .await
            .with_context(|| format!("at {at} {axis}"))?;
        figures.insert("rss_mb", resident_mb(&system));
        eprintln!("{axis} {at}: {}", line(axis, &figures));
        curve.points.push((at, figures));
        before = at;
        if POINT_MAX < started.elapsed() {
            break;
        }
    }
    Ok(curve)
}

struct Point {
    axis: Axis,
    at: u64,
    /// What is there from the point before.
    before: u64,
    salt: u32,
}

impl Point {
    async fn measure(
        &self,
        system: &System,
        programs: &Programs,
        time: Time,
        folder: &TempDir,
    ) -> anyhow::Result<Figures> {
        const GREET: Workload = Workload::Greet { bytes: 0 };
        let Self { axis, at, before, salt } = *self;
        match axis {
            Axis::Suspended => {
                suspend(system, at - before).await?;
                closed_loop(system, GREET, CLIENTS, time, salt).await
            }
            Axis::Keys => closed_loop(system, Workload::Counter { keys: at }, CLIENTS, time, salt).await,
            Axis::Entries => self.replay(system).await,
            Axis::Payload => {
                let bytes = usize::try_from(at).unwrap_or(usize::MAX);
                let workload = Workload::Greet { bytes };
                let mut figures = closed_loop(system, workload, PAYLOAD_CLIENTS, time, salt).await?;
                let per_s = figures.get("ops_per_s").copied().unwrap_or_default();
                figures.insert("mb_per_s", per_s * at as f64 / f64::from(1 << 20));
                Ok(figures)
            }
            Axis::Connections => {
                let clients = usize::try_from(at).unwrap_or(usize::MAX);
                closed_loop(system, GREET, clients, time, salt).await
            }
            Axis::Deployments => {
                let component = fs::read(&programs.component).context("read the handlers")?;
                // The first is deployed with the server.
                suspend(system, if before == 0 { PINNED } else { 0 }).await?;
                for n in before.max(1)..at {
                    let path = folder.path().join("deployment.wasm");
                    fs::write(&path, another(&component, n)).context("write a component")?;
                    system.deploy(Path::new(&path)).await?;
                    suspend(system, PINNED).await?;
                }
                closed_loop(system, GREET, CLIENTS, time, salt).await
            }
        }
    }

    async fn replay(&self, system: &System) -> anyhow::Result<Figures> {
        let workload = Workload::Replay { entries: self.at };
        let step = Step::new(workload, system, self.salt);
        let mut hands = Hands::connect(system.ingress(), workload).await?;
        let replayed = step.replay(&mut hands, 0, self.at).await?;
        Ok(Figures::from([
            ("written_ms", replayed.built.as_secs_f64() * 1e3),
            ("p50_ms", replayed.resumed.as_secs_f64() * 1e3),
        ]))
    }
}

/// The same handlers under another digest: a section that no runtime looks at says which one it is.
fn another(component: &[u8], n: u64) -> Vec<u8> {
    const CUSTOM_SECTION: u8 = 0;
    const NAME: &[u8] = b"bench";
    let number = n.to_le_bytes();
    let length = 1 + NAME.len() + number.len();
    let bytes = |length: usize| u8::try_from(length).expect("the section is short");
    let mut other = component.to_vec();
    other.extend([CUSTOM_SECTION, bytes(length), bytes(NAME.len())]);
    other.extend(NAME);
    other.extend(number);
    other
}

fn line(axis: Axis, figures: &Figures) -> String {
    let figure = |name: &&str| {
        let value = figures.get(*name).copied().unwrap_or_default();
        format!("{name} {}", super::figures::text(value))
    };
    axis.figures().iter().map(figure).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_deployment_is_the_same_component_with_one_section_more() {
        let component = b"\0asm\x0d\0\x01\0";
        let [one, other] = [1, 2].map(|n| another(component, n));
        assert_ne!(one, other);
        assert!(one.starts_with(component));
        // Id, length of what follows, name, number.
        assert_eq!(one[component.len()..][..3], [0, 14, 5]);
        assert_eq!(one.len(), component.len() + 2 + 14);
    }

    #[test]
    fn points_go_up() {
        for axis in Axis::ALL {
            for short in [false, true] {
                assert!(axis.points(short).is_sorted(), "{axis}");
            }
            assert!(2 <= axis.figures().len(), "{axis}");
        }
    }
}
