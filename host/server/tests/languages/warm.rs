//! Waiting instances of languages whose start is dear: they are kept, within their memory, on a real server as it is installed.

use serde_json::json;

use crate::{
    guests::Guest,
    support::{Folder, Server, until},
};

/// Handlers that wait at once: far more than fit the memory.
const HELD: usize = 12;

/// Three waits of a second each: one attempt, which replays nothing, where another instance is `dear`; else one more for each wait.
pub async fn handler_waits_three_times(guest: Guest, dear: bool) {
    if guest.path().is_none() {
        return;
    }
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy(guest.0).await;
    let before = Seen::of(&server).await;
    let answer = server.post("/Desk/order", &[], "").await;
    assert_eq!(answer.json(), json!([1, 2, 0]), "{answer:?}");
    let after = Seen::of(&server).await;
    if dear {
        assert_eq!((after.kept, after.suspended), (3.0, 0.0));
        assert_eq!(after.instances - before.instances, 1.0);
        assert_eq!(after.replayed - before.replayed, 1.0, "the input");
    } else {
        assert_eq!((after.kept, after.suspended), (0.0, 3.0));
        assert_eq!(after.instances - before.instances, 4.0);
    }
}

/// More handlers wait than fit: some give their instances up, and go on all the same.
pub async fn waiting_instances_stay_within_their_memory(guest: Guest, memory: &str, bytes_max: f64) {
    if guest.path().is_none() {
        return;
    }
    let folder = Folder::new();
    let server = folder.start_with(&[("RELIGHT_EXECUTOR__WARM_MEMORY_MAX", memory)]).await;
    server.deploy(guest.0).await;
    let mut held = Vec::new();
    for number in 0..HELD {
        held.push(server.send(&format!("/Shelf/held-{number}/hold"), "").await);
        let bytes = server.metric("relight_executor_warm_memory_bytes").await;
        assert!(bytes <= bytes_max, "{bytes} bytes are kept");
    }
    until(|| async {
        let cut_short = server.metric("relight_executor_waits_cut_short_total").await;
        if 0.0 < cut_short { Ok(()) } else { Err("nobody had to go".to_owned()) }
    })
    .await;
    for (number, id) in held.iter().enumerate() {
        let awakeable = until(|| async {
            let id = server.post(&format!("/Shelf/held-{number}/read"), &[], r#""awakeable""#).await.json();
            id.as_str().map(str::to_owned).ok_or_else(|| format!("an awakeable of {number}"))
        })
        .await;
        let resolve = json!({"id": awakeable, "value": "let go"}).to_string();
        assert!(server.post("/Desk/resolve", &[], &resolve).await.status.is_success());
        let result = server.ingress(&format!("/relight/attach/{id}")).await;
        assert_eq!(result.json(), json!("let go"), "{result:?}");
    }
    assert_eq!(server.metric("relight_executor_warm_memory_bytes").await, 0.0);
}

struct Seen {
    instances: f64,
    replayed: f64,
    kept: f64,
    suspended: f64,
}

impl Seen {
    async fn of(server: &Server) -> Self {
        Self {
            instances: server.metric("relight_executor_instances_total").await,
            replayed: server.metric("relight_executor_replayed_items_total").await,
            kept: server.metric("relight_executor_waits_kept_total").await,
            suspended: server.metric("relight_executor_suspensions_total").await,
        }
    }
}
