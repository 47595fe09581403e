//! [`Instance`]: one attempt of a handler over the real replay cursor. What it does is a function of its journal alone, so
//! a new instance comes to where the old one was. The steps of programs are in `steps.rs`, the handlers that they call in
//! `handlers.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use relight_core::command::{Command, EffectError, Then, Wait, WaitMode};
use relight_core::journal::{Call, Operation};
use relight_core::placement::callee_id;
use relight_core::replay::{Replay, Waited};
use relight_core::retry::RetryPolicy;
use relight_core::runner::{AttemptEvent, AttemptStart, Slot};
use relight_core::{
    EntryIndex, FencingToken, Incarnation, InvocationId, Lsn, Outcome, Target, Timestamp, Value,
};

use crate::oracle::Violation;
use crate::program::{GATE, Input, PLAIN, ProgramId, Programs, Step, WILD};
use crate::rng::Rng;

/// What every program returns.
pub const RESULT: &[u8] = b"ok";

#[derive(Debug)]
pub struct Instance {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub token: FencingToken,
    /// What happened and was not looked at yet.
    pub events: VecDeque<AttemptEvent>,
    pub progress: Progress,
    /// The inline run whose work was done, if that was not looked at yet.
    pub worked: Option<EntryIndex>,
    /// Dropped by its leader: it may still propose, but no work begins.
    pub dropped: bool,
    /// Given back when the instance is dropped.
    pub slot: Option<Slot>,
    /// The last record that anything here comes from and that was not durable when it was heard of.
    pub seen: Lsn,
    /// A planted bug: works before what it follows from is durable.
    pub hasty: bool,
    pub(crate) run_end: Option<RunEnd>,
    pub(crate) target: Target,
    pub(crate) state: BTreeMap<String, Bytes>,
    pub(crate) replay: Replay,
    pub(crate) body: Input,
    pub(crate) pc: usize,
    /// Within a step of several operations, and of the handlers that are not programs.
    pub(crate) sub: u8,
    /// Handles that the program has not waited for.
    pub(crate) pending: Vec<EntryIndex>,
    /// Handles of the current step.
    pub(crate) own: Vec<EntryIndex>,
    /// Handles that fail when what they ask for is forgotten.
    pub(crate) forgettable: BTreeSet<EntryIndex>,
    /// Handles that fail because their callee is cancelled.
    pub(crate) doomed: BTreeSet<EntryIndex>,
    pub(crate) cancelled: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    Running,
    /// Everything made so far must be accepted before it goes on.
    Accepting,
    Blocked(Wait),
    Finished,
}

/// How an inline run has ended, and with it the attempt.
#[derive(Clone, Debug)]
pub(crate) enum RunEnd {
    Done,
    Failed { name: String, retry: RetryPolicy },
}

pub(crate) enum Turn {
    Next,
    Accept,
    Blocked(WaitMode, Vec<EntryIndex>),
    /// The attempt is over without a result.
    End,
    Return(Outcome),
}

/// What a slice of running needs to know.
pub struct Surroundings<'a> {
    pub programs: &'a Programs,
    pub clock: Timestamp,
    /// Whether work fails.
    pub fails: bool,
}

impl Instance {
    pub fn new(mut start: AttemptStart, slot: Slot, hasty: bool) -> Result<Self, Violation> {
        let seen = start.provisional.unwrap_or(Lsn::ZERO);
        if hasty {
            start.provisional = None;
        }
        let replay = start.replay();
        let AttemptStart { id, incarnation, token, target, state, .. } = start;
        let replay = replay.map_err(|error| Violation(format!("journal of {id}: {error}")))?;
        let text = std::str::from_utf8(replay.input().1).expect("inputs are text");
        let body = Input::parse(text);
        let mut values = BTreeMap::new();
        for key in state.keys()? {
            values.extend(state.get(&key)?.map(|value| (key, value)));
        }
        Ok(Self {
            id,
            incarnation,
            token,
            events: VecDeque::new(),
            progress: Progress::Running,
            worked: None,
            dropped: false,
            slot: Some(slot),
            seen,
            hasty,
            run_end: None,
            target,
            state: values,
            replay,
            body,
            pc: 0,
            sub: 0,
            pending: Vec::new(),
            own: Vec::new(),
            forgettable: BTreeSet::new(),
            doomed: BTreeSet::new(),
            cancelled: false,
        })
    }

    /// Takes the next `count` events.
    pub fn take_events(&mut self, count: usize) -> Result<(), Violation> {
        for _ in 0..count {
            let Some(event) = self.events.pop_front() else { break };
            match event {
                AttemptEvent::Accepted { operations, provisional } => {
                    self.provisional(provisional);
                    self.replay.accepted(operations);
                    if self.progress == Progress::Accepting {
                        self.progress = Progress::Running;
                    }
                }
                AttemptEvent::Durable { upto } => {
                    self.replay.durable(upto);
                    if self.progress == Progress::Accepting {
                        self.progress = Progress::Running;
                    }
                }
                AttemptEvent::Notification { position, notification, provisional } => {
                    self.provisional(provisional);
                    let taken = self.replay.notify(position, notification);
                    taken.map_err(|error| Violation(format!("{} is notified wrongly: {error}", self.id)))?;
                    if let Progress::Blocked(_) = self.progress {
                        self.progress = Progress::Running;
                    }
                }
            }
        }
        Ok(())
    }

