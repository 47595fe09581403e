//! [`Part`]: one partition of the node: its tables, its way into the log and out of it, and who leads it.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use relight_core::action::Action;
use relight_core::command::Command;
use relight_core::machine::{self, Partition};
use relight_core::tables::ReadTablesExt as _;
use relight_core::{LeaderEpoch, Lsn, Timestamp};
use relight_log::raft::GroupLog;
use relight_log::{Epoch, Log as _, ReadLimit, Reader, Ticket};
use relight_storage::format::{decode_record, encode_record};

use crate::check;
use crate::clock::{Clock, DurableClock};
use crate::leader::Leading;
use crate::oracle::{Oracle, Violation};
use crate::planted::Planted;
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

#[derive(Debug)]
pub struct Part {
    pub partition: Partition,
    pub tables: SimTables,
    pub applied: Lsn,
    pub log: GroupLog,
    pub role: Role,
    /// Commands that are not handed to the log.
    pub queue: VecDeque<Command>,
    in_flight: VecDeque<(Ticket, Vec<Command>)>,
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
        let reader = log.reader(relight_log::Lsn(applied.0 + 1));
        let reader = reader.map_err(|error| Violation(format!("log of {}: {error}", partition.id)))?;
        let time = tables.meta()?.unwrap_or_default().time;
        Ok(Self {
            partition,
            tables,
            applied,
            log,
            role: Role::Follower,
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
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

    /// Hands at most `count` queued commands to the log, as one append.
    pub fn append(&mut self, clock: Clock, count: usize) {
        let epoch = match &self.role {
            Role::Follower => return,
            Role::Announcing(epoch) => *epoch,
            Role::Leader(leading) => leading.leader.epoch,
        };
        let commands: Vec<Command> = self.queue.drain(..count.min(self.queue.len())).collect();
        if commands.is_empty() {
            return;
        }
        let time = self.time(clock);
        let records = commands.iter().map(|command| encode_record(time, command)).collect();
        let ticket = self.log.append(Epoch(epoch.0), records);
        self.in_flight.push_back((ticket, commands));
    }

    /// The commands of the oldest append, once the log has taken it.
    pub fn appended(&mut self) -> Result<Option<Vec<Command>>, Violation> {
        let Some((ticket, _)) = self.in_flight.front_mut() else { return Ok(None) };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(answer) = Pin::new(ticket).poll(&mut context) else { return Ok(None) };
        let (_, commands) = self.in_flight.pop_front().expect("its ticket was just looked at");
        match answer {
            Ok(_) => Ok(Some(commands)),
            Err(error) => Err(Violation(format!("append to {}: {error}", self.partition.id))),
        }
    }

    pub fn is_drained(&self) -> bool {
        self.queue.is_empty()
            && self.in_flight.is_empty()
            && self.reader.position().0 == self.log.state().commit.0 + 1
    }

    /// Applies at most `count` committed records; answers the actions of all of them, to be carried out when the batch
    /// is committed.
    pub fn apply(
        &mut self,
        clock: Clock,
        count: usize,
        oracle: &mut Oracle,
    ) -> Result<(u64, Vec<Action>), Violation> {
        let mut records = Vec::new();
        let limit = ReadLimit { records: count, ..ReadLimit::default() };
        let read = self.reader.try_read(limit, &mut records);
        read.map_err(|error| Violation(format!("log of {}: {error}", self.partition.id)))?;
        let mut actions = Vec::new();
        let applied = records.len() as u64;
        for stored in records {
            let payload = stored.payload.clone();
            let lsn = Lsn(stored.lsn.0);
            let decoded = decode_record(lsn, stored.payload);
            let mut record = decoded.map_err(|error| Violation(format!("record {lsn}: {error}")))?;
            if let Role::Leader(leading) = &mut self.role {
                leading.leader.applied(&record.command, clock.instant());
            }
            let stale = Oracle::is_stale(&record, &self.tables)?;
            if let Some(planted) = self.planted {
                planted.before(&mut record, &mut self.tables)?;
            }
            oracle.before(self.partition.id, &record, &payload, &self.tables)?;
            let mut of_record = Vec::new();
            machine::apply(&self.partition, &mut self.tables, record.clone(), &mut of_record)?;
            if let Some(planted) = self.planted {
                planted.after(&self.partition, &record, &mut self.tables, &mut of_record)?;
            }
            if stale {
                oracle.stale += 1;
                Oracle::unchanged(&record, &self.tables)?;
            }
            oracle.after(self.partition.id, &record, payload, &self.tables, &of_record)?;
            check::touched(&mut self.tables)
                .map_err(|Violation(text)| Violation(format!("{text}, after {record:?}")))?;
            self.clock.observe(clock, record.time);
            actions.append(&mut of_record);
            self.applied = lsn;
        }
        Ok((applied, actions))
    }

    pub fn flush(&self) -> Flushed {
        let ahead = u64::from(self.planted == Some(Planted::AppliedAhead));
        Flushed { tables: self.tables.clone(), applied: Lsn(self.applied.0 + ahead) }
    }
}
