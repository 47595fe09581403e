//! Calls, sends and awakeables.

use hyper::Method;
use relight_core::tables::Status;

use crate::rig::{Rig, now};

#[tokio::test]
async fn a_call_answers_with_the_result_and_both_kinds_of_headers() {
    let rig = Rig::start().await;
    let reply = rig.post("/Greeter/echo", "\"hi\"").await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"\"hi\""[..]));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-relight-id"), reply.header("x-restate-id"));
    assert_eq!(reply.header("idempotency-expires"), None);

    let reply = rig.post("/relight/call/Cart/mary%20ann/echo/", "1").await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"1"[..]));
    assert_eq!(reply.header("x-restate-id"), None);
    let row = rig.until(reply.id(), |_| true).await;
    assert_eq!(row.target.key.as_deref(), Some("mary ann"));
    rig.stop().await;
}

#[tokio::test]
async fn a_failure_of_the_handler_has_its_code_and_source() {
    let rig = Rig::start().await;
    let reply = rig.get("/Greeter/fail").await;
    assert_eq!(reply.status, 418);
    assert_eq!(reply.header("x-relight-error-source"), Some("invocation"));
    assert_eq!(reply.header("x-restate-error-source"), Some("invocation"));
    let expected = serde_json::json!({"code": 418, "message": "no coffee here", "source": "invocation"});
    assert_eq!(reply.json(), expected);
    rig.stop().await;
}

#[tokio::test]
async fn headers_reach_the_handler_without_secrets() {
    let rig = Rig::start().await;
    let headers =
        [("authorization", "Bearer x"), ("cookie", "a=b"), ("traceparent", "00-1"), ("x-name", "1")];
    let reply = rig.request(Method::POST, "/Greeter/headers", &headers, "x").await;
    let body = String::from_utf8(reply.body.to_vec()).unwrap();
    let mut names: Vec<_> = body.split(' ').collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "traceparent", "x-name"]);
    rig.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_runs_once_and_answers_from_the_stored_result() {
    let rig = Rig::start().await;
    let key = [("idempotency-key", "k1")];
    let first = rig.request(Method::POST, "/Greeter/echo", &key, "1").await;
    let second = rig.request(Method::POST, "/Greeter/echo", &key, "1").await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert_eq!(first.id(), second.id());
    assert_eq!(first.header("idempotency-expires"), None);
    assert!(second.header("idempotency-expires").expect("it was stored").ends_with('Z'));

    let other = rig.request(Method::POST, "/Greeter/echo", &key, "2").await;
    assert_eq!(other.status, 422);
    assert_eq!(other.header("x-relight-error-source"), Some("ingress"));

    let sent = rig.request(Method::POST, "/Greeter/echo/send", &key, "1").await;
    assert_eq!(sent.status, 202);
    assert_eq!(sent.json()["status"], "PreviouslyAccepted");
    assert_eq!(sent.id(), first.id());
    rig.stop().await;
}

#[tokio::test]
async fn a_send_is_accepted_and_a_delayed_one_says_when_it_starts() {
    let rig = Rig::start().await;
    let sent = rig.post("/Greeter/echo/send", "1").await;
    assert_eq!(sent.status, 202);
    let id = sent.id();
    assert_eq!(sent.json(), serde_json::json!({"invocationId": id.to_string(), "status": "Accepted"}));
    assert_eq!(rig.get(&format!("/relight/attach/{id}")).await.body, "1");

    let before = now();
    let sent = rig.post("/restate/send/Cart/mary/echo?delay=1%20day", "1").await;
    let row = rig.until(sent.id(), |_| true).await;
    let Status::Scheduled { due } = row.status else { panic!("not scheduled: {:?}", row.status) };
    assert!(before.0 + 86_400_000 <= due.0);
    assert_eq!(sent.json()["executionTime"], relight_http::time::format_instant(due.0));
    rig.stop().await;
}

#[tokio::test]
async fn an_awakeable_is_completed_once_and_later_completions_are_ignored() {
    let rig = Rig::start().await;
    let id = rig.post("/Cart/mary/wait/send", "").await.id();
    let awakeable = rig.awakeable(id).await;
    for value in ["first", "second"] {
        let reply = rig.post(&format!("/relight/awakeables/{awakeable}/resolve"), value).await;
        assert_eq!(reply.status, 202);
    }
    assert_eq!(rig.get(&format!("/relight/attach/{id}")).await.body, "first");
    // After the end of the invocation, too.
    let late = rig.post(&format!("/restate/a/{awakeable}/reject"), "late").await;
    assert_eq!(late.status, 202);
    rig.stop().await;
}

#[tokio::test]
async fn a_rejected_awakeable_fails_with_the_reason() {
    let rig = Rig::start().await;
    let id = rig.post("/Greeter/wait/send", "").await.id();
    let awakeable = rig.awakeable(id).await;
    assert_eq!(rig.post(&format!("/relight/a/{awakeable}/reject"), "too late").await.status, 202);
    let reply = rig.get(&format!("/relight/attach/{id}")).await;
    assert_eq!((reply.status.as_u16(), reply.json()["message"].as_str()), (500, Some("too late")));
    rig.stop().await;
}

#[tokio::test]
async fn a_call_whose_client_goes_away_continues() {
    let rig = Rig::start().await;
    let key = [("idempotency-key", "gone")];
    let mut call = Box::pin(rig.request(Method::POST, "/Cart/ann/wait", &key, ""));
    let target =
        relight_core::Target { service: "Cart".into(), key: Some("ann".into()), handler: "wait".into() };
    let id = relight_core::placement::idempotent_id(&target, "gone");
    let awakeable = tokio::select! {
        biased;
        _ = &mut call => panic!("nobody has resolved the awakeable"),
        awakeable = rig.awakeable(id) => awakeable,
    };
    drop(call);
    rig.post(&format!("/relight/a/{awakeable}/resolve"), "done").await;
    assert_eq!(rig.get(&format!("/relight/attach/{id}")).await.body, "done");
    rig.stop().await;
}
