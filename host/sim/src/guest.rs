//! [`Instance`]: one attempt of a handler over the real replay cursor. A program is a function of its journal alone, so
//! a new instance comes to where the old one was.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use relight_core::command::{Command, Wait, WaitMode};
use relight_core::journal::{Call, Operation};
use relight_core::placement::{callee_id, idempotent_id};
use relight_core::replay::{Replay, Waited};
use relight_core::runner::AttemptEvent;
use relight_core::value::Due;
use relight_core::{
    AwakeableId, DurationMs, EntryIndex, Failure, FencingToken, Incarnation, InvocationId, Outcome, Position,
    Target, Timestamp, Value,
};

use crate::oracle::Violation;
use crate::program::{Input, PLAIN, ProgramId, Programs, Step, effect_retry};
use crate::rng::Rng;

/// What every program returns.
pub const RESULT: &[u8] = b"ok";

#[derive(Debug)]
pub struct Instance {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub token: FencingToken,
    /// Items of the journal that it was started with.
    pub loaded: Position,
    /// What happened and was not looked at yet.
    pub events: VecDeque<AttemptEvent>,
    pub progress: Progress,
    state: BTreeMap<String, Bytes>,
    replay: Replay,
    body: Input,
    pc: usize,
    /// Within a step of several operations, and of the handlers that are not programs.
    sub: u8,
    pending: Vec<EntryIndex>,
    cancelled: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    Running,
    Blocked(Wait),
    Finished,
}

enum Turn {
    Next,
    Blocked(WaitMode, Vec<EntryIndex>),
    Return(Outcome),
}

/// What a slice of running needs to know.
pub struct Surroundings<'a> {
    pub programs: &'a Programs,
    pub clock: Timestamp,
}

impl Instance {
    pub fn new(
        id: InvocationId,
        incarnation: Incarnation,
        token: FencingToken,
        state: BTreeMap<String, Bytes>,
        loaded: Position,
        replay: Replay,
    ) -> Self {
        let text = std::str::from_utf8(replay.input().1).expect("inputs are text");
        let body = Input::parse(text);
        Self {
            id,
            incarnation,
            token,
            loaded,
            events: VecDeque::new(),
            progress: Progress::Running,
            state,
            replay,
            body,
            pc: 0,
            sub: 0,
            pending: Vec::new(),
            cancelled: false,
        }
    }

