//! The driver of all groups of a node: synchronous, one pass at a time, no thread and no clock of its own. A thread
//! ([`super::node`]) or a simulator calls [`Driver::pass`].
//!
//! A pass:
//! 1. takes the appends and trims that arrived meanwhile, up to [`PASS_BYTES_MAX`];
//! 2. stages what every group must store into **one** write batch;
//! 3. writes it with **one** sync, then the high-water mark;
//! 4. publishes what that commits to readers, and answers tickets.
//!
//! What arrives during the sync of one pass is in the batch of the next: group commit, over all groups.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::task::Waker;
use std::time::Duration;

use super::disk::Disk;
use super::error::{FatalError, OpenError};
use super::group::{Group, InFlight, Proposal};
use super::handle::GroupLog;
use super::high_water::HighWater;
use super::node::Options;
use super::open::{self, Opened};
use super::store::{Store, StoredEntries};
use crate::api::AppendError;
use crate::fault::{Faults, Point};
use crate::position::{GroupId, Lsn};

/// Payload bytes that one pass takes in: some tens of milliseconds of writing. More only makes the first wait longer.
pub const PASS_BYTES_MAX: usize = 16 << 20;

/// The unit of election time-outs and heartbeats, for groups with several voters.
const TICK: Duration = Duration::from_millis(100);

/// How long the high-water mark may be unsynced: what a power cut can make it lag.
const HIGH_WATER_SYNC_AFTER: Duration = Duration::from_secs(1);

/// What handles ask of the driver.
#[derive(Debug)]
pub(super) enum Event {
    Append { group: GroupId, proposal: Proposal },
    Trim { group: GroupId, upto: Lsn },
    Stop,
}

/// All groups of a node and the store they share.
pub struct Driver {
    events: Receiver<Event>,
    store: Store,
    high_water: HighWater,
    /// By group id.
    groups: Vec<Group>,
    faults: Faults,
    counters: Arc<Counters>,
    /// Payload bytes taken in since the last pass.
    taken_bytes: usize,
    stopping: bool,
    tick_due: Duration,
    /// When the high-water mark must be synced; `None` when it is.
    sync_due: Option<Duration>,
    /// Kept for its capacity.
    woken: Vec<Waker>,
    /// Where to announce trims, for somebody who has time to give the space back.
    trims: Option<Sender<(GroupId, Lsn)>>,
    _lock: Option<File>,
}

/// Whether there is a next pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Running,
    /// The log is stopped: everything is answered and synced.
    Stopped,
}

/// What the driver has done so far.
#[derive(Debug, Default)]
pub(super) struct Counters {
    passes: AtomicU64,
    syncs: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
    high_water_syncs: AtomicU64,
}

/// What a node's log has done since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Passes that wrote something.
    pub passes: u64,
    /// Syncs of the database's WAL: one per such pass.
    pub syncs: u64,
    /// Log entries written: records, and one per leadership.
    pub entries: u64,
    /// Payload bytes written.
    pub bytes: u64,
    /// Syncs of the high-water mark.
    pub high_water_syncs: u64,
}

