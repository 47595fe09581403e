//! The steps of programs.

use bytes::Bytes;
use relight_core::command::WaitMode;
use relight_core::journal::Operation;
use relight_core::placement::{idempotent_id, workflow_id};
use relight_core::value::Due;
use relight_core::{AwakeableId, DurationMs, EntryIndex, Failure, Target};

use crate::guest::{Instance, RESULT, RunEnd, Surroundings, Turn, plain, signal_name};
use crate::oracle::Violation;
use crate::program::{ARRIVAL, FLOW, Input, ProgramId, Step, effect_retry};

/// Between asking for signals and looking at them, where they are asked for late.
const LATE: DurationMs = DurationMs(50);

impl Instance {
    /// A step that waits for nothing itself.
    pub(crate) fn start_step(
        &mut self,
        around: &Surroundings<'_>,
        scratch: bool,
        step: Step,
    ) -> Result<(), Violation> {
        match step {
            Step::Add(n) => {
                let sum = self.counter(around)? + n;
                let (key, value) = ("n".to_owned(), sum.to_string().into());
                self.make(around, Operation::SetState { key, value })?;
            }
            Step::Touch => self.touch(around)?,
            Step::Send(callee, delay) => {
                let call = self.call_program(around, callee);
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
                let call = self.call_program(around, callee);
                self.pend(around, Operation::Call(call))?;
            }
            Step::CallTwice(callee) => {
                let mut call = self.call_program(around, callee);
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
                self.pend(around, Operation::Timer { due: Due::After(after), name: None })?;
            }
            Step::Attach(callee) => {
                let call = self.call_program(around, callee);
                let id = call.callee;
                self.make(around, Operation::Send { call, due: Due::Now })?;
                for operation in [Operation::Attach { id }, Operation::PeekOutput { id }] {
                    let index = self.pend(around, operation)?;
                    self.forgettable.insert(index);
                }
            }
            Step::Cancel(before, after) => {
                let call = self.call(plain("doomed"), &Input::Doomed(before, after));
                let id = call.callee;
                let index = self.pend(around, Operation::Call(call))?;
                self.doomed.insert(index);
                self.make(around, Operation::CancelInvocation { id })?;
            }
            Step::Run | Step::Flow(_) | Step::Signals { .. } | Step::WaitAny | Step::WaitAll => {
                unreachable!("handled by the caller: it waits")
            }
        }
        Ok(())
    }

    /// Skipped when it is recorded. Else it begins when everything before it is accepted, and the attempt ends with it.
    pub(crate) fn run_inline(
        &mut self,
        around: &Surroundings<'_>,
        scratch: bool,
    ) -> Result<Option<Turn>, Violation> {
        let name = format!("run{}", self.pc);
        let recorded = self.replay.start_run(&name).map_err(|error| self.wrong(&error))?;
        match recorded {
            Some(Ok(value)) if value == RESULT => return Ok(None),
            Some(Err(_)) if scratch => return Ok(None),
            Some(other) => return Err(self.wrong(&format!("the run {name} gave {other:?}"))),
            None if !self.replay.is_accepted() => return Ok(Some(Turn::Accept)),
            None if self.dropped => return Ok(Some(Turn::End)),
            None => {}
        }
        self.worked = Some(EntryIndex(self.replay.operations()));
        if around.fails {
            let retry = effect_retry(scratch, self.pc.is_multiple_of(2));
            self.run_end = Some(RunEnd::Failed { name, retry });
        } else {
            self.make(around, Operation::Run { name, outcome: Ok(Bytes::from_static(RESULT)) })?;
            self.run_end = Some(RunEnd::Done);
        }
        Ok(Some(Turn::End))
    }

