//! Bounds at the doors, and which test breaks which bound of the whole system. `cargo xtask tidy` sees to it that each
//! test in the table exists.
//!
//! ## Limits
//!
//! | Limit | Tests |
//! |---|---|
//! | body of a request | `bounds_of_requests_are_configured`, `refusals_of_the_door_say_why`, `a_body_that_is_too_large_is_refused_with_or_without_its_length` |
//! | size of a component | `bounds_of_requests_are_configured`, `too_large_upload_is_refused_before_it_is_sent` |
//! | headers of a request | `bounds_of_requests_are_configured`, `large_bodies_and_headers_are_refused` |
//! | requests in flight | `bounds_of_requests_are_configured`, `requests_over_the_limit_are_told_to_wait` |
//! | connections | `connections_over_the_limit_wait_until_one_closes` |
//! | time for a head | `slow_heads_and_bodies_are_cut_off`, `a_client_that_never_ends_its_head_is_cut_off` |
//! | rate of a body | `slow_heads_and_bodies_are_cut_off`, `a_body_that_stalls_is_refused` |
//! | time without a request | `idle_connections_are_closed`, `an_idle_connection_is_closed_after_its_answer` |
//! | names and keys at the ingress | `keys_are_as_long_as_handlers_may_make_them`, `names_and_keys_are_bounded`, `names_in_bodies_are_bounded` |
//! | names and keys in a handler | `guests_that_break_limits_end_with_a_message_and_disturb_nobody` |
//! | size of a journal entry | `guests_that_break_limits_end_with_a_message_and_disturb_nobody`, `sizes_are_bounded` |
//! | entries of a journal | `guests_that_break_limits_end_with_a_message_and_disturb_nobody`, `the_journal_is_bounded_in_entries` |
//! | bytes of a journal | `guests_that_break_limits_end_with_a_message_and_disturb_nobody`, `the_journal_is_bounded_in_bytes` |
//! | value and key of a state | `guests_that_break_limits_end_with_a_message_and_disturb_nobody`, `sizes_are_bounded` |
//! | headers of a call or send by a handler | `guests_that_break_limits_end_with_a_message_and_disturb_nobody` |
//! | memory of an instance | `guests_that_break_limits_end_with_a_message_and_disturb_nobody`, `memory_limit_is_named` |
//! | memory of an instance, asked for by a deployment | `a_deployment_has_the_memory_it_asks_for_within_that_of_the_server` |
//! | depth of calls | `guests_that_break_limits_end_with_a_message_and_disturb_nobody` |
//! | running time without a host call | `guests_that_break_limits_end_with_a_message_and_disturb_nobody` |
//! | signals that nobody has waited for, their bytes | `signals_that_nobody_has_waited_for_are_bounded`, `signals_that_nobody_asks_for_are_bounded_in_bytes` |
//! | handlers that wait for one invocation or promise | `so_many_wait_for_an_invocation`, `so_many_wait_for_a_promise_and_who_has_ended_does_not_count` |
//! | 400, 404, 405, 409, 413, 415, 422, 470 of the ingress | `refusals_of_the_door_say_why` |
//! | 429, 431 of the ingress | `bounds_of_requests_are_configured` |
//! | 503 of the ingress | `who_waits_at_a_shutdown_is_told_where_the_result_will_be` |
//! | settings that cannot work | `bounds_that_cannot_work_are_refused`, `wrong_values_say_what_is_expected` |

use std::{
    io,
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Answer, Folder, Server, component, failure, until};

const IN_FLIGHT: &str = "relight_ingress_requests_in_flight";
/// What is configured ends within this, what is not configured does not.
const CONFIGURED_MAX: Duration = Duration::from_secs(8);
const HEALTH: &str = "GET /relight/health HTTP/1.1\r\nhost: x\r\n\r\n";

/// A connection that a client library would not make.
struct Raw(TcpStream);

impl Raw {
    async fn connect(url: &str) -> Self {
        let address = url.strip_prefix("http://").expect("an HTTP address");
        Self(TcpStream::connect(address).await.expect("connect"))
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("send");
    }

