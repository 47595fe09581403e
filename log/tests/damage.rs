//! A log that lost or changed something acknowledged does not open; one that lost only what nobody was told about does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::fs;
use std::path::Path;

use relight_log::raft::{NodeLog, OpenError};
use relight_log::{Bytes, GroupId, Lsn, Record};
use support::{append, image, options, payload, read_all, wal};
use tempfile::TempDir;

const GROUPS: u16 = 2;

fn open(folder: &Path) -> Result<NodeLog, OpenError> {
    NodeLog::open(options(folder, GROUPS).0)
}

/// Records of all groups.
fn contents(log: &NodeLog) -> Vec<Vec<Record>> {
    log.groups().iter().map(|group| read_all(group, Lsn::FIRST)).collect()
}

/// The log of a node that was killed after some appends, what was acknowledged, and the node still running.
fn killed() -> (TempDir, Vec<Vec<Record>>, TempDir, NodeLog) {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    for n in 0..20 {
        append(log.group(GroupId(u16::from(n % 3 == 0))), payload(n));
    }
    let acknowledged = contents(&log);
    (image(folder.path()), acknowledged, folder, log)
}

/// Opens a copy of the folder after `damage`, and expects to be refused twice alike, with data files untouched.
#[track_caller]
fn refused(folder: &Path, what: &str, damage: impl FnOnce(&Path)) -> (String, Lsn) {
    let copy = image(folder);
    damage(copy.path());
    let mut answers = (0..2).map(|_| match open(copy.path()) {
        Err(OpenError::Damaged { file, lsn, .. }) => {
            assert!(file.starts_with(copy.path()), "{what}: {file:?}");
            (file.strip_prefix(copy.path()).unwrap().to_str().unwrap().to_owned(), lsn)
        }
        other => panic!("{what}: {other:?}"),
    });
    let answer = answers.next().unwrap();
    assert_eq!(answers.next().unwrap(), answer, "{what}");
    answer
}

#[test]
fn every_flipped_bit_of_the_wal_below_the_mark_is_refused() {
    let (killed, ..) = killed();
    let wal = wal(killed.path());
    let name = wal.strip_prefix(killed.path()).unwrap().to_owned();
    let bits = fs::metadata(&wal).unwrap().len() as usize * 8;
    for bit in (0..bits).step_by(bits / 97) {
        let (file, lsn) = refused(killed.path(), &format!("bit {bit} of {bits}"), |copy| {
            let mut bytes = fs::read(copy.join(&name)).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(copy.join(&name), bytes).unwrap();
        });
        assert_eq!(Path::new(&file), name);
        assert!(Lsn::ZERO < lsn);
    }
}

#[test]
fn every_truncation_of_the_wal_below_the_mark_is_refused() {
    let (killed, ..) = killed();
    let wal = wal(killed.path());
    let name = wal.strip_prefix(killed.path()).unwrap().to_owned();
    let length = fs::metadata(&wal).unwrap().len();
    for cut in (0..length).step_by(length as usize / 61).chain([length - 1]) {
        let (file, _) = refused(killed.path(), &format!("cut at {cut} of {length}"), |copy| {
            fs::File::options().write(true).open(copy.join(&name)).unwrap().set_len(cut).unwrap();
        });
        assert_eq!(Path::new(&file), name);
    }
    let (file, _) = refused(killed.path(), "no WAL", |copy| fs::remove_file(copy.join(&name)).unwrap());
    assert_eq!(file, "rocksdb");
}

#[test]
fn a_truncation_names_the_first_lost_lsn() {
    let (killed, acknowledged, ..) = killed();
    let last = |group: usize| acknowledged[group].last().unwrap().lsn;
    let wal = wal(killed.path());
    let (_, lsn) = refused(killed.path(), "last byte", |copy| {
        let wal = copy.join(wal.strip_prefix(killed.path()).unwrap());
        let length = fs::metadata(&wal).unwrap().len();
        fs::File::options().write(true).open(wal).unwrap().set_len(length - 1).unwrap();
    });
    // The last append of all was to group 0.
    assert_eq!(lsn, last(0));
}

#[test]
fn what_was_cut_above_the_mark_was_never_acknowledged() {
    let (killed, acknowledged, folder, log) = killed();
    let wal = wal(killed.path());
    let name = wal.strip_prefix(killed.path()).unwrap().to_owned();
    let marked = fs::metadata(&wal).unwrap().len() as usize;
    append(log.group(GroupId(0)), Bytes::from(vec![7; 500]));
    let longer = fs::read(folder.path().join(&name)).unwrap();
    assert!(marked < longer.len());
    for length in (marked..longer.len()).step_by(37).chain([longer.len()]) {
        let copy = image(killed.path());
        fs::write(copy.path().join(&name), &longer[..length]).unwrap();
        let log = open(copy.path()).unwrap();
        let mut recovered = contents(&log);
        let unacknowledged = recovered[0].split_off(acknowledged[0].len());
        assert_eq!(recovered, acknowledged, "length {length}");
        assert_eq!(unacknowledged.len(), usize::from(length == longer.len()));
    }
}

