//! Answers of waits: which handle has completed, whether a cancellation comes first, what may be seen already.
//!
//! Waits are not journaled. Their answer is the same on every pass because positions order everything:
//!
//! * What a live wait has seen is positioned before the operation that comes next, since that is appended later.
//! * A replayed wait sees what is positioned before the operation that comes next. That may be more than the live one
//!   saw, but what came later has a higher position, and never wins over what answered then.

use super::{Arrival, Handle, MakeError, Mismatch, Replay, WaitError, Waited, limit};
use crate::{
    command::WaitMode,
    ids::{EntryIndex, Position},
    journal::Operation,
    value::{Timestamp, Value},
};

impl Replay {
    /// Answers a wait. While recorded operations remain, only notifications positioned before the next of them count.
    ///
    /// `Any` needs at least one handle, `All` of none is ready at once. Handles may repeat. Takes time linear in the
    /// number of handles, whatever the length of the journal.
    pub fn wait(&mut self, mode: WaitMode, handles: &[EntryIndex]) -> Result<Waited, WaitError> {
        let ready = match mode {
            WaitMode::Any if handles.is_empty() => return Err(WaitError::Empty),
            WaitMode::All if handles.is_empty() => return Ok(Waited::Ready(EntryIndex::ZERO)),
            WaitMode::Any => self.first(handles)?,
            WaitMode::All => self.last(handles)?,
        };
        let horizon = self.horizon();
        let cancel = self.cancels.front().copied().filter(|cancel| cancel.position < horizon);
        match (ready, cancel) {
            (Some(ready), Some(cancel)) if cancel.position < ready.position => self.deliver(cancel),
            (None, Some(cancel)) => self.deliver(cancel),
            (Some(ready), _) => {
                self.now = self.now.max(ready.at);
                Ok(Waited::Ready(ready.index))
            }
            (None, None) => match self.recorded.front() {
                Some(next) => Err(MakeError::from(Mismatch::wait(
                    EntryIndex(self.made),
                    &next.entry.operation,
                    mode,
                    handles,
                ))
                .into()),
                None => Ok(Waited::Blocked),
            },
        }
    }

    /// What completed the operation at `index`; `None` when that has not happened yet, as far as this attempt may see.
    ///
    /// MUST be asked only for handles that a wait has answered: anything else would let a guest poll.
    pub fn value(&self, index: EntryIndex) -> Option<&Value> {
        let handle = self.handle(index)?;
        handle.completed.filter(|completed| completed.position < self.horizon())?;
        self.values.get(&index)
    }
}

/// The answer of a wait by its handles.
struct Ready {
    index: EntryIndex,
    /// Of the notification that answers.
    position: Position,
    /// The latest time of the notifications that the answer is made of.
    at: Timestamp,
}

impl Replay {
    /// Makes the delivery of `cancel`, the first that is undelivered, and with it of all later ones so far.
    fn deliver(&mut self, cancel: Arrival) -> Result<Waited, WaitError> {
        let operation = Operation::CancelDelivered;
        let index = EntryIndex(self.made);
        if self.replay(&operation).map_err(MakeError::from)?.is_some() {
            self.now = self.now.max(cancel.at);
            return Ok(Waited::Cancelled);
        }
        limit::check(index, self.journal_bytes, &operation).map_err(MakeError::from)?;
        self.cancels.clear();
        self.delivered_live = Some(index);
        // Stamped with the time of its cause: a wait has no clock, and the guest learns nothing else by it.
        self.append(cancel.at, operation);
        Ok(Waited::Cancelled)
    }

    /// Notifications from this position on are not to be seen yet.
    fn horizon(&self) -> Position {
        self.recorded.front().map_or(Position(u32::MAX), |next| next.position)
    }

    /// The operation at `index`, if this attempt has made it and it can complete.
    fn handle(&self, index: EntryIndex) -> Option<&Handle> {
        if self.made <= index.0 {
            return None;
        }
        self.handles.get(index.0 as usize).filter(|handle| handle.is_awaited)
    }

    /// The handle that completed first.
    fn first(&self, handles: &[EntryIndex]) -> Result<Option<Ready>, WaitError> {
        let horizon = self.horizon();
        let mut first: Option<Ready> = None;
        for &index in handles {
            let handle = self.handle(index).ok_or(WaitError::UnknownHandle(index))?;
            let Some(Arrival { position, at }) = handle.completed else { continue };
            if position < horizon && first.as_ref().is_none_or(|first| position < first.position) {
                first = Some(Ready { index, position, at });
            }
        }
        Ok(first)
    }

    /// The handle that completed last, if all have completed.
    fn last(&self, handles: &[EntryIndex]) -> Result<Option<Ready>, WaitError> {
        let horizon = self.horizon();
        let mut last = Ready { index: EntryIndex::ZERO, position: Position::ZERO, at: Timestamp(0) };
        let mut all = true;
        for &index in handles {
            let handle = self.handle(index).ok_or(WaitError::UnknownHandle(index))?;
            match handle.completed {
                Some(Arrival { position, at }) if position < horizon => {
                    last.at = last.at.max(at);
                    if last.position < position {
                        last = Ready { index, position, at: last.at };
                    }
                }
                _ => all = false,
            }
        }
        Ok(all.then_some(last))
    }
}
