//! Activating deployments: revisions are assigned here, on partition 0, and copied to every other partition.

use std::sync::Arc;

use super::Transition;
use crate::{
    action::{Action, Answer, Refusal},
    command::Message,
    ids::Revision,
    schema::{Deployment, Service},
    tables::{Key, ReadTablesExt, Row, Tables, TablesError},
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn deploy(
        &mut self,
        deployment: Deployment,
        mut services: Vec<Service>,
    ) -> Result<Answer, TablesError> {
        let id = deployment.id;
        let mut changed = false;
        for service in &mut services {
            let latest = self.tables.service(&service.name)?;
            if let Some(latest) = &latest
                && latest.kind != service.kind
            {
                let (name, deployed) = (service.name.clone(), latest.kind);
                return Ok(Answer::Refused(Refusal::KindChanged { name, deployed }));
            }
            let is_latest = latest.as_ref().is_some_and(|latest| latest.deployment == id);
            let revision = latest.map_or(Revision::ZERO, |latest| latest.revision);
            service.revision = if is_latest { revision } else { revision.next() };
            service.deployment = id;
            changed |= !is_latest;
        }
        let revisions = services.iter().map(|service| (service.name.clone(), service.revision)).collect();
        if changed {
            for partition in self.partition.partitioning.partitions().filter(|id| *id != self.partition.id) {
                let message = Message::Schema { deployment: deployment.clone(), services: services.clone() };
                self.send_to(partition, message)?;
            }
            self.update_schema(deployment, services)?;
        }
        Ok(Answer::Deployed { deployment: id, revisions, changed })
    }

    /// Takes what is newer than what is here.
    pub(super) fn update_schema(
        &mut self,
        deployment: Deployment,
        services: Vec<Service>,
    ) -> Result<(), TablesError> {
        self.tables.put(Key::Deployment(deployment.id), Row::Deployment(Arc::new(deployment)));
        for service in services {
            let latest = self.tables.service(&service.name)?;
            if latest.is_none_or(|latest| latest.revision < service.revision) {
                self.tables.put(Key::Service(service.name.clone()), Row::Service(Arc::new(service)));
            }
        }
        self.actions.push(Action::SchemaChanged);
        Ok(())
    }
}
