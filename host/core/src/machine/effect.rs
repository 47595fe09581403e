//! Attempts of effects: their results are recorded, their failures retried by the effect's own policy.

use super::{Transition, bounded};
use crate::{
    action::Action,
    command::EffectError,
    ids::{EntryIndex, FencingToken, Incarnation, InvocationId},
    journal::{Entry, JournalItem, Operation},
    retry::{OnExhausted, RetryPolicy},
    tables::{Effect, Invocation, Key, ReadTablesExt, Row, Status, Tables, TablesError, TimerKey, TimerKind},
    value::{Failure, Outcome, Timestamp, Value},
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn effect_completed(
        &mut self,
        id: InvocationId,
        incarnation: Incarnation,
        index: EntryIndex,
        token: FencingToken,
        outcome: Outcome,
    ) -> Result<(), TablesError> {
        let Some((invocation, _)) = self.attempted_effect(id, incarnation, index, token)? else {
            return Ok(());
        };
        self.tables.delete(Key::Effect(id, index));
        self.complete_handle(invocation, index, Value::from(outcome))
    }

    pub(super) fn effect_failed(
        &mut self,
        id: InvocationId,
        incarnation: Incarnation,
        index: EntryIndex,
        token: FencingToken,
        error: EffectError,
    ) -> Result<(), TablesError> {
        let Some((invocation, mut effect)) = self.attempted_effect(id, incarnation, index, token)? else {
            return Ok(());
        };
        let policy = self.effect_policy(id, &effect)?;
        let message = bounded(error.message);
        effect.failures += 1;
        effect.last_error = Some(message.clone());
        match policy.next(effect.failures, effect.first_start, self.now(), error.retry_after) {
            Some(due) => {
                effect.retry_at = Some(due);
                self.set_timer(TimerKey { due, id, incarnation, kind: TimerKind::RetryEffect(index) });
                self.tables.put(Key::Effect(id, index), Row::Effect(effect));
                Ok(())
            }
            None if policy.on_exhausted == OnExhausted::Fail => {
                self.tables.delete(Key::Effect(id, index));
                self.complete_handle(invocation, index, Value::Failure(Failure::new(500, message)))
            }
            None => {
                let reason =
                    format!("effect at index {index} gave up after {} attempts: {message}", effect.failures);
                self.tables.put(Key::Effect(id, index), Row::Effect(effect));
                self.pause(invocation, reason)
            }
        }
    }

    /// The back-off of an effect is over.
    pub(super) fn retry_effect(
        &mut self,
        invocation: &Invocation,
        index: EntryIndex,
        due: Timestamp,
    ) -> Result<(), TablesError> {
        let (id, incarnation, attempt) = (invocation.id, invocation.incarnation, self.lsn);
        let Some(mut effect) = self.tables.effect(id, index)?.filter(|effect| effect.retry_at == Some(due))
        else {
            return Ok(());
        };
        effect.retry_at = None;
        effect.attempt = attempt;
        self.tables.put(Key::Effect(id, index), Row::Effect(effect));
        if !matches!(invocation.status, Status::Paused { .. }) {
            self.actions.push(Action::StartEffect { id, incarnation, index, attempt });
        }
        Ok(())
    }

    /// Nobody waits for the effect any more.
    pub(super) fn close_effect(
        &mut self,
        invocation: &Invocation,
        index: EntryIndex,
    ) -> Result<(), TablesError> {
        let (id, incarnation) = (invocation.id, invocation.incarnation);
        if let Some(effect) = self.tables.effect(id, index)? {
            if let Some(due) = effect.retry_at {
                self.delete_timer(TimerKey { due, id, incarnation, kind: TimerKind::RetryEffect(index) });
            }
            self.tables.delete(Key::Effect(id, index));
            self.actions.push(Action::AbortEffect { id, index });
        }
        Ok(())
    }

    /// The effect whose running attempt carries `token`, or `None` when the token is stale.
    fn attempted_effect(
        &self,
        id: InvocationId,
        incarnation: Incarnation,
        index: EntryIndex,
        token: FencingToken,
    ) -> Result<Option<(Box<Invocation>, Effect)>, TablesError> {
        if token.epoch != self.meta.epoch {
            return Ok(None);
        }
        let invocation =
            self.tables.invocation(id)?.filter(|invocation| invocation.incarnation == incarnation);
        let effect = self
            .tables
            .effect(id, index)?
            .filter(|effect| effect.attempt == token.attempt && effect.retry_at.is_none());
        Ok(invocation.zip(effect))
    }

    fn effect_policy(&self, id: InvocationId, effect: &Effect) -> Result<RetryPolicy, TablesError> {
        match self.tables.journal_item(id, effect.position)? {
            Some(JournalItem::Operation(Entry { operation: Operation::Effect { retry, .. }, .. })) => {
                Ok(retry)
            }
            other => Err(TablesError::Damaged {
                key: Box::new(Key::Journal(id, effect.position)),
                reason: format!("is not the operation of an effect: {other:?}"),
            }),
        }
    }
}
