//! Behaviours that only the outside can see: what others resolve, cancel and kill, what arrives elsewhere, what is logged.

use std::{sync::Arc, time::Duration};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    conformance::{Case, Running, World},
    ledger::{Entry, REFUSALS},
    support::{Answer, until},
};

macro_rules! cases {
    ($($name:ident: $($handler:literal),+;)+) => {
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            handlers: &[$($handler),+],
            run: |world| -> Running { Box::pin($name(world)) },
        }),+];
    };
}
pub(crate) use cases;

cases! {
    state_is_set_read_and_cleared:
        "State/set", "State/get", "State/names", "State/clear", "State/clear_all";
    state_written_before_a_failure_stays: "State/set_then_fail";
    awakeables_are_resolved_over_http: "Awakeables/wait", "Awakeables/id", "Awakeables/wait_with_timeout";
    awakeables_are_rejected_over_http: "Awakeables/wait", "Awakeables/id";
    awakeables_are_resolved_by_handlers: "Awakeables/resolve", "Awakeables/reject";
    callees_are_called_from_outside: "Callee/add", "Callee/get", "Callee/header", "Callee/caller";
    caller_and_callee_know_each_other: "Calls/ids";
    waiting_callee_is_resolved_through_its_caller: "Calls/wait_for_a_waiting_callee", "Waits/hold", "Waits/id";
    kill_reaches_the_callee: "Calls/wait_for_a_waiting_callee", "Waits/hold";
    cancelled_handler_compensates: "Waits/compensate";
    cancel_reaches_the_callee: "Waits/cancel_reaches_the_callee";
    cancel_can_be_ignored: "Waits/ignore_cancel";
    sends_arrive_once_and_in_order: "Sends/send_many", "Recorder/record", "Recorder/deliveries";
    sends_with_one_key_arrive_once: "Sends/one_key_is_one_message";
    send_before_a_failure_arrives: "Sends/send_then_fail";
    delayed_sends_are_not_early: "Sends/send_later", "Sends/send_at";
    timers_are_not_early: "Timers/sleep";
    effect_keys_differ: "Effects/keys_differ";
    effects_reach_the_outside: "Effects/get", "Effects/charge", "Effects/timeout_is_a_failure";
    recorded_effect_is_not_repeated: "Effects/charge_then_sleep";
    effect_failures_have_their_message: "Effects/panic_keeps_its_message", "Forbidden/operation_in_an_effect";
    invocation_knows_itself: "Facts/info";
    replay_sees_the_same: "Facts/replay_sees_the_same";
    lines_are_logged_once: "Facts/logs";
}

impl World {
    /// The JSON answer of a call that succeeds.
    pub async fn call(&self, path: &str, input: Value) -> Value {
        let answer = self.server.post(path, &[], &body(&input)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        answer.json()
    }

    /// The id that a handler has published under its key.
    async fn awakeable(&self, object: &str) -> String {
        until(|| async {
            let id = self.call(&format!("{object}/id"), Value::Null).await;
            id.as_str().map(str::to_owned).ok_or_else(|| format!("an awakeable of {object}"))
        })
        .await
    }

    async fn resolve(&self, awakeable: &str, value: &str) {
        let path = format!("/relight/awakeables/{awakeable}/resolve");
        let answer = self.server.post(&path, &[], &body(&json!(value))).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    }

    pub async fn result(&self, id: &str) -> Answer {
        self.server.ingress(&format!("/relight/attach/{id}")).await
    }

    /// Messages at a recorder, once there are so many.
    async fn deliveries(&self, key: &str, count: usize) -> Vec<Value> {
        until(|| async {
            let deliveries = self.call(&format!("/Recorder/{key}/deliveries"), Value::Null).await;
            let deliveries = deliveries.as_array().expect("a list").clone();
            if deliveries.len() >= count { Ok(deliveries) } else { Err(format!("{deliveries:?} of {count}")) }
        })
        .await
    }
}

fn body(input: &Value) -> String {
    if input.is_null() { String::new() } else { input.to_string() }
}

#[track_caller]
fn assert_failure(answer: &Answer, code: u16, message: &str) {
    let expected = json!({"code": code, "message": message, "source": "invocation"});
    assert_eq!((answer.status.as_u16(), answer.json()), (code, expected));
}

async fn state_is_set_read_and_cleared(world: Arc<World>) {
    for (name, value) in [("b", 2), ("a", 1), ("c", 3)] {
        world.call("/State/values/set", json!([name, value])).await;
    }
    assert_eq!(world.call("/State/values/get", json!("a")).await, json!(1));
    assert_eq!(world.call("/State/values/names", Value::Null).await, json!(["a", "b", "c"]));
    world.call("/State/values/clear", json!("a")).await;
    assert_eq!(world.call("/State/values/get", json!("a")).await, Value::Null);
    assert_eq!(world.call("/State/values/names", Value::Null).await, json!(["b", "c"]));
    world.call("/State/values/clear_all", Value::Null).await;
    assert_eq!(world.call("/State/values/names", Value::Null).await, json!([]));
}

async fn state_written_before_a_failure_stays(world: Arc<World>) {
    let answer = world.server.post("/State/failed/set_then_fail", &[], "7").await;
    assert_failure(&answer, 409, "failed after writing");
    assert_eq!(world.call("/State/failed/get", json!("n")).await, json!(7));
}

async fn awakeables_are_resolved_over_http(world: Arc<World>) {
    for (handler, input) in [("wait", ""), ("wait_with_timeout", "3600000")] {
        let object = format!("/Awakeables/resolved-{handler}");
        let id = world.server.send(&format!("{object}/{handler}"), input).await;
        let awakeable = world.awakeable(&object).await;
        world.resolve(&awakeable, "first").await;
        world.resolve(&awakeable, "second").await;
        let answer = world.result(&id).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!("first")));
    }
}

