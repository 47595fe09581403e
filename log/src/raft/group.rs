//! One group in the driver: its consensus state, what waits for an answer, and what a pass does with it:
//! `propose` → `stage` (into the write batch) → the driver syncs → `complete` (publish and answer).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use bytes::Bytes;
use raft::eraftpb::{Entry, Message, MessageType};
use raft::{RawNode, Ready, StateRole};

use super::error::FatalError;
use super::format::{self, RECORD_CONTEXT, TrimRow};
use super::high_water::Mark;
use super::logger;
use super::open::GroupStart;
use super::replica::Replica;
use super::store::{Store, StoredEntries};
use crate::api::{AppendError, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_RECORDS_MAX, Leadership, Role, State};
use crate::position::{Epoch, GroupId, Lsn, NodeId};
use crate::tail::Tail;
use crate::ticket::Promise;

/// Ticks of silence from a leader after which a replica asks for votes; a leader beats every [`HEARTBEAT_TICKS`]. Each
/// node waits a different, fixed number of ticks, so nothing here is random.
const ELECTION_TICKS: usize = 10;
const HEARTBEAT_TICKS: usize = 2;

/// Payload bytes of one message to another replica: short enough that heartbeats do not wait behind it.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;

/// One step of consensus that somebody waits for.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) epoch: Epoch,
    /// The position that the first record must get, if that matters.
    pub(super) first: Option<Lsn>,
    pub(super) records: Vec<Bytes>,
    pub(super) promise: Promise,
    pub(super) permit: Permit,
}

/// What a group has taken in and not answered.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    bytes: AtomicUsize,
    records: AtomicUsize,
}

/// A share of [`InFlight`], given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    in_flight: Arc<InFlight>,
    bytes: usize,
    records: usize,
}

pub(super) struct Group {
    id: GroupId,
    node: RawNode<Replica>,
    tail: Arc<Tail>,
    /// Proposals in the log of the present leadership, by position.
    waiting: VecDeque<Waiting>,
    trim_wanted: Lsn,
    staged: Staged,
}

struct Waiting {
    first: Lsn,
    last: Lsn,
    promise: Promise,
    _permit: Permit,
}

/// What of this group is in the write batch.
#[derive(Default)]
struct Staged {
    ready: Option<Ready>,
    trim: Option<TrimRow>,
}

