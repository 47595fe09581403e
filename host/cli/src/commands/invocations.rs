//! `relight inv`: what was invoked, how far it is, its result, and how to end, pause or forget it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::{
    client::{Client, query, segment},
    commands::{
        batch::{Pinned, Selection, Verb},
        invoke::print_result,
    },
    error::{Error, Exit, Result},
    output::{self, Format, text},
    target::Reference,
};

/// Invocations that the server lists at once.
const PAGE_MAX: usize = 1000;

/// Invocations: what was invoked and how far it is.
#[derive(Debug, clap::Subcommand)]
pub enum Invocations {
    /// List invocations.
    #[command(
        after_help = "Examples:\n  $ relight inv list\n  $ relight inv list --service Cart --status suspended --limit 10"
    )]
    List(List),
    /// Show one invocation with its journal.
    #[command(after_help = "Example:\n  $ relight inv get inv_1abc")]
    Get { id: String },
    /// Show the journal of one invocation.
    #[command(after_help = "Example:\n  $ relight inv journal inv_1abc -o json")]
    Journal { id: String },
    /// Write one invocation to a file that `relight replay` runs anywhere.
    #[command(
        after_help = "Examples:\n  $ relight inv export inv_1abc --out order.json\n  $ relight inv export inv_1abc"
    )]
    Export {
        id: String,
        /// Absent: stdout.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Ask invocations to stop; they may compensate.
    #[command(
        after_help = "Examples:\n  $ relight inv cancel inv_1abc\n  $ relight inv cancel Cart/ada --yes\n  $ relight inv cancel --service Cart --older-than 1h --dry-run"
    )]
    Cancel(Pinned),
    /// End invocations at once, without compensation.
    #[command(
        after_help = "Examples:\n  $ relight inv kill inv_1abc\n  $ relight inv kill Cart/ada/checkout --yes"
    )]
    Kill(Pinned),
    /// Stop attempts until the invocations are resumed.
    #[command(
        after_help = "Examples:\n  $ relight inv pause inv_1abc\n  $ relight inv pause Cart/checkout --yes"
    )]
    Pause(Pinned),
    /// Go on with paused invocations, and at once with those that back off.
    #[command(
        after_help = "Examples:\n  $ relight inv resume inv_1abc\n  $ relight inv resume Cart --deployment latest --yes"
    )]
    Resume {
        #[command(flatten)]
        selection: Selection,
        /// Those that are pinned to this deployment.
        #[arg(long, value_name = "DEPLOYMENT")]
        pinned_to: Option<String>,
        /// Go on with another deployment: `keep`, `latest` or an id.
        #[arg(long, value_name = "DEPLOYMENT", default_value = "keep")]
        deployment: String,
    },
    /// Run completed invocations again, each as a new one.
    #[command(
        after_help = "Examples:\n  $ relight inv restart inv_1abc\n  $ relight inv restart inv_1abc --from 4\n  $ relight inv restart Cart/checkout --deployment latest --yes"
    )]
    Restart {
        #[command(flatten)]
        selection: Selection,
        /// Take over the journal up to the operation with this index; 0 takes over the input alone.
        #[arg(long, value_name = "INDEX", default_value_t = 0)]
        from: u32,
        /// Those that ran on this deployment.
        #[arg(long, value_name = "DEPLOYMENT")]
        pinned_to: Option<String>,
        /// Run on this deployment: `latest`, `keep` or an id.
        #[arg(long, value_name = "DEPLOYMENT", default_value = "latest")]
        deployment: String,
    },
    /// Forget completed invocations.
    #[command(
        after_help = "Examples:\n  $ relight inv purge inv_1abc\n  $ relight inv purge Cart --journal --yes"
    )]
    Purge {
        #[command(flatten)]
        selection: Pinned,
        /// Forget the journals alone and keep the results.
        #[arg(long)]
        journal: bool,
    },
    /// Wait for the result of an invocation, which goes to stdout as it is.
    #[command(after_help = "Examples:\n  $ relight inv attach inv_1abc\n  $ relight inv attach Signup/ada")]
    Attach {
        /// An id, or `Workflow/key`.
        invocation: Reference,
    },
    /// Print the result of an invocation if there is one.
    #[command(after_help = "Examples:\n  $ relight inv output inv_1abc\n  $ relight inv output Signup/ada")]
    Output {
        /// An id, or `Workflow/key`.
        invocation: Reference,
    },
}

