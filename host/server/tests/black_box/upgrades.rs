//! New versions of a component, and invocations of the old one that are in flight.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Folder, Server, until};

/// Starts a handler of the first version that waits for an awakeable, and gives the ids of both.
async fn waiting(server: &Server, target: &str, input: &str) -> (String, String) {
    let id = server.send(target, input).await;
    let object = target.rsplit_once('/').expect("a key and a handler").0;
    let awakeable = until(|| async {
        let awakeable = server.post(&format!("{object}/id"), &[], "").await.json();
        awakeable.as_str().map(str::to_owned).ok_or_else(|| format!("an awakeable of {target}"))
    })
    .await;
    suspended(server, &id).await;
    (id, awakeable)
}

async fn suspended(server: &Server, id: &str) -> Value {
    server.until_detail(id, |detail| detail["status"] == "suspended").await
}

async fn resume(server: &Server, id: &str, on: &str) -> Answer {
    let url = format!("{}/invocations/{id}/resume?deployment={on}", server.admin_url());
    server.request(Method::PATCH, &url, &[], "".into()).await
}

async fn resolve(server: &Server, awakeable: &str, value: &Value) {
    let answer =
        server.post(&format!("/relight/awakeables/{awakeable}/resolve"), &[], &value.to_string()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
}

#[tokio::test]
async fn an_invocation_moves_to_a_version_that_does_the_same_up_to_its_wait() {
    let folder = Folder::new();
    let server = folder.start().await;
    let old = server.deploy("upgrade-v1").await;
    let (id, awakeable) = waiting(&server, "/Orders/a/place", "7").await;
    let new = server.deploy_with("upgrade-v2", "?breaking=true").await;
    assert_eq!(suspended(&server, &id).await["pinned_deployment_id"], old["id"], "it stays where it is");

    let resumed = resume(&server, &id, "latest").await;
    assert_eq!(resumed.json(), json!({"id": id, "status": "resumed"}));
    let moved = suspended(&server, &id).await;
    assert_eq!(moved["pinned_deployment_id"], new["id"]);
    // Also what has moved survives.
    server.kill();
    let server = folder.start().await;
    resolve(&server, &awakeable, &json!("Baker Street")).await;
    let result = server.ingress(&format!("/relight/attach/{id}")).await;
    assert_eq!(result.json(), json!("v2: receipt 7 to BAKER STREET"));
    let count = server.admin(&format!("/invocations/{id}/journal")).await.json();
    let effects = count["entries"].as_array().expect("a list").iter();
    assert_eq!(effects.filter(|entry| entry["entry_type"] == "effect").count(), 1, "it was charged once");
    server.stop();
}

#[tokio::test]
async fn an_invocation_that_does_not_fit_stays_as_it_is() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("upgrade-v1").await;
    let remind = server.send("/Orders/a/remind", "").await;
    suspended(&server, &remind).await;
    let (inspect, _) = waiting(&server, "/Orders/b/inspect", "").await;
    let (forget, awakeable) = waiting(&server, "/Orders/c/forget", "").await;
    let new = server.deploy_with("upgrade-v2", "?breaking=true").await;

    let before = suspended(&server, &remind).await;
    let refused = resume(&server, &remind, "latest").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    let body = refused.json();
    assert_eq!(body["code"], "RL0320");
    let expected = json!({"index": 1, "recorded": "a sleep of 1 h", "got": "the effect `charge`"});
    assert_eq!(body["divergence"], expected);
    let message = body["message"].as_str().expect("a message");
    assert!(
        message.ends_with(
            "entry 1: the journal recorded a sleep of 1 h, the handler now asks for the effect `charge`"
        ),
        "{message}"
    );
    assert_eq!(suspended(&server, &remind).await, before);

    let failed = resume(&server, &inspect, new["id"].as_str().expect("an id")).await.json();
    let message = failed["message"].as_str().expect("a message");
    assert!(message.contains("before entry 1") && message.contains("nobody inspects any more"), "{message}");
    assert_eq!((&failed["code"], &failed["divergence"]), (&json!("RL0320"), &Value::Null));

    let gone = resume(&server, &forget, "latest").await.json();
    assert_eq!(gone["divergence"]["got"], "the virtual object `Orders` without the handler `forget`");
    resolve(&server, &awakeable, &json!("never")).await;
    let result = server.ingress(&format!("/relight/attach/{forget}")).await;
    assert_eq!(result.json(), json!("never"), "the old version completes it");
    server.stop();
}

/// The journal that was replayed is the one that moves: whatever is added meanwhile is replayed again.
#[tokio::test]
async fn an_invocation_that_moves_all_the_time_loses_and_repeats_nothing() {
    let folder = Folder::new();
    let server = folder.start().await;
    let mut deployments = Vec::new();
    for version in ["1", "2"] {
        let deployed = server.deploy_with("conformance", &format!("?env.VERSION={version}")).await;
        deployments.push(deployed["id"].as_str().expect("an id").to_owned());
    }
    let id = server.send("/Runs/many", "60").await;
    let mut moves = 0;
    for on in deployments.iter().cycle() {
        let answer = resume(&server, &id, on).await;
        match answer.status {
            StatusCode::OK => moves += 1,
            StatusCode::CONFLICT if answer.json()["code"] == "RL0303" => break,
            StatusCode::CONFLICT => assert_eq!(answer.json()["code"], "RL0321", "{answer:?}"),
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert!(0 < moves, "it has moved");
    let result = server.ingress(&format!("/relight/attach/{id}")).await;
    assert_eq!(result.json(), json!((0..60).sum::<u32>()));
    let journal = server.admin(&format!("/invocations/{id}/journal")).await.json();
    let runs = journal["entries"].as_array().expect("a list").iter();
    assert_eq!(runs.filter(|entry| entry["entry_type"] == "run").count(), 60);
    server.stop();
}
