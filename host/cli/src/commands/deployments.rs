//! `relight dp`: what was uploaded.

use serde_json::Value;

use crate::{
    client::{Client, segment},
    error::Result,
    output::{self, Format, text},
};

/// Deployments: what was uploaded.
#[derive(Debug, clap::Subcommand)]
pub enum Deployments {
    /// List all deployments.
    #[command(after_help = "Example:\n  $ relight dp list")]
    List,
    /// Show one deployment.
    #[command(after_help = "Example:\n  $ relight dp get dp_1abc")]
    Get { id: String },
}

impl Deployments {
    pub async fn run(self, admin: Client, format: Format) -> Result {
        match self {
            Self::List => {
                let listed = admin.get("/deployments").await?;
                let deployments =
                    listed.get("deployments").and_then(Value::as_array).cloned().unwrap_or_default();
                output::list(
                    format,
                    &deployments,
                    "id",
                    &[
                        ("ID", &|row| text(row, "id")),
                        ("SERVICES", &services),
                        ("SIZE", &|row| size(row)),
                        ("CREATED", &|row| text(row, "created_at")),
                    ],
                )
            }
            Self::Get { id } => {
                let deployment = admin.get(&format!("/deployments/{}", segment(&id))).await?;
                output::one(format, &deployment, "id", table)
            }
        }
    }
}

fn table(deployment: &Value) -> String {
    output::fields(&[
        ("id", text(deployment, "id")),
        ("digest", text(deployment, "digest")),
        ("size", size(deployment)),
        ("status", text(deployment, "status")),
        ("created", text(deployment, "created_at")),
        ("services", services(deployment)),
        ("sdk", text(deployment, "sdk")),
        ("allow-http", text(deployment, "allow_http")),
    ])
}

fn size(deployment: &Value) -> String {
    deployment.get("size_bytes").and_then(Value::as_u64).map(output::size).unwrap_or_default()
}

/// Names, whether the server lists names or whole services.
fn services(deployment: &Value) -> String {
    let listed = deployment.get("services").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<String> =
        listed.map(|service| service.as_str().map_or_else(|| text(service, "name"), str::to_owned)).collect();
    names.join(", ")
}
