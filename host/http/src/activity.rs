//! What a connection is doing, and when that has taken too long.
//!
//! hyper's own time-outs leave gaps: its detection of the protocol has none, its time-out for headers is also the one
//! for idle connections, and nothing bounds a client that never reads its responses. So the socket and the requests
//! report here, and a timer asks for a [`Verdict`] now and then.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::serve::Limits;

/// Instants are in milliseconds since `base`, plus one; zero means "not now".
#[derive(Debug)]
pub(crate) struct Activity {
    base: Instant,
    /// First byte of a request whose head is not complete yet.
    head_since: AtomicU64,
    idle_since: AtomicU64,
    write_blocked_since: AtomicU64,
    requests: AtomicU32,
    /// On HTTP/2 bytes between requests need not belong to a head.
    multiplexed: AtomicBool,
    /// Milliseconds by which a test has moved this connection's clock.
    #[cfg(test)]
    skipped: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Continue,
    /// No request for too long.
    Idle,
    /// The client sends a head, or takes a response, too slowly.
    Stuck,
}

impl Activity {
    /// A new connection: its first head is due.
    pub(crate) fn new() -> Self {
        Self {
            base: Instant::now(),
            head_since: AtomicU64::new(1),
            idle_since: AtomicU64::new(1),
            write_blocked_since: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            multiplexed: AtomicBool::new(false),
            #[cfg(test)]
            skipped: AtomicU64::new(0),
        }
    }

    pub(crate) fn verdict(&self, limits: &Limits) -> Verdict {
        let longer = |since: &AtomicU64, max: Duration| {
            let since = since.load(Relaxed);
            since != 0 && Duration::from_millis(self.now() - since) > max
        };
        if longer(&self.write_blocked_since, limits.write_stall) {
            return Verdict::Stuck;
        }
        if self.requests.load(Relaxed) > 0 {
            return Verdict::Continue;
        }
        if longer(&self.head_since, limits.header_read) {
            Verdict::Stuck
        } else if longer(&self.idle_since, limits.idle) {
            Verdict::Idle
        } else {
            Verdict::Continue
        }
    }

    /// A head is complete; the request runs until the answer is dropped.
    pub(crate) fn request(self: &Arc<Self>, multiplexed: bool) -> RequestGuard {
        self.head_since.store(0, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.multiplexed.store(multiplexed, Relaxed);
        RequestGuard(Arc::clone(self))
    }

    fn now(&self) -> u64 {
        let elapsed = self.base.elapsed();
        #[cfg(test)]
        let elapsed = elapsed + Duration::from_millis(self.skipped.load(Relaxed));
        u64::try_from(elapsed.as_millis()).expect("a connection does not live for ages") + 1
    }

    fn bytes_read(&self) {
        if self.requests.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed) {
            let _ = self.head_since.compare_exchange(0, self.now(), Relaxed, Relaxed);
        }
    }

    fn written<T>(&self, poll: Poll<T>) -> Poll<T> {
        if poll.is_pending() {
            let _ = self.write_blocked_since.compare_exchange(0, self.now(), Relaxed, Relaxed);
        } else {
            self.write_blocked_since.store(0, Relaxed);
        }
        poll
    }
}

#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<Activity>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// A response body that keeps its request counted until it is sent or dropped.
#[derive(Debug)]
pub(crate) struct Guarded<B> {
    pub(crate) body: B,
    pub(crate) _request: RequestGuard,
}

impl<B: Body + Unpin> Body for Guarded<B>
where
    B::Data: Buf,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that reports to an [`Activity`].
#[derive(Debug)]
pub(crate) struct Reporting<S> {
    pub(crate) socket: S,
    pub(crate) activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Reporting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.socket).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.bytes_read();
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reporting<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.activity.written(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.activity.written(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Less than any limit, more than a test takes.
    const STEP: Duration = Duration::from_secs(5);

    fn pass(activity: &Activity, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap();
        activity.skipped.fetch_add(time, Relaxed);
    }

    #[test]
    fn a_connection_that_sends_no_head_is_stuck() {
        let (limits, activity) = (Limits::default(), Activity::new());
        pass(&activity, limits.header_read - STEP);
        assert_eq!(activity.verdict(&limits), Verdict::Continue);
        pass(&activity, STEP * 2);
        assert_eq!(activity.verdict(&limits), Verdict::Stuck);
    }

    #[test]
    fn a_running_request_may_take_for_ever() {
        let (limits, activity) = (Limits::default(), Arc::new(Activity::new()));
        let request = activity.request(false);
        activity.bytes_read();
        pass(&activity, limits.idle * 100);
        assert_eq!(activity.verdict(&limits), Verdict::Continue);
        drop(request);
        pass(&activity, limits.idle - STEP);
        assert_eq!(activity.verdict(&limits), Verdict::Continue);
        pass(&activity, STEP * 2);
        assert_eq!(activity.verdict(&limits), Verdict::Idle);
    }

    #[test]
    fn a_second_head_is_due_from_its_first_byte() {
        let (limits, activity) = (Limits::default(), Arc::new(Activity::new()));
        drop(activity.request(false));
        pass(&activity, limits.header_read * 2);
        activity.bytes_read();
        pass(&activity, limits.header_read - STEP);
        activity.bytes_read();
        assert_eq!(activity.verdict(&limits), Verdict::Continue);
        pass(&activity, STEP * 2);
        assert_eq!(activity.verdict(&limits), Verdict::Stuck);
    }

    #[test]
    fn frames_between_requests_are_no_head() {
        let (limits, activity) = (Limits::default(), Arc::new(Activity::new()));
        drop(activity.request(true));
        activity.bytes_read();
        pass(&activity, limits.header_read * 2);
        assert_eq!(activity.verdict(&limits), Verdict::Continue);
    }

    #[test]
    fn a_client_that_does_not_read_is_stuck() {
        let (limits, activity) = (Limits::default(), Arc::new(Activity::new()));
        let _request = activity.request(false);
        assert!(activity.written(Poll::<()>::Pending).is_pending());
        pass(&activity, limits.write_stall + STEP);
        assert_eq!(activity.verdict(&limits), Verdict::Stuck);
        assert!(activity.written(Poll::Ready(())).is_ready());
        assert_eq!(activity.verdict(&limits), Verdict::Continue);
    }
}
