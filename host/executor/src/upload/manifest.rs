//! What a component says about itself: checked, and turned into the core's types.

use std::collections::BTreeSet;

use relight_core::{
    DurationMs,
    ids::{DeploymentId, Revision},
    schema::{EffectDef, Handler, HandlerMode, Options, PayloadDef, Service, ServiceKind},
};

use super::UploadError;
use crate::{
    bindings::relight::handler::definition::{self as guest, HandlerDef, Manifest, ServiceDef},
    convert,
};

/// Names stand in paths, metrics and logs.
const NAME_BYTES_MAX: usize = 128;
const SDK_BYTES_MAX: usize = 256;
/// Rows of the registry are copied into every partition.
const SERVICES_MAX: usize = 200;
const HANDLERS_MAX: usize = 1_000;
const EFFECTS_MAX: usize = 1_000;
const METADATA_MAX: usize = 64;
const METADATA_BYTES_MAX: usize = 16 << 10;
/// Beginnings of names, in any case, that paths of the server use.
const RESERVED_PREFIXES: [&str; 2] = ["relight", "restate"];
const RESERVED_NAMES: [&str; 1] = ["openapi"];

/// A manifest without mistakes.
#[derive(Debug)]
pub(crate) struct CheckedManifest {
    pub sdk: String,
    pub services: Vec<Service>,
    pub effects: Vec<EffectDef>,
}

pub(super) fn check(manifest: Manifest) -> Result<CheckedManifest, UploadError> {
    if manifest.sdk.len() > SDK_BYTES_MAX {
        return Err(wrong(format!("the name of the SDK is longer than {SDK_BYTES_MAX} bytes")));
    }
    if manifest.services.is_empty() {
        return Err(wrong("it has no services"));
    }
    bounded("services", manifest.services.len(), SERVICES_MAX)?;
    bounded("effects", manifest.effects.len(), EFFECTS_MAX)?;
    unique("service", manifest.services.iter().map(|service| &service.name))?;
    unique("effect", manifest.effects.iter().map(|effect| &effect.name))?;
    let services = manifest.services.into_iter().map(service).collect::<Result<_, _>>()?;
    let effects = manifest.effects.into_iter().map(effect).collect::<Result<_, _>>()?;
    Ok(CheckedManifest { sdk: manifest.sdk, services, effects })
}

fn service(service: ServiceDef) -> Result<Service, UploadError> {
    let ServiceDef { name, kind, handlers, documentation, options: defaults, metadata } = service;
    check_name("service", &name, |c| matches!(c, '.' | '_' | '-'))?;
    let kind = match kind {
        guest::ServiceKind::Service => ServiceKind::Service,
        guest::ServiceKind::VirtualObject => ServiceKind::VirtualObject,
        guest::ServiceKind::Workflow => ServiceKind::Workflow,
    };
    if handlers.is_empty() {
        return Err(wrong(format!("`{name}` has no handlers")));
    }
    bounded(&format!("handlers of `{name}`"), handlers.len(), HANDLERS_MAX)?;
    unique(&format!("handler of `{name}`"), handlers.iter().map(|handler| &handler.name))?;
    let runs = handlers.iter().filter(|handler| handler.mode == guest::HandlerMode::Workflow).count();
    if kind == ServiceKind::Workflow && runs != 1 {
        return Err(wrong(format!(
            "workflow `{name}` has {runs} handlers of mode workflow; it needs exactly one"
        )));
    }
    check_metadata(&name, &metadata)?;
    Ok(Service {
        kind,
        revision: Revision::ZERO,
        deployment: DeploymentId(0),
        handlers: handlers
            .into_iter()
            .map(|definition| handler(&name, kind, definition))
            .collect::<Result<_, _>>()?,
        documentation,
        options: options(&name, defaults)?,
        metadata,
        overrides: Options::default(),
        name: name.into(),
    })
}

