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
            self.open_handle(id, index, OpenKind::Signal { name: name.clone() });
        } else {
            let outcome = signals.values.remove(0);
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
        let Some(invocation) = self.tables.invocation(to)? else {
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
        } else if self.unclaimed(to)? < limits::SIGNALS_UNCLAIMED_MAX {
            signals.values.push(outcome);
            self.put_signals(to, name, signals);
        } else {
            return Ok(Answer::Refused(Refusal::TooManySignals(to)));
        }
        Ok(Answer::Resolved)
    }

    fn unclaimed(&self, id: InvocationId) -> Result<usize, TablesError> {
        let rows = self.tables.scan(&Prefix::Signals(id), None, limits::SIGNALS_UNCLAIMED_MAX)?;
        Ok(rows
            .iter()
            .map(|(_, row)| if let Row::Signals(signals) = row { signals.values.len() } else { 0 })
            .sum())
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
