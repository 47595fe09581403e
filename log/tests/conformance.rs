//! One suite for every implementation of `Log`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use relight_log::raft::NodeLog;
use relight_log::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, AppendError, Bytes, Epoch, GroupId, Log, Lsn, MemoryLog, NodeId,
    RECORD_BYTES_MAX, ReadError, ReadLimit, Role, TrimError,
};
use support::{append, block_on, epoch, options, payload, read_all};
use tempfile::TempDir;

const GROUP: GroupId = GroupId(1);

/// One implementation, and how it is restarted and stopped.
trait Fixture {
    fn create() -> Self;
    fn log(&self) -> Arc<dyn Log>;
    fn reopen(&mut self);
    fn stop(&mut self);
}

struct Memory(MemoryLog);

impl Fixture for Memory {
    fn create() -> Self {
        Memory(MemoryLog::new(GROUP, NodeId(1)))
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.0.clone())
    }

    fn reopen(&mut self) {
        self.0.lead();
    }

    fn stop(&mut self) {
        self.0.stop();
    }
}

/// The real one, with next to no memory for readers, so that they read from RocksDB, too.
struct Raft {
    folder: TempDir,
    log: Option<NodeLog>,
}

impl Raft {
    fn open(&mut self) {
        let (mut options, _) = options(self.folder.path(), 3);
        options.tail_bytes_max = 300;
        self.log = Some(NodeLog::open(options).unwrap());
    }
}

impl Fixture for Raft {
    fn create() -> Self {
        let mut fixture = Raft { folder: tempfile::tempdir().unwrap(), log: None };
        fixture.open();
        fixture
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.log.as_ref().unwrap().group(GROUP).clone())
    }

    fn reopen(&mut self) {
        self.stop();
        self.open();
    }

    fn stop(&mut self) {
        self.log = None;
    }
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod memory { $(#[test] fn $name() { super::$name::<super::Memory>(); })* }
        mod raft { $(#[test] fn $name() { super::$name::<super::Raft>(); })* }
    };
}

suite!(
    records_are_read_in_the_order_of_appends,
    records_of_one_append_are_consecutive,
    appends_are_pipelined_in_order,
    an_empty_payload_is_a_record,
    a_reader_tails_the_log,
    a_reader_starts_anywhere_and_obeys_its_limit,
    a_dropped_reader_is_not_woken,
    records_survive_a_restart_and_the_epoch_grows,
    a_stale_epoch_does_not_append,
    what_is_too_large_is_refused,
    trimmed_records_are_gone_and_the_rest_is_there,
    a_trim_survives_a_restart,
    everything_can_be_trimmed,
    only_committed_records_can_be_trimmed,
    leadership_is_told_once_per_change,
    a_stopped_log_answers_shutdown,
);

fn records_are_read_in_the_order_of_appends<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let lsns: Vec<Lsn> = (0..50).map(|n| append(&*log, payload(n))).collect();
    assert!(lsns.is_sorted());
    let records = read_all(&*log, Lsn::FIRST);
    assert_eq!(records.iter().map(|record| record.lsn).collect::<Vec<_>>(), lsns);
    for (n, record) in (0..).zip(&records) {
        assert_eq!((record.payload.clone(), record.epoch), (payload(n), epoch(&*log)));
    }
    let state = log.state();
    assert_eq!((state.first, state.commit, state.last), (Lsn::FIRST, lsns[49], lsns[49]));
}

fn records_of_one_append_are_consecutive<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let first = block_on(log.append(epoch(&*log), (0..10).map(payload).collect())).unwrap();
    let records = read_all(&*log, first);
    let expected: Vec<_> = (0..10).map(|n| (Lsn(first.0 + n), payload(n))).collect();
    assert_eq!(records.into_iter().map(|record| (record.lsn, record.payload)).collect::<Vec<_>>(), expected);
}

fn appends_are_pipelined_in_order<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let tickets: Vec<_> = (0..200).map(|n| log.append(epoch(&*log), vec![payload(n)])).collect();
    let lsns: Vec<Lsn> = tickets.into_iter().map(|ticket| block_on(ticket).unwrap()).collect();
    let records = read_all(&*log, lsns[0]);
    for (n, (lsn, record)) in (0..).zip(lsns.iter().zip(&records)) {
        assert_eq!((record.lsn, record.payload.clone()), (*lsn, payload(n)));
    }
    assert_eq!(records.len(), 200);
}

