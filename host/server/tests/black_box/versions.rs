//! Revisions of services: rollback, policies of operators and of the server.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Folder, Server, component, failure, stdout, until};

impl Server {
    /// Deploys the conformance component as something that differs from every other `label`.
    async fn deploy_as(&self, label: &str) -> String {
        let deployed = self.deploy_with("conformance", &format!("?metadata.label={label}")).await;
        deployed["id"].as_str().expect("an id").to_owned()
    }

    async fn service(&self, name: &str) -> Value {
        self.admin(&format!("/services/{name}")).await.json()
    }

    async fn rollback(&self, query: &str) -> (u16, Value) {
        let path = format!("/services/Awakeables/rollback{query}");
        let answer = self.admin_send(Method::POST, &path, &Value::Null).await;
        (answer.status.as_u16(), answer.json())
    }

    /// Sends a waiting handler and tells which deployment it is pinned to, once it waits.
    async fn waiting_on(&self, key: &str) -> (String, Value) {
        let id = self.send(&format!("/Awakeables/{key}/wait"), "").await;
        let detail = self.until_detail(&id, |detail| detail["status"] == "suspended").await;
        (id, detail["pinned_deployment_id"].clone())
    }
}

#[tokio::test]
async fn rollback_makes_an_earlier_revision_the_latest_and_moves_nothing() {
    let folder = Folder::new();
    let server = folder.start().await;
    let first = server.deploy_as("1").await;
    let second = server.deploy_as("2").await;
    assert_eq!(server.rollback("?revision=9").await.1["code"], "RL0209");
    let (on_second, pinned) = server.waiting_on("a").await;
    assert_eq!(pinned, json!(second));

    let (status, answer) = server.rollback("").await;
    assert_eq!((status, &answer["service"]["revision"]), (200, &json!(1)), "{answer}");
    assert_eq!(
        (&answer["previous_revision"], &answer["service"]["deployment_id"]),
        (&json!(2), &json!(first))
    );
    let (_, pinned) = server.waiting_on("b").await;
    assert_eq!(pinned, json!(first), "new invocations use the earlier revision");
    let detail = server.admin(&format!("/invocations/{on_second}")).await.json();
    assert_eq!(detail["pinned_deployment_id"], json!(second), "what runs stays where it is");
    assert_eq!(server.service("State").await["revision"], 2, "other services stay as they are");

    let (status, answer) = server.rollback("").await;
    assert_eq!((status, &answer["code"]), (409, &json!("RL0210")), "{answer}");
    for (query, status, code) in
        [("?revision=x", 400, "RL0001"), ("?to=1", 400, "RL0001"), ("?revision=7", 404, "RL0209")]
    {
        let (got, answer) = server.rollback(query).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{query}: {answer}");
    }
    let unknown = server.admin_send(Method::POST, "/services/Nobody/rollback", &Value::Null).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["code"]), (404, &json!("RL0205")));

    // It survives a crash, and numbers go on where they were.
    server.kill();
    let server = folder.start().await;
    assert_eq!(server.service("Awakeables").await["revision"], 1);
    server.deploy_as("3").await;
    assert_eq!(server.service("Awakeables").await["revision"], 3);
    let listed = server.admin("/services/Awakeables/revisions").await.json();
    let latest: Vec<_> =
        listed["revisions"].as_array().expect("a list").iter().map(|one| &one["latest"]).collect();
    assert_eq!(latest, [false, false, true], "{listed}");

    let shown = stdout(&mut folder.relight(&["svc", "rollback", "Awakeables", "--revision", "2"]));
    assert!(shown.contains(&second), "{shown}");
    assert!(stdout(&mut folder.relight(&["svc", "revisions", "Awakeables"])).contains("2         latest"));
    assert_eq!(failure(&mut folder.relight(&["svc", "rollback", "Awakeables", "--revision", "9"])).0, 3);
    server.stop();
}

