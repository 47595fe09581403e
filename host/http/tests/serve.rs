//! The server loop over real sockets: protocols, bounds on clients, drain.

#![allow(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::StatusCode;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use relight_http::{
    Handler, Limits, Request, Response, ShutdownTrigger,
    body::{BodyError, BodyLimits, BodyRate, collect},
    respond, serve, shutdown,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

const SHORT: Duration = Duration::from_millis(200);
const BODY: BodyLimits =
    BodyLimits { bytes_max: 1000, rate: BodyRate { grace: SHORT, bytes_per_second_min: 1 << 20 } };

/// `/echo` answers with the body; `/wait` says that it has started and answers when it is told to.
#[derive(Clone, Default)]
struct Echo {
    started: Arc<Notify>,
    go: Arc<Notify>,
}

impl Handler for Echo {
    async fn handle(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        if parts.uri.path() == "/wait" {
            self.started.notify_one();
            self.go.notified().await;
            return respond::text(StatusCode::OK, "done");
        }
        match collect(body, &parts.headers, BODY).await {
            Ok(body) => respond::text(StatusCode::OK, body),
            Err(BodyError::TooLarge { .. }) => respond::empty(StatusCode::PAYLOAD_TOO_LARGE),
            Err(BodyError::TooSlow) => respond::empty(StatusCode::REQUEST_TIMEOUT),
            Err(BodyError::Broken(_)) => respond::empty(StatusCode::BAD_REQUEST),
        }
    }
}

struct Server {
    address: SocketAddr,
    handler: Echo,
    trigger: ShutdownTrigger,
    ended: JoinHandle<()>,
}

async fn start(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown();
    let handler = Echo::default();
    let ended = tokio::spawn(serve(listener, limits, shutdown, handler.clone()));
    Server { address, handler, trigger, ended }
}

/// Sends `text` and reads until the server closes the connection.
async fn exchange(address: SocketAddr, text: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn short() -> Limits {
    Limits { header_read: SHORT, idle: SHORT * 2, ..Limits::default() }
}

#[tokio::test]
async fn both_protocols_are_served_on_one_port() {
    let server = start(Limits::default()).await;
    for http2 in [false, true] {
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        for text in ["one", "two"] {
            let request = hyper::Request::post(format!("http://{}/echo", server.address))
                .body(Full::from(text))
                .unwrap();
            let response = client.request(request).await.unwrap();
            assert_eq!(response.version() == hyper::Version::HTTP_2, http2);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
        }
    }
}

#[tokio::test]
async fn a_silent_client_is_cut_off() {
    let server = start(short()).await;
    assert_eq!(exchange(server.address, "").await, "");
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut_off() {
    let server = start(Limits { idle: Duration::from_secs(600), ..short() }).await;
    for start in ["GET / HTTP/1.1\r\nx: ", "PRI * HT"] {
        assert_eq!(exchange(server.address, start).await, "");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let server = start(Limits { header_read: Duration::from_secs(600), ..short() }).await;
    let answer =
        exchange(server.address, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("hi"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_or_without_its_length() {
    let server = start(short()).await;
    let big = "x".repeat(BODY.bytes_max + 1);
    let sized = format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{big}", big.len());
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{big}\r\n0\r\n\r\n",
        big.len()
    );
    let asked = format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        big.len()
    );
    for request in [sized, chunked, asked] {
        let answer = exchange(server.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_refused() {
    let server = start(short()).await;
    let answer =
        exchange(server.address, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhi").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let server = start(Limits { connections_max: 1, ..Limits::default() }).await;
    let first =
        tokio::spawn(exchange(server.address, "GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    server.handler.started.notified().await;
    let second =
        tokio::spawn(exchange(server.address, "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    server.handler.go.notify_one();
    assert!(first.await.unwrap().ends_with("done"));
    assert!(second.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_shutdown_lets_requests_in_flight_finish_and_accepts_no_more() {
    let server = start(Limits::default()).await;
    let waiting = tokio::spawn(exchange(server.address, "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n"));
    server.handler.started.notified().await;
    server.trigger.start();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.handler.go.notify_one();
    assert!(waiting.await.unwrap().ends_with("done"));
    server.ended.await.unwrap();
}
