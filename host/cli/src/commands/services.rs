//! `relight svc`: what is callable.

use serde_json::Value;

use crate::{
    client::{Client, segment},
    commands::deploy::handlers,
    error::Result,
    output::{self, Format, text},
};

/// Services: what is callable.
#[derive(Debug, clap::Subcommand)]
pub enum Services {
    /// List the services in their latest revisions.
    #[command(after_help = "Example:\n  $ relight svc list")]
    List,
    /// Show one service with its handlers.
    #[command(after_help = "Example:\n  $ relight svc get Greeter")]
    Get { name: String },
}

impl Services {
    pub async fn run(self, admin: Client, format: Format) -> Result {
        match self {
            Self::List => {
                let listed = admin.get("/services").await?;
                let services = listed.get("services").and_then(Value::as_array).cloned().unwrap_or_default();
                output::list(
                    format,
                    &services,
                    "name",
                    &[
                        ("NAME", &|row| text(row, "name")),
                        ("TYPE", &|row| text(row, "ty")),
                        ("REVISION", &|row| text(row, "revision")),
                        ("HANDLERS", &|row| handlers(row).into_keys().collect::<Vec<_>>().join(", ")),
                        ("DEPLOYMENT", &|row| text(row, "deployment_id")),
                    ],
                )
            }
            Self::Get { name } => {
                let service = admin.get(&format!("/services/{}", segment(&name))).await?;
                output::one(format, &service, "name", table)
            }
        }
    }
}

fn table(service: &Value) -> String {
    let head = output::fields(&[
        ("name", text(service, "name")),
        ("type", text(service, "ty")),
        ("revision", text(service, "revision")),
        ("deployment", text(service, "deployment_id")),
        ("public", text(service, "public")),
        ("documentation", text(service, "documentation")),
    ]);
    let titles = ["HANDLER", "MODE"].map(str::to_owned);
    let rows: Vec<Vec<String>> = handlers(service).into_iter().map(|(name, mode)| vec![name, mode]).collect();
    format!("{head}\n{}", output::table(&titles, &rows))
}
