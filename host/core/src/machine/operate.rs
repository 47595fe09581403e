//! What operators do to an invocation: pause, resume, purge.

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    command::{Onto, Purge},
    ids::InvocationId,
    tables::{ReadTablesExt, Status, Tables, TablesError, TimerKey, TimerKind},
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn pause_by_operator(&mut self, id: InvocationId) -> Result<Answer, TablesError> {
        let Some(invocation) = self.tables.invocation(id)? else {
            return Ok(Self::unknown(id));
        };
        match invocation.status {
            Status::Completed { .. } => Ok(Answer::Refused(Refusal::AlreadyCompleted(id))),
            Status::Scheduled { .. } | Status::Pending { .. } => Ok(Answer::Refused(Refusal::NotStarted(id))),
            Status::Paused { .. } => Ok(Answer::Paused { already: true }),
            Status::Invoked { .. } | Status::Suspended { .. } => {
                self.pause(invocation, "paused by an operator".to_owned())?;
                Ok(Answer::Paused { already: false })
            }
        }
    }

    /// Starts an attempt now, unless one runs and stays on its deployment.
    pub(super) fn resume(&mut self, id: InvocationId, onto: Option<Onto>) -> Result<Answer, TablesError> {
        let Some(mut invocation) = self.tables.invocation(id)? else {
            return Ok(Self::unknown(id));
        };
        match invocation.status {
            Status::Completed { .. } => return Ok(Answer::Refused(Refusal::AlreadyCompleted(id))),
            Status::Scheduled { .. } | Status::Pending { .. } => {
                return Ok(Answer::Refused(Refusal::NotStarted(id)));
            }
            Status::Invoked { .. } | Status::Suspended { .. } | Status::Paused { .. } => {}
        }
        let wanted = onto.as_ref().map(|onto| onto.deployment);
        if let Some(own) = invocation.deployment.filter(|own| wanted.is_none_or(|wanted| wanted == *own))
            && self.closed(own)?.is_some()
        {
            return Ok(Answer::Refused(Refusal::BeingRemoved(own)));
        }
        let mut moves = false;
        if let Some(Onto { deployment, incarnation, items }) =
            onto.filter(|onto| Some(onto.deployment) != invocation.deployment)
        {
            let known = self.tables.deployment(deployment)?;
            if known.is_none_or(|row| !row.services.contains(&invocation.target.service)) {
                return Ok(Answer::Refused(Refusal::UnknownDeployment(deployment)));
            }
            if self.tables.removal(deployment)?.is_some() {
                return Ok(Answer::Refused(Refusal::BeingRemoved(deployment)));
            }
            if (incarnation, items) != (invocation.incarnation, invocation.journal.items) {
                return Ok(Answer::Refused(Refusal::JournalChanged(id)));
            }
            self.pin(&mut invocation, deployment)?;
            moves = true;
        }
        if moves || invocation.attempt().is_none() {
            invocation.failures = 0;
            invocation.run = None;
            self.restart(invocation)?;
        }
        Ok(Answer::Resumed)
    }

    pub(super) fn purge_by_operator(&mut self, id: InvocationId, what: Purge) -> Result<Answer, TablesError> {
        let Some(mut invocation) = self.tables.invocation(id)? else {
            return Ok(Self::unknown(id));
        };
        let Status::Completed { expires_at, .. } = invocation.status else {
            return Ok(Answer::Refused(Refusal::NotCompleted(id)));
        };
        match what {
            Purge::Invocation => {
                let incarnation = invocation.incarnation;
                self.delete_timer(TimerKey { due: expires_at, id, incarnation, kind: TimerKind::Purge });
                self.purge(invocation)?;
            }
            Purge::Journal => {
                self.delete_journal(&mut invocation);
                self.put_invocation(invocation);
            }
        }
        Ok(Answer::Purged)
    }
}
