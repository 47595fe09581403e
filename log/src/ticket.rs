//! [`Ticket`]: the answer of an append, as a future. A one-shot cell and nothing else.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::api::AppendError;
use crate::position::Lsn;

/// The answer of one append: the LSN of its first record, once every record of it is committed and durable.
///
/// Any executor can poll it. Dropping it does not undo the append.
///
/// # Panics
/// When polled again after it was ready.
#[derive(Debug)]
pub struct Ticket(Inner);

#[derive(Debug)]
enum Inner {
    Answered(Option<Result<Lsn, AppendError>>),
    Pending(Arc<Cell>),
}

/// The other end of a [`Ticket`]. Dropped without an answer it answers [`AppendError::Unknown`]: whoever held it
/// died, and nobody can say what became of the records.
#[derive(Debug)]
pub(crate) struct Promise {
    cell: Arc<Cell>,
    answered: bool,
}

#[derive(Debug, Default)]
struct Cell {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answer: Option<Result<Lsn, AppendError>>,
    taken: bool,
    waker: Option<Waker>,
}

/// A ticket and the promise that answers it.
pub(crate) fn pair() -> (Promise, Ticket) {
    let cell = Arc::new(Cell::default());
    (Promise { cell: Arc::clone(&cell), answered: false }, Ticket(Inner::Pending(cell)))
}

impl Ticket {
    /// A ticket that is answered already. Also for tests of callers that script a log's answers.
    #[must_use]
    pub fn answered(answer: Result<Lsn, AppendError>) -> Ticket {
        Ticket(Inner::Answered(Some(answer)))
    }
}

impl Future for Ticket {
    type Output = Result<Lsn, AppendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Answered(answer) => {
                Poll::Ready(answer.take().expect("a ticket is not polled after it was ready"))
            }
            Inner::Pending(cell) => {
                let mut state = cell.lock();
                assert!(!state.taken, "a ticket is not polled after it was ready");
                if let Some(answer) = state.answer.take() {
                    state.taken = true;
                    return Poll::Ready(answer);
                }
                match &mut state.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Promise {
    /// Answers the ticket and wakes whoever polls it.
    pub(crate) fn answer(mut self, answer: Result<Lsn, AppendError>) {
        self.settle(answer);
    }

    fn settle(&mut self, answer: Result<Lsn, AppendError>) {
        self.answered = true;
        let waker = {
            let mut state = self.cell.lock();
            state.answer = Some(answer);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.answered {
            self.settle(Err(AppendError::Unknown));
        }
    }
}

impl Cell {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between two assignments of plain values leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
