//! Attempts of handlers and effects, one at a time: each runs until it is blocked or over before anything else does.
//! So the order of records follows from the scenario alone.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;
use relight_core::{
    Deployment, DurationMs, EntryIndex, FencingToken, Headers, InvocationId, JournalItem, Lsn, Operation,
    Position, Timestamp,
    command::{Command, Then, Wait, WaitMode},
    journal::Entry,
    runner::{
        Attempt, AttemptStart, EffectStart, Host, InvocationInfo, Runner as _, Slot, StateView, Work as Kind,
    },
    tables::{Effect, Invocation, Key, Prefix, ReadTables as _, ReadTablesExt as _, Row, TablesError},
};

use crate::{
    limits::SLOT_PATIENCE,
    outside::EffectEnd,
    world::{Work, World, WorldError},
};

/// A live instance of a handler.
pub(crate) struct Instance {
    pub attempt: Lsn,
    /// Items of the journal that it was started with.
    pub loaded: Position,
    pub handle: Box<dyn Attempt>,
    /// What it waits for, and since when; `None` while it runs.
    blocked: Option<(Wait, Timestamp)>,
}

impl Instance {
    /// When it gives its instance up, if it waits.
    pub fn suspends_at(&self, linger: DurationMs) -> Option<Timestamp> {
        self.blocked.as_ref().map(|(_, since)| since.after(linger))
    }
}

impl World {
    pub(crate) fn run(&mut self, work: Work) -> Result<(), WorldError> {
        let Work { attempt, id, effect } = work;
        match effect {
            Some(index) => self.run_effect(id, index, attempt),
            None => {
                match self.running.get_mut(&id).filter(|instance| instance.attempt == attempt) {
                    Some(instance) => instance.blocked = None,
                    None => {
                        let row = self.tables.invocation(id)?.filter(|row| row.attempt() == Some(attempt));
                        // Over by now.
                        let Some(row) = row else { return Ok(()) };
                        self.start(*row, attempt)?;
                    }
                }
                self.drive(id, attempt)
            }
        }
    }

    /// Something has come for a waiting instance: it goes on if it waits for nothing else.
    pub(crate) fn wake(&mut self, id: InvocationId) -> Result<(), WorldError> {
        if let Some(Instance { blocked: Some((wait, _)), attempt, .. }) = self.running.get(&id)
            && self.is_answered(id, wait)?
        {
            self.work.insert(Work { attempt: *attempt, id, effect: None });
        }
        Ok(())
    }

    /// A waiting instance gives itself up.
    pub(crate) fn suspend(&mut self, id: InvocationId) -> Result<(), WorldError> {
        let Some(Instance { blocked: Some((wait, _)), attempt, .. }) = self.running.get(&id) else {
            return Ok(());
        };
        let token = FencingToken { epoch: self.epoch, attempt: *attempt };
        let wait = wait.clone();
        self.extra_record(Command::Suspend { id, token, wait })
    }

    fn start(&mut self, row: Invocation, attempt: Lsn) -> Result<(), WorldError> {
        let id = row.id;
        let journal = self.tables.journal(id)?;
        let start = AttemptStart {
            id,
            incarnation: row.incarnation,
            token: FencingToken { epoch: self.epoch, attempt },
            deployment: self.pinned(&row)?,
            state: self.state(&row)?,
            target: row.target,
            mode: row.mode,
            idempotency_key: row.idempotency_key,
            invoked_by: row.invoked_by,
            created_at: row.created_at,
            started_at: row
                .started_at
                .ok_or_else(|| WorldError::Broken(format!("{id} runs and has never started")))?,
            restarted: row.restarted,
            journal,
            provisional: None,
            inactivity_timeout: Some(DurationMs::ZERO),
            abort_timeout: row.policies.abort_timeout,
        };
        let loaded = Position(row.journal.items);
        // An older attempt is over; it goes before the new one begins.
        self.running.remove(&id);
        let slot = self.slot(Kind::Attempt)?;
        let host: Arc<dyn Host> = self.host.clone();
        let handle = self.engine.executor.start_attempt(slot, start, host);
        self.running.insert(id, Instance { attempt, loaded, handle, blocked: None });
        Ok(())
    }

