//! Commands on their way in: from doors, attempts, effects and other partitions, and what no record can hold.

use relight_core::action::Answer;
use relight_core::command::Command;
use relight_core::ids::{InvocationId, LeaderEpoch, RequestId};
use relight_core::tables::TablesError;
use relight_core::value::Failure;
use relight_log::RECORD_BYTES_MAX;
use tokio::sync::OwnedSemaphorePermit;

use super::{Processor, State};
use crate::attempts::limit_exceeded;
use crate::event::{Known, Permits, Reply};
use crate::handle::{Called, DoorError, Finished, request_id};
use crate::held::Outward;
use crate::transport::Delivery;
use crate::waiters::RequestWaiter;

impl Processor {
    pub(super) fn command(
        &mut self,
        request: RequestId,
        command: Command,
        reply: Reply<Answer>,
        permits: Permits,
    ) {
        let waiter = RequestWaiter::Command { reply, _permit: permits.waiter };
        self.propose_from_door(request, command, waiter, permits.command);
    }

    pub(super) fn call(
        &mut self,
        request: RequestId,
        command: Command,
        known: Known,
        reply: Reply<Called>,
        permits: Permits,
    ) {
        let waiter = RequestWaiter::Call { reply, known, permit: permits.waiter };
        self.propose_from_door(request, command, waiter, permits.command);
    }

    /// Commands are taken before the own announcement is applied, too: they go into the log behind it.
    fn propose_from_door(
        &mut self,
        request: RequestId,
        command: Command,
        waiter: RequestWaiter,
        permit: OwnedSemaphorePermit,
    ) {
        if matches!(self.state, State::Follower) {
            waiter.fail(DoorError::NoLeader);
            return;
        }
        self.waiters.wait_for_answer(request, waiter);
        self.proposer.push_from_door(command, permit);
    }

    pub(super) fn attach(
        &mut self,
        id: InvocationId,
        reply: Reply<Option<Finished>>,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), TablesError> {
        if matches!(self.state, State::Leader(_)) {
            self.waiters.attach(&self.tables, id, reply, permit)?;
            self.answer_doors();
            return Ok(());
        }
        // A door that has gone in the meantime needs no answer.
        let _ = reply.send(Err(DoorError::NoLeader));
        Ok(())
    }

    /// A command of an attempt or an effect that this leader started. Those of an earlier epoch are stale.
    pub(super) fn proposed(&mut self, epoch: LeaderEpoch, command: Command) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        if leader.epoch != epoch {
            return;
        }
        leader.proposed(&command);
        self.proposer.push(command);
    }

    pub(super) fn delivery(&mut self, delivery: Delivery) {
        let now = tokio::time::Instant::now();
        match (delivery, &mut self.state) {
            // Nobody here to take it: the source sends it again.
            (Delivery::Messages { .. }, State::Follower) => {}
            (Delivery::Messages { source, first, messages }, _) => {
                self.proposer.push_delivery(source, first, messages);
            }
            (Delivery::Delivered { destination, upto }, State::Leader(leader)) => {
                leader.delivered(destination, upto, now);
            }
            (Delivery::Gap { destination, expected }, State::Leader(leader)) => {
                leader.gap(destination, expected, now);
            }
            (Delivery::Delivered { .. } | Delivery::Gap { .. }, State::Follower | State::Announcing(_)) => {}
        }
    }

    /// No record can hold the command: whoever waits for it is told in its own way.
    pub(super) fn too_large(&mut self, command: Command) {
        let reason = || format!("takes more than {RECORD_BYTES_MAX} bytes");
        match command {
            Command::Append { id, token, .. }
            | Command::RunFailed { id, token, .. }
            | Command::Suspend { id, token, .. }
            | Command::AttemptFailed { id, token, .. } => {
                // What the attempt has proposed behind it would look like a loss and start it again, for ever.
                self.proposer.forget_attempt(id, token.attempt);
                if let State::Leader(leader) = &mut self.state {
                    leader.end_attempt(id, token.attempt);
                }
                self.proposer.push(limit_exceeded(
                    id,
                    token,
                    format!("what it recorded at once {}", reason()),
                ));
            }
            Command::EffectCompleted { id, incarnation, index, token, .. }
            | Command::EffectFailed { id, incarnation, index, token, .. } => {
                let outcome = Err(Failure::new(500, format!("the result of the effect {}", reason())));
                self.proposer.push(Command::EffectCompleted { id, incarnation, index, token, outcome });
            }
            Command::Deliver { source, first, .. } => {
                // Cannot happen as long as a delivery of one message takes less than the record it came from.
                tracing::error!(partition = %self.partition.id, %source, first, "a message {}", reason());
            }
            command => self.fail_door(&command, &DoorError::Failed(format!("the command {}", reason()))),
        }
    }

    /// Sends the answers that doors were given, once they are true for good.
    pub(super) fn answer_doors(&mut self) {
        for given in self.waiters.take_given() {
            self.emit(Outward::Given(given));
        }
    }

    pub(super) fn fail_door(&mut self, command: &Command, error: &DoorError) {
        if let Some(request) = request_id(command) {
            self.waiters.fail(request, error);
        }
    }
}
