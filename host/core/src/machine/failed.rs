//! An attempt has ended without a result: back off, pause, or fail.

use super::{Transition, bounded};
use crate::{
    command::{AttemptError, AttemptErrorKind},
    ids::{FencingToken, InvocationId},
    retry::OnExhausted,
    tables::{Invocation, LastFailure, Status, Tables, TablesError, TimerKey, TimerKind},
    value::{DurationMs, Failure, Timestamp},
};

/// Time before an attempt that failed through the host's own fault is tried again.
const HOST_RETRY: DurationMs = DurationMs(500);

impl<T: Tables> Transition<'_, T> {
    pub(super) fn attempt_failed(
        &mut self,
        id: InvocationId,
        token: FencingToken,
        error: AttemptError,
    ) -> Result<(), TablesError> {
        let Some(mut invocation) = self.attempted(id, token)? else {
            return Ok(());
        };
        let now = self.now();
        let message = bounded(error.message);
        self.reset_failures_after_progress(&mut invocation);
        invocation.last_failure =
            Some(LastFailure { kind: error.kind, message: message.clone(), index: error.index, at: now });
        match error.kind {
            AttemptErrorKind::JournalMismatch | AttemptErrorKind::LimitExceeded => {
                self.pause(invocation, message)
            }
            AttemptErrorKind::Host => {
                let due = now.after(error.retry_after.unwrap_or_default().max(HOST_RETRY));
                self.back_off(invocation, due)
            }
            AttemptErrorKind::Retryable => {
                invocation.failures += 1;
                let policy = invocation.policies.retry;
                match policy.next(invocation.failures, invocation.failing_since, now, error.retry_after) {
                    Some(due) => self.back_off(invocation, due),
                    None if policy.on_exhausted == OnExhausted::Pause => {
                        let reason = format!("gave up after {} attempts: {message}", invocation.failures);
                        self.pause(invocation, reason)
                    }
                    None => self.complete(invocation, Err(Failure::new(500, message))),
                }
            }
        }
    }

    /// An attempt that added an accepted operation has made progress, so its failures are not "in a row".
    fn reset_failures_after_progress(&self, invocation: &mut Invocation) {
        if let Status::Invoked { operations_at_start, .. } = invocation.status
            && invocation.journal.operations > operations_at_start
        {
            invocation.failures = 0;
            invocation.failing_since = self.now();
        }
    }

    pub(super) fn back_off(
        &mut self,
        mut invocation: Box<Invocation>,
        due: Timestamp,
    ) -> Result<(), TablesError> {
        self.leave_stage(&mut invocation)?;
        let (id, incarnation) = (invocation.id, invocation.incarnation);
        if let Status::Invoked { retry_at, .. } = &mut invocation.status {
            *retry_at = Some(due);
        }
        self.set_timer(TimerKey { due, id, incarnation, kind: TimerKind::RetryAttempt });
        self.put_invocation(invocation);
        Ok(())
    }

    /// Stops attempts until an operator acts. Effects that run may finish.
    pub(super) fn pause(
        &mut self,
        mut invocation: Box<Invocation>,
        reason: String,
    ) -> Result<(), TablesError> {
        self.leave_stage(&mut invocation)?;
        invocation.status = Status::Paused { reason };
        self.put_invocation(invocation);
        Ok(())
    }
}
