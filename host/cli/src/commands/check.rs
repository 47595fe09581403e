//! `relight check`: which invocations could go on with a component that is not deployed yet.

use std::path::PathBuf;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::{
    client::{Client, query},
    error::{Error, Exit, Result},
    output::{self, Format, text},
    project,
};

/// Replay the journals of invocations against a component, without deploying it.
///
/// Fails (exit code 1) when one of them does not fit.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  $ relight check hello\n  $ relight check orders.wasm --sample 0\n  $ relight check orders.wasm -o json"
)]
pub struct Check {
    /// A `.wasm` file or the folder of a project.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Finished invocations of each handler that are replayed as well, besides all that are in flight.
    #[arg(long, default_value_t = 10)]
    sample: usize,
    /// Linear memory of one instance, such as `64MiB`.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
}

impl Check {
    pub async fn run(self, admin: Client, format: Format) -> Result {
        let built = project::component(&self.path)?;
        project::describe(&built);
        let memory = match &self.memory {
            Some(text) => Some(project::memory_bytes(text)?),
            None => built.project.memory_bytes()?,
        };
        let mut parameters = vec![("sample".to_owned(), self.sample.to_string())];
        parameters.extend(memory.map(|bytes| ("memory_max".to_owned(), bytes.to_string())));

        output::say("checking and replaying …");
        let invocations = pages(&admin, &parameters, Bytes::from(built.bytes)).await?;
        output::list(format, &invocations, "id", COLUMNS)?;
        let misfits = invocations.iter().filter(|one| text(one, "verdict") != "compatible").count();
        if misfits == 0 {
            output::say(&format!("{} invocations, all compatible", invocations.len()));
            return Ok(());
        }
        let message = format!("{misfits} of {} invocations do not fit the component", invocations.len());
        Err(Error::new(Exit::Failed, message)
            .hint("they complete on the deployment that they are on; only what fits can move to a new one"))
    }
}

/// Follows the pages of a check; each of them takes the component, whose code the server has kept.
async fn pages(admin: &Client, parameters: &[(String, String)], component: Bytes) -> Result<Vec<Value>> {
    let mut invocations = Vec::new();
    let mut cursor = None;
    loop {
        let mut parameters = parameters.to_vec();
        parameters.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor)));
        let path = format!("/deployments/check{}", query(&parameters));
        let headers = [("content-type".to_owned(), "application/wasm".to_owned())];
        let page = admin.send(Method::POST, &path, &headers, component.clone()).await?.into_json()?;
        invocations.extend(page.get("invocations").and_then(Value::as_array).cloned().unwrap_or_default());
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(invocations),
        }
    }
}

const COLUMNS: output::Columns<'static> = &[
    ("ID", &|row| text(row, "id")),
    ("TARGET", &|row| text(row, "target")),
    ("STATUS", &|row| text(row, "status")),
    ("VERDICT", &|row| text(row, "verdict")),
    ("", &detail),
];

/// What comes next, or what is wrong: its first line.
fn detail(row: &Value) -> String {
    let detail = if text(row, "verdict") == "compatible" { text(row, "ahead") } else { text(row, "message") };
    // The verdict before it says as much.
    let stripped = ["journal mismatch at ", "fails "].iter().find_map(|prefix| detail.strip_prefix(prefix));
    stripped.unwrap_or(&detail).lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_what_comes_next_or_what_is_wrong() {
        let fits = json!({"verdict": "compatible", "ahead": "waits for entry 3, an awakeable"});
        assert_eq!(detail(&fits), "waits for entry 3, an awakeable");
        let diverges = json!({"verdict": "diverges", "message": "journal mismatch at entry 1: it differs"});
        assert_eq!(detail(&diverges), "entry 1: it differs");
        let fails = json!({"verdict": "fails", "message": "fails before entry 1: boom\nat frame 0"});
        assert_eq!(detail(&fails), "before entry 1: boom");
    }
}
