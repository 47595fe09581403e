//! Handlers that wait hold no instance, and go on after kill -9 without repeating what they have done.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    ledger::Ledger,
    support::{Folder, Server, until},
};

/// Longer than it takes to start all, to kill the server and to start it again.
const TIMER_MS: u64 = 8_000;
const TIMERS: usize = 8;
const CALLS: usize = 6;
const AWAKEABLES: usize = 6;

#[tokio::test]
async fn waiting_handlers_hold_no_instance_and_go_on_after_kill() {
    waiting_handlers(&[]).await;
}

#[tokio::test]
async fn waiting_handlers_go_on_after_kill_when_every_wait_suspends() {
    waiting_handlers(&[("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0")]).await;
}

async fn waiting_handlers(environment: &[(&str, &str)]) {
    let folder = Folder::new();
    let ledger = Ledger::start().await;
    let server = folder.start_with(environment).await;
    server.deploy_with("conformance", "?allow_http=127.0.0.1").await;

    let mut timers = Vec::new();
    for number in 0..TIMERS {
        let input = json!([ledger.url(&format!("/charge?{number}")), TIMER_MS]);
        timers.push(server.send("/Effects/charge_then_sleep", &input.to_string()).await);
    }
    let mut callers = Vec::new();
    let mut objects = Vec::new();
    for number in 0..CALLS {
        callers.push(server.send("/Calls/wait_for_a_waiting_callee", &format!(r#""callee-{number}""#)).await);
        objects.push(format!("/Waits/callee-{number}"));
    }
    let mut waiters = Vec::new();
    for number in 0..AWAKEABLES {
        waiters.push(server.send(&format!("/Awakeables/waiter-{number}/wait"), "").await);
        objects.push(format!("/Awakeables/waiter-{number}"));
    }
    let kinds = [("timer", &timers), ("call", &callers), ("awakeable", &waiters)];
    for (kind, ids) in kinds {
        for id in ids {
            server.until_detail(id, |detail| is_suspended(detail, kind)).await;
        }
    }
    for object in &objects {
        awakeable(&server, object).await;
    }
    until_no_instance_lives(&server).await;
    let charged = ledger.entries("/charge");
    assert_eq!(charged.len(), TIMERS, "{charged:?}");

    server.kill();
    let server = folder.start_with(environment).await;
    for id in callers.iter().chain(&waiters) {
        let detail = server.admin(&format!("/invocations/{id}")).await.json();
        assert_eq!(detail["status"], "suspended", "{detail}");
    }
    for object in &objects {
        let id = awakeable(&server, object).await;
        let path = format!("/relight/awakeables/{id}/resolve");
        let answer = server.post(&path, &[], r#""resolved""#).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    }
    for id in callers.iter().chain(&waiters) {
        assert_eq!(result(&server, id).await, json!("resolved"));
    }
    let mut receipts = Vec::new();
    for id in &timers {
        receipts.push(result(&server, id).await);
    }
    receipts.sort_by_key(ToString::to_string);
    receipts.dedup();
    assert_eq!(receipts.len(), TIMERS, "each has its own receipt: {receipts:?}");
    assert_eq!(ledger.entries("/charge"), charged, "an effect ran again");
    until_no_instance_lives(&server).await;
    server.stop();
}

fn is_suspended(detail: &Value, kind: &str) -> bool {
    let open = detail["open"].as_array().expect("a list");
    let waits = open.iter().any(|operation| operation["awaited"] == true && operation["kind"] == kind);
    detail["status"] == "suspended" && waits
}

async fn until_no_instance_lives(server: &Server) {
    until(|| async {
        let live = server.metric("relight_executor_instances_live").await;
        if live == 0.0 { Ok(()) } else { Err(format!("{live} instances live")) }
    })
    .await;
}

/// The id that a waiting handler has published.
async fn awakeable(server: &Server, object: &str) -> String {
    until(|| async {
        let id = server.post(&format!("{object}/id"), &[], "").await.json();
        id.as_str().map(str::to_owned).ok_or_else(|| format!("an awakeable of {object}"))
    })
    .await
}

async fn result(server: &Server, id: &str) -> Value {
    let answer = server.ingress(&format!("/relight/attach/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}
