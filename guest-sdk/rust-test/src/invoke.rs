//! [`Invoke`]: a call before it is made, and [`Invocation`]: what there is to know about it afterwards.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{Error, Failure, Host, Result, milliseconds};

/// A call of a handler that is not made yet.
#[derive(Debug)]
#[must_use = "it is made by `call`, `send` or `send_after`"]
pub struct Invoke<'a> {
    host: &'a mut Host,
    service: String,
    key: Option<String>,
    handler: String,
    step: Map<String, Value>,
    headers: Map<String, Value>,
}

/// What there is to know about an invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// `inv_1…`.
    pub id: String,
    /// Such as `suspended`; none once it is purged.
    pub status: Option<String>,
    /// The status and why: what it waits for, why it is paused.
    pub stage: Option<String>,
    /// Its operations, each with `kind`, `index` and what tells it from others.
    pub journal: Vec<Value>,
    /// What it has logged, each line with its level.
    pub logs: Vec<String>,
}

impl<'a> Invoke<'a> {
    pub(crate) fn new(host: &'a mut Host, service: &str, handler: &str) -> Self {
        let (service, handler) = (service.to_owned(), handler.to_owned());
        Self { host, service, key: None, handler, step: Map::new(), headers: Map::new() }
    }

    /// Of a virtual object or a workflow.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// The input, as JSON. Without one the handler gets nothing.
    pub fn json(mut self, input: &impl Serialize) -> Result<Self> {
        self.step.insert("body".to_owned(), serde_json::to_value(input)?);
        Ok(self)
    }

    /// The input, as it is.
    pub fn text(mut self, input: &str) -> Self {
        self.step.insert("text".to_owned(), json!(input));
        self
    }

    /// A header that the handler gets.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), json!(value));
        self
    }

    /// Calls with one key are one invocation.
    pub fn idempotency_key(mut self, key: &str) -> Self {
        self.step.insert("idempotency-key".to_owned(), json!(key));
        self
    }

    /// Waits for the result, moving the clock if nothing else can happen. A terminal failure is [`Error::Handler`].
    pub fn call<T: DeserializeOwned>(mut self) -> Result<T> {
        for expected in ["result", "failure"] {
            self.step.insert(expected.to_owned(), json!({"$any": true}));
        }
        result(self.make("invoke")?)
    }

    /// The same for a handler that is to fail.
    pub fn call_failure(self) -> Result<Failure> {
        match self.call::<Value>() {
            Err(Error::Handler(failure)) => Ok(failure),
            Ok(value) => Err(Error::Failed(format!("the handler did not fail; its result is {value}"))),
            Err(error) => Err(error),
        }
    }

    /// Does not wait.
    pub fn send(self) -> Result<Invocation> {
        Invocation::new(self.make("send")?)
    }

    /// Starts it later.
    pub fn send_after(mut self, delay: Duration) -> Result<Invocation> {
        self.step.insert("delay".to_owned(), json!(milliseconds(delay)));
        self.send()
    }

    fn make(mut self, verb: &str) -> Result<Value> {
        let target = match &self.key {
            Some(key) => format!("{}/{key}/{}", self.service, self.handler),
            None => format!("{}/{}", self.service, self.handler),
        };
        self.step.insert(verb.to_owned(), json!(target));
        if !self.headers.is_empty() {
            self.step.insert("headers".to_owned(), Value::Object(self.headers));
        }
        self.host.step(&Value::Object(self.step))
    }
}

impl Invocation {
    pub(crate) fn new(mut found: Value) -> Result<Self> {
        let text = |name: &str| found[name].as_str().map(str::to_owned);
        let (id, status, stage) = (text("invocation").unwrap_or_default(), text("status"), text("stage"));
        let journal = serde_json::from_value::<Option<_>>(found["journal"].take())?.unwrap_or_default();
        let logs = serde_json::from_value::<Option<_>>(found["logs"].take())?.unwrap_or_default();
        Ok(Self { id, status, stage, journal, logs })
    }
}

/// The result in what a step has found.
pub(crate) fn result<T: DeserializeOwned>(mut found: Value) -> Result<T> {
    if let Some(failure) = found.get_mut("failure") {
        return Err(Error::Handler(serde_json::from_value(failure.take())?));
    }
    Ok(serde_json::from_value(found["result"].take())?)
}
