//! Starting and stopping: addresses, configuration, ports, the data folder.

use std::{fs, net::TcpListener};

use hyper::StatusCode;

use crate::support::{Folder, failure};

#[tokio::test]
async fn up_serves_both_doors_and_says_where() {
    let folder = Folder::new();
    let server = folder.start().await;
    let addresses = fs::read(folder.data().join("addresses.json")).expect("read addresses.json");
    let addresses: serde_json::Value = serde_json::from_slice(&addresses).expect("valid JSON");
    assert_eq!(addresses["ingress"], server.ingress_url());
    assert_eq!(addresses["admin"], server.admin_url());
    assert!(addresses["pid"].is_u64());

    for path in ["/health", "/livez", "/readyz", "/version"] {
        assert_eq!(server.admin(path).await.status, StatusCode::OK, "{path}");
    }
    let health = server.ingress("/relight/health").await;
    assert_eq!(health.json(), serde_json::json!({"services": []}));
    let metrics = String::from_utf8(server.admin("/metrics").await.body.to_vec()).expect("text");
    assert!(metrics.contains("\nrelight_log_syncs_total "), "{metrics}");
    server.stop();
    assert!(!folder.data().join("addresses.json").exists(), "a stopped server serves nowhere");
}

#[tokio::test]
async fn stopped_server_starts_again() {
    let folder = Folder::new();
    folder.start().await.stop();
    folder.start().await.stop();
}

#[test]
fn busy_port_is_named_with_its_flag() {
    let folder = Folder::new();
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = held.local_addr().expect("an address").port().to_string();
    let (code, said) = failure(&mut folder.relight(&["up", "--port-ingress", &port, "--port-admin", "0"]));
    assert_eq!(code, 1);
    assert!(said.contains(&port) && said.contains("--port-ingress"), "{said}");
    let (code, said) = failure(&mut folder.relight(&["up", "--port-ingress", "0", "--port-admin", &port]));
    assert_eq!(code, 1);
    assert!(said.contains(&port) && said.contains("--port-admin"), "{said}");
}

#[tokio::test]
async fn data_folder_belongs_to_one_server() {
    let folder = Folder::new();
    let server = folder.start().await;
    let (code, said) = failure(&mut folder.up());
    assert_eq!(code, 1);
    assert!(said.contains("in use by another server"), "{said}");
    server.stop();
}

#[test]
fn unknown_configuration_names_the_nearest_key() {
    let folder = Folder::new();
    fs::write(folder.path().join("relight.toml"), "[ingress]\nprot = 1\n").expect("write");
    let (code, said) = failure(&mut folder.relight(&["server", "--config", "relight.toml"]));
    assert_eq!(code, 2);
    assert!(said.contains("`ingress.prot`") && said.contains("`ingress.port`"), "{said}");
    let (code, said) = failure(folder.up().env("RELIGHT_ADMIN__PROT", "1"));
    assert_eq!(code, 2);
    assert!(said.contains("RELIGHT_ADMIN__PROT") && said.contains("`admin.port`"), "{said}");
}

#[test]
fn newer_data_folder_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).expect("create");
    fs::write(folder.data().join("meta.json"), r#"{"format":99,"partitions":8}"#).expect("write");
    let (code, said) = failure(&mut folder.up());
    assert_eq!(code, 1);
    assert!(said.contains("format 99"), "{said}");
}
