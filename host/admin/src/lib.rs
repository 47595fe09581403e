//! The HTTP door for operators: deployments, services, invocations, health.
//!
//! Here live the routes, the JSON types of the admin API ([`types`], which the CLI shares), the flow of an upload, and
//! every error code ([`codes`]).
//!
//! What does not live here: whether a component is a good one (`relight-executor`), what activating it means
//! (`relight-core`), how metrics look (they come as text from whoever wires the server).
//!
//! Architecture invariant: admin changes nothing but by commands. Component bytes are the one exception: they are
//! stored before the command that names them, and mean nothing without it.
//!
//! Architecture invariant: REST types are separate from core types and are converted here.

pub mod bundle;
mod changes;
mod check;
mod codes;
mod config;
mod deploy;
mod detail;
mod door;
mod error;
mod export;
mod invocations;
mod journal;
mod patch;
mod record;
mod registry;
mod removal;
mod resume;
mod route;
#[cfg(test)]
mod samples;
mod services;
pub mod types;
mod verbs;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hyper::{StatusCode, body::Incoming, header::HeaderValue, http::request::Parts};
use relight_core::{Deployment, DeploymentId, Service, Timestamp};
use relight_executor::Executor;
use relight_http::{
    Handler, Request, Response,
    body::{BodyLimits, BodyRate, collect},
    respond,
    serve::header_bytes,
};
use relight_partition::{Clock, Partitions, Role, Schema};
use relight_storage::blobs::Blobs;
use tokio::sync::{Mutex, Semaphore, watch};

pub use codes::{Code, explain};

use crate::{
    check::CHECKS_MAX,
    deploy::UPLOADS_MAX,
    error::{Error, Result},
    invocations::Filter,
    journal::Page,
    record::RECORDS_MAX,
    route::{Route, route},
    types::{Handlers, Health, ServiceMetadata, Services, Version},
    verbs::Choice,
};

/// Bounds of requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// An uploaded component; at most [`relight_executor::limits::COMPONENT_BYTES_MAX`].
    pub component_bytes_max: usize,
    /// Headers of a request, names and values together.
    pub header_bytes_max: usize,
    /// Of every body.
    pub body_rate: BodyRate,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            component_bytes_max: relight_executor::limits::COMPONENT_BYTES_MAX,
            header_bytes_max: relight_http::serve::HEADER_BYTES_MAX as usize,
            body_rate: BodyRate::DEFAULT,
        }
    }
}

/// What admin is made of.
#[derive(Clone)]
pub struct AdminParts {
    pub partitions: Partitions,
    pub executor: Arc<Executor>,
    pub blobs: Arc<Blobs>,
    pub clock: Clock,
    /// Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// WIT text of a component.
    pub wit_text: fn(&[u8]) -> std::result::Result<String, String>,
    pub version: &'static str,
    pub options: Options,
}

/// The admin API of one node; give it to [`relight_http::serve`].
#[derive(Clone)]
pub struct Admin {
    inner: Arc<Inner>,
}

struct Inner {
    partitions: Partitions,
    schema: watch::Receiver<Arc<Schema>>,
    executor: Arc<Executor>,
    blobs: Arc<Blobs>,
    clock: Clock,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    wit_text: fn(&[u8]) -> std::result::Result<String, String>,
    version: &'static str,
    options: Options,
    uploads: Semaphore,
    checks: Semaphore,
    /// Journals in memory.
    records: Arc<Semaphore>,
    /// Held from the comparison with what is deployed to the answer.
    deploying: Mutex<()>,
}

impl fmt::Debug for AdminParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminParts").field("version", &self.version).finish_non_exhaustive()
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("version", &self.inner.version).finish_non_exhaustive()
    }
}

impl Admin {
    pub fn new(parts: AdminParts) -> Self {
        let AdminParts { partitions, executor, blobs, clock, metrics, wit_text, version, options } = parts;
        let inner = Inner {
            schema: partitions.schema(),
            partitions,
            executor,
            blobs,
            clock,
            metrics,
            wit_text,
            version,
            options,
            uploads: Semaphore::new(UPLOADS_MAX),
            checks: Semaphore::new(CHECKS_MAX),
            records: Arc::new(Semaphore::new(RECORDS_MAX)),
            deploying: Mutex::new(()),
        };
        Self { inner: Arc::new(inner) }
    }

    fn schema(&self) -> Arc<Schema> {
        self.inner.schema.borrow().clone()
    }

    fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    fn check_headers(&self, parts: &Parts) -> Result<()> {
        let bytes_max = self.inner.options.header_bytes_max;
        if header_bytes(&parts.headers) <= bytes_max {
            return Ok(());
        }
        let message = format!("the headers are larger than {bytes_max} bytes");
        Err(Error::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Code::HeadersTooLarge, message))
    }

    /// The body of a request, whole.
    async fn body(&self, parts: &Parts, body: Incoming, bytes_max: usize) -> Result<Bytes> {
        let limits = BodyLimits { bytes_max, rate: self.inner.options.body_rate };
        Ok(collect(body, &parts.headers, limits).await?)
    }

    async fn answer(&self, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        self.check_headers(&parts)?;
        let query = parts.uri.query();
        let ok = StatusCode::OK;
        Ok(match route(&parts.method, parts.uri.path())? {
            Route::Live => respond::json(ok, &Health { status: "ok".to_owned() }),
            Route::Ready => self.ready(),
            Route::Version => respond::json(ok, &Version { version: self.inner.version.to_owned() }),
            Route::Metrics => respond::bytes(ok, METRICS_TYPE, (self.inner.metrics)()),
            Route::Deploy => {
                let (status, response) = self.deploy(&parts, body).await?;
                respond::json(status, &response)
            }
            Route::Check => respond::json(ok, &self.check(&parts, body).await?),
            Route::Deployments => respond::json(ok, &self.deployments().await?),
            Route::Deployment(id) => respond::json(ok, &self.deployment(id).await?),
            Route::RemoveDeployment(id) => respond::json(ok, &self.remove_deployment(id, query).await?),
            Route::Component(id) => respond::bytes(ok, WASM_TYPE, self.component(id).await?),
            Route::Wit(id) => {
                let component = self.component(id).await?;
                let wit_text = self.inner.wit_text;
                let text = tokio::task::spawn_blocking(move || wit_text(&component)).await;
                let text = text.map_err(|_| Error::internal("printing the WIT text panicked"))?;
                respond::text(ok, text.map_err(Error::internal)?)
            }
            Route::Services => respond::json(ok, &self.services()),
            Route::Service(name) => respond::json(ok, &self.service_metadata(&name)?),
            Route::PatchService(name) => respond::json(ok, &self.patch_service(&name, &parts, body).await?),
            Route::Revisions(name) => respond::json(ok, &self.revisions(&name).await?),
            Route::Rollback(name) => respond::json(ok, &self.rollback(&name, query).await?),
            Route::Handlers(name) => {
                let ServiceMetadata { handlers, .. } = self.service_metadata(&name)?;
                respond::json(ok, &Handlers { handlers })
            }
            Route::Handler(service, handler) => respond::json(ok, &self.handler(&service, &handler)?),
            Route::Invocations => {
                let filter = Filter::parse(query, self.now())?;
                respond::json(ok, &self.invocations(filter).await?)
            }
            Route::Invocation(id) => respond::json(ok, &self.invocation(id).await?),
            Route::Journal(id) => respond::json(ok, &self.journal(id, Page::parse(query)?).await?),
            Route::Bundle(id) => respond::bytes(ok, JSON_TYPE, self.bundle(id).await?),
            Route::Act(verb, id) => {
                let choice = Choice::parse(verb, query)?;
                let (status, done) = self.act(verb, id, choice).await?;
                respond::json(status, &done)
            }
            Route::Batch(verb) => respond::json(ok, &self.batch(verb, &parts, body).await?),
        })
    }

    /// Ready once this node leads every partition.
    fn ready(&self) -> Response {
        let partitions = &self.inner.partitions;
        let ready = partitions
            .partitioning()
            .partitions()
            .all(|id| matches!(partitions.get(id).status().role, Role::Leader(_)));
        let (status, text) =
            if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "starting") };
        respond::json(status, &Health { status: text.to_owned() })
    }

    fn services(&self) -> Services {
        let schema = self.schema();
        let shown = schema.services.values().map(|service| services::service(service, &schema.defaults));
        Services { services: shown.collect() }
    }

    fn service(&self, name: &str) -> Result<Arc<Service>> {
        let unknown = || Error::not_found(Code::UnknownService, format!("unknown service `{name}`"));
        self.schema().services.get(name).cloned().ok_or_else(unknown)
    }

    fn handler(&self, service: &str, handler: &str) -> Result<types::HandlerMetadata> {
        let service = self.service(service)?;
        let found =
            service.handler(handler).map(|found| services::handler(&service, found, &self.schema().defaults));
        let message = || format!("service `{}` has no handler `{handler}`", service.name);
        found.ok_or_else(|| Error::not_found(Code::UnknownHandler, message()))
    }

    async fn component(&self, id: DeploymentId) -> Result<Bytes> {
        let digest = self.find_deployment(id)?.digest;
        let blobs = Arc::clone(&self.inner.blobs);
        let read = tokio::task::spawn_blocking(move || blobs.read(digest)).await;
        Ok(read.map_err(|_| Error::internal("reading the component panicked"))??)
    }

    pub(crate) fn find_deployment(&self, id: DeploymentId) -> Result<Arc<Deployment>> {
        let unknown = || Error::not_found(Code::UnknownDeployment, format!("unknown deployment `{id}`"));
        self.schema().deployments.get(&id).cloned().ok_or_else(unknown)
    }
}

const METRICS_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const JSON_TYPE: HeaderValue = HeaderValue::from_static("application/json");
const WASM_TYPE: HeaderValue = HeaderValue::from_static("application/wasm");

impl Handler for Admin {
    async fn handle(&self, request: Request) -> Response {
        self.answer(request).await.unwrap_or_else(|error| {
            // 503 says "not now" and is no surprise; 500 is.
            if error.status == StatusCode::INTERNAL_SERVER_ERROR {
                tracing::warn!(code = error.code, message = error.message, "request failed");
            }
            error.into()
        })
    }
}