async fn awakeables_are_rejected_over_http(world: Arc<World>) {
    let id = world.server.send("/Awakeables/rejected/wait", "").await;
    let awakeable = world.awakeable("/Awakeables/rejected").await;
    let url = format!("{}/relight/awakeables/{awakeable}/reject", world.server.ingress_url());
    let rejected =
        world.server.request(hyper::Method::POST, &url, &[("content-type", "text/plain")], "no".into()).await;
    assert_eq!(rejected.status, StatusCode::ACCEPTED, "{rejected:?}");
    assert_failure(&world.result(&id).await, 500, "no");
}

async fn awakeables_are_resolved_by_handlers(world: Arc<World>) {
    for (handler, status, output) in [
        ("resolve", StatusCode::OK, json!("value")),
        (
            "reject",
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({"code": 422, "message": "value", "source": "invocation"}),
        ),
    ] {
        let object = format!("/Awakeables/{handler}d-by-handler");
        let id = world.server.send(&format!("{object}/wait"), "").await;
        let awakeable = world.awakeable(&object).await;
        world.call(&format!("/Awakeables/other/{handler}"), json!([awakeable, "value"])).await;
        let answer = world.result(&id).await;
        assert_eq!((answer.status, answer.json()), (status, output));
    }
}

async fn callees_are_called_from_outside(world: Arc<World>) {
    assert_eq!(world.call("/Callee/direct/add", json!(2)).await, json!(2));
    assert_eq!(world.call("/Callee/direct/add", json!(-5)).await, json!(-3));
    assert_eq!(world.call("/Callee/direct/get", Value::Null).await, json!(-3));
    let header = [("x-tenant", "t2")];
    let answer = world.server.post("/Callee/direct/header", &header, r#""x-tenant""#).await;
    assert_eq!(answer.json(), json!("t2"));
    assert_eq!(world.call("/Callee/direct/header", json!("x-nobody")).await, Value::Null);
    assert_eq!(world.call("/Callee/direct/caller", Value::Null).await, Value::Null, "a door is no caller");
}

async fn caller_and_callee_know_each_other(world: Arc<World>) {
    let answer = world.server.post("/Calls/ids", &[], "").await;
    let ids = answer.json();
    assert_eq!(ids["caller"], answer.header("x-relight-id"));
    assert_eq!(ids["caller_seen_by_callee"], ids["caller"]);
    assert_ne!(ids["callee"], ids["caller"]);
    assert!(ids["callee"].as_str().is_some_and(|id| id.starts_with("inv_1")), "{ids}");
}

/// Starts a caller that waits for a waiting callee; gives the ids of both.
async fn waiting_pair(world: &World, key: &str) -> (String, String) {
    let caller = world.server.send("/Calls/wait_for_a_waiting_callee", &body(&json!(key))).await;
    world.awakeable(&format!("/Waits/{key}")).await;
    let journal = world.server.admin(&format!("/invocations/{caller}/journal")).await.json();
    let entries = journal["entries"].as_array().expect("a list");
    let callee = entries.iter().find_map(|entry| entry["invoked_id"].as_str());
    let callee = callee.unwrap_or_else(|| panic!("no call in {journal}"));
    (caller, callee.to_owned())
}

async fn waiting_callee_is_resolved_through_its_caller(world: Arc<World>) {
    let (caller, callee) = waiting_pair(&world, "held").await;
    world.resolve(&world.awakeable("/Waits/held").await, "released").await;
    assert_eq!(world.result(&caller).await.json(), json!("released"));
    world.server.until_detail(&callee, |detail| detail["completion_result"] == "success").await;
}

async fn kill_reaches_the_callee(world: Arc<World>) {
    let (caller, callee) = waiting_pair(&world, "killed").await;
    world.server.end("kill", &caller).await;
    for id in [&caller, &callee] {
        let detail = world.server.until_detail(id, |detail| detail["status"] == "completed").await;
        assert_eq!(detail["completion_result"], "failure", "{detail}");
        assert!(
            detail["completion_failure"].as_str().is_some_and(|text| text.contains("killed")),
            "{detail}"
        );
    }
    // Its lock is free.
    let next = world.server.send("/Waits/killed/hold", "").await;
    world.server.until_detail(&next, |detail| detail["status"] == "suspended").await;
    world.server.end("kill", &next).await;
}

async fn cancelled_handler_compensates(world: Arc<World>) {
    let id = world.server.send("/Waits/compensated/compensate", "").await;
    world.awakeable("/Waits/compensated").await;
    world.server.end("cancel", &id).await;
    assert_failure(&world.result(&id).await, 409, "cancelled");
    let deliveries = world.deliveries("compensated", 1).await;
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    assert_eq!(deliveries[0]["message"], "compensated");
}

async fn cancel_reaches_the_callee(world: Arc<World>) {
    let id = world.server.send("/Waits/canceller/cancel_reaches_the_callee", "").await;
    world.awakeable("/Waits/canceller-callee").await;
    world.server.end("cancel", &id).await;
    let answer = world.result(&id).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, Value::Null));
    assert_eq!(world.deliveries("canceller", 1).await[0]["message"], "callee cancelled");
}

