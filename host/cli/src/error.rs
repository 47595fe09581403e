//! What a command answers when it did not do what it was asked to: a message, its causes, a hint, an exit code.

use std::{error::Error as StdError, fmt, process::ExitCode};

/// Exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Unauthorized = 4,
    Conflict = 5,
    TimedOut = 6,
    Unreachable = 7,
    UploadInvalid = 8,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failed command.
#[derive(Debug)]
pub struct Error {
    pub exit: Exit,
    pub message: String,
    pub causes: Vec<String>,
    pub hint: Option<String>,
    /// `RL0123`, where the server or the command knows one.
    pub code: Option<String>,
}

pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None, code: None }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With an error, and what led to it, as the cause.
    #[must_use]
    pub fn because(mut self, cause: &dyn StdError) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            // Many errors repeat their source in their own text.
            if !self.causes.iter().any(|known| known.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        let mut chain = error.chain();
        let message = chain.next().map(ToString::to_string).unwrap_or_default();
        Self { causes: chain.map(ToString::to_string).collect(), ..Self::new(Exit::Failed, message) }
    }
}

/// One line, the chain of causes, the hint.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "error[{code}]: {}", self.message)?,
            None => write!(f, "error: {}", self.message)?,
        }
        for cause in &self.causes {
            write!(f, "\n  caused by: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        if let Some(code) = &self.code {
            write!(f, "\nhint: `relight explain {code}` tells more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_causes_and_hint_stand_on_lines_of_their_own() {
        let cause = std::io::Error::other("connection refused");
        let mut error = Error::new(Exit::Unreachable, "cannot reach it").because(&cause).hint("start it");
        assert_eq!(
            error.to_string(),
            "error: cannot reach it\n  caused by: connection refused\nhint: start it"
        );
        error.code = Some("RL0001".to_owned());
        assert!(error.to_string().starts_with("error[RL0001]: cannot reach it\n"));
    }
}