/// How much a group added to the write batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StagedSize {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Group {
    /// Starts the group where its log stands. A sole voter becomes the leader in the first pass.
    pub(super) fn start(
        id: GroupId,
        node: NodeId,
        mut start: GroupStart,
        entries: StoredEntries,
        tail_bytes_max: usize,
    ) -> raft::Result<Group> {
        let voters = vec![node];
        if voters.len() == 1 {
            // Everything durable here is durable on a majority. Otherwise the whole log above the stored commit
            // position, which is rarely stored, would be handed out as newly committed.
            start.hard_state.commit = start.last.0;
        }
        let state = State {
            leadership: Leadership {
                role: Role::Follower,
                epoch: Epoch(start.hard_state.term),
                leader: None,
            },
            first: start.trim.lsn.next(),
            commit: Lsn(start.hard_state.commit),
            last: start.last,
        };
        let config = config(node, start.hard_state.commit);
        let replica = Replica::new(id, voters, entries, start);
        let mut node = RawNode::new(&config, replica, &logger::logger(id))?;
        if node.store().has_one_voter() {
            node.campaign()?;
        }
        Ok(Group {
            id,
            node,
            tail: Arc::new(Tail::new(id, state, tail_bytes_max)),
            waiting: VecDeque::new(),
            trim_wanted: Lsn::ZERO,
            staged: Staged::default(),
        })
    }

    pub(super) fn id(&self) -> GroupId {
        self.id
    }

    pub(super) fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// Whether time matters: a sole voter that leads neither beats nor waits for anybody.
    pub(super) fn needs_ticks(&self) -> bool {
        !(self.node.store().has_one_voter() && self.node.raft.state == StateRole::Leader)
    }

    pub(super) fn tick(&mut self) {
        self.node.tick();
    }

    pub(super) fn propose(&mut self, proposal: Proposal) -> Result<(), FatalError> {
        let Proposal { epoch, first: expected, records, promise, permit } = proposal;
        if self.leadership().leading() != Some(epoch) {
            promise.answer(Err(self.not_leader()));
            return Ok(());
        }
        let first = Lsn(self.node.raft.raft_log.last_index() + 1);
        if expected.is_some_and(|expected| expected != first) {
            promise.answer(Err(AppendError::NotNext { next: first }));
            return Ok(());
        }
        let entry = |payload| Entry {
            data: payload,
            context: Bytes::from_static(RECORD_CONTEXT),
            ..Entry::default()
        };
        let entries: Vec<Entry> = records.into_iter().map(entry).collect();
        let message = Message {
            msg_type: MessageType::MsgPropose,
            from: self.node.raft.id,
            entries: entries.into(),
            ..Message::default()
        };
        match self.node.raft.step(message) {
            Ok(()) => {
                let last = Lsn(self.node.raft.raft_log.last_index());
                self.waiting.push_back(Waiting { first, last, promise, _permit: permit });
                Ok(())
            }
            // Sizes are limited before a proposal gets here, so what is left is a leadership being handed over.
            Err(raft::Error::ProposalDropped) => {
                promise.answer(Err(self.not_leader()));
                Ok(())
            }
            Err(error) => Err(FatalError::Consensus { group: self.id, source: error.into() }),
        }
    }

    pub(super) fn want_trim(&mut self, upto: Lsn) {
        assert!(upto <= self.tail.state().commit, "a trim is checked before it is queued");
        self.trim_wanted = self.trim_wanted.max(upto);
    }

    /// Adds to the write batch what must be durable before this pass is answered.
    pub(super) fn stage(&mut self, store: &mut Store) -> Result<StagedSize, FatalError> {
        let mut size = StagedSize::default();
        let mut hard_state_changed = false;
        if self.node.has_ready() {
            let mut ready = self.node.ready();
            assert!(ready.snapshot().is_empty(), "nobody sends snapshots to a sole voter");
            let entries = ready.take_entries();
            let last = self.node.store().last();
            if let Some(first) = entries.first().filter(|first| first.index <= last.0) {
                store.stage_removal(self.id, Lsn(first.index), last);
            }
            size.bytes = store.stage_entries(self.id, &entries);
            size.records = entries.len();
            self.node.mut_store().append(entries);
            hard_state_changed = ready.hs().is_some();
            self.staged.ready = Some(ready);
        }
        let trimmed = self.node.store().trim().lsn;
        if trimmed < self.trim_wanted {
            let epoch = raft::Storage::term(self.node.store(), self.trim_wanted.0)
                .map_err(|error| FatalError::Consensus { group: self.id, source: error.into() })?;
            let row = TrimRow { lsn: self.trim_wanted, epoch: Epoch(epoch) };
            store.stage_trim(self.id, trimmed, row);
            self.staged.trim = Some(row);
            // The stored commit position must not be below the trim point.
            hard_state_changed = true;
        }
        if hard_state_changed {
            let hard_state = self.node.raft.hard_state();
            store.stage_hard_state(self.id, &hard_state);
            self.node.mut_store().set_hard_state(hard_state);
        }
        Ok(size)
    }

    /// How far the group is durable once the staged batch is.
    pub(super) fn staged_mark(&self) -> Mark {
        let replica = self.node.store();
        Mark { lsn: replica.last(), epoch: Epoch(replica.hard_state().term) }
    }

    /// What was staged is durable: publishes what that commits, and answers. Returns the trim that was carried out.
    pub(super) fn complete(&mut self, woken: &mut Vec<Waker>) -> Option<Lsn> {
        // Before the answers, so that whoever has the answer of an append sees the trim that was asked for before it.
        let trimmed = self.staged.trim.take().map(|row| {
            self.node.mut_store().trimmed(row);
            self.tail.trimmed(row.lsn.next());
            row.lsn
        });
        if let Some(mut ready) = self.staged.ready.take() {
            let mut committed = ready.take_committed_entries();
            let messages = ready.take_messages().len() + ready.take_persisted_messages().len();
            let mut light = self.node.advance_append(ready);
            assert!(messages + light.take_messages().len() == 0, "a sole voter has nobody to write to");
            committed.append(&mut light.take_committed_entries());
            self.follow_leadership(woken);
            let last = self.node.store().last();
            if let Some(commit) = committed.last().map(|entry| Lsn(entry.index)) {
                self.node.mut_store().applied(commit);
                self.node.advance_apply_to(commit.0);
                self.tail.publish(committed.into_iter().map(format::item), last, woken);
                self.answer(commit);
            } else {
                self.tail.publish(std::iter::empty(), last, woken);
            }
        }
        trimmed
    }

    /// Publishes who leads. What was proposed in a leadership that ended may or may not survive.
    fn follow_leadership(&mut self, woken: &mut Vec<Waker>) {
        let now = self.leadership();
        if now != self.tail.state().leadership {
            for waiting in self.waiting.drain(..) {
                waiting.promise.answer(Err(AppendError::Unknown));
            }
            self.tail.lead(now, woken);
        }
    }

    fn answer(&mut self, commit: Lsn) {
        while self.waiting.front().is_some_and(|waiting| waiting.last <= commit) {
            let waiting = self.waiting.pop_front().expect("the queue has a front");
            waiting.promise.answer(Ok(waiting.first));
        }
    }

    fn leadership(&self) -> Leadership {
        let raft = &self.node.raft;
        let role = match raft.state {
            StateRole::Leader => Role::Leader,
            StateRole::Follower => Role::Follower,
            StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
        };
        let leader = (raft.leader_id != raft::INVALID_ID).then_some(NodeId(raft.leader_id));
        Leadership { role, epoch: Epoch(raft.term), leader }
    }

    fn not_leader(&self) -> AppendError {
        AppendError::NotLeader { hint: self.leadership().leader }
    }
}

