//! What the door refuses, and health.

use std::time::Duration;

use hyper::Method;
use relight_http::body::BodyLimits;
use relight_ingress::Options;

use crate::rig::{Reply, Rig};

#[track_caller]
fn refused(reply: &Reply, status: u16, words: &str) {
    assert_eq!(reply.status.as_u16(), status, "{:?}", reply.body);
    assert_eq!(reply.header("x-relight-error-source"), Some("ingress"));
    let body = reply.json();
    assert_eq!((&body["code"], &body["source"]), (&status.into(), &"ingress".into()));
    let message = body["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

#[tokio::test]
async fn requests_that_fit_no_handler_are_refused() {
    let rig = Rig::start().await;
    refused(&rig.get("/Nobody/echo").await, 404, "`Nobody`");
    refused(&rig.get("/Greeter/nothing").await, 404, "`nothing`");
    refused(&rig.get("/Greeter/private").await, 400, "private");
    refused(&rig.get("/Cart/echo").await, 400, "virtual object");
    refused(&rig.get("/Signup/promise").await, 400, "workflow");
    refused(&rig.get("/Greeter/echo?delay=1s").await, 400, "delay");
    refused(&rig.get("/relight/nothing").await, 404, "no such path");
    let put = rig.request(Method::PUT, "/Greeter/echo", &[], "").await;
    refused(&put, 405, "GET, POST");
    assert_eq!(put.header("allow"), Some("GET, POST"));
    let health = rig.get("/relight/health").await;
    assert_eq!(
        health.json(),
        serde_json::json!({"services": ["Cart", "Forgotten", "Greeter", "Signup", "Unkept"]})
    );
    rig.stop().await;
}

#[tokio::test]
async fn payloads_that_do_not_fit_are_refused() {
    let rig = Rig::start().await;
    refused(&rig.post("/Greeter/plain", "").await, 400, "body");
    let json = [("content-type", "application/json")];
    refused(&rig.request(Method::POST, "/Greeter/plain", &json, "1").await, 415, "`text/plain`");
    let text = [("content-type", "text/plain; charset=utf-8")];
    assert_eq!(rig.request(Method::POST, "/Greeter/plain", &text, "1").await.status, 200);
    let empty = [("idempotency-key", "")];
    refused(&rig.request(Method::POST, "/Greeter/echo", &empty, "1").await, 400, "idempotency-key");
    refused(&rig.post("/relight/attach", "{").await, 400, "does not name");
    rig.stop().await;
}

#[tokio::test]
async fn large_bodies_and_headers_are_refused() {
    let rig = Rig::with(Options { body: BodyLimits::bytes(100), ..Options::default() }).await;
    assert_eq!(rig.post("/Greeter/echo", "x".repeat(100)).await.status, 200);
    refused(&rig.post("/Greeter/echo", "x".repeat(101)).await, 413, "100 bytes");
    let large = "x".repeat(16 << 10);
    let headers = [("x-large", large.as_str())];
    refused(&rig.request(Method::GET, "/Greeter/echo", &headers, "").await, 431, "headers");
    rig.stop().await;
}

#[tokio::test]
async fn awakeables_that_cannot_be_are_refused() {
    let rig = Rig::start().await;
    refused(&rig.post("/relight/a/sign_1x/resolve", "").await, 400, "sign_1x");
    let id = relight_core::AwakeableId {
        invocation: rig.post("/Greeter/echo", "").await.id(),
        incarnation: relight_core::Lsn(0),
        index: relight_core::EntryIndex(1),
    };
    let unknown = relight_core::AwakeableId {
        invocation: relight_core::InvocationId { unique: 1, ..id.invocation },
        ..id
    };
    refused(&rig.post(&format!("/relight/a/{unknown}/resolve"), "").await, 404, "unknown");
    rig.stop().await;
}

#[tokio::test]
async fn requests_over_the_limit_are_told_to_wait() {
    let rig = Rig::with(Options { requests_max: 1, ..Options::default() }).await;
    let id = rig.post("/Greeter/wait/send", "").await.id();
    let awakeable = rig.awakeable(id).await;
    let path = format!("/relight/attach/{id}");
    let mut attach = Box::pin(rig.get(&path));
    loop {
        tokio::select! {
            biased;
            _ = &mut attach => panic!("nobody has resolved the awakeable"),
            () = tokio::task::yield_now(), if rig.ingress.stats().in_flight == 0 => {}
            reply = rig.get("/Greeter/echo"), if rig.ingress.stats().in_flight == 1 => {
                refused(&reply, 429, "safe to retry");
                assert_eq!(reply.header("retry-after"), Some("1"));
                break;
            }
        }
    }
    drop(attach);
    while rig.ingress.stats().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.post(&format!("/relight/a/{awakeable}/resolve"), "").await.status, 202);
    let counted = rig.ingress.stats().routes;
    assert!(
        counted.iter().any(|one| (one.route, one.status, one.requests) == ("call", "4xx", 1)),
        "{counted:?}"
    );
    rig.stop().await;
}

#[tokio::test]
async fn who_waits_at_a_shutdown_is_told_where_the_result_will_be() {
    let mut rig = Rig::start().await;
    let id = rig.post("/Greeter/wait/send", "").await.id();
    rig.awakeable(id).await;
    let (attach, call) = (format!("/relight/attach/{id}"), "/Cart/mary/wait".to_owned());
    let waiting = async { tokio::join!(rig.get(&attach), rig.get(&call)) };
    let closing = async {
        while rig.ingress.stats().in_flight < 2 {
            tokio::task::yield_now().await;
        }
        rig.trigger.start();
    };
    let ((attached, called), ()) = tokio::join!(waiting, closing);
    refused(&attached, 503, "shutting down; it is safe to retry");
    refused(&called, 503, "run it twice");
    assert_eq!(rig.until(called.id(), |_| true).await.target.to_string(), "Cart/mary/wait");
    let drained = tokio::time::timeout(Duration::from_secs(60), &mut rig.serving).await;
    drained.expect("the drain is bounded").unwrap();
    rig.stop().await;
}