    fn provisional(&mut self, lsn: Option<Lsn>) {
        let Some(lsn) = lsn else { return };
        self.seen = self.seen.max(lsn);
        if !self.hasty {
            self.replay.provisional(lsn);
        }
    }

    /// Runs at most `steps` steps, until it waits or has returned.
    pub fn run(&mut self, around: &Surroundings<'_>, steps: u64) -> Result<(), Violation> {
        for _ in 0..steps {
            if self.progress != Progress::Running {
                break;
            }
            match self.turn(around)? {
                Turn::Next => {}
                Turn::Accept => self.progress = Progress::Accepting,
                Turn::End => self.progress = Progress::Finished,
                Turn::Blocked(mode, handles) => {
                    let operations = self.replay.operations();
                    self.progress = Progress::Blocked(Wait { operations, mode, handles });
                }
                Turn::Return(outcome) => {
                    let finished = self.replay.finish(around.clock, outcome);
                    finished.map_err(|error| self.wrong(&error))?;
                    self.progress = Progress::Finished;
                }
            }
        }
        Ok(())
    }

    /// Operations that were made and not proposed.
    pub fn flush(&mut self) -> Option<Command> {
        let (id, token) = (self.id, self.token);
        let then = if matches!(self.run_end, Some(RunEnd::Done)) { Then::StartOver } else { Then::GoOn };
        let batch = self.replay.take_batch();
        batch.map(|(first, entries)| Command::Append { id, token, first, entries, then })
    }

    /// Everything that the attempt has made, and that it waits or that its run has failed.
    pub fn propose(&mut self) -> Vec<Command> {
        let mut commands: Vec<Command> = self.flush().into_iter().collect();
        let (id, token) = (self.id, self.token);
        if let Progress::Blocked(wait) = &self.progress {
            commands.push(Command::Suspend { id, token, wait: wait.clone() });
        }
        if let Some(RunEnd::Failed { name, retry }) = self.run_end.take() {
            let operations = self.replay.operations();
            let error = EffectError { message: "the work failed".to_owned(), retry_after: None };
            commands.push(Command::RunFailed { id, token, operations, name, error, retry });
        }
        commands
    }

    pub(crate) fn wrong(&self, error: &dyn std::fmt::Display) -> Violation {
        Violation(format!("{} ({:?}) cannot go on: {error}", self.id, self.body))
    }

    /// Whether somebody may cancel it, and what it asked for may fail.
    fn is_lenient(&self, around: &Surroundings<'_>) -> bool {
        match self.body {
            Input::Program(id) => around.programs.get(id).scratch,
            Input::Peek => true,
            _ => &*self.target.service == WILD,
        }
    }

    fn turn(&mut self, around: &Surroundings<'_>) -> Result<Turn, Violation> {
        match self.body.clone() {
            Input::Program(id) => self.step(around, id),
            Input::Resolve(id) => {
                let outcome = Ok(Bytes::from_static(RESULT));
                self.make(around, Operation::ResolveAwakeable { id, outcome })?;
                Ok(Turn::Return(Ok(Bytes::from_static(RESULT))))
            }
            Input::Echo(text) => Ok(Turn::Return(Ok(text.into()))),
            Input::Peek => self.peek(around),
            Input::Signal { to, name, count } => self.send_signals(around, to, &name, count),
            Input::Doomed(before, after) => self.be_cancelled(around, before, after),
            Input::Flow(program) => self.run_flow(around, program),
            Input::Open(text) => self.open_gate(around, text),
            Input::Await(name) => self.await_promise(around, Operation::Promise { name }),
            Input::Look => {
                let name = GATE.to_owned();
                self.await_promise(around, Operation::PromisePeek { name })
            }
        }
    }

    fn step(&mut self, around: &Surroundings<'_>, id: ProgramId) -> Result<Turn, Violation> {
        let program = around.programs.get(id);
        let (scratch, step) = (program.scratch, program.steps.get(self.pc).cloned());
        if self.cancelled {
            return self.compensate(around);
        }
        let Some(step) = step else {
            if let Some(blocked) = self.wait_pending(around, WaitMode::All)? {
                return Ok(blocked);
            }
            return Ok(if self.cancelled {
                Turn::Next
            } else {
                Turn::Return(Ok(Bytes::from_static(RESULT)))
            });
        };
        let stays = match step {
            Step::WaitAny => self.wait_pending(around, WaitMode::Any)?,
            Step::WaitAll => self.wait_pending(around, WaitMode::All)?,
            Step::Run => self.run_inline(around, scratch)?,
            Step::Flow(callee) => self.flow_step(around, callee)?,
            Step::Signals { count, late } => self.signals_step(around, count, late)?,
            step => {
                self.start_step(around, scratch, step)?;
                None
            }
        };
        if stays.is_none() {
            self.pc += 1;
        }
        Ok(stays.unwrap_or(Turn::Next))
    }

