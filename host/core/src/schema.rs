//! What is deployed: services with their handlers, and the deployments they come from.
//!
//! These rows are the same in every partition; `apply` reads nothing else about a target. How a component is checked
//! and compiled is the business of admin and executor.

use std::sync::Arc;

use crate::{
    ids::{DeploymentId, Digest, Lsn, Revision},
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

/// Policies, each of which may be left open. [`Service::policies`] says who comes after whom.
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

    /// The first layer that says something counts; what all leave open is as in [`Self::DEFAULT`].
    pub fn of(layers: &[&Options]) -> Self {
        fn first<T>(layers: &[&Options], get: impl Fn(&Options) -> Option<T>) -> Option<T> {
            layers.iter().find_map(|options| get(options))
        }
        let d = Self::DEFAULT;
        Self {
            public: first(layers, |o| o.public).unwrap_or(d.public),
            inactivity_timeout: first(layers, |o| o.inactivity_timeout),
            abort_timeout: first(layers, |o| o.abort_timeout).unwrap_or(d.abort_timeout),
            idempotency_retention: first(layers, |o| o.idempotency_retention)
                .unwrap_or(d.idempotency_retention),
            journal_retention: first(layers, |o| o.journal_retention).unwrap_or(d.journal_retention),
            retry: first(layers, |o| o.retry).unwrap_or(d.retry),
        }
    }
}

/// A change of [`Options`]: what is `None` stays as it is, `Some(None)` is left open again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OptionsPatch {
    pub public: Option<Option<bool>>,
    pub inactivity_timeout: Option<Option<DurationMs>>,
    pub abort_timeout: Option<Option<DurationMs>>,
    pub idempotency_retention: Option<Option<DurationMs>>,
    pub journal_retention: Option<Option<DurationMs>>,
    pub retry: Option<Option<RetryPolicy>>,
}

impl OptionsPatch {
    pub fn apply(&self, to: &Options) -> Options {
        Options {
            public: self.public.unwrap_or(to.public),
            inactivity_timeout: self.inactivity_timeout.unwrap_or(to.inactivity_timeout),
            abort_timeout: self.abort_timeout.unwrap_or(to.abort_timeout),
            idempotency_retention: self.idempotency_retention.unwrap_or(to.idempotency_retention),
            journal_retention: self.journal_retention.unwrap_or(to.journal_retention),
            retry: self.retry.unwrap_or(to.retry),
        }
    }
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

/// One revision of a service; the latest is the one that new invocations use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    pub name: Arc<str>,
    pub kind: ServiceKind,
    pub revision: Revision,
    /// Deployment that new invocations of this revision use.
    pub deployment: DeploymentId,
    pub handlers: Vec<Handler>,
    pub documentation: Option<String>,
    pub options: Options,
    pub metadata: Vec<(String, String)>,
    /// What an operator has set for this revision; wins over what the component says.
    pub overrides: Options,
}

impl Service {
    pub fn handler(&self, name: &str) -> Option<&Handler> {
        self.handlers.iter().find(|handler| &*handler.name == name)
    }

    /// The policies of one of this service's handlers: operator > handler > service > server.
    ///
    /// One thing is not simply overridden: a handler that declares itself private stays so when an operator makes the
    /// service public, since its author has not meant it for outsiders.
    pub fn policies(&self, handler: &Handler, defaults: &Options) -> Policies {
        let policies = Policies::of(&[&self.overrides, &handler.options, &self.options, defaults]);
        let public = policies.public && handler.options.public != Some(false);
        Policies { public, ..policies }
    }

    /// What holds for handlers that leave it open.
    pub fn common_policies(&self, defaults: &Options) -> Policies {
        Policies::of(&[&self.overrides, &self.options, defaults])
    }
}

/// What the tables of a partition know of everything that is deployed, besides services and deployments.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Registry {
    /// LSN of the record in partition 0 that made the last change. All partitions see the changes in its order.
    pub version: Lsn,
    /// The server's policies, for what handlers and services leave open.
    ///
    /// They are configured per server, yet `apply` must not depend on where it runs: so a server proposes them as a
    /// record when it starts, and this row is what `apply` reads.
    pub defaults: Options,
}

/// How far the removal of a deployment is. No new invocation gets a deployment that has one of these, no operator can
/// move an invocation to it, and it is the latest of no service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Removal {
    /// Invocations that are pinned to it go on.
    Draining,
    /// Those that are pinned to it are paused instead of starting another attempt.
    Closing,
}

/// A change of what is deployed: decided in partition 0, then made in every partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SchemaChange {
    /// A deployment, with the services whose latest revision it is now.
    Deployed { deployment: Deployment, services: Vec<Service> },
    /// Other revisions, or other overrides, are the latest.
    Services(Vec<Service>),
    /// The server's policies.
    Defaults(Options),
    /// A deployment is to go, and with it the services that have nothing else.
    Removing { deployment: DeploymentId, removal: Removal, services: Vec<Arc<str>> },
    /// A deployment is gone.
    Removed(DeploymentId),
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
