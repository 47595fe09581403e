//! What is told of one invocation: warnings, and what was asked of it.

use hyper::StatusCode;
use serde_json::json;

use crate::support::{Folder, stdout};

#[tokio::test]
async fn a_thousand_inline_runs_are_warned_of_once() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("conformance").await;
    let warned = |text: &str| text.matches("the handler makes many inline runs").count();
    let few = server.send("/Runs/many", "3").await;
    server.until_detail(&few, |now| now["status"] == "completed").await;
    assert_eq!(warned(&server.log()), 0);

    server.expect_complaint("the handler makes many inline runs");
    let many = server.send("/Runs/many", "1002").await;
    let ended = server.until_detail(&many, |now| now["status"] == "completed").await;
    assert_eq!(ended["completion_result"], "success", "{ended}");
    assert!(
        ended["warnings"][0].as_str().is_some_and(|text| text.starts_with("1002 inline runs")),
        "{ended}"
    );
    assert_eq!(warned(&server.log()), 1);
    assert!(stdout(&mut folder.relight(&["inv", "get", &many])).contains("warning"));
    server.stop();
}

#[tokio::test]
async fn a_cancellation_that_was_delivered_is_still_told() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("conformance").await;
    let id = server.send("/Waits/told/compensate", "").await;
    let waiting = server.until_detail(&id, |now| now["status"] == "suspended").await;
    assert_eq!(waiting["cancel_requested"], json!(false));
    server.end("cancel", &id).await;
    let ended = server.until_detail(&id, |now| now["status"] == "completed").await;
    assert_eq!(ended["cancel_requested"], json!(true), "{ended}");

    let scheduled = server.post("/Facts/info/send?delay=1h", &[], "").await;
    assert_eq!(scheduled.status, StatusCode::ACCEPTED);
    let scheduled = scheduled.json()["invocationId"].as_str().expect("an id").to_owned();
    server.end("cancel", &scheduled).await;
    let ended = server.until_detail(&scheduled, |now| now["status"] == "completed").await;
    assert_eq!(ended["cancel_requested"], json!(true), "{ended}");
    server.stop();
}
