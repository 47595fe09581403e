//! A closed loop: so many clients, each with one connection, each with one request at a time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinSet};

use super::{
    Size,
    server::{Cost, Server},
    workloads::Step,
};

/// A step that takes longer is not slow, it hangs.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// One connection that is kept alive.
#[derive(Debug)]
pub struct Client {
    authority: String,
    sender: http1::SendRequest<Full<Bytes>>,
}

/// What a run measured.
#[derive(Debug, Default)]
pub struct Measured {
    pub clients: usize,
    pub elapsed: Duration,
    pub errors: u64,
    /// Of successful steps, sorted.
    pub latencies_us: Vec<u64>,
    pub cost: Cost,
    /// The first error, for people.
    pub first_error: Option<String>,
}

impl Client {
    /// `authority`: host and port of the ingress.
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
        self.request(Method::POST, path, None, body).await
    }

    pub async fn post_once(&mut self, path: &str, input: &Value, key: &str) -> anyhow::Result<Value> {
        self.request(Method::POST, path, Some(key), Bytes::from(serde_json::to_vec(input)?)).await
    }

    pub async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        self.request(Method::GET, path, None, Bytes::new()).await
    }

    /// An answer that is no JSON.
    pub async fn text(&mut self, path: &str) -> anyhow::Result<String> {
        let body = self.exchange(Method::GET, path, None, Bytes::new()).await?;
        String::from_utf8(body.to_vec()).with_context(|| format!("read the answer of `{path}`"))
    }

    async fn request(
        &mut self,
        method: Method,
        path: &str,
        idempotency_key: Option<&str>,
        body: Bytes,
    ) -> anyhow::Result<Value> {
        let body = self.exchange(method, path, idempotency_key, body).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).with_context(|| format!("read the answer of `{path}`"))
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        idempotency_key: Option<&str>,
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.authority);
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
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

/// Runs `step` with so many clients, first to warm up, then to measure.
pub async fn closed_loop(
    server: &Server,
    step: Step,
    clients: usize,
    size: Size,
) -> anyhow::Result<Measured> {
    let step = Arc::new(step);
    run_for(server, &step, clients, size.warm_up).await?;
    let before = server.cost().await?;
    let mut measured = run_for(server, &step, clients, size.measure).await?;
    measured.cost = server.cost().await?.since(&before);
    Ok(measured)
}

async fn run_for(
    server: &Server,
    step: &Arc<Step>,
    clients: usize,
    time: Duration,
) -> anyhow::Result<Measured> {
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Client::connect(server.ingress()).await?);
    }
    let started = Instant::now();
    let deadline = started + time;
    let mut tasks = JoinSet::new();
    for client in connected {
        tasks.spawn(client_loop(client, Arc::clone(step), server.ingress().to_owned(), deadline));
    }
    let mut measured = Measured { clients, ..Measured::default() };
    while let Some(task) = tasks.join_next().await {
        let (latencies, errors) = task.context("run a client")?;
        measured.latencies_us.extend(latencies);
        measured.errors += errors.len() as u64;
        measured.first_error = measured.first_error.or_else(|| errors.into_iter().next());
    }
    measured.elapsed = started.elapsed();
    measured.latencies_us.sort_unstable();
    Ok(measured)
}

async fn client_loop(
    mut client: Client,
    step: Arc<Step>,
    authority: String,
    deadline: Instant,
) -> (Vec<u64>, Vec<String>) {
    let (mut latencies, mut errors) = (Vec::new(), Vec::new());
    while Instant::now() < deadline {
        let started = Instant::now();
        match step.run(&mut client).await {
            Ok(()) => latencies.push(started.elapsed().as_micros() as u64),
            Err(error) => {
                errors.push(format!("{error:#}"));
                // A broken connection stays broken.
                match Client::connect(&authority).await {
                    Ok(again) => client = again,
                    Err(_) => break,
                }
            }
        }
    }
    (latencies, errors)
}
