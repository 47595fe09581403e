//! The same handlers in every language that has a guest in `components/bench`: what deploying, instances, inline runs, replay
//! and waiting cost in each.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use serde_json::json;

use super::{
    client::Client,
    faults::resident_mb,
    figures::Figures,
    load::{Time, closed_loop},
    machine, peer,
    rows::{GREET, Row, row, stock, tuned},
    system::{Kind, Programs, System},
    workloads::{Hands, Step, Workload},
};
use crate::workspace;

/// In the order of the table. Rust's handlers are those of all other benchmarks.
const LANGUAGES: [&str; 5] = ["rust", "js", "python", "go", "c"];
const CLIENTS: usize = 64;
const REPLAYED_ENTRIES: u64 = 1_000;
/// Instances of `steps10`: one for each inline run, and one that makes none.
const STEPS10_INSTANCES: f64 = 11.0;
/// Handlers that wait with an instance, to see what one takes.
const WAITING: u64 = 100;
const WAITING_TIME_MAX: Duration = Duration::from_secs(60);

/// What is measured in JavaScript beside the peer's SDK for TypeScript.
pub const BESIDE_PEER: [Row; 2] = [
    row(GREET, CLIENTS, &[stock(1.0, 752.0), tuned(1.0, 752.0)]),
    row(Workload::Steps10, CLIENTS, &[stock(1.0, 208.0), tuned(1.0, 208.0)]),
];

/// What was measured in one language, or why nothing was.
#[derive(Debug)]
pub struct Language {
    pub name: &'static str,
    pub result: Result<Figures, String>,
}

pub async fn measure(programs: &Programs, time: Time) -> anyhow::Result<Vec<Language>> {
    // The example of `relight-executor` that measures one instance, beside the server's program.
    let instance_time = &programs.relight.with_file_name("examples").join("instance_time");
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let mut languages = Vec::new();
    for name in LANGUAGES {
        let component = match name {
            "rust" => Ok(programs.component.clone()),
            _ => match build(&programs.relight, name, folder.path())? {
                None => continue,
                Some(built) => built,
            },
        };
        let result = match component {
            Err(reason) => Err(reason),
            Ok(component) => {
                let programs = Programs { component, ..programs.clone() };
                let figures = of_language(&programs, instance_time, time).await;
                Ok(figures.with_context(|| format!("measure handlers in {name}"))?)
            }
        };
        eprintln!("{name}: {result:?}");
        languages.push(Language { name, result });
    }
    Ok(languages)
}

/// `None`: there are no handlers in this language. The inner error: its tools are missing, or cannot build them.
fn build(relight: &Path, name: &str, folder: &Path) -> anyhow::Result<Option<Result<PathBuf, String>>> {
    let project = workspace::root().join("components/bench").join(name);
    if !project.is_dir() {
        return Ok(None);
    }
    let component = folder.join(format!("{name}.wasm"));
    // Where `make setup` puts the languages' compilers.
    let mut path = vec![workspace::cache()?.join("tools/bin")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let output = Command::new(relight)
        .env("PATH", env::join_paths(path).context("make a PATH")?)
        .arg("build")
        .arg(&project)
        .args(["--unchecked", "--out"])
        .arg(&component)
        .output()
        .context("run `relight build`")?;
    if output.status.success() {
        return Ok(Some(Ok(component)));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it was not built");
    Ok(Some(Err(reason.to_owned())))
}

/// Handlers in JavaScript, and the peer with its SDK for TypeScript; the inner error as for [`build`].
pub fn beside_typescript(programs: &Programs, folder: &Path) -> anyhow::Result<Result<Programs, String>> {
    let peer = programs.peer.as_ref().context("the peer is not installed")?;
    let peer = Some(peer::with_typescript(peer)?);
    let built = build(&programs.relight, "js", folder)?.context("there are no handlers in JavaScript")?;
    Ok(built.map(|component| Programs { component, peer, ..programs.clone() }))
}

async fn of_language(programs: &Programs, instance_time: &Path, time: Time) -> anyhow::Result<Figures> {
    let size = fs::metadata(&programs.component).context("look at the component")?.len();
    let system = System::start(Kind::Ours, programs).await?;
    let one = closed_loop(&system, GREET, 1, time, 0).await?;
    let many = closed_loop(&system, GREET, CLIENTS, time, 1).await?;
    let steps = closed_loop(&system, Workload::Steps10, CLIENTS, time, 2).await?;
    let replay = Workload::Replay { entries: REPLAYED_ENTRIES };
    let step = Step::new(replay, &system, 3);
    let mut hands = Hands::connect(system.ingress(), replay).await?;
    let replayed = step.replay(&mut hands, 0, REPLAYED_ENTRIES).await?;
    let deployed_in = system.deployed_in;
    drop(system);

    let instance_us = instance(instance_time, &programs.component)?;
    let cores_us = machine::cores() as f64 * 1e6;
    let of = |figures: &Figures, name: &str| figures.get(name).copied().unwrap_or_default();
    let (greet_per_s, steps_per_s) = (of(&many, "ops_per_s"), of(&steps, "ops_per_s"));
    Ok(Figures::from([
        ("size_mb", size as f64 / f64::from(1 << 20)),
        ("deploy_s", deployed_in.as_secs_f64()),
        ("instance_us", instance_us),
        ("greet_p50_ms", of(&one, "p50_ms")),
        ("greet_per_s", greet_per_s),
        ("greet_reached", greet_per_s * instance_us / cores_us),
        ("steps10_per_s", steps_per_s),
        ("steps10_reached", steps_per_s * STEPS10_INSTANCES * instance_us / cores_us),
        ("replay_ms", replayed.resumed.as_secs_f64() * 1e3),
        ("waiting_mb", waiting(programs, time).await?),
        ("errors", of(&one, "errors") + of(&many, "errors") + of(&steps, "errors")),
    ]))
}

/// Microseconds of one instance from its start to its output.
fn instance(program: &Path, component: &Path) -> anyhow::Result<f64> {
    let output = Command::new(program).arg(component).output().context("run `instance_time`")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "`instance_time`: {}", String::from_utf8_lossy(&output.stderr));
    said.trim().parse().with_context(|| format!("`instance_time` said `{said}`"))
}

/// Memory that one waiting instance takes: many wait, on a server that suspends none.
async fn waiting(programs: &Programs, time: Time) -> anyhow::Result<f64> {
    let mut programs = programs.clone();
    programs.environment.push(("RELIGHT_EXECUTOR__SUSPEND_AFTER", "1h"));
    let system = System::start(Kind::Ours, &programs).await?;
    let warm_up = Time { warm_up: Duration::ZERO, measure: time.warm_up };
    closed_loop(&system, GREET, CLIENTS, warm_up, 0).await?;
    let before = resident_mb(&system);
    let mut client = Client::connect(system.ingress()).await?;
    let input = Bytes::from(json!({"ms": 3_600_000}).to_string());
    for _ in 0..WAITING {
        client.post_bytes("/Sleeper/sleep/send", input.clone()).await?;
    }
    let started = Instant::now();
    while system.metric("relight_executor_instances_live").await? < WAITING {
        ensure!(started.elapsed() < WAITING_TIME_MAX, "the handlers do not come to wait");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok((resident_mb(&system) - before).max(0.0) / WAITING as f64)
}
