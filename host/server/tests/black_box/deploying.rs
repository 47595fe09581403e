//! Uploads, good and bad.

use hyper::StatusCode;
use serde_json::json;

use crate::support::{Folder, component};

#[tokio::test]
async fn greeter_is_deployed_once_and_called() {
    let folder = Folder::new();
    let server = folder.start().await;
    let first = server.upload(component("greeter")).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let again = server.upload(component("greeter")).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(first.json()["id"], again.json()["id"]);

    for visit in 1..=3 {
        let answer = server.post("/Greeter/greet", &[], r#"{"name":"Ada"}"#).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json(), json!({"message": "Hello, Ada!", "visit": visit}));
        assert!(answer.header("x-relight-id").starts_with("inv_1"));
    }
    let count = server.post("/Counter/Ada/get", &[], "").await;
    assert_eq!(count.json(), json!(3));
    server.stop();
}

#[tokio::test]
async fn unknown_handlers_are_not_found() {
    let folder = Folder::new();
    let server = folder.start().await;
    assert_eq!(server.post("/Nobody/greet", &[], "{}").await.status, StatusCode::NOT_FOUND);
    server.deploy("greeter").await;
    assert_eq!(server.post("/Greeter/grunt", &[], "{}").await.status, StatusCode::NOT_FOUND);
    server.stop();
}

#[tokio::test]
async fn bad_uploads_name_the_reason_and_store_nothing() {
    let folder = Folder::new();
    let server = folder.start().await;
    let greeter = component("greeter");
    let truncated = greeter[..greeter.len() / 2].to_vec();
    let core_module = b"\0asm\x01\0\0\0".to_vec();
    let empty_component = b"\0asm\x0d\0\x01\0".to_vec();
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("text", b"hello".to_vec()),
        ("a core module", core_module),
        ("a truncated component", truncated),
        ("a component without handlers", empty_component),
    ] {
        let answer = server.upload(bytes).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {answer:?}");
        let body = answer.json();
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {body}");
        assert!(body["code"].as_str().is_some_and(|code| code.starts_with("RL")), "{what}: {body}");
    }
    assert_eq!(server.admin("/deployments").await.json(), json!({"deployments": []}));
    // It serves on.
    server.deploy("greeter").await;
    assert_eq!(server.post("/Counter/a/add", &[], "1").await.json(), json!(1));
    server.stop();
}

#[tokio::test]
async fn dry_run_checks_and_stores_nothing() {
    let folder = Folder::new();
    let server = folder.start().await;
    let url = format!("{}/deployments?dry_run=true", server.admin_url());
    let headers = [("content-type", "application/wasm")];
    let answer = server.request(hyper::Method::POST, &url, &headers, component("greeter").into()).await;
    assert!(answer.status.is_success(), "{answer:?}");
    assert_eq!(server.admin("/deployments").await.json(), json!({"deployments": []}));
    server.stop();
}
