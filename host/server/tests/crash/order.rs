//! Exclusive handlers of one key: one at a time, in order of arrival, and never in a circle.

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    check::until_finished,
    component::deploy,
    http::{Caller, Request},
    server::{Addresses, Environment, Place, Server},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mark {
    In(u32),
    Out(u32),
}

/// A server with the guest.
struct Serving {
    place: Place,
    server: Server,
    here: watch::Sender<Option<Addresses>>,
    caller: Caller,
}

async fn serving() -> Serving {
    let place = Place::new();
    let server = place.start(&Environment::new()).await;
    let (here, whereabouts) = watch::channel(Some(server.addresses()));
    let caller = Caller::new(whereabouts);
    deploy(&caller).await;
    Serving { place, server, here, caller }
}

impl Serving {
    async fn killed_and_started(self) -> Self {
        self.here.send_replace(None);
        self.server.kill().await;
        let server = self.place.start(&Environment::new()).await;
        self.here.send_replace(Some(server.addresses()));
        Self { server, ..self }
    }

    async fn marks(&self, key: &str) -> Vec<Mark> {
        self.caller.until_answered(Request::get(format!("/Line/{key}/marks"))).await.parsed()
    }

    async fn end(self) {
        let status = self.server.stop().await;
        assert!(status.success(), "{status}");
        self.place.check_log(&[]);
    }
}

fn enter(key: &str, number: u32, verb: &str) -> Request {
    let id = format!("{key}-{number}");
    Request::post(format!("/Line/{key}/enter{verb}")).idempotency_key(&id).json(&number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_of_arrival_is_order_of_execution_also_through_a_kill() {
    const SENDS: u32 = 40;
    let mut serving = serving().await;
    for number in 0..SENDS {
        let reply = serving.caller.until_answered(enter("queue", number, "/send")).await;
        assert_eq!(reply.status, 202, "{reply}");
        if number == SENDS / 2 {
            serving = serving.killed_and_started().await;
        }
    }
    serving = serving.killed_and_started().await;
    until_finished(&serving.caller).await;
    let expected: Vec<Mark> = (0..SENDS).flat_map(|number| [Mark::In(number), Mark::Out(number)]).collect();
    assert_eq!(serving.marks("queue").await, expected);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exclusive_handlers_of_one_key_never_overlap() {
    const CALLS: u32 = 30;
    let mut serving = serving().await;
    let mut calls: JoinSet<_> = (0..CALLS)
        .map(|number| {
            let caller = serving.caller.clone();
            async move { caller.until_answered(enter("door", number, "")).await }
        })
        .collect();
    // Some are through, some hold the lock, some wait for it.
    let first = calls.join_next().await.expect("there are calls").expect("a call that ends");
    assert_eq!(first.status, 200, "{first}");
    serving = serving.killed_and_started().await;
    while let Some(reply) = calls.join_next().await {
        let reply = reply.expect("a call that ends");
        assert_eq!(reply.status, 200, "{reply}");
    }
    let marks = serving.marks("door").await;
    let mut numbers = Vec::new();
    for pair in marks.chunks(2) {
        let [Mark::In(number), Mark::Out(same)] = *pair else { panic!("{marks:?}") };
        assert_eq!(number, same, "{marks:?}");
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..CALLS).collect::<Vec<_>>());
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_back_to_a_locked_key_is_a_deadlock() {
    let serving = serving().await;
    let reply = serving.caller.until_answered(Request::post("/Line/own/call_back")).await;
    assert_eq!(reply.status, 409, "{reply}");
    assert!(reply.to_string().contains("deadlock"), "{reply}");
    // The key is free again.
    let reply = serving.caller.until_answered(enter("own", 1, "")).await;
    assert_eq!(reply.status, 200, "{reply}");
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_back_to_a_locked_key_waits_for_its_turn() {
    let serving = serving().await;
    let reply = serving.caller.until_answered(Request::post("/Line/own/send_back").json(&7)).await;
    assert_eq!(reply.status, 200, "{reply}");
    until_finished(&serving.caller).await;
    assert_eq!(serving.marks("own").await, [Mark::In(7), Mark::Out(7), Mark::In(8), Mark::Out(8)]);
    serving.end().await;
}
