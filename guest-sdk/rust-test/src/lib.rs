//! Drives `relight test --stdio`, so that a `#[test]` can call handlers, move time and crash the process. What lives here: the child
//! process and the steps as methods. What does not: any behaviour; that is the `relight` binary's.
//!
#![doc = include_str!("../README.md")]

mod error;
mod invoke;

use std::{
    env,
    ffi::OsString,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
pub use serde_json::{Value, json};

pub use error::{Error, Failure};
pub use invoke::{Invocation, Invoke};

/// Names the binary when it is not the one on the `PATH`.
const VARIABLE: &str = "RELIGHT_BIN";
/// What this crate speaks.
const PROTOCOL: u64 = 1;

/// An answer of this crate's own methods.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// Handlers under test, with everything that has happened to them since it was started or [reset](Host::reset).
#[derive(Debug)]
pub struct Host {
    child: Child,
    /// `None` once it is told to end.
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    requests: u64,
}

impl Host {
    /// Deploys a component: a `.wasm` file, or the folder of a project, which is built.
    pub fn start(component: impl AsRef<Path>) -> Result<Self> {
        let program = env::var_os(VARIABLE).unwrap_or_else(|| OsString::from("relight"));
        Self::start_program(program, component)
    }

    /// The same with a certain binary.
    pub fn start_program(program: impl Into<OsString>, component: impl AsRef<Path>) -> Result<Self> {
        let program = program.into();
        let mut child = Command::new(&program)
            .arg("test")
            .arg(component.as_ref())
            .arg("--stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Error::Start(format!("`{}` (`{VARIABLE}` names another): {error}", program.display()))
            })?;
        let input = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut host = Self { child, input: Some(input), answers, requests: 0 };
        let protocol = host.read()?["ready"]["protocol"].as_u64();
        if protocol != Some(PROTOCOL) {
            let message =
                format!("it speaks protocol {protocol:?}, this crate {PROTOCOL}: use those of one release");
            return Err(Error::Start(message));
        }
        Ok(host)
    }

    /// Forgets everything and begins again. `settings`: what may stand before the steps of a scenario, such as
    /// `{"start": "2030-01-01T00:00:00Z", "time": "manual", "suspend-after": "20ms"}`.
    pub fn reset(&mut self, settings: &Value) -> Result {
        self.request("reset", settings).map(drop)
    }

    /// Carries out a step as it is written in a scenario; answers what it found.
    pub fn step(&mut self, step: &Value) -> Result<Value> {
        self.request("step", step)
    }

    /// A call of a handler, to be filled in and made.
    pub fn invoke(&mut self, service: &str, handler: &str) -> Invoke<'_> {
        Invoke::new(self, service, handler)
    }

    /// Lets time pass, with everything that happens in it.
    pub fn skip(&mut self, duration: Duration) -> Result {
        self.step(&json!({"skip": milliseconds(duration)})).map(drop)
    }

    /// The result of an invocation: waits for it, moving the clock if nothing else can happen. `invocation`: an id, or a target, of which the
    /// last one is meant.
    pub fn result<T: DeserializeOwned>(&mut self, invocation: &str) -> Result<T> {
        let any = json!({"$any": true});
        invoke::result(self.step(&json!({"expect": invocation, "result": any, "failure": any}))?)
    }

    /// What there is to know about an invocation now.
    pub fn look(&mut self, invocation: &str) -> Result<Invocation> {
        Invocation::new(self.step(&json!({"expect": invocation}))?)
    }

    /// Answers the awakeable that an invocation waits for, or the one with this id.
    pub fn resolve(&mut self, awakeable: &str, value: &impl Serialize) -> Result {
        let value = serde_json::to_value(value)?;
        self.step(&json!({"resolve": awakeable, "value": value})).map(drop)
    }

    /// The same with a failure.
    pub fn reject(&mut self, awakeable: &str, reason: &str) -> Result {
        self.step(&json!({"reject": awakeable, "reason": reason})).map(drop)
    }

    /// Sends a signal to an invocation.
    pub fn signal(&mut self, invocation: &str, name: &str, value: &impl Serialize) -> Result {
        let value = serde_json::to_value(value)?;
        self.step(&json!({"signal": name, "to": invocation, "value": value})).map(drop)
    }

    /// Completes a promise of a workflow's key.
    pub fn promise(&mut self, workflow: &str, key: &str, name: &str, value: &impl Serialize) -> Result {
        let value = serde_json::to_value(value)?;
        self.step(&json!({"promise": name, "of": format!("{workflow}/{key}"), "value": value})).map(drop)
    }

    /// Cancels an invocation: its next wait fails, and it may compensate.
    pub fn cancel(&mut self, invocation: &str) -> Result {
        self.step(&json!({"cancel": invocation})).map(drop)
    }

    /// Ends an invocation at once.
    pub fn kill(&mut self, invocation: &str) -> Result {
        self.step(&json!({"kill": invocation})).map(drop)
    }

    /// Stops the attempts of an invocation.
    pub fn pause(&mut self, invocation: &str) -> Result {
        self.step(&json!({"pause": invocation})).map(drop)
    }

    /// Goes on with an invocation.
    pub fn resume(&mut self, invocation: &str) -> Result {
        self.step(&json!({"resume": invocation})).map(drop)
    }

    /// The process dies now, and a new one goes on from what was recorded.
    pub fn crash(&mut self) -> Result {
        self.step(&json!({"crash": true})).map(drop)
    }

    /// The process dies when entry `at` of the next invocation of `target` (`Service/handler` or `Object/key/handler`) is recorded.
    pub fn crash_at(&mut self, target: &str, at: u32) -> Result {
        self.step(&json!({"crash": target, "at": at})).map(drop)
    }

    /// The attempt ends with a retryable error when entry `at` of the next invocation of `target` is recorded.
    pub fn fail_at(&mut self, target: &str, at: u32, message: &str) -> Result {
        self.step(&json!({"fail": target, "at": at, "message": message})).map(drop)
    }

    /// Attempts of an effect get these answers from now on, in order; the last one stays. Such as `[{"error": "no connection"}, {"ok": 7}]`.
    pub fn answer(&mut self, effect: &str, answers: &Value) -> Result {
        self.step(&json!({"answer": effect, "with": answers})).map(drop)
    }

    /// The inputs of all attempts of an effect so far.
    pub fn effect_inputs(&mut self, effect: &str) -> Result<Vec<Value>> {
        let found = self.step(&json!({"effect": effect}))?;
        Ok(serde_json::from_value(found["inputs"].clone())?)
    }

    /// One value in the state of a key, if it is there.
    pub fn state<T: DeserializeOwned>(&mut self, object: &str, key: &str, name: &str) -> Result<Option<T>> {
        let found = self.step(&json!({"state": format!("{object}/{key}")}))?;
        match found["state"].get(name) {
            Some(value) => Ok(Some(serde_json::from_value(value.clone())?)),
            None => Ok(None),
        }
    }

    fn request(&mut self, kind: &str, content: &Value) -> Result<Value> {
        self.requests += 1;
        let request = json!({"id": self.requests, kind: content});
        let input = self.input.as_mut().expect("it is taken only when the host is dropped");
        if let Err(error) = writeln!(input, "{request}").and_then(|()| input.flush()) {
            return Err(Error::Ended(error.to_string()));
        }
        let mut answer = self.read()?;
        if answer["id"] != json!(self.requests) {
            return Err(Error::Ended(format!("an answer to another request: {answer}")));
        }
        if answer.get("ok").is_some() {
            return Ok(answer["ok"].take());
        }
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Err(match (text("text"), text("bad")) {
            (Some(text), _) => Error::Failed(text),
            (None, Some(message)) => Error::Bad(message),
            (None, None) => Error::Ended(format!("an answer of an unknown kind: {answer}")),
        })
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(Error::Ended(match self.child.wait() {
                Ok(status) => format!("{status}; its messages are above"),
                Err(error) => error.to_string(),
            })),
            Ok(_) => Ok(serde_json::from_str(&line)?),
            Err(error) => Err(Error::Ended(error.to_string())),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The other side ends with its stdin. Nothing can be done about a child that cannot be waited for.
        self.input = None;
        let _ = self.child.wait();
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
