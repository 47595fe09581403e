//! Where guests run: next to the leader that started them, until one computes; then on threads of their own.
//!
//! Most handlers compute for microseconds between two waits. Moving each of them to another thread and back costs more
//! than running them: a sleeping thread takes tens of microseconds to wake. A guest that is still computing when the
//! engine's clock has ticked twice moves, with its instance, to the runtime for guests, and while that happens others
//! start there right away: so leaders and doors are kept waiting for a tick now and then, and never by a crowd.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    task::{AbortHandle, JoinHandle},
};

/// For how long after a guest had to be moved others start where it went: long enough that of a steady crowd of
/// computing guests hardly any starts next to a leader.
pub(crate) const WARY: Duration = Duration::from_secs(1);

thread_local! {
    /// Whether the guest that was polled last on this thread is to move.
    static MOVES: Cell<bool> = const { Cell::new(false) };
}

/// The guest that runs on this thread computes; it MUST yield now.
pub(crate) fn moves() {
    MOVES.set(true);
}

/// The threads for guests that compute, and when one last had to be moved there.
pub(crate) struct Place {
    runtime: Handle,
    wary: Duration,
    since: Instant,
    /// Milliseconds after `since` up to which guests start on `runtime`.
    wary_until: AtomicU64,
}

impl Place {
    /// `runtime`: for guests that compute. `wary`: as [`WARY`] says.
    pub fn new(runtime: Handle, wary: Duration) -> Arc<Self> {
        Arc::new(Self { runtime, wary, since: Instant::now(), wary_until: AtomicU64::new(0) })
    }

    /// Runs a guest's task: right away and on the runtime of the caller as long as it does not compute, if there is one.
    pub fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) -> Placed {
        match Handle::try_current() {
            Ok(here) if self.millis() >= self.wary_until.load(Ordering::Relaxed) => {
                let mut near = Box::pin(self.clone().near(task));
                // Whoever is woken by this first poll is polled again below.
                let ended = near.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                Placed((!ended).then(|| here.spawn(near).abort_handle()))
            }
            Ok(_) | Err(_) => Placed(Some(self.runtime.spawn(task).abort_handle())),
        }
    }

    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    async fn near(self: Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let mut task = Box::pin(task);
        let end = poll_fn(|context| {
            MOVES.set(false);
            match task.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(End::Done),
                Poll::Pending if MOVES.get() => Poll::Ready(End::Computes),
                Poll::Pending => Poll::Pending,
            }
        });
        match end.await {
            End::Done => {}
            End::Computes => {
                let wary = u64::try_from(self.wary.as_millis()).expect("a duration of seconds fits");
                self.wary_until.store(self.millis() + wary, Ordering::Relaxed);
                let moved = Moved(self.runtime.spawn(task));
                moved.await;
            }
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).expect("milliseconds of a process fit 64 bits")
    }
}

/// A guest's task, wherever it is; `None`: it has ended. Dropping this aborts it.
pub(crate) struct Placed(Option<AbortHandle>);

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Why a task is no longer polled next to its leader.
enum End {
    Done,
    Computes,
}

/// A task that goes on elsewhere; dropping this aborts it.
struct Moved(JoinHandle<()>);

impl Future for Moved {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Guests' tasks catch their panics; an aborted one is dropped with this.
        Pin::new(&mut self.0).poll(context).map(|_| ())
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime(name: &str) -> Runtime {
        Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().expect("threads")
    }

    /// Where a task was polled, in order.
    type Seen = Arc<Mutex<Vec<String>>>;

    fn see(seen: &Seen) {
        let name = std::thread::current().name().expect("worker threads have names").to_owned();
        seen.lock().expect("no test panics with it").push(name);
    }

    /// Yields once, as a guest does at a tick if it `computes`, or else as one that waits.
    async fn guest(seen: Seen, computes: bool) {
        see(&seen);
        if computes {
            moves();
        }
        tokio::task::yield_now().await;
        see(&seen);
    }

    /// Spawns on the leader's runtime and waits for the end.
    fn run(leader: &Runtime, place: &Arc<Place>, task: impl Future<Output = ()> + Send + 'static) {
        let place = place.clone();
        let (ended, wait) = tokio::sync::oneshot::channel();
        leader.block_on(async move {
            let spawned = tokio::spawn(async move {
                place.spawn(async move {
                    task.await;
                    let _ = ended.send(());
                })
            });
            let _placed = spawned.await.expect("spawning does not panic");
            wait.await.expect("the task ends");
        });
    }

    #[test]
    fn a_guest_moves_when_it_computes_and_the_next_one_starts_there() {
        let (leader, guests) = (runtime("leader"), runtime("guests"));
        let place = Place::new(guests.handle().clone(), Duration::from_secs(3600));
        let seen = Seen::default();
        run(&leader, &place, guest(seen.clone(), false));
        run(&leader, &place, guest(seen.clone(), true));
        run(&leader, &place, guest(seen.clone(), false));
        let seen = seen.lock().expect("nothing panicked");
        assert_eq!(*seen, ["leader", "leader", "leader", "guests", "guests", "guests"]);
    }

    #[test]
    fn aborting_ends_a_guest_that_has_moved() {
        struct Gone(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Gone {
            fn drop(&mut self) {
                let _ = self.0.take().expect("dropped once").send(());
            }
        }
        let (leader, guests) = (runtime("leader"), runtime("guests"));
        let place = Place::new(guests.handle().clone(), Duration::from_secs(3600));
        let (gone, wait) = tokio::sync::oneshot::channel();
        let (moved, has_moved) = tokio::sync::oneshot::channel();
        leader.block_on(async {
            let task = place.spawn(async move {
                let _gone = Gone(Some(gone));
                moves();
                tokio::task::yield_now().await;
                let _ = moved.send(());
                std::future::pending().await
            });
            has_moved.await.expect("it goes on");
            drop(task);
            wait.await.expect("it is dropped");
        });
    }
}
