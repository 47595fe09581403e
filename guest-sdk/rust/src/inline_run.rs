//! Inline runs: real work in the middle of a handler, whose result is recorded.
//!
//! The work is plain code, not a future: nothing else of the handler moves while it is done. When it is over, the host ends this
//! instance, and the handler goes on in a fresh one, by replay.

use std::fmt;
use std::future::{IntoFuture, Ready, ready};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{AttemptError, Failure};
use crate::host::inline_run;
use crate::json;
use crate::retry::RetryPolicy;
use crate::time::to_millis;

pub use crate::failure::RunError;

/// An inline run that has not begun; made by [`Context::run`](crate::Context::run). It begins when it is awaited.
#[must_use = "the work is done when this is awaited"]
pub struct Run<F> {
    name: String,
    retry: Option<RetryPolicy>,
    work: F,
}

impl<F> Run<F> {
    pub(crate) fn new(name: &str, work: F) -> Self {
        Self { name: name.to_owned(), retry: None, work }
    }

    /// Retry by this policy when the work fails; without it, by the host's, which has no bounds.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }
}

impl<T, F> IntoFuture for Run<F>
where
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Result<T, RunError>,
{
    type Output = Result<T, Failure>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(self) -> Ready<Self::Output> {
        let Self { name, retry, work } = self;
        ready(match inline_run::start(&name, retry.map(Into::into)) {
            inline_run::Started::Recorded(Ok(bytes)) => json::decode_recorded(&bytes, "the result of a run"),
            inline_run::Started::Recorded(Err(failure)) => Err(failure.into()),
            inline_run::Started::Live => end(work()),
        })
    }
}

/// Hands the result of the work to the host, which ends this instance.
fn end<T: Serialize>(result: Result<T, RunError>) -> ! {
    match result {
        Ok(value) => inline_run::finish(Ok(&json::encode(&value))),
        Err(AttemptError::Terminal(failure)) => inline_run::finish(Err(&failure.into())),
        Err(AttemptError::Retryable { message, after }) => inline_run::retry(&message, after.map(to_millis)),
    }
    unreachable!("the host ends the instance when a run is over")
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("name", &self.name).field("retry", &self.retry).finish_non_exhaustive()
    }
}
