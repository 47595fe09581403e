//! Deployments: what uses them, and how one is removed.
//!
//! ```text
//! mark it everywhere ─▶ (forced: pause what is pinned) ─▶ nothing needs it ─▶ row ─▶ native code, bytes
//! ```
//! Each step may be the last before a crash. The same request again goes on where it was; bytes whose row is gone are
//! deleted when the server starts.

use std::{collections::BTreeMap, sync::Arc};

use relight_core::{
    Answer, Command, Deployment, DeploymentId, Digest, InvocationId,
    schema::Removal,
    tables::{ReadTables, ReadTablesExt as _, TablesError},
};
use relight_http::path::parameters;
use relight_partition::Schema;
use tokio::task::JoinSet;

use crate::{
    Admin,
    codes::Code,
    door::propose,
    error::{Error, Result},
    invocations::Filter,
    services::{self, Use},
    types::{DeploymentMetadata, DeploymentRemoved, Deployments},
};

/// Commands in flight while invocations are paused.
const EVICTIONS_MAX: usize = 64;
/// Invocations that an answer names; the list of paused ones shows them all.
const PAUSED_NAMED_MAX: usize = 1000;

impl Admin {
    pub(crate) async fn deployments(&self) -> Result<Deployments> {
        let schema = self.schema();
        let pins = self.pins(schema.deployments.keys().copied().collect()).await?;
        let shown = schema.deployments.values().map(|deployment| {
            let pinned = pins.get(&deployment.id).copied().unwrap_or_default();
            services::deployment(deployment, used(&schema, deployment, pinned))
        });
        Ok(Deployments { deployments: shown.collect() })
    }

    pub(crate) async fn deployment(&self, id: DeploymentId) -> Result<DeploymentMetadata> {
        let deployment = self.find_deployment(id)?;
        let pinned = self.pinned(id).await?;
        Ok(services::deployment(&deployment, used(&self.schema(), &deployment, pinned)))
    }

    pub(crate) async fn remove_deployment(
        &self,
        id: DeploymentId,
        query: Option<&str>,
    ) -> Result<DeploymentRemoved> {
        let removal = if is_forced(query)? { Removal::Closing } else { Removal::Draining };
        let _turn = self.inner.deploying.lock().await;
        let deployment = self.find_deployment(id)?;
        let before = self.schema();
        let command =
            Command::StartRemoval { request: self.request_id(self.registry()), deployment: id, removal };
        self.register(&command).await?;
        // From here on nothing new is pinned to it, in any partition.
        let paused = match removal {
            Removal::Closing => self.evict_all(id).await?,
            Removal::Draining => {
                self.refuse_pinned(id).await?;
                Vec::new()
            }
        };
        let command = Command::FinishRemoval { request: self.request_id(self.registry()), deployment: id };
        self.register(&command).await?;
        self.remove_unused(deployment.digest).await;
        let now = self.schema();
        let gone = before.services.keys().filter(|name| !now.services.contains_key(*name));
        tracing::info!(deployment = %id, paused = paused.len(), "deployment removed");
        Ok(DeploymentRemoved {
            id: id.to_string(),
            services: gone.map(ToString::to_string).collect(),
            paused: paused.iter().take(PAUSED_NAMED_MAX).map(ToString::to_string).collect(),
        })
    }

    async fn refuse_pinned(&self, id: DeploymentId) -> Result<()> {
        match self.pinned(id).await? {
            0 => Ok(()),
            count => {
                let message = format!(
                    "{count} invocations that are not completed are pinned to deployment `{id}`; it is draining now"
                );
                Err(Error::new(hyper::StatusCode::CONFLICT, Code::DeploymentInUse, message).hint(
                    "remove it again once they have ended; `force=true` pauses them, to be resumed on another deployment",
                ))
            }
        }
    }

