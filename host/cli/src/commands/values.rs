//! `relight awakeables`, `signals` and `promises`: values from outside for handlers that wait.

use hyper::Method;

use crate::{
    client::{Client, segment},
    commands::invoke::read_body,
    error::Result,
};

/// Awakeables: promises with a public id that a handler has made.
#[derive(Debug, clap::Subcommand)]
pub enum Awakeables {
    /// Give an awakeable its value; the first one stays.
    #[command(after_help = "Example:\n  $ relight awakeables resolve sign_1abc '{\"paid\":true}'")]
    Resolve {
        id: String,
        /// The value: JSON, `@FILE`, or `-` for stdin.
        value: Option<String>,
    },
    /// Fail an awakeable.
    #[command(after_help = "Example:\n  $ relight awakeables reject sign_1abc 'card declined'")]
    Reject { id: String, reason: Option<String> },
}

/// Signals: named values for one invocation, first in, first out.
#[derive(Debug, clap::Subcommand)]
pub enum Signals {
    /// Send a value, or a failure, to an invocation.
    #[command(
        after_help = "Examples:\n  $ relight signals send inv_1abc approved true\n  $ relight signals send inv_1abc approved 'not now' --reject"
    )]
    Send {
        /// The invocation's id.
        invocation: String,
        name: String,
        /// The value: JSON, `@FILE`, or `-` for stdin; with `--reject` the reason.
        value: Option<String>,
        /// Send a failure.
        #[arg(long)]
        reject: bool,
    },
}

/// Promises of a workflow's key.
#[derive(Debug, clap::Subcommand)]
pub enum Promises {
    /// Give a promise its value, once.
    #[command(after_help = "Example:\n  $ relight promises resolve Signup/ada clicked true")]
    Resolve {
        /// `Workflow/key`.
        #[arg(value_parser = workflow_key)]
        workflow: (String, String),
        name: String,
        /// The value: JSON, `@FILE`, or `-` for stdin.
        value: Option<String>,
    },
    /// Fail a promise, once.
    #[command(after_help = "Example:\n  $ relight promises reject Signup/ada clicked 'link expired'")]
    Reject {
        /// `Workflow/key`.
        #[arg(value_parser = workflow_key)]
        workflow: (String, String),
        name: String,
        reason: Option<String>,
    },
}

fn workflow_key(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('/') {
        Some((workflow, key)) if !workflow.is_empty() && !key.is_empty() => {
            Ok((workflow.to_owned(), key.to_owned()))
        }
        _ => Err(format!("`{text}` is not of the form Workflow/key")),
    }
}

impl Awakeables {
    pub async fn run(self, ingress: Client) -> Result {
        match self {
            Self::Resolve { id, value } => {
                post(&ingress, &["awakeables", &id, "resolve"], value.as_deref()).await
            }
            Self::Reject { id, reason } => {
                post(&ingress, &["awakeables", &id, "reject"], reason.as_deref()).await
            }
        }
    }
}

impl Signals {
    pub async fn run(self, ingress: Client) -> Result {
        let Self::Send { invocation, name, value, reject } = self;
        let verb = if reject { "reject" } else { "resolve" };
        post(&ingress, &["signals", &invocation, &name, verb], value.as_deref()).await
    }
}

impl Promises {
    pub async fn run(self, ingress: Client) -> Result {
        let ((service, key), name, body, verb) = match self {
            Self::Resolve { workflow, name, value } => (workflow, name, value, "resolve"),
            Self::Reject { workflow, name, reason } => (workflow, name, reason, "reject"),
        };
        post(&ingress, &["promises", &service, &key, &name, verb], body.as_deref()).await
    }
}

async fn post(ingress: &Client, segments: &[&str], body: Option<&str>) -> Result {
    let body = body.map(read_body).transpose()?.unwrap_or_default();
    ingress.send(Method::POST, &path(segments), &[], body).await?.checked().map(drop)
}

fn path(segments: &[&str]) -> String {
    segments.iter().fold("/relight".to_owned(), |path, one| path + "/" + &segment(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_in_the_path() {
        assert_eq!(path(&["signals", "inv_1", "a/b", "resolve"]), "/relight/signals/inv_1/a%2Fb/resolve");
    }

    #[test]
    fn a_key_is_everything_after_the_workflow() {
        assert_eq!(workflow_key("Signup/a/b"), Ok(("Signup".to_owned(), "a/b".to_owned())));
        for text in ["Signup", "/a", "Signup/"] {
            assert!(workflow_key(text).is_err(), "{text}");
        }
    }
}
