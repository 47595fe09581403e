//! [`Effects`]: the attempts of effects that a leader has started or is about to start.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use relight_core::ids::{EntryIndex, FencingToken, InvocationId, Lsn, Position};
use relight_core::journal::{Entry, JournalItem, Operation};
use relight_core::runner::{EffectStart, InvocationInfo, Slot, Work};
use relight_core::tables::{
    Effect, Invocation, Key, Prefix, ReadTables, ReadTablesExt as _, Row, Status, TablesError,
};
use relight_core::value::Headers;

use crate::attempts::{Left, StartContext, pinned};
use crate::limits::{SCAN_ROWS, STARTS_PER_TURN_MAX};
use crate::state_view::LeaderTables;

type EffectId = (InvocationId, EntryIndex);

pub struct Effects {
    ready: VecDeque<(EffectId, Lsn)>,
    ready_max: usize,
    /// More were ready than are kept here; the tables know them.
    overflow: bool,
    /// The runner had no slot, and will tell when it has one.
    at_capacity: bool,
    running: HashMap<EffectId, Running>,
    pub started: u64,
}

struct Running {
    attempt: Lsn,
    /// Dropping it aborts the effect.
    _handle: Box<dyn Send>,
}

impl Effects {
    /// `ready_max`: how many wait in memory.
    pub fn new(ready_max: usize) -> Self {
        Self {
            ready: VecDeque::new(),
            ready_max,
            overflow: false,
            at_capacity: false,
            running: HashMap::new(),
            started: 0,
        }
    }

    pub fn push(&mut self, id: InvocationId, index: EntryIndex, attempt: Lsn) {
        if self.ready.len() < self.ready_max {
            self.ready.push_back(((id, index), attempt));
        } else {
            self.overflow = true;
        }
    }

    /// Starts effects, oldest first, as long as the runner has slots.
    pub fn start_ready(
        &mut self,
        context: &StartContext<'_, impl LeaderTables>,
    ) -> Result<Left, TablesError> {
        let mut started = 0;
        while !self.at_capacity {
            if self.ready.is_empty() {
                if !self.overflow {
                    break;
                }
                self.refill(context)?;
            }
            if started == STARTS_PER_TURN_MAX {
                return Ok(Left::More);
            }
            let Some((effect_id, attempt)) = self.ready.pop_front() else {
                break;
            };
            started += 1;
            let Some((invocation, effect)) = self.current(context.tables, effect_id, attempt)? else {
                continue;
            };
            let Some(slot) = context.runner.reserve(Work::Effect, context.host) else {
                self.ready.push_front((effect_id, attempt));
                self.at_capacity = true;
                break;
            };
            self.start(context, slot, &invocation, effect_id.1, &effect)?;
        }
        Ok(Left::Nothing)
    }

    pub fn capacity(&mut self) {
        self.at_capacity = false;
    }

    /// Drops the effect, whichever attempt of it runs.
    pub fn abort(&mut self, id: InvocationId, index: EntryIndex) {
        self.running.remove(&(id, index));
    }

    /// An attempt has proposed how it ended, so it is over.
    pub fn ended(&mut self, id: InvocationId, index: EntryIndex, attempt: Lsn) {
        if self.running.get(&(id, index)).is_some_and(|running| running.attempt == attempt) {
            self.running.remove(&(id, index));
        }
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }

    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The effect and its invocation, if `attempt` is to run and does not yet.
    fn current(
        &self,
        tables: &impl ReadTables,
        (id, index): EffectId,
        attempt: Lsn,
    ) -> Result<Option<(Box<Invocation>, Effect)>, TablesError> {
        if self.running.get(&(id, index)).is_some_and(|running| running.attempt == attempt) {
            return Ok(None);
        }
        let effect = tables.effect(id, index)?;
        let effect = effect.filter(|effect| effect.attempt == attempt && effect.retry_at.is_none());
        let Some(effect) = effect else {
            return Ok(None);
        };
        let invocation = tables.invocation(id)?;
        Ok(invocation
            .filter(|invocation| {
                // While it is paused its effects get no new attempts; a resume starts them.
                let paused = matches!(invocation.status, Status::Paused { .. });
                invocation.incarnation == effect.incarnation && !paused
            })
            .map(|row| (row, effect)))
    }

    fn start(
        &mut self,
        context: &StartContext<'_, impl LeaderTables>,
        slot: Slot,
        invocation: &Invocation,
        index: EntryIndex,
        effect: &Effect,
    ) -> Result<(), TablesError> {
        let id = invocation.id;
        let item = context.tables.journal_item(id, effect.position)?;
        let Some(JournalItem::Operation(Entry {
            operation: Operation::Effect { name, input, timeout, .. },
            ..
        })) = item
        else {
            return Err(TablesError::Damaged {
                key: Box::new(Key::Journal(id, effect.position)),
                reason: format!("is not the operation of an effect: {item:?}"),
            });
        };
        let start = EffectStart {
            id,
            incarnation: effect.incarnation,
            index,
            token: FencingToken { epoch: context.epoch, attempt: effect.attempt },
            attempt_number: effect.failures.saturating_add(1),
            invocation: InvocationInfo {
                target: invocation.target.clone(),
                idempotency_key: invocation.idempotency_key.clone(),
                invoked_by: invocation.invoked_by,
                headers: headers(context.tables, id)?,
                created_at: invocation.created_at,
            },
            deployment: pinned(context.tables, invocation)?,
            name,
            input,
            timeout,
        };
        self.running.remove(&(id, index));
        let handle = context.runner.start_effect(slot, start, Arc::clone(context.host));
        self.running.insert((id, index), Running { attempt: effect.attempt, _handle: handle });
        self.started += 1;
        Ok(())
    }

    /// Reads from the tables what did not fit into the queue.
    fn refill(&mut self, context: &StartContext<'_, impl LeaderTables>) -> Result<(), TablesError> {
        let tables = context.tables;
        self.overflow = false;
        let mut after = None;
        loop {
            let rows = tables.scan(&Prefix::Effect(None), after.as_ref(), SCAN_ROWS)?;
            let last = rows.len() < SCAN_ROWS;
            after = rows.last().map(|(key, _)| key.clone());
            for (key, row) in rows {
                if let (Key::Effect(id, index), Row::Effect(effect)) = (key, row)
                    && effect.retry_at.is_none()
                    // Others come by an action once they are.
                    && effect.attempt <= context.reach.durable
                    && !paused(tables, id)?
                    && self.running.get(&(id, index)).is_none_or(|running| running.attempt != effect.attempt)
                {
                    self.push(id, index, effect.attempt);
                }
            }
            if last || self.overflow {
                return Ok(());
            }
        }
    }
}

fn paused(tables: &impl ReadTables, id: InvocationId) -> Result<bool, TablesError> {
    Ok(tables.invocation(id)?.is_some_and(|invocation| matches!(invocation.status, Status::Paused { .. })))
}

/// Headers of an invocation's input.
fn headers(tables: &impl ReadTables, id: InvocationId) -> Result<Headers, TablesError> {
    match tables.journal_item(id, Position::ZERO)? {
        Some(JournalItem::Operation(Entry { operation: Operation::Input { headers, .. }, .. })) => {
            Ok(headers)
        }
        item => Err(TablesError::Damaged {
            key: Box::new(Key::Journal(id, Position::ZERO)),
            reason: format!("is not the input: {item:?}"),
        }),
    }
}
