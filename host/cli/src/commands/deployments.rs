//! `relight dp`: what was uploaded, what still uses it, and how it goes away.

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::{
    client::{Client, segment},
    confirm::confirm,
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
    #[command(visible_alias = "show", after_help = "Example:\n  $ relight dp get dp_1abc")]
    Get { id: String },
    /// Remove a deployment that nothing uses any more.
    #[command(
        visible_alias = "delete",
        after_help = "Examples:\n  $ relight dp remove dp_1abc\n  $ relight dp remove dp_1abc --force --yes"
    )]
    Remove {
        id: String,
        /// Also while it is in use: services that have nothing newer go with it, and invocations that are pinned to it
        /// are paused until they are resumed on another deployment.
        #[arg(long)]
        force: bool,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
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
                        ("STATUS", &status),
                        ("PINNED", &|row| text(row, "pinned_invocations")),
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
            Self::Remove { id, force, yes } => remove(&admin, &id, force, yes, format).await,
        }
    }
}

async fn remove(admin: &Client, id: &str, force: bool, yes: bool, format: Format) -> Result {
    let path = format!("/deployments/{}", segment(id));
    if force {
        let deployment = admin.get(&path).await?;
        output::say(&table(&deployment));
        if !yes {
            confirm(&format!("remove deployment {id} whatever uses it"))?;
        }
    }
    let query = if force { "?force=true" } else { "" };
    let answer = admin.send(Method::DELETE, &format!("{path}{query}"), &[], Bytes::new()).await?;
    output::one(format, &answer.into_json()?, "id", removed)
}

fn removed(removed: &Value) -> String {
    let list = |name: &str| {
        let items = removed.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut pairs = vec![("removed", text(removed, "id")), ("services", list("services").join(", "))];
    for id in list("paused") {
        pairs.push(("paused", id));
    }
    output::fields(&pairs)
}

fn table(deployment: &Value) -> String {
    output::fields(&[
        ("id", text(deployment, "id")),
        ("digest", text(deployment, "digest")),
        ("size", size(deployment)),
        ("status", status(deployment)),
        ("pinned", text(deployment, "pinned_invocations")),
        ("created", text(deployment, "created_at")),
        ("services", services(deployment)),
        ("sdk", text(deployment, "sdk")),
        ("allow-http", text(deployment, "allow_http")),
    ])
}

fn status(deployment: &Value) -> String {
    let status = text(deployment, "status");
    if text(deployment, "removal").is_empty() { status } else { format!("{status} (to be removed)") }
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
