//! The part of a log that readers share with its writer: the recent committed items in memory, the published
//! [`State`], and who waits for either to change. One lock per group; nothing under it does I/O or wakes anybody.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;

use crate::api::{Leadership, ReadError, State, TrimError};
use crate::position::{Epoch, GroupId, Lsn, Record};
use crate::reader::ReadLimit;

/// What one item costs beside its payload, when the bytes of a tail are counted.
const ITEM_OVERHEAD_BYTES: usize = size_of::<Item>() + 32;

/// One committed item. `payload` is `None` for an item of the log's own, which readers skip.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) epoch: Epoch,
    pub(crate) payload: Option<Bytes>,
}

/// Names a waiting reader or watch, so that it can take its waker away when it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatcherId(u64);

#[derive(Debug)]
pub(crate) struct Tail {
    group: GroupId,
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Consecutive; the last one is at `state.commit`.
    items: VecDeque<Item>,
    bytes: usize,
    state: State,
    closed: bool,
    watcher_next: u64,
    readers: Vec<(WatcherId, Waker)>,
    watches: Vec<(WatcherId, Waker)>,
}

/// What a look into the tail found.
#[derive(Debug)]
pub(crate) enum Found {
    /// Items up to before this position were looked at and their records added.
    Upto(Lsn),
    /// The items from the reader's position up to before this one are no longer in memory.
    Older(Lsn),
    /// Nothing yet; the waker is registered.
    Nothing,
}

impl Tail {
    /// A tail that holds nothing of what is committed up to `state.commit`, and will hold up to `bytes_max` of what
    /// comes.
    pub(crate) fn new(group: GroupId, state: State, bytes_max: usize) -> Tail {
        let inner = Inner {
            items: VecDeque::new(),
            bytes: 0,
            state,
            closed: false,
            watcher_next: 0,
            readers: Vec::new(),
            watches: Vec::new(),
        };
        Tail { group, bytes_max, inner: Mutex::new(inner) }
    }

    pub(crate) fn group(&self) -> GroupId {
        self.group
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state
    }

    /// Adds committed items after the present commit position and sets the end of the replica's log.
    /// `woken` gets the wakers that the caller MUST wake.
    pub(crate) fn publish(&self, items: impl Iterator<Item = Item>, last: Lsn, woken: &mut Vec<Waker>) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let commit_before = inner.state.commit;
        for item in items {
            inner.state.commit = inner.state.commit.next();
            inner.bytes += item.bytes();
            inner.items.push_back(item);
        }
        inner.state.last = last;
        assert!(inner.state.commit <= inner.state.last, "what is committed is in the log");
        // The newest item stays whatever its size: its readers are about to be woken for it.
        while inner.bytes > self.bytes_max && inner.items.len() > 1 {
            inner.evict();
        }
        if commit_before < inner.state.commit {
            woken.extend(inner.readers.drain(..).map(|(_, waker)| waker));
        }
    }

    /// Tells watches who leads, if that changed.
    pub(crate) fn lead(&self, leadership: Leadership, woken: &mut Vec<Waker>) {
        let mut inner = self.lock();
        if inner.state.leadership != leadership {
            inner.state.leadership = leadership;
            woken.extend(inner.watches.drain(..).map(|(_, waker)| waker));
        }
    }

    /// The first position after a trim. Items below it leave memory, too.
    pub(crate) fn trimmed(&self, first: Lsn) {
        let mut inner = self.lock();
        inner.state.first = inner.state.first.max(first);
        while inner.items_first() < first && !inner.items.is_empty() {
            inner.evict();
        }
    }

    /// No item comes any more. Readers get what is there and then [`ReadError::Shutdown`].
    pub(crate) fn close(&self, woken: &mut Vec<Waker>) {
        let mut inner = self.lock();
        inner.closed = true;
        woken.extend(inner.readers.drain(..).map(|(_, waker)| waker));
        woken.extend(inner.watches.drain(..).map(|(_, waker)| waker));
    }

    /// Whether `upto` may be trimmed.
    pub(crate) fn check_trim(&self, upto: Lsn) -> Result<(), TrimError> {
        let inner = self.lock();
        match () {
            () if inner.closed => Err(TrimError::Shutdown),
            () if inner.state.commit < upto => Err(TrimError::NotCommitted { commit: inner.state.commit }),
            () => Ok(()),
        }
    }

    pub(crate) fn watcher(&self) -> WatcherId {
        let mut inner = self.lock();
        inner.watcher_next += 1;
        WatcherId(inner.watcher_next)
    }

    /// Takes away the waker of a reader or watch that is gone.
    pub(crate) fn forget(&self, id: WatcherId) {
        let mut inner = self.lock();
        inner.readers.retain(|(other, _)| *other != id);
        inner.watches.retain(|(other, _)| *other != id);
    }

    /// Adds records from `next` on to `records`, up to `limit`, or registers `waker` as reader `id`.
    pub(crate) fn read(
        &self,
        next: Lsn,
        limit: ReadLimit,
        records: &mut Vec<Record>,
        id: WatcherId,
        waker: Option<&Waker>,
    ) -> Result<Found, ReadError> {
        let mut inner = self.lock();
        let state = inner.state;
        if next < state.first {
            return Err(ReadError::Trimmed { first: state.first });
        }
        if state.commit < next {
            if inner.closed {
                return Err(ReadError::Shutdown);
            }
            if let Some(waker) = waker {
                register(&mut inner.readers, id, waker);
            }
            return Ok(Found::Nothing);
        }
        let first = inner.items_first();
        if next < first {
            return Ok(Found::Older(first));
        }
        let skip =
            usize::try_from(next.0 - first.0).expect("the distance is below the number of items in memory");
        let mut budget = limit.budget();
        let mut lsn = next;
        for item in inner.items.range(skip..) {
            if let Some(payload) = &item.payload {
                if !budget.take(payload.len()) {
                    break;
                }
                records.push(Record { lsn, epoch: item.epoch, payload: payload.clone() });
            }
            lsn = lsn.next();
        }
        Ok(Found::Upto(lsn))
    }

    /// Who leads if that is not `seen`; else registers `waker` as watch `id`. `Err` after [`Tail::close`].
    pub(crate) fn leadership_unless(
        &self,
        seen: Option<Leadership>,
        id: WatcherId,
        waker: &Waker,
    ) -> Result<Option<Leadership>, ReadError> {
        let mut inner = self.lock();
        let now = inner.state.leadership;
        if inner.closed {
            return Err(ReadError::Shutdown);
        }
        if seen != Some(now) {
            return Ok(Some(now));
        }
        register(&mut inner.watches, id, waker);
        Ok(None)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock is one of our assertions in the driver, which ends the process.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The position of the first item in memory, `commit + 1` when there is none.
    fn items_first(&self) -> Lsn {
        let count = u64::try_from(self.items.len()).expect("a count of items in memory fits u64");
        Lsn(self.state.commit.0 + 1 - count)
    }

    fn evict(&mut self) {
        let item = self.items.pop_front().expect("the caller saw that there are items");
        self.bytes -= item.bytes();
    }
}

impl Item {
    fn bytes(&self) -> usize {
        ITEM_OVERHEAD_BYTES + self.payload.as_ref().map_or(0, Bytes::len)
    }
}

fn register(waiting: &mut Vec<(WatcherId, Waker)>, id: WatcherId, waker: &Waker) {
    match waiting.iter_mut().find(|(other, _)| *other == id) {
        Some((_, known)) => known.clone_from(waker),
        None => waiting.push((id, waker.clone())),
    }
}
