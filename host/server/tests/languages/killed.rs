//! Handlers on a real server that drops the instance of every waiting handler, and is killed in the middle.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    guests::Guest,
    support::{Folder, Server},
};

const SUSPENDS_AT_ONCE: [(&str, &str); 1] = [("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0")];
/// Longer than it takes to kill the server and to start it again, on a fast machine. On a slow one the timer is over before the
/// handler goes on, which is as good.
const NAP_MS: u64 = 1_500;

pub async fn handlers_go_on(guest: Guest) {
    if guest.path().is_none() {
        return;
    }
    let folder = Folder::new();
    let server = folder.start_with(&SUSPENDS_AT_ONCE).await;
    server.deploy(guest.0).await;

    let answer = server.post("/Desk/echo", &[], r#""“Ünïcödé” 🦀""#).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!("“Ünïcödé” 🦀")), "{answer:?}");
    assert_eq!(call(&server, "/Shelf/ann/add", json!(8)).await, json!(8));
    assert_eq!(call(&server, "/Desk/all", json!(2)).await, json!(6));
    let answer = server.post("/Desk/fail", &[], r#"{"code":418,"message":"ein Teekännchen ☕"}"#).await;
    assert_eq!(answer.status.as_u16(), 418, "{answer:?}");
    assert_eq!(answer.json()["message"], "ein Teekännchen ☕", "{answer:?}");

    // Everything that can be waited for, while the server dies.
    let sleep = server.send("/Desk/sleep", &NAP_MS.to_string()).await;
    let order = server.send("/Desk/order", "").await;
    let concurrent = server.send("/Desk/concurrent", r#""branch""#).await;
    let chance = server.send("/Desk/chance", "").await;
    let run = server.send("/Desk/run", "21").await;
    let effect = server.send("/Desk/effect", "2").await;
    let signals = server.send("/Desk/signals", "2").await;
    let hold = server.send("/Shelf/held/hold", "").await;
    let errand = server.send("/Errand/e1/run", r#""hello""#).await;
    let attach = server.send("/Desk/attach", &json!(effect).to_string()).await;
    let compensate = server.send("/Desk/compensate", r#""ann""#).await;
    for (id, kind) in
        [(&signals, "signal"), (&hold, "awakeable"), (&errand, "promise"), (&compensate, "awakeable")]
    {
        server.until_detail(id, |detail| waits_for(detail, kind)).await;
    }
    server.kill();
    let server = folder.start_with(&SUSPENDS_AT_ONCE).await;

    server.end("cancel", &compensate).await;
    for value in [r#""first""#, r#""second""#] {
        let path = format!("/relight/signals/{signals}/go/resolve");
        let answer = server.post(&path, &[], value).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
    let awakeable = call(&server, "/Shelf/held/read", json!("awakeable")).await;
    call(&server, "/Desk/resolve", json!({"id": awakeable, "value": "held"})).await;
    call(&server, "/Errand/e1/open", json!("world")).await;

    assert!(NAP_MS <= result(&server, &sleep).await.as_u64().expect("a number"));
    assert_eq!(result(&server, &order).await, json!([1, 2, 0]));
    assert_eq!(result(&server, &concurrent).await, json!([1, 3]));
    assert_eq!(result(&server, &chance).await["clock_agrees"], true);
    assert_eq!(result(&server, &run).await, json!(42));
    let attempts = result(&server, &effect).await;
    assert_eq!(attempts, json!(2));
    assert_eq!(result(&server, &signals).await, json!(["first", "second"]));
    assert_eq!(result(&server, &hold).await, json!("held"));
    assert_eq!(result(&server, &errand).await, json!("hello world 1"));
    assert_eq!(result(&server, &attach).await, attempts);
    let cancelled = server.ingress(&format!("/relight/attach/{compensate}")).await;
    assert_eq!(cancelled.status, StatusCode::CONFLICT, "{cancelled:?}");
    assert_eq!(call(&server, "/Shelf/ann/add", json!(0)).await, json!(8), "it was given back");

    let crash = server.send("/Desk/crash", r#""it is not füll""#).await;
    let detail = server.until_detail(&crash, |detail| detail["status"] == "backing-off").await;
    assert!(detail.to_string().contains("it is not füll"), "{detail:#}");
    server.end("kill", &crash).await;
    // Where an uncaught error is a panic, it is in the log, too.
    if server.log().contains("it is not füll") {
        server.expect_complaint("it is not füll");
    }
}

fn waits_for(detail: &Value, kind: &str) -> bool {
    let open = detail["open"].as_array().expect("a list");
    let waits = open.iter().any(|operation| operation["awaited"] == true && operation["kind"] == kind);
    detail["status"] == "suspended" && waits
}

async fn call(server: &Server, path: &str, input: Value) -> Value {
    let answer = server.post(path, &[], &input.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    answer.json()
}

async fn result(server: &Server, id: &str) -> Value {
    let answer = server.ingress(&format!("/relight/attach/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{id}: {answer:?}");
    answer.json()
}