fn an_empty_payload_is_a_record<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let lsn = append(&*log, Bytes::new());
    // Another one, so that the first leaves the memory of a small tail.
    append(&*log, Bytes::from(vec![7; 400]));
    let records = read_all(&*log, Lsn::FIRST);
    assert_eq!((records[0].lsn, records[0].payload.len(), records.len()), (lsn, 0, 2));
}

fn a_reader_tails_the_log<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let mut reader = log.reader(log.state().commit.next()).unwrap();
    let reading = thread::spawn(move || {
        let mut records = Vec::new();
        while records.len() < 100 {
            block_on(reader.read(ReadLimit::default(), &mut records)).unwrap();
        }
        records
    });
    for n in 0..100 {
        append(&*log, payload(n));
    }
    let records = reading.join().unwrap();
    assert_eq!(records, read_all(&*log, Lsn::FIRST));
}

fn a_reader_starts_anywhere_and_obeys_its_limit<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let lsns: Vec<Lsn> = (0..30).map(|n| append(&*log, payload(n))).collect();
    for (index, lsn) in lsns.iter().enumerate() {
        let mut reader = log.reader(*lsn).unwrap();
        let mut records = Vec::new();
        assert!(reader.try_read(ReadLimit { records: 4, bytes: 1 << 20 }, &mut records).unwrap());
        assert_eq!(records[0].payload, payload(index as u64));
        assert!(records.len() <= 4);
        assert_eq!(reader.position(), records.last().unwrap().lsn.next());
        // A limit smaller than any record still gives one.
        let mut records = Vec::new();
        let more = reader.try_read(ReadLimit { records: 10, bytes: 1 }, &mut records).unwrap();
        assert_eq!(records.len(), usize::from(more));
    }
    let mut reader = log.reader(lsns[29].next()).unwrap();
    assert!(!reader.try_read(ReadLimit::default(), &mut Vec::new()).unwrap());
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn a_dropped_reader_is_not_woken<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let poll = |reader: &mut relight_log::Reader| {
        let mut records = Vec::new();
        reader.poll_read(&mut Context::from_waker(&waker), ReadLimit::default(), &mut records)
    };
    let next = log.state().commit.next();
    let (mut kept, mut dropped) = (log.reader(next).unwrap(), log.reader(next).unwrap());
    assert_eq!(poll(&mut dropped), Poll::Pending);
    drop(dropped);
    append(&*log, payload(1));
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    assert_eq!(poll(&mut kept), Poll::Ready(Ok(())));
    assert_eq!(poll(&mut kept), Poll::Pending);
    // The reader of a second append is woken before or after its ticket; a third one's after both.
    append(&*log, payload(2));
    append(&*log, payload(3));
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

fn records_survive_a_restart_and_the_epoch_grows<F: Fixture>() {
    let mut fixture = F::create();
    let mut expected = Vec::new();
    for round in 0..3 {
        let log = fixture.log();
        for n in 0..10 {
            let payload = payload(100 * round + n);
            let lsn = append(&*log, payload.clone());
            expected.push((lsn, epoch(&*log), payload));
        }
        drop(log);
        fixture.reopen();
        let log = fixture.log();
        assert!(expected.last().unwrap().1 < epoch(&*log));
        let records = read_all(&*log, Lsn::FIRST).into_iter();
        assert_eq!(
            records.map(|record| (record.lsn, record.epoch, record.payload)).collect::<Vec<_>>(),
            expected
        );
    }
}

fn a_stale_epoch_does_not_append<F: Fixture>() {
    let mut fixture = F::create();
    let old = epoch(&*fixture.log());
    fixture.reopen();
    let log = fixture.log();
    let before = log.state().last;
    for epoch in [old, Epoch(epoch(&*log).0 + 1), Epoch::ZERO] {
        let answer = block_on(log.append(epoch, vec![payload(1)]));
        assert_eq!(answer, Err(AppendError::NotLeader { hint: Some(NodeId(1)) }));
    }
    assert_eq!(log.state().last, before);
}

fn what_is_too_large_is_refused<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let largest = Bytes::from(vec![7; RECORD_BYTES_MAX]);
    let too_large = Bytes::from(vec![7; RECORD_BYTES_MAX + 1]);
    let cases = [
        vec![too_large],
        vec![
            largest.clone(),
            Bytes::from_static(b"x"),
            Bytes::from(vec![1; APPEND_BYTES_MAX - RECORD_BYTES_MAX]),
        ],
        vec![Bytes::new(); APPEND_RECORDS_MAX + 1],
    ];
    for records in cases {
        assert_eq!(block_on(log.append(epoch(&*log), records)), Err(AppendError::TooLarge));
    }
    let lsn = append(&*log, largest.clone());
    let first = block_on(log.append(epoch(&*log), vec![Bytes::new(); APPEND_RECORDS_MAX])).unwrap();
    assert_eq!(first, lsn.next());
    assert_eq!(read_all(&*log, lsn)[0].payload, largest);
}

