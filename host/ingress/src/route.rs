//! Which path and method mean what: a pure function from the head of a request to a [`Route`].
//!
//! Whether the handler exists and whether the body fits it is decided in `invoke.rs`.

use std::{borrow::Cow, str::FromStr, time::Duration};

use hyper::Method;
use relight_core::{AwakeableId, InvocationId, ParseIdError, ServiceKind, limits::NAME_BYTES_MAX};
use relight_http::{
    path::{Segments, decode, parameters},
    time::parse_duration,
};

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route<'p> {
    Invoke(Invoke<'p>),
    /// The result of an invocation named by the path.
    Result(Wait, Reference<'p>),
    /// The result, or the id, of an invocation named by the body.
    ByBody(ByBody),
    Awakeable {
        id: AwakeableId,
        resolution: Resolution,
    },
    Signal {
        to: InvocationId,
        name: Cow<'p, str>,
        resolution: Resolution,
    },
    Promise {
        workflow: Cow<'p, str>,
        key: Cow<'p, str>,
        name: Cow<'p, str>,
        resolution: Resolution,
    },
    Health,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invoke<'p> {
    pub mode: InvokeMode,
    pub service: Cow<'p, str>,
    pub key: Option<Cow<'p, str>>,
    pub handler: Cow<'p, str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvokeMode {
    /// Wait for the result.
    Call,
    /// Answer once it is accepted.
    Send { delay: Option<Duration> },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Until there is a result.
    Attach,
    /// Not at all.
    Output,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByBody {
    Result(Wait),
    Lookup,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    Resolve,
    Reject,
}

/// An invocation that exists already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reference<'p> {
    Id(InvocationId),
    Idempotent {
        service: Cow<'p, str>,
        key: Option<Cow<'p, str>>,
        handler: Cow<'p, str>,
        idempotency_key: Cow<'p, str>,
    },
    /// The run of a workflow's key.
    Workflow {
        service: Cow<'p, str>,
        key: Cow<'p, str>,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteError {
    NotFound,
    UnknownService(String),
    /// `allow`: the methods that would do.
    Method {
        allow: &'static str,
    },
    Bad(String),
}

/// Longest path with its query: three names, each byte of them encoded, leave room.
const PATH_BYTES_MAX: usize = 16 << 10;

/// Whether the answer carries `x-restate-` headers beside ours: on all paths but those under `/relight/`.
pub fn answers_both(path: &str) -> bool {
    !path.starts_with("/relight/")
}

/// `kind`: what is deployed under a name.
pub fn route<'p>(
    method: &Method,
    path: &'p str,
    query: Option<&str>,
    kind: impl Fn(&str) -> Option<ServiceKind>,
) -> Result<Route<'p>, RouteError> {
    if path.len() + query.map_or(0, str::len) > PATH_BYTES_MAX {
        return Err(RouteError::Bad(format!("the path is longer than {PATH_BYTES_MAX} bytes")));
    }
    let segments = Segments::new(path).ok_or(RouteError::NotFound)?;
    match segments.as_slice() {
        [] => Err(RouteError::NotFound),
        ["relight" | "restate", rest @ ..] => own(method, rest, query, kind),
        bare => invoke(method, bare, query, Form::Bare, kind),
    }
}

/// Paths under `/relight/` and `/restate/`.
fn own<'p>(
    method: &Method,
    segments: &[&'p str],
    query: Option<&str>,
    kind: impl Fn(&str) -> Option<ServiceKind>,
) -> Result<Route<'p>, RouteError> {
    match *segments {
        ["health"] => allow(method, &[Method::GET], "GET").map(|()| Route::Health),
        ["call", ref target @ ..] => invoke(method, target, query, Form::Call, kind),
        ["send", ref target @ ..] => invoke(method, target, query, Form::Send, kind),
        ["attach"] => post(method).map(|()| Route::ByBody(ByBody::Result(Wait::Attach))),
        ["output"] => post(method).map(|()| Route::ByBody(ByBody::Result(Wait::Output))),
        ["lookup"] => post(method).map(|()| Route::ByBody(ByBody::Lookup)),
        ["attach", id] => result(method, Wait::Attach, || invocation_id(id)),
        ["output", id] => result(method, Wait::Output, || invocation_id(id)),
        ["invocation", ref reference @ .., "attach"] => result(method, Wait::Attach, || older(reference)),
        ["invocation", ref reference @ .., "output"] => result(method, Wait::Output, || older(reference)),
        ["workflow", name, key, "attach"] => result(method, Wait::Attach, || workflow(name, key)),
        ["workflow", name, key, "output"] => result(method, Wait::Output, || workflow(name, key)),
        [what, ref named @ .., "resolve"] => resolve(method, what, named, Resolution::Resolve, kind),
        [what, ref named @ .., "reject"] => resolve(method, what, named, Resolution::Reject, kind),
        _ => Err(RouteError::NotFound),
    }
}

/// What waits for a value from outside.
fn resolve<'p>(
    method: &Method,
    what: &str,
    named: &[&'p str],
    resolution: Resolution,
    kind: impl Fn(&str) -> Option<ServiceKind>,
) -> Result<Route<'p>, RouteError> {
    match (what, named) {
        ("awakeables" | "a", &[id]) => {
            post(method)?;
            Ok(Route::Awakeable { id: id_of(id)?, resolution })
        }
        ("signals", &[to, name]) => {
            post(method)?;
            Ok(Route::Signal { to: id_of(to)?, name: name_of("name of the signal", name)?, resolution })
        }
        ("promises", &[workflow, key, name]) => {
            post(method)?;
            let workflow = text(workflow)?;
            match kind(&workflow) {
                Some(ServiceKind::Workflow) => {}
                Some(other) => {
                    let message = format!("`{workflow}` is a {other}: only workflows have promises");
                    return Err(RouteError::Bad(message));
                }
                None => return Err(RouteError::UnknownService(workflow.into_owned())),
            }
            Ok(Route::Promise {
                workflow,
                key: name_of("key", key)?,
                name: name_of("name of the promise", name)?,
                resolution,
            })
        }
        _ => Err(RouteError::NotFound),
    }
}

