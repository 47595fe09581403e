//! The HTTP door for invocations: from a request to a command, and from its answer to a response.
//!
//! Here live the routes, what a request must look like, how long a door repeats a command whose fate is unknown, and
//! the mapping of answers and errors to HTTP. The server loop itself is in `relight-http`.
//!
//! What does not live here: what a command does (`relight-core`), and who waits for what (`relight-partition`).
//!
//! Architecture invariant: the ingress only proposes commands. It answers with what `apply` said, never on the
//! strength of something it thinks will happen.
//!
//! Architecture invariant: JSON forms and HTTP types stay in this crate; core types are not serialised.

mod door;
mod invoke;
mod reply;
mod request;
mod resolve;
mod result;
mod route;
mod stats;

use std::{fmt, sync::Arc, time::Duration};

use hyper::StatusCode;
use relight_core::{RequestId, Timestamp, value::ObjectKey};
use relight_http::{Handler, Request, Response, Shutdown, body::BodyLimits};
use relight_partition::{Clock, Partitions, Schema};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

pub use stats::{IngressStats, RouteStats};

use crate::{
    reply::{Rejection, Reply},
    route::{ByBody, Route, answers_both, route},
    stats::{Counters, Label},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    pub body: BodyLimits,
    /// Headers of a request, names and values together.
    pub header_bytes_max: usize,
    /// Requests in flight, those that wait for a result included; further ones are answered with 429.
    pub requests_max: usize,
    /// For how long a door repeats a command whose fate is unknown. Far below the time for which `apply` remembers
    /// answers, so a repetition never runs something twice.
    pub retry_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            body: BodyLimits::bytes(relight_core::limits::ENTRY_BYTES_MAX),
            header_bytes_max: relight_http::serve::HEADER_BYTES_MAX as usize,
            requests_max: 20_000,
            retry_max: Duration::from_secs(15),
        }
    }
}

const _: () = assert!(
    Duration::from_secs(60).as_millis() < relight_core::limits::REQUEST_OUTCOME_MS as u128,
    "a door may repeat a command for a minute"
);

/// The ingress of one node; give it to [`relight_http::serve`].
#[derive(Clone)]
pub struct Ingress {
    inner: Arc<Inner>,
}

struct Inner {
    partitions: Partitions,
    schema: watch::Receiver<Arc<Schema>>,
    options: Options,
    clock: Clock,
    shutdown: Shutdown,
    requests: Semaphore,
    counters: Counters,
}

impl fmt::Debug for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingress").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Ingress {
    pub fn new(partitions: Partitions, options: Options, clock: Clock, shutdown: Shutdown) -> Self {
        let inner = Inner {
            schema: partitions.schema(),
            partitions,
            options,
            clock,
            shutdown,
            requests: Semaphore::new(options.requests_max),
            counters: Counters::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Counters since the start, and the number of requests in flight.
    pub fn stats(&self) -> IngressStats {
        let in_flight = self.inner.options.requests_max - self.inner.requests.available_permits();
        self.inner.counters.read(in_flight)
    }

    fn schema(&self) -> Arc<Schema> {
        self.inner.schema.borrow().clone()
    }

    fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// Identity of a new command of this door to the partition of `key`.
    fn request_id(&self, key: relight_core::ids::PartitionKey) -> RequestId {
        let minted = self.inner.partitions.of(key).mint_at(self.now());
        RequestId::new(minted.0, rand::random())
    }

    async fn answer(&self, request: Request) -> (Label, Result<Reply, Rejection>) {
        let (parts, body) = request.into_parts();
        let schema = self.schema();
        let kind = |name: &str| schema.services.get(name).map(|service| service.kind);
        let route = match route(&parts.method, parts.uri.path(), parts.uri.query(), kind) {
            Ok(route) => route,
            Err(error) => return (Label::Other, Err(error.into())),
        };
        let label = Label::of(&route);
        if route == Route::Health {
            return (label, Ok(health(&schema)));
        }
        if self.inner.shutdown.is_started() {
            let message = "the server is shutting down; nothing was accepted, it is safe to retry".to_owned();
            return (label, Err(Rejection::Unavailable { message, id: None }));
        }
        if let Err(rejection) = request::check_headers(&parts.headers, self.inner.options.header_bytes_max) {
            return (label, Err(rejection));
        }
        let Ok(_permit) = self.inner.requests.try_acquire() else {
            return (label, Err(Rejection::TooManyRequests));
        };
        let principal = match request::principal(&parts) {
            Ok(principal) => principal,
            Err(rejection) => return (label, Err(rejection)),
        };
        tracing::trace!(?principal, ?label, "request");
        let reply = match route {
            Route::Health => unreachable!("answered above"),
            Route::Invoke(target) => self.invoke(&parts, body, &schema, target).await,
            Route::Result(wait, reference) => self.result(wait, &reference).await,
            Route::ByBody(verb) => self.by_body(&parts, body, verb).await,
            Route::Awakeable { id, resolution } => self.awakeable(&parts, body, id, resolution).await,
            Route::Signal { to, name, resolution } => self.signal(&parts, body, to, &name, resolution).await,
            Route::Promise { workflow, key, name, resolution } => {
                let workflow = ObjectKey { service: (&*workflow).into(), key: (&*key).into() };
                self.promise(&parts, body, workflow, &name, resolution).await
            }
        };
        (label, reply)
    }
}

impl Handler for Ingress {
    async fn handle(&self, request: Request) -> Response {
        let both = answers_both(request.uri().path());
        let (label, answer) = self.answer(request).await;
        let reply = answer.unwrap_or_else(|rejection| {
            tracing::debug!(?rejection, "request refused");
            rejection.into()
        });
        self.inner.counters.count(label, reply.status);
        reply.into_response(both)
    }
}

#[derive(Serialize)]
struct Health<'a> {
    services: Vec<&'a str>,
}

/// Names of what can be called from outside.
fn health(schema: &Schema) -> Reply {
    let public = |service: &&Arc<relight_core::Service>| {
        service.handlers.iter().any(|handler| schema.policies(service, handler).public)
    };
    let services = schema.services.values().filter(public).map(|service| &*service.name).collect();
    Reply::json(StatusCode::OK, None, &Health { services })
}

impl Label {
    fn of(route: &Route<'_>) -> Self {
        use route::{InvokeMode, Wait};
        match route {
            Route::Invoke(invoke) => match invoke.mode {
                InvokeMode::Call => Self::Call,
                InvokeMode::Send { .. } => Self::Send,
            },
            Route::Result(Wait::Attach, _) | Route::ByBody(ByBody::Result(Wait::Attach)) => Self::Attach,
            Route::Result(Wait::Output, _) | Route::ByBody(ByBody::Result(Wait::Output)) => Self::Output,
            Route::ByBody(ByBody::Lookup) => Self::Lookup,
            Route::Awakeable { .. } => Self::Awakeable,
            Route::Signal { .. } => Self::Signal,
            Route::Promise { .. } => Self::Promise,
            Route::Health => Self::Health,
        }
    }
}
