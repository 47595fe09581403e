//! Handlers that wait hold no instance, go on after a restart, and run no effect again.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    check::until_finished,
    component::deploy,
    http::{Caller, Request},
    ledger::{Ledger, Payment},
    program::{Add, Program, Step},
    server::{Environment, Place},
};

/// Longer than the way to the kill and past it takes.
const TIMER_MS: u64 = 6_000;
const SUSPEND_MAX: Duration = Duration::from_secs(60);
const POLL_PAUSE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_handlers_hold_no_instance_and_go_on_after_a_kill() {
    waiting_handlers(Environment::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_handlers_go_on_when_every_wait_suspends() {
    waiting_handlers(vec![("RELIGHT_EXECUTOR__SUSPEND_AFTER", "0".to_owned())]).await;
}

/// Each pays, waits for what it is called after, and adds.
const WAITERS: [&str; 3] = ["timer", "call", "awakeable"];

fn program(name: &str, ledger: &str) -> Program {
    let wait = match name {
        "timer" => Step::Sleep { ms: TIMER_MS },
        "call" => Step::Run { counter: "held".to_owned(), steps: vec![Step::Hold { gate: name.to_owned() }] },
        _ => Step::Hold { gate: name.to_owned() },
    };
    let pay = Step::Charge { payment: name.to_owned(), failures: 0 };
    let add = Step::Call(Add { counter: "after".to_owned(), op: name.to_owned(), amount: 1 });
    Program { ledger: ledger.to_owned(), steps: vec![pay, wait, add] }
}

async fn waiting_handlers(environment: Environment) {
    let ledger = Ledger::start().await;
    let place = Place::new();
    let server = place.start(&environment).await;
    let (here, whereabouts) = watch::channel(Some(server.addresses()));
    let caller = Caller::new(whereabouts);
    deploy(&caller).await;
    let mut ids = Vec::new();
    for name in WAITERS {
        let send =
            Request::post("/Worker/mixed/send").idempotency_key(name).json(&program(name, &ledger.url));
        ids.push(caller.until_answered(send).await.id());
    }
    until_suspended(&caller, &ids, &ledger).await;
    let payments: Vec<Payment> = WAITERS.map(|name| ledger.payment(name)).to_vec();

    here.send_replace(None);
    server.kill().await;
    let server = place.start(&environment).await;
    here.send_replace(Some(server.addresses()));
    // They have nothing to do: none of them is started only because the server was.
    for (id, name) in ids.iter().zip(WAITERS).skip(1) {
        assert_eq!(waits_for(&caller, id).await, format!("suspended for {name}"));
    }
    for gate in ["call", "awakeable"] {
        let id: String = caller.until_answered(Request::get(format!("/Gate/{gate}/id"))).await.parsed();
        let path = format!("/relight/awakeables/{id}/resolve");
        let reply = caller.until_answered(Request::post(path).json(&"open")).await;
        assert_eq!(reply.status, 202, "{reply}");
    }
    until_finished(&caller).await;

    for id in &ids {
        let reply = caller.until_answered(Request::get(format!("/relight/attach/{id}"))).await;
        assert_eq!(reply.status, 200, "{reply}");
    }
    let report: Value = caller.until_answered(Request::get("/Counter/after/report")).await.parsed();
    assert_eq!(report["sum"], WAITERS.len(), "{report}");
    assert_eq!(WAITERS.map(|name| ledger.payment(name)).to_vec(), payments, "an effect ran again");
    let status = server.stop().await;
    assert!(status.success(), "{status}");
    place.check_log(&[]);
}

/// Waits until all are suspended and no instance is left.
async fn until_suspended(caller: &Caller, ids: &[String], ledger: &Ledger) {
    let started = Instant::now();
    loop {
        let mut waits = Vec::new();
        for id in ids {
            waits.push(waits_for(caller, id).await);
        }
        let instances = live_instances(caller).await;
        let is_waiting =
            waits.iter().zip(WAITERS).all(|(wait, name)| *wait == format!("suspended for {name}"));
        if is_waiting && instances == 0.0 {
            let payments = WAITERS.map(|name| ledger.payment(name));
            let is_paid = |payment: &Payment| payment.charges == 1 && payment.confirmations.len() == 1;
            assert!(payments.iter().all(is_paid), "{payments:?}");
            return;
        }
        assert!(started.elapsed() < SUSPEND_MAX, "{waits:?} with {instances} instances");
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// The status of an invocation and the kinds of operations that it waits for: `suspended for timer`.
async fn waits_for(caller: &Caller, id: &str) -> String {
    let request = Request::admin(Method::GET, format!("/invocations/{id}"));
    let detail: Value = caller.until_answered(request).await.parsed();
    let open = detail["open"].as_array().expect("a list");
    let kinds: Vec<&str> = open
        .iter()
        .filter(|operation| operation["awaited"] == true)
        .map(|operation| operation["kind"].as_str().expect("a kind"))
        .collect();
    format!("{} for {}", detail["status"].as_str().expect("a status"), kinds.join(" and "))
}

async fn live_instances(caller: &Caller) -> f64 {
    const METRIC: &str = "relight_executor_instances_live ";
    let reply = caller.until_answered(Request::admin(Method::GET, "/metrics")).await;
    let text = String::from_utf8(reply.body.to_vec()).expect("metrics are text");
    let value = text.lines().find_map(|line| line.strip_prefix(METRIC)).expect("the metric is there");
    value.parse().expect("a number")
}
