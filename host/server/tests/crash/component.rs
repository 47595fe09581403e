//! Uploading the guest.

use std::{fs, path::Path};

use bytes::Bytes;
use hyper::Method;

use crate::http::{Caller, Request};

/// Uploads the guest `crash`, which may reach the test's ledger, until a server has accepted it.
pub async fn deploy(caller: &Caller) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder of the target folder");
    let path = target.join("components/crash.wasm");
    let component = fs::read(&path).unwrap_or_else(|error| {
        panic!("`{}`: {error}; components come from `cargo xtask components`", path.display())
    });
    let upload = Request::admin(Method::POST, "/deployments?allow_http=127.0.0.1")
        .bytes("application/wasm", Bytes::from(component));
    let reply = caller.until_answered(upload).await;
    assert!(matches!(reply.status, 200 | 201), "{reply}");
}
