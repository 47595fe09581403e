//! One workflow, one object and one service, each in another language, on one server that is killed while they wait.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    guests::Guest,
    support::{Folder, Server},
};

/// Who has which of the three services of the contract.
struct Parts {
    shelf: Guest,
    desk: Guest,
    errand: Guest,
}

#[tokio::test]
async fn a_workflow_in_python_calls_an_object_in_rust_and_a_service_in_javascript() {
    calls_go_across(Parts {
        shelf: Guest("portable"),
        desk: Guest("portable-js"),
        errand: Guest("portable-python"),
    })
    .await;
}

async fn calls_go_across(parts: Parts) {
    let Parts { shelf, desk, errand } = parts;
    if [shelf, desk, errand].iter().any(|guest| guest.path().is_none()) {
        return;
    }
    let folder = Folder::new();
    let server = folder.start().await;
    // Each has all three services. The last one gets them all, and then gives two of them back.
    for guest in [shelf, desk, errand] {
        server.deploy(guest.0).await;
    }
    for (service, revision) in [("Shelf", 1), ("Desk", 2)] {
        let path = format!("/services/{service}/rollback?revision={revision}");
        let answer = server.admin_send(Method::POST, &path, &Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    let mut sdks = Vec::new();
    for service in ["Shelf", "Desk", "Errand"] {
        let deployment = server.admin(&format!("/services/{service}")).await.json()["deployment_id"].clone();
        let id = deployment.as_str().expect("an id");
        let sdk = server.admin(&format!("/deployments/{id}")).await.json()["sdk"].clone();
        sdks.push(sdk.as_str().expect("a text").to_owned());
    }
    sdks.sort();
    sdks.dedup();
    assert_eq!(sdks.len(), 3, "three languages: {sdks:?}");

    let run = server.send("/Errand/e1/run", r#""hello""#).await;
    server.until_detail(&run, |detail| detail["open"].to_string().contains("promise")).await;
    server.kill();
    let server = folder.start().await;
    let answer = server.post("/Errand/e1/open", &[], r#""wörld""#).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(result(&server, &run).await, json!("hello wörld 1"));

    // Failures go across whole, too.
    let answer = server.post("/Desk/compensate", &[], r#""empty""#).await;
    assert_eq!(answer.status.as_u16(), 422, "{answer:?}");
    let failure = answer.json();
    assert_eq!(failure["message"], "the count would be negative", "{failure}");
    assert_eq!(failure["metadata"]["count"], "-5", "{failure}");
}

async fn result(server: &Server, id: &str) -> Value {
    let answer = server.ingress(&format!("/relight/attach/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{id}: {answer:?}");
    answer.json()
}