fn handler(service: &str, kind: ServiceKind, handler: HandlerDef) -> Result<Handler, UploadError> {
    let HandlerDef { name, mode, input, output, documentation, options: own, metadata } = handler;
    check_name("handler", &name, |c| c == '_')?;
    let path = format!("{service}/{name}");
    let mode = match (kind, mode) {
        (ServiceKind::Workflow, guest::HandlerMode::Workflow) => HandlerMode::Workflow,
        (ServiceKind::Workflow, guest::HandlerMode::Exclusive) => {
            return Err(wrong(format!(
                "`{path}` is exclusive, but a workflow has its run and shared handlers"
            )));
        }
        (_, guest::HandlerMode::Exclusive) => HandlerMode::Exclusive,
        (ServiceKind::VirtualObject | ServiceKind::Workflow, guest::HandlerMode::Shared) => {
            HandlerMode::Shared
        }
        (ServiceKind::Service, guest::HandlerMode::Shared) => {
            return Err(wrong(format!(
                "`{path}` is shared, but a service has nothing to share: leave the mode out"
            )));
        }
        (_, guest::HandlerMode::Workflow) => {
            return Err(wrong(format!("`{path}` has mode workflow, but `{service}` is not a workflow")));
        }
    };
    check_metadata(&path, &metadata)?;
    Ok(Handler {
        mode,
        input: payload(input),
        output: payload(output),
        documentation,
        options: options(&path, own)?,
        metadata,
        name: name.into(),
    })
}

fn effect(effect: guest::EffectDef) -> Result<EffectDef, UploadError> {
    let guest::EffectDef { name, documentation, retry, timeout } = effect;
    check_characters("effect", &name, |c| matches!(c, '.' | '_' | '-'))?;
    if timeout == Some(0) {
        return Err(wrong(format!("effect `{name}` has a timeout of zero")));
    }
    let retry = retry.map(convert::retry_policy).transpose();
    let retry = retry.map_err(|problem| wrong(format!("effect `{name}`: {problem}")))?;
    Ok(EffectDef { name, documentation, retry, timeout: timeout.map(DurationMs) })
}

fn options(path: &str, options: guest::Options) -> Result<Options, UploadError> {
    if options.abort_timeout == Some(0) {
        return Err(wrong(format!("`{path}` has an abort timeout of zero")));
    }
    let retry = options.retry.map(convert::retry_policy).transpose();
    Ok(Options {
        public: options.public,
        inactivity_timeout: options.inactivity_timeout.map(DurationMs),
        abort_timeout: options.abort_timeout.map(DurationMs),
        idempotency_retention: options.idempotency_retention.map(DurationMs),
        journal_retention: options.journal_retention.map(DurationMs),
        retry: retry.map_err(|problem| wrong(format!("`{path}`: {problem}")))?,
    })
}

fn payload(payload: guest::PayloadDef) -> PayloadDef {
    PayloadDef {
        required: payload.required,
        content_type: payload.content_type,
        json_schema: payload.json_schema,
    }
}

fn wrong(problem: impl Into<String>) -> UploadError {
    UploadError::Manifest { problem: problem.into() }
}

fn bounded(what: &str, count: usize, max: usize) -> Result<(), UploadError> {
    if count > max {
        return Err(wrong(format!("{count} {what} are over the limit of {max}")));
    }
    Ok(())
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), UploadError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(wrong(format!("{what} `{name}` is there twice")));
        }
    }
    Ok(())
}

fn check_metadata(path: &str, metadata: &[(String, String)]) -> Result<(), UploadError> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    bounded(&format!("metadata items of `{path}`"), metadata.len(), METADATA_MAX)?;
    bounded(&format!("metadata bytes of `{path}`"), bytes, METADATA_BYTES_MAX)
}

fn check_name(what: &str, name: &str, is_punctuation: fn(char) -> bool) -> Result<(), UploadError> {
    check_characters(what, name, is_punctuation)?;
    let lower = name.to_ascii_lowercase();
    if let Some(prefix) = RESERVED_PREFIXES.iter().find(|prefix| lower.starts_with(**prefix)) {
        return Err(wrong(format!("{what} name `{name}` begins with `{prefix}`, which is reserved")));
    }
    if RESERVED_NAMES.contains(&lower.as_str()) {
        return Err(wrong(format!("{what} name `{name}` is reserved")));
    }
    Ok(())
}

fn check_characters(what: &str, name: &str, is_punctuation: fn(char) -> bool) -> Result<(), UploadError> {
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(wrong(format!("{what} name `{name}` does not begin with a letter")));
    }
    if let Some(c) = name.chars().find(|&c| !(c.is_ascii_alphanumeric() || is_punctuation(c))) {
        return Err(wrong(format!("{what} name `{name}` contains `{c}`")));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(wrong(format!("{what} name `{name}` is longer than {NAME_BYTES_MAX} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
