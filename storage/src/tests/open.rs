//! Opening: what is damaged, what is merely newer or busy, and that the caller can tell.

use std::{fs, path::Path};

use relight_core::{
    Lsn, PartitionId, Timestamp,
    tables::{Key, Meta, ReadTables as _, Row, Tables as _},
};
use rocksdb::DB;
use tempfile::TempDir;

use super::conformance::store;
use crate::{OpenError, PartitionTables, format::key, store::encode_applied};

const ID: PartitionId = PartitionId(7);

/// A partition with a flushed row and applied LSN 5; answers its folder.
fn written(dir: &TempDir) -> std::path::PathBuf {
    let store = store(dir);
    let mut tables = store.partition(ID).expect("open");
    tables.put(Key::Meta, Row::Meta(Meta { time: Timestamp(9), ..Meta::default() }));
    tables.commit(Lsn(5)).expect("commit");
    assert_eq!(tables.durable(), Lsn::ZERO);
    assert_eq!(tables.flusher().expect("settle").flush().expect("flush"), Lsn(5));
    assert_eq!(tables.durable(), Lsn(5));
    store.path(ID)
}

fn reopen(dir: &TempDir) -> Result<PartitionTables, OpenError> {
    store(dir).partition(ID)
}

fn files(path: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(path).expect("list").map(|file| file.expect("list").path());
    files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[track_caller]
fn check_damaged(dir: &TempDir) {
    let error = reopen(dir).expect_err("it is damaged");
    assert!(matches!(&error, OpenError::Damaged { path, .. } if path.ends_with("partition-7")), "{error:?}");
    // Moved aside, the partition begins anew.
    let path = store(dir).path(ID);
    fs::rename(&path, path.with_extension("damaged")).expect("move aside");
    assert_eq!(reopen(dir).expect("open").applied(), Lsn::ZERO);
}

#[test]
fn a_new_partition_is_empty() {
    let dir = TempDir::new().expect("temporary folder");
    let tables = reopen(&dir).expect("open");
    assert_eq!((tables.applied(), tables.durable()), (Lsn::ZERO, Lsn::ZERO));
    assert_eq!(tables.get(&Key::Meta).expect("get"), None);
}

#[test]
fn a_missing_table_file_is_damage() {
    let dir = TempDir::new().expect("temporary folder");
    for file in files(&written(&dir), "sst") {
        fs::remove_file(file).expect("delete");
    }
    check_damaged(&dir);
}

#[test]
fn a_changed_table_file_is_damage() {
    let dir = TempDir::new().expect("temporary folder");
    for file in files(&written(&dir), "sst") {
        let mut bytes = fs::read(&file).expect("read");
        bytes.iter_mut().for_each(|byte| *byte ^= 0x10);
        fs::write(&file, bytes).expect("write");
    }
    check_damaged(&dir);
}

#[test]
fn a_lost_current_file_is_damage_and_not_an_empty_database() {
    let dir = TempDir::new().expect("temporary folder");
    fs::remove_file(written(&dir).join("CURRENT")).expect("delete");
    check_damaged(&dir);
}

#[test]
fn rows_without_an_applied_lsn_are_damage() {
    let dir = TempDir::new().expect("temporary folder");
    let path = written(&dir);
    DB::open_default(path).expect("open").delete(key::APPLIED).expect("delete");
    check_damaged(&dir);
}

#[test]
fn a_resident_row_that_cannot_be_read_is_damage() {
    let dir = TempDir::new().expect("temporary folder");
    let path = written(&dir);
    DB::open_default(path).expect("open").put(key::encode(&Key::Meta), [1, 200]).expect("put");
    check_damaged(&dir);
}

#[test]
fn tables_of_a_newer_program_are_not_damage() {
    let dir = TempDir::new().expect("temporary folder");
    let path = written(&dir);
    let mut applied = encode_applied(Lsn(5));
    applied[0] = 2;
    DB::open_default(path).expect("open").put(key::APPLIED, applied).expect("put");
    assert!(matches!(reopen(&dir), Err(OpenError::Newer { .. })));
}

#[test]
fn tables_that_are_open_are_not_damage() {
    let dir = TempDir::new().expect("temporary folder");
    let first = reopen(&dir).expect("open");
    assert!(matches!(reopen(&dir), Err(OpenError::Open { .. })));
    drop(first);
    reopen(&dir).expect("open");
}
