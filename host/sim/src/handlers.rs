//! Handlers that are not programs: what programs and doors call.

use bytes::Bytes;
use relight_core::command::WaitMode;
use relight_core::journal::Operation;
use relight_core::replay::Waited;
use relight_core::value::Due;
use relight_core::{DurationMs, Failure, InvocationId, Value};

use crate::guest::{Instance, RESULT, Surroundings, Turn, plain, signal_name};
use crate::oracle::Violation;
use crate::program::{ARRIVAL, GATE, Input, ProgramId};

/// Longer than any clock here goes.
const FOR_EVER: DurationMs = DurationMs::hours(100_000);

impl Instance {
    /// Reads, waits, and then does something that depends on what it read.
    pub(crate) fn peek(&mut self, around: &Surroundings<'_>) -> Result<Turn, Violation> {
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
                if let Some(blocked) = self.wait_pending(around, WaitMode::All)? {
                    return Ok(blocked);
                }
            }
        }
        self.sub += 1;
        Ok(Turn::Next)
    }

    pub(crate) fn send_signals(
        &mut self,
        around: &Surroundings<'_>,
        to: InvocationId,
        name: &str,
        count: u64,
    ) -> Result<Turn, Violation> {
        for n in 0..count {
            let (name, outcome) = (signal_name(name, n), Ok(n.to_string().into()));
            self.make(around, Operation::SendSignal { to, name, outcome })?;
        }
        Ok(Turn::Return(Ok(Bytes::from_static(RESULT))))
    }

    /// Sends, sleeps for ever, and sends again when it is cancelled.
    pub(crate) fn be_cancelled(
        &mut self,
        around: &Surroundings<'_>,
        before: ProgramId,
        after: ProgramId,
    ) -> Result<Turn, Violation> {
        if self.sub == 0 {
            let call = self.call_program(around, before);
            self.make(around, Operation::Send { call, due: Due::Now })?;
            let index = self.make(around, Operation::Timer { due: Due::After(FOR_EVER), name: None })?;
            self.own.push(index);
            self.sub = 1;
        }
        match self.replay.wait(WaitMode::Any, &self.own).map_err(|error| self.wrong(&error))? {
            Waited::Blocked => return Ok(Turn::Blocked(WaitMode::Any, self.own.clone())),
            Waited::Ready(_) => return Err(self.wrong(&"for ever is over")),
            Waited::Cancelled => {}
        }
        let call = self.call_program(around, after);
        self.make(around, Operation::Send { call, due: Due::Now })?;
        Ok(Turn::Return(Err(Failure::cancelled())))
    }

    /// The run of a workflow: it finds nothing of an earlier life, calls its program, waits at the gate, and says what
    /// has opened it.
    pub(crate) fn run_flow(
        &mut self,
        around: &Surroundings<'_>,
        program: Option<ProgramId>,
    ) -> Result<Turn, Violation> {
        if self.sub == 0 {
            let stage = self.state.get("stage").cloned();
            let stage = self.replay.get_state(around.clock, "stage", || Ok::<_, Violation>(stage));
            if let Some(stage) = stage.map_err(|error| self.wrong(&error))? {
                return Err(self.wrong(&format!("its state is {stage:?} when it begins")));
            }
            let (key, value) = ("stage".to_owned(), Bytes::from_static(b"begun"));
            self.make(around, Operation::SetState { key, value })?;
            if let Some(program) = program {
                let call = self.call_program(around, program);
                let index = self.make(around, Operation::Call(call))?;
                self.own.push(index);
            }
            let gate = self.make(around, Operation::Promise { name: GATE.to_owned() })?;
            self.own.push(gate);
            self.sub = 1;
        }
        if let Some(blocked) = self.wait_own(around)? {
            return Ok(blocked);
        }
        if self.cancelled {
            return Ok(Turn::Return(Err(Failure::cancelled())));
        }
        if self.sub == 1 {
            let opened = self.take_own_texts()?.pop().expect("the gate is the last");
            self.state.insert("opened".to_owned(), opened.clone().into());
            let (name, outcome) = (ARRIVAL.to_owned(), Ok(opened.into()));
            let index = self.make(around, Operation::PromiseComplete { name, outcome })?;
            self.own.push(index);
            self.sub = 2;
            return Ok(Turn::Next);
        }
        match self.replay.value(self.own[0]) {
            Some(Value::Void) => Ok(Turn::Return(Ok(self.state["opened"].clone()))),
            other => Err(self.wrong(&format!("nobody else completes what it completes, but: {other:?}"))),
        }
    }

    pub(crate) fn open_gate(&mut self, around: &Surroundings<'_>, text: String) -> Result<Turn, Violation> {
        if self.sub == 0 {
            let (name, outcome) = (GATE.to_owned(), Ok(text.into()));
            let index = self.make(around, Operation::PromiseComplete { name, outcome })?;
            self.own.push(index);
            self.sub = 1;
        }
        if let Some(blocked) = self.wait_own(around)? {
            return Ok(blocked);
        }
        match self.replay.value(self.own[0]) {
            _ if self.cancelled => Ok(Turn::Return(Err(Failure::cancelled()))),
            Some(Value::Void) => Ok(Turn::Return(Ok("won".into()))),
            Some(Value::Failure(failure)) if failure.code == 409 => Ok(Turn::Return(Ok("lost".into()))),
            other => Err(self.wrong(&format!("completing a promise gave {other:?}"))),
        }
    }

    /// `ask`: for a promise, or for what it is now.
    pub(crate) fn await_promise(
        &mut self,
        around: &Surroundings<'_>,
        ask: Operation,
    ) -> Result<Turn, Violation> {
        if self.sub == 0 {
            let index = self.make(around, ask)?;
            self.own.push(index);
            self.sub = 1;
        }
        if let Some(blocked) = self.wait_own(around)? {
            return Ok(blocked);
        }
        match self.replay.value(self.own[0]) {
            _ if self.cancelled => Ok(Turn::Return(Err(Failure::cancelled()))),
            Some(Value::Success(value)) => Ok(Turn::Return(Ok(value.clone()))),
            Some(Value::Void) => Ok(Turn::Return(Ok("-".into()))),
            other => Err(self.wrong(&format!("a promise gave {other:?}"))),
        }
    }
}
