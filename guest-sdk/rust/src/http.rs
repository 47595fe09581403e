//! Outgoing HTTP, for effects and inline runs. Which hosts are allowed is decided when the component is deployed.
//!
//! ```
//! use relight::http;
//! use relight::prelude::*;
//!
//! #[effect]
//! async fn exchange_rate(currency: String) -> Result<f64, EffectError> {
//!     let response = http::get(format!("http://127.0.0.1:9999/rates/{currency}")).send().await?;
//!     Ok(response.error_for_status()?.json()?)
//! }
//! ```

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;
use crate::json;
use crate::request::Headers;
use crate::time::to_millis;

/// A request to be sent.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before the request is sent"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

/// The whole answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no answer, or not the one that was wanted. In an effect, `?` makes each of them retryable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The deployment does not allow this.
    #[error("the request is not allowed: {0}")]
    Denied(String),
    /// No whole answer in time.
    #[error("the request timed out")]
    Timeout,
    /// No connection.
    #[error("failed to connect: {0}")]
    Connect(String),
    /// Over the host's limit.
    #[error("the request or its answer is too large")]
    TooLarge,
    /// Anything else.
    #[error("the request failed: {0}")]
    Other(String),
    /// The answer says that it failed; by [`Response::error_for_status`].
    #[error("the answer has status {status}: {body}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The body is not what was expected; by [`Response::json`].
    #[error("cannot read the answer: {0}")]
    Body(String),
}

/// A GET request.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A POST request.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

impl Request {
    /// A request with any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// Add a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Set the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Set the body to a value in JSON, and say so in a header.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.header("content-type", "application/json").body(json::encode(value))
    }

    /// Bound the time from connecting to the last byte of the answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Send it and wait for the whole answer. In an effect; inside an inline run, which does not await, use [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// When there is no answer; a status of 400 and above is one.
    pub async fn send(self) -> Result<Response, Error> {
        self.fetch()
    }

    /// Send it and wait for the whole answer, in plain code. Traps outside of effects and inline runs.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn fetch(self) -> Result<Response, Error> {
        let request = host::http::Request {
            method: self.method,
            url: self.url,
            headers: self.headers,
            body: self.body,
            timeout: self.timeout.map(to_millis),
        };
        let response = host::http::fetch(&request)?;
        Ok(Response { status: response.status, headers: Headers(response.headers), body: response.body })
    }
}

impl Response {
    /// This answer if its status is below 400.
    ///
    /// # Errors
    ///
    /// [`Error::Status`] otherwise.
    pub fn error_for_status(self) -> Result<Self, Error> {
        /// As much of the body as helps a reader of the journal.
        const BODY_CHARS_MAX: usize = 200;
        if self.status < 400 {
            return Ok(self);
        }
        Err(Error::Status { status: self.status, body: self.text().chars().take(BODY_CHARS_MAX).collect() })
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Body`] when it is not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        json::decode(&self.body).map_err(|error| Error::Body(error.to_string()))
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl From<host::http::Error> for Error {
    fn from(error: host::http::Error) -> Self {
        match error {
            host::http::Error::Denied(reason) => Self::Denied(reason),
            host::http::Error::Timeout => Self::Timeout,
            host::http::Error::Connect(reason) => Self::Connect(reason),
            host::http::Error::TooLarge => Self::TooLarge,
            host::http::Error::Other(reason) => Self::Other(reason),
        }
    }
}
