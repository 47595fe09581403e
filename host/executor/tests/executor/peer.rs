//! Somebody to talk HTTP to, who follows a script.

use std::sync::Arc;

use relight_core::schema::Deployment;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::rig::Deployed;

/// The deployment, allowed to talk to one more peer.
pub fn allowing(deployed: &Deployed, allow: &str) -> Arc<Deployment> {
    let mut deployment = (*deployed.deployment).clone();
    deployment.allow_http = vec![allow.to_owned()];
    Arc::new(deployment)
}

/// Answers one request with `response` after its head has come, and gives the head.
pub async fn serve_once(listener: &TcpListener, response: &str) -> String {
    let (mut stream, _) = listener.accept().await.expect("somebody connects");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("the head comes whole"));
    }
    stream.write_all(response.as_bytes()).await.expect("the answer can be written");
    String::from_utf8(head).expect("a head is ASCII")
}
