//! `relight svc`: what is callable, in which revision, and with which policies.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Map, Value, json};

use crate::{
    client::{Client, query, segment},
    commands::deploy::{handlers, notes},
    error::{Error, Result},
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
    /// List the revisions of a service, oldest first.
    #[command(after_help = "Example:\n  $ relight svc revisions Greeter")]
    Revisions { name: String },
    /// Make an earlier revision the latest again; what runs stays where it is.
    #[command(
        after_help = "Examples:\n  $ relight svc rollback Greeter\n  $ relight svc rollback Greeter --revision 3"
    )]
    Rollback {
        name: String,
        /// Default: the one before the latest.
        #[arg(long, value_name = "NUMBER")]
        revision: Option<u32>,
    },
    /// Show the policies of a service, or set some of them for its latest revision.
    #[command(
        after_help = "Examples:\n  $ relight svc config Greeter\n  $ relight svc config Greeter --public false\n  $ relight svc config Greeter --max-attempts 5 --journal-retention 1h\n  $ relight svc config Greeter --reset public"
    )]
    Config(Box<Config>),
}

#[derive(Debug, clap::Args)]
pub struct Config {
    name: String,
    /// Whether the ingress serves it.
    #[arg(long)]
    public: Option<bool>,
    /// How long results of idempotent calls, or of a workflow, are kept.
    #[arg(long, value_name = "DURATION")]
    idempotency_retention: Option<String>,
    /// How long journals are kept.
    #[arg(long, value_name = "DURATION")]
    journal_retention: Option<String>,
    /// How long a waiting handler keeps its instance.
    #[arg(long, value_name = "DURATION")]
    inactivity_timeout: Option<String>,
    /// How long one attempt may run without a pause.
    #[arg(long, value_name = "DURATION")]
    abort_timeout: Option<String>,
    /// Attempts in all, or `unlimited`.
    #[arg(long, value_name = "NUMBER")]
    max_attempts: Option<String>,
    /// Time before the second attempt.
    #[arg(long, value_name = "DURATION")]
    initial_interval: Option<String>,
    /// Longest time between two attempts.
    #[arg(long, value_name = "DURATION")]
    max_interval: Option<String>,
    /// Growth of that time per failure.
    #[arg(long, value_name = "FACTOR")]
    factor: Option<f64>,
    /// Time in which attempts may start, or `unlimited`.
    #[arg(long, value_name = "DURATION")]
    max_duration: Option<String>,
    /// What happens after the last attempt: `pause` or `fail`.
    #[arg(long, value_name = "WHAT")]
    on_exhausted: Option<String>,
    /// Go back to what the component says, such as `public` or `retry-policy`; repeatable.
    #[arg(long, value_name = "SETTING")]
    reset: Vec<String>,
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
                let service = admin.get(&path(&name)).await?;
                output::one(format, &service, "name", table)
            }
            Self::Revisions { name } => revisions(&admin, &name, format).await,
            Self::Rollback { name, revision } => rollback(&admin, &name, revision, format).await,
            Self::Config(config) => config.run(&admin, format).await,
        }
    }
}

fn path(name: &str) -> String {
    format!("/services/{}", segment(name))
}

async fn revisions(admin: &Client, name: &str, format: Format) -> Result {
    let listed = admin.get(&format!("{}/revisions", path(name))).await?;
    let revisions = listed.get("revisions").and_then(Value::as_array).cloned().unwrap_or_default();
    output::list(
        format,
        &revisions,
        "revision",
        &[
            ("REVISION", &|row| text(row, "revision")),
            ("LATEST", &|row| {
                if text(row, "latest") == "true" { "latest".to_owned() } else { String::new() }
            }),
            ("DEPLOYMENT", &|row| text(row, "deployment_id")),
            ("HANDLERS", &|row| {
                let names = row.get("handlers").and_then(Value::as_array).into_iter().flatten();
                names.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }),
        ],
    )
}

async fn rollback(admin: &Client, name: &str, revision: Option<u32>, format: Format) -> Result {
    let revision: Vec<(String, String)> =
        revision.map(|number| ("revision".to_owned(), number.to_string())).into_iter().collect();
    let path = format!("{}/rollback{}", path(name), query(&revision));
    let done = admin.send(Method::POST, &path, &[], Bytes::new()).await?.into_json()?;
    notes(&done);
    let service = done.get("service").cloned().unwrap_or_default();
    let [now, before] = [text(&service, "revision"), text(&done, "previous_revision")];
    output::say(&if now == before {
        format!("revision {now} of {name} is the latest already")
    } else {
        format!("revision {now} of {name} is the latest now; it was {before}")
    });
    output::one(format, &service, "name", table)
}

impl Config {
    async fn run(self, admin: &Client, format: Format) -> Result {
        let settings = self.settings()?;
        let service = if settings.is_empty() {
            admin.get(&path(&self.name)).await?
        } else {
            let headers = [("content-type".to_owned(), "application/json".to_owned())];
            let body = Bytes::from(Value::Object(settings).to_string());
            admin.send(Method::PATCH, &path(&self.name), &headers, body).await?.into_json()?
        };
        output::one(format, &service, "name", policies)
    }