#[derive(Debug, Default, clap::Args)]
pub struct List {
    #[arg(long)]
    service: Option<String>,
    #[arg(long)]
    handler: Option<String>,
    #[arg(long)]
    key: Option<String>,
    /// scheduled, pending, ready, running, backing-off, suspended, paused or completed.
    #[arg(long)]
    status: Option<String>,
    #[arg(long)]
    deployment: Option<String>,
    /// Created within this time, such as `1h`.
    #[arg(long, value_name = "DURATION")]
    since: Option<String>,
    /// Created earlier than this time ago, such as `1h`.
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

impl Invocations {
    pub async fn run(self, admin: Client, ingress: Client, format: Format) -> Result {
        match self {
            Self::List(list) => list.run(&admin, format).await,
            Self::Get { id } => get(&admin, &id, format).await,
            Self::Journal { id } => output::list(format, &journal(&admin, &id).await?, "index", COLUMNS),
            Self::Export { id, out } => export(&admin, &id, out.as_deref()).await,
            Self::Cancel(selection) => selection.run(&admin, Verb::CANCEL, format).await,
            Self::Kill(selection) => selection.run(&admin, Verb::KILL, format).await,
            Self::Pause(selection) => selection.run(&admin, Verb::PAUSE, format).await,
            Self::Resume { selection, pinned_to, deployment } => {
                let verb = Verb::RESUME.with(&[("deployment".to_owned(), deployment)]);
                selection.run(&admin, verb, pinned_to, format).await
            }
            Self::Restart { selection, from, pinned_to, deployment } => {
                let parameters =
                    [("from".to_owned(), from.to_string()), ("deployment".to_owned(), deployment)];
                selection.run(&admin, Verb::RESTART.with(&parameters), pinned_to, format).await
            }
            Self::Purge { selection, journal } => {
                let verb = if journal { Verb::PURGE_JOURNAL } else { Verb::PURGE };
                selection.run(&admin, verb, format).await
            }
            Self::Attach { invocation } => result(&ingress, &invocation, "attach").await,
            Self::Output { invocation } => result(&ingress, &invocation, "output").await,
        }
    }
}

async fn result(ingress: &Client, invocation: &Reference, verb: &str) -> Result {
    let path = invocation.path(verb);
    print_result(ingress.send(Method::GET, &path, &[], Bytes::new()).await?)
}

impl List {
    async fn run(self, admin: &Client, format: Format) -> Result {
        let limit = self.limit;
        let found = find(admin, self.filters(), limit).await?;
        output::list(format, &found, "id", LINES)
    }

    fn filters(self) -> Vec<(String, String)> {
        [
            ("service", self.service),
            ("handler", self.handler),
            ("key", self.key),
            ("status", self.status),
            ("deployment", self.deployment),
            ("since", self.since),
            ("before", self.older_than),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

/// One line for each invocation.
pub const LINES: output::Columns<'static> = &[
    ("ID", &|row| text(row, "id")),
    ("TARGET", &|row| text(row, "target")),
    ("STATUS", &status),
    ("CREATED", &|row| text(row, "created_at")),
    ("DEPLOYMENT", &|row| text(row, "pinned_deployment_id")),
];

/// Follows the pages of a list until `limit`.
pub async fn find(admin: &Client, filters: Vec<(String, String)>, limit: usize) -> Result<Vec<Value>> {
    let mut found: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    while found.len() < limit {
        let mut parameters = filters.clone();
        parameters.push(("limit".to_owned(), (limit - found.len()).min(PAGE_MAX).to_string()));
        parameters.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor)));
        let page = admin.get(&format!("/invocations{}", query(&parameters))).await?;
        found.extend(page.get("invocations").and_then(Value::as_array).cloned().unwrap_or_default());
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    found.truncate(limit);
    Ok(found)
}

async fn get(admin: &Client, id: &str, format: Format) -> Result {
    let mut invocation = admin.get(&format!("/invocations/{}", segment(id))).await?;
    // The journal may be gone already; the rest is worth showing.
    let journal = match journal(admin, id).await {
        Ok(journal) => journal,
        Err(error) if matches!(error.exit, Exit::NotFound | Exit::Failed) => Vec::new(),
        Err(error) => return Err(error),
    };
    if let Value::Object(fields) = &mut invocation {
        fields.insert("journal".to_owned(), Value::Array(journal.clone()));
    }
    output::one(format, &invocation, "id", |invocation| {
        let titles: Vec<String> = COLUMNS.iter().map(|(title, _)| (*title).to_owned()).collect();
        let rows: Vec<Vec<String>> =
            journal.iter().map(|entry| COLUMNS.iter().map(|(_, cell)| cell(entry)).collect()).collect();
        format!("{}\n{}", facts(invocation), output::table(&titles, &rows))
    })
}

async fn export(admin: &Client, id: &str, out: Option<&Path>) -> Result {
    let path = format!("/invocations/{}/bundle", segment(id));
    let bundle = admin.send(Method::GET, &path, &[], Bytes::new()).await?.checked()?.body;
    let Some(out) = out else { return output::print_bytes(&bundle) };
    fs::write(out, &bundle).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot write `{}`", out.display())).because(&error)
    })?;
    output::say(&format!("{}  {}", out.display(), output::size(bundle.len() as u64)));
    Ok(())
}