    /// Takes the next `count` events.
    pub fn take_events(&mut self, count: usize) -> Result<(), Violation> {
        for _ in 0..count {
            let Some(event) = self.events.pop_front() else { break };
            match event {
                AttemptEvent::Accepted { operations } => self.replay.accepted(operations),
                AttemptEvent::Notification { position, notification } => {
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

    /// Runs at most `steps` steps, until it waits or has returned.
    pub fn run(&mut self, around: &Surroundings<'_>, steps: u64) -> Result<(), Violation> {
        for _ in 0..steps {
            if self.progress != Progress::Running {
                break;
            }
            match self.turn(around)? {
                Turn::Next => {}
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
        self.replay.take_batch().map(|(first, entries)| Command::Append {
            id,
            token,
            first,
            entries,
            then: relight_core::command::Then::GoOn,
        })
    }

    fn wrong(&self, error: &dyn std::fmt::Display) -> Violation {
        Violation(format!("{} ({:?}) cannot go on: {error}", self.id, self.body))
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
        }
    }

    /// Reads, waits, and then does something that depends on what it read.
    fn peek(&mut self, around: &Surroundings<'_>) -> Result<Turn, Violation> {
        let seen = self.counter(around)?;
        match self.sub {
            0 => {
                let timer = Operation::Timer { due: Due::After(DurationMs(seen % 40)), name: None };
                let index = self.make(around, timer)?;
                self.pending.push(index);
            }
            2 => {
                let target = plain("echo");
                let call = self.call(target, &Input::Echo(seen.to_string()));
                let index = self.make(around, Operation::Call(call))?;
                self.pending.push(index);
            }
            4 => return Ok(Turn::Return(Ok(seen.to_string().into()))),
            _ => {
                if let Some(blocked) = self.wait(around, false, WaitMode::All)? {
                    return Ok(blocked);
                }
            }
        }
        self.sub += 1;
        Ok(Turn::Next)
    }

    fn step(&mut self, around: &Surroundings<'_>, id: ProgramId) -> Result<Turn, Violation> {
        let program = around.programs.get(id);
        let (scratch, step) = (program.scratch, program.steps.get(self.pc).cloned());
        if self.cancelled {
            return self.compensate(around);
        }
        let Some(step) = step else {
            if let Some(blocked) = self.wait(around, scratch, WaitMode::All)? {
                return Ok(blocked);
            }
            return Ok(if self.cancelled {
                Turn::Next
            } else {
                Turn::Return(Ok(Bytes::from_static(RESULT)))
            });
        };
        match step {
            Step::Add(n) => {
                let sum = self.counter(around)? + n;
                let (key, value) = ("n".to_owned(), sum.to_string().into());
                self.make(around, Operation::SetState { key, value })?;
            }
            Step::Touch => self.touch(around)?,
            Step::WaitAny => return self.wait_step(around, scratch, WaitMode::Any),
            Step::WaitAll => return self.wait_step(around, scratch, WaitMode::All),
            Step::Send(callee, delay) => {
                let call = self.call(around.programs.get(callee).target.clone(), &Input::Program(callee));
                self.make(around, Operation::Send { call, due: delay.map_or(Due::Now, Due::After) })?;
            }
            Step::Awakeable(delay) => {
                let index = self.make(around, Operation::Awakeable)?;
                self.pending.push(index);
                let awakeable = AwakeableId { invocation: self.id, incarnation: self.incarnation, index };
                let call = self.call(plain("resolve"), &Input::Resolve(awakeable));
                self.make(around, Operation::Send { call, due: delay.map_or(Due::Now, Due::After) })?;
            }
            Step::Call(callee) => {
                let call = self.call(around.programs.get(callee).target.clone(), &Input::Program(callee));
                self.pend(around, Operation::Call(call))?;
            }
            Step::CallTwice(callee) => {
                let target = around.programs.get(callee).target.clone();
                let mut call = self.call(target, &Input::Program(callee));
                let key = format!("{}-{}", self.id, self.pc);
                call.callee = idempotent_id(&call.target, &key);
                call.idempotency_key = Some(key);
                self.pend(around, Operation::Call(call.clone()))?;
                self.pend(around, Operation::Call(call))?;
            }
            Step::Peek(target) => {
                let call = self.call(target, &Input::Peek);
                self.pend(around, Operation::Call(call))?;
            }
            Step::Effect => {
                let retry = effect_retry(scratch, self.pc.is_multiple_of(2));
                let (name, input, timeout) = ("bump".to_owned(), Bytes::new(), DurationMs::seconds(60));
                self.pend(around, Operation::Effect { name, input, retry, timeout })?;
            }
            Step::Timer(after) => {
                self.pend(around, Operation::Timer { due: Due::After(after), name: None })?
            }
        }
        self.pc += 1;
        Ok(Turn::Next)
    }

    fn wait_step(
        &mut self,
        around: &Surroundings<'_>,
        scratch: bool,
        mode: WaitMode,
    ) -> Result<Turn, Violation> {
        if let Some(blocked) = self.wait(around, scratch, mode)? {
            return Ok(blocked);
        }
        self.pc += 1;
        Ok(Turn::Next)
    }

    /// Writes other state of the own key, and reads it back in part.
    fn touch(&mut self, around: &Surroundings<'_>) -> Result<(), Violation> {
        let keys =
            self.replay.state_keys(around.clock, || Ok::<_, Violation>(self.state.keys().cloned().collect()));
        let keys = keys.map_err(|error| self.wrong(&error))?;
        let (key, value) = ("m".to_owned(), keys.len().to_string().into());
        if keys.contains(&key) {
            self.make(around, Operation::ClearState { key })?;
        } else {
            self.make(around, Operation::SetState { key, value })?;
        }
        Ok(())
    }

    fn counter(&mut self, around: &Surroundings<'_>) -> Result<u64, Violation> {
        let state = &self.state;
        let value = self.replay.get_state(around.clock, "n", || Ok::<_, Violation>(state.get("n").cloned()));
        let value = value.map_err(|error| self.wrong(&error))?;
        Ok(value.map_or(0, |value| {
            let text = std::str::from_utf8(&value).expect("counters are text");
            text.parse().expect("counters are numbers")
        }))
    }

    /// Waits for what is pending. `None`: it is there, or a cancellation is.
    fn wait(
        &mut self,
        around: &Surroundings<'_>,
        scratch: bool,
        mode: WaitMode,
    ) -> Result<Option<Turn>, Violation> {
        let _ = around;
        if self.pending.is_empty() {
            return Ok(None);
        }
        let waited = self.replay.wait(mode, &self.pending).map_err(|error| self.wrong(&error))?;
        match waited {
            Waited::Blocked => return Ok(Some(Turn::Blocked(mode, self.pending.clone()))),
            Waited::Cancelled if scratch || matches!(self.body, Input::Peek) => self.cancelled = true,
            Waited::Cancelled => return Err(self.wrong(&"it is cancelled, and nobody asked for that")),
            Waited::Ready(index) => {
                let ready = match mode {
                    WaitMode::Any => vec![index],
                    WaitMode::All => std::mem::take(&mut self.pending),
                };
                self.pending.retain(|pending| !ready.contains(pending));
                for index in ready {
                    match self.replay.value(index) {
                        Some(Value::Failure(failure)) if !scratch && !matches!(self.body, Input::Peek) => {
                            return Err(self.wrong(&format!("handle {index} failed: {failure}")));
                        }
                        Some(_) => {}
                        None => return Err(self.wrong(&format!("handle {index} is ready without a value"))),
                    }
                }
            }
        }
        Ok(None)
    }

    /// After a cancellation: one more wait, which works as ever, and then a failure.
    fn compensate(&mut self, around: &Surroundings<'_>) -> Result<Turn, Violation> {
        if self.sub == 0 {
            self.sub = 1;
            self.pending.clear();
            self.pend(around, Operation::Timer { due: Due::After(DurationMs(5)), name: None })?;
        }
        if let Some(blocked) = self.wait(around, true, WaitMode::All)? {
            return Ok(blocked);
        }
        // Cancelled again: the wait above is asked once more.
        Ok(if self.pending.is_empty() { Turn::Return(Err(Failure::cancelled())) } else { Turn::Next })
    }

    fn pend(&mut self, around: &Surroundings<'_>, operation: Operation) -> Result<(), Violation> {
        let index = self.make(around, operation)?;
        self.pending.push(index);
        Ok(())
    }

    fn make(&mut self, around: &Surroundings<'_>, operation: Operation) -> Result<EntryIndex, Violation> {
        let made = self.replay.make(around.clock, operation).map_err(|error| self.wrong(&error))?;
        Ok(made.index)
    }

    fn call(&self, target: Target, input: &Input) -> Call {
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

fn plain(handler: &str) -> Target {
    Target { service: PLAIN.into(), key: None, handler: handler.into() }
}
