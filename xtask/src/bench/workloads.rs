//! What one client does in one step, and what must come back.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    client::Client,
    system::{Kind, System, number},
};

/// Inline runs of `steps10`.
const STEPS: u64 = 10;
/// What `fanout` calls in parallel.
const FANOUT_CALLS: u64 = 100;
const CHAIN_HOPS: u64 = 5;
/// How often the id of an awakeable is asked for, and for how long.
const QUESTION_INTERVAL: Duration = Duration::from_millis(2);
const QUESTIONS_TIME_MAX: Duration = Duration::from_secs(300);
/// How long the handler of `replay` is left alone before it is resumed: it must be suspended by then. Ours is told to
/// linger for 20 ms, the peer lingers for 100 ms.
const SETTLE_OURS: Duration = Duration::from_millis(200);
const SETTLE_PEER: Duration = Duration::from_millis(1_500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Nothing: what the server takes when nobody asks for anything.
    Idle,
    /// Bytes of the input; 0: a small object.
    Greet {
        bytes: usize,
    },
    Counter {
        keys: u64,
    },
    Steps10,
    Rpc,
    RpcChain5,
    Fanout,
    Awakeable,
    Replay {
        entries: u64,
    },
    SleepMany {
        invocations: u64,
    },
    Recovery {
        invocations: u64,
    },
    Restart,
}

impl Workload {
    /// Names that the command line knows.
    pub const NAMES: [&str; 12] = [
        "idle",
        "greet",
        "counter",
        "steps10",
        "rpc",
        "rpc-chain5",
        "fanout",
        "awakeable",
        "replay",
        "sleep-many",
        "recovery",
        "restart",
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Greet { .. } => "greet",
            Self::Counter { .. } => "counter",
            Self::Steps10 => "steps10",
            Self::Rpc => "rpc",
            Self::RpcChain5 => "rpc-chain5",
            Self::Fanout => "fanout",
            Self::Awakeable => "awakeable",
            Self::Replay { .. } => "replay",
            Self::SleepMany { .. } => "sleep-many",
            Self::Recovery { .. } => "recovery",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greet { bytes } if *bytes != 0 => write!(f, "greet, {bytes} B"),
            Self::Counter { keys: 1 } => f.write_str("counter, 1 key"),
            Self::Counter { keys } => write!(f, "counter, {keys} keys"),
            Self::Replay { entries } => write!(f, "replay, {entries} entries"),
            Self::SleepMany { invocations } => write!(f, "sleep-many, {invocations}"),
            Self::Recovery { invocations } => write!(f, "recovery, {invocations} in the log"),
            other => f.write_str(other.name()),
        }
    }
}

/// The steps of all clients of one run.
#[derive(Debug)]
pub struct Step {
    workload: Workload,
    kind: Kind,
    sequence: AtomicU64,
    /// The input, where it is the same for all.
    input: Bytes,
    /// Set before names that must not be used twice on one server.
    salt: u32,
}

/// What one client holds.
#[derive(Debug)]
pub struct Hands {
    pub first: Client,
    /// For workloads in which a client waits for one answer and asks for something else meanwhile.
    pub second: Option<Client>,
}

impl Hands {
    pub async fn connect(ingress: &str, workload: Workload) -> anyhow::Result<Self> {
        let second = match workload {
            Workload::Awakeable | Workload::Replay { .. } => Some(Client::connect(ingress).await?),
            _ => None,
        };
        Ok(Self { first: Client::connect(ingress).await?, second })
    }
}

impl Step {
    pub fn new(workload: Workload, system: &System, salt: u32) -> Self {
        let input = match workload {
            Workload::Greet { bytes } => Bytes::from(format!("\"{}\"", "x".repeat(bytes.saturating_sub(2)))),
            Workload::Steps10 => Bytes::from(json!({"n": STEPS}).to_string()),
            Workload::RpcChain5 => Bytes::from(json!({"n": CHAIN_HOPS}).to_string()),
            Workload::Fanout => Bytes::from(json!({"n": FANOUT_CALLS}).to_string()),
            _ => Bytes::from_static(b"1"),
        };
        Self { workload, kind: system.kind, sequence: AtomicU64::new(0), input, salt }
    }

    pub fn workload(&self) -> Workload {
        self.workload
    }

