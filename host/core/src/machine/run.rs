//! Inline runs that have failed: retried by their own policy, then recorded as failed, or paused.

use super::{Transition, bounded};
use crate::{
    action::Action,
    command::{AttemptErrorKind, EffectError},
    ids::{EntryIndex, FencingToken, InvocationId},
    journal::{Entry, JournalItem, Operation},
    limits,
    retry::{OnExhausted, RetryPolicy},
    tables::{Invocation, LastFailure, RunFailures, Tables, TablesError},
    value::Failure,
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn run_failed(
        &mut self,
        id: InvocationId,
        token: FencingToken,
        operations: u32,
        name: String,
        error: EffectError,
        policy: RetryPolicy,
    ) -> Result<(), TablesError> {
        let Some(mut invocation) = self.attempted(id, token)? else {
            return Ok(());
        };
        if operations != invocation.journal.operations {
            return self.restart(invocation);
        }
        let (now, index, message) = (self.now(), EntryIndex(operations), bounded(error.message));
        let known = invocation.run.filter(|run| run.index == index);
        let mut run = known.unwrap_or(RunFailures { index, failures: 0, since: now });
        run.failures += 1;
        invocation.run = Some(run);
        let kind = AttemptErrorKind::Retryable;
        invocation.last_failure =
            Some(LastFailure { kind, message: message.clone(), index: Some(index), at: now });
        match policy.next(run.failures, run.since, now, error.retry_after) {
            Some(due) => self.back_off(invocation, due),
            None if policy.on_exhausted == OnExhausted::Pause => {
                let reason = format!(
                    "run `{name}` at index {index} gave up after {} attempts: {message}",
                    run.failures
                );
                self.pause(invocation, reason)
            }
            None => {
                let operation = Operation::Run { name, outcome: Err(Failure::new(500, message)) };
                self.push_item(&mut invocation, JournalItem::Operation(Entry { made_at: now, operation }));
                self.warn_of_runs(&invocation);
                self.restart(invocation)
            }
        }
    }

    /// A run was recorded. People hear of too many once, when the limit is reached.
    pub(super) fn warn_of_runs(&mut self, invocation: &Invocation) {
        let runs = invocation.journal.runs;
        if runs == limits::RUNS_WARNED {
            self.actions.push(Action::WarnOfRuns { id: invocation.id, runs });
        }
    }
}
