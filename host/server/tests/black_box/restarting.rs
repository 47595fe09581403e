//! Restarting completed invocations as new ones, from each operation of their journals.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Folder, Server, component, failure, run, stdout};

impl Server {
    async fn restart(&self, id: &str, query: &str) -> Answer {
        let url = format!("{}/invocations/{id}/restart-as-new{query}", self.admin_url());
        self.request(Method::POST, &url, &[], Bytes::new()).await
    }

    /// The id of the new invocation.
    async fn restarted(&self, id: &str, query: &str) -> String {
        let answer = self.restart(id, query).await;
        assert_eq!(answer.status, StatusCode::OK, "{id} {query}: {answer:?}");
        answer.json()["new_invocation_id"].as_str().expect("an id").to_owned()
    }

    async fn detail(&self, id: &str) -> Value {
        self.admin(&format!("/invocations/{id}")).await.json()
    }
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (status, &json!(code)), "{answer:?}");
}

/// Handlers that assert what they see of themselves: ids, time and chance, awakeables, waits.
const JOURNEYS: [(&str, &str); 5] = [
    ("/Facts/replay_sees_the_same", "null"),
    ("/Awakeables/stays/first_value_stays", "null"),
    ("/Timers/time_is_monotonic", "null"),
    ("/Effects/run_in_parallel", "4"),
    ("/Counter/a/add", "1"),
];

#[tokio::test]
async fn a_restart_from_any_operation_comes_to_the_same_end() {
    every_restart(&[]).await;
}

#[tokio::test]
async fn a_restart_from_any_operation_comes_to_the_same_end_when_every_wait_suspends() {
    every_restart(&[("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0")]).await;
}

async fn every_restart(environment: &[(&str, &str)]) {
    let folder = Folder::new();
    let server = folder.start_with(environment).await;
    server.deploy("conformance").await;
    server.deploy("greeter").await;
    for (path, input) in JOURNEYS {
        let input = if input == "null" { "" } else { input };
        let original = server.send(path, input).await;
        let result = server.ingress(&format!("/relight/attach/{original}")).await;
        assert_eq!(result.status, StatusCode::OK, "{path}: {result:?}");
        let operations = server.detail(&original).await["journal_size"].as_u64().expect("a number");
        let mut restarts = 0;
        for from in 0..operations {
            let answer = server.restart(&original, &format!("?from={from}")).await;
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            if from + 1 == operations {
                refused(&answer, 422, "RL0309");
                assert!(message.contains(&format!("from 0 to {}", operations - 2)), "{message}");
                continue;
            }
            if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
                assert!(message.contains("the awakeable at index"), "{path} from {from}: {message}");
                continue;
            }
            let new = answer.json()["new_invocation_id"].as_str().expect("an id").to_owned();
            let ended = server.until_detail(&new, |now| ["completed", "paused"].contains(&status(now))).await;
            assert_eq!(ended["completion_result"], "success", "{path} from {from}: {ended}");
            assert_eq!(
                (&ended["restarted_from"], &ended["restarted_from_index"], &ended["invoked_by"]),
                (&json!(original), &json!(from), &json!("restart-as-new"))
            );
            restarts += 1;
        }
        assert!(1 <= restarts, "{path}");
    }
    server.stop();
}

