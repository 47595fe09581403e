//! Blobs of components.

use std::{fs, panic::catch_unwind};

use relight_core::Digest;
use tempfile::TempDir;

use crate::blobs::{BlobError, Blobs, digest};

fn files(dir: &TempDir) -> usize {
    fs::read_dir(dir.path()).expect("list").count()
}

#[test]
fn what_was_put_is_read_after_reopening() {
    let dir = TempDir::new().expect("temporary folder");
    let blobs = Blobs::open(dir.path()).expect("open");
    let stored = blobs.put(b"component").expect("put");
    assert_eq!(stored, digest(b"component"));
    assert_eq!(blobs.put(b"component").expect("put again"), stored);
    assert_eq!(files(&dir), 1);
    drop(blobs);

    let blobs = Blobs::open(dir.path()).expect("reopen");
    assert!(blobs.contains(stored));
    assert_eq!(blobs.read(stored).expect("read"), &b"component"[..]);
    assert_eq!(fs::read(blobs.path(stored)).expect("read file"), b"component");
    blobs.remove(stored).expect("remove");
    blobs.remove(stored).expect("remove again");
    assert!(!blobs.contains(stored));
    assert!(matches!(blobs.read(stored), Err(BlobError::Missing(missing)) if missing == stored));
}

#[test]
fn damage_is_told_and_repaired_by_the_same_bytes() {
    let dir = TempDir::new().expect("temporary folder");
    let blobs = Blobs::open(dir.path()).expect("open");
    let stored = blobs.put(b"component").expect("put");
    fs::write(blobs.path(stored), b"compon").expect("damage");
    let error = blobs.read(stored).expect_err("it is damaged");
    assert!(matches!(error, BlobError::Damaged { found, .. } if found == digest(b"compon")));
    blobs.put(b"component").expect("put");
    assert_eq!(blobs.read(stored).expect("read"), &b"component"[..]);
}

#[test]
fn a_crash_leaves_the_whole_blob_or_none() {
    for (point, there) in [("blobs.before-fsync", false), ("blobs.after-rename", true)] {
        let dir = TempDir::new().expect("temporary folder");
        let crash = if there {
            |at: &'static str| assert_ne!(at, "blobs.after-rename")
        } else {
            |at: &'static str| assert_ne!(at, "blobs.before-fsync")
        };
        let blobs = Blobs::open(dir.path()).expect("open").with_fault(crash);
        catch_unwind(|| blobs.put(b"component")).expect_err(point);
        assert_eq!(files(&dir), 1, "{point}");

        let blobs = Blobs::open(dir.path()).expect("reopen");
        assert_eq!(blobs.contains(digest(b"component")), there, "{point}");
        assert_eq!(files(&dir), usize::from(there), "{point}");
        let stored = blobs.put(b"component").expect("put");
        assert_eq!(blobs.read(stored).expect("read"), &b"component"[..]);
    }
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let dir = TempDir::new().expect("temporary folder");
    let blobs = Blobs::open(dir.path()).expect("open");
    let in_the_way = blobs.path(digest(b"component"));
    fs::create_dir(&in_the_way).expect("create folder");
    let error = blobs.put(b"component").expect_err("a folder has the name");
    assert_eq!(error.to_string(), format!("failed to rename a new file to `{}`", in_the_way.display()));
    assert_eq!(files(&dir), 1);
}

#[test]
fn errors_name_the_file() {
    let dir = TempDir::new().expect("temporary folder");
    let file = dir.path().join("file");
    fs::write(&file, b"").expect("write");
    let error = Blobs::open(&file).expect_err("a file is no folder");
    assert_eq!(error.to_string(), format!("failed to create `{}`", file.display()));
    let missing = Digest([0xab; 32]);
    let error = Blobs::open(dir.path()).expect("open").read(missing).expect_err("not there");
    assert_eq!(error.to_string(), format!("there is no component `{}`", "ab".repeat(32)));
}