    /// One step, and how long what is measured of it took; an answer that is not the expected one is an error.
    pub async fn run(&self, hands: &mut Hands) -> anyhow::Result<Duration> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let (client, input, started) = (&mut hands.first, self.input.clone(), Instant::now());
        match self.workload {
            Workload::Greet { bytes: 0 } => {
                let input = Bytes::from(format!("{{\"n\":{sequence}}}"));
                same(&client.post_bytes("/Greeter/greet", input.clone()).await?, &input)?;
            }
            Workload::Greet { .. } => {
                same(&client.post_bytes("/Greeter/greet", input.clone()).await?, &input)?;
            }
            Workload::Rpc => {
                let input = Bytes::from(format!("{{\"n\":{sequence}}}"));
                same(&client.post_bytes("/Rpc/call", input.clone()).await?, &input)?;
            }
            Workload::Steps10 => {
                let sum = number(&client.post_bytes("/Steps/steps", input).await?)?;
                ensure!(sum == STEPS * (STEPS - 1) / 2, "the steps gave {sum}");
            }
            Workload::RpcChain5 => {
                let hops = number(&client.post_bytes("/Chain/hop", input).await?)?;
                ensure!(hops == CHAIN_HOPS, "the chain had {hops} hops");
            }
            Workload::Fanout => {
                let answers = number(&client.post_bytes("/Fanout/fan", input).await?)?;
                ensure!(answers == FANOUT_CALLS, "{answers} answers came");
            }
            Workload::Counter { keys } => {
                let path = format!("/Counter/k{}/add", spread(sequence) % keys);
                let value = number(&client.post_bytes(&path, input).await?)?;
                ensure!(1 <= value, "`{path}` answered {value}");
            }
            Workload::Awakeable => return self.awakeable(hands, sequence).await,
            Workload::Replay { entries } => return Ok(self.replay(hands, sequence, entries).await?.resumed),
            Workload::Idle | Workload::SleepMany { .. } | Workload::Recovery { .. } | Workload::Restart => {
                bail!("`{}` is no closed loop", self.workload)
            }
        }
        Ok(started.elapsed())
    }

    /// Calls a handler that waits, resolves what it waits for, and takes its answer; how long that took since it was
    /// resolved.
    async fn awakeable(&self, hands: &mut Hands, sequence: u64) -> anyhow::Result<Duration> {
        let object = format!("/Awk/a{}-{sequence}", self.salt);
        let (first, second) = self.both(hands)?;
        let waits = async {
            let output = second.post(&format!("{object}/wait"), &Value::Null).await?;
            anyhow::Ok((output, Instant::now()))
        };
        let resolves = async {
            let id = ask_for_id(first, &object).await?;
            let resolved = Instant::now();
            first.post(&self.kind.resolve_path(&id), &json!(sequence)).await?;
            anyhow::Ok(resolved)
        };
        let (waited, resolved) = tokio::join!(waits, resolves);
        let ((output, ended), resolved) = (waited?, resolved?);
        ensure!(output == json!(sequence), "the awakeable gave {output}, not {sequence}");
        Ok(ended.saturating_duration_since(resolved))
    }

    /// Lets a handler write a journal and suspend, and resumes it.
    pub async fn replay(&self, hands: &mut Hands, sequence: u64, entries: u64) -> anyhow::Result<Replayed> {
        let object = format!("/Replay/r{}-{sequence}", self.salt);
        let (first, second) = self.both(hands)?;
        let started = Instant::now();
        let waits = async {
            let sum = second.post(&format!("{object}/start"), &json!({"n": entries})).await?;
            anyhow::Ok((sum, Instant::now()))
        };
        let resolves = async {
            let id = ask_for_id(first, &object).await?;
            let built = started.elapsed();
            let settles = if self.kind == Kind::Ours { SETTLE_OURS } else { SETTLE_PEER };
            tokio::time::sleep(settles).await;
            let resolved = Instant::now();
            first.post(&self.kind.resolve_path(&id), &json!(true)).await?;
            anyhow::Ok((built, resolved))
        };
        let (waited, resolved) = tokio::join!(waits, resolves);
        let ((sum, ended), (built, resolved)) = (waited?, resolved?);
        let expected = entries * entries.saturating_sub(1) / 2;
        ensure!(sum == json!(expected), "the steps gave {sum}, not {expected}");
        Ok(Replayed { built, resumed: ended.saturating_duration_since(resolved) })
    }

    fn both<'a>(&self, hands: &'a mut Hands) -> anyhow::Result<(&'a mut Client, &'a mut Client)> {
        let second = hands.second.as_mut().with_context(|| format!("`{}` needs two hands", self.workload))?;
        Ok((&mut hands.first, second))
    }
}

/// What a journal took to write, and from its resumption to the answer.
#[derive(Debug, Clone, Copy)]
pub struct Replayed {
    pub built: Duration,
    pub resumed: Duration,
}

/// The same bytes, or the same value written in another way.
fn same(answer: &Bytes, input: &Bytes) -> anyhow::Result<()> {
    if answer == input {
        return Ok(());
    }
    let value = |bytes: &Bytes| serde_json::from_slice::<Value>(bytes).context("read an answer");
    ensure!(value(answer)? == value(input)?, "the answer was {}", String::from_utf8_lossy(answer));
    Ok(())
}

/// Asks for the id of an awakeable until the handler has written it down.
async fn ask_for_id(client: &mut Client, object: &str) -> anyhow::Result<String> {
    let (path, started) = (format!("{object}/id"), Instant::now());
    while started.elapsed() < QUESTIONS_TIME_MAX {
        if let Some(id) = client.post(&path, &Value::Null).await?.as_str() {
            return Ok(id.to_owned());
        }
        tokio::time::sleep(QUESTION_INTERVAL).await;
    }
    bail!("the handler made no awakeable in {} s", QUESTIONS_TIME_MAX.as_secs())
}

/// Spreads neighbours apart, the same way in every run.
pub fn spread(sequence: u64) -> u64 {
    sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}
