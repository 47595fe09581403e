//! Why the server did not start or did not go on, and with which code the process ends.

use std::process::ExitCode;

/// The operation failed.
pub const FAILED: u8 = 1;
/// The configuration or the command line is wrong.
pub const USAGE: u8 = 2;
/// Acknowledged data is damaged; `EX_IOERR` of `sysexits.h`.
pub const DAMAGED: u8 = 74;

#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub error: anyhow::Error,
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into(), hint: None }
    }

    pub fn usage(message: String) -> Self {
        Self::new(USAGE, anyhow::Error::msg(message))
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// One line, the chain of causes, the hint: on stderr, also when logging was never set up.
    #[expect(clippy::print_stderr, reason = "the last words of a process to the person who started it")]
    pub fn report(self) -> ExitCode {
        eprintln!("error: {}", self.error);
        for cause in self.error.chain().skip(1) {
            eprintln!("  caused by: {cause}");
        }
        if let Some(hint) = self.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(FAILED, error)
    }
}