fn status(detail: &Value) -> &str {
    detail["status"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn state_is_written_by_what_runs_and_not_by_what_is_copied() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    let id = server.send("/Counter/a/add", "5").await;
    server.until_detail(&id, |now| status(now) == "completed").await;
    assert_eq!(server.post("/Counter/a/add", &[], "1").await.json(), json!(6));
    // The read and the write are copied: the handler returns what it had computed, and writes nothing.
    let copied = server.restarted(&id, "?from=2").await;
    let result = server.ingress(&format!("/relight/attach/{copied}")).await;
    assert_eq!((result.json(), server.post("/Counter/a/get", &[], "").await.json()), (json!(5), json!(6)));
    // The input alone is copied: it reads what there is now.
    let again = server.restarted(&id, "").await;
    let result = server.ingress(&format!("/relight/attach/{again}")).await;
    assert_eq!((result.json(), server.post("/Counter/a/get", &[], "").await.json()), (json!(11), json!(11)));
    // The original keeps its key and its result.
    let restarted_twice = server.restarted(&again, "?from=1&deployment=keep").await;
    assert_eq!(server.detail(&restarted_twice).await["restarted_from"], json!(again));
    server.stop();
}

#[tokio::test]
async fn what_cannot_be_restarted_says_why() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("conformance").await;
    let scheduled = server.post("/Facts/info/send?delay=1h", &[], "").await.json();
    let scheduled = scheduled["invocationId"].as_str().expect("an id");
    refused(&server.restart(scheduled, "").await, 425, "RL0305");

    let held = server.send("/Waits/hold-on/hold", "").await;
    server.until_detail(&held, |now| status(now) == "suspended").await;
    refused(&server.restart(&held, "").await, 409, "RL0306");
    let pending = server.send("/Waits/hold-on/hold", "").await;
    server.until_detail(&pending, |now| status(now) == "pending").await;
    refused(&server.restart(&pending, "").await, 425, "RL0305");
    server.end("kill", &pending).await;
    server.end("kill", &held).await;
    refused(&server.restart(&held, "?from=1").await, 422, "RL0309");
    refused(&server.restart(&held, "?from=99").await, 422, "RL0309");
    refused(&server.restart(&held, "?from=x").await, 400, "RL0001");
    refused(&server.restart(&held, "?deployment=dp_10000000000000000000007").await, 404, "RL0202");

    let url = format!("{}/invocations/{held}/purge-journal", server.admin_url());
    assert_eq!(server.request(Method::PATCH, &url, &[], Bytes::new()).await.status, StatusCode::OK);
    refused(&server.restart(&held, "").await, 410, "RL0322");

    let workflow = server.send("/Flow/once/run", "\"hello\"").await;
    server.end("kill", &workflow).await;
    refused(&server.restart(&workflow, "").await, 422, "RL0309");
    let nobody = workflow.replace(|c: char| c.is_ascii_digit(), "1");
    refused(&server.restart(&nobody, "").await, 404, "RL0302");
    server.stop();
}

#[tokio::test]
async fn a_killed_invocation_is_restarted_and_survives_kill() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("conformance").await;
    let id = server.send("/Timers/sleep", "1500").await;
    server.until_detail(&id, |now| status(now) == "suspended").await;
    server.end("kill", &id).await;
    let new = server.restarted(&id, "?from=1").await;
    server.until_detail(&new, |now| status(now) == "suspended").await;
    server.kill();
    let server = folder.start().await;
    let result = server.ingress(&format!("/relight/attach/{new}")).await;
    assert_eq!(result.status, StatusCode::OK, "{result:?}");
    server.stop();
}

#[tokio::test]
async fn the_command_line_restarts_one_and_many() {
    let folder = Folder::new();
    let server = folder.start().await;
    std::fs::write(folder.path().join("greeter.wasm"), component("greeter")).expect("write");
    stdout(&mut folder.relight(&["deploy", "greeter.wasm"]));
    let id = stdout(&mut folder.relight(&["send", "Counter/a/add", "1", "-o", "name"]));
    let id = id.trim();
    server.until_detail(id, |now| status(now) == "completed").await;
    let new = stdout(&mut folder.relight(&["inv", "restart", id, "--from", "1"]));
    let new = new.trim();
    assert_ne!(new, id);
    server.until_detail(new, |now| status(now) == "completed").await;
    let shown = stdout(&mut folder.relight(&["inv", "get", new]));
    assert!(shown.contains("restarted_from"), "{shown}");
    assert!(shown.contains(id), "{shown}");
    let both =
        stdout(&mut folder.relight(&["inv", "restart", "Counter/a/add", "--deployment", "keep", "--yes"]));
    assert_eq!(both.lines().count(), 2, "{both}");
    let (code, message) = failure(&mut folder.relight(&["inv", "restart", id, "--from", "9"]));
    assert_eq!(code, 5, "{message}");
    assert!(message.contains("from 0 to"), "{message}");
    assert!(run(&mut folder.relight(&["inv", "restart", "--help"])).status.success());

    let url = format!("{}/invocations/batch/restart-as-new", server.admin_url());
    let body = json!({"ids": [id, new]}).to_string();
    let batch = server.request(Method::POST, &url, &[], body.into()).await.json();
    let succeeded = batch["succeeded"].as_array().expect("a list");
    assert_eq!(succeeded.len(), 2, "{batch}");
    assert!(succeeded.iter().all(|one| one["new_invocation_id"].is_string()), "{batch}");
    server.stop();
}
