//! Every durable write of a short run fails, kills the process, or is torn at its n-th occurrence: nothing acknowledged
//! is lost, nothing is acknowledged after a failure, and what was in flight is unknown.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use relight_log::raft::{NodeLog, OpenError};
use relight_log::{AppendError, FAULT_VARIABLE, GroupId, Log, Lsn};
use support::{append, block_on, epoch, options, payload, read_all};

const APPENDS: u64 = 6;
/// The first write of a log makes its leader.
const WRITES: u64 = APPENDS + 1;
const POINTS: [&str; 4] =
    ["log.before-write", "log.after-write", "log.before-high-water", "log.after-high-water"];

/// What a log holds when it is opened without faults: the numbers of its records.
fn recovered(folder: &Path) -> Vec<u64> {
    let log = NodeLog::open(options(folder, 1).0).unwrap();
    let records = read_all(log.group(GroupId(0)), Lsn::FIRST);
    let numbers = (0..).take(records.len()).collect();
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record.payload, payload(n as u64), "records have no gap");
    }
    append(log.group(GroupId(0)), payload(records.len() as u64));
    numbers
}

/// The last append may be there though nobody was told.
#[track_caller]
fn check(acknowledged: u64, recovered: &[u64], what: &str) {
    let recovered = recovered.len() as u64;
    assert!(acknowledged <= recovered, "{what}: {acknowledged} acknowledged, {recovered} recovered");
    assert!(recovered <= acknowledged + 1, "{what}: {acknowledged} acknowledged, {recovered} recovered");
}

#[test]
fn a_failed_write_acknowledges_nothing_and_loses_nothing() {
    for point in POINTS {
        for n in 1..=WRITES {
            let what = format!("{point}:{n}:error");
            let folder = tempfile::tempdir().unwrap();
            let (mut options, errors) = options(folder.path(), 1);
            options.faults = Some(what.parse().unwrap());
            let log = match NodeLog::open(options) {
                Ok(log) => log,
                Err(OpenError::Begin(_)) if n == 1 => {
                    check(0, &recovered(folder.path()), &what);
                    continue;
                }
                Err(error) => panic!("{what}: {error}"),
            };
            let group = log.group(GroupId(0));
            let epoch = epoch(group);
            let answers: Vec<_> =
                (0..APPENDS).map(|n| block_on(group.append(epoch, vec![payload(n)]))).collect();
            let acknowledged = answers.iter().take_while(|answer| answer.is_ok()).count();
            assert_eq!(acknowledged as u64, n - 2, "{what}");
            assert_eq!(answers[acknowledged], Err(AppendError::Unknown), "{what}");
            // Depending on whether the thread is gone already.
            let after = [Err(AppendError::Unknown), Err(AppendError::Shutdown)];
            assert!(
                answers[acknowledged..].iter().all(|answer| after.contains(answer)),
                "{what}: {answers:?}"
            );
            assert_eq!(read_all_or_stop(group), acknowledged, "{what}");
            drop(log);
            assert_eq!(errors.lock().unwrap().len(), 1, "{what}");
            check(acknowledged as u64, &recovered(folder.path()), &what);
        }
    }
}

/// How many records a reader gets from a log that failed.
fn read_all_or_stop(log: &dyn Log) -> usize {
    let mut reader = log.reader(Lsn::FIRST).unwrap();
    let mut records = Vec::new();
    while reader.try_read(relight_log::ReadLimit::default(), &mut records).unwrap_or(false) {}
    records.len()
}

/// This test starts itself as the process to kill.
#[test]
fn a_kill_or_a_torn_write_at_any_point_loses_nothing() {
    const FOLDER: &str = "RELIGHT_LOG_TEST_FOLDER";
    if let Ok(folder) = std::env::var(FOLDER) {
        append_and_tell(Path::new(&folder));
        return;
    }
    let kills = POINTS.iter().map(|point| (point, "kill"));
    let tears = [(&"log.after-write", "tear"), (&"log.after-high-water", "tear")];
    for (point, kind) in kills.chain(tears) {
        for n in 1..=WRITES {
            let what = format!("{point}:{n}:{kind}");
            let folder = tempfile::tempdir().unwrap();
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "a_kill_or_a_torn_write_at_any_point_loses_nothing", "--nocapture"])
                .env(FOLDER, folder.path())
                .env(FAULT_VARIABLE, &what)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .output()
                .unwrap();
            assert!(!child.status.success(), "{what}: the process was not killed");
            let acknowledged =
                String::from_utf8(child.stdout).unwrap().matches("acknowledged\n").count() as u64;
            assert_eq!(acknowledged, n.saturating_sub(2), "{what}");
            check(acknowledged, &recovered(folder.path()), &what);
        }
    }
}

/// The life of the killed process. Its faults come from the environment.
fn append_and_tell(folder: &Path) {
    let (mut options, _) = options(folder, 1);
    options.faults = None;
    let log = NodeLog::open(options).unwrap();
    for n in 0..APPENDS {
        append(log.group(GroupId(0)), payload(n));
        std::io::stdout().write_all(b"acknowledged\n").unwrap();
        std::io::stdout().flush().unwrap();
    }
}
