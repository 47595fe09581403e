//! Which deployment an invocation is pinned to, and how a deployment goes away.
//!
//! ```text
//! StartRemoval ──▶ every partition has the mark ──▶ nothing is pinned (or: what is pinned is paused) ──▶ FinishRemoval
//! ```
//! From the mark on the set of those that are pinned only shrinks, so that whoever counts them once per partition may
//! rely on it. Nobody reads a component that no unfinished, unpaused invocation is pinned to.

use std::sync::Arc;

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    ids::{DeploymentId, InvocationId},
    schema::{Removal, SchemaChange},
    tables::{Invocation, Key, Prefix, ReadTablesExt, Row, Status, Tables, TablesError},
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn pin(
        &mut self,
        invocation: &mut Invocation,
        deployment: DeploymentId,
    ) -> Result<(), TablesError> {
        self.unpin(invocation)?;
        invocation.deployment = Some(deployment);
        let count = self.tables.pins(deployment)?.unwrap_or_default() + 1;
        self.tables.put(Key::Pins(deployment), Row::Pins(count));
        Ok(())
    }

    /// The invocation ends, or moves. It keeps the name of its deployment.
    pub(super) fn unpin(&mut self, invocation: &Invocation) -> Result<(), TablesError> {
        let Some(deployment) = invocation.deployment else { return Ok(()) };
        match self.tables.pins(deployment)?.unwrap_or_default() {
            0 | 1 => {
                self.tables.delete(Key::Pins(deployment));
                // The last that a removed deployment has left behind takes its mark with it.
                if self.tables.removal(deployment)?.is_some() && self.tables.deployment(deployment)?.is_none()
                {
                    self.tables.delete(Key::Removal(deployment));
                }
            }
            count => self.tables.put(Key::Pins(deployment), Row::Pins(count - 1)),
        }
        Ok(())
    }

    /// Why an invocation that is pinned to `deployment` must not start an attempt.
    pub(super) fn closed(&self, deployment: DeploymentId) -> Result<Option<String>, TablesError> {
        let closing = self.tables.removal(deployment)? == Some(Removal::Closing);
        Ok(closing.then(|| {
            format!(
                "its deployment `{deployment}` was removed; resume it on another one that fits, or kill it"
            )
        }))
    }

    /// On partition 0.
    pub(super) fn start_removal(
        &mut self,
        deployment: DeploymentId,
        removal: Removal,
    ) -> Result<Answer, TablesError> {
        if self.tables.deployment(deployment)?.is_none() {
            return Ok(Answer::Refused(Refusal::NoSuchDeployment(deployment)));
        }
        let services = self.latest_of(deployment)?;
        if removal == Removal::Draining && !services.is_empty() {
            return Ok(Answer::Refused(Refusal::LatestOf { deployment, services }));
        }
        // Going back from closing to draining would let those start again that were told to pause.
        if self.tables.removal(deployment)?.is_some_and(|current| removal <= current) {
            let version = self.registry()?.version;
            return Ok(Answer::Registered { version, changed: false });
        }
        let version = self.register(SchemaChange::Removing { deployment, removal, services })?;
        Ok(Answer::Registered { version, changed: true })
    }

    /// On partition 0. The caller has seen that no partition needs the deployment.
    pub(super) fn finish_removal(&mut self, deployment: DeploymentId) -> Result<Answer, TablesError> {
        let Some(row) = self.tables.deployment(deployment)? else {
            return Ok(Answer::Refused(Refusal::NoSuchDeployment(deployment)));
        };
        match self.tables.removal(deployment)? {
            None => return Ok(Answer::Refused(Refusal::NotBeingRemoved(deployment))),
            Some(Removal::Draining) if self.tables.pins(deployment)?.is_some() => {
                return Ok(Answer::Refused(Refusal::Pinned(deployment)));
            }
            Some(Removal::Draining | Removal::Closing) => {}
        }
        for service in &row.services {
            self.forget_revisions(service, deployment)?;
        }
        let version = self.register(SchemaChange::Removed(deployment))?;
        Ok(Answer::Registered { version, changed: true })
    }

    fn forget_revisions(&mut self, service: &Arc<str>, deployment: DeploymentId) -> Result<(), TablesError> {
        let revisions = self.revisions(service)?;
        let highest = revisions.last().map(|(revision, _)| *revision);
        for (revision, row) in revisions {
            if row.is_some_and(|row| row.deployment != deployment) {
                continue;
            }
            let key = Key::Revision(service.clone(), revision);
            if highest == Some(revision) {
                self.tables.put(key, Row::Revision(None));
            } else {
                self.tables.delete(key);
            }
        }
        Ok(())
    }

    /// In every partition. The mark stays for as long as an invocation that was paused is pinned to what is gone.
    pub(super) fn remove_deployment(&mut self, deployment: DeploymentId) -> Result<(), TablesError> {
        self.tables.delete(Key::Deployment(deployment));
        if self.tables.pins(deployment)?.is_none() {
            self.tables.delete(Key::Removal(deployment));
        }
        Ok(())
    }

    /// Pauses an invocation whose deployment is closing. One that is not pinned to it, or has ended, needs nothing.
    pub(super) fn evict(
        &mut self,
        id: InvocationId,
        deployment: DeploymentId,
    ) -> Result<Answer, TablesError> {
        let Some(invocation) = self.tables.invocation(id)?.filter(|row| row.deployment == Some(deployment))
        else {
            return Ok(Self::unknown(id));
        };
        let Some(reason) = self.closed(deployment)? else {
            return Ok(Answer::Refused(Refusal::NotBeingRemoved(deployment)));
        };
        match invocation.status {
            Status::Completed { .. } => Ok(Answer::Refused(Refusal::AlreadyCompleted(id))),
            Status::Paused { .. } => Ok(Answer::Paused { already: true }),
            _ => {
                self.pause(invocation, reason)?;
                Ok(Answer::Paused { already: false })
            }
        }
    }

    fn latest_of(&self, deployment: DeploymentId) -> Result<Vec<Arc<str>>, TablesError> {
        let rows = self.tables.scan(&Prefix::Service, None, usize::MAX)?;
        Ok(rows
            .into_iter()
            .filter_map(|(_, row)| match row {
                Row::Service(service) if service.deployment == deployment => Some(service.name.clone()),
                _ => None,
            })
            .collect())
    }
}
