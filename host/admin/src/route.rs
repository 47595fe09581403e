//! Which path and method mean what: a pure function from the head of a request to a [`Route`].

use hyper::{Method, StatusCode};
use relight_core::{DeploymentId, InvocationId};
use relight_http::path::{Segments, decode};

use crate::{
    codes::Code,
    error::{Error, Result},
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// The process serves.
    Live,
    /// Every partition is led.
    Ready,
    Version,
    Metrics,
    Deploy,
    Check,
    Deployments,
    Deployment(DeploymentId),
    RemoveDeployment(DeploymentId),
    Component(DeploymentId),
    Wit(DeploymentId),
    Services,
    Service(String),
    PatchService(String),
    Revisions(String),
    Rollback(String),
    Handlers(String),
    Handler(String, String),
    Invocations,
    Invocation(InvocationId),
    Journal(InvocationId),
    Bundle(InvocationId),
    Act(Verb, InvocationId),
    Batch(Verb),
}

/// What can be done to an invocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    Cancel,
    Kill,
    Pause,
    Resume,
    Purge,
    PurgeJournal,
    RestartAsNew,
}

impl Verb {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "cancel" => Self::Cancel,
            "kill" => Self::Kill,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "purge" => Self::Purge,
            "purge-journal" => Self::PurgeJournal,
            "restart-as-new" => Self::RestartAsNew,
            _ => return None,
        })
    }
}

pub(crate) fn route(method: &Method, path: &str) -> Result<Route> {
    let not_found = || Error::new(StatusCode::NOT_FOUND, Code::NoSuchPath, format!("no such path: `{path}`"));
    let segments = Segments::new(path).ok_or_else(not_found)?;
    let get = |route| if method == Method::GET { Ok(route) } else { Err(Error::allow("GET")) };
    let post = |route| if method == Method::POST { Ok(route) } else { Err(Error::allow("POST")) };
    let patch = |route| if method == Method::PATCH { Ok(route) } else { Err(Error::allow("PATCH")) };
    match *segments.as_slice() {
        ["health" | "livez"] => get(Route::Live),
        ["readyz"] => get(Route::Ready),
        ["version"] => get(Route::Version),
        ["metrics"] => get(Route::Metrics),
        ["deployments"] if method == Method::POST => Ok(Route::Deploy),
        ["deployments"] if method == Method::GET => Ok(Route::Deployments),
        ["deployments"] => Err(Error::allow("GET, POST")),
        ["deployments", "check"] => post(Route::Check),
        ["deployments", id] if method == Method::GET => Ok(Route::Deployment(deployment(id)?)),
        ["deployments", id] if method == Method::DELETE => Ok(Route::RemoveDeployment(deployment(id)?)),
        ["deployments", _] => Err(Error::allow("GET, DELETE")),
        ["deployments", id, "component"] => get(Route::Component(deployment(id)?)),
        ["deployments", id, "wit"] => get(Route::Wit(deployment(id)?)),
        ["services"] => get(Route::Services),
        ["services", name] if method == Method::GET => Ok(Route::Service(text(name)?)),
        ["services", name] if method == Method::PATCH => Ok(Route::PatchService(text(name)?)),
        ["services", _] => Err(Error::allow("GET, PATCH")),
        ["services", name, "revisions"] => get(Route::Revisions(text(name)?)),
        ["services", name, "rollback"] => post(Route::Rollback(text(name)?)),
        ["services", name, "handlers"] => get(Route::Handlers(text(name)?)),
        ["services", name, "handlers", handler] => get(Route::Handler(text(name)?, text(handler)?)),
        ["invocations"] => get(Route::Invocations),
        ["invocations", id] => get(Route::Invocation(invocation(id)?)),
        ["invocations", id, "bundle"] => get(Route::Bundle(invocation(id)?)),
        ["invocations", id, "journal"] => get(Route::Journal(invocation(id)?)),
        ["invocations", "batch", verb] => post(Route::Batch(Verb::named(verb).ok_or_else(not_found)?)),
        ["invocations", id, verb] => {
            let verb = Verb::named(verb).ok_or_else(not_found)?;
            let route = Route::Act(verb, invocation(id)?);
            // It makes an invocation, as POST does, and is a verb beside the others.
            match (verb, method) {
                (Verb::RestartAsNew, &Method::POST) => Ok(route),
                (Verb::RestartAsNew, method) if method != Method::PATCH => Err(Error::allow("PATCH, POST")),
                _ => patch(route),
            }
        }
        _ => Err(not_found()),
    }
}

fn text(segment: &str) -> Result<String> {
    decode(segment)
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| Error::bad(Code::BadRequest, format!("`{segment}` is not well encoded")))
}

