//! What is deployed: decided on partition 0, where revisions are assigned, and copied to every other partition.

use std::sync::Arc;

use super::Transition;
use crate::{
    action::{Action, Answer, Refusal},
    command::Message,
    ids::{Lsn, Revision},
    schema::{Deployment, Options, Policies, Registry, SchemaChange, Service},
    tables::{Key, Prefix, ReadTablesExt, Row, Tables, TablesError},
};

/// A revision as it is kept.
pub(super) type Kept = (Revision, Option<Arc<Service>>);

impl<T: Tables> Transition<'_, T> {
    pub(super) fn deploy(
        &mut self,
        deployment: Deployment,
        services: Vec<Service>,
    ) -> Result<Answer, TablesError> {
        let id = deployment.id;
        let (mut revisions, mut newer) = (Vec::new(), Vec::new());
        for mut service in services {
            let latest = self.tables.service(&service.name)?;
            match latest {
                Some(latest) if latest.kind != service.kind => {
                    let (name, deployed) = (service.name, latest.kind);
                    return Ok(Answer::Refused(Refusal::KindChanged { name, deployed }));
                }
                Some(latest) if latest.deployment == id => {
                    revisions.push((latest.name.clone(), latest.revision));
                }
                Some(_) | None => {
                    let highest = self.revisions(&service.name)?.last().map(|(revision, _)| *revision);
                    service.revision = highest.unwrap_or_default().next();
                    service.deployment = id;
                    revisions.push((service.name.clone(), service.revision));
                    newer.push(service);
                }
            }
        }
        if newer.is_empty() {
            let version = self.registry()?.version;
            return Ok(Answer::Deployed { deployment: id, revisions, changed: false, version });
        }
        for service in &newer {
            self.put_revision(service.clone());
        }
        let version = self.register(SchemaChange::Deployed { deployment, services: newer })?;
        Ok(Answer::Deployed { deployment: id, revisions, changed: true, version })
    }

    pub(super) fn configure(&mut self, defaults: Options) -> Result<Answer, TablesError> {
        let Registry { version, defaults: current } = self.registry()?;
        if current == defaults {
            return Ok(Answer::Registered { version, changed: false });
        }
        let version = self.register(SchemaChange::Defaults(defaults))?;
        Ok(Answer::Registered { version, changed: true })
    }

    /// Makes a change that partition 0 has decided, here and in every other partition.
    pub(super) fn register(&mut self, change: SchemaChange) -> Result<Lsn, TablesError> {
        let version = self.lsn;
        for partition in self.partition.partitioning.partitions().filter(|id| *id != self.partition.id) {
            self.send_to(partition, Message::Schema { version, change: change.clone() })?;
        }
        self.update_schema(version, change)?;
        Ok(version)
    }

    /// Changes come in the order of partition 0: the outbox is dense and delivery skips what is known.
    pub(super) fn update_schema(&mut self, version: Lsn, change: SchemaChange) -> Result<(), TablesError> {
        let mut registry = Registry { version, ..self.registry()? };
        match change {
            SchemaChange::Deployed { deployment, services } => {
                self.tables.delete(Key::Removal(deployment.id));
                self.tables.put(Key::Deployment(deployment.id), Row::Deployment(Arc::new(deployment)));
                self.put_services(services);
            }
            SchemaChange::Services(services) => self.put_services(services),
            SchemaChange::Defaults(defaults) => registry.defaults = defaults,
            SchemaChange::Removing { deployment, removal, services } => {
                self.tables.put(Key::Removal(deployment), Row::Removal(removal));
                for service in services {
                    self.tables.delete(Key::Service(service));
                }
            }
            SchemaChange::Removed(deployment) => self.remove_deployment(deployment)?,
        }
        self.tables.put(Key::Registry, Row::Registry(registry));
        self.actions.push(Action::SchemaChanged);
        Ok(())
    }

    fn put_services(&mut self, services: Vec<Service>) {
        for service in services {
            self.tables.put(Key::Service(service.name.clone()), Row::Service(Arc::new(service)));
        }
    }

    pub(super) fn registry(&self) -> Result<Registry, TablesError> {
        Ok(self.tables.registry()?.unwrap_or_default())
    }

    /// Policies of a target that is not deployed.
    pub(super) fn default_policies(&self) -> Result<Policies, TablesError> {
        Ok(Policies::of(&[&self.registry()?.defaults]))
    }

    pub(super) fn put_revision(&mut self, service: Service) {
        let key = Key::Revision(service.name.clone(), service.revision);
        self.tables.put(key, Row::Revision(Some(Arc::new(service))));
    }

    /// Every revision that a service has, oldest first; without a value those whose deployment was removed.
    pub(super) fn revisions(&self, service: &Arc<str>) -> Result<Vec<Kept>, TablesError> {
        self.tables
            .scan(&Prefix::Revision(service.clone()), None, usize::MAX)?
            .into_iter()
            .map(|(key, row)| match (key, row) {
                (Key::Revision(_, revision), Row::Revision(service)) => Ok((revision, service)),
                (key, row) => {
                    Err(TablesError::Damaged { key: Box::new(key), reason: format!("holds {row:?}") })
                }
            })
            .collect()
    }
}
