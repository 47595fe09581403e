//! What operators do to a service: make another revision the latest, set policies. On partition 0.

use std::sync::Arc;

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    ids::Revision,
    schema::{OptionsPatch, SchemaChange, Service},
    tables::{ReadTablesExt, Tables, TablesError},
};

impl<T: Tables> Transition<'_, T> {
    /// Makes `revision` the latest; `None`: the one before the latest. Its number stays; the next deployment gets a
    /// number that was never used.
    pub(super) fn rollback(
        &mut self,
        name: &Arc<str>,
        revision: Option<Revision>,
    ) -> Result<Answer, TablesError> {
        let latest = self.tables.service(name)?;
        let kept: Vec<Arc<Service>> =
            self.revisions(name)?.into_iter().filter_map(|(_, service)| service).collect();
        if latest.is_none() && kept.is_empty() {
            return Ok(Answer::Refused(Refusal::UnknownService(name.clone())));
        }
        let is_earlier =
            |service: &Service| latest.as_ref().is_none_or(|latest| service.revision < latest.revision);
        let wanted = match revision {
            Some(revision) => kept.into_iter().find(|service| service.revision == revision),
            None => kept.into_iter().rfind(|service| is_earlier(service)),
        };
        let Some(wanted) = wanted else {
            let service = name.clone();
            return Ok(Answer::Refused(match revision {
                Some(revision) => Refusal::UnknownRevision { service, revision },
                None => Refusal::NoEarlierRevision(service),
            }));
        };
        if let Some(latest) = &latest {
            if latest.revision == wanted.revision {
                let version = self.registry()?.version;
                return Ok(Answer::Registered { version, changed: false });
            }
            if latest.kind != wanted.kind {
                let (name, deployed) = (name.clone(), latest.kind);
                return Ok(Answer::Refused(Refusal::KindChanged { name, deployed }));
            }
        }
        if self.tables.removal(wanted.deployment)?.is_some() {
            return Ok(Answer::Refused(Refusal::BeingRemoved(wanted.deployment)));
        }
        let version = self.register(SchemaChange::Services(vec![Service::clone(&wanted)]))?;
        Ok(Answer::Registered { version, changed: true })
    }

    /// Sets policies of the latest revision. They belong to it: the next deployment begins with what its component
    /// says, and a rollback brings them back.
    pub(super) fn patch_service(
        &mut self,
        name: &Arc<str>,
        patch: &OptionsPatch,
    ) -> Result<Answer, TablesError> {
        let Some(latest) = self.tables.service(name)? else {
            return Ok(Answer::Refused(Refusal::UnknownService(name.clone())));
        };
        let overrides = patch.apply(&latest.overrides);
        if overrides == latest.overrides {
            let version = self.registry()?.version;
            return Ok(Answer::Registered { version, changed: false });
        }
        let service = Service { overrides, ..Service::clone(&latest) };
        self.put_revision(service.clone());
        let version = self.register(SchemaChange::Services(vec![service]))?;
        Ok(Answer::Registered { version, changed: true })
    }
}