#[test]
fn flipped_bits_above_the_mark_lose_nothing_acknowledged() {
    let (killed, acknowledged, folder, log) = killed();
    let wal = wal(killed.path());
    let name = wal.strip_prefix(killed.path()).unwrap().to_owned();
    let marked = fs::metadata(&wal).unwrap().len() as usize;
    append(log.group(GroupId(0)), Bytes::from(vec![7; 500]));
    let longer = fs::read(folder.path().join(&name)).unwrap();
    for byte in (marked..longer.len()).step_by(29) {
        let copy = image(killed.path());
        let mut bytes = longer.clone();
        bytes[byte] ^= 0x10;
        fs::write(copy.path().join(&name), bytes).unwrap();
        // RocksDB tells a damaged record from an incomplete one and refuses it, though nobody was told about it.
        match open(copy.path()) {
            Err(OpenError::Damaged { .. }) => {}
            Ok(log) => assert_eq!(contents(&log), acknowledged, "byte {byte}"),
            Err(error) => panic!("byte {byte}: {error}"),
        }
    }
}

#[test]
fn damage_in_a_table_file_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    for n in 0..20 {
        append(log.group(GroupId(0)), payload(n));
    }
    drop(log);
    // Opening writes what was in the WAL into a table file.
    drop(open(folder.path()).unwrap());
    let tables = fs::read_dir(folder.path().join("rocksdb")).unwrap().map(|file| file.unwrap().path());
    let table = tables.filter(|path| path.extension().is_some_and(|end| end == "sst")).max().unwrap();
    let name = table.strip_prefix(folder.path()).unwrap().to_owned();
    let whole = fs::read(&table).unwrap();
    // The entries are in the first block; a footer names what the file holds.
    for byte in [40, 200, 400, whole.len() - 1] {
        let (file, _) = refused(folder.path(), &format!("byte {byte}"), |copy| {
            let mut bytes = whole.clone();
            bytes[byte] ^= 0x10;
            fs::write(copy.join(&name), bytes).unwrap();
        });
        assert_eq!(Path::new(&file), name, "byte {byte}");
    }
    let cut = |copy: &Path| fs::write(copy.join(&name), &whole[..whole.len() / 2]).unwrap();
    assert_eq!(Path::new(&refused(folder.path(), "cut table", cut).0), name);
    let remove = |copy: &Path| fs::remove_file(copy.join(&name)).unwrap();
    assert_eq!(Path::new(&refused(folder.path(), "no table", remove).0), name);
}

#[test]
fn a_lost_database_is_refused() {
    let (killed, ..) = killed();
    let remove = |copy: &Path| fs::remove_dir_all(copy.join("rocksdb")).unwrap();
    refused(killed.path(), "no database", remove);
    let remove = |copy: &Path| fs::remove_file(copy.join("rocksdb/CURRENT")).unwrap();
    refused(killed.path(), "no CURRENT", remove);
}

#[test]
fn a_lost_or_damaged_high_water_mark_is_refused() {
    let (killed, ..) = killed();
    let remove = |copy: &Path| fs::remove_file(copy.join("high-water")).unwrap();
    assert_eq!(refused(killed.path(), "no mark", remove).0, "high-water");
    let spoil = |copy: &Path| fs::write(copy.join("high-water"), [0x5a; 1024]).unwrap();
    assert_eq!(refused(killed.path(), "no slot", spoil).0, "high-water");
    let cut = |copy: &Path| {
        let whole = fs::read(copy.join("high-water")).unwrap();
        fs::write(copy.join("high-water"), &whole[..512]).unwrap();
    };
    assert_eq!(refused(killed.path(), "one slot", cut).0, "high-water");
}

#[test]
fn one_torn_slot_of_the_mark_is_tolerated() {
    let (killed, acknowledged, ..) = killed();
    for slot in [0, 512] {
        let copy = image(killed.path());
        let path = copy.path().join("high-water");
        let mut bytes = fs::read(&path).unwrap();
        bytes[slot + 256..slot + 512].fill(0xa5);
        fs::write(path, bytes).unwrap();
        assert_eq!(contents(&open(copy.path()).unwrap()), acknowledged, "slot at {slot}");
    }
}

#[test]
fn a_killed_node_goes_on_where_it_was() {
    let (killed, mut acknowledged, ..) = killed();
    for round in 0..3 {
        let log = open(killed.path()).unwrap();
        assert_eq!(contents(&log), acknowledged, "round {round}");
        append(log.group(GroupId(0)), payload(1000 + round));
        acknowledged = contents(&log);
        // The next round opens what a kill would have left.
        let next = image(killed.path());
        drop(log);
        fs::remove_dir_all(killed.path()).unwrap();
        fs::rename(next.path(), killed.path()).unwrap();
    }
}

#[test]
fn a_folder_of_another_node_or_size_or_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::Locked { .. })));
    drop(log);
    let (mut other, _) = options(folder.path(), GROUPS);
    other.node = relight_log::NodeId(9);
    assert!(matches!(NodeLog::open(other), Err(OpenError::OtherNode { .. })));
    let (other, _) = options(folder.path(), GROUPS + 1);
    assert!(matches!(NodeLog::open(other), Err(OpenError::OtherGroupCount { stored: 2, asked: 3 })));
    assert!(open(folder.path()).is_ok());
}
