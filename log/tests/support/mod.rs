//! What the tests of the log share: an executor of one future, folders that look like a killed node's, and reading.
#![allow(dead_code, reason = "every test binary uses another part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use relight_log::raft::{FatalHook, Options};
use relight_log::{Bytes, Epoch, Faults, Log, Lsn, ReadLimit, Record};

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

pub fn payload(n: u64) -> Bytes {
    Bytes::from(format!("record {n}"))
}

pub fn epoch(log: &dyn Log) -> Epoch {
    log.state().leading().expect("a sole voter leads")
}

/// Appends one record and waits for its LSN.
pub fn append(log: &dyn Log, payload: Bytes) -> Lsn {
    block_on(log.append(epoch(log), vec![payload])).unwrap()
}

/// All committed records from `from` on.
pub fn read_all(log: &dyn Log, from: Lsn) -> Vec<Record> {
    let mut reader = log.reader(from).unwrap();
    let mut records = Vec::new();
    while reader.try_read(ReadLimit::default(), &mut records).unwrap() {}
    records
}

/// Options with no faults, whose fatal hook keeps the errors instead of ending the process.
pub fn options(folder: &Path, groups: u16) -> (Options, Arc<Mutex<Vec<String>>>) {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&errors);
    let fatal: FatalHook = Arc::new(move |error| kept.lock().unwrap().push(error.to_string()));
    (Options { fatal, faults: Some(Faults::none()), ..Options::new(folder, groups) }, errors)
}

/// Copies the folder of a running log: what a kill at this instant would leave behind.
pub fn image(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_files(folder, copy.path());
    copy
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_files(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}

/// The only WAL file of a log.
pub fn wal(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("rocksdb")).unwrap().map(|file| file.unwrap().path());
    let mut wals: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    assert_eq!(wals.len(), 1, "a small log has one WAL file");
    wals.pop().unwrap()
}
