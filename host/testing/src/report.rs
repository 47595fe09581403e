//! [`Report`]: how a scenario went, for people and for programs.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

/// How one scenario went.
#[derive(Clone, Debug)]
pub struct Report {
    pub file: PathBuf,
    pub name: Option<String>,
    pub outcome: Outcome,
    pub elapsed: Duration,
    /// How often it was run again with a crash in it.
    pub crashes: u64,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Passed,
    Failed(Problem),
    /// The file itself is wrong.
    Bad(String),
}

/// What did not go as expected.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problem {
    /// Where: the step, and after which record the process died.
    pub step: Option<String>,
    pub crash: Option<String>,
    pub message: String,
    pub expected: Option<String>,
    pub got: Option<String>,
    /// What helps to understand it, line by line.
    pub details: Vec<String>,
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

impl Report {
    /// Of a file that is no scenario.
    pub fn bad(file: &Path, message: String) -> Self {
        let outcome = Outcome::Bad(message);
        Self { file: file.to_owned(), name: None, outcome, elapsed: Duration::ZERO, crashes: 0 }
    }

    /// One line, and what is wrong below it.
    pub fn text(&self) -> String {
        let (word, problem) = match &self.outcome {
            Outcome::Passed => ("ok", String::new()),
            Outcome::Failed(problem) => ("FAILED", problem.to_string()),
            Outcome::Bad(message) => ("BAD", format!("  {message}\n")),
        };
        let name = self.name.as_ref().map_or_else(String::new, |name| format!("  {name}"));
        let crashes = match self.crashes {
            0 => String::new(),
            count => format!(", {count} crashes"),
        };
        let elapsed = self.elapsed.as_millis();
        format!("{word:<6}  {}{name}  ({elapsed} ms{crashes})\n{problem}", self.file.display())
    }

    pub fn json(&self) -> Value {
        let mut json = json!({
            "file": self.file,
            "name": self.name,
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            "crashes": self.crashes,
        });
        match &self.outcome {
            Outcome::Passed => json["outcome"] = json!("passed"),
            Outcome::Bad(message) => {
                json["outcome"] = json!("bad");
                json["message"] = json!(message);
            }
            Outcome::Failed(problem) => {
                json["outcome"] = json!("failed");
                json["problem"] = problem.json();
            }
        }
        json
    }
}

impl Problem {
    pub fn json(&self) -> Value {
        json!({
            "step": self.step,
            "crash": self.crash,
            "message": self.message,
            "expected": self.expected,
            "got": self.got,
            "details": self.details,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(crash) = &self.crash {
            writeln!(f, "  with a crash after {crash}")?;
        }
        match &self.step {
            Some(step) => writeln!(f, "  {step}: {}", self.message)?,
            None => writeln!(f, "  {}", self.message)?,
        }
        if let Some(expected) = &self.expected {
            writeln!(f, "    expected  {expected}")?;
        }
        if let Some(got) = &self.got {
            writeln!(f, "    got       {got}")?;
        }
        self.details.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}
