//! The HTTP client of all commands: one request, one whole answer. HTTP/1.1 without TLS, as the doors speak it.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::{client::legacy, client::legacy::connect::HttpConnector, rt::TokioExecutor};
use serde_json::Value;

use crate::error::{Error, Exit, Result};

/// One door of a server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    inner: legacy::Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// `base` such as `http://127.0.0.1:9070`, without a slash at the end.
    pub fn new(base: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { base, inner: legacy::Client::builder(TokioExecutor::new()).build(connector) }
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, &[], Bytes::new()).await?.into_json()
    }

    /// Sends a request; any status is an answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Bytes,
    ) -> Result<Response> {
        let address = format!("{}{path}", self.base);
        let uri: Uri = address
            .parse()
            .map_err(|error| Error::usage(format!("`{address}` is not an address")).because(&error))?;
        if uri.scheme_str() != Some("http") {
            return Err(Error::usage(format!("`{}`: only http:// addresses are supported", self.base)));
        }
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Error::usage("a header is not valid").because(&error))?;
        let answer = self.inner.request(request).await.map_err(|error| self.unreachable(&error))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| self.unreachable(&error))?.to_bytes();
        Ok(Response { status: parts.status, headers: parts.headers, body })
    }

    fn unreachable(&self, cause: &dyn std::error::Error) -> Error {
        Error::new(Exit::Unreachable, format!("no answer from {}", self.base)).because(cause).hint(
            "is the server running? `relight up` starts one; `--admin` and `--ingress` name another address",
        )
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The answer of a success, or the error that it tells of.
    pub fn checked(self) -> Result<Self> {
        if self.status.is_success() { Ok(self) } else { Err(self.into_error()) }
    }

    /// The body of a success; `null` for an empty one.
    pub fn into_json(self) -> Result<Value> {
        let answer = self.checked()?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::new(Exit::Failed, "the server's answer is not JSON").because(&error))
    }

    fn into_error(self) -> Error {
        let exit = match self.status.as_u16() {
            401 | 403 => Exit::Unauthorized,
            404 => Exit::NotFound,
            409 | 412 | 425 | 470 => Exit::Conflict,
            408 | 504 => Exit::TimedOut,
            422 => Exit::UploadInvalid,
            503 => Exit::Unreachable,
            _ => Exit::Failed,
        };
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let message = text("message").unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        let mut error = Error::new(exit, format!("{message} (status {})", self.status.as_u16()));
        error.hint = text("hint");
        error.code = text("code").filter(|code| code.starts_with("RL"));
        error
    }
}

/// `text` as one segment of a path.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `?a=b&c=d` of pairs, or nothing.
pub fn query(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", segment(name), segment(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Response {
        let status = StatusCode::from_u16(status).expect("a status");
        Response { status, headers: HeaderMap::new(), body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn segments_are_percent_encoded() {
        assert_eq!(segment("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
        assert_eq!(query(&[("since".to_owned(), "1 h".to_owned())]), "?since=1%20h");
        assert_eq!(query(&[]), "");
    }

    #[test]
    fn statuses_become_exit_codes() {
        for (status, exit) in [
            (404, Exit::NotFound),
            (409, Exit::Conflict),
            (422, Exit::UploadInvalid),
            (403, Exit::Unauthorized),
            (500, Exit::Failed),
        ] {
            assert_eq!(answer(status, "no").into_json().expect_err("a failure").exit, exit);
        }
    }

    #[test]
    fn the_servers_message_code_and_hint_are_kept() {
        let error = answer(422, r#"{"message":"a core module","code":"RL0102","hint":"build it"}"#)
            .into_json()
            .expect_err("a failure");
        assert_eq!(error.message, "a core module (status 422)");
        assert_eq!(error.code.as_deref(), Some("RL0102"));
        assert_eq!(error.hint.as_deref(), Some("build it"));
    }
}