    /// The answer to [`HEALTH`] of a server without deployments, of a connection that stays open.
    async fn healthy(&mut self) {
        let mut answer = String::new();
        while !answer.ends_with(r#"{"services":[]}"#) {
            let mut piece = [0; 1024];
            let read = self.0.read(&mut piece).await.expect("read");
            assert_ne!(read, 0, "closed after `{answer}`");
            answer.push_str(std::str::from_utf8(&piece[..read]).expect("ASCII"));
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    /// What comes until the server closes.
    async fn rest(mut self) -> String {
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).await.expect("the server closes");
        String::from_utf8(answer).expect("text")
    }
}

#[track_caller]
fn refused(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("x-relight-error-source"), "ingress");
    let body = answer.json();
    assert_eq!((&body["code"], &body["source"]), (&json!(status), &json!("ingress")), "{body}");
    assert!(body["message"].as_str().is_some_and(|message| message.contains(words)), "{body}");
}

async fn with_header(server: &Server, url: &str, bytes: usize) -> Answer {
    server.request(Method::GET, url, &[("x-large", &"x".repeat(bytes))], Bytes::new()).await
}

#[tokio::test]
async fn bounds_of_requests_are_configured() {
    let folder = Folder::new();
    let conformance = component("conformance");
    let component_max = conformance.len().to_string();
    let server = folder
        .start_with(&[
            ("RELIGHT_INGRESS__BODY_MAX", "100"),
            ("RELIGHT_INGRESS__REQUESTS_MAX", "1"),
            ("RELIGHT_ADMIN__COMPONENT_MAX", &component_max),
            ("RELIGHT_HTTP__HEADER_MAX", "1KiB"),
        ])
        .await;
    server.deploy("conformance").await;
    let larger = server.upload([conformance.as_slice(), &[0]].concat()).await;
    assert_eq!((larger.status.as_u16(), &larger.json()["code"]), (422, &json!("RL0101")), "{larger:?}");
    let message = larger.json()["message"].to_string();
    assert!(message.contains(&format!("larger than {component_max} bytes")), "{message}");

    let body = format!("{:100}", 1);
    assert_eq!(server.post("/Callee/a/add", &[], &body).await.json(), json!(1));
    refused(&server.post("/Callee/a/add", &[], &format!("{body} ")).await, 413, "larger than 100 bytes");

    let (ingress, admin) = (server.ingress_url(), server.admin_url());
    assert_eq!(with_header(&server, &format!("{ingress}/Callee/a/get"), 900).await.json(), json!(1));
    let large = with_header(&server, &format!("{ingress}/Callee/a/get"), 1024).await;
    refused(&large, 431, "larger than 1024 bytes");
    let large = with_header(&server, &format!("{admin}/deployments"), 1024).await;
    assert_eq!((large.status.as_u16(), &large.json()["code"]), (431, &json!("RL0012")));

    {
        let mut held = pin!(server.post("/Waits/a/hold", &[], ""));
        let mut in_flight = pin!(until_in_flight(&server, 1.0));
        tokio::select! {
            answer = &mut held => panic!("nobody has ended it: {answer:?}"),
            () = &mut in_flight => {}
        }
        let over = server.post("/Callee/a/get", &[], "").await;
        refused(&over, 429, "too many requests in flight; nothing was accepted");
        assert_eq!(over.header("retry-after"), "1");
        assert_eq!(server.ingress("/relight/health").await.status, StatusCode::OK);
    }
    // The client is gone; the invocation goes on, but no request waits for it.
    until_in_flight(&server, 0.0).await;
    assert_eq!(server.post("/Callee/a/get", &[], "").await.json(), json!(1));
    server.stop();
}

async fn until_in_flight(server: &Server, wanted: f64) {
    until(|| async {
        let found = server.metric(IN_FLIGHT).await;
        if (found - wanted).abs() < f64::EPSILON { Ok(()) } else { Err(format!("{found} requests")) }
    })
    .await;
}