/// A segment that a caller makes up; `what` names it.
fn name_of<'p>(what: &str, segment: &'p str) -> Result<Cow<'p, str>, RouteError> {
    let name = text(segment)?;
    bounded(what, &name)?;
    Ok(name)
}

pub(crate) fn bounded(what: &str, name: &str) -> Result<(), RouteError> {
    if name.len() <= NAME_BYTES_MAX {
        Ok(())
    } else {
        Err(RouteError::Bad(format!("the {what} is longer than {NAME_BYTES_MAX} bytes")))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Without a verb in front; `/send` may follow.
    Bare,
    Call,
    Send,
}

fn invoke<'p>(
    method: &Method,
    segments: &[&'p str],
    query: Option<&str>,
    form: Form,
    kind: impl Fn(&str) -> Option<ServiceKind>,
) -> Result<Route<'p>, RouteError> {
    let (service, rest) = segments.split_first().ok_or(RouteError::NotFound)?;
    let service = text(service)?;
    let kind = kind(&service).ok_or_else(|| RouteError::UnknownService(service.clone().into_owned()))?;
    let keyed = kind != ServiceKind::Service;
    let (key, handler, suffix) = match *rest {
        [handler, ref suffix @ ..] if !keyed => (None, handler, suffix),
        [key, handler, ref suffix @ ..] if keyed => (Some(name_of("key", key)?), handler, suffix),
        _ => return Err(bad_target(&service, kind)),
    };
    let sends = match (form, suffix) {
        (Form::Bare | Form::Call, []) => false,
        (Form::Send, []) | (Form::Bare, ["send"]) => true,
        _ => return Err(bad_target(&service, kind)),
    };
    allow(method, &[Method::GET, Method::POST], "GET, POST")?;
    let mode = match (sends, delay(query)?) {
        (true, delay) => InvokeMode::Send { delay },
        (false, None) => InvokeMode::Call,
        (false, Some(_)) => {
            let message = "`delay` is for sends: add `/send` to the path".to_owned();
            return Err(RouteError::Bad(message));
        }
    };
    Ok(Route::Invoke(Invoke { mode, service, key, handler: text(handler)? }))
}

fn bad_target(service: &str, kind: ServiceKind) -> RouteError {
    let key = if kind == ServiceKind::Service { "" } else { "{key}/" };
    RouteError::Bad(format!(
        "bad path: `{service}` is a {kind}, its handlers are at /{service}/{key}{{handler}}"
    ))
}

fn delay(query: Option<&str>) -> Result<Option<Duration>, RouteError> {
    for parameter in parameters(query) {
        let (name, value) =
            parameter.ok_or_else(|| RouteError::Bad("the query is not well encoded".to_owned()))?;
        if name == "delay" {
            return parse_duration(&value)
                .map(Some)
                .map_err(|error| RouteError::Bad(format!("bad delay: {error}")));
        }
    }
    Ok(None)
}

fn result<'p>(
    method: &Method,
    wait: Wait,
    reference: impl FnOnce() -> Result<Reference<'p>, RouteError>,
) -> Result<Route<'p>, RouteError> {
    allow(method, &[Method::GET], "GET")?;
    Ok(Route::Result(wait, reference()?))
}

fn older<'p>(segments: &[&'p str]) -> Result<Reference<'p>, RouteError> {
    let (service, key, handler, idempotency_key) = match *segments {
        [id] => return invocation_id(id),
        [service, handler, idempotency_key] => (service, None, handler, idempotency_key),
        [service, key, handler, idempotency_key] => (service, Some(key), handler, idempotency_key),
        _ => return Err(RouteError::NotFound),
    };
    Ok(Reference::Idempotent {
        service: text(service)?,
        key: key.map(|key| name_of("key", key)).transpose()?,
        handler: text(handler)?,
        idempotency_key: name_of("idempotency key", idempotency_key)?,
    })
}

fn workflow<'p>(name: &'p str, key: &'p str) -> Result<Reference<'p>, RouteError> {
    Ok(Reference::Workflow { service: text(name)?, key: name_of("key", key)? })
}

fn invocation_id(segment: &str) -> Result<Reference<'static>, RouteError> {
    id_of(segment).map(Reference::Id)
}

fn id_of<T: FromStr<Err = ParseIdError>>(segment: &str) -> Result<T, RouteError> {
    text(segment)?.parse().map_err(|error: ParseIdError| RouteError::Bad(format!("bad id: {error}")))
}

/// A segment decoded; an empty one means that something is missing, such as a key.
fn text(segment: &str) -> Result<Cow<'_, str>, RouteError> {
    match decode(segment) {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) => Err(RouteError::Bad("bad path: a part of it is empty".to_owned())),
        None => Err(RouteError::Bad(format!("bad path: `{segment}` is not well encoded"))),
    }
}

fn post(method: &Method) -> Result<(), RouteError> {
    allow(method, &[Method::POST], "POST")
}

fn allow(method: &Method, allowed: &[Method], allow: &'static str) -> Result<(), RouteError> {
    if allowed.contains(method) { Ok(()) } else { Err(RouteError::Method { allow }) }
}

#[cfg(test)]
mod tests;
