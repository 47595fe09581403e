//! Passes of the driver, step by step and without its thread: one sync for all groups, what is in flight, the mark.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use relight_log::raft::{Driver, GroupLog, NodeLog, PASS_BYTES_MAX, Progress};
use relight_log::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, AppendError, Bytes, GroupId, IN_FLIGHT_BYTES_MAX,
    IN_FLIGHT_RECORDS_MAX, Log, Lsn, Role, Ticket,
};
use support::{append, block_on, epoch, options, payload, read_all};
use tempfile::TempDir;

const NOW: Duration = Duration::from_secs(1000);

/// A driver whose groups lead.
fn driver(groups: u16) -> (TempDir, Driver, Vec<GroupLog>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, logs) = Driver::open(&options(folder.path(), groups).0).unwrap();
    assert!(logs.iter().all(|log| log.state().leadership.role == Role::Follower));
    assert_eq!(driver.pass(NOW).unwrap(), Progress::Running);
    assert!(logs.iter().all(|log| log.state().leadership.role == Role::Leader));
    (folder, driver, logs)
}

#[test]
fn one_sync_serves_all_groups_and_all_appends_of_a_pass() {
    const GROUPS: u16 = 24;
    let (_folder, mut driver, logs) = driver(GROUPS);
    let begun = driver.stats();
    assert_eq!((begun.passes, begun.syncs, begun.entries), (1, 1, u64::from(GROUPS)));
    let tickets: Vec<Ticket> = (0..10)
        .flat_map(|n| logs.iter().map(move |log| log.append(epoch(log), vec![payload(n), payload(n)])))
        .collect();
    driver.pass(NOW).unwrap();
    let stats = driver.stats();
    assert_eq!((stats.syncs - begun.syncs, stats.entries - begun.entries), (1, 2 * 10 * u64::from(GROUPS)));
    for ticket in tickets {
        assert!(block_on(ticket).is_ok());
    }
    driver.pass(NOW).unwrap();
    assert_eq!(driver.stats(), stats, "a pass with nothing to do writes nothing");
}

#[test]
fn nothing_is_due_while_nothing_happens() {
    let (_folder, mut driver, logs) = driver(3);
    // The mark moved when the groups got their leader.
    let due = driver.deadline().unwrap();
    assert_eq!(due, NOW + Duration::from_secs(1));
    driver.pass(due - Duration::from_millis(1)).unwrap();
    assert_eq!(driver.stats().high_water_syncs, 0);
    driver.pass(due).unwrap();
    assert_eq!((driver.stats().high_water_syncs, driver.deadline()), (1, None));
    let ticket = logs[0].append(epoch(&logs[0]), vec![payload(0)]);
    driver.pass(due).unwrap();
    assert_eq!(block_on(ticket), Ok(Lsn(2)));
    assert_eq!(driver.deadline(), Some(due + Duration::from_secs(1)));
}

#[test]
fn a_full_queue_is_overloaded_until_a_pass() {
    let (_folder, mut driver, logs) = driver(2);
    let largest = Bytes::from(vec![7; APPEND_BYTES_MAX]);
    let bytes: Vec<Ticket> = (0..IN_FLIGHT_BYTES_MAX / APPEND_BYTES_MAX)
        .map(|_| logs[0].append(epoch(&logs[0]), vec![largest.clone()]))
        .collect();
    let empty = vec![Bytes::new(); APPEND_RECORDS_MAX];
    let records: Vec<Ticket> = (0..IN_FLIGHT_RECORDS_MAX / APPEND_RECORDS_MAX)
        .map(|_| logs[1].append(epoch(&logs[1]), empty.clone()))
        .collect();
    let one_more = |log: &GroupLog| log.append(epoch(log), vec![payload(0)]);
    assert_eq!(block_on(one_more(&logs[0])), Err(AppendError::Overloaded));
    assert_eq!(block_on(one_more(&logs[1])), Err(AppendError::Overloaded));
    // Every pass takes in as much as it may, which is at least one append.
    let passes = bytes.len() + 1;
    for _ in 0..passes {
        driver.pass(NOW).unwrap();
    }
    assert!(driver.stats().syncs > 2, "large appends are spread over passes of {PASS_BYTES_MAX} bytes");
    for ticket in bytes.into_iter().chain(records) {
        assert!(block_on(ticket).is_ok());
    }
    for log in &logs {
        let ticket = one_more(log);
        driver.pass(NOW).unwrap();
        assert!(block_on(ticket).is_ok());
    }
}

