//! A stand-in for the host on targets other than Wasm: a script says in which order operations complete, and a transcript tells
//! what the guest asked for. For the SDK's own tests.

#![allow(missing_docs, reason = "no part of the API")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::bindings::relight::handler::types::{Failure, Target, WaitError};
use crate::combinators::All;
use crate::operation::IntoOperation;

/// What happens, in the order of the journal's positions.
#[derive(Debug, Clone)]
pub enum Event {
    /// An operation completes.
    Complete(u32, Result<Option<Vec<u8>>, Failure>),
    /// The invocation is cancelled.
    Cancel,
}

impl Event {
    /// An operation completes with a value in JSON.
    pub fn value(handle: u32, json: &str) -> Self {
        Self::Complete(handle, Ok(Some(json.as_bytes().to_vec())))
    }

    /// A timer completes.
    pub fn timer(handle: u32) -> Self {
        Self::Complete(handle, Ok(None))
    }

    /// An operation fails.
    pub fn failure(handle: u32, code: u16, message: &str) -> Self {
        Self::Complete(handle, Err(Failure { code, message: message.to_owned(), metadata: Vec::new() }))
    }
}

#[derive(Debug, Default)]
struct Host {
    state: BTreeMap<String, Vec<u8>>,
    /// Delivered cancels are removed; completions stay.
    events: Vec<Event>,
    transcript: Vec<String>,
    operations: u32,
    /// Results of inline runs, in order, and how many of them this attempt has seen.
    runs: Vec<Result<Vec<u8>, Failure>>,
    runs_seen: usize,
}

/// What unwinds an attempt whose inline run is over, where a component's instance would end.
#[derive(Debug)]
struct RunIsOver;

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::default());
}

/// Forget everything and follow a new script.
pub fn script(events: impl IntoIterator<Item = Event>) {
    HOST.set(Host { events: events.into_iter().collect(), ..Host::default() });
}

/// Set a state value.
pub fn set_state(name: &str, json: &str) {
    HOST.with_borrow_mut(|host| host.state.insert(name.to_owned(), json.as_bytes().to_vec()));
}

/// What the guest asked for so far.
pub fn transcript() -> Vec<String> {
    HOST.with_borrow(|host| host.transcript.clone())
}

/// Run a future as the executor runs a handler.
pub fn run<F: Future>(future: F) -> F::Output {
    crate::executor::run(future)
}

