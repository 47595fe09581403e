//! What one client does in one step, and what must come back.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::load::Client;

/// What `fanout` calls in parallel.
const FANOUT_CALLS: u64 = 100;
const CHAIN_HOPS: u64 = 5;
/// Questions for the id of an awakeable before a step counts as failed: each takes about a millisecond.
const AWAKEABLE_QUESTIONS_MAX: usize = 5_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    Greet,
    Counter { keys: u64 },
    Rpc,
    RpcChain5,
    Fanout,
    SleepMany,
    Awakeable,
    Recovery,
    Restart,
}

impl Workload {
    pub const ALL: [Self; 11] = [
        Self::Greet,
        Self::Counter { keys: 1 },
        Self::Counter { keys: 100 },
        Self::Counter { keys: 10_000 },
        Self::Rpc,
        Self::RpcChain5,
        Self::Fanout,
        Self::SleepMany,
        Self::Awakeable,
        Self::Recovery,
        Self::Restart,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Greet => "greet",
            Self::Counter { .. } => "counter",
            Self::Rpc => "rpc",
            Self::RpcChain5 => "rpc-chain5",
            Self::Fanout => "fanout",
            Self::SleepMany => "sleep-many",
            Self::Awakeable => "awakeable",
            Self::Recovery => "recovery",
            Self::Restart => "restart",
        }
    }

    /// How many keys it spreads over; 0 where there are none.
    pub fn keys(self) -> u64 {
        match self {
            Self::Counter { keys } => keys,
            _ => 0,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter { keys } => write!(f, "counter/{keys}"),
            other => f.write_str(other.name()),
        }
    }
}

/// The steps of all clients of one run.
#[derive(Debug)]
pub struct Step {
    workload: Workload,
    sequence: AtomicU64,
}

impl Step {
    pub fn new(workload: Workload) -> Self {
        Self { workload, sequence: AtomicU64::new(0) }
    }

    /// One step; an answer that is not the expected one is an error.
    pub async fn run(&self, client: &mut Client) -> anyhow::Result<()> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        match self.workload {
            Workload::Greet => {
                expect(client, "/Greeter/greet", &json!({"n": sequence}), &json!({"n": sequence})).await
            }
            Workload::Rpc => {
                expect(client, "/Rpc/call", &json!({"n": sequence}), &json!({"n": sequence})).await
            }
            Workload::RpcChain5 => {
                expect(client, "/Chain/hop", &json!({"n": CHAIN_HOPS}), &json!(CHAIN_HOPS)).await
            }
            Workload::Fanout => {
                expect(client, "/Fanout/fan", &json!({"n": FANOUT_CALLS}), &json!(FANOUT_CALLS)).await
            }
            Workload::Counter { keys } => {
                let path = format!("/Counter/k{}/add", spread(sequence) % keys);
                let value = client.post(&path, &json!(1)).await?;
                ensure!(value.as_u64().is_some_and(|value| 1 <= value), "`{path}` answered {value}");
                Ok(())
            }
            Workload::Awakeable => awakeable(client, sequence).await,
            Workload::SleepMany | Workload::Recovery | Workload::Restart => {
                unreachable!("these are no closed loops")
            }
        }
    }
}

async fn expect(client: &mut Client, path: &str, input: &Value, output: &Value) -> anyhow::Result<()> {
    let answer = client.post(path, input).await?;
    ensure!(answer == *output, "`{path}` answered {answer}, not {output}");
    Ok(())
}

/// Starts a handler that waits, resolves what it waits for, and waits for its end.
async fn awakeable(client: &mut Client, sequence: u64) -> anyhow::Result<()> {
    let sent = client.post(&format!("/Awk/a{sequence}/wait/send"), &Value::Null).await?;
    let invocation = sent["invocationId"].as_str().context("the answer to a send has no id")?.to_owned();
    let mut awakeable = None;
    for _ in 0..AWAKEABLE_QUESTIONS_MAX {
        let id = client.post(&format!("/Awk/a{sequence}/id"), &Value::Null).await?;
        if let Some(id) = id.as_str() {
            awakeable = Some(id.to_owned());
            break;
        }
    }
    let awakeable = awakeable.context("the handler made no awakeable")?;
    client.post(&format!("/relight/awakeables/{awakeable}/resolve"), &json!(sequence)).await?;
    let output = client.get(&format!("/relight/attach/{invocation}")).await?;
    ensure!(output == json!(sequence), "the awakeable gave {output}, not {sequence}");
    Ok(())
}

/// Spreads neighbours apart, the same way in every run.
pub fn spread(sequence: u64) -> u64 {
    sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}