    /// Four meet at a workflow of a key of their own: its run, two that open its gate, and one that waits for the end.
    pub(crate) fn flow_step(
        &mut self,
        around: &Surroundings<'_>,
        callee: ProgramId,
    ) -> Result<Option<Turn>, Violation> {
        let key = format!("f{}", callee.0);
        let gates = ["1", "2"].map(|n| format!("{key}-{n}"));
        if self.sub == 0 {
            let [one, other] = gates.clone().map(Input::Open);
            let calls = [
                ("open", one),
                ("run", Input::Flow(Some(callee))),
                ("await", Input::Await(ARRIVAL.to_owned())),
                ("open", other),
            ];
            for (handler, input) in calls {
                let (service, object) = (FLOW.into(), Some(key.as_str().into()));
                let mut call = self.call(Target { service, key: object, handler: handler.into() }, &input);
                if handler == "run" {
                    call.callee = workflow_id(FLOW, &key);
                }
                let index = self.make(around, Operation::Call(call))?;
                self.own.push(index);
            }
            self.sub = 1;
        }
        if let Some(blocked) = self.wait_own(around)? {
            return Ok(Some(blocked));
        }
        let texts: Vec<String> = self.take_own_texts()?;
        let winner = match (texts[0].as_str(), texts[3].as_str()) {
            ("won", "lost") => &gates[0],
            ("lost", "won") => &gates[1],
            _ => return Err(self.wrong(&format!("two completed a promise: {texts:?}"))),
        };
        if texts[1] != *winner || texts[2] != *winner {
            return Err(self.wrong(&format!("the workflow gave {texts:?}, and {winner} has opened it")));
        }
        self.sub = 0;
        Ok(None)
    }

    /// Values of two names, each of which must come in order.
    pub(crate) fn signals_step(
        &mut self,
        around: &Surroundings<'_>,
        count: u64,
        late: bool,
    ) -> Result<Option<Turn>, Violation> {
        let name = format!("s{}", self.pc);
        if self.sub == 0 {
            if !late {
                self.ask_for_signals(around, &name, count)?;
            }
            let call = self.call(plain("signal"), &Input::Signal { to: self.id, name: name.clone(), count });
            self.make(around, Operation::Send { call, due: Due::Now })?;
            if late {
                let index = self.make(around, Operation::Timer { due: Due::After(LATE), name: None })?;
                self.own.push(index);
            }
            self.sub = if late { 1 } else { 2 };
        }
        if self.sub == 1 {
            if let Some(blocked) = self.wait_own(around)? {
                return Ok(Some(blocked));
            }
            if self.cancelled {
                return Ok(Some(Turn::Next));
            }
            self.own.clear();
            self.ask_for_signals(around, &name, count)?;
            self.sub = 2;
        }
        if let Some(blocked) = self.wait_own(around)? {
            return Ok(Some(blocked));
        }
        if self.cancelled {
            return Ok(Some(Turn::Next));
        }
        let texts = self.take_own_texts()?;
        if !texts.iter().cloned().eq((0..count).map(|n| n.to_string())) {
            return Err(self.wrong(&format!("the signals came as {texts:?}")));
        }
        self.sub = 0;
        Ok(None)
    }

    fn ask_for_signals(
        &mut self,
        around: &Surroundings<'_>,
        name: &str,
        count: u64,
    ) -> Result<(), Violation> {
        for n in 0..count {
            let index = self.make(around, Operation::Signal { name: signal_name(name, n) })?;
            self.own.push(index);
        }
        Ok(())
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

    /// After a cancellation: one more wait, which works as ever, and then a failure.
    pub(crate) fn compensate(&mut self, around: &Surroundings<'_>) -> Result<Turn, Violation> {
        const COMPENSATING: u8 = 100;
        if self.sub != COMPENSATING {
            self.sub = COMPENSATING;
            self.pending.clear();
            self.pend(around, Operation::Timer { due: Due::After(DurationMs(5)), name: None })?;
        }
        if let Some(blocked) = self.wait_pending(around, WaitMode::All)? {
            return Ok(blocked);
        }
        // Cancelled again: the wait above is asked once more.
        Ok(if self.pending.is_empty() { Turn::Return(Err(Failure::cancelled())) } else { Turn::Next })
    }
}