async fn cancel_can_be_ignored(world: Arc<World>) {
    let id = world.server.send("/Waits/stubborn/ignore_cancel", "").await;
    let awakeable = world.awakeable("/Waits/stubborn").await;
    world.server.end("cancel", &id).await;
    until(|| async {
        let journal = world.server.admin(&format!("/invocations/{id}/journal")).await.json();
        let entries = journal["entries"].as_array().expect("a list");
        let is_delivered = entries.iter().any(|entry| entry["entry_type"] == "cancel-delivered");
        if is_delivered { Ok(()) } else { Err(journal.to_string()) }
    })
    .await;
    world.resolve(&awakeable, "done").await;
    let answer = world.result(&id).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!("done")));
}

async fn sends_arrive_once_and_in_order(world: Arc<World>) {
    world.call("/Recorder/many/record", json!("direct")).await;
    world.call("/Sends/send_many", json!(["many", 30])).await;
    let deliveries = world.deliveries("many", 31).await;
    let messages: Vec<Value> = deliveries.iter().map(|delivery| delivery["message"].clone()).collect();
    let sent = (0..30).map(|number| json!(number.to_string()));
    assert_eq!(messages, std::iter::once(json!("direct")).chain(sent).collect::<Vec<_>>());
}

async fn sends_with_one_key_arrive_once(world: Arc<World>) {
    world.call("/Sends/one_key_is_one_message", json!("one-message")).await;
    world.deliveries("one-message", 1).await;
    // A second one would have come before this one: messages of one handler keep their order.
    world.call("/Recorder/one-message/record", json!("last")).await;
    let deliveries = world.deliveries("one-message", 2).await;
    assert_eq!(deliveries.len(), 2, "{deliveries:?}");
}

