//! What a handler can do. A type for each kind of handler, so that what a handler may not do does not compile:
//!
//! ```text
//! Context                calls, sends, timers, awakeables, signals, effects, inline runs
//! SharedObjectContext    the same, and reads the state of its key
//! ObjectContext          the same, and writes it
//! SharedWorkflowContext  reads the state of its key, and has its promises
//! WorkflowContext        the same, and writes the state
//! ```
//!
//! The contexts of workflows are in `workflow`.

use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::relight::handler::requests::Request;
use crate::client::{ObjectClient, ServiceClient, WorkflowClient};
use crate::combinators::All;
use crate::effect::EffectRequest;
use crate::failure::Failure;
use crate::host;
use crate::ids::{AwakeableId, InvocationId};
use crate::inline_run::{Run, RunError};
use crate::json;
use crate::operation::{IntoOperation, Operation};
use crate::request::{Headers, InvocationTarget};
use crate::time::{self, Timestamp, to_millis};

/// The context of a service's handler.
#[derive(Debug)]
pub struct Context {
    headers: Headers,
}

impl Context {
    /// A client of a service: `ctx.service::<GreeterClient>().greet(name).await?`.
    pub fn service<C: ServiceClient>(&self) -> C {
        C::new()
    }

    /// A client of a virtual object: `ctx.object::<TicketClient>(&ticket).reserve().await?`.
    pub fn object<C: ObjectClient>(&self, key: impl Into<String>) -> C {
        C::with_key(key.into())
    }

    /// A client of a workflow: `ctx.workflow::<SignupClient>(&email).run(form).await?`.
    pub fn workflow<C: WorkflowClient>(&self, key: impl Into<String>) -> C {
        C::with_key(key.into())
    }

    /// Start a durable timer. It completes when the time has come, in a later life of this handler if need be.
    pub fn sleep(&self, duration: Duration) -> Operation<()> {
        Operation::new(host::ops::timer(host::ops::Due::After(to_millis(duration)), None), "a timer")
    }

    /// Start a durable timer that completes at a given time.
    pub fn sleep_until(&self, at: Timestamp) -> Operation<()> {
        Operation::new(host::ops::timer(host::ops::Due::At(at.as_millis()), None), "a timer")
    }

    /// A promise that anyone outside can resolve or reject by its id, over HTTP or from another handler.
    pub fn awakeable<T: DeserializeOwned>(&self) -> (AwakeableId, Operation<T>) {
        let (handle, id) = host::ops::awakeable();
        (id.into(), Operation::new(handle, "the value of an awakeable"))
    }

    /// Resolve somebody's awakeable. The first to resolve or reject it wins.
    pub fn resolve_awakeable<T: Serialize + ?Sized>(&self, id: impl AsRef<str>, value: &T) {
        host::ops::resolve_awakeable(id.as_ref(), Ok(&json::encode(value)));
    }

    /// Reject somebody's awakeable; awaiting it gives the failure. A text is a failure with code 500.
    pub fn reject_awakeable(&self, id: impl AsRef<str>, reason: impl Into<Failure>) {
        host::ops::resolve_awakeable(id.as_ref(), Err(&reason.into().into()));
    }

    /// The next value of a named signal that is sent to this invocation, before this or after: the k-th operation for a name gets
    /// its k-th value.
    pub fn signal<T: DeserializeOwned>(&self, name: &str) -> Operation<T> {
        Operation::new(host::ops::signal(name), "the value of a signal")
    }

    /// Send a named value to another invocation. Sent to one that is unknown or completed, it is dropped.
    pub fn send_signal<T: Serialize + ?Sized>(&self, to: &InvocationId, name: &str, value: &T) {
        host::ops::send_signal(to.as_str(), name, Ok(&json::encode(value)));
    }

    /// Send a failure as a signal's value: awaiting it gives the failure. A text is a failure with code 500.
    pub fn reject_signal(&self, to: &InvocationId, name: &str, reason: impl Into<Failure>) {
        host::ops::send_signal(to.as_str(), name, Err(&reason.into().into()));
    }

    /// The result of another invocation, when it has one. An unknown id is a failure 404.
    pub fn attach<T: DeserializeOwned>(&self, id: &InvocationId) -> Operation<T> {
        Operation::new(host::ops::attach(id.as_str()), "the result of an invocation")
    }

    /// The result of another invocation if it has one by now, else none. An unknown id is a failure 404.
    pub fn output<T: DeserializeOwned>(&self, id: &InvocationId) -> Operation<Option<T>> {
        Operation::optional(host::ops::output(id.as_str()), "the result of an invocation")
    }

    /// Cancel another invocation: what it awaits fails, and it may compensate. One that is unknown or completed is left alone.
    pub fn cancel(&self, id: &InvocationId) {
        host::ops::cancel(id.as_str());
    }

    /// Start an effect: `ctx.effect(charge(request)).await?`.
    pub fn effect<T: DeserializeOwned>(&self, request: EffectRequest<T>) -> Operation<T> {
        request.start()
    }

    /// Do a piece of real work in the middle of the handler: `ctx.run("quote", || Ok(fetch_quote(&carrier)?)).await?`.
    ///
    /// The closure is called when this is awaited, unless its result is recorded already; what it returns is recorded, and then the
    /// handler goes on in a fresh instance, by replay. So whatever else the work leaves behind in memory is gone, and a loop of many
    /// runs replays again and again: use effects there. Inside the closure [`Request::fetch`](crate::http::Request::fetch) works, and
    /// time and randomness are live; operations and waits trap.
    pub fn run<T, F>(&self, name: &str, work: F) -> Run<F>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Result<T, RunError>,
    {
        Run::new(name, work)
    }