    pub(crate) fn counter(&mut self, around: &Surroundings<'_>) -> Result<u64, Violation> {
        let state = &self.state;
        let value = self.replay.get_state(around.clock, "n", || Ok::<_, Violation>(state.get("n").cloned()));
        let value = value.map_err(|error| self.wrong(&error))?;
        Ok(value.map_or(0, |value| {
            let text = std::str::from_utf8(&value).expect("counters are text");
            text.parse().expect("counters are numbers")
        }))
    }

    /// Waits for what is pending. `None`: it is there, or a cancellation is.
    pub(crate) fn wait_pending(
        &mut self,
        around: &Surroundings<'_>,
        mode: WaitMode,
    ) -> Result<Option<Turn>, Violation> {
        let handles = self.pending.clone();
        let (blocked, ready) = self.wait(around, mode, &handles)?;
        self.pending.retain(|pending| !ready.contains(pending));
        let is_lenient = self.is_lenient(around);
        for index in ready {
            let value = self.replay.value(index);
            let is_right = match value {
                _ if is_lenient => value.is_some(),
                Some(Value::Failure(failure)) if self.doomed.contains(&index) => failure.code == 409,
                Some(_) if self.doomed.contains(&index) => false,
                Some(Value::Failure(failure)) => self.forgettable.contains(&index) && failure.code == 404,
                Some(Value::Success(value)) if self.forgettable.contains(&index) => value == RESULT,
                Some(_) => true,
                None => false,
            };
            if !is_right {
                return Err(self.wrong(&format!("handle {index} gave {value:?}")));
            }
        }
        Ok(blocked)
    }

    /// Waits for all handles of the current step. `None`: they are there, or a cancellation is.
    pub(crate) fn wait_own(&mut self, around: &Surroundings<'_>) -> Result<Option<Turn>, Violation> {
        let handles = self.own.clone();
        Ok(self.wait(around, WaitMode::All, &handles)?.0)
    }

    /// What the handles of the current step gave.
    pub(crate) fn take_own_texts(&mut self) -> Result<Vec<String>, Violation> {
        let handles = std::mem::take(&mut self.own);
        let text = |index: EntryIndex| match self.replay.value(index) {
            Some(Value::Success(value)) => Ok(String::from_utf8_lossy(value).into_owned()),
            other => Err(self.wrong(&format!("handle {index} gave {other:?}"))),
        };
        handles.into_iter().map(text).collect()
    }

    fn wait(
        &mut self,
        around: &Surroundings<'_>,
        mode: WaitMode,
        handles: &[EntryIndex],
    ) -> Result<(Option<Turn>, Vec<EntryIndex>), Violation> {
        if handles.is_empty() {
            return Ok((None, Vec::new()));
        }
        match self.replay.wait(mode, handles).map_err(|error| self.wrong(&error))? {
            Waited::Blocked => Ok((Some(Turn::Blocked(mode, handles.to_vec())), Vec::new())),
            Waited::Cancelled if self.is_lenient(around) => {
                self.cancelled = true;
                Ok((None, Vec::new()))
            }
            Waited::Cancelled => Err(self.wrong(&"it is cancelled, and nobody asked for that")),
            Waited::Ready(index) if mode == WaitMode::Any => Ok((None, vec![index])),
            Waited::Ready(_) => Ok((None, handles.to_vec())),
        }
    }

    pub(crate) fn pend(
        &mut self,
        around: &Surroundings<'_>,
        operation: Operation,
    ) -> Result<EntryIndex, Violation> {
        let index = self.make(around, operation)?;
        self.pending.push(index);
        Ok(index)
    }

    pub(crate) fn make(
        &mut self,
        around: &Surroundings<'_>,
        operation: Operation,
    ) -> Result<EntryIndex, Violation> {
        let made = self.replay.make(around.clock, operation).map_err(|error| self.wrong(&error))?;
        Ok(made.index)
    }

    pub(crate) fn call_program(&self, around: &Surroundings<'_>, callee: ProgramId) -> Call {
        self.call(around.programs.get(callee).target.clone(), &Input::Program(callee))
    }

    pub(crate) fn call(&self, target: Target, input: &Input) -> Call {
        let index = EntryIndex(self.replay.operations());
        let callee = callee_id(self.id, self.incarnation, index, &target, None);
        let input = input.text().into();
        Call { target, callee, input, headers: Vec::new(), idempotency_key: None, name: None }
    }

    /// How many of the waiting events to look at now: a runner may be slow.
    pub fn some_events(&self, rng: &mut Rng) -> usize {
        rng.index(self.events.len() + 1)
    }
}

pub(crate) fn plain(handler: &str) -> Target {
    Target { service: PLAIN.into(), key: None, handler: handler.into() }
}

/// Signals go by two names, in turns.
pub(crate) fn signal_name(name: &str, n: u64) -> String {
    format!("{name}.{}", n % 2)
}
