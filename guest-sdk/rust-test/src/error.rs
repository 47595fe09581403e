//! [`Error`]: why a test does not go on. What is printed when a test returns it is what a person reads.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

/// A terminal failure of a handler.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Failure {
    /// As in HTTP: 400 to 599.
    pub code: u16,
    /// What the handler said.
    pub message: String,
    /// What it added.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Why something did not happen.
pub enum Error {
    /// The `relight` binary cannot be started.
    Start(String),
    /// It has ended, or said something that is not understood.
    Ended(String),
    /// A step that makes no sense.
    Bad(String),
    /// Something is not as expected.
    Failed(String),
    /// The handler has failed for good.
    Handler(Failure),
    /// A value does not have the type that was asked for.
    Json(serde_json::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(message) => write!(f, "cannot start {message}"),
            Self::Ended(message) => write!(f, "`relight test` has ended: {message}"),
            Self::Bad(message) => f.write_str(message),
            Self::Failed(text) => f.write_str(text.trim()),
            Self::Handler(failure) => write!(f, "the handler failed: [{}] {}", failure.code, failure.message),
            Self::Json(error) => write!(f, "a value of another type: {error}"),
        }
    }
}

/// The same text: it is what a test that returns an error prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}
