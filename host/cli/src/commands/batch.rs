//! Verbs on many invocations: which they are, whether a person wants that, and what became of each.
//!
//! What is listed is what is hit: the verb is applied to the ids that were shown, not to whatever the filters match by
//! the time a person has answered.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    client::{Client, query, segment},
    commands::invocations::{LINES, find},
    confirm::confirm,
    error::{Error, Exit, Result},
    output::{self, Format, text},
    target::{Selector, Target},
};

/// Ids that the server takes at once.
const BATCH_IDS_MAX: usize = 1000;
/// Lines that a person is shown before the question; `--dry-run` shows all.
const SHOWN_MAX: usize = 20;

/// What is done to invocations.
#[derive(Debug, Clone)]
pub struct Verb {
    name: &'static str,
    /// Statuses that it changes something in; a selection without ids is limited to them.
    statuses: &'static str,
    /// Of the request, with its question mark.
    query: String,
}

impl Verb {
    const UNFINISHED: &'static str = "scheduled,pending,running,backing-off,suspended,paused";

    pub const CANCEL: Self = Self::new("cancel", Self::UNFINISHED);
    pub const KILL: Self = Self::new("kill", Self::UNFINISHED);
    pub const PAUSE: Self = Self::new("pause", "running,backing-off,suspended");
    pub const RESUME: Self = Self::new("resume", "backing-off,suspended,paused");
    pub const RESTART: Self = Self::new("restart-as-new", "completed");
    pub const PURGE: Self = Self::new("purge", "completed");
    pub const PURGE_JOURNAL: Self = Self::new("purge-journal", "completed");

    /// With parameters for the server, such as the deployment that a resumed invocation goes on with.
    pub fn with(self, parameters: &[(String, String)]) -> Self {
        Self { query: query(parameters), ..self }
    }

    const fn new(name: &'static str, statuses: &'static str) -> Self {
        Self { name, statuses, query: String::new() }
    }
}

#[derive(Debug, clap::Args)]
pub struct Selection {
    /// Ids, `Svc`, `Svc/handler`, `Obj/key` or `Obj/key/handler`; none: whatever the filters below select.
    selectors: Vec<Selector>,
    #[arg(long)]
    service: Option<String>,
    #[arg(long)]
    handler: Option<String>,
    #[arg(long)]
    key: Option<String>,
    /// One or several, such as `paused,backing-off`; default: all that the verb fits.
    #[arg(long)]
    status: Option<String>,
    /// Created within this time, such as `1h`.
    #[arg(long, value_name = "DURATION")]
    since: Option<String>,
    /// Created earlier than this time ago, such as `1h`.
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,
    /// List what would be hit and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// A selection that a deployment narrows, too.
#[derive(Debug, clap::Args)]
pub struct Pinned {
    #[command(flatten)]
    selection: Selection,
    /// Those that are pinned to this deployment.
    #[arg(long)]
    deployment: Option<String>,
}

type Filters = Vec<(String, String)>;

impl Pinned {
    pub async fn run(self, admin: &Client, verb: Verb, format: Format) -> Result {
        self.selection.run(admin, verb, self.deployment, format).await
    }
}

impl Selection {
    /// `pinned_to`: a deployment.
    pub async fn run(self, admin: &Client, verb: Verb, pinned_to: Option<String>, format: Format) -> Result {
        let filters = self.filters(pinned_to);
        if self.selectors.is_empty() && filters.is_empty() {
            let message = format!("what to {} is not named", verb.name);
            return Err(
                Error::usage(message).hint("give ids, `Svc`, `Obj/key` or a filter such as `--status`")
            );
        }
        let (mut ids, mut listed) = (Vec::new(), Vec::new());
        let all = vec![Selector::All];
        for selector in if self.selectors.is_empty() { &all } else { &self.selectors } {
            match selector {
                Selector::Id(id) if self.dry_run => {
                    listed.push(admin.get(&format!("/invocations/{}", segment(id))).await?);
                }
                Selector::Id(id) => ids.push(id.clone()),
                other => listed.extend(select(admin, other, &filters, verb.statuses).await?),
            }
        }
        if ids.is_empty() && listed.is_empty() {
            return Err(Error::new(Exit::NotFound, format!("nothing to {}", verb.name)));
        }
        if self.dry_run {
            output::say(&format!("would {} {} invocations", verb.name, listed.len()));
            return output::list(format, &listed, "id", LINES);
        }
        if !listed.is_empty() {
            show(&listed);
            if !self.yes {
                confirm(&format!("{} {} invocations", verb.name, ids.len() + listed.len()))?;
            }
            ids.extend(listed.iter().map(|invocation| text(invocation, "id")));
        }
        apply(admin, &verb, &ids).await
    }