#[tokio::test]
async fn a_private_service_is_closed_at_the_ingress_until_it_is_deployed_anew() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    let patch = async |body: Value| server.admin_send(Method::PATCH, "/services/Counter", &body).await;
    let wrong = patch(json!({"public": "no", "journal_retention": "1h"})).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["code"]), (400, &json!("RL0208")));
    let unknown = server.admin_send(Method::PATCH, "/services/Nobody", &json!({"public": false})).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);

    let patched = patch(json!({"public": false, "journal_retention": "1h"})).await;
    assert_eq!(patched.status, StatusCode::OK, "{patched:?}");
    let overrides = json!({"public": false, "journal_retention": "1h"});
    assert_eq!((&patched.json()["overrides"], &patched.json()["public"]), (&overrides, &json!(false)));
    let closed = server.post("/Counter/a/add", &[], "1").await;
    assert_eq!(closed.status, StatusCode::BAD_REQUEST, "{closed:?}");
    assert!(
        closed.json()["message"].as_str().is_some_and(|message| message.contains("private")),
        "{closed:?}"
    );
    // Other handlers may still call it.
    assert_eq!(server.post("/Greeter/greet", &[], r#"{"name":"Ada"}"#).await.json()["visit"], 1);

    // The same component again changes nothing; a restart neither.
    server.deploy("greeter").await;
    server.kill();
    let server = folder.start().await;
    assert_eq!(server.service("Counter").await["overrides"], overrides);
    assert_eq!(server.post("/Counter/a/add", &[], "1").await.status, StatusCode::BAD_REQUEST);

    // Another deployment begins with what its component says, and a rollback brings the policies back.
    let deployed = server.deploy_with("greeter", "?metadata.n=2").await;
    let info = deployed["info"].to_string();
    assert!(info.contains("handler `add` of `Counter` is now public"), "{info}");
    assert!(info.contains("journal retention of 24h now, it was 1h"), "{info}");
    assert_eq!(server.post("/Counter/a/add", &[], "1").await.json(), json!(1));
    assert_eq!(server.service("Counter").await["overrides"], Value::Null);
    stdout(&mut folder.relight(&["svc", "rollback", "Counter"]));
    assert_eq!(server.post("/Counter/a/add", &[], "1").await.status, StatusCode::BAD_REQUEST);
    let shown = stdout(&mut folder.relight(&["svc", "config", "Counter", "--reset", "public"]));
    assert!(shown.contains("journal_retention      1h  (set by an operator)"), "{shown}");
    assert_eq!(server.post("/Counter/a/add", &[], "1").await.json(), json!(2));
    server.stop();
}

/// Attempts that `Failures/retry_for_ever` makes until it is paused.
async fn attempts(server: &Server) -> String {
    let id = server.send("/Failures/retry_for_ever", "").await;
    let paused = until(|| async {
        let detail = server.admin(&format!("/invocations/{id}")).await.json();
        if detail["status"] == "paused" { Ok(detail) } else { Err(detail.to_string()) }
    });
    paused.await["reason"].as_str().expect("a reason").to_owned()
}

#[tokio::test]
async fn retry_policies_of_operator_and_server_count_from_the_next_invocation_on() {
    let folder = Folder::new();
    let server = folder.start_with(&[("RELIGHT_DEFAULTS__RETRY_MAX_ATTEMPTS", "2")]).await;
    server.deploy("conformance").await;
    assert_eq!(server.service("Failures").await["retry_policy"]["max_attempts"], 2);
    assert!(attempts(&server).await.contains("gave up after 2 attempts"));
    // What the handler says comes before what the server says.
    let failed = server.post("/Failures/fail_after_three_attempts", &[], "").await;
    assert!(failed.json()["message"].as_str().is_some_and(|message| message.contains("three times")));

    let patch = json!({"retry_policy": {"max_attempts": 3, "initial_interval": "1ms"}});
    let patched = server.admin_send(Method::PATCH, "/services/Failures", &patch).await;
    assert_eq!(patched.status, StatusCode::OK, "{patched:?}");
    assert!(attempts(&server).await.contains("gave up after 3 attempts"));

    // Another configuration at the next start; what an operator has set stays.
    server.kill();
    let server = folder
        .start_with(&[
            ("RELIGHT_DEFAULTS__RETRY_MAX_ATTEMPTS", "1"),
            ("RELIGHT_DEFAULTS__JOURNAL_RETENTION", "2h"),
        ])
        .await;
    assert_eq!(server.service("State").await["retry_policy"]["max_attempts"], 1);
    assert_eq!(server.service("State").await["journal_retention"], "2h");
    assert_eq!(server.service("Failures").await["retry_policy"]["max_attempts"], 3);
    let reset = json!({"retry_policy": null});
    server.admin_send(Method::PATCH, "/services/Failures", &reset).await;
    assert!(attempts(&server).await.contains("gave up after 1 attempts"));
    server.stop();
}

#[tokio::test]
async fn a_deployment_shows_how_it_differs_and_is_refused_when_callers_may_break() {
    let folder = Folder::new();
    let server = folder.start().await;
    for name in ["greeter", "crash"] {
        std::fs::write(folder.path().join(format!("{name}.wasm")), component(name)).expect("write");
    }
    stdout(&mut folder.relight(&["deploy", "greeter.wasm"]));
    let (code, said) = failure(&mut folder.relight(&["deploy", "crash.wasm", "--dry-run"]));
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("RL0204") && said.contains("--breaking"), "{said}");
    let output =
        crate::support::run(&mut folder.relight(&["deploy", "crash.wasm", "--dry-run", "--breaking"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("breaking: handler `"), "{said}");
    assert_eq!(server.admin("/deployments").await.json()["deployments"].as_array().map(Vec::len), Some(1));
    let output = crate::support::run(&mut folder.relight(&["deploy", "crash.wasm", "--breaking"]));
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("added") && table.contains("removed"), "{table}");
    server.stop();
}
