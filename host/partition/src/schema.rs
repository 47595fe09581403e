//! [`Schema`]: what is deployed, as one partition's tables say. A copy for doors, which must not wait for a processor.

use std::collections::BTreeMap;
use std::sync::Arc;

use relight_core::ids::{DeploymentId, Revision};
use relight_core::schema::{Deployment, Service};
use relight_core::tables::{Prefix, ReadTables, Row, TablesError};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schema {
    pub services: BTreeMap<Arc<str>, Arc<Service>>,
    pub deployments: BTreeMap<DeploymentId, Arc<Deployment>>,
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
        Ok(schema)
    }

    /// Whether it has the deployment and at least these revisions.
    pub fn includes(&self, deployment: DeploymentId, revisions: &[(Arc<str>, Revision)]) -> bool {
        self.deployments.contains_key(&deployment)
            && revisions.iter().all(|(name, revision)| {
                self.services.get(name).is_some_and(|service| *revision <= service.revision)
            })
    }
}

/// A row that is not what its key says.
pub(crate) fn damaged(key: relight_core::tables::Key, row: &Row) -> TablesError {
    TablesError::Damaged { key: Box::new(key), reason: format!("holds {row:?}") }
}
