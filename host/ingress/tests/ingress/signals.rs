//! Signals to invocations.

use relight_core::{InvocationId, limits::SIGNALS_UNCLAIMED_MAX};
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn a_signal_completes_the_handler_that_waits_for_its_name() {
    let rig = Rig::start().await;
    let id = rig.post("/Greeter/signal/send", "").await.id();
    rig.waiting(id).await;
    assert_eq!(rig.post(&format!("/relight/signals/{id}/other/resolve"), "0").await.status, 202);
    let sent = rig.post(&format!("/relight/signals/{id}/go/resolve"), "1").await;
    assert_eq!((sent.status.as_u16(), sent.json()), (202, json!({})));
    assert_eq!(rig.get(&format!("/relight/attach/{id}")).await.body, "1");
    let late = rig.post(&format!("/relight/signals/{id}/go/resolve"), "2").await;
    assert_eq!(late.status, 409);
    let counted = rig.ingress.stats().routes;
    for (status, requests) in [("2xx", 2), ("4xx", 1)] {
        assert!(
            counted.iter().any(|one| (one.route, one.status, one.requests) == ("signal", status, requests)),
            "{counted:?}"
        );
    }
}

#[tokio::test]
async fn a_rejected_signal_is_the_failure_of_its_handler() {
    let rig = Rig::start().await;
    let id = rig.post("/Greeter/signal/send", "").await.id();
    assert_eq!(rig.post(&format!("/restate/signals/{id}/go/reject"), "not now").await.status, 202);
    let failed = rig.get(&format!("/relight/attach/{id}")).await;
    assert_eq!(failed.json(), json!({"code": 500, "message": "not now", "source": "invocation"}));
}

#[tokio::test]
async fn signals_that_nobody_can_take_are_refused() {
    let rig = Rig::start().await;
    let id = rig.post("/Greeter/signal/send", "").await.id();
    let unknown = InvocationId { unique: id.unique ^ 1, ..id };
    assert_eq!(rig.post(&format!("/relight/signals/{unknown}/go/resolve"), "").await.status, 404);
    assert_eq!(rig.post("/relight/signals/inv_1x/go/resolve", "").await.status, 400);
    let path = format!("/relight/signals/{id}/unheard/resolve");
    for _ in 0..SIGNALS_UNCLAIMED_MAX {
        assert_eq!(rig.post(&path, "").await.status, 202);
    }
    let refused = rig.post(&path, "").await;
    assert_eq!(refused.status, 429);
    assert!(refused.json()["message"].as_str().unwrap().contains("signals"));
}
