//! A program for `wasm32-wasip2` on the real server: values that belong to the invocation, and lines in its log.

use std::path::Path;

use hyper::StatusCode;
use serde_json::Value;

use crate::support::{Folder, Server, stdout};

async fn call(server: &Server, path: &str, body: &str) -> (String, Value) {
    let answer = server.post(path, &[], body).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    (answer.header("x-relight-id").to_owned(), answer.json())
}

#[tokio::test]
async fn a_program_for_wasi_lives_in_its_invocation_when_every_wait_suspends() {
    let folder = Folder::new();
    let server = folder.start_with(&[("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0")]).await;
    server.deploy_with("wasi", "?env.GREETING=hello").await;

    // Each handler compares what it sees on replay with what it has seen.
    let (_, first) = call(&server, "/Wasi/facts", "").await;
    let (_, second) = call(&server, "/Wasi/facts", "").await;
    assert_eq!((&first["greeting"], &second["greeting"]), (&"hello".into(), &"hello".into()));
    assert_ne!(first["random"], second["random"]);
    assert_ne!(first["hash_order"], second["hash_order"]);

    let (id, _) = call(&server, "/Wasi/prints", "").await;
    let log = server.log();
    let written = |text: &str| log.lines().filter(|line| line.contains(&id) && line.contains(text)).count();
    let lines = ["wasi line one", "wasi line two", "wasi line three"];
    assert_eq!(lines.map(written), [1, 1, 1], "{log}");

    let (_, times) = call(&server, "/Wasi/naps", "20").await;
    let (before, after) = (times[0].as_u64().expect("a time"), times[1].as_u64().expect("a time"));
    assert!(before + 20 <= after, "{times}");
    server.stop();
}

#[tokio::test]
async fn a_project_for_wasi_builds_and_deploys() {
    let folder = Folder::new();
    let server = folder.start().await;
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components/wasi");
    // Where it was built for the other tests: next to nothing is left to do.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
    let project = project.to_str().expect("a path in this repository");
    stdout(folder.relight(&["deploy", project]).env("CARGO_TARGET_DIR", target));
    let (_, facts) = call(&server, "/Wasi/facts", "").await;
    assert!(facts["random"].is_string() || facts["random"].is_number(), "{facts}");
    server.stop();
}