    fn settings(&self) -> Result<Map<String, Value>> {
        let mut settings = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            settings.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("public", self.public.map(Value::from));
        set("idempotency_retention", self.idempotency_retention.clone().map(Value::from));
        set("journal_retention", self.journal_retention.clone().map(Value::from));
        set("inactivity_timeout", self.inactivity_timeout.clone().map(Value::from));
        set("abort_timeout", self.abort_timeout.clone().map(Value::from));
        let mut retry = Map::new();
        let unlimited = |text: &String| text == "unlimited";
        if let Some(text) = &self.max_attempts {
            let number = match text.parse::<u32>() {
                _ if unlimited(text) => Value::Null,
                Ok(number) => number.into(),
                Err(_) => return Err(Error::usage(format!("`{text}` is neither a number nor `unlimited`"))),
            };
            retry.insert("max_attempts".to_owned(), number);
        }
        if let Some(text) = &self.max_duration {
            let value = if unlimited(text) { Value::Null } else { text.as_str().into() };
            retry.insert("max_duration".to_owned(), value);
        }
        for (name, value) in [
            ("initial_interval", self.initial_interval.clone().map(Value::from)),
            ("max_interval", self.max_interval.clone().map(Value::from)),
            ("factor", self.factor.map(Value::from)),
            ("on_exhausted", self.on_exhausted.clone().map(Value::from)),
        ] {
            retry.extend(value.map(|value| (name.to_owned(), value)));
        }
        if !retry.is_empty() {
            settings.insert("retry_policy".to_owned(), Value::Object(retry));
        }
        for name in &self.reset {
            let name = name.replace('-', "_");
            if settings.insert(name.clone(), Value::Null).is_some() {
                return Err(Error::usage(format!("`{name}` is both set and reset")));
            }
        }
        Ok(settings)
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

/// The policies that hold for handlers which leave them open; those that an operator has set are marked.
fn policies(service: &Value) -> String {
    const NAMES: [&str; 5] =
        ["public", "idempotency_retention", "journal_retention", "inactivity_timeout", "abort_timeout"];
    let set = service.get("overrides").cloned().unwrap_or_else(|| json!({}));
    let shown = |name: &str| {
        let value = service.get(name).filter(|value| !value.is_null());
        let value = value.map_or_else(|| "adaptive".to_owned(), |_| text(service, name));
        if set.get(name).is_some() { format!("{value}  (set by an operator)") } else { value }
    };
    let mut pairs = vec![("service", text(service, "name")), ("revision", text(service, "revision"))];
    pairs.extend(NAMES.iter().map(|name| (*name, shown(name))));
    let retry = service.get("retry_policy").cloned().unwrap_or_default();
    let attempts = text(&retry, "max_attempts");
    let attempts = if attempts.is_empty() { "unlimited".to_owned() } else { attempts };
    let [initial, max, duration, exhausted] =
        ["initial_interval", "max_interval", "max_duration", "on_exhausted"].map(|name| text(&retry, name));
    let within = if duration.is_empty() { duration } else { format!(" within {duration}") };
    let marked = if set.get("retry_policy").is_some() { "  (set by an operator)" } else { "" };
    pairs.push((
        "retry_policy",
        format!(
            "{attempts} attempts{within}, {initial} to {max} apart, then {}{marked}",
            exhausted.to_lowercase()
        ),
    ));
    output::fields(&pairs)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        config: Config,
    }

    fn settings(line: &str) -> Result<Value> {
        let line = Line::try_parse_from(format!("config S {line}").split_whitespace()).expect("a line");
        line.config.settings().map(Value::Object)
    }

    #[test]
    fn settings_are_those_that_were_given() {
        let check = |line: &str, expected: Value| assert_eq!(settings(line).expect(line), expected);
        check("", json!({}));
        check("--public false --journal-retention 1h", json!({"public": false, "journal_retention": "1h"}));
        check(
            "--max-attempts 5 --factor 1.5 --on-exhausted fail",
            json!({"retry_policy": {"max_attempts": 5, "factor": 1.5, "on_exhausted": "fail"}}),
        );
        check("--max-attempts unlimited", json!({"retry_policy": {"max_attempts": null}}));
        check("--reset retry-policy --reset public", json!({"retry_policy": null, "public": null}));
        assert!(settings("--public true --reset public").is_err());
        assert!(settings("--max-attempts many").is_err());
    }

    #[test]
    fn policies_that_an_operator_has_set_are_marked() {
        let service = json!({
            "name": "S", "revision": 2, "public": false, "idempotency_retention": "24h", "journal_retention": "24h",
            "inactivity_timeout": null, "abort_timeout": "10m", "overrides": {"public": false},
            "retry_policy": {"initial_interval": "50ms", "max_interval": "10s", "max_attempts": 70,
                "max_duration": null, "on_exhausted": "Pause"},
        });
        assert_eq!(
            policies(&service),
            "service                S\nrevision               2\npublic                 false  (set by an operator)\n\
             idempotency_retention  24h\njournal_retention      24h\ninactivity_timeout     adaptive\n\
             abort_timeout          10m\n\
             retry_policy           70 attempts, 50ms to 10s apart, then pause\n"
        );
    }
}
