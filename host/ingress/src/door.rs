//! How a door talks to a partition: it repeats a command whose fate is unknown, for a bounded time and with the same
//! request id, and says in the end whether the client may repeat it.

use std::time::Duration;

use relight_core::{InvocationId, action::Refusal};
use relight_partition::DoorError;
use tokio::time::Instant;

use crate::{Ingress, reply::Rejection};

/// What it means when a client sends a request again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Repeat {
    /// The same as once: it has an idempotency key, or changes nothing the second time.
    Harmless,
    /// A second invocation beside this one.
    Again(InvocationId),
    /// A refusal when the first was accepted: this one runs once.
    Once(InvocationId),
    /// A second value beside the first.
    Another,
}

const RETRY_PAUSE: Duration = Duration::from_millis(20);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

impl Ingress {
    /// Calls `attempt` until it knows, or time is up. `attempt` MUST send the same request id each time.
    pub(crate) async fn persist<T, F>(
        &self,
        repeat: Repeat,
        mut attempt: impl FnMut() -> F + Send,
    ) -> Result<T, Rejection>
    where
        F: Future<Output = Result<T, DoorError>> + Send,
    {
        let deadline = Instant::now() + self.inner.options.retry_max;
        let mut pause = RETRY_PAUSE;
        let mut uncertain = false;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            uncertain |= error == DoorError::Unknown;
            let retry = matches!(error, DoorError::Unknown | DoorError::NoLeader);
            if !retry || Instant::now() + pause > deadline {
                return Err(unavailable(error, uncertain, repeat));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }

    /// The answer that a wait gives up with when the server is about to close its connections.
    pub(crate) async fn until_closing<T>(
        &self,
        repeat: Repeat,
        wait: impl Future<Output = Result<T, Rejection>>,
    ) -> Result<T, Rejection> {
        tokio::select! {
            biased;
            result = wait => result,
            () = self.inner.shutdown.closing() => Err(unavailable(DoorError::ShuttingDown, true, repeat)),
        }
    }
}

/// `uncertain`: an attempt may have been accepted.
fn unavailable(error: DoorError, uncertain: bool, repeat: Repeat) -> Rejection {
    let cause = match &error {
        DoorError::NoLeader => "no leader for this partition",
        DoorError::ShuttingDown => "the server is shutting down",
        DoorError::Unknown => "the log did not answer",
        DoorError::Overloaded if !uncertain => return Rejection::TooManyRequests,
        DoorError::Overloaded => "the partition is overloaded",
        DoorError::Failed(message) => return Rejection::Internal(message.clone()),
    };
    // A processor that ends has told nobody what became of the commands it held.
    let uncertain = uncertain || error == DoorError::ShuttingDown;
    match (uncertain, repeat) {
        (false, _) => {
            let message = format!("{cause}; nothing was accepted, it is safe to retry");
            Rejection::Unavailable { message, id: None }
        }
        (true, Repeat::Harmless) => {
            Rejection::Unavailable { message: format!("{cause}; it is safe to retry"), id: None }
        }
        (true, Repeat::Again(id)) => {
            let message = format!(
                "{cause}; the request may have been accepted as `{id}`, where its result can be attached to; a retry \
                 without an idempotency key could run it twice"
            );
            Rejection::Unavailable { message, id: Some(id) }
        }
        (true, Repeat::Once(id)) => {
            let message = format!(
                "{cause}; the request may have been accepted as `{id}`, where its result can be attached to; a retry is \
                 safe, it is refused if it was"
            );
            Rejection::Unavailable { message, id: Some(id) }
        }
        (true, Repeat::Another) => {
            let message = format!("{cause}; the value may have been sent; a retry could send it twice");
            Rejection::Unavailable { message, id: None }
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::UnknownTarget(_) | Refusal::UnknownInvocation(_) | Refusal::UnknownAwakeable { .. } => {
                Self::NotFound(message)
            }
            Refusal::PayloadDiffers(_) => Self::PayloadDiffers(message),
            Refusal::NotAWorkflow(_) => Self::Bad(message),
            Refusal::TooManySignals(_) => Self::TooManySignals(message),
            Refusal::RequestExpired => {
                let message =
                    format!("{message}, so it may have been carried out; a retry could do it twice");
                Self::Unavailable { message, id: None }
            }
            Refusal::AlreadyCompleted(_)
            | Refusal::PromiseCompleted { .. }
            | Refusal::NotCompleted(_)
            | Refusal::NotStarted(_)
            | Refusal::UnknownDeployment(_)
            | Refusal::JournalChanged(_)
            | Refusal::NotRestartable { .. }
            | Refusal::KindChanged { .. }
            | Refusal::UnknownService(_)
            | Refusal::UnknownRevision { .. }
            | Refusal::NoEarlierRevision(_)
            | Refusal::NoSuchDeployment(_)
            | Refusal::BeingRemoved(_)
            | Refusal::NotBeingRemoved(_)
            | Refusal::LatestOf { .. }
            | Refusal::Pinned(_) => Self::Conflict(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use relight_core::ids::PartitionKey;

    use super::*;

    const ID: InvocationId = InvocationId { key: PartitionKey(7), unique: 9 };
    const AGAIN: Repeat = Repeat::Again(ID);

    #[track_caller]
    fn check(error: DoorError, uncertain: bool, repeat: Repeat, words: &str) {
        match unavailable(error, uncertain, repeat) {
            Rejection::Unavailable { message, id } => {
                assert!(message.contains(words), "{message}");
                assert_eq!(id.is_some(), message.contains("may have been accepted"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_say_whether_a_retry_is_safe() {
        check(DoorError::NoLeader, false, AGAIN, "nothing was accepted, it is safe to retry");
        check(DoorError::NoLeader, true, AGAIN, "run it twice");
        check(DoorError::NoLeader, true, Repeat::Harmless, "it is safe to retry");
        check(DoorError::Unknown, true, AGAIN, "run it twice");
        check(DoorError::Unknown, true, Repeat::Harmless, "it is safe to retry");
        check(DoorError::ShuttingDown, false, AGAIN, "run it twice");
        check(DoorError::ShuttingDown, false, Repeat::Harmless, "it is safe to retry");
        check(DoorError::Overloaded, true, AGAIN, "run it twice");
        check(DoorError::Unknown, true, Repeat::Once(InvocationId { unique: 1, ..ID }), "a retry is safe");
        check(DoorError::Unknown, true, Repeat::Another, "could send it twice");
        check(DoorError::NoLeader, false, Repeat::Another, "nothing was accepted, it is safe to retry");
        assert_eq!(unavailable(DoorError::Overloaded, false, AGAIN), Rejection::TooManyRequests);
    }
}
