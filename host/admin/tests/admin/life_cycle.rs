//! What each verb answers in each status, and what it does.

use relight_core::InvocationId;
use serde_json::{Value, json};

use crate::{
    invocations::start,
    rig::{Rig, component},
};

const FAILURE: &str = r#"{"code": 418, "message": "tea"}"#;

/// One invocation in each status, in the order of [`TABLE`].
async fn one_of_each(rig: &Rig, name: &str) -> [(&'static str, InvocationId); 6] {
    let key = |stage: &str| format!("{name}-{stage}");
    let scheduled = rig.schedule("Awakeables", &key("scheduled"), "wait").await;
    let suspended = rig.send("Awakeables", Some(&key("suspended")), "wait", "").await;
    rig.until_status(suspended, "suspended").await;
    let pending = rig.send("Awakeables", Some(&key("suspended")), "wait", "").await;
    let backing_off = rig.send("Failures", None, "retry_in_an_hour", "").await;
    let paused = rig.send("Awakeables", Some(&key("paused")), "wait", "").await;
    rig.until_status(paused, "suspended").await;
    assert_eq!(rig.end(paused, "pause").await.status, 202);
    let completed = rig.send("Failures", None, "fail", FAILURE).await;
    let all = [
        ("scheduled", scheduled),
        ("pending", pending),
        ("backing-off", backing_off),
        ("suspended", suspended),
        ("paused", paused),
        ("completed", completed),
    ];
    for (status, id) in all {
        rig.until_status(id, status).await;
    }
    all
}

const TABLE: [(&str, [u16; 6]); 6] = [
    ("cancel", [200, 200, 202, 202, 202, 409]),
    ("kill", [200, 200, 200, 200, 200, 409]),
    ("pause", [409, 409, 202, 202, 200, 409]),
    ("resume", [425, 425, 200, 200, 200, 409]),
    ("purge", [409, 409, 409, 409, 409, 200]),
    ("purge-journal", [409, 409, 409, 409, 409, 200]),
];

#[tokio::test]
async fn each_verb_answers_by_the_status_of_the_invocation() {
    let rig = start().await;
    for (verb, expected) in TABLE {
        // The pending one waits for the suspended one: in order, so that none has changed before its turn.
        for ((status, id), expected) in one_of_each(&rig, verb).await.into_iter().zip(expected) {
            let reply = rig.end(id, verb).await;
            assert_eq!(reply.status.as_u16(), expected, "{verb} of one that is {status}: {:?}", reply.body);
        }
        let unknown = InvocationId { unique: u128::MAX, ..one_id(&rig).await };
        rig.end(unknown, verb).await.refused(404, "RL0302", &unknown.to_string());
    }
}

async fn one_id(rig: &Rig) -> InvocationId {
    rig.send("Failures", None, "fail", FAILURE).await
}

#[tokio::test]
async fn refusals_name_their_code() {
    let rig = start().await;
    let [(_, scheduled), .., (_, suspended), _, (_, completed)] = one_of_each(&rig, "codes").await;
    rig.end(scheduled, "pause").await.refused(409, "RL0305", "has not started");
    rig.end(scheduled, "resume").await.refused(425, "RL0305", "has not started");
    rig.end(suspended, "purge").await.refused(409, "RL0306", "is not completed");
    rig.end(completed, "pause").await.refused(409, "RL0303", "already completed");
    rig.end(suspended, "pause?deployment=keep").await.refused(400, "RL0001", "`deployment`");
    rig.end(suspended, "resume?deployment=x").await.refused(400, "RL0001", "`x`");
    rig.end(suspended, "stop").await.refused(404, "RL0002", "stop");
}

#[tokio::test]
async fn a_paused_invocation_waits_until_it_is_resumed() {
    let rig = start().await;
    let id = rig.send("Awakeables", Some("a"), "wait", "").await;
    rig.until_status(id, "suspended").await;
    assert_eq!(rig.end(id, "pause").await.json(), json!({"id": id.to_string(), "status": "pausing"}));
    let detail = rig.until_status(id, "paused").await;
    assert_eq!(detail["reason"], "paused by an operator");
    assert_eq!(rig.end(id, "pause").await.json()["status"], "paused");
    assert_eq!(rig.end(id, "resume").await.json(), json!({"id": id.to_string(), "status": "resumed"}));
    rig.until_status(id, "suspended").await;

    let backing_off = rig.send("Failures", None, "retry_in_an_hour", "").await;
    rig.until_status(backing_off, "backing-off").await;
    assert_eq!(rig.end(backing_off, "pause").await.status, 202);
    assert_eq!(rig.until_status(backing_off, "paused").await["next_retry_at"], Value::Null);
}

#[tokio::test]
async fn an_invocation_is_resumed_on_the_deployment_that_is_named() {
    let rig = start().await;
    let id = rig.send("Awakeables", Some("a"), "wait", "").await;
    let first = rig.until_status(id, "suspended").await["pinned_deployment_id"].clone();
    rig.end(id, "pause").await;
    let second = rig.deploy("?env.A=1", component("conformance")).await.json()["id"].clone();
    assert_ne!(first, second);
    let other = rig.deploy("", component("greeter")).await.json()["id"].as_str().unwrap().to_owned();

    let unfit = rig.end(id, &format!("resume?deployment={other}")).await;
    unfit.refused(409, "RL0307", &other);
    let unknown = relight_core::DeploymentId(1);
    let missing = rig.end(id, &format!("resume?deployment={unknown}")).await;
    missing.refused(404, "RL0202", &unknown.to_string());
    assert_eq!(rig.until_status(id, "paused").await["pinned_deployment_id"], first);

    for (on, expected) in [
        ("keep".to_owned(), &first),
        ("latest".to_owned(), &second),
        (first.as_str().unwrap().to_owned(), &first),
    ] {
        let resumed = rig.end(id, &format!("resume?deployment={on}")).await;
        assert_eq!(resumed.status, 200, "{:?}", resumed.body);
        assert_eq!(&rig.until_status(id, "suspended").await["pinned_deployment_id"], expected, "{on}");
    }
}

#[tokio::test]
async fn purging_takes_the_journal_or_everything() {
    let rig = start().await;
    let id = one_id(&rig).await;
    rig.until_status(id, "completed").await;
    let purged = rig.end(id, "purge-journal").await;
    assert_eq!(purged.json(), json!({"id": id.to_string(), "status": "purged"}));
    assert_eq!(rig.get(&format!("/invocations/{id}/journal")).await.json()["entries"], json!([]));
    let detail = rig.until_status(id, "completed").await;
    assert_eq!((&detail["journal_size"], &detail["completion_failure"]), (&json!(0), &json!("[418] tea")));
    assert_eq!(rig.end(id, "purge").await.status, 200);
    rig.get(&format!("/invocations/{id}")).await.refused(404, "RL0302", "unknown invocation");
    rig.end(id, "purge").await.refused(404, "RL0302", "unknown invocation");
}

#[tokio::test]
async fn a_suspended_invocation_names_the_signals_and_promises_it_waits_for() {
    let rig = start().await;
    let run = rig.run("Flow", "a", "\"hello\"").await;
    let detail = rig.until_status(run, "suspended").await;
    assert_eq!(detail["reason"], "suspended, waiting for: promise `gate`");
    assert_eq!(
        (&detail["open"][0]["kind"], &detail["open"][0]["awaited"]),
        (&json!("promise"), &json!(true))
    );

    let receiver = rig.send("Signals", None, "receive", r#"["go", 2, 0]"#).await;
    let detail = rig.until_status(receiver, "suspended").await;
    let reason = detail["reason"].as_str().unwrap();
    assert!(reason.contains("signal `go`"), "{reason}");

    let flow = rig.get("/services/Flow").await.json();
    assert_eq!((&flow["ty"], &flow["workflow_completion_retention"]), (&json!("Workflow"), &json!("24h")));
    let modes = flow["handlers"].as_array().unwrap().iter().map(|one| (&one["name"], &one["ty"]));
    assert!(modes.clone().any(|one| one == (&json!("run"), &json!("Workflow"))));
    assert!(modes.clone().any(|one| one == (&json!("peek"), &json!("Shared"))));
}