#[tokio::test]
async fn slow_heads_and_bodies_are_cut_off() {
    let folder = Folder::new();
    let server = folder
        .start_with(&[
            ("RELIGHT_HTTP__HEADER_TIMEOUT", "200ms"),
            ("RELIGHT_HTTP__BODY_GRACE", "200ms"),
            ("RELIGHT_HTTP__BODY_RATE_MIN", "1MiB"),
        ])
        .await;
    let started = Instant::now();
    let body = "host: x\r\ncontent-length: 1000\r\n\r\n{";
    for (url, path, expected) in [
        (server.ingress_url(), "/relight/attach", "the body came too slowly"),
        (server.admin_url(), "/deployments", "RL0005"),
    ] {
        let mut head = Raw::connect(url).await;
        head.send("GET / HTTP/1.1\r\nx: ").await;
        assert_eq!(head.rest().await, "");
        let mut slow = Raw::connect(url).await;
        slow.send(&format!("POST {path} HTTP/1.1\r\n{body}")).await;
        let answer = slow.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(expected), "{answer}");
    }
    assert!(started.elapsed() < CONFIGURED_MAX, "it took {:?}", started.elapsed());
    server.stop();
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let folder = Folder::new();
    let server = folder.start_with(&[("RELIGHT_HTTP__IDLE_TIMEOUT", "200ms")]).await;
    let started = Instant::now();
    for (url, path) in [(server.ingress_url(), "/relight/health"), (server.admin_url(), "/health")] {
        let mut connection = Raw::connect(url).await;
        connection.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        let answer = connection.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert!(started.elapsed() < CONFIGURED_MAX, "it took {:?}", started.elapsed());
    server.stop();
}

#[tokio::test]
async fn connections_over_the_limit_wait_until_one_closes() {
    let folder = Folder::new();
    let server = folder.start_with(&[("RELIGHT_HTTP__CONNECTIONS_MAX", "2")]).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut connection = Raw::connect(server.ingress_url()).await;
        connection.send(HEALTH).await;
        connection.healthy().await;
        open.push(connection);
    }
    let mut third = Raw::connect(server.ingress_url()).await;
    third.send(HEALTH).await;
    for _ in 0..20 {
        for connection in &mut open {
            connection.send(HEALTH).await;
            connection.healthy().await;
        }
    }
    let early = third.0.try_read(&mut [0; 1]).expect_err("the limit is two");
    assert_eq!(early.kind(), io::ErrorKind::WouldBlock);
    drop(open.pop());
    third.healthy().await;
    server.stop();
}

#[tokio::test]
async fn keys_are_as_long_as_handlers_may_make_them() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("conformance").await;
    let long = "k".repeat(1025);
    let key = &long[1..];
    assert_eq!(server.post(&format!("/Callee/{key}/add"), &[], "1").await.json(), json!(1));
    refused(
        &server.post(&format!("/Callee/{long}/add"), &[], "1").await,
        400,
        "the key is longer than 1024 bytes",
    );
    for _ in 0..2 {
        let answer = server.post("/Callee/a/add", &[("idempotency-key", key)], "1").await;
        assert_eq!(answer.json(), json!(1));
    }
    let answer = server.post("/Callee/a/add", &[("idempotency-key", &long)], "1").await;
    refused(&answer, 400, "the idempotency key is longer than 1024 bytes");
    server.stop();
}

#[tokio::test]
async fn signals_that_nobody_has_waited_for_are_bounded() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("conformance").await;
    let many = server.send("/Waits/many/hold", "").await;
    let path = format!("/relight/signals/{many}/unheard/resolve");
    for _ in 0..1_000 {
        assert_eq!(server.post(&path, &[], "1").await.status, StatusCode::ACCEPTED);
    }
    let over = server.post(&path, &[], "1").await;
    refused(&over, 429, "signals");
    let large = server.send("/Waits/large/hold", "").await;
    let path = format!("/relight/signals/{large}/unheard/resolve");
    let value = "1".repeat(9 << 20);
    assert_eq!(server.post(&path, &[], &value).await.status, StatusCode::ACCEPTED);
    let over = server.post(&path, &[], &value).await;
    refused(&over, 429, "signals");
    // They disturb neither the handler nor what it does wait for.
    for key in ["many", "large"] {
        let id = until(|| async {
            let id = server.post(&format!("/Waits/{key}/id"), &[], "").await.json();
            id.as_str().map(str::to_owned).ok_or_else(|| "it has not started".to_owned())
        })
        .await;
        let resolved = server.post(&format!("/relight/awakeables/{id}/resolve"), &[], "\"done\"").await;
        assert_eq!(resolved.status, StatusCode::ACCEPTED, "{resolved:?}");
    }
    for id in [many, large] {
        assert_eq!(server.ingress(&format!("/relight/attach/{id}")).await.json(), json!("done"));
    }
    server.stop();
}

