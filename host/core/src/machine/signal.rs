//! Signals: named values sent to an invocation, first in, first out; the k-th handle of a name gets the k-th value.

use std::sync::Arc;

use super::Transition;
use crate::{
    action::{Answer, Refusal},
    ids::{EntryIndex, InvocationId},
    limits,
    tables::{Invocation, Key, OpenKind, Prefix, ReadTablesExt, Row, Signals, Status, Tables, TablesError},
    value::{Outcome, Value},
};

impl<T: Tables> Transition<'_, T> {
    /// A handler asks for the next value of `name`.
    pub(super) fn append_signal(
        &mut self,
        invocation: &mut Invocation,
        index: EntryIndex,
        name: String,
    ) -> Result<(), TablesError> {
        let (id, name) = (invocation.id, Arc::<str>::from(name));
        let mut signals = self.tables.signals(id, name.clone())?.unwrap_or_default();
        if signals.values.is_empty() {
            signals.waiting.push(index);
            self.open_handle(invocation, index, OpenKind::Signal { name: name.clone() });
        } else {
            let outcome = signals.values.remove(0);
            invocation.unclaimed -= 1;
            self.complete_now(invocation, index, Value::from(outcome));
        }
        self.put_signals(id, name, signals);
        Ok(())
    }

    pub(super) fn send_signal(
        &mut self,
        to: InvocationId,
        name: String,
        outcome: Outcome,
    ) -> Result<Answer, TablesError> {
        let Some(mut invocation) = self.tables.invocation(to)? else {
            return Ok(Self::unknown(to));
        };
        if let Status::Completed { .. } = invocation.status {
            return Ok(Answer::Refused(Refusal::AlreadyCompleted(to)));
        }
        let name = Arc::<str>::from(name);
        let mut signals = self.tables.signals(to, name.clone())?.unwrap_or_default();
        if !signals.waiting.is_empty() {
            let index = signals.waiting.remove(0);
            self.put_signals(to, name, signals);
            self.complete_handle(invocation, index, Value::from(outcome))?;
        } else if self.has_room(&invocation, &outcome)? {
            signals.values.push(outcome);
            self.put_signals(to, name, signals);
            invocation.unclaimed += 1;
            self.put_invocation(invocation);
        } else {
            return Ok(Answer::Refused(Refusal::TooManySignals(to)));
        }
        Ok(Answer::Resolved)
    }

    /// Whether one more value may wait to be asked for. One payload always fits.
    fn has_room(&self, invocation: &Invocation, more: &Outcome) -> Result<bool, TablesError> {
        if invocation.unclaimed == 0 {
            return Ok(true);
        }
        let prefix = Prefix::Signals(invocation.id);
        let mut bytes = outcome_bytes(more);
        for (_, row) in self.tables.scan(&prefix, None, limits::SIGNALS_UNCLAIMED_MAX)? {
            if let Row::Signals(signals) = row {
                bytes += signals.values.iter().map(outcome_bytes).sum::<usize>();
            }
        }
        let count = invocation.unclaimed as usize;
        Ok(count < limits::SIGNALS_UNCLAIMED_MAX && bytes <= limits::SIGNALS_UNCLAIMED_BYTES_MAX)
    }

    fn put_signals(&mut self, id: InvocationId, name: Arc<str>, signals: Signals) {
        let key = Key::Signals(id, name);
        if signals == Signals::default() {
            self.tables.delete(key);
        } else {
            self.tables.put(key, Row::Signals(signals));
        }
    }
}

fn outcome_bytes(outcome: &Outcome) -> usize {
    match outcome {
        Ok(value) => value.len(),
        Err(failure) => failure.message.len(),
    }
}