    /// Takes what an attempt proposes until it is blocked or over.
    fn drive(&mut self, id: InvocationId, attempt: Lsn) -> Result<(), WorldError> {
        let own = FencingToken { epoch: self.epoch, attempt };
        while self.is_running(id, own) {
            match self.proposal() {
                Command::Append { id: of, token, first, entries, then } if (of, token) == (id, own) => {
                    self.append(id, own, first, entries, then)?;
                }
                Command::Suspend { id: of, token, wait } if (of, token) == (id, own) => {
                    // It goes on by itself when the answer is on its way to it.
                    if self.is_answered(id, &wait)? {
                        continue;
                    }
                    let since = self.now();
                    if let Some(instance) = self.running.get_mut(&id) {
                        instance.blocked = Some((wait, since));
                    }
                    return if self.linger == DurationMs::ZERO { self.suspend(id) } else { Ok(()) };
                }
                command @ (Command::AttemptFailed { id: of, token, .. }
                | Command::RunFailed { id: of, token, .. })
                    if (of, token) == (id, own) =>
                {
                    self.record(command)?;
                }
                // Of an attempt that is over.
                _ => {}
            }
        }
        Ok(())
    }

    /// Entry by entry, so that a record says the same whenever the executor's buffer was full, and so that the process
    /// can die after each.
    fn append(
        &mut self,
        id: InvocationId,
        token: FencingToken,
        first: EntryIndex,
        entries: Vec<Entry>,
        then: Then,
    ) -> Result<(), WorldError> {
        let last = entries.len().saturating_sub(1);
        for (offset, (index, entry)) in (first.0..).map(EntryIndex).zip(entries).enumerate() {
            if !self.is_running(id, token) {
                break;
            }
            let entries = vec![self.outside.entry(id, index, entry)];
            let then = if offset == last { then } else { Then::GoOn };
            self.record(Command::Append { id, token, first: index, entries, then })?;
        }
        Ok(())
    }

    fn is_running(&self, id: InvocationId, token: FencingToken) -> bool {
        self.epoch == token.epoch && self.running.get(&id).is_some_and(|it| it.attempt == token.attempt)
    }

    /// Whether a wait has its answer, or a cancellation that comes instead.
    fn is_answered(&self, id: InvocationId, wait: &Wait) -> Result<bool, WorldError> {
        let cancelled = self.tables.invocation(id)?.is_some_and(|row| row.cancel.is_some());
        let mut open = wait.handles.iter().map(|index| self.tables.has(&Key::Open(id, *index)));
        Ok(cancelled
            || match wait.mode {
                WaitMode::Any => open.any(|open| !open),
                WaitMode::All => open.all(|open| !open),
            })
    }

    fn run_effect(&mut self, id: InvocationId, index: EntryIndex, attempt: Lsn) -> Result<(), WorldError> {
        let effect = self.tables.effect(id, index)?;
        let effect = effect.filter(|effect| effect.attempt == attempt && effect.retry_at.is_none());
        let row = self.tables.invocation(id)?;
        let (Some(effect), Some(row)) = (effect, row) else { return Ok(()) };
        let number = effect.failures.saturating_add(1);
        let start = self.effect_start(&row, index, &effect, number)?;
        let asked = (id, index, number);
        if let Some((instant, end)) = self.outside.ask(asked, self.now(), &start.name, &start.input) {
            if instant <= self.now() {
                return self.end_effect(id, index, attempt, end);
            }
            self.delayed.insert((instant, id, index), (attempt, end));
            return Ok(());
        }
        let (token, slot) = (start.token, self.slot(Kind::Effect)?);
        let host: Arc<dyn Host> = self.host.clone();
        let running = self.engine.executor.start_effect(slot, start, host);
        let end = loop {
            match self.proposal() {
                Command::EffectCompleted { token: of, outcome, .. } if of == token => break Ok(outcome),
                Command::EffectFailed { token: of, error, .. } if of == token => break Err(error),
                _ => {}
            }
        };
        drop(running);
        self.outside.ended(asked, self.now(), end.clone());
        self.end_effect(id, index, attempt, end)
    }

