//! Requests to a server that comes and goes: repeated until somebody answers.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, header::HeaderMap};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::server::Addresses;

/// Between two tries while the same server is there: it may be about to end, or have no leader yet.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Where the server is now; none while there is none.
pub type Whereabouts = watch::Receiver<Option<Addresses>>;

/// Sends requests to wherever the server is.
#[derive(Debug, Clone)]
pub struct Caller {
    http: Client<HttpConnector, Full<Bytes>>,
    server: Whereabouts,
}

#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    door: Door,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

#[derive(Debug, Clone, Copy)]
enum Door {
    Ingress,
    Admin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, Door::Ingress, path.into())
    }

    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, Door::Ingress, path.into())
    }

    pub fn admin(method: Method, path: impl Into<String>) -> Self {
        Self::new(method, Door::Admin, path.into())
    }

    fn new(method: Method, door: Door, path: String) -> Self {
        Self { method, door, path, headers: Vec::new(), body: Bytes::new() }
    }

    pub fn json(self, body: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("plain data is JSON").into();
        Self { body, ..self.header("content-type", "application/json") }
    }

    pub fn bytes(self, content_type: &str, body: Bytes) -> Self {
        Self { body, ..self.header("content-type", content_type) }
    }

    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Reply {
    /// The invocation that it is about.
    #[track_caller]
    pub fn id(&self) -> String {
        let id = self.headers.get("x-relight-id").unwrap_or_else(|| panic!("no invocation id in {self}"));
        id.to_str().expect("an id is ASCII").to_owned()
    }

    #[track_caller]
    pub fn parsed<T: DeserializeOwned>(&self) -> T {
        assert!((200..300).contains(&self.status), "{self}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// What must be the same for everyone who asks.
    pub fn outcome(&self) -> (u16, Bytes) {
        (self.status, self.body.clone())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

impl Caller {
    pub fn new(server: Whereabouts) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { http: Client::builder(TokioExecutor::new()).build(connector), server }
    }

    /// Sends until there is an answer that is not "try again".
    pub async fn until_answered(&self, request: Request) -> Reply {
        let mut server = self.server.clone();
        loop {
            let addresses = present(&mut server).await;
            match self.send(&addresses, &request).await {
                Ok(reply) if !matches!(reply.status, 429 | 503) => return reply,
                Ok(_) | Err(_) => {
                    // Either another server comes, or this one gets better.
                    let other = server.wait_for(|now| now.as_ref().is_some_and(|now| *now != addresses));
                    let _ = tokio::time::timeout(RETRY_PAUSE, other).await;
                }
            }
        }
    }

    /// Sends once, to the server that is there or comes next. The error says that nobody knows whether it arrived.
    pub async fn once(&self, request: &Request) -> Result<Reply, String> {
        let addresses = present(&mut self.server.clone()).await;
        self.send(&addresses, request).await
    }

    async fn send(&self, to: &Addresses, request: &Request) -> Result<Reply, String> {
        let base = match request.door {
            Door::Ingress => &to.ingress,
            Door::Admin => &to.admin,
        };
        let mut message = hyper::Request::builder()
            .method(&request.method)
            .uri(format!("{base}{}", request.path))
            .body(Full::new(request.body.clone()))
            .expect("a valid request");
        for (name, value) in &request.headers {
            message.headers_mut().insert(*name, value.parse().expect("a valid header"));
        }
        let response = self.http.request(message).await.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

async fn present(server: &mut Whereabouts) -> Addresses {
    let now = server.wait_for(Option::is_some).await.expect("the test still runs its servers");
    now.clone().expect("waited for it")
}
