//! Behaviours of workflows, signals, attaching and inline runs that only the outside can see.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    conformance::{Case, Running, World},
    conformance_outside::cases,
    support::until,
};

cases! {
    workflow_runs_once_and_waits_for_its_promise:
        "Flow/run", "Flow/open", "Flow/peek", "Flow/wait", "Flow/stage";
    promise_is_rejected_by_a_handler: "Flow/refuse";
    promises_are_completed_over_http: "Flow/run", "Flow/peek";
    signals_are_sent_over_http: "Signals/receive";
    signals_are_sent_by_handlers: "Signals/receive", "Signals/send";
    results_are_looked_at_by_id: "Attached/result_of", "Attached/output_of", "Attached/cancel";
    runs_reach_the_outside_once: "Runs/get", "Runs/post", "Runs/post_then_sleep", "Runs/send_then_post";
    world_is_live_inside_a_run: "Runs/world_is_live_inside";
}

impl World {
    async fn flow_asks(&self, key: &str) {
        until(|| async {
            let stage = self.call(&format!("/Flow/{key}/stage"), Value::Null).await;
            if stage == "waiting" { Ok(()) } else { Err(format!("the run of {key} waits: {stage}")) }
        })
        .await;
    }
}

async fn workflow_runs_once_and_waits_for_its_promise(world: Arc<World>) {
    let sent = world.server.post("/Flow/once/run/send", &[], "\"hello\"").await;
    assert_eq!((sent.status, &sent.json()["status"]), (StatusCode::ACCEPTED, &json!("Accepted")));
    world.flow_asks("once").await;
    assert_eq!(world.call("/Flow/once/peek", Value::Null).await, Value::Null);
    let waiting = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.call("/Flow/once/wait", Value::Null).await }
    });
    world.call("/Flow/once/open", json!("world")).await;
    assert_eq!(waiting.await.expect("it ends"), "world");
    let result = world.server.ingress("/relight/workflow/Flow/once/attach").await;
    assert_eq!((result.status, result.json()), (StatusCode::OK, json!("hello world")));

    let second = world.server.post("/Flow/once/run", &[], "\"again\"").await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{second:?}");
    let second = world.server.post("/Flow/once/run/send", &[], "\"again\"").await;
    assert_eq!(second.json()["status"], "PreviouslyAccepted");
    assert_eq!(second.json()["invocationId"], sent.json()["invocationId"]);
    let keyed = world.server.post("/Flow/once/run", &[("idempotency-key", "k")], "\"again\"").await;
    assert_eq!(keyed.status, StatusCode::BAD_REQUEST, "{keyed:?}");
}

async fn promise_is_rejected_by_a_handler(world: Arc<World>) {
    let id = world.server.send("/Flow/refused/run", "\"hello\"").await;
    world.flow_asks("refused").await;
    world.call("/Flow/refused/refuse", json!("closed")).await;
    let result = world.result(&id).await;
    assert_eq!((result.status.as_u16(), &result.json()["message"]), (422, &json!("closed")));
}

async fn promises_are_completed_over_http(world: Arc<World>) {
    let path = |key: &str, how: &str| format!("/relight/promises/Flow/{key}/gate/{how}");
    let opened = world.server.post(&path("http", "resolve"), &[], "\"early\"").await;
    assert_eq!(opened.status, StatusCode::ACCEPTED, "{opened:?}");
    assert_eq!(world.call("/Flow/http/peek", Value::Null).await, "early");
    let again = world.server.post(&path("http", "resolve"), &[], "\"late\"").await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{again:?}");
    assert_eq!(world.call("/Flow/http/run", json!("too")).await, "too early");

    let refused = world.server.post(&path("http-refused", "reject"), &[], "no entry").await;
    assert_eq!(refused.status, StatusCode::ACCEPTED, "{refused:?}");
    let run = world.server.post("/Flow/http-refused/run", &[], "\"hello\"").await;
    assert!(run.json()["message"].as_str().is_some_and(|message| message.contains("no entry")), "{run:?}");
    let nobody = world.server.post("/relight/promises/Counter/k/gate/resolve", &[], "1").await;
    assert!([400, 404].contains(&nobody.status.as_u16()), "{nobody:?}");
}

async fn signals_are_sent_over_http(world: Arc<World>) {
    let id = world.server.send("/Signals/receive", r#"["go", 2, 0]"#).await;
    for value in ["one", "two"] {
        let path = format!("/relight/signals/{id}/go/resolve");
        let sent = world.server.post(&path, &[], &json!(value).to_string()).await;
        assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
    }
    assert_eq!(world.result(&id).await.json(), json!(["one", "two"]));
    let late = world.server.post(&format!("/relight/signals/{id}/go/resolve"), &[], "1").await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{late:?}");
}

async fn signals_are_sent_by_handlers(world: Arc<World>) {
    let id = world.server.send("/Signals/receive", r#"["ready", 1, 0]"#).await;
    world.call("/Signals/send", json!([id, "ready", "now"])).await;
    assert_eq!(world.result(&id).await.json(), json!(["now"]));
}

async fn results_are_looked_at_by_id(world: Arc<World>) {
    let id = world.server.send("/Signals/receive", r#"["never", 1, 0]"#).await;
    assert_eq!(world.call("/Attached/output_of", json!(id)).await, Value::Null);
    world.call("/Attached/cancel", json!(id)).await;
    let result = world.server.post("/Attached/result_of", &[], &json!(id).to_string()).await;
    assert_eq!(result.status, StatusCode::CONFLICT, "{result:?}");

    let id = world.server.send("/Signals/receive", r#"["none", 0, 0]"#).await;
    assert_eq!(world.call("/Attached/result_of", json!(id)).await, json!([]));
    assert_eq!(world.call("/Attached/output_of", json!(id)).await, json!([]));
}

async fn runs_reach_the_outside_once(world: Arc<World>) {
    let url = |path: &str| world.ledger.url(path);
    let got = world.call("/Runs/get", json!(url("/charge?of=run-get"))).await;
    assert_eq!(got["status"], 200, "{got}");
    world.call("/Runs/post", json!(url("/charge?of=run-post"))).await;
    assert_eq!(world.ledger.entries("/charge?of=run-post").len(), 1);
    let slept = json!([url("/charge?of=run-sleep"), 50]);
    world.call("/Runs/post_then_sleep", slept).await;
    assert_eq!(world.ledger.entries("/charge?of=run-sleep").len(), 1, "a recorded run is not done again");
    let sent = json!(["run-sends", url("/charge?of=run-sends")]);
    world.call("/Runs/send_then_post", sent).await;
    assert_eq!(world.ledger.entries("/charge?of=run-sends").len(), 1);
    until(|| async {
        let value = world.call("/Callee/run-sends/get", Value::Null).await;
        if value == 1 { Ok(()) } else { Err(format!("the send before the run arrives once: {value}")) }
    })
    .await;
}

async fn world_is_live_inside_a_run(world: Arc<World>) {
    let seen = world.call("/Runs/world_is_live_inside", Value::Null).await;
    assert_ne!(seen["uuid_inside"], seen["uuid_after"], "{seen}");
}
