//! [`NodeLog`]: the logs of all groups of a node, and the thread that drives them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::driver::{Counters, Driver, Event, PASS_BYTES_MAX, Progress, Stats};
use super::error::{FatalError, OpenError};
use super::handle::GroupLog;
use super::store::StoredEntries;
use crate::fault::Faults;
use crate::position::{GroupId, Lsn, NodeId};

/// Called on the log's thread when it cannot go on. It SHOULD end the process; if it returns, the log is stopped.
pub type FatalHook = Arc<dyn Fn(&FatalError) + Send + Sync>;

/// How to open a node's log.
#[derive(Clone)]
pub struct Options {
    /// Everything of the log is in here; created when it is missing.
    pub folder: PathBuf,
    /// This node. Fixed when the log is created.
    pub node: NodeId,
    /// How many groups: ids `0..groups`. Fixed when the log is created.
    pub groups: u16,
    /// How many bytes of recent records each group keeps in memory for its readers.
    pub tail_bytes_max: usize,
    pub fatal: FatalHook,
    /// What shall go wrong; `None` reads [`crate::FAULT_VARIABLE`].
    pub faults: Option<Faults>,
}

/// The logs of all groups of a node. Dropping it stops them cleanly: what is queued is written and answered.
pub struct NodeLog {
    groups: Vec<GroupLog>,
    events: Sender<Event>,
    counters: Arc<Counters>,
    threads: Vec<JoinHandle<()>>,
}

impl Options {
    /// Options for a cluster of this one node.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, groups: u16) -> Options {
        Options {
            folder: folder.into(),
            node: NodeId(1),
            groups,
            // What one pass can add, so that a reader that keeps up never reads from disk.
            tail_bytes_max: PASS_BYTES_MAX,
            fatal: Arc::new(abort),
            faults: None,
        }
    }
}

impl NodeLog {
    /// Opens or creates the log, checks that it is whole, and starts the thread `relight-log`. When it returns this node
    /// leads every group that has no other voter. Blocks; the time is that of `open.rs` plus one sync.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: Options) -> Result<NodeLog, OpenError> {
        let (mut driver, groups) = Driver::open(&options)?;
        let counters = driver.counters();
        // One handle serves as the source of senders; without groups there is nobody to send anything.
        let events = groups.first().map_or_else(|| mpsc::channel().0, GroupLog::events);
        let (trims, trims_receiver) = mpsc::channel();
        let entries = driver.entries().clone();
        driver.announce_trims(trims);
        let begun = Instant::now();
        driver.pass(Duration::ZERO).map_err(OpenError::Begin)?;
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name.to_owned()).spawn(body);
            thread.map_err(OpenError::io("start a thread for", &options.folder))
        };
        let fatal = Arc::clone(&options.fatal);
        let threads = vec![
            spawn("relight-log-trim", Box::new(move || reclaim(&entries, &trims_receiver)))?,
            spawn("relight-log", Box::new(move || run(driver, begun, &fatal)))?,
        ];
        Ok(NodeLog { groups, events, counters, threads })
    }

    /// The handle of a group.
    ///
    /// # Panics
    /// When there is no such group.
    #[must_use]
    pub fn group(&self, group: GroupId) -> &GroupLog {
        &self.groups[usize::from(group.0)]
    }

    /// All groups, by id.
    #[must_use]
    pub fn groups(&self) -> &[GroupLog] {
        &self.groups
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// Stops cleanly. The same as dropping it, with a name.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for NodeLog {
    fn drop(&mut self) {
        // The thread is gone already when the log failed.
        let _ = self.events.send(Event::Stop);
        for thread in self.threads.drain(..).rev() {
            // A panic inside is caught there; what is left could only come from the caller's hook.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for NodeLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeLog")
            .field("groups", &self.groups)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("folder", &self.folder)
            .field("node", &self.node)
            .field("groups", &self.groups)
            .field("tail_bytes_max", &self.tail_bytes_max)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// The body of the log's thread.
fn run(mut driver: Driver, begun: Instant, fatal: &FatalHook) {
    let passes = catch_unwind(AssertUnwindSafe(|| drive(&mut driver, begun)));
    let failure = match passes {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(panic) => FatalError::Panic(panic_text(panic.as_ref())),
    };
    fatal(&failure);
    driver.close();
}

fn drive(driver: &mut Driver, begun: Instant) -> Result<(), FatalError> {
    loop {
        let timeout = driver.deadline().map(|deadline| deadline.saturating_sub(begun.elapsed()));
        driver.wait(timeout)?;
        if driver.pass(begun.elapsed())? == Progress::Stopped {
            return Ok(());
        }
    }
}

/// Gives back the space of trimmed records, off the log's thread.
fn reclaim(entries: &StoredEntries, trims: &Receiver<(GroupId, Lsn)>) {
    for (group, upto) in trims {
        if let Err(error) = entries.reclaim(group, upto) {
            tracing::warn!(%group, %upto, %error, "cannot drop trimmed files; the next compaction will");
        }
    }
}

/// The default hook.
fn abort(error: &FatalError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(error = %error, cause, "the log failed; the process ends so that nothing unsafe is acknowledged");
    std::process::abort();
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
