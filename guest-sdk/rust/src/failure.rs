//! Errors of handlers, effects and operations.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::bindings::relight::handler::requests;
use crate::bindings::relight::handler::types;
use crate::time::to_millis;

/// A terminal failure: a result like any other. It is recorded and never retried; the caller of the handler gets it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Failure {
    /// HTTP status, 400 to 599.
    pub code: u16,
    /// For people.
    pub message: String,
    /// For programs.
    pub metadata: Vec<(String, String)>,
    /// Set when a wait of this very invocation reported its cancellation.
    cancelled: bool,
}

impl Failure {
    /// A failure without metadata. A `code` outside 400 to 599 becomes 500.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        let code = if (400..=599).contains(&code) { code } else { 500 };
        Self { code, message: message.into(), metadata: Vec::new(), cancelled: false }
    }

    /// The same failure with one more fact.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Whether *this* invocation was cancelled. A failure of a call whose callee was cancelled has the same code and message, but
    /// answers `false`: this invocation goes on.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    pub(crate) fn cancelled() -> Self {
        Self { cancelled: true, ..Self::new(409, "cancelled") }
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::new(500, message)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(500, message)
    }
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        Self { code: failure.code, message: failure.message, metadata: failure.metadata, cancelled: false }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code, message: failure.message, metadata: failure.metadata }
    }
}

/// Why one attempt of a handler, an effect or an inline run ended without a value.
///
/// `?` turns a [`Failure`] into [`AttemptError::Terminal`] and every other error into [`AttemptError::Retryable`]. (That is why this
/// type is not itself a `std::error::Error`.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptError {
    /// Record the failure as the result.
    Terminal(Failure),
    /// Try again.
    Retryable {
        /// Shown to operators.
        message: String,
        /// When to try again; by the retry policy if absent.
        after: Option<Duration>,
    },
}

/// The error of a handler that may also ask for a retry. A handler that only fails terminally returns [`Failure`].
pub type HandlerError = AttemptError;

/// The error of an effect.
pub type EffectError = AttemptError;

/// The error of an inline run.
pub type RunError = AttemptError;

impl AttemptError {
    /// Fail for good.
    pub fn terminal(code: u16, message: impl Into<String>) -> Self {
        Self::Terminal(Failure::new(code, message))
    }

    /// Try again by the retry policy.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable { message: message.into(), after: None }
    }

    /// Try again after a given time, as a `Retry-After` header asks for it.
    pub fn retryable_after(message: impl Into<String>, after: Duration) -> Self {
        Self::Retryable { message: message.into(), after: Some(after) }
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal(failure) => failure.fmt(f),
            Self::Retryable { message, .. } => f.write_str(message),
        }
    }
}

impl<E: std::error::Error + 'static> From<E> for AttemptError {
    fn from(error: E) -> Self {
        match (&error as &dyn Any).downcast_ref::<Failure>() {
            Some(failure) => Self::Terminal(failure.clone()),
            None => Self::retryable(with_causes(&error)),
        }
    }
}

impl From<AttemptError> for requests::AttemptError {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Terminal(failure) => Self::Terminal(failure.into()),
            AttemptError::Retryable { message, after } => Self::Retryable((message, after.map(to_millis))),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(result: Result<(), impl Into<AttemptError>>) -> AttemptError {
        result.map_err(Into::into).expect_err("the test passes errors")
    }

    #[test]
    fn question_mark_keeps_a_failure_terminal() {
        let error = attempt(Err(Failure::new(404, "no such ticket")));
        assert_eq!(error, AttemptError::terminal(404, "no such ticket"));
    }

    #[test]
    fn question_mark_makes_other_errors_retryable() {
        let error = attempt("x".parse::<u8>().map(drop));
        assert_eq!(error, AttemptError::retryable("invalid digit found in string"));
    }

    #[test]
    fn code_outside_the_range_becomes_500() {
        assert_eq!(Failure::new(200, "fine?").code, 500);
        assert_eq!(Failure::new(599, "odd").code, 599);
    }

    #[test]
    fn cancellation_of_a_callee_is_not_ones_own() {
        let own = Failure::cancelled();
        let of_callee = Failure::from(types::Failure::from(own.clone()));
        assert!(own.is_cancelled());
        assert!(!of_callee.is_cancelled());
        assert_eq!((own.code, &own.message), (of_callee.code, &of_callee.message));
    }
}
