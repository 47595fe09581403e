//! Waiting for more than one thing. All of it is deterministic: who wins is the operation that completed first by the journal's order,
//! and where several are ready the one named first.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;

use crate::executor::{self, Group};
use crate::failure::Failure;
use crate::operation::Operation;

/// One of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<L, R> {
    /// The first.
    Left(L),
    /// The second.
    Right(R),
}

/// Wait for whichever comes first. Yields its output and the other one, which can be awaited later or dropped.
///
/// ```
/// # use relight::prelude::*;
/// async fn approval(ctx: &Context) -> Result<Option<bool>, Failure> {
///     let (_id, approval) = ctx.awakeable::<bool>();
///     match select(approval, ctx.sleep(days(2))).await {
///         (Either::Left(approved), _) => approved.map(Some),
///         (Either::Right(timer), _) => timer.map(|()| None),
///     }
/// }
/// ```
pub async fn select<A: IntoFuture, B: IntoFuture>(
    a: A,
    b: B,
) -> (Either<A::Output, B::Output>, Either<Pin<Box<A::IntoFuture>>, Pin<Box<B::IntoFuture>>>) {
    let mut a = Box::pin(a.into_future());
    let mut b = Box::pin(b.into_future());
    let winner = poll_fn(|context| {
        if let Poll::Ready(output) = a.as_mut().poll(context) {
            return Poll::Ready(Either::Left(output));
        }
        b.as_mut().poll(context).map(Either::Right)
    })
    .await;
    match winner {
        Either::Left(output) => (Either::Left(output), Either::Right(b)),
        Either::Right(output) => (Either::Right(output), Either::Left(a)),
    }
}

/// Wait for the first of many of one kind. Yields its position in `futures` and its output; the others are dropped.
///
/// # Panics
///
/// When `futures` is empty.
pub async fn race<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> (usize, F::Output) {
    let mut futures: Vec<_> = futures.into_iter().map(|future| Box::pin(future.into_future())).collect();
    assert!(!futures.is_empty(), "a race needs at least one runner");
    poll_fn(|context| {
        for (index, future) in futures.iter_mut().enumerate() {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready((index, output));
            }
        }
        Poll::Pending
    })
    .await
}

/// Wait for both.
pub async fn join<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> (A::Output, B::Output) {
    let mut a = pin!(a.into_future());
    let mut b = pin!(b.into_future());
    let (mut output_a, mut output_b) = (None, None);
    poll_fn(|context| {
        poll_once(a.as_mut(), &mut output_a, context);
        poll_once(b.as_mut(), &mut output_b, context);
        match (output_a.take(), output_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (output_a, output_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Wait for all of any futures of one kind, and yield their outputs in the order of `futures`. For operations,
/// [`Context::all`](crate::Context::all) is cheaper: a suspended handler is woken once for all of them.
pub async fn join_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut slots: Vec<_> =
        futures.into_iter().map(|future| (Box::pin(future.into_future()), None)).collect();
    poll_fn(|context| {
        for (future, output) in &mut slots {
            poll_once(future.as_mut(), output, context);
        }
        if slots.iter().all(|(_, output)| output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    slots.into_iter().filter_map(|(_, output)| output).collect()
}

fn poll_once<F: Future>(future: Pin<&mut F>, output: &mut Option<F::Output>, context: &mut Context<'_>) {
    if output.is_none()
        && let Poll::Ready(value) = future.poll(context)
    {
        *output = Some(value);
    }
}

/// All of some operations; made by [`Context::all`](crate::Context::all).
#[must_use = "the operations have been started; await this for their results"]
pub struct All<T> {
    operations: Vec<Slot<T>>,
    group: Group,
}

/// An operation, and its result once it is there.
type Slot<T> = (Operation<T>, Option<Result<T, Failure>>);

// Operations are plain handles: nothing points into them.
impl<T> Unpin for All<T> {}

impl<T> All<T> {
    pub(crate) fn new(operations: impl IntoIterator<Item = Operation<T>>) -> Self {
        let operations = operations.into_iter().map(|operation| (operation, None)).collect();
        Self { operations, group: executor::new_group() }
    }
}

impl<T: DeserializeOwned> Future for All<T> {
    type Output = Result<Vec<T>, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let group = Some(self.group);
        let (mut pending, mut cancelled) = (false, None);
        for (operation, result) in &mut self.operations {
            if result.is_some() {
                continue;
            }
            match operation.poll_in(group, context) {
                Poll::Pending => pending = true,
                Poll::Ready(Err(failure)) if failure.is_cancelled() => cancelled = Some(failure),
                Poll::Ready(value) => *result = Some(value),
            }
        }
        match cancelled {
            Some(failure) => Poll::Ready(Err(failure)),
            None if pending => Poll::Pending,
            None => {
                let operations = std::mem::take(&mut self.operations);
                Poll::Ready(operations.into_iter().filter_map(|(_, result)| result).collect())
            }
        }
    }
}

impl<T> fmt::Debug for All<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.operations.iter().map(|(operation, _)| operation)).finish()
    }
}
