//! Who leads: the log says so. A leader begins with an announcement in the log, and ends when the log says that another one
//! leads or has lost one of its appends.

use relight_core::ids::LeaderEpoch;
use relight_core::tables::TablesError;
use relight_log::{AppendError, Leadership};

use super::{End, Processor, State};
use crate::event::EpochHost;
use crate::fault::Fault;
use crate::handle::DoorError;
use crate::leader::Leader;
use crate::status::Stats;

impl Processor {
    /// Follows the log: it says who leads.
    pub(super) fn lead_or_follow(&mut self, leadership: Leadership) -> Result<(), End> {
        let leading = leadership.leading().map(|epoch| LeaderEpoch(epoch.0));
        let leading = leading.filter(|epoch| self.lost < *epoch);
        if leading == self.role().epoch() {
            return Ok(());
        }
        self.step_down(&DoorError::Unknown, &DoorError::NoLeader)?;
        if let Some(epoch) = leading {
            self.proposer.open(epoch, self.clock.now());
            self.state = State::Announcing(epoch);
        }
        Ok(())
    }

    /// The log has not taken an append, or does not know. What was to follow from it is in the tables already, so this leader
    /// ends. The log will say who leads next, in another epoch: in the same one what is left of this leader could not be told
    /// from what the next one does.
    pub(super) fn append_lost(&mut self, source: AppendError) -> Result<(), End> {
        match source {
            AppendError::Shutdown => Err(End::Stopped),
            AppendError::NotLeader { .. } | AppendError::Unknown => {
                tracing::warn!(partition = %self.partition.id, error = %source, "an append was lost, and its leader ends");
                self.step_down(&DoorError::Unknown, &DoorError::NoLeader)?;
                self.lost = self.proposer.epoch();
                self.lead_or_follow(self.log.state().leadership)
            }
            // Within the bounds that the proposer keeps a log that goes on with this leader refuses nothing.
            AppendError::Overloaded | AppendError::TooLarge | AppendError::NotNext { .. } => {
                Err(End::Fault(Fault::Append { partition: self.partition.id, source }))
            }
        }
    }

    pub(super) fn announced(&mut self, epoch: LeaderEpoch) -> Result<(), TablesError> {
        match &self.state {
            State::Announcing(own) if *own == epoch => {
                let (mailbox, schema) = (self.mailbox.clone(), self.schema.subscribe());
                let host = EpochHost { partition: self.partition.id, epoch, mailbox, schema }.shared();
                let leader = Leader::begin(&self.partition, epoch, &self.tables, host)?;
                tracing::info!(partition = %self.partition.id, %epoch, "leads");
                self.state = State::Leader(Box::new(leader));
            }
            // Somebody else leads, and the log has not said so yet: its tokens are fenced off already.
            State::Announcing(own) if *own < epoch => {
                self.drop_leader(&DoorError::Unknown, &DoorError::NoLeader);
            }
            // In the same batch as the own announcement.
            State::Leader(leader) if leader.epoch < epoch => {
                self.drop_leader(&DoorError::Unknown, &DoorError::NoLeader);
            }
            State::Follower | State::Announcing(_) | State::Leader(_) => {}
        }
        Ok(())
    }

    /// Ends a leader. A leader does not read what it appends: from here on the log is read again, from behind what is
    /// certain.
    pub(super) fn step_down(&mut self, sent: &DoorError, attached: &DoorError) -> Result<(), End> {
        let led = self.leads();
        self.drop_leader(sent, attached);
        if !led {
            return Ok(());
        }
        if self.reach().provisional().is_some() {
            let forgotten = self.tables.forget_unsettled();
            forgotten.map_err(|source| End::Fault(Fault::Reopen { partition: self.partition.id, source }))?;
            self.durable = self.tables.applied();
        }
        let next = relight_log::Lsn(self.tables.applied().next().0);
        self.reader = self.log.reader(next).map_err(|error| self.log_ended(error))?;
        Ok(())
    }

    /// Drops what a leader has: running attempts first of all. Doors whose command was handed to the log, or whose
    /// invocation was accepted, hear `sent`; those who only look hear `attached`; the others that nothing was done.
    pub(super) fn drop_leader(&mut self, sent: &DoorError, attached: &DoorError) {
        if let State::Leader(leader) = &self.state {
            // The gauges of a leader are those of the leader that is.
            let Stats { attempts_started, effects_started, timers_fired, deliveries, resends, .. } =
                leader.stats(&self.stats);
            self.stats =
                Stats { attempts_started, effects_started, timers_fired, deliveries, resends, ..self.stats };
            tracing::info!(partition = %self.partition.id, epoch = %leader.epoch, "no longer the leader");
        }
        self.state = State::Follower;
        for command in self.proposer.close() {
            self.fail_door(&command, attached);
        }
        self.held.fail(sent, attached);
        self.waiters.fail_all(sent, attached);
    }
}
