//! [`Part`]: one partition of the node: its tables, its way into the log and out of it, and who leads it.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use relight_core::action::Action;
use relight_core::command::Command;
use relight_core::machine::{self, Partition};
use relight_core::tables::ReadTablesExt as _;
use relight_core::{LeaderEpoch, Lsn, Timestamp};
use relight_log::raft::GroupLog;
use relight_log::{Epoch, Log as _, ReadLimit, Reader, Ticket};
use relight_partition::Reach;
use relight_storage::format::{decode_record, encode_record};

use crate::check;
use crate::clock::{Clock, DurableClock};
use crate::leader::Leading;
use crate::oracle::{Fact, Oracle, Violation};
use crate::planted::Planted;
use crate::program::COUNTER;
use crate::tables::SimTables;

/// Tables as a crash leaves them: what was flushed, with the position up to which it is applied.
#[derive(Clone, Debug, Default)]
pub struct Flushed {
    pub tables: SimTables,
    pub applied: Lsn,
}

#[derive(Debug)]
pub enum Role {
    Follower,
    /// The announcement is proposed and not applied.
    Announcing(LeaderEpoch),
    Leader(Box<Leading>),
}

/// One append that the log has not answered.
#[derive(Debug)]
struct Append {
    ticket: Ticket,
    commands: Vec<Command>,
    /// Of a leader, which has applied it already.
    ahead: Option<(Lsn, Vec<Fact>)>,
}

/// What came of a batch of records.
#[derive(Debug, Default)]
pub struct Applied {
    pub records: u64,
    pub actions: Vec<Action>,
}

#[derive(Debug)]
pub struct Part {
    pub partition: Partition,
    pub tables: SimTables,
    pub applied: Lsn,
    pub log: GroupLog,
    pub role: Role,
    /// Commands that are not handed to the log.
    pub queue: VecDeque<Command>,
    in_flight: VecDeque<Append>,
    /// Records up to here are durable.
    pub durable: Lsn,
    /// Doors know that there is something to call: not before that is durable.
    pub is_deployed: bool,
    /// Actions that leave the partition, with the record that must be durable before.
    held: VecDeque<(Lsn, Action)>,
    reader: Reader,
    clock: DurableClock,
    planted: Option<Planted>,
}

impl Part {
    pub fn open(
        partition: Partition,
        log: GroupLog,
        flushed: Flushed,
        clock: Clock,
        planted: Option<Planted>,
    ) -> Result<Self, Violation> {
        let Flushed { tables, applied } = flushed;
        let last = log.state().last.0;
        if last < applied.0 {
            let text = format!("tables of {} hold {applied}, and its log ends at {last}", partition.id);
            return Err(Violation(text));
        }
        let reader = log.reader(relight_log::Lsn(applied.0 + 1));
        let reader = reader.map_err(|error| Violation(format!("log of {}: {error}", partition.id)))?;
        let time = tables.meta()?.unwrap_or_default().time;
        let is_deployed = tables.service(&COUNTER.into())?.is_some();
        Ok(Self {
            partition,
            tables,
            applied,
            log,
            role: Role::Follower,
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            durable: applied,
            is_deployed,
            held: VecDeque::new(),
            reader,
            clock: DurableClock::new(clock, time),
            planted,
        })
    }

    /// Follows the log: it says who leads.
    pub fn follow(&mut self) {
        let leading = self.log.state().leading().map(|epoch| LeaderEpoch(epoch.0));
        if let (Role::Follower, Some(epoch)) = (&self.role, leading) {
            self.role = Role::Announcing(epoch);
            self.queue.push_front(Command::AnnounceLeader { epoch });
        }
    }

    pub fn leader(&mut self) -> Option<&mut Leading> {
        match &mut self.role {
            Role::Leader(leading) => Some(leading),
            Role::Follower | Role::Announcing(_) => None,
        }
    }

    pub fn is_follower(&self) -> bool {
        matches!(self.role, Role::Follower)
    }

    pub fn time(&mut self, clock: Clock) -> Timestamp {
        self.clock.now(clock)
    }

    /// The last record that was read.
    pub fn compared(&self) -> Lsn {
        Lsn(self.reader.position().0 - 1)
    }

    pub fn reach(&self) -> Reach {
        Reach { applied: self.applied, durable: self.durable }
    }

    /// Hands at most `count` queued commands to the log, as one append: of a leader after it has applied them.
    pub fn append(&mut self, clock: Clock, count: usize, oracle: &mut Oracle) -> Result<Applied, Violation> {
        let (epoch, leads) = match &self.role {
            Role::Follower => return Ok(Applied::default()),
            Role::Announcing(epoch) => (*epoch, false),
            Role::Leader(leading) => (leading.leader.epoch, true),
        };
        // Where the announcement comes to stand is known when it is read; until then nothing follows it.
        let is_next = |command: &Command| leads == !matches!(command, Command::AnnounceLeader { .. });
        if !self.queue.front().is_some_and(is_next) {
            return Ok(Applied::default());
        }
        let count = if leads { count.min(self.queue.len()) } else { 1 };
        let commands: Vec<Command> = self.queue.drain(..count).collect();
        let time = self.time(clock);
        let records: Vec<Bytes> = commands.iter().map(|command| encode_record(time, command)).collect();
        if !leads {
            let ticket = self.log.append(Epoch(epoch.0), records);
            self.in_flight.push_back(Append { ticket, commands, ahead: None });
            return Ok(Applied::default());
        }
        let first = self.applied.next();
        let (mut facts, mut applied) = (Vec::new(), Applied::default());
        for payload in &records {
            let lsn = self.applied.next();
            facts.push(self.apply_one(clock, lsn, payload.clone(), oracle, &mut applied)?);
        }
        let ticket = self.log.append_at(Epoch(epoch.0), Some(relight_log::Lsn(first.0)), records);
        self.in_flight.push_back(Append { ticket, commands, ahead: Some((self.applied, facts)) });
        Ok(applied)
    }

