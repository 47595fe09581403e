//! A closed loop: so many clients, each with one request at a time, for so long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::{
    figures::{Figures, percentile},
    system::{System, Usage},
    workloads::{Hands, Step, Workload},
};

/// How long a load runs: first to warm up, then measured.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    pub warm_up: Duration,
    pub measure: Duration,
}

/// What a run measured.
#[derive(Debug, Default)]
struct Measured {
    elapsed: Duration,
    /// Of successful steps, sorted.
    latencies: Vec<Duration>,
    errors: Vec<String>,
}

/// Runs `workload` with so many clients. `salt`: another one for each run on one server.
pub async fn closed_loop(
    system: &System,
    workload: Workload,
    clients: usize,
    time: Time,
    salt: u32,
) -> anyhow::Result<Figures> {
    let step = Arc::new(Step::new(workload, system, salt));
    let mut hands = Vec::new();
    for _ in 0..clients {
        hands.push(Hands::connect(system.ingress(), workload).await?);
    }
    let (hands, _) = run_for(system, &step, hands, time.warm_up).await?;
    system.reset_peaks();
    let before = system.usage().await?;
    let (_, measured) = run_for(system, &step, hands, time.measure).await?;
    let usage = system.usage().await?.since(&before);
    if let Some(first) = measured.errors.first() {
        eprintln!("{workload} at {clients}: {} steps failed, the first: {first}", measured.errors.len());
    }
    Ok(figures(&measured, &usage))
}

fn figures(measured: &Measured, usage: &Usage) -> Figures {
    let count = measured.latencies.len().max(1) as f64;
    let seconds = measured.elapsed.as_secs_f64().max(f64::EPSILON);
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let millis = |percent: usize| percentile(&measured.latencies, percent).as_secs_f64() * 1e3;
    let own = usage.processes.cpu + usage.generator;
    Figures::from([
        ("operations", measured.latencies.len() as f64),
        ("ops_per_s", measured.latencies.len() as f64 / seconds),
        ("p50_ms", millis(50)),
        ("p95_ms", millis(95)),
        ("p99_ms", millis(99)),
        ("cpu_us_per_op", micros(usage.processes.cpu) / count),
        ("generator_us_per_op", micros(usage.generator) / count),
        ("syncs_per_op", usage.syncs as f64 / count),
        ("flushes_per_op", usage.disk.flushes as f64 / count),
        ("disk_bytes_per_op", usage.disk.written_bytes as f64 / count),
        ("rss_peak_mb", usage.processes.rss_peak_bytes as f64 / f64::from(1 << 20)),
        ("other_cores", usage.busy.saturating_sub(own).as_secs_f64() / seconds),
        ("errors", measured.errors.len() as f64),
    ])
}

async fn run_for(
    system: &System,
    step: &Arc<Step>,
    hands: Vec<Hands>,
    time: Duration,
) -> anyhow::Result<(Vec<Hands>, Measured)> {
    let started = Instant::now();
    let deadline = started + time;
    let mut tasks = JoinSet::new();
    for hands in hands {
        tasks.spawn(client_loop(hands, Arc::clone(step), system.ingress().to_owned(), deadline));
    }
    let (mut hands, mut measured) = (Vec::new(), Measured::default());
    while let Some(task) = tasks.join_next().await {
        let (hand, latencies, errors) = task.context("run a client")?;
        hands.extend(hand);
        measured.latencies.extend(latencies);
        measured.errors.extend(errors);
    }
    measured.elapsed = started.elapsed();
    measured.latencies.sort_unstable();
    Ok((hands, measured))
}

/// At least one step, however short the time is.
async fn client_loop(
    mut hands: Hands,
    step: Arc<Step>,
    ingress: String,
    deadline: Instant,
) -> (Option<Hands>, Vec<Duration>, Vec<String>) {
    let (mut latencies, mut errors) = (Vec::new(), Vec::new());
    loop {
        match step.run(&mut hands).await {
            Ok(latency) => latencies.push(latency),
            Err(error) => {
                errors.push(format!("{error:#}"));
                // A broken connection stays broken.
                match Hands::connect(&ingress, step.workload()).await {
                    Ok(again) => hands = again,
                    Err(_) => return (None, latencies, errors),
                }
            }
        }
        if deadline <= Instant::now() {
            return (Some(hands), latencies, errors);
        }
    }
}
