//! Health, uploads, deployments, services.

use bytes::Bytes;
use hyper::Method;
use relight_admin::types::{DeployResponse, DeploymentMetadata, Deployments, ServiceMetadata, Services};
use serde_json::json;

use crate::rig::{Rig, component};

#[tokio::test]
async fn the_server_tells_that_it_is_alive_ready_and_which_it_is() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/health").await.json(), json!({"status": "ok"}));
    assert_eq!(rig.get("/livez").await.status, 200);
    assert_eq!(rig.get("/readyz").await.json(), json!({"status": "ready"}));
    assert_eq!(rig.get("/version").await.json(), json!({"version": "1.2.3"}));
    let metrics = rig.get("/metrics").await;
    assert_eq!((&metrics.body[..], metrics.status.as_u16()), (&b"# EOF\n"[..], 200));
    rig.get("/nothing").await.refused(404, "RL0002", "/nothing");
    let wrong = rig.request(Method::PUT, "/deployments", "").await;
    wrong.refused(405, "RL0003", "GET, POST");
    assert_eq!(wrong.headers["allow"], "GET, POST");
    rig.stop().await;
}

#[tokio::test]
async fn an_upload_becomes_a_deployment_once() {
    let rig = Rig::start().await;
    let bytes = component("greeter");
    let tried = rig.deploy("?dry_run=true", bytes.clone()).await;
    assert_eq!(tried.status, 200, "{:?}", tried.body);
    assert_eq!(rig.stored_components(), 0);
    assert_eq!(rig.get("/services").await.json(), json!({"services": []}));

    let first = rig.deploy("?metadata.team=a", bytes.clone()).await;
    assert_eq!(first.status, 201, "{:?}", first.body);
    let response: DeployResponse = serde_json::from_slice(&first.body).unwrap();
    assert_eq!(response.size_bytes, bytes.len() as u64);
    assert!(response.info.iter().all(|line| line.ends_with("is new")), "{:?}", response.info);
    assert!(response.services.iter().all(|service| service.revision == 1));
    let again = rig.deploy("?metadata.team=a", bytes.clone()).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["id"], response.id);
    assert_eq!(again.json()["services"][0]["revision"], 1);

    let other = rig.deploy("?metadata.team=b&env.A=1&allow_http=a.example", bytes.clone()).await;
    assert_eq!(other.status, 201);
    assert_ne!(other.json()["id"], response.id);
    assert_eq!(other.json()["services"][0]["revision"], 2);
    assert_eq!(rig.stored_components(), 1, "both have the same bytes");

    let list: Deployments = serde_json::from_slice(&rig.get("/deployments").await.body).unwrap();
    assert_eq!(list.deployments.len(), 2);
    let path = format!("/deployments/{}", response.id);
    let detail: DeploymentMetadata = serde_json::from_slice(&rig.get(&path).await.body).unwrap();
    assert_eq!(detail.status.as_str(), "drained");
    assert_eq!(detail.metadata["team"], "a");
    let latest = rig.get(&format!("/deployments/{}", other.json()["id"].as_str().unwrap())).await.json();
    assert_eq!((&latest["status"], &latest["env"]["A"]), (&json!("active"), &json!("1")));
    assert_eq!(latest["allow_http"], json!(["a.example"]));
    assert_eq!(rig.get(&format!("{path}/component")).await.body, bytes);
    let wit = rig.get(&format!("{path}/wit")).await;
    assert_eq!(wit.body, format!("package of {} bytes", bytes.len()));
    rig.stop().await;
}

#[tokio::test]
async fn services_and_handlers_are_listed_and_found() {
    let rig = Rig::start().await;
    let deployed = rig.deploy("", component("greeter")).await.json();
    let services: Services = serde_json::from_slice(&rig.get("/services").await.body).unwrap();
    let first = services.services.first().expect("the example has a service");
    assert_eq!(deployed["id"], first.deployment_id);
    let path = format!("/services/{}", first.name);
    let found: ServiceMetadata = serde_json::from_slice(&rig.get(&path).await.body).unwrap();
    assert_eq!(&found, first);
    let handler = &first.handlers[0];
    let handlers = rig.get(&format!("{path}/handlers")).await.json();
    assert_eq!(handlers["handlers"][0]["name"], handler.name);
    let one = rig.get(&format!("{path}/handlers/{}", handler.name)).await.json();
    assert_eq!(one["abort_timeout"], "10m");
    rig.get("/services/nothing").await.refused(404, "RL0205", "`nothing`");
    rig.get(&format!("{path}/handlers/nothing")).await.refused(404, "RL0206", "`nothing`");
    rig.stop().await;
}

#[tokio::test]
async fn bad_uploads_name_the_reason_and_leave_nothing() {
    let rig = Rig::start().await;
    let wat = |text| Bytes::from(wat::parse_str(text).unwrap());
    rig.deploy("", Bytes::new()).await.refused(422, "RL0102", "empty");
    rig.deploy("", Bytes::from_static(b"#!/bin/sh")).await.refused(422, "RL0102", "not WebAssembly");
    rig.deploy("", wat("(module)")).await.refused(422, "RL0103", "core module");
    rig.deploy("", wat("(component)")).await.refused(422, "RL0106", "missing export");
    let whole = component("greeter");
    let cut = rig.deploy("", whole.slice(..whole.len() / 2)).await;
    cut.refused(422, "RL0105", "ends in the middle");
    assert!(cut.json()["at"].as_u64().is_some());
    assert!(cut.json()["hint"].as_str().is_some());
    let large = Bytes::from(vec![0; (64 << 20) + 1]);
    rig.deploy("", large).await.refused(422, "RL0101", "67108864 bytes");
    rig.deploy("?memory_max=512MiB", whole.clone()).await.refused(422, "RL0115", "memory");
    rig.deploy("?memory_max=1", whole.clone()).await.refused(400, "RL0201", "memory_max");
    rig.deploy("?nothing=1", whole).await.refused(400, "RL0001", "`nothing`");
    assert_eq!(rig.stored_components(), 0);
    assert_eq!(rig.get("/deployments").await.json(), json!({"deployments": []}));
    let unknown = "dp_10000000000000000000001";
    rig.get(&format!("/deployments/{unknown}")).await.refused(404, "RL0202", unknown);
    rig.get(&format!("/deployments/{unknown}/wit")).await.refused(404, "RL0202", unknown);
    rig.stop().await;
}
