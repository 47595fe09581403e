//! The server loop: HTTP/1.1 and HTTP/2 without TLS on one port, limits on slow and idle clients, and a bounded drain.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use hyper::{HeaderMap, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::MissedTickBehavior,
};

use crate::{
    Request, Response, Shutdown,
    activity::{Activity, Guarded, Reporting, Verdict},
    shutdown::DRAIN,
};

/// Answers requests.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Dropping the future means that the client is gone.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// Bounds of one listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the backlog of the socket.
    pub connections_max: usize,
    /// From the first byte of a request (from the connection's start for the first one) to the end of its head.
    pub header_read: Duration,
    /// Without any request.
    pub idle: Duration,
    /// A response of which the client takes nothing.
    pub write_stall: Duration,
    /// All headers of a request, names and values. Enforced here for HTTP/2; for HTTP/1 a handler asks [`header_bytes`],
    /// because only it knows how its errors look.
    pub header_bytes_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            write_stall: Duration::from_secs(30),
            header_bytes_max: HEADER_BYTES_MAX,
        }
    }
}

/// Headers of one request: more than any honest client sends, little enough to keep one per invocation.
pub const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Names and values of all headers together.
pub fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Read buffer of an HTTP/1 connection: holds the largest head and keeps large bodies in few pieces.
const HTTP1_BUFFER_BYTES_MAX: usize = 128 << 10;
/// Requests at once on one HTTP/2 connection.
const HTTP2_STREAMS_MAX: u32 = 128;
/// Resets that a client may send before the streams they belong to were looked at (rapid reset).
const HTTP2_PENDING_RESETS_MAX: usize = 20;
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// How often a connection's activity is judged; the limits are exceeded by at most this.
const VERDICT_INTERVAL_MAX: Duration = Duration::from_millis(2500);
/// Pause after the system refused a connection (out of descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the shutdown starts, then for at most [`DRAIN`] what is in flight. Returns when the last connection is
/// closed.
pub async fn serve<H: Handler>(listener: TcpListener, limits: Limits, shutdown: Shutdown, handler: H) {
    let builder = Arc::new(builder(&limits));
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    let mut started = pin!(shutdown.started());
    loop {
        tokio::select! {
            biased;
            () = &mut started => break,
            Some(ended) = connections.join_next() => report(ended),
            (permit, socket) = accept(&listener, &permits) => {
                let connection = connection(socket, builder.clone(), limits, shutdown.clone(), handler.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(DRAIN, async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    });
    if drained.await.is_err() {
        tracing::info!(connections = connections.len(), "closed connections that did not end in time");
        connections.shutdown().await;
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Activity` bounds the time for a head; hyper would set and clear a timer for each.
        .header_read_timeout(None)
        .max_buf_size(HTTP1_BUFFER_BYTES_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS_MAX)
        .max_header_list_size(limits.header_bytes_max)
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .adaptive_window(true);
    builder
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (tokio::sync::OwnedSemaphorePermit, TcpStream) {
    let permit = Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return (permit, socket),
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}

async fn connection<H: Handler>(
    socket: TcpStream,
    builder: Arc<auto::Builder<TokioExecutor>>,
    limits: Limits,
    shutdown: Shutdown,
    handler: H,
) {
    if socket.set_nodelay(true).is_err() {
        return; // The client is gone already.
    }
    let activity = Arc::new(Activity::new());
    let service = service_fn({
        let activity = Arc::clone(&activity);
        move |request: Request| {
            let guard = activity.request(request.version() == hyper::Version::HTTP_2);
            let handler = handler.clone();
            async move {
                let response = handler.handle(request).await;
                Ok::<_, Infallible>(response.map(|body| Guarded { body, _request: guard }))
            }
        }
    });
    let io = TokioIo::new(Reporting { socket, activity: Arc::clone(&activity) });
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut started = pin!(shutdown.started());
    let mut ticks = tokio::time::interval(verdict_interval(&limits));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut closing = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = &mut started, if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = ticks.tick() => match activity.verdict(&limits) {
                Verdict::Continue => {}
                Verdict::Idle if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Idle | Verdict::Stuck => return,
            },
        }
    }
}

fn verdict_interval(limits: &Limits) -> Duration {
    let shortest = limits.header_read.min(limits.idle).min(limits.write_stall);
    (shortest / 4).clamp(Duration::from_millis(1), VERDICT_INTERVAL_MAX)
}
