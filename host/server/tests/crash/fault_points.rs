//! A fault at the n-th durable write, for every n: the process dies, and the next one goes on where everybody was
//! told that it is.

use std::{env, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use tokio::sync::watch;

use crate::{
    check::{Submitted, check_all},
    component::deploy,
    http::Caller,
    ledger::Ledger,
    scenario,
    server::{Environment, Place},
};

const FAULT: &str = "RELIGHT_FAULT";
const SIGABRT: i32 = 6;
/// Two partitions start faster than the usual eight, and send messages to each other as well.
const PARTITIONS: &str = "2";
/// What the log says before it ends the process.
const LAST_WORDS: [&str; 2] = ["the log failed", "injected at"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_before_any_write_of_the_log() {
    every_occurrence("log.before-write", "kill").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_after_any_write_of_the_log() {
    every_occurrence("log.after-write", "kill").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_after_any_move_of_the_high_water_mark() {
    every_occurrence("log.after-high-water", "kill").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_before_any_move_of_the_high_water_mark() {
    every_occurrence("log.before-high-water", "kill").await;
}

/// What was cut off was never acknowledged: it was written, and the mark was not moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_write_of_the_log_torn() {
    every_occurrence("log.after-write", "tear").await;
}

/// The mark is kept twice; the other copy counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_move_of_the_high_water_mark_torn() {
    every_occurrence("log.after-high-water", "tear").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_write_of_the_log_failed() {
    every_occurrence("log.before-write", "error").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_write_of_the_log_failed_after_it_reached_the_disk() {
    every_occurrence("log.after-write", "error").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_before_any_write_of_tables() {
    every_occurrence("storage.before-settle", "kill").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_after_any_write_of_tables() {
    every_occurrence("storage.after-settle", "kill").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_while_a_component_is_stored() {
    let ledger = Ledger::start().await;
    for (number, point) in ["blobs.before-fsync", "blobs.after-rename"].into_iter().enumerate() {
        let fault = format!("{point}:1:kill");
        assert!(survive(&nothing(), &ledger, &format!("s{number}"), &fault).await, "{fault} was not reached");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_from_the_first_start_to_the_first_answer() {
    const LAST: u64 = 12;
    let ledger = Ledger::start().await;
    for fault in ["log.before-write:N:kill", "log.after-write:N:tear", "log.after-high-water:N:kill"] {
        for n in Occurrences::new(4, LAST) {
            let fault = fault.replace('N', &n.to_string());
            assert!(survive(&nothing(), &ledger, "first", &fault).await, "{fault} was not reached");
        }
    }
}

/// A fault at every occurrence of a point in the scenario, on a folder that has served before; without
/// `RELIGHT_CRASH_FAULTS` a sample that is dense at the start.
async fn every_occurrence(point: &str, kind: &str) {
    let ledger = Ledger::start().await;
    let prepared = prepared(&ledger).await;
    let mut reached = 0;
    for n in Occurrences::new(8, u64::MAX) {
        let fault = format!("{point}:{n}:{kind}");
        if !survive(&prepared, &ledger, &format!("f{n}"), &fault).await {
            break;
        }
        reached += 1;
    }
    eprintln!("{point} {kind}: {reached} faults reached");
    // Fewer would mean that the point is not on the way of what the scenario does.
    assert!(reached >= 8, "{point} was reached {reached} times");
}

/// Which occurrences of a point fail: `1..=dense` and then fewer, or all.
struct Occurrences {
    next: u64,
    dense: u64,
    last: u64,
}

impl Occurrences {
    fn new(dense: u64, last: u64) -> Self {
        let dense = if env::var_os("RELIGHT_CRASH_FAULTS").is_some() { u64::MAX } else { dense };
        Self { next: 1, dense, last }
    }
}

impl Iterator for Occurrences {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let n = self.next;
        self.next += if n < self.dense { 1 } else { n / 2 };
        (n <= self.last).then_some(n)
    }
}

fn environment(fault: Option<&str>) -> Environment {
    let partitions = ("RELIGHT_NODE__PARTITIONS", PARTITIONS.to_owned());
    // Every batch is written, so that there are writes to die in.
    let young = ("RELIGHT_TABLES__YOUNG_ROWS_MAX", "0".to_owned());
    [Some(partitions), Some(young), fault.map(|fault| (FAULT, fault.to_owned()))]
        .into_iter()
        .flatten()
        .collect()
}

/// Where a scenario starts.
struct Prepared {
    place: Place,
    /// What was done there before.
    submitted: Submitted,
}

/// A folder in which no server has been.
fn nothing() -> Prepared {
    Prepared { place: Place::new(), submitted: Submitted::default() }
}

/// A folder whose server has run the scenario once, and was killed.
async fn prepared(ledger: &Ledger) -> Prepared {
    let place = Place::new();
    let (here, whereabouts) = watch::channel(None);
    let caller = Caller::new(whereabouts);
    let server = place.start(&environment(None)).await;
    here.send_replace(Some(server.addresses()));
    deploy(&caller).await;
    let submitted = scenario::run(&caller, &ledger.url, "prepared").await;
    server.kill().await;
    Prepared { place, submitted }
}

/// Runs the scenario on a copy with a fault, goes on without it, and checks everything. Gives whether the fault was
/// reached.
async fn survive(prepared: &Prepared, ledger: &Ledger, name: &str, fault: &str) -> bool {
    let place = prepared.place.copy();
    let (here, whereabouts) = watch::channel(None);
    let caller = Caller::new(whereabouts);
    // Payments of different folders meet in one ledger.
    let name = format!("{fault}.{name}");
    let scenario = async {
        if prepared.submitted.acknowledged.is_empty() {
            deploy(&caller).await;
        }
        scenario::run(&caller, &ledger.url, &name).await
    };
    tokio::pin!(scenario);

    let mut submitted = None;
    let died = match place.spawn("server", &environment(Some(fault))).serving().await {
        Err(status) => Some(status),
        Ok(mut server) => {
            here.send_replace(Some(server.addresses()));
            tokio::select! {
                finished = &mut scenario => {
                    submitted = Some(finished);
                    let status = server.stop().await;
                    (!status.success()).then_some(status)
                }
                status = server.ended() => Some(status),
            }
        }
    };
    if let Some(status) = died {
        assert_died(status, fault);
    }
    let server = place.start(&environment(None)).await;
    here.send_replace(Some(server.addresses()));
    let mut submitted = match submitted {
        Some(submitted) => submitted,
        None => scenario.await,
    };
    submitted.expected.merge(prepared.submitted.expected.clone());
    submitted.acknowledged.extend_from_slice(&prepared.submitted.acknowledged);
    check_all(&caller, &submitted, ledger).await;
    let status = server.stop().await;
    assert!(status.success(), "{fault}: {status}");
    place.check_log(&LAST_WORDS);
    died.is_some()
}

#[track_caller]
fn assert_died(status: ExitStatus, fault: &str) {
    // A log that cannot even begin is a start that failed.
    let is_failed_start = fault.ends_with("error") && status.code() == Some(1);
    assert!(status.signal() == Some(SIGABRT) || is_failed_start, "{fault}: {status}");
}
