//! A durable operation whose result may be pending.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use crate::executor::{self, Group, Handle};
use crate::failure::Failure;
use crate::json;

/// A durable operation that has been started. Awaiting it may suspend the handler.
///
/// Dropping it does not undo the operation; it only means that nobody waits for its result. After it has answered with a
/// [cancellation](Failure::is_cancelled) it can be awaited again, for its own result.
#[must_use = "the operation has been started; await it for its result, or drop it explicitly"]
pub struct Operation<T> {
    handle: Handle,
    /// Completes the sentence "cannot read …".
    what: &'static str,
    decode: Decode<T>,
}

/// Reads what has completed an operation: bytes, or nothing.
type Decode<T> = fn(Option<Vec<u8>>, what: &'static str) -> Result<T, Failure>;

impl<T: DeserializeOwned> Operation<T> {
    pub(crate) fn new(handle: Handle, what: &'static str) -> Self {
        let decode: Decode<T> = |bytes, what| json::decode_recorded(&bytes.unwrap_or_default(), what);
        Self { handle, what, decode }
    }
}

impl<T: DeserializeOwned> Operation<Option<T>> {
    /// Of an operation that completes without a value when there is none. A value that reads as `null` is one.
    pub(crate) fn optional(handle: Handle, what: &'static str) -> Self {
        let decode: Decode<Option<T>> =
            |bytes, what| bytes.map(|bytes| json::decode_recorded(&bytes, what)).transpose();
        Self { handle, what, decode }
    }
}

impl<T> Operation<T> {
    pub(crate) fn poll_in(
        &mut self,
        group: Option<Group>,
        context: &Context<'_>,
    ) -> Poll<Result<T, Failure>> {
        executor::poll(self.handle, group, context)
            .map(|value| value.and_then(|bytes| (self.decode)(bytes, self.what)))
    }
}

impl<T> Future for Operation<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_in(None, context)
    }
}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        executor::forget(self.handle);
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// What can be started as an operation: operations themselves, and calls that have not been made yet.
pub trait IntoOperation {
    /// What the operation yields.
    type Output: DeserializeOwned;

    /// Start it, if it has not been started.
    fn into_operation(self) -> Operation<Self::Output>;
}

impl<T: DeserializeOwned> IntoOperation for Operation<T> {
    type Output = T;

    fn into_operation(self) -> Operation<T> {
        self
    }
}