/// All pages of a journal.
async fn journal(admin: &Client, id: &str) -> Result<Vec<Value>> {
    let mut entries: Vec<Value> = Vec::new();
    let mut from = String::new();
    loop {
        let page = admin.get(&format!("/invocations/{}/journal{from}", segment(id))).await?;
        entries.extend(page.get("entries").and_then(Value::as_array).cloned().unwrap_or_default());
        match page.get("next").and_then(Value::as_u64) {
            Some(next) => from = format!("?from={next}"),
            None => return Ok(entries),
        }
    }
}

/// Everything that is known of an invocation, what matters most first.
fn facts(invocation: &Value) -> String {
    const FIRST: [&str; 3] = ["id", "target", "status"];
    const SHOWN_ELSEWHERE: [&str; 6] =
        ["reason", "completion_result", "last_failure", "warnings", "open", "journal"];
    let mut pairs = vec![
        ("id", text(invocation, "id")),
        ("target", text(invocation, "target")),
        ("status", status(invocation)),
    ];
    if let Value::Object(fields) = invocation {
        for (name, value) in fields {
            let shown = FIRST.contains(&name.as_str()) || SHOWN_ELSEWHERE.contains(&name.as_str());
            let skipped = shown || name.starts_with("target_");
            let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if !skipped && !empty {
                pairs.push((name, text(invocation, name)));
            }
        }
    }
    if let Some(failure) = invocation.get("last_failure").filter(|failure| !failure.is_null()) {
        let at = text(failure, "related_entry_index");
        let at = if at.is_empty() { at } else { format!(" at entry {at}") };
        pairs.push(("last failure", format!("{}{at}, {}", text(failure, "message"), text(failure, "at"))));
    }
    for warning in invocation.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        pairs.push(("warning", warning.as_str().unwrap_or_default().to_owned()));
    }
    for open in invocation.get("open").and_then(Value::as_array).into_iter().flatten() {
        let waits = if open.get("awaited") == Some(&Value::Bool(true)) { "waits for" } else { "open" };
        pairs.push((waits, format!("{}: {}", text(open, "index"), text(open, "description"))));
    }
    output::fields(&pairs)
}

const COLUMNS: output::Columns<'static> = &[
    ("POSITION", &|row| text(row, "position")),
    ("INDEX", &|row| text(row, "index")),
    ("ENTRY", &|row| text(row, "entry_type")),
    ("NAME", &|row| first(row, &["name", "invoked_target", "sleep_wakeup_at"])),
    ("COMPLETED", &|row| text(row, "completed")),
    ("BYTES", &|row| text(row, "raw_length")),
    ("AT", &|row| text(row, "appended_at")),
];

/// The first of several fields that has a value.
fn first(row: &Value, names: &[&str]) -> String {
    names.iter().map(|name| text(row, name)).find(|value| !value.is_empty()).unwrap_or_default()
}

/// The status with its reason, where the server tells one.
fn status(invocation: &Value) -> String {
    let status = text(invocation, "status");
    let reason = first(invocation, &["reason", "completion_result"]);
    if reason.is_empty() { status } else { format!("{status} ({reason})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_are_those_that_were_given() {
        let list = List { service: Some("Cart".to_owned()), limit: 5, ..List::default() };
        assert_eq!(query(&list.filters()), "?service=Cart");
    }

    #[test]
    fn facts_begin_with_what_matters() {
        let invocation = json!({
            "attempts": 2, "completion_result": "success", "id": "inv_1a", "status": "completed",
            "target": "Cart/a/add", "target_service_name": "Cart", "expires_at": null,
            "last_failure": {"message": "boom", "at": "2026-01-01", "related_entry_index": 3},
            "open": [{"index": 2, "description": "timer due soon", "awaited": true}],
        });
        assert_eq!(
            facts(&invocation),
            "id            inv_1a\ntarget        Cart/a/add\nstatus        completed (success)\nattempts      2\n\
             last failure  boom at entry 3, 2026-01-01\nwaits for     2: timer due soon\n"
        );
    }
}