/// Run a handler attempt after attempt, as the host does after each inline run. Each attempt begins with the script and the
/// transcript of the first; `attempt` makes its future.
pub fn run_over<F: Future>(attempt: impl Fn() -> F) -> F::Output {
    loop {
        match catch_unwind(AssertUnwindSafe(|| run(attempt()))) {
            Ok(output) => return output,
            Err(panic) if panic.is::<RunIsOver>() => HOST.with_borrow_mut(|host| {
                host.operations = 0;
                host.runs_seen = 0;
            }),
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// `ctx.all`.
pub fn all<O: IntoOperation>(operations: impl IntoIterator<Item = O>) -> All<O::Output> {
    All::new(operations.into_iter().map(IntoOperation::into_operation))
}

fn note(line: String) {
    HOST.with_borrow_mut(|host| host.transcript.push(line));
}

fn operation(line: String) -> u32 {
    note(line);
    HOST.with_borrow_mut(|host| {
        host.operations += 1;
        host.operations
    })
}

fn failure_text(failure: &Failure) -> String {
    format!("failure {} {}", failure.code, failure.message)
}

fn text(target: &Target, input: &[u8]) -> String {
    let key = target.key.as_ref().map(|key| format!("{key}/")).unwrap_or_default();
    format!("{}/{key}{}({})", target.service, target.handler, String::from_utf8_lossy(input))
}

pub mod context {
    pub use crate::bindings::relight::handler::context::InvocationInfo;

    use super::Target;

    pub fn info() -> InvocationInfo {
        InvocationInfo {
            id: "inv_1test".to_owned(),
            target: Target { service: "Test".to_owned(), key: None, handler: "test".to_owned() },
            idempotency_key: None,
            caller: None,
            headers: Vec::new(),
            created_at: 0,
        }
    }

    pub fn now() -> u64 {
        1_000
    }

    pub fn random(len: u32) -> Vec<u8> {
        vec![7; len as usize]
    }

    pub fn uuid() -> String {
        "00000000-0000-4000-8000-000000000000".to_owned()
    }
}

pub mod state {
    use super::{HOST, note};

    pub fn get(key: &str) -> Option<Vec<u8>> {
        note(format!("get {key}"));
        HOST.with_borrow(|host| host.state.get(key).cloned())
    }

    pub fn keys() -> Vec<String> {
        HOST.with_borrow(|host| host.state.keys().cloned().collect())
    }

    pub fn set(key: &str, value: &[u8]) {
        note(format!("set {key} {}", String::from_utf8_lossy(value)));
        HOST.with_borrow_mut(|host| host.state.insert(key.to_owned(), value.to_vec()));
    }

    pub fn clear(key: &str) {
        note(format!("clear {key}"));
        HOST.with_borrow_mut(|host| host.state.remove(key));
    }

    pub fn clear_all() {
        note("clear-all".to_owned());
        HOST.with_borrow_mut(|host| host.state.clear());
    }
}

pub mod ops {
    pub use crate::bindings::relight::handler::ops::{CallOptions, Due, EffectOptions};

    use super::{Failure, Target, failure_text, note, operation, text};

    pub fn call(target: &Target, input: &[u8], options: Option<&CallOptions>) -> u32 {
        operation(format!("call {}{}", text(target, input), options_text(options)))
    }

    pub fn callee(call: u32) -> String {
        format!("inv_1callee{call}")
    }

    pub fn send(target: &Target, input: &[u8], due: Due, options: Option<&CallOptions>) -> String {
        let handle =
            operation(format!("send {} {}{}", text(target, input), due_text(due), options_text(options)));
        callee(handle)
    }

    pub fn timer(due: Due, _name: Option<&str>) -> u32 {
        operation(format!("timer {}", due_text(due)))
    }

    pub fn awakeable() -> (u32, String) {
        let handle = operation("awakeable".to_owned());
        (handle, format!("sign_1{handle}"))
    }

    pub fn resolve_awakeable(id: &str, value: Result<&[u8], &Failure>) {
        note(match value {
            Ok(value) => format!("resolve {id} {}", String::from_utf8_lossy(value)),
            Err(failure) => format!("reject {id} {} {}", failure.code, failure.message),
        });
    }

    pub fn signal(name: &str) -> u32 {
        operation(format!("signal {name}"))
    }

    pub fn send_signal(to: &str, name: &str, value: Result<&[u8], &Failure>) {
        operation(format!("send-signal {to} {name} {}", outcome_text(value)));
    }

    pub fn promise(name: &str) -> u32 {
        operation(format!("promise {name}"))
    }

    pub fn promise_peek(name: &str) -> u32 {
        operation(format!("promise-peek {name}"))
    }

    pub fn promise_complete(name: &str, value: Result<&[u8], &Failure>) -> u32 {
        operation(format!("promise-complete {name} {}", outcome_text(value)))
    }

    pub fn attach(id: &str) -> u32 {
        operation(format!("attach {id}"))
    }

    pub fn output(id: &str) -> u32 {
        operation(format!("output {id}"))
    }

    pub fn cancel(id: &str) {
        operation(format!("cancel {id}"));
    }

    pub fn effect(name: &str, input: &[u8], options: Option<EffectOptions>) -> u32 {
        let timeout = options.and_then(|options| options.timeout);
        let timeout = timeout.map(|timeout| format!(" timeout {timeout}")).unwrap_or_default();
        operation(format!("effect {name}({}){timeout}", String::from_utf8_lossy(input)))
    }

    fn outcome_text(outcome: Result<&[u8], &Failure>) -> String {
        match outcome {
            Ok(value) => String::from_utf8_lossy(value).into_owned(),
            Err(failure) => failure_text(failure),
        }
    }

    fn due_text(due: Due) -> String {
        match due {
            Due::Now => "now".to_owned(),
            Due::At(at) => format!("at {at}"),
            Due::After(after) => format!("after {after}"),
        }
    }

    fn options_text(options: Option<&CallOptions>) -> String {
        options
            .map(|options| format!(" key {:?} headers {:?}", options.idempotency_key, options.headers))
            .unwrap_or_default()
    }
}

pub mod inline_run {
    use std::panic::resume_unwind;

    pub use crate::bindings::relight::handler::inline_run::Started;

    use super::{Failure, HOST, RunIsOver, failure_text, note};
    use crate::bindings::relight::handler::types::RetryPolicy;

    /// What a run that asks for a retry gets as its result: here, every policy is exhausted at once.
    const RETRIES_EXHAUSTED: u16 = 500;

    pub fn start(name: &str, retry: Option<RetryPolicy>) -> Started {
        let retry = retry.map(|retry| format!(" attempts {:?}", retry.max_attempts)).unwrap_or_default();
        HOST.with_borrow_mut(|host| {
            host.operations += 1;
            let recorded = host.runs.get(host.runs_seen).cloned();
            host.runs_seen += 1;
            match recorded {
                Some(result) => Started::Recorded(result),
                None => {
                    host.transcript.push(format!("run {name}{retry}"));
                    Started::Live
                }
            }
        })
    }

    pub fn finish(value: Result<&[u8], &Failure>) {
        note(match value {
            Ok(value) => format!("finish {}", String::from_utf8_lossy(value)),
            Err(failure) => format!("finish {}", failure_text(failure)),
        });
        over(value.map(<[u8]>::to_vec).map_err(Failure::clone))
    }

    pub fn retry(message: &str, retry_after: Option<u64>) {
        note(format!("retry {message} after {retry_after:?}"));
        over(Err(Failure { code: RETRIES_EXHAUSTED, message: message.to_owned(), metadata: Vec::new() }))
    }

    fn over(result: Result<Vec<u8>, Failure>) -> ! {
        HOST.with_borrow_mut(|host| host.runs.push(result));
        resume_unwind(Box::new(RunIsOver))
    }
}

pub mod waiting {
    use super::{Event, HOST, WaitError, note};

    pub fn wait(handle: u32) -> Result<Option<Vec<u8>>, WaitError> {
        note(format!("wait {handle}"));
        let position = position(|completed| completed.contains(&handle))?;
        HOST.with_borrow(|host| match &host.events[position] {
            Event::Complete(_, value) => value.clone().map_err(WaitError::Failed),
            Event::Cancel => unreachable!("`position` delivers cancels itself"),
        })
    }

    pub fn wait_any(handles: &[u32]) -> Result<u32, WaitError> {
        note(format!("wait-any {handles:?}"));
        let position = position(|completed| completed.iter().any(|handle| handles.contains(handle)))?;
        HOST.with_borrow(|host| match &host.events[position] {
            Event::Complete(handle, _) => Ok(*handle),
            Event::Cancel => unreachable!("`position` delivers cancels itself"),
        })
    }

    pub fn wait_all(handles: &[u32]) -> Result<(), WaitError> {
        note(format!("wait-all {handles:?}"));
        position(|completed| handles.iter().all(|handle| completed.contains(handle))).map(drop)
    }

    /// The first position up to which the completed handles meet the condition, unless a cancel comes before it.
    fn position(met: impl Fn(&[u32]) -> bool) -> Result<usize, WaitError> {
        HOST.with_borrow_mut(|host| {
            let (mut completed, mut cancel) = (Vec::new(), None);
            for (position, event) in host.events.iter().enumerate() {
                match event {
                    Event::Complete(handle, _) => completed.push(*handle),
                    Event::Cancel => cancel = cancel.or(Some(position)),
                }
                if met(&completed) || cancel.is_some() {
                    if cancel.is_none() {
                        return Ok(position);
                    }
                    break;
                }
            }
            match cancel {
                Some(position) => {
                    host.events.remove(position);
                    Err(WaitError::Cancelled)
                }
                None => panic!("the script ends before this wait"),
            }
        })
    }
}

pub mod http {
    pub use crate::bindings::relight::handler::http::{Error, Request, Response};

    pub fn fetch(request: &Request) -> Result<Response, Error> {
        Err(Error::Connect(format!("tests have no network for {}", request.url)))
    }
}

pub mod log {
    pub use crate::bindings::relight::handler::log::Level;

    pub fn log(level: Level, message: &str, _fields: &[(String, String)]) {
        super::note(format!("{level:?} {message}"));
    }
}