    fn filters(&self, pinned_to: Option<String>) -> Filters {
        [
            ("service", self.service.clone()),
            ("handler", self.handler.clone()),
            ("key", self.key.clone()),
            ("status", self.status.clone()),
            ("since", self.since.clone()),
            ("before", self.older_than.clone()),
            ("deployment", pinned_to),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

fn show(listed: &[Value]) {
    for invocation in listed.iter().take(SHOWN_MAX) {
        let [id, target, status] = ["id", "target", "status"].map(|name| text(invocation, name));
        output::say(&format!("{id}  {target}  {status}"));
    }
    if SHOWN_MAX < listed.len() {
        output::say(&format!("… and {} more; `--dry-run` lists them all", listed.len() - SHOWN_MAX));
    }
}

/// Invocations that both the selector and the filters select.
async fn select(
    admin: &Client,
    selector: &Selector,
    filters: &Filters,
    statuses: &str,
) -> Result<Vec<Value>> {
    let mut wanted: Filters = Vec::new();
    let mut want = |name: &str, value: &str| wanted.push((name.to_owned(), value.to_owned()));
    match selector {
        Selector::All | Selector::Id(_) => {}
        Selector::Service(service) => want("service", service),
        Selector::Target(Target { service, key, handler }) => {
            want("service", service);
            key.iter().for_each(|key| want("key", key));
            want("handler", handler);
        }
        Selector::Two(service, second) => {
            let known = admin.get(&format!("/services/{}", segment(service))).await?;
            want("service", service);
            want(if text(&known, "ty") == "Service" { "handler" } else { "key" }, second);
        }
    }
    for (name, value) in filters {
        match wanted.iter().find(|(known, _)| known == name) {
            None => wanted.push((name.clone(), value.clone())),
            Some((_, known)) if known == value => {}
            Some((_, known)) => {
                return Err(Error::usage(format!("`--{name} {value}` and `{known}` exclude each other")));
            }
        }
    }
    if !wanted.iter().any(|(name, _)| name == "status") {
        wanted.push(("status".to_owned(), statuses.to_owned()));
    }
    find(admin, wanted, usize::MAX).await
}

/// Applies the verb in batches; prints the ids that it succeeded for, and says why it failed for others.
async fn apply(admin: &Client, verb: &Verb, ids: &[String]) -> Result {
    let path = format!("/invocations/batch/{}{}", verb.name, verb.query);
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    let (mut succeeded, mut failed) = (0, 0);
    let mut error = None;
    for batch in ids.chunks(BATCH_IDS_MAX) {
        let body = Bytes::from(json!({ "ids": batch }).to_string());
        let done = admin.send(Method::POST, &path, &headers, body).await?.into_json()?;
        let list = |name: &str| done.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        for one in list("succeeded") {
            succeeded += 1;
            // A restart is about the new one.
            let new = text(&one, "new_invocation_id");
            let id = if new.is_empty() { text(&one, "id") } else { new };
            output::print(&format!("{id}\n"))?;
        }
        for one in list("failed") {
            failed += 1;
            output::say(&format!("{}: {}", text(&one, "id"), text(&one, "message")));
            error.get_or_insert(one);
        }
    }
    let Some(first) = error else {
        return Ok(());
    };
    let exit = match first.get("status").and_then(Value::as_u64) {
        Some(404) => Exit::NotFound,
        Some(409 | 410 | 422 | 425) => Exit::Conflict,
        Some(503) => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let message = if ids.len() == 1 {
        format!("{} failed", verb.name)
    } else {
        format!("{}: {succeeded} succeeded, {failed} failed", verb.name)
    };
    let failure = Error::new(exit, message);
    Err(Error { code: Some(text(&first, "code")).filter(|code| !code.is_empty()), ..failure })
}
