//! [`MemoryLog`]: one group's log in memory, for tests and simulation of what stands on the log. Every append commits at
//! once. Who leads is what the test says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;

use crate::api::{AppendError, Leadership, Log, ReadError, Role, State, TrimError, append_bytes};
use crate::position::{Epoch, GroupId, Lsn, NodeId};
use crate::reader::{LeadershipWatch, Reader};
use crate::tail::{Item, Tail};
use crate::ticket::Ticket;

/// A log in memory. Clones share it. It never answers `Overloaded` or `Unknown`.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    node: NodeId,
    tail: Arc<Tail>,
    /// Held over a whole append or change of leader, so that positions are given out in the order of publication and
    /// no append of an old epoch follows a new one.
    appending: Arc<Mutex<()>>,
}

impl MemoryLog {
    /// An empty log of `group` on `node`, which leads it in epoch 1.
    #[must_use]
    pub fn new(group: GroupId, node: NodeId) -> MemoryLog {
        let leadership = Leadership { role: Role::Follower, epoch: Epoch::ZERO, leader: None };
        let state = State { leadership, first: Lsn::FIRST, commit: Lsn::ZERO, last: Lsn::ZERO };
        let log = MemoryLog {
            node,
            tail: Arc::new(Tail::new(group, state, usize::MAX)),
            appending: Arc::new(Mutex::new(())),
        };
        log.lead();
        log
    }

    /// Makes this node the leader of the next epoch, as a restart or a won election does. Like consensus it begins the
    /// epoch with an item of its own.
    pub fn lead(&self) -> Epoch {
        let _order = self.order();
        let epoch = Epoch(self.state().leadership.epoch.0 + 1);
        let mut woken = Vec::new();
        self.publish(std::iter::once(Item { epoch, payload: None }), &mut woken);
        self.tail.lead(Leadership { role: Role::Leader, epoch, leader: Some(self.node) }, &mut woken);
        wake(woken);
        epoch
    }

    /// Makes this node a follower of `leader` in the next epoch.
    pub fn follow(&self, leader: NodeId) -> Epoch {
        let _order = self.order();
        let epoch = Epoch(self.state().leadership.epoch.0 + 1);
        let mut woken = Vec::new();
        self.tail.lead(Leadership { role: Role::Follower, epoch, leader: Some(leader) }, &mut woken);
        wake(woken);
        epoch
    }

    /// Ends the log: appends answer `Shutdown`, readers after the last record, too.
    pub fn stop(&self) {
        let mut woken = Vec::new();
        self.tail.close(&mut woken);
        wake(woken);
    }

    fn order(&self) -> MutexGuard<'_, ()> {
        self.appending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes committed items; returns the LSN of the first.
    fn publish(&self, items: impl ExactSizeIterator<Item = Item>, woken: &mut Vec<Waker>) -> Lsn {
        let before = self.tail.state().last;
        let count = u64::try_from(items.len()).expect("a count of items in memory fits u64");
        self.tail.publish(items, Lsn(before.0 + count), woken);
        before.next()
    }
}

impl Log for MemoryLog {
    fn group(&self) -> GroupId {
        self.tail.group()
    }

    fn append_at(&self, epoch: Epoch, first: Option<Lsn>, records: Vec<Bytes>) -> Ticket {
        if let Err(error) = append_bytes(&records) {
            return Ticket::answered(Err(error));
        }
        if self.tail.check_trim(Lsn::ZERO).is_err() {
            return Ticket::answered(Err(AppendError::Shutdown));
        }
        let _order = self.order();
        let leadership = self.tail.state().leadership;
        if leadership.leading() != Some(epoch) {
            return Ticket::answered(Err(AppendError::NotLeader { hint: leadership.leader }));
        }
        let next = self.tail.state().last.next();
        if first.is_some_and(|first| first != next) {
            return Ticket::answered(Err(AppendError::NotNext { next }));
        }
        let mut woken = Vec::new();
        let items = records.into_iter().map(|payload| Item { epoch, payload: Some(payload) });
        let first = self.publish(items, &mut woken);
        wake(woken);
        Ticket::answered(Ok(first))
    }

    fn reader(&self, from: Lsn) -> Result<Reader, ReadError> {
        Reader::open(Arc::clone(&self.tail), None, from)
    }

    fn state(&self) -> State {
        self.tail.state()
    }

    fn leadership(&self) -> LeadershipWatch {
        LeadershipWatch::open(Arc::clone(&self.tail))
    }

    fn trim(&self, upto: Lsn) -> Result<(), TrimError> {
        self.tail.check_trim(upto)?;
        self.tail.trimmed(upto.next());
        Ok(())
    }
}

fn wake(woken: Vec<Waker>) {
    for waker in woken {
        waker.wake();
    }
}