fn deployment(segment: &str) -> Result<DeploymentId> {
    segment
        .parse()
        .map_err(|error: relight_core::ParseIdError| Error::bad(Code::BadRequest, error.to_string()))
}

fn invocation(segment: &str) -> Result<InvocationId> {
    segment
        .parse()
        .map_err(|error: relight_core::ParseIdError| Error::bad(Code::BadInvocationId, error.to_string()))
}

#[cfg(test)]
mod tests {
    use relight_core::ids::PartitionKey;

    use super::*;

    #[test]
    fn paths() {
        let id = InvocationId { key: PartitionKey(7), unique: 9 };
        let deployment = DeploymentId(3);
        for (method, path, expected) in [
            ("GET", "/health".to_owned(), Route::Live),
            ("GET", "/livez/".to_owned(), Route::Live),
            ("GET", "/readyz".to_owned(), Route::Ready),
            ("GET", "/version".to_owned(), Route::Version),
            ("GET", "/metrics".to_owned(), Route::Metrics),
            ("POST", "/deployments".to_owned(), Route::Deploy),
            ("GET", "/deployments".to_owned(), Route::Deployments),
            ("GET", format!("/deployments/{deployment}"), Route::Deployment(deployment)),
            ("DELETE", format!("/deployments/{deployment}"), Route::RemoveDeployment(deployment)),
            ("GET", format!("/deployments/{deployment}/component"), Route::Component(deployment)),
            ("GET", format!("/deployments/{deployment}/wit"), Route::Wit(deployment)),
            ("GET", "/services".to_owned(), Route::Services),
            ("GET", "/services/a.b".to_owned(), Route::Service("a.b".to_owned())),
            ("PATCH", "/services/a.b".to_owned(), Route::PatchService("a.b".to_owned())),
            ("GET", "/services/a/revisions".to_owned(), Route::Revisions("a".to_owned())),
            ("POST", "/services/a/rollback".to_owned(), Route::Rollback("a".to_owned())),
            ("GET", "/services/a/handlers".to_owned(), Route::Handlers("a".to_owned())),
            ("GET", "/services/a/handlers/%68".to_owned(), Route::Handler("a".to_owned(), "h".to_owned())),
            ("GET", "/invocations".to_owned(), Route::Invocations),
            ("GET", format!("/invocations/{id}"), Route::Invocation(id)),
            ("GET", format!("/invocations/{id}/journal"), Route::Journal(id)),
            ("PATCH", format!("/invocations/{id}/cancel"), Route::Act(Verb::Cancel, id)),
            ("PATCH", format!("/invocations/{id}/kill"), Route::Act(Verb::Kill, id)),
            ("PATCH", format!("/invocations/{id}/pause"), Route::Act(Verb::Pause, id)),
            ("PATCH", format!("/invocations/{id}/resume"), Route::Act(Verb::Resume, id)),
            ("PATCH", format!("/invocations/{id}/purge"), Route::Act(Verb::Purge, id)),
            ("PATCH", format!("/invocations/{id}/purge-journal"), Route::Act(Verb::PurgeJournal, id)),
            ("PATCH", format!("/invocations/{id}/restart-as-new"), Route::Act(Verb::RestartAsNew, id)),
            ("POST", format!("/invocations/{id}/restart-as-new"), Route::Act(Verb::RestartAsNew, id)),
            ("POST", "/invocations/batch/restart-as-new".to_owned(), Route::Batch(Verb::RestartAsNew)),
            ("POST", "/invocations/batch/cancel".to_owned(), Route::Batch(Verb::Cancel)),
            ("POST", "/invocations/batch/purge-journal".to_owned(), Route::Batch(Verb::PurgeJournal)),
        ] {
            let parsed = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(route(&parsed, &path), Ok(expected), "{method} {path}");
            let wrong = route(&Method::PUT, &path).expect_err("no path takes PUT");
            assert_eq!(wrong.status, 405);
            assert!(wrong.allow.expect("a 405 names what is allowed").contains(method));
        }
    }

    #[test]
    fn unknown_paths_and_bad_ids() {
        for (path, status, code) in [
            ("/", 404, "RL0002"),
            ("/nothing", 404, "RL0002"),
            ("/services/a/rollback", 405, "RL0003"),
            ("/services/a/nothing", 404, "RL0002"),
            ("/invocations/x", 400, "RL0301"),
            ("/invocations/batch/stop", 404, "RL0002"),
            ("/invocations/x/stop", 404, "RL0002"),
            ("/invocations/inv_1zz/journal", 400, "RL0301"),
            ("/deployments/dp_1", 400, "RL0001"),
            ("/services/%zz", 400, "RL0001"),
        ] {
            let error = route(&Method::GET, path).expect_err(path);
            assert_eq!((error.status.as_u16(), error.code), (status, code), "{path}");
        }
    }
}