    /// Pauses everything that is pinned to a deployment which is closing. Nothing starts on it any more, so what one
    /// pass over the tables has not found is not there.
    async fn evict_all(&self, deployment: DeploymentId) -> Result<Vec<InvocationId>> {
        let mut paused = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.invocations(Filter::unpaused_on(deployment, cursor)).await?;
            let mut evicting = JoinSet::new();
            for one in &page.invocations {
                let id: InvocationId = one
                    .id
                    .parse()
                    .map_err(|_| Error::internal(format!("a list gave `{}` as an id", one.id)))?;
                while evicting.len() >= EVICTIONS_MAX {
                    paused.extend(evicted(evicting.join_next().await)?);
                }
                let admin = self.clone();
                evicting.spawn(async move { admin.evict(id, deployment).await });
            }
            while !evicting.is_empty() {
                paused.extend(evicted(evicting.join_next().await)?);
            }
            cursor = match page.next {
                Some(next) => Some(
                    next.parse()
                        .map_err(|_| Error::internal(format!("a list gave `{next}` as its cursor")))?,
                ),
                None => return Ok(paused),
            };
        }
    }

    /// The id, if it has been paused by this. One that has ended in the meantime needs nothing.
    async fn evict(&self, id: InvocationId, deployment: DeploymentId) -> Result<Option<InvocationId>> {
        let partition = self.partition_of(id);
        let command = Command::Evict { request: self.request_id(partition), id, deployment };
        match propose(partition, &command).await? {
            Answer::Paused { already: false } => Ok(Some(id)),
            Answer::Paused { already: true } => Ok(None),
            Answer::Refused(
                relight_core::action::Refusal::AlreadyCompleted(_)
                | relight_core::action::Refusal::UnknownInvocation(_),
            ) => Ok(None),
            Answer::Refused(refusal) => Err(refusal.into()),
            other => Err(Error::internal(format!("an eviction was answered with {other:?}"))),
        }
    }

    /// Deletes the bytes and the native code of a component, unless a deployment has the same.
    pub(crate) async fn remove_unused(&self, digest: Digest) {
        if self.schema().deployments.values().any(|deployment| deployment.digest == digest) {
            return;
        }
        let (blobs, executor) = (Arc::clone(&self.inner.blobs), Arc::clone(&self.inner.executor));
        let removed = tokio::task::spawn_blocking(move || {
            executor.forget(digest);
            blobs.remove(digest)
        });
        let removed = removed.await;
        if !matches!(removed, Ok(Ok(()))) {
            // The next start of the server tries again.
            tracing::warn!(%digest, ?removed, "failed to delete a component that no deployment has");
        }
    }

    /// How many invocations that are not completed are pinned to a deployment.
    async fn pinned(&self, id: DeploymentId) -> Result<u64> {
        Ok(self.pins(vec![id]).await?.get(&id).copied().unwrap_or_default())
    }

    async fn pins(&self, ids: Vec<DeploymentId>) -> Result<BTreeMap<DeploymentId, u64>> {
        let mut pins = BTreeMap::new();
        for partition in self.inner.partitions.iter() {
            let ids = ids.clone();
            for (id, count) in partition.read(move |tables| counts(tables, &ids)).await?? {
                *pins.entry(id).or_default() += count;
            }
        }
        Ok(pins)
    }
}

fn evicted(
    one: Option<std::result::Result<Result<Option<InvocationId>>, tokio::task::JoinError>>,
) -> Result<Option<InvocationId>> {
    match one {
        Some(one) => one.map_err(|_| Error::internal("pausing an invocation panicked"))?,
        None => Ok(None),
    }
}

fn counts(
    tables: &dyn ReadTables,
    ids: &[DeploymentId],
) -> std::result::Result<Vec<(DeploymentId, u64)>, TablesError> {
    ids.iter().map(|id| Ok((*id, tables.pins(*id)?.unwrap_or_default()))).collect()
}

fn used(schema: &Schema, deployment: &Deployment, pinned: u64) -> Use {
    let latest = schema.services.values().any(|service| service.deployment == deployment.id);
    Use { latest, pinned, removal: schema.removals.get(&deployment.id).copied() }
}

fn is_forced(query: Option<&str>) -> Result<bool> {
    let mut force = false;
    for parameter in parameters(query) {
        let bad = |message: String| Error::bad(Code::BadRequest, message);
        let (name, value) = parameter.ok_or_else(|| bad("the query is not well encoded".to_owned()))?;
        force = match (name.as_str(), value.as_str()) {
            ("force", "" | "true" | "1") => true,
            ("force", "false" | "0") => false,
            ("force", _) => return Err(bad(format!("`force` is `true` or `false`, not `{value}`"))),
            _ => return Err(bad(format!("unknown parameter `{name}`")).hint("known is force")),
        };
    }
    Ok(force)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_force_is_a_parameter_of_a_removal() {
        for (query, forced) in [(None, false), (Some("force"), true), (Some("force=true"), true)] {
            assert_eq!(is_forced(query), Ok(forced), "{query:?}");
        }
        assert_eq!(is_forced(Some("force=false")), Ok(false));
        for query in ["force=yes", "breaking=true", "force=%"] {
            assert_eq!(is_forced(Some(query)).expect_err(query).code, "RL0001");
        }
    }
}
