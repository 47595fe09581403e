//! Workloads that are no closed loops: nothing at all, many timers at once, kill -9 under load, restart with a full
//! data folder.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    client::Client,
    figures::{Figures, percentile},
    load::{Time, closed_loop},
    system::{Kind, Programs, System, number},
    workloads::{Workload, spread},
};

/// Connections that fill a server.
const CLIENTS: u64 = 64;
/// How long nothing happens before an idle server is looked at.
const IDLE_TIME: Duration = Duration::from_secs(2);
const SLEEP: Duration = Duration::from_secs(5);
/// Long enough to stay suspended for the whole run.
const SUSPENDED_SLEEP_MS: u64 = 24 * 3_600_000;
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// Keys of `recovery` while it fills, and others while it counts.
const KEYS: u64 = 1_000;
/// How long the load runs before the kill, and after the first answer that follows it.
const LOAD_BEFORE: Duration = Duration::from_secs(2);
const LOAD_AFTER: Duration = Duration::from_secs(4);
/// Nobody answers for longer: it does not come back.
const RECOVERY_MAX: Duration = Duration::from_secs(120);
const RECONNECT_INTERVAL: Duration = Duration::from_millis(5);
/// Rates are taken over so long. Full speed is so much of the rate before the kill.
const BUCKET: Duration = Duration::from_millis(250);
const FULL_SPEED_PERCENT: u64 = 90;
/// What `restart` finds.
const COMPLETED: u64 = 100_000;
const SUSPENDED: u64 = 10_000;
/// A suspended invocation is counted by what the server says; it needs a moment after the last send.
const SETTLE_MAX: Duration = Duration::from_secs(120);

/// A server that nobody asks for anything.
pub async fn idle(system: &System) -> anyhow::Result<Figures> {
    tokio::time::sleep(IDLE_TIME).await;
    Ok(Figures::from([("rss_idle_mb", resident_mb(system))]))
}

/// Many handlers sleep at once: how late they wake up, and what they take while they sleep.
pub async fn sleep_many(system: &System, invocations: u64, time: Time) -> anyhow::Result<Figures> {
    // Buffers and pools have their size by then.
    let warm_up = Time { warm_up: Duration::ZERO, measure: time.warm_up };
    closed_loop(system, Workload::Greet { bytes: 0 }, CLIENTS as usize, warm_up, 0).await?;
    let (before, started) = (resident_mb(system), Instant::now());
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let (count, ingress) = (share(invocations, client), system.ingress().to_owned());
        tasks.spawn(async move {
            let mut client = Client::connect(&ingress).await?;
            let mut sent = Vec::new();
            for _ in 0..count {
                let at = wall_clock();
                let input = json!({"ms": SLEEP.as_millis() as u64});
                let answer = client.post("/Sleeper/sleep/send", &input).await?;
                sent.push((invocation_id(&answer)?, at));
            }
            anyhow::Ok(sent)
        });
    }
    let mut sent = Vec::new();
    while let Some(task) = tasks.join_next().await {
        sent.extend(task.context("run a client")??);
    }
    let sent_in = started.elapsed();
    // Nobody asks until the last has woken up.
    let (quiet, mut asleep) = (Instant::now(), 0.0_f64);
    while quiet.elapsed() < SLEEP + SAMPLE_INTERVAL {
        tokio::time::sleep(SAMPLE_INTERVAL).await;
        asleep = asleep.max(resident_mb(system));
    }
    let mut lateness = collect(system, sent).await?;
    lateness.sort_unstable();
    let millis = |percent: usize| percentile(&lateness, percent).as_secs_f64() * 1e3;
    Ok(Figures::from([
        ("sent_per_s", invocations as f64 / sent_in.as_secs_f64()),
        ("late_p50_ms", millis(50)),
        ("late_p99_ms", millis(99)),
        ("rss_more_mb", (asleep - before).max(0.0)),
    ]))
}

/// How late each invocation woke up, counted from before it was asked for.
async fn collect(system: &System, sent: Vec<(String, Duration)>) -> anyhow::Result<Vec<Duration>> {
    let (left, mut tasks) = (Arc::new(Mutex::new(sent)), JoinSet::new());
    for _ in 0..16 {
        let (left, ingress, kind) = (Arc::clone(&left), system.ingress().to_owned(), system.kind);
        tasks.spawn(async move {
            let (mut client, mut lateness) = (Client::connect(&ingress).await?, Vec::new());
            loop {
                let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some((id, at)) = next else { return anyhow::Ok(lateness) };
                let woken = number(&client.get(&kind.attach_path(&id)).await?)?;
                lateness.push(Duration::from_millis(woken).saturating_sub(at + SLEEP));
            }
        });
    }
    let mut all = Vec::new();
    while let Some(task) = tasks.join_next().await {
        all.extend(task.context("run a client")??);
    }
    Ok(all)
}

