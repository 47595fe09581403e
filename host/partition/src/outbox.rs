//! [`Outbox`]: ships the rows of the outbox to the partitions they are for, in order, until these have them.
//!
//! Go-back-N per destination: a few deliveries are in flight; a gap, or no answer in time, goes back to the first one
//! that is not acknowledged. What arrives twice is skipped there. Nothing on the way of a message waits for a timer.

use std::collections::VecDeque;
use std::time::Duration;

use relight_core::command::{Command, Message};
use relight_core::ids::PartitionId;
use relight_core::limits::DELIVERY_MESSAGES_MAX;
use relight_core::placement::Partitioning;
use relight_core::tables::{Key, OutboxRange, Prefix, ReadTables, ReadTablesExt as _, Row, TablesError};
use tokio::time::Instant;

use crate::limits::{
    DELIVERIES_IN_FLIGHT_MAX, DELIVERY_BYTES_MAX, RESEND_AFTER, RESEND_AFTER_MAX, TRUNCATE_AFTER,
    TRUNCATE_MESSAGES,
};
use crate::schema::damaged;
use crate::transport::{Delivery, Transport};

#[derive(Debug)]
pub struct Outbox {
    source: PartitionId,
    /// By destination; the one of this partition itself stays empty.
    lanes: Vec<Lane>,
    pub deliveries: u64,
    pub resends: u64,
}

/// The way to one destination. `truncated <= acknowledged <= sent <= last`.
#[derive(Debug)]
struct Lane {
    destination: PartitionId,
    /// Rows up to here are gone.
    truncated: u64,
    /// The destination has everything up to here.
    acknowledged: u64,
    sent: u64,
    /// The last row that may be sent; the tables may have more that are not durable.
    last: u64,
    /// Last sequence number of each delivery in flight.
    in_flight: VecDeque<u64>,
    /// When the oldest delivery in flight counts as lost.
    resend_at: Option<Instant>,
    resend_after: Duration,
    /// The last gap that was answered; more deliveries behind it report it again.
    gap: Option<u64>,
    truncation: Truncation,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Truncation {
    None,
    /// There are delivered rows; at the latest then they go.
    At(Instant),
    /// Proposed.
    InFlight,
}

impl Outbox {
    /// The outbox of a partition whose leader begins: everything in it is sent.
    pub fn load(
        source: PartitionId,
        partitioning: Partitioning,
        tables: &impl ReadTables,
    ) -> Result<Self, TablesError> {
        let lane = |destination| {
            let range = tables.outbox_range(destination)?.unwrap_or(OutboxRange::EMPTY);
            let gone = range.first.saturating_sub(1);
            Ok(Lane {
                destination,
                truncated: gone,
                acknowledged: gone,
                sent: gone,
                last: range.next.saturating_sub(1),
                in_flight: VecDeque::new(),
                resend_at: None,
                resend_after: RESEND_AFTER,
                gap: None,
                truncation: Truncation::None,
            })
        };
        let lanes = partitioning.partitions().map(lane).collect::<Result<_, _>>()?;
        Ok(Self { source, lanes, deliveries: 0, resends: 0 })
    }

    /// A row has entered the outbox.
    pub fn ship(&mut self, destination: PartitionId, sequence: u64) {
        let lane = self.lane(destination);
        lane.last = lane.last.max(sequence);
    }

    /// `destination` has everything up to `upto`.
    pub fn delivered(&mut self, destination: PartitionId, upto: u64, now: Instant) {
        self.lane(destination).advance(upto, now);
    }

    /// `destination` has everything below `expected`, and saw something above it.
    pub fn gap(&mut self, destination: PartitionId, expected: u64, now: Instant) {
        let lane = self.lane(destination);
        let below = expected.saturating_sub(1);
        lane.advance(below, now);
        if lane.acknowledged == below && lane.gap != Some(expected) {
            lane.gap = Some(expected);
            lane.go_back();
            self.resends += 1;
        }
    }

    /// The record that truncates is applied.
    pub fn truncated(&mut self, destination: PartitionId, upto: u64, now: Instant) {
        let lane = self.lane(destination);
        lane.truncation = Truncation::None;
        lane.truncated = lane.truncated.max(upto);
        lane.advance(upto, now);
        lane.plan_truncation(now);
    }

