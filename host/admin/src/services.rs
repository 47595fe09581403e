//! Services and deployments as JSON.

use relight_core::{
    Deployment, DurationMs, Handler, HandlerMode, Service, ServiceKind,
    retry::{OnExhausted, RetryPolicy},
    schema::{EffectDef, Options, PayloadDef, Removal},
};
use relight_http::time::{format_duration, format_instant};

use crate::types::{
    DeploymentMetadata, EffectMetadata, HandlerMetadata, Overrides, PayloadMetadata, RetryPolicyMetadata,
    ServiceMetadata,
};

/// `defaults`: what the server says where handlers and services leave it open.
pub(crate) fn service(service: &Service, defaults: &Options) -> ServiceMetadata {
    let policies = service.common_policies(defaults);
    ServiceMetadata {
        name: service.name.to_string(),
        ty: match service.kind {
            ServiceKind::Service => "Service",
            ServiceKind::VirtualObject => "VirtualObject",
            ServiceKind::Workflow => "Workflow",
        }
        .to_owned(),
        handlers: service.handlers.iter().map(|one| handler(service, one, defaults)).collect(),
        deployment_id: service.deployment.to_string(),
        revision: service.revision.0,
        public: policies.public,
        documentation: service.documentation.clone(),
        idempotency_retention: duration(policies.idempotency_retention),
        workflow_completion_retention: (service.kind == ServiceKind::Workflow)
            .then(|| duration(policies.idempotency_retention)),
        journal_retention: duration(policies.journal_retention),
        inactivity_timeout: policies.inactivity_timeout.map(duration),
        abort_timeout: duration(policies.abort_timeout),
        retry_policy: retry_policy(&policies.retry),
        metadata: service.metadata.iter().cloned().collect(),
        overrides: (service.overrides != Options::default()).then(|| overrides(&service.overrides)),
    }
}

pub(crate) fn handler(service: &Service, handler: &Handler, defaults: &Options) -> HandlerMetadata {
    let policies = service.policies(handler, defaults);
    HandlerMetadata {
        name: handler.name.to_string(),
        ty: match (service.kind, handler.mode) {
            (ServiceKind::Service, _) => None,
            (ServiceKind::VirtualObject | ServiceKind::Workflow, mode) => Some(mode_name(mode).to_owned()),
        },
        public: policies.public,
        documentation: handler.documentation.clone(),
        input: payload(&handler.input),
        output: payload(&handler.output),
        idempotency_retention: duration(policies.idempotency_retention),
        journal_retention: duration(policies.journal_retention),
        inactivity_timeout: policies.inactivity_timeout.map(duration),
        abort_timeout: duration(policies.abort_timeout),
        retry_policy: retry_policy(&policies.retry),
        metadata: handler.metadata.iter().cloned().collect(),
    }
}

/// How much a deployment is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Use {
    /// It is the latest of a service.
    pub(crate) latest: bool,
    /// Invocations that are pinned to it and not completed.
    pub(crate) pinned: u64,
    pub(crate) removal: Option<Removal>,
}

pub(crate) fn deployment(deployment: &Deployment, used: Use) -> DeploymentMetadata {
    let status = match used {
        Use { latest: true, .. } => "active",
        Use { pinned: 1.., .. } => "draining",
        Use { .. } => "drained",
    };
    DeploymentMetadata {
        id: deployment.id.to_string(),
        digest: deployment.digest.to_string(),
        size_bytes: deployment.size_bytes,
        created_at: format_instant(deployment.created_at.0),
        services: deployment.services.iter().map(ToString::to_string).collect(),
        effects: deployment.effects.iter().map(effect).collect(),
        sdk: deployment.sdk.clone(),
        allow_http: deployment.allow_http.clone(),
        env: deployment.env.iter().cloned().collect(),
        memory_max: deployment.memory_bytes_max,
        metadata: deployment.metadata.iter().cloned().collect(),
        status: status.to_owned(),
        pinned_invocations: used.pinned,
        removal: used.removal.map(|removal| {
            match removal {
                Removal::Draining => "draining",
                Removal::Closing => "closing",
            }
            .to_owned()
        }),
    }
}

fn effect(effect: &EffectDef) -> EffectMetadata {
    EffectMetadata {
        name: effect.name.clone(),
        documentation: effect.documentation.clone(),
        timeout: effect.timeout.map(duration),
        retry_policy: effect.retry.as_ref().map(retry_policy),
    }
}

fn overrides(options: &Options) -> Overrides {
    Overrides {
        public: options.public,
        idempotency_retention: options.idempotency_retention.map(duration),
        journal_retention: options.journal_retention.map(duration),
        inactivity_timeout: options.inactivity_timeout.map(duration),
        abort_timeout: options.abort_timeout.map(duration),
        retry_policy: options.retry.as_ref().map(retry_policy),
    }
}

fn payload(payload: &PayloadDef) -> PayloadMetadata {
    PayloadMetadata {
        required: payload.required,
        content_type: payload.content_type.clone(),
        json_schema: payload.json_schema.clone(),
    }
}

pub(crate) fn retry_policy(policy: &RetryPolicy) -> RetryPolicyMetadata {
    RetryPolicyMetadata {
        initial_interval: duration(policy.initial_interval),
        factor_milli: policy.factor_milli,
        max_interval: duration(policy.max_interval),
        max_attempts: policy.max_attempts,
        max_duration: policy.max_duration.map(duration),
        on_exhausted: match policy.on_exhausted {
            OnExhausted::Fail => "Fail",
            OnExhausted::Pause => "Pause",
        }
        .to_owned(),
    }
}

