//! Uploads: check, store, activate, wait until every partition knows.
//!
//! Nothing is stored unless the check succeeds, and the component's bytes are durable before the record that
//! activates them is proposed.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{StatusCode, body::Incoming, http::request::Parts};
use relight_core::{
    Answer, Command, Deployment, DeploymentId, Revision, Service, Timestamp, ids::Lsn, schema::Options,
};
use relight_executor::{Checked, UploadError};
use relight_partition::Schema;

use crate::{
    Admin,
    changes::changes,
    codes::Code,
    config::Config,
    door::propose,
    error::{Error, Result},
    services,
    types::{ChangeMetadata, DeployResponse, ServiceMetadata},
};

/// Uploads that are held in memory at once; each may be as large as a component. Further ones wait.
pub(crate) const UPLOADS_MAX: usize = 4;

/// What `apply` has made of a deployment.
struct Activated {
    revisions: Vec<(Arc<str>, Revision)>,
    /// Whether anything is new.
    changed: bool,
    version: Lsn,
}

impl Admin {
    pub(crate) async fn deploy(&self, parts: &Parts, body: Incoming) -> Result<(StatusCode, DeployResponse)> {
        let config = Config::parse(parts.uri.query())?;
        let _upload = self.inner.uploads.acquire().await.expect("the semaphore is never closed");
        let component = self.uploaded(parts, body).await?;
        let checked = self.inner.executor.check(component.clone(), config.memory_bytes_max).await?;
        // From here one upload at a time: what it is compared with must not change under it.
        let _turn = self.inner.deploying.lock().await;
        let schema = self.schema();
        let id = config.deployment_id(checked.digest);
        let services: Vec<Service> =
            checked.services.iter().map(|service| Service { deployment: id, ..service.clone() }).collect();
        let changes: Vec<ChangeMetadata> = services
            .iter()
            .flat_map(|new| changes(latest(&schema, id, new).as_deref(), new, &schema.defaults))
            .collect();
        refuse_breaking(&config, &changes)?;
        if config.dry_run {
            let revisions = expected_revisions(&schema, id, &services);
            let shown = shown(services, &revisions, &schema.defaults);
            return Ok((StatusCode::OK, response(id, &checked, shown, changes)));
        }
        let Activated { revisions, changed, version } =
            self.activate(&config, id, &checked, &services, component).await?;
        self.everywhere(version, &format!("deployment `{id}` is stored")).await?;
        tracing::info!(deployment = %id, changed, "deployed");
        let status = if changed { StatusCode::CREATED } else { StatusCode::OK };
        let schema = self.schema();
        // As they are now: those that were deployed already keep what an operator has set.
        let services = services.into_iter().map(|new| match schema.services.get(&new.name) {
            Some(latest) if latest.deployment == id => Service::clone(latest),
            _ => new,
        });
        let shown = shown(services.collect(), &revisions, &schema.defaults);
        Ok((status, response(id, &checked, shown, changes)))
    }

    /// The component in the body of a request.
    pub(crate) async fn uploaded(&self, parts: &Parts, body: Incoming) -> Result<Bytes> {
        let bytes_max = self.inner.options.component_bytes_max;
        self.body(parts, body, bytes_max).await.map_err(|error| match error.status {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(bytes_max),
            _ => error,
        })
    }

    /// Stores the bytes, then proposes the deployment.
    async fn activate(
        &self,
        config: &Config,
        id: DeploymentId,
        checked: &Checked,
        services: &[Service],
        component: Bytes,
    ) -> Result<Activated> {
        let blobs = Arc::clone(&self.inner.blobs);
        let stored = tokio::task::spawn_blocking(move || blobs.put(&component));
        stored.await.map_err(|_| Error::internal("storing the component panicked"))??;
        let deployment = deployment(config, id, checked, self.now());
        let request = self.request_id(self.registry());
        let command = Command::Deploy { request, deployment, services: services.to_vec() };
        match propose(self.registry(), &command).await? {
            Answer::Deployed { revisions, changed, version, .. } => {
                Ok(Activated { revisions, changed, version })
            }
            Answer::Refused(refusal) => {
                self.remove_unused(checked.digest).await;
                Err(refusal.into())
            }
            other => Err(Error::internal(format!("a deployment was answered with {other:?}"))),
        }
    }
}