    pub(crate) fn end_effect(
        &mut self,
        id: InvocationId,
        index: EntryIndex,
        attempt: Lsn,
        end: EffectEnd,
    ) -> Result<(), WorldError> {
        let Some(effect) = self.tables.effect(id, index)?.filter(|effect| effect.attempt == attempt) else {
            return Ok(());
        };
        let (incarnation, token) = (effect.incarnation, FencingToken { epoch: self.epoch, attempt });
        self.record(match end {
            Ok(outcome) => Command::EffectCompleted { id, incarnation, index, token, outcome },
            Err(error) => Command::EffectFailed { id, incarnation, index, token, error },
        })
    }

    fn effect_start(
        &self,
        row: &Invocation,
        index: EntryIndex,
        effect: &Effect,
        attempt_number: u32,
    ) -> Result<EffectStart, WorldError> {
        let item = self.tables.journal_item(row.id, effect.position)?;
        let Some(JournalItem::Operation(Entry {
            operation: Operation::Effect { name, input, timeout, .. },
            ..
        })) = item
        else {
            return Err(WorldError::Broken(format!("effect {index} of {} is not in its journal", row.id)));
        };
        Ok(EffectStart {
            id: row.id,
            incarnation: effect.incarnation,
            index,
            token: FencingToken { epoch: self.epoch, attempt: effect.attempt },
            attempt_number,
            invocation: InvocationInfo {
                target: row.target.clone(),
                idempotency_key: row.idempotency_key.clone(),
                invoked_by: row.invoked_by,
                headers: self.headers(row.id)?,
                created_at: row.created_at,
            },
            deployment: self.pinned(row)?,
            name,
            input,
            timeout,
        })
    }

    fn headers(&self, id: InvocationId) -> Result<Headers, WorldError> {
        match self.tables.journal_item(id, Position::ZERO)? {
            Some(JournalItem::Operation(Entry { operation: Operation::Input { headers, .. }, .. })) => {
                Ok(headers)
            }
            item => Err(WorldError::Broken(format!("the journal of {id} begins with {item:?}"))),
        }
    }

    fn pinned(&self, row: &Invocation) -> Result<Arc<Deployment>, WorldError> {
        let deployment = row.deployment.map(|id| self.tables.deployment(id)).transpose()?.flatten();
        deployment.ok_or_else(|| WorldError::Broken(format!("{} runs on no deployment", row.id)))
    }

    fn state(&self, row: &Invocation) -> Result<Arc<dyn StateView>, WorldError> {
        let mut values = BTreeMap::new();
        if let Some(object) = row.target.object() {
            for (key, row) in self.tables.scan(&Prefix::State(object), None, usize::MAX)? {
                if let (Key::State(_, name), Row::State(value)) = (key, row) {
                    values.insert(name.as_ref().to_owned(), value);
                }
            }
        }
        Ok(Arc::new(Copied(values)))
    }

    /// The next thing that any attempt or effect proposes.
    fn proposal(&mut self) -> Command {
        let Self { engine, proposals, .. } = self;
        engine.block_on(proposals.recv()).expect("the other end is in `self.host`")
    }

    /// A place for an instance. Those that were dropped give theirs back when they are looked at.
    fn slot(&mut self, kind: Kind) -> Result<Slot, WorldError> {
        let host: Arc<dyn Host> = self.host.clone();
        let begun = Instant::now();
        loop {
            if let Some(slot) = self.engine.executor.reserve(kind, &host) {
                return Ok(slot);
            }
            if SLOT_PATIENCE < begun.elapsed() {
                return Err(WorldError::Broken(format!("no place for another instance ({kind:?})")));
            }
            let lingering = self.running.iter().find(|(id, instance)| {
                let work = Work { attempt: instance.attempt, id: **id, effect: None };
                instance.blocked.is_some() && !self.work.contains(&work)
            });
            if let Some((id, _)) = lingering.filter(|_| kind == Kind::Attempt) {
                let id = *id;
                self.suspend(id)?;
            }
            self.engine.block_on(tokio::task::yield_now());
        }
    }
}

/// A copy of a key's state.
struct Copied(BTreeMap<String, Bytes>);

impl StateView for Copied {
    fn get(&self, name: &str) -> Result<Option<Bytes>, TablesError> {
        Ok(self.0.get(name).cloned())
    }

    fn keys(&self) -> Result<Vec<String>, TablesError> {
        Ok(self.0.keys().cloned().collect())
    }
}
