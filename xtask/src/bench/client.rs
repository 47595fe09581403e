//! [`Client`]: one HTTP/1.1 connection that is kept alive, with one request at a time.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A request that takes longer is not slow, it hangs.
const REQUEST_MAX: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub struct Client {
    authority: String,
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    /// `authority`: host and port.
    pub async fn connect(authority: &str) -> anyhow::Result<Self> {
        let socket =
            TcpStream::connect(authority).await.with_context(|| format!("connect to {authority}"))?;
        socket.set_nodelay(true).context("set TCP_NODELAY")?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.context("begin HTTP")?;
        // It ends with the connection; a failure shows at the next request.
        tokio::spawn(connection);
        Ok(Self { authority: authority.to_owned(), sender })
    }

    pub async fn post(&mut self, path: &str, input: &Value) -> anyhow::Result<Value> {
        let body = if input.is_null() { Bytes::new() } else { Bytes::from(serde_json::to_vec(input)?) };
        let answer = self.exchange(Method::POST, path, body).await?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).with_context(|| format!("read the answer of `{path}`"))
    }

    pub async fn post_bytes(&mut self, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        self.exchange(Method::POST, path, body).await
    }

    pub async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.exchange(Method::GET, path, Bytes::new()).await
    }

    async fn exchange(&mut self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.authority);
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Full::new(body)).context("make a request")?;
        let exchange = async {
            self.sender.ready().await.context("use the connection")?;
            let answer = self.sender.send_request(request).await.context("send a request")?;
            let status = answer.status();
            let body = answer.into_body().collect().await.context("read an answer")?.to_bytes();
            anyhow::Ok((status, body))
        };
        let (status, body) = tokio::time::timeout(REQUEST_MAX, exchange)
            .await
            .with_context(|| format!("wait for `{path}`"))??;
        if !status.is_success() {
            bail!("`{path}` answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}
