//! `relight deploy`: builds where there is something to build, uploads, and shows what changed.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::{
    client::{Client, query},
    error::{Error, Result},
    output::{self, Format, text},
    project,
};

/// Upload a component, or the project in a folder, and make its services callable.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ relight deploy hello\n  $ relight deploy hello --allow-http 127.0.0.1:9000 --dry-run\n  $ relight deploy greeter.wasm -o json"
)]
pub struct Deploy {
    /// A `.wasm` file or the folder of a project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Check everything and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Deploy although handlers that others may call disappear.
    #[arg(long)]
    breaking: bool,
    /// Host that effects may reach, besides those of relight.project.toml; repeatable.
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_http: Vec<String>,
    /// Environment of the handlers, besides that of relight.project.toml; repeatable.
    #[arg(long, value_name = "K=V")]
    env: Vec<String>,
    /// Linear memory of one instance, such as `64MiB`.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
}

impl Deploy {
    pub async fn run(self, admin: Client, format: Format) -> Result {
        let built = project::component(&self.path)?;
        project::describe(&built);
        let query = query(&self.parameters(&built.project)?);

        output::say(if self.dry_run { "checking …" } else { "uploading, checking and compiling …" });
        let started = Instant::now();
        let headers = [("content-type".to_owned(), "application/wasm".to_owned())];
        let answer = admin
            .send(Method::POST, &format!("/deployments{query}"), &headers, Bytes::from(built.bytes))
            .await?;
        let unchanged = answer.status == 200 && !self.dry_run;
        let deployment = answer.into_json()?;
        output::say(&format!("done in {:.1} s", started.elapsed().as_secs_f64()));

        notes(&deployment);
        if unchanged {
            output::say("this component is deployed already");
        }
        output::one(format, &deployment, "id", table)
    }

    fn parameters(&self, project: &project::Project) -> Result<Vec<(String, String)>> {
        let mut parameters = Vec::new();
        for (flag, name) in [(self.dry_run, "dry_run"), (self.breaking, "breaking")] {
            if flag {
                parameters.push((name.to_owned(), "true".to_owned()));
            }
        }
        for host in project.allow_http.iter().chain(&self.allow_http) {
            parameters.push(("allow_http".to_owned(), host.clone()));
        }
        let mut env = project.env.clone();
        for pair in &self.env {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| Error::usage(format!("`{pair}` is not of the form NAME=VALUE")))?;
            env.insert(name.to_owned(), value.to_owned());
        }
        parameters.extend(env.into_iter().map(|(name, value)| (format!("env.{name}"), value)));
        let memory = match &self.memory {
            Some(text) => Some(project::memory_bytes(text)?),
            None => project.memory_bytes()?,
        };
        parameters.extend(memory.map(|bytes| ("memory_max".to_owned(), bytes.to_string())));
        Ok(parameters)
    }
}

/// Says how what is the latest now, or would be, differs from what was. Services that are new as a whole are in the
/// table already.
pub fn notes(answer: &Value) {
    for change in changes(answer) {
        let known = !(text(change, "kind") == "added" && text(change, "handler").is_empty());
        if known {
            let breaks = if change.get("breaking") == Some(&Value::Bool(true)) { "breaking: " } else { "" };
            output::say(&format!("{breaks}{}", text(change, "message")));
        }
    }
}

fn changes(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("changes").and_then(Value::as_array).into_iter().flatten()
}

/// Services and handlers of a deployment, and how they differ from the latest revisions before it.
fn table(deployment: &Value) -> String {
    let titles = ["SERVICE", "TYPE", "REVISION", "HANDLER", "MODE", "CHANGE"].map(str::to_owned);
    let mut rows = Vec::new();
    for service in deployment.get("services").and_then(Value::as_array).into_iter().flatten() {
        let name = text(service, "name");
        let of_service: Vec<&Value> =
            changes(deployment).filter(|change| text(change, "service") == name).collect();
        let is_new = of_service.iter().any(|change| text(change, "handler").is_empty());
        for (handler, mode) in handlers(service) {
            let change = of_service.iter().find(|change| text(change, "handler") == handler);
            let change = match change {
                Some(change) => text(change, "kind"),
                None if is_new => "added".to_owned(),
                None => String::new(),
            };
            rows.push(vec![
                name.clone(),
                text(service, "ty"),
                text(service, "revision"),
                handler,
                mode,
                change,
            ]);
        }
        for gone in of_service.iter().filter(|change| text(change, "kind") == "removed") {
            let handler = text(gone, "handler");
            rows.push([&name, "", "", &handler, "", "removed"].map(str::to_owned).to_vec());
        }
    }
    let size = deployment.get("size_bytes").and_then(Value::as_u64).map(output::size).unwrap_or_default();
    format!("deployment {}  {size}\n\n{}", text(deployment, "id"), output::table(&titles, &rows))
}

/// Handlers of a service and their modes.
pub fn handlers(service: &Value) -> BTreeMap<String, String> {
    let listed = service.get("handlers").and_then(Value::as_array).into_iter().flatten();
    listed.map(|handler| (text(handler, "name"), mode(service, handler))).collect()
}

fn mode(service: &Value, handler: &Value) -> String {
    // Handlers of a service lock nothing; a mode would say something that is not there.
    if text(service, "ty") == "Service" {
        return "-".to_owned();
    }
    let mode = [text(handler, "mode"), text(handler, "ty")].into_iter().find(|mode| !mode.is_empty());
    mode.unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn table_shows_what_changed() {
        let cart = json!({"name": "Cart", "ty": "VirtualObject", "revision": 2, "handlers": [
            {"name": "add", "ty": "Exclusive"}, {"name": "get", "ty": "Shared"}, {"name": "new", "ty": "Shared"},
        ]});
        let greeter =
            json!({"name": "Greeter", "ty": "Service", "revision": 1, "handlers": [{"name": "greet"}]});
        let change = |service: &str, handler: Option<&str>, kind: &str| json!({"service": service, "handler": handler, "kind": kind, "breaking": false, "message": ""});
        let changes = [
            change("Cart", Some("get"), "changed"),
            change("Cart", Some("old"), "removed"),
            change("Cart", Some("new"), "added"),
            change("Greeter", None, "added"),
        ];
        let deployment =
            json!({"id": "dp_1x", "size_bytes": 2048, "services": [cart, greeter], "changes": changes});
        assert_eq!(
            table(&deployment),
            "deployment dp_1x  2.0 KiB\n\n\
             SERVICE  TYPE           REVISION  HANDLER  MODE       CHANGE\n\
             Cart     VirtualObject  2         add      exclusive\n\
             Cart     VirtualObject  2         get      shared     changed\n\
             Cart     VirtualObject  2         new      shared     added\n\
             Cart                              old                 removed\n\
             Greeter  Service        1         greet    -          added\n"
        );
    }

    #[test]
    fn flags_add_to_the_project_file() {
        let deploy = Deploy {
            path: ".".into(),
            dry_run: true,
            breaking: false,
            allow_http: vec!["b:1".to_owned()],
            env: vec!["A=2".to_owned()],
            memory: None,
        };
        let project = project::Project {
            allow_http: vec!["a".to_owned()],
            env: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            memory: Some("1KiB".to_owned()),
            ..Default::default()
        };
        let parameters = deploy.parameters(&project).expect("valid");
        assert_eq!(query(&parameters), "?dry_run=true&allow_http=a&allow_http=b%3A1&env.A=2&memory_max=1024");
    }
}
