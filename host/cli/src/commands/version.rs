//! `relight version`.

use serde_json::json;

use crate::{
    error::Result,
    output::{self, Format},
};

pub fn run(format: Format) -> Result {
    let version = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "wit": relight_wit::HANDLER_PACKAGE,
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
    });
    output::one(format, &version, "version", |_| {
        format!(
            "relight {} ({}, {}/{})\n",
            env!("CARGO_PKG_VERSION"),
            relight_wit::HANDLER_PACKAGE,
            std::env::consts::OS,
            std::env::consts::ARCH
        )
    })
}
