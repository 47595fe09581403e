//! Attach, output, lookup, by id and by idempotency key.

use hyper::Method;
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn output_is_470_until_there_is_a_result() {
    let rig = Rig::start().await;
    let id = rig.post("/Greeter/wait/send", "").await.id();
    let awakeable = rig.awakeable(id).await;
    let path = format!("/relight/output/{id}");
    let reply = rig.get(&path).await;
    assert_eq!((reply.status.as_u16(), reply.json()["code"].as_u64()), (470, Some(470)));
    assert_eq!(reply.id(), id);
    rig.post(&format!("/relight/a/{awakeable}/resolve"), "7").await;
    rig.get(&format!("/relight/attach/{id}")).await;
    let reply = rig.get(&path).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"7"[..]));
    assert!(reply.header("idempotency-expires").is_some());
    rig.stop().await;
}

#[tokio::test]
async fn every_way_to_name_an_invocation_gives_its_result() {
    let rig = Rig::start().await;
    let key = [("idempotency-key", "k"), ("content-type", "text/plain")];
    let id = rig.request(Method::POST, "/Greeter/plain", &key, "hello").await.id();
    let by_id = json!({"target": "invocation", "invocationId": id.to_string()});
    let by_key = json!({"target": "idempotentInvocation", "service": "Greeter", "handler": "plain", "idempotencyKey": "k"});
    for verb in ["attach", "output"] {
        for path in [
            format!("/relight/{verb}/{id}"),
            format!("/restate/invocation/{id}/{verb}"),
            format!("/restate/invocation/Greeter/plain/k/{verb}"),
        ] {
            let reply = rig.get(&path).await;
            assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"hello"[..]), "{path}");
            assert_eq!(reply.header("content-type"), Some("text/plain"), "{path}");
            assert_eq!(reply.id(), id);
        }
        for body in [&by_id, &by_key] {
            let reply = rig.post(&format!("/relight/{verb}"), body.to_string()).await;
            assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"hello"[..]), "{body}");
        }
    }
    for body in [&by_id, &by_key] {
        let reply = rig.post("/restate/lookup", body.to_string()).await;
        assert_eq!(reply.json(), json!({"invocationId": id.to_string()}));
    }
    rig.stop().await;
}

#[tokio::test]
async fn an_unknown_invocation_is_not_found() {
    let rig = Rig::start().await;
    let id = "inv_100000000000000000000000000000000a";
    let id = &id[..5 + 33];
    for path in [format!("/relight/attach/{id}"), format!("/relight/output/{id}")] {
        let reply = rig.get(&path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.json()["message"].as_str().unwrap().contains(id));
    }
    let body = json!({"target": "idempotentInvocation", "service": "Greeter", "handler": "echo", "idempotencyKey": "no"});
    assert_eq!(rig.post("/relight/output", body.to_string()).await.status, 404);
    rig.stop().await;
}
