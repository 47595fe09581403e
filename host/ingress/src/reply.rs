//! Answers of the ingress and the one place where they become HTTP.

use std::time::Duration;

use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use relight_core::{Failure, InvocationId, Outcome, Timestamp};
use relight_http::{Response, respond, time::format_instant};
use serde::Serialize;

use crate::route::RouteError;

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
    pub(crate) id: Option<InvocationId>,
    /// Set on errors: who failed.
    pub(crate) source: Option<Source>,
    /// The result was stored before, and is until then.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) allow: Option<&'static str>,
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Ingress,
    Invocation,
}

impl Source {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Ingress => "ingress",
            Self::Invocation => "invocation",
        })
    }
}

/// Why a request was not carried out, as far as the door can tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Rejection {
    Route(RouteError),
    Bad(String),
    NotFound(String),
    TooSlow,
    TooLarge { bytes_max: usize },
    HeadersTooLarge { bytes_max: usize },
    ContentType { got: String, declared: String },
    PayloadDiffers(String),
    Conflict(String),
    TooManyRequests,
    TooManySignals(String),
    NotCompleted(InvocationId),
    Unavailable { message: String, id: Option<InvocationId> },
    Internal(String),
}

/// 470: an invocation has no result yet.
const NOT_COMPLETED: u16 = 470;
/// What a client should wait before it tries again when there were too many requests.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: u16,
    message: &'a str,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Reply {
    pub(crate) fn json<T: Serialize>(status: StatusCode, id: Option<InvocationId>, body: &T) -> Self {
        Self {
            status,
            content_type: respond::JSON,
            body: respond::to_json(body),
            id,
            source: None,
            expires_at: None,
            allow: None,
            retry_after: None,
        }
    }

    /// The result of an invocation. `content_type`: as its handler declares it.
    pub(crate) fn outcome(id: InvocationId, outcome: Outcome, content_type: Option<&str>) -> Self {
        match outcome {
            Ok(body) => {
                let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
                let reply = Self::json(StatusCode::OK, Some(id), &());
                Self { content_type: content_type.unwrap_or(respond::JSON), body, ..reply }
            }
            Err(failure) => Self::failure(id, &failure),
        }
    }

    fn failure(id: InvocationId, failure: &Failure) -> Self {
        let code = if (400..600).contains(&failure.code) { failure.code } else { 500 };
        let metadata = (!failure.metadata.is_empty()).then(|| {
            failure.metadata.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
        });
        let body = ErrorBody { code, message: &failure.message, source: Source::Invocation, metadata };
        let status = StatusCode::from_u16(code).expect("400 to 599 are status codes");
        Self { source: Some(Source::Invocation), ..Self::json(status, Some(id), &body) }
    }

    /// `both`: with the headers' `x-restate-` names as well.
    pub(crate) fn into_response(self, both: bool) -> Response {
        let mut response = respond::bytes(self.status, self.content_type, self.body);
        let headers = response.headers_mut();
        if let Some(id) = self.id {
            // An id's text is ASCII.
            let value = HeaderValue::from_str(&id.to_string()).expect("base 62 is a valid header value");
            insert(headers, both, ["x-relight-id", "x-restate-id"], value);
        }
        if let Some(source) = self.source {
            insert(headers, both, ["x-relight-error-source", "x-restate-error-source"], source.header());
        }
        if let Some(expires_at) = self.expires_at {
            let value = HeaderValue::from_str(&format_instant(expires_at.0)).expect("RFC 3339 is ASCII");
            headers.insert("idempotency-expires", value);
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(retry_after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after.as_secs().into());
        }
        response
    }
}

