//! Reading a log: [`Reader`] for committed records and [`LeadershipWatch`] for who leads. Both poll; neither needs a
//! particular executor.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::api::{Leadership, ReadError};
use crate::position::{Lsn, Record};
use crate::tail::{Found, Tail, WatcherId};

/// How much one read may return. At least one record is returned whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    pub records: usize,
    /// Payload bytes.
    pub bytes: usize,
}

/// Committed records of one group, in order, from a position on and for as long as the log lives.
///
/// Recent records come from memory. Records that have left it are read from disk inside the poll: at most one
/// `ReadLimit` of bytes, in practice from the page cache. A caller that replays much SHOULD do it where blocking is
/// allowed.
pub struct Reader {
    tail: Arc<Tail>,
    older: Option<Arc<dyn Older>>,
    next: Lsn,
    id: WatcherId,
}

/// Follows who leads a group. The first read returns at once.
#[derive(Debug)]
pub struct LeadershipWatch {
    tail: Arc<Tail>,
    seen: Option<Leadership>,
    id: WatcherId,
}

/// Where the records are that have left memory.
pub(crate) trait Older: Send + Sync {
    /// Adds records from `from` up to before `end` to `records`, up to `limit`; returns the position after the last
    /// item looked at, which is above `from`.
    fn read(
        &self,
        from: Lsn,
        end: Lsn,
        limit: ReadLimit,
        records: &mut Vec<Record>,
    ) -> Result<Lsn, ReadError>;
}

/// What is left of a [`ReadLimit`] while a batch is being filled.
#[derive(Debug)]
pub(crate) struct Budget {
    left: ReadLimit,
    taken: bool,
}

impl Reader {
    /// A reader that finds what has left memory in `older`; `None` for a log that keeps everything there.
    pub(crate) fn open(
        tail: Arc<Tail>,
        older: Option<Arc<dyn Older>>,
        from: Lsn,
    ) -> Result<Reader, ReadError> {
        let first = tail.state().first;
        if from < first {
            return Err(ReadError::Trimmed { first });
        }
        let id = tail.watcher();
        Ok(Reader { tail, older, next: from, id })
    }

    /// The position that is read next. Above the LSN of the last record returned; when nothing more is committed it is
    /// `commit + 1`.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.next
    }

    /// Adds at least one record and at most `limit` to `records`, or registers the task and is pending.
    ///
    /// # Errors
    /// [`ReadError::Trimmed`] when the log was trimmed past the position, [`ReadError::Damaged`],
    /// [`ReadError::Shutdown`].
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        limit: ReadLimit,
        records: &mut Vec<Record>,
    ) -> Poll<Result<(), ReadError>> {
        match self.advance(Some(cx.waker()), limit, records) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Like [`Reader::poll_read`], as a future. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`Reader::poll_read`].
    pub async fn read(&mut self, limit: ReadLimit, records: &mut Vec<Record>) -> Result<(), ReadError> {
        poll_fn(|cx| self.poll_read(cx, limit, records)).await
    }

    /// Like [`Reader::poll_read`], but when nothing is there it returns `false` instead of registering a task.
    ///
    /// # Errors
    /// As [`Reader::poll_read`].
    pub fn try_read(&mut self, limit: ReadLimit, records: &mut Vec<Record>) -> Result<bool, ReadError> {
        self.advance(None, limit, records)
    }

    fn advance(
        &mut self,
        waker: Option<&Waker>,
        limit: ReadLimit,
        records: &mut Vec<Record>,
    ) -> Result<bool, ReadError> {
        let before = records.len();
        loop {
            match self.tail.read(self.next, limit, records, self.id, waker)? {
                Found::Nothing => return Ok(false),
                Found::Upto(next) => self.next = next,
                Found::Older(end) => {
                    let older =
                        self.older.as_ref().expect("a log without a store keeps every record in memory");
                    match older.read(self.next, end, limit, records) {
                        Ok(next) => self.next = next,
                        Err(error) => return Err(self.trimmed_meanwhile().unwrap_or(error)),
                    }
                }
            }
            // Items of the log's own add no record: look further.
            if before < records.len() {
                return Ok(true);
            }
        }
    }

    /// A trim between the look into the tail and the read of the store looks like a hole there.
    fn trimmed_meanwhile(&self) -> Option<ReadError> {
        let first = self.tail.state().first;
        (self.next < first).then_some(ReadError::Trimmed { first })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.tail.forget(self.id);
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("group", &self.tail.group())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl LeadershipWatch {
    pub(crate) fn open(tail: Arc<Tail>) -> LeadershipWatch {
        let id = tail.watcher();
        LeadershipWatch { tail, seen: None, id }
    }

    /// Who leads, when that differs from what the last call returned. Changes in between may be skipped.
    ///
    /// # Errors
    /// [`ReadError::Shutdown`].
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Leadership, ReadError>> {
        match self.tail.leadership_unless(self.seen, self.id, cx.waker()) {
            Ok(Some(now)) => {
                self.seen = Some(now);
                Poll::Ready(Ok(now))
            }
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Like [`LeadershipWatch::poll_changed`], as a future. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ReadError::Shutdown`].
    pub async fn changed(&mut self) -> Result<Leadership, ReadError> {
        poll_fn(|cx| self.poll_changed(cx)).await
    }
}

impl Drop for LeadershipWatch {
    fn drop(&mut self) {
        self.tail.forget(self.id);
    }
}

impl ReadLimit {
    pub(crate) fn budget(self) -> Budget {
        Budget { left: self, taken: false }
    }
}

impl Default for ReadLimit {
    /// 1,024 records or 1 MiB: enough to make the cost of a batch disappear in the cost of its records, little enough
    /// for one write batch of tables.
    fn default() -> Self {
        ReadLimit { records: 1024, bytes: 1 << 20 }
    }
}

impl Budget {
    /// Whether a record of this size may still be added; if so it is counted. The first always may.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let fits = 0 < self.left.records && bytes <= self.left.bytes;
        if self.taken && !fits {
            return false;
        }
        self.taken = true;
        self.left.records = self.left.records.saturating_sub(1);
        self.left.bytes = self.left.bytes.saturating_sub(bytes);
        true
    }
}
