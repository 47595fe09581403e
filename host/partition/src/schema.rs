//! [`Schema`]: what is deployed, as one partition's tables say. A copy for doors, which must not wait for a processor.

use std::collections::BTreeMap;
use std::sync::Arc;

use relight_core::ids::{DeploymentId, Lsn};
use relight_core::schema::{Deployment, Handler, Options, Policies, Registry, Removal, Service};
use relight_core::tables::{Key, Prefix, ReadTables, ReadTablesExt as _, Row, TablesError};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schema {
    pub services: BTreeMap<Arc<str>, Arc<Service>>,
    pub deployments: BTreeMap<DeploymentId, Arc<Deployment>>,
    /// Deployments that are about to go.
    pub removals: BTreeMap<DeploymentId, Removal>,
    /// LSN of the record in partition 0 that made the last change.
    pub version: Lsn,
    /// What the server says where handlers and services leave it open.
    pub defaults: Options,
}

impl Schema {
    /// Reads it whole: deployments are few, and nobody deploys often.
    pub(crate) fn load(tables: &impl ReadTables) -> Result<Self, TablesError> {
        let mut schema = Self::default();
        for (key, row) in tables.scan(&Prefix::Service, None, usize::MAX)? {
            match row {
                Row::Service(service) => schema.services.insert(Arc::clone(&service.name), service),
                other => return Err(damaged(key, &other)),
            };
        }
        for (key, row) in tables.scan(&Prefix::Deployment, None, usize::MAX)? {
            match row {
                Row::Deployment(deployment) => schema.deployments.insert(deployment.id, deployment),
                other => return Err(damaged(key, &other)),
            };
        }
        for (key, row) in tables.scan(&Prefix::Removal, None, usize::MAX)? {
            match (key, row) {
                (Key::Removal(id), Row::Removal(removal)) => schema.removals.insert(id, removal),
                (key, other) => return Err(damaged(key, &other)),
            };
        }
        let Registry { version, defaults } = tables.registry()?.unwrap_or_default();
        Ok(Self { version, defaults, ..schema })
    }

    pub fn policies(&self, service: &Service, handler: &Handler) -> Policies {
        service.policies(handler, &self.defaults)
    }
}

/// A row that is not what its key says.
pub(crate) fn damaged(key: Key, row: &Row) -> TablesError {
    TablesError::Damaged { key: Box::new(key), reason: format!("holds {row:?}") }
}