fn insert(headers: &mut HeaderMap, both: bool, names: [&'static str; 2], value: HeaderValue) {
    let [ours, theirs] = names.map(HeaderName::from_static);
    if both {
        headers.insert(theirs, value.clone());
    }
    headers.insert(ours, value);
}

impl From<RouteError> for Rejection {
    fn from(error: RouteError) -> Self {
        Self::Route(error)
    }
}

impl From<Rejection> for Reply {
    fn from(rejection: Rejection) -> Self {
        let status = rejection.status();
        let message = rejection.message();
        let body =
            ErrorBody { code: status.as_u16(), message: &message, source: Source::Ingress, metadata: None };
        let mut reply = Self { source: Some(Source::Ingress), ..Self::json(status, None, &body) };
        match rejection {
            Rejection::Route(RouteError::Method { allow }) => reply.allow = Some(allow),
            Rejection::TooManyRequests => reply.retry_after = Some(RETRY_AFTER),
            Rejection::NotCompleted(id) => reply.id = Some(id),
            Rejection::Unavailable { id, .. } => reply.id = id,
            _ => {}
        }
        reply
    }
}

impl Rejection {
    fn status(&self) -> StatusCode {
        match self {
            Self::Route(RouteError::NotFound | RouteError::UnknownService(_)) | Self::NotFound(_) => {
                StatusCode::NOT_FOUND
            }
            Self::Route(RouteError::Method { .. }) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Route(RouteError::Bad(_)) | Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadersTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::PayloadDiffers(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooManyRequests | Self::TooManySignals(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotCompleted(_) => StatusCode::from_u16(NOT_COMPLETED).expect("470 is a status code"),
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Route(RouteError::NotFound) => "no such path".to_owned(),
            Self::Route(RouteError::UnknownService(name)) => format!("unknown service `{name}`"),
            Self::Route(RouteError::Method { allow }) => format!("wrong method: this path takes {allow}"),
            Self::Route(RouteError::Bad(message))
            | Self::Bad(message)
            | Self::NotFound(message)
            | Self::Conflict(message)
            | Self::PayloadDiffers(message)
            | Self::TooManySignals(message)
            | Self::Internal(message)
            | Self::Unavailable { message, .. } => message.clone(),
            Self::TooSlow => "the body came too slowly".to_owned(),
            Self::TooLarge { bytes_max } => format!("the body is larger than {bytes_max} bytes"),
            Self::HeadersTooLarge { bytes_max } => format!("the headers are larger than {bytes_max} bytes"),
            Self::ContentType { got, declared } => {
                format!("content type `{got}` is not what the handler takes: `{declared}`")
            }
            Self::TooManyRequests => {
                "too many requests in flight; nothing was accepted, it is safe to retry".to_owned()
            }
            Self::NotCompleted(id) => format!("invocation `{id}` is not completed yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use relight_core::ids::PartitionKey;

    use super::*;

    const ID: InvocationId = InvocationId { key: PartitionKey(7), unique: 9 };

    fn show(reply: Reply, both: bool) -> (u16, Vec<String>, String) {
        let (parts, body) = reply.into_response(both).into_parts();
        let mut headers: Vec<_> = parts
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        (parts.status.as_u16(), headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn success_carries_type_id_and_expiry() {
        let reply = Reply::outcome(ID, Ok(Bytes::from_static(b"hi")), Some("text/plain"));
        let reply = Reply { expires_at: Some(Timestamp(0)), ..reply };
        let expected = [
            "content-type: text/plain".to_owned(),
            "idempotency-expires: 1970-01-01T00:00:00.000Z".to_owned(),
            format!("x-relight-id: {ID}"),
        ];
        assert_eq!(show(reply, false), (200, expected.to_vec(), "hi".to_owned()));
    }

    #[test]
    fn failures_have_their_code_and_both_headers() {
        let failure =
            Failure { metadata: vec![("a".to_owned(), "b".to_owned())], ..Failure::new(418, "tea") };
        let (status, headers, body) = show(Reply::outcome(ID, Err(failure), None), true);
        assert_eq!(status, 418);
        assert_eq!(
            headers,
            [
                "content-type: application/json".to_owned(),
                "x-relight-error-source: invocation".to_owned(),
                format!("x-relight-id: {ID}"),
                "x-restate-error-source: invocation".to_owned(),
                format!("x-restate-id: {ID}"),
            ]
        );
        assert_eq!(body, r#"{"code":418,"message":"tea","source":"invocation","metadata":{"a":"b"}}"#);
        assert_eq!(show(Reply::outcome(ID, Err(Failure::new(7, "x")), None), true).0, 500);
    }

    #[test]
    fn rejections_have_their_status_and_source() {
        let declared = "application/json".to_owned();
        for (rejection, status, words) in [
            (Rejection::Route(RouteError::NotFound), 404, "no such path"),
            (Rejection::Route(RouteError::UnknownService("S".to_owned())), 404, "`S`"),
            (Rejection::Route(RouteError::Method { allow: "GET" }), 405, "GET"),
            (Rejection::Route(RouteError::Bad("bad path".to_owned())), 400, "bad path"),
            (Rejection::TooLarge { bytes_max: 9 }, 413, "9 bytes"),
            (Rejection::ContentType { got: "a/b".to_owned(), declared }, 415, "`a/b`"),
            (Rejection::PayloadDiffers("differs".to_owned()), 422, "differs"),
            (Rejection::TooManyRequests, 429, "safe to retry"),
            (Rejection::TooManySignals("signals".to_owned()), 429, "signals"),
            (Rejection::NotCompleted(ID), 470, "not completed"),
            (Rejection::Unavailable { message: "later".to_owned(), id: None }, 503, "later"),
        ] {
            let (got, headers, body) = show(rejection.into(), false);
            assert_eq!(got, status);
            assert!(headers.contains(&"x-relight-error-source: ingress".to_owned()));
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!((&body["code"], &body["source"]), (&status.into(), &"ingress".into()));
            assert!(body["message"].as_str().unwrap().contains(words), "{body}");
        }
        assert!(show(Rejection::TooManyRequests.into(), false).1.contains(&"retry-after: 1".to_owned()));
        let method = Rejection::Route(RouteError::Method { allow: "GET" });
        assert!(show(method.into(), false).1.contains(&"allow: GET".to_owned()));
    }
}
