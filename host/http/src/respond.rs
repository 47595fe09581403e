//! Responses with a body that is in memory.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    StatusCode,
    header::{self, HeaderValue},
};
use serde::Serialize;

pub type Response = hyper::Response<Full<Bytes>>;

pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub fn bytes(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    bytes(status, HeaderValue::from_static("text/plain; charset=utf-8"), body)
}

pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    bytes(status, JSON, to_json(body))
}

/// `body` MUST be a type that always has a JSON form: its maps have keys that are strings.
pub fn to_json<T: Serialize>(body: &T) -> Bytes {
    Bytes::from(serde_json::to_vec(body).expect("types of responses always have a JSON form"))
}

pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
