//! Workflows: the contexts of their handlers, and the promises of their keys.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::relight::handler::requests::Request;
use crate::context::{FromRequest, SharedObjectContext, set_state};
use crate::failure::Failure;
use crate::host;
use crate::json;
use crate::operation::{IntoOperation, Operation};

/// The context of a workflow's handlers beside its run: everything that [`Context`](crate::Context) has, the state of the key, to read,
/// and its promises.
///
/// Writing does not compile:
///
/// ```compile_fail
/// use relight::prelude::*;
///
/// #[workflow]
/// impl Signup {
///     #[run]
///     async fn run(ctx: &WorkflowContext) {}
///
///     #[handler]
///     async fn reset(ctx: &SharedWorkflowContext) -> Result<(), Failure> {
///         ctx.set("stage", &0)
///     }
/// }
/// ```
///
/// Nor has anything but a workflow promises:
///
/// ```compile_fail
/// use relight::prelude::*;
///
/// #[virtual_object]
/// impl Cart {
///     #[handler]
///     async fn wait(ctx: &ObjectContext) -> Result<bool, Failure> {
///         ctx.promise("paid").await
///     }
/// }
/// ```
#[derive(Debug)]
pub struct SharedWorkflowContext {
    object: SharedObjectContext,
}

impl SharedWorkflowContext {
    /// The promise `name` of this key: one value, whoever completes it and whoever awaits it.
    pub fn promise<T>(&self, name: &str) -> Promise<T> {
        Promise { name: name.to_owned(), yields: PhantomData }
    }

    /// Give a promise its value. Yields a failure 409 when it has one already.
    pub fn resolve_promise<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Operation<()> {
        Operation::new(host::ops::promise_complete(name, Ok(&json::encode(value))), COMPLETION)
    }

    /// Give a promise a failure, which awaiting it then gives. A text is a failure with code 500. Yields a failure 409 when the
    /// promise is completed already.
    pub fn reject_promise(&self, name: &str, reason: impl Into<Failure>) -> Operation<()> {
        Operation::new(host::ops::promise_complete(name, Err(&reason.into().into())), COMPLETION)
    }
}

const COMPLETION: &str = "the completion of a promise";

impl Deref for SharedWorkflowContext {
    type Target = SharedObjectContext;

    fn deref(&self) -> &SharedObjectContext {
        &self.object
    }
}

/// The context of a workflow's run: everything that [`SharedWorkflowContext`] has, and the state to write.
#[derive(Debug)]
pub struct WorkflowContext {
    shared: SharedWorkflowContext,
}

impl WorkflowContext {
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

impl Deref for WorkflowContext {
    type Target = SharedWorkflowContext;

    fn deref(&self) -> &SharedWorkflowContext {
        &self.shared
    }
}

impl FromRequest for SharedWorkflowContext {
    fn from_request(request: &Request) -> Self {
        Self { object: SharedObjectContext::from_request(request) }
    }
}

impl FromRequest for WorkflowContext {
    fn from_request(request: &Request) -> Self {
        Self { shared: SharedWorkflowContext::from_request(request) }
    }
}

/// A promise of a workflow's key; made by [`SharedWorkflowContext::promise`]. Nothing is asked for before it is awaited,
/// [started](IntoOperation::into_operation), or [peeked at](Promise::peek).
#[must_use = "nothing happens before this is awaited or peeked at"]
pub struct Promise<T> {
    name: String,
    yields: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Promise<T> {
    /// Its value if it has one by now, else none. A promise that was rejected yields its failure.
    pub fn peek(self) -> Operation<Option<T>> {
        Operation::optional(host::ops::promise_peek(&self.name), VALUE)
    }
}

const VALUE: &str = "the value of a promise";

impl<T: DeserializeOwned> IntoOperation for Promise<T> {
    type Output = T;

    fn into_operation(self) -> Operation<T> {
        Operation::new(host::ops::promise(&self.name), VALUE)
    }
}

impl<T: DeserializeOwned> IntoFuture for Promise<T> {
    type Output = Result<T, Failure>;
    type IntoFuture = Operation<T>;

    fn into_future(self) -> Operation<T> {
        self.into_operation()
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").field("name", &self.name).finish_non_exhaustive()
    }
}
