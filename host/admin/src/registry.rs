//! Services as operators see and change them: revisions, rollback, policies; and what a server does with what is
//! deployed when it starts.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hyper::{StatusCode, body::Incoming, http::request::Parts};
use relight_core::{
    Answer, Command, Revision, Service,
    ids::Lsn,
    schema::Options,
    tables::{Key, Prefix, ReadTables, Row, TablesError},
};
use relight_http::path::parameters;

use crate::{
    Admin,
    changes::changes,
    codes::Code,
    door::propose,
    error::{Error, Result},
    patch, services,
    types::{RevisionMetadata, Revisions, RolledBack, ServiceMetadata},
};

/// How long an answer waits until every partition has made a change. Then it is carried out there some time later.
const EVERYWHERE_MAX: Duration = Duration::from_secs(30);
/// A patch names at most a dozen settings.
const PATCH_BYTES_MAX: usize = 16 << 10;

impl Admin {
    /// Makes what is deployed as this server needs it: its policies are those that `apply` reads, and nothing lies
    /// about that no deployment has, such as what a crash has left of a removal or an upload.
    ///
    /// To be called once, when every partition is led and before the doors open: an upload would be taken for a leftover.
    pub async fn start(&self, defaults: Options) -> std::result::Result<(), String> {
        if self.schema().defaults != defaults {
            let command = Command::Configure { request: self.request_id(self.registry()), defaults };
            self.register(&command).await.map_err(|error| error.message)?;
        }
        let schema = self.schema();
        let digests: BTreeSet<_> = schema.deployments.values().map(|deployment| deployment.digest).collect();
        let (blobs, executor) = (Arc::clone(&self.inner.blobs), Arc::clone(&self.inner.executor));
        let swept = tokio::task::spawn_blocking(move || {
            executor.retain(&digests).map_err(|error| error.to_string())?;
            blobs.retain(&digests).map_err(|error| error.to_string())
        });
        let removed = swept.await.map_err(|error| error.to_string())??;
        if removed > 0 {
            tracing::info!(removed, "deleted components that no deployment has");
        }
        Ok(())
    }

    /// Proposes a change of what is deployed and waits until every partition has made it. Answers whether it was one.
    pub(crate) async fn register(&self, command: &Command) -> Result<bool> {
        match propose(self.registry(), command).await? {
            Answer::Registered { version, changed } => {
                self.everywhere(version, "the change is stored").await?;
                Ok(changed)
            }
            Answer::Refused(refusal) => Err(refusal.into()),
            other => {
                Err(Error::internal(format!("a change of what is deployed was answered with {other:?}")))
            }
        }
    }

    /// `stored`: what is certain, in words.
    pub(crate) async fn everywhere(&self, version: Lsn, stored: &str) -> Result<()> {
        let everywhere = self.inner.partitions.registered_everywhere(version);
        match tokio::time::timeout(EVERYWHERE_MAX, everywhere).await {
            Ok(everywhere) => Ok(everywhere?),
            Err(_) => {
                let message = format!("{stored}, but not every partition knows it yet");
                Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, Code::NoLeader, message)
                    .hint("they will; do the same again to be sure"))
            }
        }
    }

    /// The latest revision of a service, as it is now.
    pub(crate) fn service_metadata(&self, name: &str) -> Result<ServiceMetadata> {
        Ok(services::service(&*self.service(name)?, &self.schema().defaults))
    }

    pub(crate) async fn revisions(&self, name: &str) -> Result<Revisions> {
        let service: Arc<str> = name.into();
        let kept = self.registry().read(move |tables| kept_revisions(tables, &service)).await??;
        if kept.is_empty() {
            return Err(Error::not_found(Code::UnknownService, format!("unknown service `{name}`")));
        }
        let latest = self.schema().services.get(name).map(|service| service.revision);
        let revisions = kept.iter().map(|service| RevisionMetadata {
            revision: service.revision.0,
            deployment_id: service.deployment.to_string(),
            latest: latest == Some(service.revision),
            handlers: service.handlers.iter().map(|handler| handler.name.to_string()).collect(),
        });
        Ok(Revisions { revisions: revisions.collect() })
    }

    pub(crate) async fn rollback(&self, name: &str, query: Option<&str>) -> Result<RolledBack> {
        let revision = revision(query)?;
        let _turn = self.inner.deploying.lock().await;
        let before = self.schema().services.get(name).cloned();
        let command =
            Command::Rollback { request: self.request_id(self.registry()), service: name.into(), revision };
        self.register(&command).await?;
        let schema = self.schema();
        let after = self.service(name)?;
        tracing::info!(service = name, revision = after.revision.0, "rolled back");
        Ok(RolledBack {
            service: services::service(&after, &schema.defaults),
            previous_revision: before.as_ref().map(|service| service.revision.0),
            changes: changes(before.as_deref(), &after, &schema.defaults),
        })
    }

    pub(crate) async fn patch_service(
        &self,
        name: &str,
        parts: &Parts,
        body: Incoming,
    ) -> Result<ServiceMetadata> {
        let body = self.body(parts, body, PATCH_BYTES_MAX).await?;
        let _turn = self.inner.deploying.lock().await;
        let service = self.service(name)?;
        let patch = patch::parse(&body, service.kind, &service.common_policies(&self.schema().defaults))?;
        let command = Command::PatchService {
            request: self.request_id(self.registry()),
            service: service.name.clone(),
            patch,
        };
        self.register(&command).await?;
        self.service_metadata(name)
    }
}

/// Revisions whose deployment exists, oldest first.
fn kept_revisions(
    tables: &dyn ReadTables,
    service: &Arc<str>,
) -> std::result::Result<Vec<Arc<Service>>, TablesError> {
    let rows = tables.scan(&Prefix::Revision(service.clone()), None, usize::MAX)?;
    let kept = |(key, row): (Key, Row)| match row {
        Row::Revision(service) => Ok(service),
        other => Err(TablesError::Damaged { key: Box::new(key), reason: format!("holds {other:?}") }),
    };
    rows.into_iter().map(kept).filter_map(std::result::Result::transpose).collect()
}

/// `revision` in the query of a rollback; `None`: the one before the latest.
fn revision(query: Option<&str>) -> Result<Option<Revision>> {
    let bad = |message: String| Error::bad(Code::BadRequest, message);
    let mut revision = None;
    for parameter in parameters(query) {
        let (name, value) = parameter.ok_or_else(|| bad("the query is not well encoded".to_owned()))?;
        if name != "revision" {
            return Err(bad(format!("unknown parameter `{name}`")).hint("known is revision"));
        }
        let number = value.parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| bad(format!("`revision` is a number from 1 on, not `{value}`")))?;
        revision = Some(Revision(number));
    }
    Ok(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_takes_a_revision_or_nothing() {
        assert_eq!(revision(None), Ok(None));
        assert_eq!(revision(Some("revision=3")), Ok(Some(Revision(3))));
        for query in ["revision=0", "revision=", "revision=-1", "revision=x", "to=3", "revision=%"] {
            let error = revision(Some(query)).expect_err(query);
            assert_eq!((error.status.as_u16(), error.code), (400, "RL0001"));
        }
    }
}