/// Waits until a trim has been carried out: an append behind it is answered after it.
fn trim_now(log: &dyn Log, upto: Lsn) {
    log.trim(upto).unwrap();
    append(log, Bytes::from_static(b"after the trim"));
    assert_eq!(log.state().first, upto.next());
}

fn trimmed_records_are_gone_and_the_rest_is_there<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let lsns: Vec<Lsn> = (0..40).map(|n| append(&*log, payload(n))).collect();
    let mut behind = log.reader(lsns[0]).unwrap();
    trim_now(&*log, lsns[19]);
    let trimmed = ReadError::Trimmed { first: lsns[20] };
    assert_eq!(log.reader(lsns[19]).map(|_| ()), Err(trimmed.clone()));
    assert_eq!(behind.try_read(ReadLimit::default(), &mut Vec::new()), Err(trimmed));
    let records = read_all(&*log, lsns[20]);
    assert_eq!((records[0].payload.clone(), records.len()), (payload(20), 21));
    // Going back changes nothing.
    log.trim(lsns[3]).unwrap();
    append(&*log, payload(41));
    assert_eq!(log.state().first, lsns[20]);
}

fn a_trim_survives_a_restart<F: Fixture>() {
    let mut fixture = F::create();
    let log = fixture.log();
    let lsns: Vec<Lsn> = (0..10).map(|n| append(&*log, payload(n))).collect();
    trim_now(&*log, lsns[5]);
    drop(log);
    fixture.reopen();
    let log = fixture.log();
    assert_eq!(log.state().first, lsns[6]);
    assert_eq!(read_all(&*log, lsns[6])[0].payload, payload(6));
    trim_now(&*log, lsns[8]);
    assert_eq!(read_all(&*log, lsns[9])[0].payload, payload(9));
}

fn everything_can_be_trimmed<F: Fixture>() {
    let mut fixture = F::create();
    let log = fixture.log();
    append(&*log, payload(0));
    let commit = log.state().commit;
    log.trim(commit).unwrap();
    drop(log);
    fixture.reopen();
    let log = fixture.log();
    assert_eq!(log.state().first, commit.next());
    let lsn = append(&*log, payload(1));
    assert!(commit < lsn);
    assert_eq!(read_all(&*log, commit.next())[0].payload, payload(1));
}

fn only_committed_records_can_be_trimmed<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let commit = append(&*log, payload(0));
    assert_eq!(log.trim(commit.next()), Err(TrimError::NotCommitted { commit }));
}

fn leadership_is_told_once_per_change<F: Fixture>() {
    let fixture = F::create();
    let log = fixture.log();
    let mut watch = log.leadership();
    let leadership = block_on(watch.changed()).unwrap();
    assert_eq!((leadership.role, leadership.leader), (Role::Leader, Some(NodeId(1))));
    assert_eq!(Some(leadership.epoch), log.state().leading());
    append(&*log, payload(0));
    assert_eq!(watch.poll_changed(&mut Context::from_waker(Waker::noop())), Poll::Pending);
}

fn a_stopped_log_answers_shutdown<F: Fixture>() {
    let mut fixture = F::create();
    let log = fixture.log();
    let lsn = append(&*log, payload(0));
    let epoch = epoch(&*log);
    let mut reader = log.reader(lsn).unwrap();
    let mut watch = log.leadership();
    block_on(watch.changed()).unwrap();
    fixture.stop();
    assert_eq!(block_on(log.append(epoch, vec![payload(1)])), Err(AppendError::Shutdown));
    assert_eq!(log.trim(lsn), Err(TrimError::Shutdown));
    let mut records = Vec::new();
    assert_eq!(block_on(reader.read(ReadLimit::default(), &mut records)), Ok(()));
    assert_eq!(records.len(), 1);
    let end: Pin<Box<dyn Future<Output = _>>> = Box::pin(reader.read(ReadLimit::default(), &mut records));
    assert_eq!(block_on(end), Err(ReadError::Shutdown));
    assert_eq!(block_on(watch.changed()), Err(ReadError::Shutdown));
}