async fn send_before_a_failure_arrives(world: Arc<World>) {
    let answer = world.server.post("/Sends/send_then_fail", &[], r#""failing""#).await;
    assert_failure(&answer, 500, "failed after sending");
    assert_eq!(world.deliveries("failing", 1).await[0]["message"], "sent before failing");
}

async fn delayed_sends_are_not_early(world: Arc<World>) {
    const DELAY_MS: u64 = 200;
    let sent_at = world.call("/Sends/send_later", json!(["later", DELAY_MS])).await;
    let sent_at = sent_at.as_u64().expect("a time");
    let due = sent_at + 2 * DELAY_MS;
    let id = world.call("/Sends/send_at", json!(["at", due])).await;
    let id = id.as_str().expect("an id");
    for (key, not_before) in [("later", sent_at + DELAY_MS), ("at", due)] {
        let delivery = &world.deliveries(key, 1).await[0];
        assert_eq!(delivery["message"], key);
        let at = delivery["at"].as_u64().expect("a time");
        assert!(at >= not_before, "delivered at {at}, {} ms early", not_before - at);
    }
    assert_eq!(world.result(id).await.json(), Value::Null);
}

async fn timers_are_not_early(world: Arc<World>) {
    let started = std::time::Instant::now();
    let slept = world.call("/Timers/sleep", json!(100)).await;
    assert!(slept.as_u64() >= Some(100), "{slept}");
    assert!(started.elapsed() >= Duration::from_millis(100));
}

async fn effect_keys_differ(world: Arc<World>) {
    let answer = world.server.post("/Effects/keys_differ", &[], "").await;
    let facts = answer.json();
    for number in [1, 2] {
        let key = facts[number - 1]["idempotency_key"].as_str().expect("a key");
        assert!(key.starts_with(answer.header("x-relight-id")), "{key}");
        assert!(key.ends_with(&format!("-{number}")), "{key}");
    }
}

async fn effects_reach_the_outside(world: Arc<World>) {
    let got = world.call("/Effects/get", json!(world.ledger.url("/charge?get"))).await;
    assert_eq!(got["status"], 200);
    assert!(got["body"].as_str().is_some_and(|body| body.starts_with("receipt ")), "{got}");

    let url = world.ledger.url("/unwilling?charge");
    let receipt = world.call("/Effects/charge", json!([url, "ten"])).await;
    assert!(receipt.as_str().is_some_and(|receipt| receipt.starts_with("receipt ")), "{receipt}");
    let entries: Vec<Entry> = world.ledger.entries("/unwilling?charge");
    assert_eq!(entries.len(), REFUSALS + 1);
    assert!(entries.iter().all(|entry| *entry == entries[0]), "{entries:?}");
    assert_eq!(entries[0].body, "ten");
    assert!(entries[0].key.starts_with("inv_1"), "{entries:?}");

    let message = world.call("/Effects/timeout_is_a_failure", json!(world.ledger.url("/silent"))).await;
    assert!(message.as_str().is_some_and(|message| message.contains("200")), "{message}");
    let denied = world.server.post("/Effects/get", &[], r#""http://localhost.invalid/""#).await;
    assert_eq!(denied.status, StatusCode::INTERNAL_SERVER_ERROR, "{denied:?}");
    let denied = denied.json();
    assert!(denied["message"].as_str().is_some_and(|message| message.contains("allow-list")), "{denied}");
}

async fn recorded_effect_is_not_repeated(world: Arc<World>) {
    let url = world.ledger.url("/charge?recorded");
    let receipt = world.call("/Effects/charge_then_sleep", json!([url, 100])).await;
    assert!(receipt.as_str().is_some_and(|receipt| receipt.starts_with("receipt ")), "{receipt}");
    assert_eq!(world.ledger.entries("/charge?recorded").len(), 1);
}

async fn effect_failures_have_their_message(world: Arc<World>) {
    world.server.expect_complaint("an effect panics");
    world.call("/Effects/panic_keeps_its_message", Value::Null).await;
    let message = world.call("/Forbidden/operation_in_an_effect", Value::Null).await;
    let expected = "`ops.timer` is not available inside an effect";
    assert!(message.as_str().is_some_and(|message| message.starts_with(expected)), "{message}");
}

async fn invocation_knows_itself(world: Arc<World>) {
    let headers = [("idempotency-key", "info"), ("x-tenant", "t3")];
    let answer = world.server.post("/Facts/info", &headers, "").await;
    let info = answer.json();
    assert_eq!(info["id"], answer.header("x-relight-id"));
    assert_eq!(
        (&info["service"], &info["key"], &info["handler"]),
        (&json!("Facts"), &Value::Null, &json!("info"))
    );
    assert_eq!((&info["caller"], &info["idempotency_key"]), (&Value::Null, &json!("info")));
    let headers = info["headers"].as_array().expect("a list");
    assert!(headers.contains(&json!(["x-tenant", "t3"])), "{info}");
    let again = world.server.post("/Facts/info", &[("idempotency-key", "info")], "").await;
    assert_eq!(again.json(), info, "one key is one invocation");
}

async fn replay_sees_the_same(world: Arc<World>) {
    let first = world.call("/Facts/replay_sees_the_same", Value::Null).await;
    let second = world.call("/Facts/replay_sees_the_same", Value::Null).await;
    assert_ne!(first["id"], second["id"]);
    assert_ne!((&first["random"], &first["uuid"]), (&second["random"], &second["uuid"]));
}

async fn lines_are_logged_once(world: Arc<World>) {
    for line in ["conformance warn", "conformance error"] {
        world.server.expect_complaint(line);
    }
    let answer = world.server.post("/Facts/logs", &[], "").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let id = answer.header("x-relight-id");
    let log = world.server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(id)).collect();
    let written = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        ["conformance debug", "conformance info", "conformance warn", "conformance error"].map(written),
        [0, 1, 1, 1],
        "{lines:?}"
    );
    assert_eq!(written("field=value"), 1, "{lines:?}");
}
