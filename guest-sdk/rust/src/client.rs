//! Calls of other handlers. The macros generate a client per service, whose methods give a [`Call`].

use std::borrow::Borrow;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::relight::handler::types::Target;
use crate::host::ops;
use crate::ids::InvocationId;
use crate::json;
use crate::operation::{IntoOperation, Operation};
use crate::time::{Timestamp, to_millis};

/// The generated client of a service; made by [`Context::service`](crate::Context::service).
pub trait ServiceClient {
    /// The client.
    fn new() -> Self;
}

/// The generated client of a virtual object; made by [`Context::object`](crate::Context::object).
pub trait ObjectClient {
    /// The client for one key.
    fn with_key(key: String) -> Self;
}

/// The generated client of a workflow; made by [`Context::workflow`](crate::Context::workflow).
pub trait WorkflowClient {
    /// The client for one key.
    fn with_key(key: String) -> Self;
}

/// A call that has not been made yet. It is made when it is awaited, [started](Call::start) or [sent](Call::send).
#[must_use = "nothing is called before this is awaited, started or sent"]
pub struct Call<T> {
    target: Target,
    input: Vec<u8>,
    name: Option<String>,
    idempotency_key: Option<String>,
    headers: Vec<(String, String)>,
    yields: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    /// Make it one invocation for everyone who calls this handler with the same key.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Add a header for the callee.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Show this name in the journal.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Call without waiting for the result. It arrives exactly once.
    pub fn send(self) -> InvocationId {
        self.send_due(ops::Due::Now)
    }

    /// Call later. The delay counts from the moment at which the host records this.
    pub fn send_after(self, delay: Duration) -> InvocationId {
        self.send_due(ops::Due::After(to_millis(delay)))
    }

    /// Call at a given time; at once when it has passed.
    pub fn send_at(self, at: Timestamp) -> InvocationId {
        self.send_due(ops::Due::At(at.as_millis()))
    }

    fn send_due(self, due: ops::Due) -> InvocationId {
        let (target, input, options) = self.into_parts();
        ops::send(&target, &input, due, options.as_ref()).into()
    }

    fn into_parts(self) -> (Target, Vec<u8>, Option<ops::CallOptions>) {
        let Self { target, input, name, idempotency_key, headers, .. } = self;
        let is_plain = name.is_none() && idempotency_key.is_none() && headers.is_empty();
        (target, input, (!is_plain).then_some(ops::CallOptions { name, idempotency_key, headers }))
    }
}

impl<T: DeserializeOwned> Call<T> {
    /// Call, and go on at once. The callee's id, and the result to await.
    pub fn start(self) -> (InvocationId, Operation<T>) {
        let operation = self.into_started();
        (ops::callee(operation.0).into(), operation.1)
    }

    fn into_started(self) -> (u32, Operation<T>) {
        let (target, input, options) = self.into_parts();
        let handle = ops::call(&target, &input, options.as_ref());
        (handle, Operation::new(handle, "the result of a call"))
    }
}

impl<T: DeserializeOwned> IntoFuture for Call<T> {
    type Output = Result<T, crate::Failure>;
    type IntoFuture = Operation<T>;

    fn into_future(self) -> Operation<T> {
        self.into_started().1
    }
}

impl<T: DeserializeOwned> IntoOperation for Call<T> {
    type Output = T;

    fn into_operation(self) -> Operation<T> {
        self.into_started().1
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { service, key, handler } = &self.target;
        f.debug_struct("Call")
            .field("service", service)
            .field("key", key)
            .field("handler", handler)
            .field("input_bytes", &self.input.len())
            .finish_non_exhaustive()
    }
}

/// The call of a handler with an argument. `I` is the handler's argument type.
#[doc(hidden)]
pub fn call<I: Serialize, T>(
    service: &str,
    key: Option<&str>,
    handler: &str,
    argument: impl Borrow<I>,
) -> Call<T> {
    new(service, key, handler, json::encode(argument.borrow()))
}

/// The call of a handler that takes nothing.
#[doc(hidden)]
pub fn no_argument<T>(service: &str, key: Option<&str>, handler: &str) -> Call<T> {
    new(service, key, handler, Vec::new())
}

fn new<T>(service: &str, key: Option<&str>, handler: &str, input: Vec<u8>) -> Call<T> {
    Call {
        target: Target {
            service: service.to_owned(),
            key: key.map(str::to_owned),
            handler: handler.to_owned(),
        },
        input,
        name: None,
        idempotency_key: None,
        headers: Vec::new(),
        yields: PhantomData,
    }
}