pub(crate) fn duration(duration: DurationMs) -> String {
    format_duration(duration.0)
}

pub(crate) fn mode_name(mode: HandlerMode) -> &'static str {
    match mode {
        HandlerMode::Exclusive => "Exclusive",
        HandlerMode::Shared => "Shared",
        HandlerMode::Workflow => "Workflow",
    }
}

#[cfg(test)]
mod tests {
    use relight_core::{DeploymentId, Revision};

    use super::*;

    fn a_handler(name: &str, mode: HandlerMode) -> Handler {
        Handler {
            name: name.into(),
            mode,
            input: PayloadDef::default(),
            output: PayloadDef::default(),
            documentation: None,
            options: Options::default(),
            metadata: Vec::new(),
        }
    }

    fn cart(handlers: Vec<Handler>) -> Service {
        Service {
            name: "Cart".into(),
            kind: ServiceKind::VirtualObject,
            revision: Revision(2),
            deployment: DeploymentId(7),
            handlers,
            documentation: None,
            options: Options::default(),
            metadata: Vec::new(),
            overrides: Options::default(),
        }
    }

    #[test]
    fn metadata_shows_what_holds() {
        let mut service =
            cart(vec![a_handler("add", HandlerMode::Exclusive), a_handler("get", HandlerMode::Shared)]);
        service.options.journal_retention = Some(DurationMs(0));
        service.handlers[1].options.public = Some(false);
        let shown = super::service(&service, &Options::default());
        assert_eq!((shown.ty.as_str(), shown.revision, shown.public), ("VirtualObject", 2, true));
        assert_eq!((shown.journal_retention.as_str(), shown.idempotency_retention.as_str()), ("0s", "24h"));
        assert_eq!(shown.retry_policy.initial_interval, "50ms");
        let modes: Vec<_> = shown.handlers.iter().map(|handler| handler.ty.as_deref()).collect();
        assert_eq!(modes, [Some("Exclusive"), Some("Shared")]);
        assert!(!shown.handlers[1].public);
        assert_eq!(shown.handlers[0].journal_retention, "0s");
    }

    #[test]
    fn an_operator_comes_before_handler_service_and_server() {
        let mut service =
            cart(vec![a_handler("add", HandlerMode::Exclusive), a_handler("get", HandlerMode::Shared)]);
        let retry = |attempts| Some(RetryPolicy { max_attempts: Some(attempts), ..RetryPolicy::HANDLER });
        let defaults = Options { retry: retry(5), public: None, ..Options::default() };
        let attempts = |service: &Service| {
            let shown = super::service(service, &defaults);
            let handlers = shown.handlers.iter().map(|handler| handler.retry_policy.max_attempts);
            (shown.retry_policy.max_attempts, handlers.collect::<Vec<_>>())
        };
        assert_eq!(attempts(&service), (Some(5), vec![Some(5), Some(5)]));
        service.options.retry = retry(4);
        service.handlers[0].options.retry = retry(3);
        assert_eq!(attempts(&service), (Some(4), vec![Some(3), Some(4)]));
        assert_eq!(super::service(&service, &defaults).overrides, None);
        service.overrides.retry = retry(2);
        assert_eq!(attempts(&service), (Some(2), vec![Some(2), Some(2)]));
        let shown =
            super::service(&service, &defaults).overrides.and_then(|overrides| overrides.retry_policy);
        assert_eq!(shown.and_then(|policy| policy.max_attempts), Some(2));
    }

    #[test]
    fn a_handler_that_declares_itself_private_stays_so() {
        let mut service =
            cart(vec![a_handler("add", HandlerMode::Exclusive), a_handler("get", HandlerMode::Shared)]);
        service.handlers[0].options.public = Some(false);
        service.handlers[1].options.public = Some(true);
        let public = |service: &Service| {
            let shown = super::service(service, &Options::default());
            shown.handlers.iter().map(|handler| handler.public).collect::<Vec<_>>()
        };
        assert_eq!(public(&service), [false, true]);
        service.overrides.public = Some(true);
        assert_eq!(public(&service), [false, true]);
        service.overrides.public = Some(false);
        assert_eq!(public(&service), [false, false]);
    }

    #[test]
    fn handlers_of_a_service_have_no_mode() {
        let mut service = cart(vec![a_handler("add", HandlerMode::Exclusive)]);
        service.kind = ServiceKind::Service;
        assert_eq!(super::service(&service, &Options::default()).handlers[0].ty, None);
    }

    #[test]
    fn a_workflow_shows_its_run_and_how_long_that_is_kept() {
        let mut service =
            cart(vec![a_handler("run", HandlerMode::Workflow), a_handler("get", HandlerMode::Shared)]);
        service.kind = ServiceKind::Workflow;
        let shown = super::service(&service, &Options::default());
        assert_eq!(
            (shown.ty.as_str(), shown.workflow_completion_retention.as_deref()),
            ("Workflow", Some("24h"))
        );
        let modes: Vec<_> = shown.handlers.iter().map(|handler| handler.ty.as_deref()).collect();
        assert_eq!(modes, [Some("Workflow"), Some("Shared")]);
        service.kind = ServiceKind::VirtualObject;
        assert_eq!(super::service(&service, &Options::default()).workflow_completion_retention, None);
    }
}