    /// Sends what may be sent now.
    pub fn pump(
        &mut self,
        tables: &impl ReadTables,
        transport: &dyn Transport,
        now: Instant,
    ) -> Result<(), TablesError> {
        for lane in &mut self.lanes {
            if lane.resend_at.is_some_and(|at| at <= now) {
                lane.go_back();
                lane.resend_after = (2 * lane.resend_after).min(RESEND_AFTER_MAX);
                self.resends += 1;
            }
            while lane.sent < lane.last && lane.in_flight.len() < DELIVERIES_IN_FLIGHT_MAX {
                let first = lane.sent + 1;
                let messages = lane.read(tables)?;
                lane.sent += messages.len() as u64;
                lane.in_flight.push_back(lane.sent);
                lane.resend_at.get_or_insert(now + lane.resend_after);
                self.deliveries += 1;
                transport.send(lane.destination, Delivery::Messages { source: self.source, first, messages });
            }
        }
        Ok(())
    }

    /// Truncations to propose: one per destination at a time, so that they may lag but never pile up.
    pub fn truncations(&mut self, now: Instant) -> impl Iterator<Item = Command> {
        self.lanes.iter_mut().filter_map(move |lane| {
            let Truncation::At(at) = lane.truncation else {
                return None;
            };
            if now < at && lane.acknowledged - lane.truncated < TRUNCATE_MESSAGES {
                return None;
            }
            lane.truncation = Truncation::InFlight;
            Some(Command::TruncateOutbox { destination: lane.destination, upto: lane.acknowledged })
        })
    }

    /// When `pump` or `truncations` has something to do that no event tells of.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.lanes.iter().flat_map(|lane| {
            let truncate_at = match lane.truncation {
                Truncation::At(at) => Some(at),
                Truncation::None | Truncation::InFlight => None,
            };
            [lane.resend_at, truncate_at]
        });
        deadlines.flatten().min()
    }

    /// Messages that are not acknowledged.
    pub fn lag(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.last - lane.acknowledged).sum()
    }

    fn lane(&mut self, destination: PartitionId) -> &mut Lane {
        self.lanes.get_mut(usize::from(destination.0)).expect("a lane for every partition there is")
    }
}

impl Lane {
    fn advance(&mut self, upto: u64, now: Instant) {
        let upto = upto.min(self.last);
        if upto <= self.acknowledged {
            return;
        }
        self.acknowledged = upto;
        self.sent = self.sent.max(upto);
        while self.in_flight.front().is_some_and(|last| *last <= upto) {
            self.in_flight.pop_front();
        }
        self.gap = None;
        self.resend_after = RESEND_AFTER;
        self.resend_at = (!self.in_flight.is_empty()).then(|| now + RESEND_AFTER);
        self.plan_truncation(now);
    }

    fn go_back(&mut self) {
        self.sent = self.acknowledged;
        self.in_flight.clear();
        self.resend_at = None;
    }

    fn plan_truncation(&mut self, now: Instant) {
        if self.truncation == Truncation::None && self.truncated < self.acknowledged {
            self.truncation = Truncation::At(now + TRUNCATE_AFTER);
        }
    }

    /// The next rows to send, at least one.
    fn read(&self, tables: &impl ReadTables) -> Result<Vec<Message>, TablesError> {
        let after = Key::Outbox(self.destination, self.sent);
        let rows = tables.scan(&Prefix::Outbox(self.destination), Some(&after), DELIVERY_MESSAGES_MAX)?;
        let mut messages = Vec::with_capacity(rows.len());
        let mut bytes = 0;
        for (expected, (key, row)) in (self.sent + 1..=self.last).zip(rows) {
            match (&key, row) {
                (Key::Outbox(_, sequence), Row::Outbox(message)) if *sequence == expected => {
                    bytes += message.size_bytes();
                    if !messages.is_empty() && DELIVERY_BYTES_MAX < bytes {
                        break;
                    }
                    messages.push(message);
                }
                (_, row) => return Err(damaged(key, &row)),
            }
        }
        if messages.is_empty() {
            let key = Key::Outbox(self.destination, self.sent + 1);
            return Err(TablesError::Damaged { key: Box::new(key), reason: "does not exist".to_owned() });
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests;
