//! Parts of steps as values: targets, keys, payloads, outcomes.

use bytes::Bytes;
use relight_core::{Outcome, Target, value::ObjectKey};
use serde_json::Value;

use super::{Result, bad};
use crate::scenario::FailureDef;

/// `Service/handler` or `Object/key/handler`; the key may contain slashes.
pub(super) fn target(text: &str) -> Result<Target> {
    let wrong =
        || bad(format!("`{text}` is neither Service/handler nor Object/key/handler, and no name of a step"));
    let (service, rest) = text.split_once('/').ok_or_else(wrong)?;
    let (key, handler) = match rest.rsplit_once('/') {
        Some((key, handler)) => (Some(key), handler),
        None => (None, rest),
    };
    if service.is_empty() || handler.is_empty() || key.is_some_and(str::is_empty) {
        return Err(wrong());
    }
    Ok(Target { service: service.into(), key: key.map(Into::into), handler: handler.into() })
}

/// `Object/key`.
pub(super) fn object(text: &str) -> Result<ObjectKey> {
    match text.split_once('/') {
        Some((service, key)) if !service.is_empty() && !key.is_empty() => {
            Ok(ObjectKey { service: service.into(), key: key.into() })
        }
        _ => Err(bad(format!("`{text}` is not Object/key"))),
    }
}

pub(super) fn body(json: Option<Value>, text: Option<String>) -> Result<Bytes> {
    match (json, text) {
        (Some(_), Some(_)) => Err(bad("a step has `body` or `text`, not both")),
        (Some(json), None) => Ok(json.to_string().into()),
        (None, text) => Ok(text.unwrap_or_default().into()),
    }
}

pub(super) fn outcome(value: Option<Value>, failure: Option<FailureDef>) -> Result<Outcome> {
    match (value, failure) {
        (Some(_), Some(_)) => Err(bad("a step has `value` or `failure`, not both")),
        (value, None) => Ok(Ok(body(value, None)?)),
        (None, Some(failure)) => Ok(Err(failure.into())),
    }
}