    /// Start calls and other operations together and wait for all of them, failed ones included. Yields their values in order, or the
    /// failure of the first, in order, that failed.
    pub fn all<O: IntoOperation>(&self, operations: impl IntoIterator<Item = O>) -> All<O::Output> {
        All::new(operations.into_iter().map(IntoOperation::into_operation))
    }

    /// The time of this invocation. It moves when the handler starts operations or a wait returns, and is the same on replay.
    pub fn now(&self) -> Timestamp {
        time::now()
    }

    /// A random number, boolean or byte array, the same on replay: `ctx.random::<u64>()`. Not for secrets.
    pub fn random<R: Random>(&self) -> R {
        R::from_stream(host::context::random)
    }

    /// Random bytes, the same on replay, at most 65,536 at once. Not for secrets.
    pub fn random_bytes(&self, len: u32) -> Vec<u8> {
        host::context::random(len)
    }

    /// A version 4 UUID, the same on replay.
    pub fn uuid(&self) -> String {
        host::context::uuid()
    }

    /// The id of this invocation.
    pub fn invocation_id(&self) -> InvocationId {
        host::context::info().id.into()
    }

    /// The service, key and handler that were invoked.
    pub fn target(&self) -> InvocationTarget {
        host::context::info().target.into()
    }

    /// The invocation that called or sent this one; none when it came over HTTP.
    pub fn caller(&self) -> Option<InvocationId> {
        host::context::info().caller.map(InvocationId::from)
    }

    /// The key under which the caller made this invocation idempotent.
    pub fn idempotency_key(&self) -> Option<String> {
        host::context::info().idempotency_key
    }

    /// The headers of the request.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }
}

/// The context of a virtual object's shared handler: everything that [`Context`] has, and the state of the key, to read.
///
/// Writing does not compile:
///
/// ```compile_fail
/// use relight::prelude::*;
///
/// #[virtual_object]
/// impl Counter {
///     #[handler(shared)]
///     async fn reset(ctx: &SharedObjectContext) -> Result<(), Failure> {
///         ctx.set("value", &0)
///     }
/// }
/// ```
#[derive(Debug)]
pub struct SharedObjectContext {
    context: Context,
    key: String,
}

impl SharedObjectContext {
    /// The key of this virtual object or workflow.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value under `name`; none if there is none.
    ///
    /// # Errors
    ///
    /// A failure 500 when the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        host::state::get(name)
            .map(|bytes| json::decode_recorded(&bytes, &format!("the state value `{name}`")))
            .transpose()
    }

    /// The names of all values, in byte order.
    pub fn keys(&self) -> Vec<String> {
        host::state::keys()
    }
}

impl Deref for SharedObjectContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// The context of a virtual object's exclusive handler: everything that [`SharedObjectContext`] has, and the state to write.
#[derive(Debug)]
pub struct ObjectContext {
    shared: SharedObjectContext,
}

impl ObjectContext {
    /// Set the value under `name`.
    ///
    /// # Errors
    ///
    /// A failure 500 when the value cannot be expressed in JSON.
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), Failure> {
        set_state(name, value)
    }

    /// Remove the value under `name`.
    pub fn clear(&self, name: &str) {
        host::state::clear(name);
    }

    /// Remove all values of this key.
    pub fn clear_all(&self) {
        host::state::clear_all();
    }
}

impl Deref for ObjectContext {
    type Target = SharedObjectContext;

    fn deref(&self) -> &SharedObjectContext {
        &self.shared
    }
}

pub(crate) fn set_state<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| Failure::new(500, format!("cannot write the state value `{name}`: {error}")))?;
    host::state::set(name, &bytes);
    Ok(())
}

/// Makes a context for a request. No part of the API.
#[doc(hidden)]
pub trait FromRequest {
    /// The context of the handler that `request` names.
    fn from_request(request: &Request) -> Self;
}

impl FromRequest for Context {
    fn from_request(request: &Request) -> Self {
        Self { headers: Headers(request.headers.clone()) }
    }
}

impl FromRequest for SharedObjectContext {
    fn from_request(request: &Request) -> Self {
        let key = request.key.clone().expect("the host invokes keyed services with a key");
        Self { context: Context::from_request(request), key }
    }
}

impl FromRequest for ObjectContext {
    fn from_request(request: &Request) -> Self {
        Self { shared: SharedObjectContext::from_request(request) }
    }
}

/// What [`Context::random`] can make.
pub trait Random: Sized {
    /// Make one from `bytes(n)`, which gives the next `n` bytes of the stream.
    fn from_stream(bytes: impl FnMut(u32) -> Vec<u8>) -> Self;
}

impl<const N: usize> Random for [u8; N] {
    fn from_stream(mut bytes: impl FnMut(u32) -> Vec<u8>) -> Self {
        let len = u32::try_from(N).expect("arrays on a 32-bit target are shorter than 4 GiB");
        bytes(len).try_into().expect("the stream gives as many bytes as were asked for")
    }
}

macro_rules! random_integers {
    ($($integer:ty),*) => {$(
        impl Random for $integer {
            fn from_stream(bytes: impl FnMut(u32) -> Vec<u8>) -> Self {
                Self::from_le_bytes(Random::from_stream(bytes))
            }
        }
    )*};
}
random_integers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

impl Random for bool {
    fn from_stream(bytes: impl FnMut(u32) -> Vec<u8>) -> Self {
        u8::from_stream(bytes) & 1 == 1
    }
}

/// At least 0, less than 1.
impl Random for f64 {
    fn from_stream(bytes: impl FnMut(u32) -> Vec<u8>) -> Self {
        // As many bits as the mantissa holds, so that no value rounds up to 1.
        (u64::from_stream(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
