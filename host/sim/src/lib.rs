//! The whole system in one thread from one seed: partitions, their logs, their leaders, a runner of random handler
//! programs, doors, and a disk, a clock and a network that fail in every way they may.
//!
//! Real are the state machine, the replay cursor, the leader with its attempts, effects, timers and outbox, the byte form of
//! records and the raft log with its checks at open. Simulated are the disk below the log, the tables (in memory; a crash
//! takes back what was not flushed), time, the transport between partitions and the runner. What the processor of
//! `relight-partition` does in a task with channels is done here in small steps, so that a crash can stand between any two.
//!
//! ```text
//! world.rs    what happens next          part.rs      one partition: log → apply → actions, proposer
//! faults.rs   crashes, clock             leader.rs    around the real leader: runner, transport
//! doors.rs    what the outside asks for  client.rs    requests with retries
//! disk.rs     the disk below the log     tables.rs    tables that tell what was touched
//! runner.rs   attempts and effects run   guest.rs     attempts of handlers over the real replay cursor
//! program.rs  what handlers do           steps.rs, handlers.rs  and how
//! oracle.rs, retention.rs  what must hold over time
//! check.rs    what must hold in one partition's tables
//! planted.rs  bugs on purpose            end.rs       liveness and exact results
//! ```
//!
//! The same seed gives the same run, step by step: [`Outcome::hash`] is over everything that happened.

mod check;
mod client;
mod clock;
mod disk;
mod doors;
mod end;
mod faults;
mod guest;
mod handlers;
mod leader;
mod oracle;
mod part;
mod planted;
mod program;
mod retention;
mod rng;
mod runner;
mod steps;
mod tables;
mod trace;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use planted::Planted;
use world::World;

/// Steps of one run in which faults happen; what must come to rest afterwards comes on top.
pub const STEPS: u64 = 6_000;

/// Seeds that a planted bug must be found within. Most are found in the first; the rarest needs two lives of one key of a
/// workflow, and some hundred.
pub const PLANTED_SEEDS: u64 = 1_000;

/// A run that kept every promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Over everything that happened, in order.
    pub hash: u64,
    pub stats: Stats,
}

/// How much happened in a run: a simulation in which nothing happens finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    pub steps: u64,
    pub records: u64,
    pub crashes: u64,
    pub requests: u64,
    pub attempts: u64,
    pub effects: u64,
    /// Attempts that are over: suspended, finished, failed.
    pub ends: u64,
    /// Inline runs that were carried out.
    pub runs: u64,
    pub deliveries: u64,
    pub timers: u64,
    /// Records that came too late to change anything.
    pub stale: u64,
    /// Appends of attempts that were lost before one that was not.
    pub lost: u64,
    pub pauses: u64,
}

/// A promise that was broken, and how to see it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub seed: u64,
    pub step: u64,
    pub message: String,
    /// The last things that happened.
    pub tail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.tail {
            writeln!(f, "  {line}")?;
        }
        write!(f, "seed {} failed at step {}: {}", self.seed, self.step, self.message)
    }
}

impl std::error::Error for Failure {}

impl Stats {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.records += other.records;
        self.crashes += other.crashes;
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.effects += other.effects;
        self.ends += other.ends;
        self.runs += other.runs;
        self.deliveries += other.deliveries;
        self.timers += other.timers;
        self.stale += other.stale;
        self.lost += other.lost;
        self.pauses += other.pauses;
    }
}

/// Runs one seed: `steps` with faults, then until everything is at rest.
pub fn run(seed: u64, steps: u64, planted: Option<Planted>) -> Result<Outcome, Failure> {
    let mut world = World::new(seed, planted);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run(steps)));
    let message = match ended {
        Ok(Ok(())) => return Ok(Outcome { hash: world.trace.hash(), stats: world.stats }),
        Ok(Err(violation)) => violation.0,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            format!("panic: {}", text.unwrap_or_else(|| "no message".to_owned()))
        }
    };
    Err(Failure { seed, step: world.stats.steps, message, tail: world.trace.tail() })
}