    /// The commands of the oldest append, once the log has taken it.
    pub fn appended(&mut self, oracle: &mut Oracle) -> Result<Option<Vec<Command>>, Violation> {
        let Some(append) = self.in_flight.front_mut() else { return Ok(None) };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(answer) = Pin::new(&mut append.ticket).poll(&mut context) else { return Ok(None) };
        let Append { commands, ahead, .. } =
            self.in_flight.pop_front().expect("its ticket was just looked at");
        answer.map_err(|error| Violation(format!("append to {}: {error}", self.partition.id)))?;
        if let Some((last, facts)) = ahead {
            facts.into_iter().try_for_each(|fact| oracle.durable(self.partition.id, fact))?;
            self.durable = last;
            if let Role::Leader(leading) = &mut self.role {
                leading.leader.durable(last);
            }
        }
        Ok(Some(commands))
    }

    /// What leaves the partition waits until all that is applied is durable.
    pub fn hold(&mut self, action: Action) {
        self.held.push_back((self.applied, action));
    }

    /// The next action that waits for nothing any more.
    pub fn let_out(&mut self) -> Option<Action> {
        self.held.pop_front_if(|(lsn, _)| *lsn <= self.durable).map(|(_, action)| action)
    }

    pub fn is_drained(&self) -> bool {
        self.queue.is_empty()
            && self.in_flight.is_empty()
            && self.reader.position().0 == self.log.state().commit.0 + 1
    }

    /// Applies at most `count` committed records; answers the actions of all of them, to be carried out when the batch
    /// is committed. A leader looks at what it has applied already.
    pub fn apply(&mut self, clock: Clock, count: usize, oracle: &mut Oracle) -> Result<Applied, Violation> {
        let mut records = Vec::new();
        let limit = ReadLimit { records: count, ..ReadLimit::default() };
        let read = self.reader.try_read(limit, &mut records);
        read.map_err(|error| Violation(format!("log of {}: {error}", self.partition.id)))?;
        let mut applied = Applied::default();
        for stored in records {
            let lsn = Lsn(stored.lsn.0);
            if lsn <= self.applied {
                // The log answers an append after readers have its records.
                while self.durable < lsn && self.appended(oracle)?.is_some() {}
                oracle.is_as_applied(self.partition.id, lsn, &stored.payload)?;
                continue;
            }
            let fact = self.apply_one(clock, lsn, stored.payload, oracle, &mut applied)?;
            oracle.durable(self.partition.id, fact)?;
            self.durable = lsn;
        }
        Ok(applied)
    }

    fn apply_one(
        &mut self,
        clock: Clock,
        lsn: Lsn,
        payload: Bytes,
        oracle: &mut Oracle,
        applied: &mut Applied,
    ) -> Result<Fact, Violation> {
        let decoded = decode_record(lsn, payload.clone());
        let mut record = decoded.map_err(|error| Violation(format!("record {lsn}: {error}")))?;
        if let Role::Leader(leading) = &mut self.role {
            leading.leader.applied(&record.command, clock.instant());
        }
        let stale = Oracle::is_stale(&record, &self.tables)?;
        if let Some(planted) = self.planted {
            planted.before(&mut record, &mut self.tables)?;
        }
        let recorded = oracle.before(self.partition.id, &record, &payload, &self.tables)?;
        let mut actions = Vec::new();
        machine::apply(&self.partition, &mut self.tables, record.clone(), &mut actions)?;
        if let Some(planted) = self.planted {
            planted.after(&self.partition, &record, &mut self.tables, &mut actions)?;
        }
        if stale {
            oracle.stale += 1;
            Oracle::unchanged(&record, &self.tables)?;
        }
        let fact = oracle.after(self.partition.id, &record, payload, &self.tables, &actions, recorded)?;
        check::touched(&mut self.tables)
            .map_err(|Violation(text)| Violation(format!("{text}, after {record:?}")))?;
        self.clock.observe(clock, record.time);
        applied.actions.append(&mut actions);
        applied.records += 1;
        self.applied = lsn;
        Ok(fact)
    }

    /// What a flush leaves on the disk, if everything that is applied is durable.
    pub fn flush(&self) -> Option<Flushed> {
        let may = self.durable == self.applied || self.planted == Some(Planted::FlushAhead);
        let ahead = u64::from(self.planted == Some(Planted::AppliedAhead));
        may.then(|| Flushed { tables: self.tables.clone(), applied: Lsn(self.applied.0 + ahead) })
    }
}