/// What a component becomes with a configuration.
pub(crate) fn deployment(
    config: &Config,
    id: DeploymentId,
    checked: &Checked,
    created_at: Timestamp,
) -> Deployment {
    Deployment {
        id,
        digest: checked.digest,
        size_bytes: checked.size_bytes,
        created_at,
        allow_http: config.allow_http.clone(),
        env: config.env.clone(),
        memory_bytes_max: config.memory_bytes_max,
        services: checked.services.iter().map(|service| Arc::clone(&service.name)).collect(),
        effects: checked.effects.clone(),
        sdk: checked.sdk.clone(),
        metadata: config.metadata.clone(),
    }
}

fn too_large(bytes_max: usize) -> Error {
    let error = UploadError::TooLarge { bytes: bytes_max + 1, bytes_max };
    Error { message: format!("the component is larger than {bytes_max} bytes"), ..error.into() }
}

fn refuse_breaking(config: &Config, changes: &[ChangeMetadata]) -> Result<()> {
    let breaking: Vec<_> =
        changes.iter().filter(|change| change.breaking).map(|change| change.message.as_str()).collect();
    if config.breaking || breaking.is_empty() {
        return Ok(());
    }
    let message = format!("callers may break: {}", breaking.join("; "));
    Err(Error::new(StatusCode::CONFLICT, Code::Breaking, message)
        .hint(
        "deploy with `breaking=true` (`--breaking`) when no caller needs them any more; `relight check` tells which \
         invocations in flight could move to it",
    ))
}

/// What `apply` would assign: the next revision of each service, unless the deployment is its latest already.
fn expected_revisions(schema: &Schema, id: DeploymentId, services: &[Service]) -> Vec<(Arc<str>, Revision)> {
    let revision = |service: &Service| match schema.services.get(&service.name) {
        Some(latest) if latest.deployment == id => latest.revision,
        Some(latest) => latest.revision.next(),
        None => Revision(1),
    };
    services.iter().map(|service| (Arc::clone(&service.name), revision(service))).collect()
}

/// The latest revision that `new` comes after. One of the same deployment is no other revision: what an operator has
/// set for it stays.
fn latest(schema: &Schema, id: DeploymentId, new: &Service) -> Option<Arc<Service>> {
    let latest = schema.services.get(&new.name)?;
    if latest.deployment == id { Some(Arc::new(new.clone())) } else { Some(Arc::clone(latest)) }
}

fn shown(
    services: Vec<Service>,
    revisions: &[(Arc<str>, Revision)],
    defaults: &Options,
) -> Vec<ServiceMetadata> {
    let revision =
        |name: &Arc<str>| revisions.iter().find(|(known, _)| known == name).map(|(_, revision)| *revision);
    let shown = services.into_iter().map(|service| {
        let revision = revision(&service.name).unwrap_or(service.revision);
        services::service(&Service { revision, ..service }, defaults)
    });
    shown.collect()
}

fn response(
    id: DeploymentId,
    checked: &Checked,
    services: Vec<ServiceMetadata>,
    changes: Vec<ChangeMetadata>,
) -> DeployResponse {
    DeployResponse {
        id: id.to_string(),
        digest: checked.digest.to_string(),
        services,
        imports: checked.imports.clone(),
        size_bytes: checked.size_bytes,
        compiled_in_ms: u64::try_from(checked.compiled_in.as_millis()).unwrap_or(u64::MAX),
        info: changes.iter().map(|change| change.message.clone()).collect(),
        changes,
    }
}

impl From<UploadError> for Error {
    fn from(error: UploadError) -> Self {
        let status = if error.is_host_fault() {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        Self {
            status,
            code: error.code(),
            message: error.to_string(),
            hint: Some(error.hint().to_owned()),
            at: error.offset(),
            divergence: None,
            allow: None,
        }
    }
}
