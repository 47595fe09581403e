//! What survives kill -9, and what a server refuses to start with.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use hyper::StatusCode;
use serde_json::json;

use crate::support::{Folder, failure};

#[tokio::test]
async fn acknowledged_state_survives_kill() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    for value in 1..=5 {
        assert_eq!(server.post("/Counter/a/add", &[], "1").await.json(), json!(value));
    }
    server.kill();
    let server = folder.start().await;
    assert_eq!(server.post("/Counter/a/get", &[], "").await.json(), json!(5));
    assert_eq!(server.post("/Counter/a/add", &[], "1").await.json(), json!(6));
    server.stop();
}

#[tokio::test]
async fn one_idempotency_key_is_one_invocation_across_kill() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    let key = [("idempotency-key", "once")];
    let first = server.post("/Counter/a/add", &key, "5").await;
    assert_eq!(first.json(), json!(5));
    let second = server.post("/Counter/a/add", &key, "5").await;
    assert_eq!(second.json(), json!(5));
    assert_eq!(first.header("x-relight-id"), second.header("x-relight-id"));
    server.kill();
    let server = folder.start().await;
    assert_eq!(server.post("/Counter/a/add", &key, "5").await.json(), json!(5));
    let other_payload = server.post("/Counter/a/add", &key, "6").await;
    assert_eq!(other_payload.status, StatusCode::UNPROCESSABLE_ENTITY, "{other_payload:?}");
    assert_eq!(server.post("/Counter/a/get", &[], "").await.json(), json!(5));
    server.stop();
}

#[tokio::test]
async fn delayed_send_runs_once_after_kill() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    let sent = server.post("/Counter/a/add/send?delay=1s", &[], "7").await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
    let id = sent.json()["invocationId"].as_str().expect("an id").to_owned();
    server.kill();
    let server = folder.start().await;
    let attached = server.ingress(&format!("/relight/attach/{id}")).await;
    assert_eq!((attached.status, attached.json()), (StatusCode::OK, json!(7)));
    assert_eq!(server.post("/Counter/a/get", &[], "").await.json(), json!(7));
    server.stop();
}

#[tokio::test]
async fn truncated_log_is_refused_with_file_and_lsn() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    for _ in 0..20 {
        server.post("/Counter/a/add", &[], "1").await;
    }
    server.kill();
    let wal = largest_wal(&folder.data().join("log"));
    let bytes = fs::metadata(&wal).expect("read its size").len();
    File::options().write(true).open(&wal).and_then(|file| file.set_len(bytes / 2)).expect("truncate it");
    let (code, said) = failure(&mut folder.up());
    assert_eq!(code, 74, "{said}");
    assert!(
        said.contains("LSN") && said.contains(&folder.data().join("log").display().to_string()),
        "{said}"
    );
}

/// RocksDB's write-ahead logs are called `000123.log`.
fn largest_wal(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    let mut wals = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("list") {
            let path = entry.expect("list").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "log") {
                wals.push(path);
            }
        }
    }
    wals.into_iter()
        .max_by_key(|path| fs::metadata(path).map_or(0, |data| data.len()))
        .expect("a write-ahead log")
}
