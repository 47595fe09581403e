//! A leader applies its commands before the log has them, at the LSN that they will have:
//!
//! ```text
//! command ─▶ stage ─▶ apply ─▶ commit (ahead) ─▶ attempts, timers: at once      ─┐ what they propose: again
//!               │                            └▶ doors, effects, outbox: held ─┐ ◀┘
//!               └─▶ one append for the whole turn ─▶ durable ─────────────────┴▶ let out
//! ```
//!
//! So a handler that does not wait costs one append, and so does a call with all that it calls on the same partition.
//! Nothing leaves before its record is durable, and nothing that is not durable is written to the tables' files:
//! whatever the log loses, it loses with all that follows.

use relight_core::action::Action;
use relight_core::command::{Command, Record};
use relight_core::machine;
use relight_core::value::Timestamp;
use std::time::Instant as Stopwatch;
use tokio::time::Instant;

use super::{End, Processor, State};
use crate::attempts::Left;
use crate::limits::{ROUNDS_PER_TURN_MAX, TURN_TIME_MAX};
use crate::proposer::{Appended, Next};

impl Processor {
    /// Round by round applies what is proposed, starts what is ready, and takes what that proposes at once; then one append
    /// takes all of it to the log.
    pub(super) fn lead(&mut self, time: Timestamp, now: Instant) -> Result<Left, End> {
        let mut left = Left::Nothing;
        for _ in 0..ROUNDS_PER_TURN_MAX {
            self.write_tables(now)?;
            self.apply_proposed(time, now)?;
            let reach = self.reach();
            if let State::Leader(leader) = &mut self.state {
                let started = leader.start_ready(&self.tables, &*self.runner, reach, now + TURN_TIME_MAX);
                left = started.map_err(|error| self.tables_failed(error))?;
            }
            if TURN_TIME_MAX <= now.elapsed() || !self.take_events()? {
                break;
            }
        }
        self.proposer.ship(self.tables.applied());
        let goes_on = 0 < self.proposer.queued() && self.proposer.has_room() && !self.waits_for_quiet(now);
        Ok(if goes_on { Left::More } else { left })
    }

    /// Applies what is queued, and what timers and the outbox propose.
    fn apply_proposed(&mut self, time: Timestamp, now: Instant) -> Result<(), End> {
        let State::Leader(leader) = &mut self.state else { return Ok(()) };
        let proposed = leader.propose(&self.tables, &*self.transport, time, now);
        let proposed = proposed.map_err(|error| self.tables_failed(error))?;
        proposed.into_iter().for_each(|command| self.proposer.push(command));
        if self.waits_for_quiet(now) {
            return Ok(());
        }
        let (begin, mut records, mut bytes) = (Stopwatch::now(), 0, 0);
        let mut actions = Vec::new();
        let mut lsn = self.tables.applied();
        while let Some(next) = self.proposer.next(time) {
            match next {
                Next::TooLarge(command) => self.too_large(command),
                Next::Command(command, size) => {
                    lsn = lsn.next();
                    records += 1;
                    bytes += size as u64;
                    self.apply_one(Record { lsn, time, command }, now, &mut actions)?;
                }
            }
        }
        if records == 0 {
            return Ok(());
        }
        self.tables.commit_ahead(lsn);
        self.time = self.time.max(time);
        self.clock.observe(self.time);
        self.count_batch(records, bytes, begin);
        self.carry_out(actions).map_err(|error| self.tables_failed(error))
    }

    fn apply_one(&mut self, record: Record, now: Instant, actions: &mut Vec<Action>) -> Result<(), End> {
        let State::Leader(leader) = &mut self.state else { unreachable!("only leaders apply ahead") };
        assert!(!matches!(record.command, Command::AnnounceLeader { .. }), "an announcement is read");
        leader.applied(&record.command, now);
        let applied = machine::apply(&self.partition, &mut self.tables, record, actions);
        applied.map_err(|error| {
            self.tables.rollback();
            self.tables_failed(error)
        })
    }

    /// The tables are to be written, which waits until everything in them is durable; until then nothing more is applied.
    fn waits_for_quiet(&self, now: Instant) -> bool {
        (self.tables.is_full() || self.retention.is_due(now)) && self.reach().provisional().is_some()
    }

    /// Writes the tables if it is time and everything in them is durable.
    fn write_tables(&mut self, now: Instant) -> Result<(), End> {
        if self.reach().provisional().is_some() {
            return Ok(());
        }
        if self.tables.is_full() {
            self.tables.settle().map_err(|error| self.write_failed(error))?;
        }
        self.flush_tables(now)
    }

    /// The log has answered an append.
    pub(super) fn appended(&mut self, appended: Appended) -> Result<(), End> {
        match (appended.result, appended.last) {
            (Ok(()), Some(last)) => self.let_out_upto(last),
            // An announcement: it is read.
            (Ok(()), None) => {}
            (Err(error), _) => self.append_lost(error)?,
        }
        Ok(())
    }

    fn let_out_upto(&mut self, durable: relight_core::ids::Lsn) {
        self.durable = durable;
        self.tables.logged(durable);
        if let State::Leader(leader) = &mut self.state {
            leader.durable(durable);
        }
        while let Some(outward) = self.held.pop(durable) {
            self.let_out(outward);
        }
    }
}
