//! Ends of the process without a clean stop: the tables are those of exactly one earlier applied LSN, not below the
//! durable one.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    panic::catch_unwind,
    path::Path,
    process::{Command, Stdio},
};

use proptest::prelude::*;
use relight_core::{
    Lsn, PartitionId,
    tables::{Key, Row, Tables as _},
};
use tempfile::TempDir;

use super::{
    conformance::{all_rows, store},
    sample::{Near, Sample, Source, row_of},
};
use crate::{PartitionTables, Store, StoreOptions};

const ID: PartitionId = PartitionId(0);

/// What the record at `lsn` changes: a few near keys, so that batches overwrite each other's rows, and state whose
/// value is the LSN, so that rows of different batches can't be taken for each other.
fn changes(lsn: Lsn, payload_bytes: usize) -> Vec<(Key, Option<Row>)> {
    let mut source = Source::new(lsn.0);
    (0..4)
        .map(|_| {
            let key = Near::<Key>::sample(&mut source).0;
            let row = match &key {
                Key::State(..) => {
                    Row::State([lsn.0.to_be_bytes().to_vec(), vec![7; payload_bytes]].concat().into())
                }
                _ => row_of(&key, &mut source),
            };
            (key, Some(row).filter(|_| source.below(4) != 0))
        })
        .collect()
}

fn apply(tables: &mut PartitionTables, lsn: Lsn, payload_bytes: usize) {
    for (key, row) in changes(lsn, payload_bytes) {
        match row {
            Some(row) => tables.put(key, row),
            None => tables.delete(key),
        }
    }
}

/// The rows there are once the record at `applied` has been applied, and all keys that ever had one.
fn expected(applied: Lsn, last: Lsn, payload_bytes: usize) -> (BTreeMap<Key, Row>, Vec<Key>) {
    let (mut rows, mut keys) = (BTreeMap::new(), Vec::new());
    for lsn in 1..=last.0 {
        for (key, row) in changes(Lsn(lsn), payload_bytes) {
            keys.push(key.clone());
            match row {
                _ if lsn > applied.0 => {}
                Some(row) => drop(rows.insert(key, row)),
                None => drop(rows.remove(&key)),
            }
        }
    }
    (rows, keys)
}

fn check_rows(tables: &PartitionTables, last: Lsn, payload_bytes: usize) {
    let (rows, keys) = expected(tables.applied(), last, payload_bytes);
    assert_eq!(all_rows(tables, keys), rows);
}

/// A copy of an open database's files, as a crash would leave them. Commits nothing meanwhile; a compaction may run,
/// and then the copy is made again.
fn copy_files(from: &Path, to: &Path) {
    let files = || -> io::Result<BTreeMap<_, _>> {
        let file = |file: io::Result<fs::DirEntry>| {
            file.and_then(|file| Ok((file.file_name(), file.metadata()?.len())))
        };
        fs::read_dir(from)?.map(file).collect()
    };
    let copy = || -> io::Result<bool> {
        let before = files()?;
        for name in before.keys().filter(|name| *name != "LOCK") {
            fs::copy(from.join(name), to.join(name))?;
        }
        Ok(before == files()?)
    };
    loop {
        fs::create_dir_all(to).expect("create the copy");
        match copy() {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}"),
        }
        fs::remove_dir_all(to).expect("delete the copy");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn after_a_crash_the_rows_are_those_of_the_last_flush(
        batches in proptest::collection::vec((1u64..4, any::<bool>()), 1..12),
    ) {
        let (dir, image) = (TempDir::new().expect("temporary folder"), TempDir::new().expect("temporary folder"));
        let store = store(&dir);
        let mut tables = store.partition(ID).expect("open");
        let mut last = Lsn::ZERO;
        let mut flushed = Lsn::ZERO;
        for (records, flush) in batches {
            for _ in 0..records {
                last = last.next();
                apply(&mut tables, last, 0);
            }
            tables.commit(last).expect("commit");
            if flush {
                flushed = tables.flush().expect("flush");
                prop_assert_eq!(flushed, last);
            }
            prop_assert_eq!(tables.durable(), flushed);
        }
        // This batch is not even committed.
        apply(&mut tables, last.next(), 0);
        copy_files(&store.path(ID), &image.path().join("partition-0"));

        let tables = super::conformance::store(&image).partition(ID).expect("open after the crash");
        prop_assert_eq!((tables.applied(), tables.durable()), (flushed, flushed));
        check_rows(&tables, last.next(), 0);
    }
}