#[tokio::test]
async fn refusals_of_the_door_say_why() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("conformance").await;
    let add = format!("{}/Callee/a/add", server.ingress_url());
    refused(&server.post("/Callee/add", &[], "1").await, 400, "virtual object");
    refused(&server.post("/Nobody/a/add", &[], "1").await, 404, "`Nobody`");
    let put = server.request(Method::PUT, &add, &[], Bytes::new()).await;
    refused(&put, 405, "GET, POST");
    assert_eq!(put.header("allow"), "GET, POST");
    refused(&server.post("/Callee/a/add", &[], &"1".repeat((10 << 20) + 1)).await, 413, "10485760 bytes");
    let text = server.request(Method::POST, &add, &[("content-type", "text/plain")], Bytes::from("1")).await;
    refused(&text, 415, "`text/plain`");
    let key = [("idempotency-key", "once")];
    assert_eq!(server.post("/Callee/a/add", &key, "1").await.json(), json!(1));
    refused(&server.post("/Callee/a/add", &key, "2").await, 422, "payload");
    let run = server.send("/Flow/a/run", "\"one\"").await;
    refused(&server.post("/Flow/a/run", &[], "\"two\"").await, 409, "already run");
    refused(&server.ingress(&format!("/relight/output/{run}")).await, 470, "not completed");
    // None of them has done anything.
    assert_eq!(server.post("/Callee/a/get", &[], "").await.json(), json!(1));
    server.stop();
}

#[tokio::test]
async fn a_deployment_has_the_memory_it_asks_for_within_that_of_the_server() {
    let folder = Folder::new();
    let server = folder.start_with(&[("RELIGHT_EXECUTOR__MEMORY_MAX", "96MiB")]).await;
    let mut ids = Vec::new();
    for (memory, bytes) in [("32MiB", 32 << 20), ("96MiB", 96 << 20)] {
        server.deploy_with("hostile", &format!("?memory_max={memory}")).await;
        let id = server.send("/Hostile/eat_memory", "").await;
        let detail = server.until_detail(&id, |detail| detail["status"] == "backing-off").await;
        let said = detail["last_failure"]["message"].to_string();
        assert!(said.contains(&format!("memory limit of {bytes} bytes exceeded")), "{said}");
        ids.push(id);
    }
    let url = format!("{}/deployments?memory_max=97MiB", server.admin_url());
    let headers = [("content-type", "application/wasm")];
    let more = server.request(Method::POST, &url, &headers, component("hostile").into()).await;
    assert_eq!((more.status.as_u16(), &more.json()["code"]), (422, &json!("RL0115")), "{more:?}");
    for id in ids {
        server.end("kill", &id).await;
    }
    server.stop();
}

#[test]
fn bounds_that_cannot_work_are_refused() {
    let folder = Folder::new();
    for (variable, value, setting, expected) in [
        ("RELIGHT_INGRESS__BODY_MAX", "11MiB", "`ingress.body-max`", "to 10MiB"),
        ("RELIGHT_HTTP__CONNECTIONS_MAX", "0", "`http.connections-max`", "from 1"),
        ("RELIGHT_HTTP__IDLE_TIMEOUT", "0", "`http.idle-timeout`", "above zero"),
    ] {
        let (code, said) = failure(folder.up().env(variable, value));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(setting) && said.contains(value) && said.contains(expected), "{said}");
    }
}
