//! [`GroupLog`]: what the rest of the node holds of one group. It checks, queues and reads; it never blocks.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use bytes::Bytes;

use super::driver::Event;
use super::group::{InFlight, Proposal};
use super::store::{OlderRecords, StoredEntries};
use crate::api::{AppendError, Log, ReadError, State, TrimError, append_bytes};
use crate::position::{Epoch, GroupId, Lsn};
use crate::reader::{LeadershipWatch, Older, Reader};
use crate::tail::Tail;
use crate::ticket::{self, Ticket};

/// The log of one group of a [`super::NodeLog`]. Clones share it.
///
/// The queue to the driver is lock-free, and what is shared with readers is locked per group: groups do not meet here.
#[derive(Clone)]
pub struct GroupLog {
    group: GroupId,
    tail: Arc<Tail>,
    in_flight: Arc<InFlight>,
    events: Sender<Event>,
    older: Arc<OlderRecords>,
}

impl GroupLog {
    pub(super) fn new(
        group: GroupId,
        tail: Arc<Tail>,
        in_flight: Arc<InFlight>,
        events: Sender<Event>,
        entries: &StoredEntries,
    ) -> GroupLog {
        let older = Arc::new(entries.older(group));
        GroupLog { group, tail, in_flight, events, older }
    }

    pub(super) fn events(&self) -> Sender<Event> {
        self.events.clone()
    }
}

impl Log for GroupLog {
    fn group(&self) -> GroupId {
        self.group
    }

    fn append_at(&self, epoch: Epoch, first: Option<Lsn>, records: Vec<Bytes>) -> Ticket {
        let bytes = match append_bytes(&records) {
            Ok(bytes) => bytes,
            Err(error) => return Ticket::answered(Err(error)),
        };
        let Some(permit) = self.in_flight.admit(bytes, records.len()) else {
            return Ticket::answered(Err(AppendError::Overloaded));
        };
        let (promise, ticket) = ticket::pair();
        let proposal = Proposal { epoch, first, records, promise, permit };
        match self.events.send(Event::Append { group: self.group, proposal }) {
            Ok(()) => ticket,
            Err(_) => Ticket::answered(Err(AppendError::Shutdown)),
        }
    }

    fn reader(&self, from: Lsn) -> Result<Reader, ReadError> {
        let older: Arc<dyn Older> = Arc::clone(&self.older) as _;
        Reader::open(Arc::clone(&self.tail), Some(older), from)
    }

    fn state(&self) -> State {
        self.tail.state()
    }

    fn leadership(&self) -> LeadershipWatch {
        LeadershipWatch::open(Arc::clone(&self.tail))
    }

    fn trim(&self, upto: Lsn) -> Result<(), TrimError> {
        self.tail.check_trim(upto)?;
        self.events.send(Event::Trim { group: self.group, upto }).map_err(|_| TrimError::Shutdown)
    }
}

impl fmt::Debug for GroupLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupLog")
            .field("group", &self.group)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