/// What the clients of `recovery` have seen.
#[derive(Debug, Default)]
struct Seen {
    /// By key.
    acknowledged: BTreeMap<u64, u64>,
    unknown: BTreeMap<u64, u64>,
    /// When each answer came, and when its request was sent.
    answers: Vec<(Instant, Instant)>,
}

/// Kills a server under load, with so many invocations in its log, and looks when it is back and whether anything that it
/// had acknowledged is lost.
pub async fn recovery(kind: Kind, programs: &Programs, invocations: u64) -> anyhow::Result<Figures> {
    let mut system = System::start(kind, programs).await?;
    fill(&system, invocations, |n| (format!("/Counter/f{}/add", n % KEYS), Bytes::from_static(b"1"))).await?;
    let (stop, started) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        tasks.spawn(add_until(system.ingress().to_owned(), client, Arc::clone(&stop)));
    }
    tokio::time::sleep(LOAD_BEFORE).await;
    let killed = Instant::now();
    system.kill_and_restart()?;
    wait_for_answer(system.ingress()).await?;
    tokio::time::sleep(LOAD_AFTER).await;
    stop.store(true, Ordering::Relaxed);
    let mut seen = Seen::default();
    while let Some(task) = tasks.join_next().await {
        let of_client = task.context("run a client")?;
        seen.answers.extend(of_client.answers);
        for (sum, more) in
            [(&mut seen.acknowledged, of_client.acknowledged), (&mut seen.unknown, of_client.unknown)]
        {
            more.into_iter().for_each(|(key, count)| *sum.entry(key).or_default() += count);
        }
    }
    let (lost, double) = verify(system.ingress(), &seen).await?;
    let first = seen.answers.iter().filter(|(sent, _)| killed <= *sent).map(|(_, came)| *came).min();
    let first = first.context("no request was answered after the restart")?;
    Ok(Figures::from([
        ("first_answer_ms", (first - killed).as_secs_f64() * 1e3),
        ("full_speed_ms", full_speed(&seen.answers, started, killed).as_secs_f64() * 1e3),
        ("acknowledged", seen.acknowledged.values().sum::<u64>() as f64),
        ("unknown", seen.unknown.values().sum::<u64>() as f64),
        ("lost_acknowledged", lost as f64),
        ("double_applied", double as f64),
    ]))
}

/// Adds to counters until it is told to stop, whatever happens to the server.
async fn add_until(ingress: String, client: u64, stop: Arc<AtomicBool>) -> Seen {
    let (mut seen, mut connection) = (Seen::default(), None);
    let mut sequence = client << 32;
    while !stop.load(Ordering::Relaxed) {
        let Some(open) = &mut connection else {
            connection = Client::connect(&ingress).await.ok();
            if connection.is_none() {
                tokio::time::sleep(RECONNECT_INTERVAL).await;
            }
            continue;
        };
        sequence += 1;
        let key = spread(sequence) % KEYS;
        let sent = Instant::now();
        match open.post_bytes(&format!("/Counter/r{key}/add"), Bytes::from_static(b"1")).await {
            Ok(_) => {
                *seen.acknowledged.entry(key).or_default() += 1;
                seen.answers.push((sent, Instant::now()));
            }
            Err(_) => {
                *seen.unknown.entry(key).or_default() += 1;
                connection = None;
                tokio::time::sleep(RECONNECT_INTERVAL).await;
            }
        }
    }
    seen
}

/// Until a request that was sent after the restart is answered.
async fn wait_for_answer(ingress: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    while started.elapsed() < RECOVERY_MAX {
        if let Ok(mut client) = Client::connect(ingress).await
            && client.post_bytes("/Greeter/greet", Bytes::from_static(b"1")).await.is_ok()
        {
            return Ok(());
        }
        tokio::time::sleep(RECONNECT_INTERVAL).await;
    }
    anyhow::bail!("the server does not come back in {} s", RECOVERY_MAX.as_secs())
}

/// From the kill to the beginning of the first stretch of time in which as much was answered as before it.
fn full_speed(answers: &[(Instant, Instant)], started: Instant, killed: Instant) -> Duration {
    let before = answers.iter().filter(|(_, came)| *came < killed).count() as u64;
    let loaded = (killed - started).as_secs_f64().max(f64::EPSILON);
    let wanted = before as f64 / loaded * BUCKET.as_secs_f64() * FULL_SPEED_PERCENT as f64 / 100.0;
    let mut buckets: BTreeMap<u128, u64> = BTreeMap::new();
    for (_, came) in answers.iter().filter(|(_, came)| killed <= *came) {
        *buckets.entry((*came - killed).as_nanos() / BUCKET.as_nanos()).or_default() += 1;
    }
    let full = buckets.into_iter().find(|(_, count)| wanted <= *count as f64);
    // Not in the time that was measured: a figure that no target allows.
    full.map_or(RECOVERY_MAX, |(bucket, _)| BUCKET * u32::try_from(bucket).unwrap_or(u32::MAX))
}