const CHILD: &str = "RELIGHT_TEST_CRASH_DIR";
/// Of a state row. One commit in six writes one, so the commits after the flush write six megabytes: more than the
/// write buffers of `small_store` take. Writes stall while all are full, so RocksDB must have flushed some of them of
/// its own accord before the last of these commits.
const PAYLOAD_BYTES: usize = 120_000;
/// Commits after which the process is killed.
const COMMITS: u64 = 400;
/// Commits after which it flushes, once.
const COMMITS_BEFORE_FLUSH: u64 = 100;
/// Commits that the child may be ahead of what it has said: its output fills a pipe.
const AHEAD_MAX: u64 = 10_000;

/// Write buffers are small, so that RocksDB flushes and compacts of its own accord while the kill comes, and rows reach
/// them soon: those that are still young when the process ends were never RocksDB's to flush.
fn small_store(dir: &Path) -> Store {
    let options =
        StoreOptions { write_buffers_bytes: 512 << 10, young_rows_max: 16, ..StoreOptions::default() };
    Store::open(dir, options).expect("open store")
}

/// Applies records until it is killed; says each committed and each durable LSN.
fn write_until_killed(dir: &Path) {
    let mut tables = small_store(dir).partition(ID).expect("open");
    let mut out = io::stdout();
    let start = tables.applied().0;
    for lsn in start + 1.. {
        apply(&mut tables, Lsn(lsn), PAYLOAD_BYTES);
        tables.commit(Lsn(lsn)).expect("commit");
        if lsn == start + COMMITS_BEFORE_FLUSH {
            tables.flush().expect("flush");
        }
        writeln!(out, "\ncommitted {lsn} durable {}", tables.durable())
            .expect("the parent reads until the kill");
    }
}

#[test]
fn after_a_kill_the_rows_are_those_of_one_applied_lsn() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return write_until_killed(Path::new(&dir));
    }
    let dir = TempDir::new().expect("temporary folder");
    let mut before = Lsn::ZERO;
    for _ in 0..4 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "tests::crash::after_a_kill_the_rows_are_those_of_one_applied_lsn",
                "--nocapture",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start this test again");
        let lines =
            BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("read"));
        let said = lines.filter_map(|line| {
            let mut words = line.strip_prefix("committed ")?.split(" durable ");
            let mut lsn = || Some(Lsn(words.next()?.parse().ok()?));
            Some((lsn()?, lsn()?))
        });
        let (committed, durable) = said.take(COMMITS as usize).last().expect("it commits");
        child.kill().expect("kill");
        child.wait().expect("wait");

        let tables = small_store(dir.path()).partition(ID).expect("open after the kill");
        let applied = tables.applied();
        assert!(before <= applied, "{before} <= {applied}");
        assert!(durable <= applied, "{durable} <= {applied}");
        assert!(applied.0 <= committed.0 + AHEAD_MAX, "{applied} is beyond what the child can have written");
        check_rows(&tables, Lsn(applied.0.max(committed.0) + 1), PAYLOAD_BYTES);
        assert!(durable < applied, "RocksDB has not flushed of its own accord");
        before = applied;
    }
}

#[test]
fn a_crash_before_rows_are_settled_keeps_those_before() {
    check_crash_in_settle(|at| assert_ne!(at, "storage.before-settle"), Lsn::ZERO);
}

#[test]
fn a_crash_after_rows_are_settled_keeps_them() {
    check_crash_in_settle(|at| assert_ne!(at, "storage.after-settle"), Lsn(1));
}

fn check_crash_in_settle(fault: crate::Fault, applied: Lsn) {
    let dir = TempDir::new().expect("temporary folder");
    let path = dir.path().to_owned();
    catch_unwind(move || {
        let store =
            Store::open(&path, StoreOptions { fault, ..StoreOptions::default() }).expect("open store");
        let mut tables = store.partition(ID).expect("open");
        apply(&mut tables, Lsn(1), 0);
        tables.commit(Lsn(1)).expect("nothing is written yet");
        tables.settle()
    })
    .expect_err("the fault point panics");
    let tables = store(&dir).partition(ID).expect("reopen");
    assert_eq!(tables.applied(), applied);
    check_rows(&tables, Lsn(1), 0);
}