fn config(node: NodeId, applied: u64) -> raft::Config {
    let spread = usize::try_from(node.0).map_or(0, |node| node % ELECTION_TICKS);
    raft::Config {
        id: node.0,
        election_tick: ELECTION_TICKS,
        heartbeat_tick: HEARTBEAT_TICKS,
        min_election_tick: ELECTION_TICKS + spread,
        max_election_tick: ELECTION_TICKS + spread + 1,
        // Readers take records from the tail at their own pace; to raft a record is applied when it is published.
        applied,
        check_quorum: true,
        pre_vote: true,
        max_size_per_msg: MESSAGE_BYTES_MAX,
        // `InFlight` limits what is not committed, before it gets here. Raft's own limit would drop a large proposal
        // and take the small one behind it.
        max_uncommitted_size: raft::NO_LIMIT,
        ..raft::Config::default()
    }
}

impl InFlight {
    /// A share for one append, unless too much is in flight.
    pub(super) fn admit(self: &Arc<Self>, bytes: usize, records: usize) -> Option<Permit> {
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let records_before = self.records.fetch_add(records, Ordering::Relaxed);
        // Made before the check, so that a refusal gives back what was added.
        let permit = Permit { in_flight: Arc::clone(self), bytes, records };
        let fits =
            bytes_before + bytes <= IN_FLIGHT_BYTES_MAX && records_before + records <= IN_FLIGHT_RECORDS_MAX;
        fits.then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.in_flight.records.fetch_sub(self.records, Ordering::Relaxed);
    }
}