/// How many acknowledged adds are missing, and how many were made that nobody asked for.
async fn verify(ingress: &str, seen: &Seen) -> anyhow::Result<(u64, u64)> {
    let mut client = Client::connect(ingress).await?;
    let (mut lost, mut double) = (0, 0);
    for key in 0..KEYS {
        let value = number(&client.post_bytes(&format!("/Counter/r{key}/get"), Bytes::new()).await?)?;
        let of_key = |counts: &BTreeMap<u64, u64>| counts.get(&key).copied().unwrap_or(0);
        let (acknowledged, unknown) = (of_key(&seen.acknowledged), of_key(&seen.unknown));
        lost += acknowledged.saturating_sub(value);
        double += value.saturating_sub(acknowledged + unknown);
    }
    Ok((lost, double))
}

/// Fills a data folder of ours, kills the server, and measures how long the next one takes to serve.
pub async fn restart(programs: &Programs, share_percent: u64) -> anyhow::Result<Figures> {
    let (completed, suspended) = (COMPLETED * share_percent / 100, SUSPENDED * share_percent / 100);
    let mut system = System::start(Kind::Ours, programs).await?;
    fill(&system, completed, |_| ("/Greeter/greet".to_owned(), Bytes::from_static(b"1"))).await?;
    suspend(&system, suspended).await?;
    let killed = Instant::now();
    system.kill_and_restart()?;
    wait_for_answer(system.ingress()).await?;
    Ok(Figures::from([
        ("completed", completed as f64),
        ("suspended", suspended as f64),
        ("first_answer_ms", killed.elapsed().as_secs_f64() * 1e3),
        ("rss_mb", resident_mb(&system)),
    ]))
}

/// So many more invocations that sleep for a day, until none of them has an instance.
pub async fn suspend(system: &System, count: u64) -> anyhow::Result<()> {
    let input = Bytes::from(json!({"ms": SUSPENDED_SLEEP_MS}).to_string());
    fill(system, count, move |_| ("/Sleeper/sleep/send".to_owned(), input.clone())).await?;
    let started = Instant::now();
    let mut recent: VecDeque<u64> = VecDeque::new();
    loop {
        recent.push_back(system.metric("relight_executor_instances_live").await?);
        if recent.len() == 3 {
            if recent.iter().all(|live| *live == 0) {
                return Ok(());
            }
            recent.pop_front();
        }
        ensure!(started.elapsed() < SETTLE_MAX, "instances live on: {recent:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// So many requests, with as many clients as it takes.
async fn fill(
    system: &System,
    count: u64,
    request: impl Fn(u64) -> (String, Bytes) + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let (next, request) = (Arc::new(AtomicU64::new(0)), Arc::new(request));
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let (next, request, ingress) = (Arc::clone(&next), Arc::clone(&request), system.ingress().to_owned());
        tasks.spawn(async move {
            let mut client = Client::connect(&ingress).await?;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if count <= n {
                    return anyhow::Ok(());
                }
                let (path, body) = request(n);
                client.post_bytes(&path, body).await?;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.context("run a client")??;
    }
    Ok(())
}

pub fn resident_mb(system: &System) -> f64 {
    system.processes().rss_bytes as f64 / f64::from(1 << 20)
}

fn share(total: u64, client: u64) -> u64 {
    total / CLIENTS + u64::from(client < total % CLIENTS)
}

fn invocation_id(answer: &Value) -> anyhow::Result<String> {
    Ok(answer["invocationId"].as_str().context("the answer to a send has no id")?.to_owned())
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for total in [0, 1, 63, 64, 65, 10_000] {
            assert_eq!((0..CLIENTS).map(|client| share(total, client)).sum::<u64>(), total);
        }
    }

    #[test]
    fn full_speed_is_the_first_stretch_with_as_many_answers_as_before() {
        let started = Instant::now();
        let killed = started + Duration::from_secs(1);
        let at = |millis: u64| {
            let came = started + Duration::from_millis(millis);
            (came, came)
        };
        // 100 a second before; after the kill one, and from 600 ms on 100 a second again.
        let mut answers: Vec<_> = (0..100).map(|n| at(n * 10)).collect();
        answers.push(at(1_300));
        answers.extend((0..100).map(|n| at(1_600 + n * 10)));
        assert_eq!(full_speed(&answers, started, killed), BUCKET * 3);
        assert_eq!(full_speed(&answers[..101], started, killed), RECOVERY_MAX);
    }
}
