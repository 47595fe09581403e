//! Services and deployments as JSON, and what a new revision changes for callers.

use relight_core::{
    Deployment, DurationMs, Handler, HandlerMode, Service, ServiceKind,
    retry::{OnExhausted, RetryPolicy},
    schema::{EffectDef, Options, PayloadDef, Policies},
};
use relight_http::time::{format_duration, format_instant};

use crate::types::{
    DeploymentMetadata, EffectMetadata, HandlerMetadata, PayloadMetadata, RetryPolicyMetadata,
    ServiceMetadata,
};

pub(crate) fn service(service: &Service) -> ServiceMetadata {
    let policies = service_policies(&service.options);
    ServiceMetadata {
        name: service.name.to_string(),
        ty: match service.kind {
            ServiceKind::Service => "Service",
            ServiceKind::VirtualObject => "VirtualObject",
            ServiceKind::Workflow => "Workflow",
        }
        .to_owned(),
        handlers: service.handlers.iter().map(|one| handler(service, one)).collect(),
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
    }
}

pub(crate) fn handler(service: &Service, handler: &Handler) -> HandlerMetadata {
    let policies = service.policies(handler);
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

pub(crate) fn deployment(deployment: &Deployment) -> DeploymentMetadata {
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
        status: None,
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

/// What holds for handlers that leave it open.
fn service_policies(options: &Options) -> Policies {
    let default = Policies::DEFAULT;
    Policies {
        public: options.public.unwrap_or(default.public),
        inactivity_timeout: options.inactivity_timeout,
        abort_timeout: options.abort_timeout.unwrap_or(default.abort_timeout),
        idempotency_retention: options.idempotency_retention.unwrap_or(default.idempotency_retention),
        journal_retention: options.journal_retention.unwrap_or(default.journal_retention),
        retry: options.retry.unwrap_or(default.retry),
    }
}

fn payload(payload: &PayloadDef) -> PayloadMetadata {
    PayloadMetadata {
        required: payload.required,
        content_type: payload.content_type.clone(),
        json_schema: payload.json_schema.clone(),
    }
}

fn retry_policy(policy: &RetryPolicy) -> RetryPolicyMetadata {
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

fn duration(duration: DurationMs) -> String {
    format_duration(duration.0)
}

fn mode_name(mode: HandlerMode) -> &'static str {
    match mode {
        HandlerMode::Exclusive => "Exclusive",
        HandlerMode::Shared => "Shared",
        HandlerMode::Workflow => "Workflow",
    }
}

/// A difference between two revisions of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    /// Callers of the old revision may fail on the new one.
    pub(crate) breaking: bool,
    pub(crate) text: String,
}

pub(crate) fn changes(old: Option<&Service>, new: &Service) -> Vec<Change> {
    let change = |breaking, text: String| Change { breaking, text };
    let Some(old) = old else {
        return vec![change(false, format!("service `{}` is new", new.name))];
    };
    let mut changes = Vec::new();
    for handler in &old.handlers {
        let name = format!("handler `{}` of `{}`", handler.name, new.name);
        let Some(now) = new.handler(&handler.name) else {
            changes.push(change(true, format!("{name} is removed")));
            continue;
        };
        if new.kind != ServiceKind::Service && handler.mode != now.mode {
            let (before, after) = (mode_name(handler.mode), mode_name(now.mode));
            changes.push(change(true, format!("{name} is now {after}, it was {before}")));
        }
        match (old.policies(handler).public, new.policies(now).public) {
            (true, false) => changes.push(change(true, format!("{name} is now private"))),
            (false, true) => changes.push(change(false, format!("{name} is now public"))),
            (true, true) | (false, false) => {}
        }
        if handler.input != now.input || handler.output != now.output {
            changes.push(change(false, format!("{name} takes or gives another payload")));
        }
    }
    for handler in new.handlers.iter().filter(|handler| old.handler(&handler.name).is_none()) {
        changes.push(change(false, format!("handler `{}` of `{}` is new", handler.name, new.name)));
    }
    changes
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
        }
    }

    #[test]
    fn metadata_shows_what_holds() {
        let mut service =
            cart(vec![a_handler("add", HandlerMode::Exclusive), a_handler("get", HandlerMode::Shared)]);
        service.options.journal_retention = Some(DurationMs(0));
        service.handlers[1].options.public = Some(false);
        let shown = super::service(&service);
        assert_eq!((shown.ty.as_str(), shown.revision, shown.public), ("VirtualObject", 2, true));
        assert_eq!((shown.journal_retention.as_str(), shown.idempotency_retention.as_str()), ("0s", "24h"));
        assert_eq!(shown.retry_policy.initial_interval, "50ms");
        let modes: Vec<_> = shown.handlers.iter().map(|handler| handler.ty.as_deref()).collect();
        assert_eq!(modes, [Some("Exclusive"), Some("Shared")]);
        assert!(!shown.handlers[1].public);
        assert_eq!(shown.handlers[0].journal_retention, "0s");
    }

    #[test]
    fn handlers_of_a_service_have_no_mode() {
        let mut service = cart(vec![a_handler("add", HandlerMode::Exclusive)]);
        service.kind = ServiceKind::Service;
        assert_eq!(super::service(&service).handlers[0].ty, None);
    }

    #[test]
    fn a_workflow_shows_its_run_and_how_long_that_is_kept() {
        let mut service =
            cart(vec![a_handler("run", HandlerMode::Workflow), a_handler("get", HandlerMode::Shared)]);
        service.kind = ServiceKind::Workflow;
        let shown = super::service(&service);
        assert_eq!(
            (shown.ty.as_str(), shown.workflow_completion_retention.as_deref()),
            ("Workflow", Some("24h"))
        );
        let modes: Vec<_> = shown.handlers.iter().map(|handler| handler.ty.as_deref()).collect();
        assert_eq!(modes, [Some("Workflow"), Some("Shared")]);
        service.kind = ServiceKind::VirtualObject;
        assert_eq!(super::service(&service).workflow_completion_retention, None);
    }

    #[test]
    fn changes_that_break_callers_are_told_apart() {
        let old = cart(vec![
            a_handler("add", HandlerMode::Exclusive),
            a_handler("get", HandlerMode::Shared),
            a_handler("gone", HandlerMode::Shared),
            a_handler("hide", HandlerMode::Shared),
        ]);
        let mut hidden = a_handler("hide", HandlerMode::Shared);
        hidden.options.public = Some(false);
        let mut typed = a_handler("add", HandlerMode::Exclusive);
        typed.input.required = true;
        let new = cart(vec![
            typed,
            a_handler("get", HandlerMode::Exclusive),
            hidden,
            a_handler("new", HandlerMode::Shared),
        ]);
        let told: Vec<_> =
            changes(Some(&old), &new).into_iter().map(|change| (change.breaking, change.text)).collect();
        let expected = [
            (false, "handler `add` of `Cart` takes or gives another payload"),
            (true, "handler `get` of `Cart` is now Exclusive, it was Shared"),
            (true, "handler `gone` of `Cart` is removed"),
            (true, "handler `hide` of `Cart` is now private"),
            (false, "handler `new` of `Cart` is new"),
        ];
        assert_eq!(told, expected.map(|(breaking, text)| (breaking, text.to_owned())));
        assert_eq!(changes(Some(&old), &old), []);
        assert_eq!(changes(None, &old)[0].text, "service `Cart` is new");
    }
}
