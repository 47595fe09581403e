//! The handlers that the benchmarks call answer the same in every language: what the benchmarks take for an error is one here.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    guests::Guest,
    support::{Folder, Server, until},
};

/// Inline runs in the journal of the call that is resumed.
const STEPS: u64 = 12;

pub async fn handlers_answer(guest: Guest) {
    if guest.path().is_none() {
        return;
    }
    let folder = Folder::new();
    // So that `Replay` is replayed.
    let server = folder.start_with(&[("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0")]).await;
    server.deploy(guest.0).await;

    for value in [json!({"n": 1}), json!("x".repeat(300_000)), json!([1.5, "ü", null]), Value::Null] {
        assert_eq!(call(&server, "/Greeter/greet", value.clone()).await, value);
    }
    assert_eq!(call(&server, "/Counter/a/add", json!(2)).await, json!(2));
    assert_eq!(call(&server, "/Counter/a/add", json!(3)).await, json!(5));
    assert_eq!(call(&server, "/Counter/a/get", Value::Null).await, json!(5));
    assert_eq!(call(&server, "/Counter/b/get", Value::Null).await, json!(0));
    assert_eq!(call(&server, "/Rpc/call", json!({"n": 7})).await, json!({"n": 7}));
    assert_eq!(call(&server, "/Chain/hop", json!({"n": 5})).await, json!(5));
    assert_eq!(call(&server, "/Fanout/fan", json!({"n": 20})).await, json!(20));
    assert_eq!(call(&server, "/Steps/steps", json!({"n": 10})).await, json!(45));
    let before = call(&server, "/Sleeper/sleep", json!({"ms": 0})).await.as_u64().expect("a number");
    let after = call(&server, "/Sleeper/sleep", json!({"ms": 50})).await.as_u64().expect("a number");
    assert!(before + 50 <= after, "{before} {after}");

    let (waits, resolves) = ("/Awk/a/wait", resolve(&server, "/Awk/a/id", json!({"ok": true})));
    let (value, ()) = tokio::join!(call(&server, waits, Value::Null), resolves);
    assert_eq!(value, json!({"ok": true}));
    assert_eq!(call(&server, "/Awk/a/id", Value::Null).await, Value::Null, "nobody waits");
    let (sum, ()) = tokio::join!(
        call(&server, "/Replay/a/start", json!({"n": STEPS})),
        resolve(&server, "/Replay/a/id", json!(true))
    );
    assert_eq!(sum, json!(STEPS * (STEPS - 1) / 2));
    assert_eq!(call(&server, "/Replay/a/id", Value::Null).await, Value::Null, "nobody waits");
}

/// Resolves the awakeable whose id a handler gives, once it gives one.
async fn resolve(server: &Server, handler: &str, value: Value) {
    let id = until(async || match call(server, handler, Value::Null).await {
        Value::String(id) => Ok(id),
        other => Err(format!("`{handler}` gives {other}")),
    })
    .await;
    let answer = server.post(&format!("/relight/awakeables/{id}/resolve"), &[], &value.to_string()).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

async fn call(server: &Server, path: &str, input: Value) -> Value {
    let answer = server.post(path, &[], &input.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}