#[test]
fn a_driver_that_dies_leaves_appends_unknown() {
    let (_folder, driver, logs) = driver(1);
    let ticket = logs[0].append(epoch(&logs[0]), vec![payload(0)]);
    let epoch = epoch(&logs[0]);
    drop(driver);
    assert_eq!(block_on(ticket), Err(AppendError::Unknown));
    assert_eq!(block_on(logs[0].append(epoch, vec![payload(0)])), Err(AppendError::Shutdown));
}

#[test]
fn a_clean_stop_answers_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let log = NodeLog::open(options(folder.path(), 1).0).unwrap();
    let group = log.group(GroupId(0)).clone();
    let tickets: Vec<Ticket> = (0..100).map(|n| group.append(epoch(&group), vec![payload(n)])).collect();
    log.stop();
    for ticket in tickets {
        assert!(block_on(ticket).is_ok());
    }
}

#[test]
fn a_large_log_is_flushed_trimmed_and_reopened() {
    const RECORD_BYTES: usize = 1 << 20;
    const RECORDS: u64 = 160;
    let folder = tempfile::tempdir().unwrap();
    let wal_bytes = || {
        let files = std::fs::read_dir(folder.path().join("rocksdb")).unwrap().map(|file| file.unwrap());
        let wals = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
        wals.map(|file| file.metadata().unwrap().len()).sum::<u64>()
    };
    let log = NodeLog::open(options(folder.path(), 2).0).unwrap();
    let numbered = |n: u64| {
        let mut bytes = vec![0; RECORD_BYTES];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Bytes::from(bytes)
    };
    for n in 0..RECORDS {
        append(log.group(GroupId(u16::from(n % 2 == 1))), numbered(n));
    }
    // Four memtables of 32 MiB, and a batch that did not fit the last one any more.
    assert!(wal_bytes() <= (4 * 32 + 2) << 20, "the WAL has {} bytes", wal_bytes());
    let trimmed = Lsn(1 + RECORDS / 4);
    log.group(GroupId(0)).trim(trimmed).unwrap();
    drop(log);
    let log = NodeLog::open(options(folder.path(), 2).0).unwrap();
    let numbers = |group: u16, from: Lsn| {
        let records = read_all(log.group(GroupId(group)), from).into_iter();
        records.map(|record| u64::from_be_bytes(record.payload[..8].try_into().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(numbers(0, trimmed.next()), (RECORDS / 2..RECORDS).step_by(2).collect::<Vec<_>>());
    assert_eq!(numbers(1, Lsn::FIRST), (1..RECORDS).step_by(2).collect::<Vec<_>>());
}

/// Prints what this machine does, in a build that is not optimised; asserts that all of it is there.
#[test]
fn many_callers_share_syncs() {
    const CALLERS: usize = 8;
    const DEPTH: usize = 32;
    const ROUNDS: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let log = NodeLog::open(options(folder.path(), 8).0).unwrap();
    let acknowledged = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for group in log.groups() {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let record = Bytes::from_static(&[7; 512]);
                    let append = || group.append(epoch(group), vec![record.clone()]);
                    let tickets: Vec<Ticket> = (0..DEPTH).map(|_| append()).collect();
                    for ticket in tickets {
                        block_on(ticket).unwrap();
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let stats = log.stats();
    let appended = (CALLERS * DEPTH * ROUNDS) as u64;
    eprintln!("{appended} appends, {} syncs, {:.0} appends/s", stats.syncs, appended as f64 / seconds);
    assert_eq!(acknowledged.into_inner(), appended);
    let recovered: usize = log.groups().iter().map(|group| read_all(group, Lsn::FIRST).len()).sum();
    assert_eq!(recovered as u64, appended);
}