impl Driver {
    /// Opens the log and starts its groups; returns the handles of the groups by id. The first pass makes this node the
    /// leader of groups that have no other voter.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: &Options) -> Result<(Driver, Vec<GroupLog>), OpenError> {
        let faults = match &options.faults {
            Some(faults) => faults.clone(),
            None => Faults::from_env()?,
        };
        let opened = open::open(&options.folder, options.node, options.groups)?;
        Self::start(opened, options, faults)
    }

    /// Like [`Driver::open`], over a disk that is not the file system's; the folder of `options` is not used.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(disk: Arc<dyn Disk>, options: &Options) -> Result<(Driver, Vec<GroupLog>), OpenError> {
        let opened = open::open_on(disk, options.node, options.groups)?;
        Self::start(opened, options, options.faults.clone().unwrap_or_default())
    }

    fn start(
        opened: Opened,
        options: &Options,
        faults: Faults,
    ) -> Result<(Driver, Vec<GroupLog>), OpenError> {
        let (sender, events) = mpsc::channel();
        let entries = opened.store.entries();
        let mut groups = Vec::with_capacity(opened.starts.len());
        let mut handles = Vec::with_capacity(opened.starts.len());
        for (index, start) in opened.starts.into_iter().enumerate() {
            let id = GroupId(
                u16::try_from(index).expect("there are as many starts as groups, which are counted in u16"),
            );
            let group = Group::start(id, options.node, start, entries.clone(), options.tail_bytes_max)
                .map_err(|error| OpenError::Group { group: id, source: error.into() })?;
            let in_flight = Arc::new(InFlight::default());
            handles.push(GroupLog::new(id, Arc::clone(group.tail()), in_flight, sender.clone(), entries));
            groups.push(group);
        }
        let driver = Driver {
            events,
            store: opened.store,
            high_water: opened.high_water,
            groups,
            faults,
            counters: Arc::new(Counters::default()),
            taken_bytes: 0,
            stopping: false,
            tick_due: TICK,
            sync_due: None,
            woken: Vec::new(),
            trims: None,
            _lock: opened.lock,
        };
        Ok((driver, handles))
    }

    /// One pass at time `now`, counted from any fixed instant. Blocks for its sync and for nothing else.
    ///
    /// # Errors
    /// After an error the driver MUST be dropped; what is not answered is then unknown.
    pub fn pass(&mut self, now: Duration) -> Result<Progress, FatalError> {
        self.take_events()?;
        self.tick(now);
        self.stage_and_write()?;
        for group in &mut self.groups {
            let trimmed = group.complete(&mut self.woken);
            if let (Some(upto), Some(trims)) = (trimmed, &self.trims) {
                // Nobody listens when the node stops; the next compaction gives the space back.
                let _ = trims.send((group.id(), upto));
            }
        }
        self.wake();
        self.sync_high_water(now)?;
        if self.stopping {
            self.stop()?;
            return Ok(Progress::Stopped);
        }
        Ok(Progress::Running)
    }

    /// When the next pass is due though nothing arrives; `None` when only an event is a reason for one.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let tick_due = self.groups.iter().any(Group::needs_ticks).then_some(self.tick_due);
        [tick_due, self.sync_due].into_iter().flatten().min()
    }

    /// Blocks until something arrives or `timeout` is over; for ever when it is `None`.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Result<(), FatalError> {
        let received = match timeout {
            Some(timeout) => self.events.recv_timeout(timeout),
            None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(event) => self.take(event),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                self.stopping = true;
                Ok(())
            }
        }
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    pub(super) fn entries(&self) -> &StoredEntries {
        self.store.entries()
    }

    pub(super) fn announce_trims(&mut self, trims: Sender<(GroupId, Lsn)>) {
        self.trims = Some(trims);
    }

    /// Ends all tails, after a failure: readers get what was committed and then `Shutdown`.
    pub(super) fn close(&mut self) {
        for group in &self.groups {
            group.tail().close(&mut self.woken);
        }
        self.wake();
    }

    fn take_events(&mut self) -> Result<(), FatalError> {
        while self.taken_bytes < PASS_BYTES_MAX && !self.stopping {
            match self.events.try_recv() {
                Ok(event) => self.take(event)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.stopping = true,
            }
        }
        self.taken_bytes = 0;
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), FatalError> {
        match event {
            Event::Append { group, proposal } => {
                self.taken_bytes += proposal.records.iter().map(|record| record.len()).sum::<usize>();
                self.groups[usize::from(group.0)].propose(proposal)
            }
            Event::Trim { group, upto } => {
                self.groups[usize::from(group.0)].want_trim(upto);
                Ok(())
            }
            Event::Stop => {
                self.stopping = true;
                Ok(())
            }
        }
    }

    /// At most one tick a pass: a pause of this process says nothing about the others.
    fn tick(&mut self, now: Duration) {
        if self.tick_due <= now {
            self.tick_due = now + TICK;
            for group in self.groups.iter_mut().filter(|group| group.needs_ticks()) {
                group.tick();
            }
        }
    }

    fn stage_and_write(&mut self) -> Result<(), FatalError> {
        let (mut entries, mut bytes) = (0, 0);
        for group in &mut self.groups {
            let size = group.stage(&mut self.store)?;
            entries += size.records;
            bytes += size.bytes;
        }
        if !self.store.is_staged() {
            return Ok(());
        }
        self.lower_high_water().map_err(FatalError::HighWater)?;
        self.store.write(&self.faults).map_err(FatalError::Write)?;
        self.raise_high_water().map_err(FatalError::HighWater)?;
        self.counters.add(entries, bytes);
        Ok(())
    }

    /// A new leader may replace the end of a log by a shorter one. The mark goes down before, and durably, or a crash in
    /// between would look like loss.
    fn lower_high_water(&mut self) -> std::io::Result<()> {
        let mut lowered = false;
        for group in &self.groups {
            let mark = group.staged_mark();
            if mark.lsn < self.high_water.mark(group.id()).lsn {
                self.high_water.set(group.id(), mark);
                lowered = true;
            }
        }
        if lowered {
            self.high_water.write()?;
            self.high_water.sync()?;
        }
        Ok(())
    }

    fn raise_high_water(&mut self) -> std::io::Result<()> {
        self.faults.at(Point::BeforeHighWater)?;
        for group in &self.groups {
            self.high_water.set(group.id(), group.staged_mark());
        }
        self.high_water.write()?;
        if self.faults.at(Point::AfterHighWater)? {
            self.high_water.tear()?;
            Faults::kill();
        }
        Ok(())
    }

    fn sync_high_water(&mut self, now: Duration) -> Result<(), FatalError> {
        match self.sync_due {
            None if self.high_water.is_unsynced() => self.sync_due = Some(now + HIGH_WATER_SYNC_AFTER),
            Some(due) if due <= now => {
                self.high_water.sync().map_err(FatalError::HighWater)?;
                self.counters.high_water_syncs.fetch_add(1, Ordering::Relaxed);
                self.sync_due = None;
            }
            None | Some(_) => {}
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), FatalError> {
        if self.high_water.is_unsynced() {
            self.high_water.sync().map_err(FatalError::HighWater)?;
        }
        self.close();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Append { proposal, .. } = event {
                proposal.promise.answer(Err(AppendError::Shutdown));
            }
        }
        Ok(())
    }

    fn wake(&mut self) {
        for waker in self.woken.drain(..) {
            waker.wake();
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("groups", &self.groups.len())
            .field("stats", &self.counters.stats())
            .finish_non_exhaustive()
    }
}

impl Counters {
    fn add(&self, entries: usize, bytes: usize) {
        let count = |n: usize| u64::try_from(n).expect("a size in memory fits u64");
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(count(entries), Ordering::Relaxed);
        self.bytes.fetch_add(count(bytes), Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            passes: self.passes.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            high_water_syncs: self.high_water_syncs.load(Ordering::Relaxed),
        }
    }
}
