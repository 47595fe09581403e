//! Lists, details, journals; cancel and kill with their status codes.

use hyper::Method;
use relight_admin::types::Invocations;
use relight_core::InvocationId;
use serde_json::json;

use crate::rig::{Reply, Rig, component};

pub async fn start() -> Rig {
    let rig = Rig::start().await;
    let deployed = rig.deploy("", component("conformance")).await;
    assert_eq!(deployed.status, 201, "{:?}", deployed.body);
    rig
}

impl Rig {
    pub async fn end(&self, id: InvocationId, verb: &str) -> Reply {
        self.request(Method::PATCH, &format!("/invocations/{id}/{verb}"), "").await
    }
}

#[tokio::test]
async fn a_suspended_invocation_says_what_it_waits_for_and_its_journal_shows_it() {
    let rig = start().await;
    let id = rig.send("Awakeables", Some("a"), "wait", "").await;
    let detail = rig.until_status(id, "suspended").await;
    let reason = detail["reason"].as_str().unwrap();
    assert!(reason.starts_with("suspended, waiting for: awakeable sign_1"), "{reason}");
    assert_eq!(detail["target"], "Awakeables/a/wait");
    assert_eq!((&detail["invoked_by"], &detail["cancel_requested"]), (&json!("ingress"), &json!(false)));
    assert_eq!(
        (&detail["open"][0]["kind"], &detail["open"][0]["awaited"]),
        (&json!("awakeable"), &json!(true))
    );
    let deployment = detail["pinned_deployment_id"].as_str().unwrap().to_owned();
    let status = rig.get(&format!("/deployments/{deployment}")).await.json();
    assert_eq!(status["status"], "active");

    let journal = rig.get(&format!("/invocations/{id}/journal")).await.json();
    let kinds: Vec<_> =
        journal["entries"].as_array().unwrap().iter().map(|entry| &entry["entry_type"]).collect();
    assert_eq!(kinds, ["input", "awakeable", "set-state"]);
    let awakeable = &journal["entries"][1];
    assert_eq!((&awakeable["completed"], &awakeable["index"]), (&json!(false), &json!(1)));
    assert!(reason.ends_with(awakeable["entry_json"]["id"].as_str().unwrap()));

    let page = rig.get(&format!("/invocations/{id}/journal?from=1&limit=1")).await.json();
    assert_eq!((&page["entries"][0]["index"], &page["next"]), (&json!(1), &json!(2)));
    let rest = rig.get(&format!("/invocations/{id}/journal?from=2")).await.json();
    assert_eq!((rest["entries"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)));
    rig.stop().await;
}

#[tokio::test]
async fn cancel_and_kill_answer_by_the_status_of_the_invocation() {
    let rig = start().await;
    let holder = rig.send("Awakeables", Some("a"), "wait", "").await;
    rig.until_status(holder, "suspended").await;
    let second = rig.send("Awakeables", Some("a"), "wait", "").await;
    let third = rig.send("Awakeables", Some("a"), "wait", "").await;
    let detail = rig.until_status(second, "pending").await;
    assert_eq!(detail["reason"], format!("pending, the key is held by {holder}"));

    let cancelled = rig.end(second, "cancel").await;
    assert_eq!(
        (cancelled.status.as_u16(), cancelled.json()),
        (200, json!({"id": second.to_string(), "status": "ended"}))
    );
    assert_eq!(rig.end(third, "kill").await.status, 200);
    rig.end(second, "cancel").await.refused(409, "RL0303", "already completed");
    rig.end(third, "kill").await.refused(409, "RL0303", "already completed");

    let cancelled = rig.end(holder, "cancel").await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json()["status"]), (202, &json!("ending")));
    let ended = rig.until_status(holder, "completed").await;
    assert_eq!(
        (&ended["completion_result"], &ended["completion_failure"]),
        (&json!("failure"), &json!("[409] cancelled"))
    );
    let journal = rig.get(&format!("/invocations/{holder}/journal")).await.json();
    let last = journal["entries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["entry_type"], "output");
    assert_eq!(last["entry_json"]["result"]["failure"]["code"], 409);

    let running = rig.send("Awakeables", Some("b"), "wait", "").await;
    rig.until_status(running, "suspended").await;
    assert_eq!(rig.end(running, "kill").await.status, 200);

    let unknown = InvocationId { unique: u128::MAX, ..holder };
    for verb in ["cancel", "kill"] {
        rig.end(unknown, verb).await.refused(404, "RL0302", &unknown.to_string());
    }
    rig.get(&format!("/invocations/{unknown}")).await.refused(404, "RL0302", "unknown invocation");
    rig.get(&format!("/invocations/{unknown}/journal")).await.refused(404, "RL0302", "unknown invocation");
    rig.get("/invocations/x").await.refused(400, "RL0301", "`x`");
    rig.stop().await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged_over_all_partitions() {
    let rig = start().await;
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(rig.send("Awakeables", Some(&format!("k{number}")), "wait", "").await);
    }
    for id in &ids {
        rig.until_status(*id, "suspended").await;
    }
    ids.sort_unstable();
    let mut found = Vec::new();
    let mut path = "/invocations?service=Awakeables&status=suspended&limit=7".to_owned();
    loop {
        let reply = rig.get(&path).await;
        let page: Invocations = serde_json::from_slice(&reply.body).unwrap();
        assert!(page.invocations.len() <= 7);
        found.extend(page.invocations.iter().map(|one| one.id.parse::<InvocationId>().unwrap()));
        let Some(next) = page.next else { break };
        path = format!("/invocations?service=Awakeables&status=suspended&limit=7&cursor={next}");
    }
    assert_eq!(found, ids);
    let one = rig.get("/invocations?key=k7&handler=wait&since=1h").await.json();
    assert_eq!(one["invocations"].as_array().unwrap().len(), 1);
    assert_eq!(one["invocations"][0]["target_service_key"], "k7");
    let none = rig.get("/invocations?status=completed").await.json();
    assert_eq!(none, json!({"invocations": []}));
    rig.get("/invocations?colour=red").await.refused(400, "RL0304", "`colour`");
    rig.stop().await;
}
