//! What is deployed: services with their handlers, and the deployments they come from.
//!
//! These rows are the same in every partition; `apply` reads nothing else about a target. How a component is checked
//! and compiled is the business of admin and executor.

use std::sync::Arc;

use crate::{
    ids::{DeploymentId, Digest, Revision},
    retry::RetryPolicy,
    value::{DurationMs, Timestamp},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceKind {
    Service,
    VirtualObject,
    /// Each key runs once; promises belong to the key.
    Workflow,
}

impl std::fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Service => "service",
            Self::VirtualObject => "virtual object",
            Self::Workflow => "workflow",
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum HandlerMode {
    /// Takes the lock of its key. On a service, which has no keys, every handler runs freely.
    Exclusive,
    /// Reads the state of its key without the lock.
    Shared,
    /// The run of a workflow: takes the lock of its key, once.
    Workflow,
}

/// Policies; what a handler leaves open comes from its service, then from [`Policies::DEFAULT`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    pub public: Option<bool>,
    pub inactivity_timeout: Option<DurationMs>,
    pub abort_timeout: Option<DurationMs>,
    pub idempotency_retention: Option<DurationMs>,
    pub journal_retention: Option<DurationMs>,
    pub retry: Option<RetryPolicy>,
}

/// [`Options`] with nothing left open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policies {
    /// Whether the ingress serves it.
    pub public: bool,
    /// How long a waiting handler lingers before it is suspended; `None`: the executor's adaptive default.
    pub inactivity_timeout: Option<DurationMs>,
    /// Bound of one attempt's uninterrupted running time.
    pub abort_timeout: DurationMs,
    /// How long a completed invocation with an idempotency key, or the run of a workflow, stays readable.
    pub idempotency_retention: DurationMs,
    /// How long the journal of a completed invocation stays readable.
    pub journal_retention: DurationMs,
    pub retry: RetryPolicy,
}

impl Policies {
    pub const DEFAULT: Self = Self {
        public: true,
        inactivity_timeout: None,
        abort_timeout: DurationMs::seconds(600),
        idempotency_retention: DurationMs::hours(24),
        journal_retention: DurationMs::hours(24),
        retry: RetryPolicy::HANDLER,
    };
}

/// What a payload looks like, as its handler declares it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PayloadDef {
    pub required: bool,
    pub content_type: Option<String>,
    pub json_schema: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handler {
    pub name: Arc<str>,
    pub mode: HandlerMode,
    pub input: PayloadDef,
    pub output: PayloadDef,
    pub documentation: Option<String>,
    pub options: Options,
    pub metadata: Vec<(String, String)>,
}

/// The latest revision of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    pub name: Arc<str>,
    pub kind: ServiceKind,
    pub revision: Revision,
    /// Deployment that new invocations use.
    pub deployment: DeploymentId,
    pub handlers: Vec<Handler>,
    pub documentation: Option<String>,
    pub options: Options,
    pub metadata: Vec<(String, String)>,
}

impl Service {
    pub fn handler(&self, name: &str) -> Option<&Handler> {
        self.handlers.iter().find(|handler| &*handler.name == name)
    }

    /// The policies of one of this service's handlers.
    pub fn policies(&self, handler: &Handler) -> Policies {
        fn pick<T: Copy>(
            handler: &Options,
            service: &Options,
            get: impl Fn(&Options) -> Option<T>,
        ) -> Option<T> {
            get(handler).or_else(|| get(service))
        }
        let (h, s, d) = (&handler.options, &self.options, Policies::DEFAULT);
        Policies {
            public: pick(h, s, |o| o.public).unwrap_or(d.public),
            inactivity_timeout: pick(h, s, |o| o.inactivity_timeout),
            abort_timeout: pick(h, s, |o| o.abort_timeout).unwrap_or(d.abort_timeout),
            idempotency_retention: pick(h, s, |o| o.idempotency_retention).unwrap_or(d.idempotency_retention),
            journal_retention: pick(h, s, |o| o.journal_retention).unwrap_or(d.journal_retention),
            retry: pick(h, s, |o| o.retry).unwrap_or(d.retry),
        }
    }
}

/// An effect that a component exports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EffectDef {
    pub name: String,
    pub documentation: Option<String>,
    pub retry: Option<RetryPolicy>,
    pub timeout: Option<DurationMs>,
}

/// One uploaded component with its configuration, immutable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployment {
    pub id: DeploymentId,
    /// Addresses the component's bytes.
    pub digest: Digest,
    pub size_bytes: u64,
    pub created_at: Timestamp,
    /// `host` or `host:port` that its effects may reach.
    pub allow_http: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Linear memory of one instance.
    pub memory_bytes_max: u64,
    /// Names of its services.
    pub services: Vec<Arc<str>>,
    pub effects: Vec<EffectDef>,
    /// Name and version of the SDK it was built with.
    pub sdk: String,
    pub metadata: Vec<(String, String)>,
}

impl Deployment {
    pub fn effect(&self, name: &str) -> Option<&EffectDef> {
        self.effects.iter().find(|effect| effect.name == name)
    }
}
