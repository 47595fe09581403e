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
        let before = services(&admin).await?;

        output::say(if self.dry_run { "checking …" } else { "uploading, checking and compiling …" });
        let started = Instant::now();
        let headers = [("content-type".to_owned(), "application/wasm".to_owned())];
        let answer = admin
            .send(Method::POST, &format!("/deployments{query}"), &headers, Bytes::from(built.bytes))
            .await?;
        let unchanged = answer.status == 200 && !self.dry_run;
        let deployment = answer.into_json()?;
        output::say(&format!("done in {:.1} s", started.elapsed().as_secs_f64()));

        for note in deployment.get("info").and_then(Value::as_array).into_iter().flatten() {
            output::say(&format!("note: {}", note.as_str().map_or_else(|| note.to_string(), str::to_owned)));
        }
        if unchanged {
            output::say("this component is deployed already");
        }
        output::one(format, &deployment, "id", |deployment| table(deployment, &before))
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

/// Services by name, as they are now.
async fn services(admin: &Client) -> Result<BTreeMap<String, Value>> {
    let listed = admin.get("/services").await?;
    let services = listed.get("services").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(services.into_iter().map(|service| (text(&service, "name"), service)).collect())
}

/// Services and handlers of a deployment, and how they differ from `before`.
fn table(deployment: &Value, before: &BTreeMap<String, Value>) -> String {
    let titles = ["SERVICE", "TYPE", "REVISION", "HANDLER", "MODE", "CHANGE"].map(str::to_owned);
    let mut rows = Vec::new();
    for service in deployment.get("services").and_then(Value::as_array).into_iter().flatten() {
        let name = text(service, "name");
        let old = before.get(&name).map(handlers).unwrap_or_default();
        let new = handlers(service);
        for (handler, mode) in &new {
            let change = match old.get(handler) {
                None => "added",
                Some(was) if was != mode => "changed",
                Some(_) => "",
            };
            rows.push(
                [&name, &text(service, "ty"), &text(service, "revision"), handler, mode, &change.to_owned()]
                    .map(Clone::clone)
                    .to_vec(),
            );
        }
        for (handler, mode) in old.iter().filter(|(handler, _)| !new.contains_key(*handler)) {
            rows.push([&name, "", "", handler, mode, "removed"].map(str::to_owned).to_vec());
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

    fn service(handlers: Value) -> Value {
        json!({"name": "Cart", "ty": "VirtualObject", "revision": 2, "handlers": handlers})
    }

    #[test]
    fn table_shows_what_changed() {
        let before = service(
            json!([{"name": "add", "ty": "Exclusive"}, {"name": "old", "ty": "Exclusive"}, {"name": "get", "ty": "Exclusive"}]),
        );
        let after = service(
            json!([{"name": "add", "ty": "Exclusive"}, {"name": "get", "ty": "Shared"}, {"name": "new", "ty": "Shared"}]),
        );
        let deployment = json!({"id": "dp_1x", "size_bytes": 2048, "services": [after]});
        let shown = table(&deployment, &BTreeMap::from([("Cart".to_owned(), before)]));
        assert_eq!(
            shown,
            "deployment dp_1x  2.0 KiB\n\n\
             SERVICE  TYPE           REVISION  HANDLER  MODE       CHANGE\n\
             Cart     VirtualObject  2         add      exclusive\n\
             Cart     VirtualObject  2         get      shared     changed\n\
             Cart     VirtualObject  2         new      shared     added\n\
             Cart                              old      exclusive  removed\n"
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
