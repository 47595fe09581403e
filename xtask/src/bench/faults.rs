//! Workloads that are no closed loops: many timers at once, kill -9 under load, restart with a full data folder.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    Size,
    load::{Client, Measured},
    server::Server,
};

/// Connections that fill and empty a server.
const CLIENTS: u64 = 64;
const SLEEP_MS: u64 = 5_000;
/// Long enough to stay suspended for the whole run.
const SUSPENDED_SLEEP_MS: u64 = 3_600_000;
/// Clients of `recovery`, each with a counter of its own.
const RECOVERY_CLIENTS: usize = 16;
/// A suspended invocation is counted by what the server says; it needs a moment after the last send.
const SETTLE_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Recovery {
    pub clients: usize,
    pub acked: u64,
    pub lost_acked: u64,
    pub double_applied: u64,
    /// Requests without an answer when the server was killed.
    pub unknown_outcome: u64,
    pub kill_to_first_ok: Duration,
}

#[derive(Debug)]
pub struct Restart {
    pub completed: u64,
    pub suspended: u64,
    pub restart_to_serving: Duration,
    pub rss_peak_bytes: u64,
}

/// Many handlers sleep at once; what is measured is how late they wake up.
pub async fn sleep_many(server: &Server, size: Size) -> anyhow::Result<Measured> {
    let before = server.cost().await?;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let count = share(size.sleepers, client);
        let authority = server.ingress().to_owned();
        tasks.spawn(async move {
            let mut client = Client::connect(&authority).await?;
            let mut sent = Vec::new();
            for _ in 0..count {
                let answer = client.post("/Sleeper/sleep/send", &json!({"ms": SLEEP_MS})).await?;
                sent.push((invocation_id(&answer)?, wall_clock_ms()));
            }
            let mut lateness_us = Vec::new();
            for (id, accepted_ms) in sent {
                let woken = client.get(&format!("/relight/attach/{id}")).await?;
                let woken_ms = woken.as_u64().with_context(|| format!("`{id}` answered {woken}"))?;
                // The send was recorded a moment before its answer came.
                lateness_us.push(woken_ms.saturating_sub(accepted_ms + SLEEP_MS) * 1000);
            }
            anyhow::Ok(lateness_us)
        });
    }
    let mut latencies_us = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies_us.extend(task.context("run a client")??);
    }
    latencies_us.sort_unstable();
    ensure!(latencies_us.len() as u64 == size.sleepers, "{} woke up", latencies_us.len());
    Ok(Measured {
        clients: CLIENTS as usize,
        elapsed: started.elapsed(),
        latencies_us,
        cost: server.cost().await?.since(&before),
        ..Measured::default()
    })
}

/// Kills the server under load and counts, with its help, what became of every request.
pub async fn recovery(size: Size) -> anyhow::Result<Recovery> {
    let server = Server::start_with_handlers().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for client in 0..RECOVERY_CLIENTS {
        tasks.spawn(add_until_failure(server.ingress().to_owned(), client, Arc::clone(&stop)));
    }
    tokio::time::sleep(size.measure).await;
    stop.store(true, Ordering::Relaxed);
    let killed = Instant::now();
    let data = server.kill()?;
    let server = Server::start(data).await?;
    let mut client = Client::connect(server.ingress()).await?;
    client.post("/Greeter/greet", &json!(1)).await.context("call the server after its restart")?;

    let mut recovery =
        Recovery { clients: RECOVERY_CLIENTS, kill_to_first_ok: killed.elapsed(), ..Recovery::default() };
    while let Some(task) = tasks.join_next().await {
        let Added { client: number, acked, unknown } = task.context("run a client")?;
        let unknowns = unknown.len() as u64;
        recovery.acked += acked;
        recovery.unknown_outcome += unknowns;
        let path = format!("/Counter/r{number}/get");
        let value = client.post(&path, &Value::Null).await?.as_u64().context("a counter is a number")?;
        recovery.lost_acked += acked.saturating_sub(value);
        recovery.double_applied += value.saturating_sub(acked + unknowns);
        // The same keys again: now every request has happened, and each exactly once.
        for key in unknown {
            client.post_once(&format!("/Counter/r{number}/add"), &json!(1), &key).await?;
        }
        let value = client.post(&path, &Value::Null).await?.as_u64().context("a counter is a number")?;
        recovery.lost_acked += (acked + unknowns).saturating_sub(value);
        recovery.double_applied += value.saturating_sub(acked + unknowns);
    }
    server.stop().await?;
    Ok(recovery)
}

#[derive(Debug)]
struct Added {
    client: usize,
    acked: u64,
    /// Idempotency keys of requests that got no answer.
    unknown: Vec<String>,
}

async fn add_until_failure(authority: String, client: usize, stop: Arc<AtomicBool>) -> Added {
    let mut added = Added { client, acked: 0, unknown: Vec::new() };
    let Ok(mut connection) = Client::connect(&authority).await else { return added };
    let path = format!("/Counter/r{client}/add");
    let mut sequence = 0u64;
    loop {
        let key = format!("{client}-{sequence}");
        sequence += 1;
        match connection.post_once(&path, &json!(1), &key).await {
            Ok(_) => added.acked += 1,
            Err(_) => {
                added.unknown.push(key);
                if stop.load(Ordering::Relaxed) {
                    return added;
                }
                match Client::connect(&authority).await {
                    Ok(again) => connection = again,
                    Err(_) => return added,
                }
            }
        }
    }
}

/// Fills a data folder, kills the server, and measures how long the next one takes to serve.
pub async fn restart(size: Size) -> anyhow::Result<Restart> {
    let server = Server::start_with_handlers().await?;
    fill(&server, size.completed, "/Greeter/greet", json!(1)).await?;
    fill(&server, size.suspended, "/Sleeper/sleep/send", json!({"ms": SUSPENDED_SLEEP_MS})).await?;
    wait_until_idle(&server).await?;
    let started = Instant::now();
    let server = Server::start(server.kill()?).await?;
    let mut client = Client::connect(server.ingress()).await?;
    client.post("/Greeter/greet", &json!(1)).await.context("call the server after its restart")?;
    let restart_to_serving = started.elapsed();
    let rss_peak_bytes = server.cost().await?.rss_peak_bytes;
    server.stop().await?;
    Ok(Restart { completed: size.completed, suspended: size.suspended, restart_to_serving, rss_peak_bytes })
}

async fn fill(server: &Server, count: u64, path: &'static str, input: Value) -> anyhow::Result<()> {
    let left = Arc::new(AtomicU64::new(count));
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let (left, input, authority) = (Arc::clone(&left), input.clone(), server.ingress().to_owned());
        tasks.spawn(async move {
            let mut client = Client::connect(&authority).await?;
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                client.post(path, &input).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.context("run a client")??;
    }
    Ok(())
}

/// Waits until no instance lives: everything that sleeps is suspended.
async fn wait_until_idle(server: &Server) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut recent: VecDeque<u64> = VecDeque::new();
    loop {
        recent.push_back(server.metric("relight_executor_instances_live").await?);
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

fn share(total: u64, client: u64) -> u64 {
    total / CLIENTS + u64::from(client < total % CLIENTS)
}

fn invocation_id(answer: &Value) -> anyhow::Result<String> {
    Ok(answer["invocationId"].as_str().context("the answer to a send has no id")?.to_owned())
}

fn wall_clock_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
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
}
