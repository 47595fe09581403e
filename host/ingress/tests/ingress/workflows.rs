//! Runs of workflows, their shared handlers and their promises.

use hyper::Method;
use relight_core::placement::workflow_id;
use serde_json::json;

use crate::rig::Rig;

const RESOLVE: &str = "/relight/promises/Signup/mary/go/resolve";

#[tokio::test]
async fn a_key_runs_once_and_later_requests_find_that_run() {
    let rig = Rig::start().await;
    let id = workflow_id("Signup", "mary");
    let first = rig.post("/Signup/mary/promise/send", "1").await;
    assert_eq!((first.status.as_u16(), first.id()), (202, id));
    assert_eq!(first.json(), json!({"invocationId": id.to_string(), "status": "Accepted"}));
    let second = rig.post("/restate/send/Signup/mary/promise", "2").await;
    assert_eq!((second.status.as_u16(), second.id()), (202, id));
    assert_eq!(second.json(), json!({"invocationId": id.to_string(), "status": "PreviouslyAccepted"}));

    // It has not ended, and the answer comes all the same.
    let called = rig.post("/Signup/mary/promise", "3").await;
    assert_eq!(called.status, 409);
    let message = called.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("workflow already run") && message.contains(&id.to_string()), "{message}");
    assert_eq!(rig.get("/relight/workflow/Signup/mary/output").await.status, 470);

    rig.waiting(id).await;
    assert_eq!(rig.post(RESOLVE, "7").await.status, 202);
    assert_eq!(rig.get("/relight/workflow/Signup/mary/attach").await.body, "7");
    assert_eq!(rig.post("/Signup/mary/promise", "").await.status, 409);
    assert_ne!(rig.post("/Signup/john/promise/send", "").await.id(), id);
}

#[tokio::test]
async fn every_way_to_name_a_workflow_gives_its_result() {
    let rig = Rig::start().await;
    assert_eq!(rig.post(RESOLVE, "\"early\"").await.status, 202, "a promise may come before the run");
    let called = rig.post("/Signup/mary/promise", "").await;
    assert_eq!((called.status.as_u16(), &called.body[..]), (200, &b"\"early\""[..]));
    assert_eq!(called.id(), workflow_id("Signup", "mary"));
    let target = json!({"target": "workflow", "workflowName": "Signup", "workflowKey": "mary"}).to_string();
    for verb in ["attach", "output"] {
        for door in ["relight", "restate"] {
            let by_path = rig.get(&format!("/{door}/workflow/Signup/mary/{verb}")).await;
            let by_body = rig.post(&format!("/{door}/{verb}"), target.clone()).await;
            for reply in [by_path, by_body] {
                assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"\"early\""[..]));
                assert!(reply.header("idempotency-expires").is_some());
            }
        }
    }
    let found = rig.post("/relight/lookup", target).await;
    assert_eq!(found.json(), json!({"invocationId": called.id().to_string()}));
    assert_eq!(rig.get("/relight/workflow/Signup/john/attach").await.status, 404);
}

#[tokio::test]
async fn a_call_waits_for_the_run_it_has_started() {
    let rig = Rig::start().await;
    let resolving = async {
        rig.waiting(workflow_id("Signup", "mary")).await;
        rig.post("/restate/promises/Signup/mary/go/reject", "no").await
    };
    let (called, rejected) = tokio::join!(rig.post("/Signup/mary/promise", ""), resolving);
    assert_eq!(rejected.status, 202);
    assert_eq!(called.status, 500);
    assert_eq!(called.json(), json!({"code": 500, "message": "no", "source": "invocation"}));
}

#[tokio::test]
async fn a_call_has_its_result_when_nothing_is_retained() {
    let rig = Rig::start().await;
    for body in ["1", "2"] {
        let called = rig.post("/Forgotten/mary/echo", body).await;
        assert_eq!((called.status.as_u16(), &called.body[..]), (200, body.as_bytes()));
        assert_eq!(called.id(), workflow_id("Forgotten", "mary"));
    }
    assert_eq!(rig.get("/relight/workflow/Forgotten/mary/output").await.status, 404);
}

#[tokio::test]
async fn a_second_call_is_refused_at_once_when_nothing_is_retained() {
    let rig = Rig::start().await;
    let run = rig.post("/Unkept/mary/promise/send", "").await.id();
    rig.waiting(run).await;
    // The run waits for its promise, which nobody has completed: an answer means that the call has not waited for it.
    let called = rig.post("/Unkept/mary/promise", "").await;
    assert_eq!(called.status, 409);
    assert!(called.json()["message"].as_str().unwrap().contains(&run.to_string()));
}

#[tokio::test]
async fn shared_handlers_run_beside_the_run_and_take_idempotency_keys() {
    let rig = Rig::start().await;
    let run = rig.post("/Signup/mary/promise/send", "").await.id();
    rig.waiting(run).await;
    let key = [("idempotency-key", "k")];
    let first = rig.request(Method::POST, "/Signup/mary/echo", &key, "1").await;
    let second = rig.request(Method::POST, "/Signup/mary/echo", &key, "1").await;
    assert_eq!((first.status.as_u16(), &first.body[..]), (200, &b"1"[..]));
    assert_eq!(first.id(), second.id());
    assert_ne!(first.id(), run);
    let refused = rig.request(Method::POST, "/Signup/john/promise", &key, "1").await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["message"].as_str().unwrap().contains("idempotency-key"));
    let refused = rig.request(Method::POST, "/Signup/john/promise/send", &key, "1").await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn a_promise_has_one_value_and_belongs_to_a_workflow() {
    let rig = Rig::start().await;
    assert_eq!(rig.post(RESOLVE, "1").await.status, 202);
    for path in [RESOLVE, "/restate/promises/Signup/mary/go/reject"] {
        let again = rig.post(path, "2").await;
        assert_eq!(again.status, 409);
        assert!(again.json()["message"].as_str().unwrap().contains("`go`"));
    }
    assert_eq!(rig.post("/relight/promises/Signup/mary/other/resolve", "2").await.status, 202);
    assert_eq!(rig.post("/relight/promises/Signup/john/go/resolve", "2").await.status, 202);
    assert_eq!(rig.post("/relight/promises/Cart/mary/go/resolve", "").await.status, 400);
    assert_eq!(rig.post("/relight/promises/Nobody/mary/go/resolve", "").await.status, 404);
    assert_eq!(rig.get(RESOLVE).await.status, 405);
    assert_eq!(rig.post("/Signup/mary/promise", "").await.body, "1");
}
