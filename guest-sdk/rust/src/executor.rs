//! Runs one handler: polls its future, and when nothing in it can go on, lets the host wait for what it waits for.
//!
//! # Rules
//!
//! - Single-threaded. The only blocking calls are the host's waits, made here.
//! - A future that awaits an operation registers its handle. When the handler's future is pending, everything that is registered is
//!   waited for: by `wait` for one handle, by `wait-all` when all of them belong to one [`All`](crate::All), else by `wait-any`.
//!   So what happens next depends on the order in which operations completed, which the host records, and on nothing else.
//! - Futures are polled again only when woken, so combinators that keep their own ready lists work.
//! - **Cancellation**: when a wait reports it, every operation that is being awaited at that moment fails with
//!   [`Failure::is_cancelled`]. An operation that is held but not awaited does not. The report does not use the operation up:
//!   whoever awaits it again gets its result. Operations started later are not affected.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::bindings::relight::handler::types::WaitError;
use crate::failure::Failure;
use crate::host::waiting;

/// Index of an operation in the journal.
pub(crate) type Handle = u32;

/// What an operation yields: bytes, or nothing for a timer.
pub(crate) type Value = Result<Option<Vec<u8>>, Failure>;

/// Operations that are waited for as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group(u32);

#[derive(Debug)]
struct Registration {
    waker: Waker,
    group: Option<Group>,
}

#[derive(Debug)]
enum Completed {
    /// A `wait` for the handle returns at once.
    Known,
    /// A `wait` has returned this.
    Fetched(Value),
}

#[derive(Debug, Default)]
struct Executor {
    /// Awaited and not known to be complete. Ordered, so that the host always gets the handles in the same order.
    registered: RefCell<BTreeMap<Handle, Registration>>,
    completed: RefCell<BTreeMap<Handle, Completed>>,
    /// Awaited when the cancellation was reported; emptied after the next poll.
    cancelled: RefCell<BTreeSet<Handle>>,
    groups: Cell<u32>,
}

thread_local! {
    static EXECUTOR: Executor = Executor::default();
}

/// Run a handler's or effect's future to its end.
///
/// # Panics
///
/// When the future waits for something that no operation will ever complete.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let root = Arc::new(RootWaker(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&root));
    let mut context = Context::from_waker(&waker);
    loop {
        while root.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
        EXECUTOR.with(Executor::wait);
    }
}

/// Ask for the value of an operation, and to be woken when it is there.
pub(crate) fn poll(handle: Handle, group: Option<Group>, context: &Context<'_>) -> Poll<Value> {
    EXECUTOR.with(|executor| executor.poll(handle, group, context))
}

/// Nobody awaits this operation any longer.
pub(crate) fn forget(handle: Handle) {
    // The thread's storage is gone only when the thread ends, together with every handler on it.
    let _ = EXECUTOR.try_with(|executor| {
        executor.registered.borrow_mut().remove(&handle);
        executor.completed.borrow_mut().remove(&handle);
    });
}

/// A name for operations that are to be waited for as a whole.
pub(crate) fn new_group() -> Group {
    EXECUTOR.with(|executor| {
        let group = executor.groups.get();
        executor.groups.set(group + 1);
        Group(group)
    })
}

struct RootWaker(AtomicBool);

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Executor {
    fn poll(&self, handle: Handle, group: Option<Group>, context: &Context<'_>) -> Poll<Value> {
        if self.cancelled.borrow_mut().remove(&handle) {
            return Poll::Ready(Err(Failure::cancelled()));
        }
        let completed = self.completed.borrow_mut().remove(&handle);
        match completed {
            Some(Completed::Fetched(value)) => Poll::Ready(value),
            Some(Completed::Known) => Poll::Ready(value(waiting::wait(handle))),
            None => {
                let registration = Registration { waker: context.waker().clone(), group };
                self.registered.borrow_mut().insert(handle, registration);
                Poll::Pending
            }
        }
    }

    /// Block until at least one registered operation has completed, or the cancellation is reported, and wake who waits for it.
    fn wait(&self) {
        self.cancelled.borrow_mut().clear();
        let handles: Vec<Handle> = self.registered.borrow().keys().copied().collect();
        match handles.as_slice() {
            [] => panic!(
                "the handler awaits something that is not an operation of Relight, so it would wait for ever"
            ),
            [handle] => match waiting::wait(*handle) {
                Err(WaitError::Cancelled) => self.cancel(),
                result => self.complete(*handle, Completed::Fetched(value(result))),
            },
            handles if self.is_one_group() => match waiting::wait_all(handles) {
                Ok(()) => handles.iter().for_each(|handle| self.complete(*handle, Completed::Known)),
                Err(_) => self.cancel(),
            },
            handles => match waiting::wait_any(handles) {
                Ok(handle) => self.complete(handle, Completed::Known),
                Err(_) => self.cancel(),
            },
        }
    }

    fn is_one_group(&self) -> bool {
        let registered = self.registered.borrow();
        let mut groups = registered.values().map(|registration| registration.group);
        let first = groups.next().flatten();
        first.is_some() && groups.all(|group| group == first)
    }

    fn complete(&self, handle: Handle, completed: Completed) {
        self.completed.borrow_mut().insert(handle, completed);
        let registration = self.registered.borrow_mut().remove(&handle);
        if let Some(registration) = registration {
            registration.waker.wake();
        }
    }

    fn cancel(&self) {
        let registered = std::mem::take(&mut *self.registered.borrow_mut());
        self.cancelled.borrow_mut().extend(registered.keys());
        for registration in registered.into_values() {
            registration.waker.wake();
        }
    }
}

fn value(result: Result<Option<Vec<u8>>, WaitError>) -> Value {
    result.map_err(|error| match error {
        WaitError::Failed(failure) => failure.into(),
        WaitError::Cancelled => Failure::cancelled(),
    })
}
