//! A verb on many invocations at once.

use hyper::Method;
use relight_core::InvocationId;
use serde_json::json;

use crate::{
    invocations::start,
    rig::{Reply, Rig},
};

impl Rig {
    async fn batch(&self, verb: &str, body: &serde_json::Value) -> Reply {
        self.request(Method::POST, &format!("/invocations/batch/{verb}"), body.to_string()).await
    }
}

async fn waiting(rig: &Rig, key: &str) -> InvocationId {
    let id = rig.send("Awakeables", Some(key), "wait", "").await;
    rig.until_status(id, "suspended").await;
    id
}

#[tokio::test]
async fn each_id_succeeds_or_fails_by_itself() {
    let rig = start().await;
    let (first, second) = (waiting(&rig, "a").await, waiting(&rig, "b").await);
    let unknown = InvocationId { unique: u128::MAX, ..first };
    let ids = [first, unknown, second].map(|id| id.to_string());
    let reply = rig.batch("pause", &json!({"ids": ids})).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let expected = json!({
        "succeeded": [{"id": ids[0], "status": "pausing"}, {"id": ids[2], "status": "pausing"}],
        "failed": [{
            "id": ids[1], "status": 404, "code": "RL0302", "message": format!("unknown invocation `{unknown}`"),
        }],
    });
    assert_eq!(reply.json(), expected);
    let killed = rig.batch("kill", &json!({"ids": ids})).await.json();
    assert_eq!(
        (&killed["succeeded"][0]["status"], killed["succeeded"].as_array().unwrap().len()),
        (&json!("ended"), 2)
    );
    let early = rig.schedule("Awakeables", "c", "wait").await.to_string();
    let failed = rig.batch("resume?deployment=latest", &json!({"ids": [early]})).await.json();
    assert_eq!((&failed["failed"][0]["status"], &failed["succeeded"]), (&json!(425), &json!([])));
    assert_eq!(rig.batch("kill", &json!({"ids": []})).await.json(), json!({"succeeded": [], "failed": []}));
}

#[tokio::test]
async fn a_filter_selects_what_the_verb_fits() {
    let rig = start().await;
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(waiting(&rig, &format!("k{number}")).await.to_string());
    }
    ids.sort_unstable();
    let scheduled = rig.schedule("Awakeables", "later", "wait").await.to_string();
    let done = rig.batch("pause", &json!({"filter": {"service": "Awakeables"}})).await.json();
    let paused = done["succeeded"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap());
    let mut paused: Vec<_> = paused.collect();
    paused.sort_unstable();
    assert_eq!(paused, ids);
    assert_eq!(done["failed"], json!([]));

    let page = rig.batch("resume", &json!({"filter": {"service": "Awakeables", "limit": "4"}})).await.json();
    assert_eq!(page["succeeded"].as_array().unwrap().len(), 4);
    let next = page["next"].as_str().expect("there are more");
    let rest =
        rig.batch("resume", &json!({"filter": {"service": "Awakeables", "cursor": next}})).await.json();
    assert_eq!((rest["succeeded"].as_array().unwrap().len(), rest.get("next")), (6, None));

    let named = json!({"filter": {"service": "Awakeables", "status": "scheduled"}});
    let refused = rig.batch("pause", &named).await.json();
    assert_eq!(
        (&refused["failed"][0]["id"], &refused["failed"][0]["status"]),
        (&json!(scheduled), &json!(409))
    );
    let all = rig.batch("kill", &json!({"filter": {"service": "Awakeables"}})).await.json();
    assert_eq!(all["succeeded"].as_array().unwrap().len(), 11);
    let purged = rig.batch("purge", &json!({"filter": {"service": "Awakeables"}})).await.json();
    assert_eq!(purged["succeeded"].as_array().unwrap().len(), 11);
    assert_eq!(rig.get("/invocations").await.json(), json!({"invocations": []}));
}

#[tokio::test]
async fn batches_that_say_too_little_or_too_much_are_refused() {
    let rig = start().await;
    let id = format!("inv_1{}", "0".repeat(33));
    for (body, code, words) in [
        (json!({}), "RL0308", "either"),
        (json!({"ids": [], "filter": {"service": "S"}}), "RL0308", "either"),
        (json!({"filter": {}}), "RL0308", "empty"),
        (json!({"ids": vec![id; 1001]}), "RL0308", "1001"),
        (json!({"ids": ["x"]}), "RL0301", "`x`"),
        (json!({"filter": {"colour": "red"}}), "RL0304", "`colour`"),
    ] {
        rig.batch("cancel", &body).await.refused(400, code, words);
    }
    rig.batch("cancel?x=1", &json!({"ids": []})).await.refused(400, "RL0001", "`x`");
    rig.batch("stop", &json!({"ids": []})).await.refused(404, "RL0002", "stop");
    rig.get("/invocations/batch/cancel").await.refused(405, "RL0003", "POST");
}
