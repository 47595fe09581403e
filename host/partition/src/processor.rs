//! [`Processor`]: the loop of one partition. It owns all state; everything that happens to it is an [`Event`].
//!
//! A turn: wait for an event, take more as long as there are some, and finish. Whoever does not lead applies the records of
//! the log (`records.rs`); a leader applies its own commands on their way there (`ahead.rs`). Who leads, and how that ends, is
//! in `leadership.rs`; what doors ask for in `doors.rs`.

mod ahead;
mod doors;
mod leadership;
mod records;

use std::sync::Arc;

use relight_core::ids::{LeaderEpoch, Lsn};
use relight_core::machine::Partition;
use relight_core::runner::Runner;
use relight_core::tables::{ReadTablesExt as _, TablesError};
use relight_core::value::Timestamp;
use relight_log::{LeadershipWatch, Log, ReadError, ReadLimit, Reader};
use relight_storage::{PartitionTables, WriteError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::attempts::{Left, Reach};
use crate::clock::DurableClock;
use crate::event::{Event, Mailbox};
use crate::fault::{Fault, FaultHook};
use crate::handle::DoorError;
use crate::held::{Held, Outward};
use crate::leader::Leader;
use crate::limits::{EVENTS_PER_TURN_MAX, GATHERING_YIELDS};
use crate::node::Clock;
use crate::proposer::Proposer;
use crate::retention::{Retention, RetentionPolicy};
use crate::schema::Schema;
use crate::status::{PartitionStatus, Role, Stats};
use crate::transport::Transport;
use crate::waiters::Waiters;

pub struct Processor {
    partition: Partition,
    tables: PartitionTables,
    log: Arc<dyn Log>,
    reader: Reader,
    leadership: LeadershipWatch,
    events: mpsc::UnboundedReceiver<Event>,
    mailbox: Mailbox,
    runner: Arc<dyn Runner>,
    transport: Arc<dyn Transport>,
    clock: DurableClock,
    state: State,
    proposer: Proposer,
    waiters: Waiters,
    retention: Retention,
    flush: Option<JoinHandle<()>>,
    /// Everything up to here is durable in the log; a leader has applied more.
    durable: Lsn,
    held: Held,
    /// The epoch of the last leader that has lost an append: it is over, whatever the log says.
    lost: LeaderEpoch,
    /// Committed records that were read and are not applied.
    records: Vec<relight_log::Record>,
    /// Time of the last record.
    time: Timestamp,
    /// When the next turn begins without an event.
    wake_at: Option<Instant>,
    /// Counters, without those of the leader of the current epoch.
    stats: Stats,
    status: watch::Sender<PartitionStatus>,
    schema: watch::Sender<Arc<Schema>>,
    fault: FaultHook,
}

/// What a processor is made of.
pub struct Parts {
    pub partition: Partition,
    pub tables: PartitionTables,
    pub log: Arc<dyn Log>,
    pub reader: Reader,
    pub events: mpsc::UnboundedReceiver<Event>,
    pub mailbox: Mailbox,
    pub runner: Arc<dyn Runner>,
    pub transport: Arc<dyn Transport>,
    pub clock: Clock,
    pub retention: RetentionPolicy,
    pub status: watch::Sender<PartitionStatus>,
    pub schema: watch::Sender<Arc<Schema>>,
    pub fault: FaultHook,
}

enum State {
    Follower,
    /// Won; the announcement is proposed and not applied.
    Announcing(LeaderEpoch),
    Leader(Box<Leader>),
}

/// Why the loop ends.
enum End {
    Stopped,
    Fault(Fault),
}

/// Tells the fault hook when the processor panics: a task that panics is otherwise silent.
struct PanicGuard(Partition, FaultHook);

impl Processor {
    pub fn new(parts: Parts) -> Result<Self, TablesError> {
        let time = parts.tables.meta()?.unwrap_or_default().time;
        parts.schema.send_replace(Arc::new(Schema::load(&parts.tables)?));
        Ok(Self {
            leadership: parts.log.leadership(),
            proposer: Proposer::new(Arc::clone(&parts.log)),
            clock: DurableClock::new(parts.clock, time),
            state: State::Follower,
            waiters: Waiters::default(),
            retention: Retention::new(parts.retention, Instant::now()),
            flush: None,
            durable: parts.tables.applied(),
            held: Held::default(),
            lost: LeaderEpoch::ZERO,
            records: Vec::new(),
            time,
            wake_at: None,
            stats: Stats::default(),
            partition: parts.partition,
            tables: parts.tables,
            log: parts.log,
            reader: parts.reader,
            events: parts.events,
            mailbox: parts.mailbox,
            runner: parts.runner,
            transport: parts.transport,
            status: parts.status,
            schema: parts.schema,
            fault: parts.fault,
        })
    }

    /// Runs until it is stopped, its log is stopped, or something is wrong that it must not go on with.
    pub async fn run(mut self) {
        let _guard = PanicGuard(self.partition, Arc::clone(&self.fault));
        let end = loop {
            if let Err(end) = self.turn().await {
                break end;
            }
            // Reading the log is not a resource of the runtime: give others their share.
            tokio::task::consume_budget().await;
        };
        self.drop_leader(&DoorError::ShuttingDown, &DoorError::ShuttingDown);
        self.publish();
        self.status.send_modify(|status| status.role = Role::Stopped);
        // Doors whose events are still here hear of the end by their dropped channels.
        self.events.close();
        if let Some(flush) = self.flush.take() {
            // Its result does not matter any more; but it holds the tables open.
            let _ = flush.await;
        }
        match end {
            End::Fault(fault) => (self.fault)(fault),
            // What the log has not answered for stays out of the tables; if the log has it, the next start reads it there.
            End::Stopped if self.reach().provisional().is_some() => {}
            End::Stopped => {
                if let Err(error) = self.tables.settle() {
                    // The log has it: the next start takes longer.
                    tracing::warn!(partition = %self.partition.id, %error, "failed to settle the tables");
                }
            }
        }
    }

    async fn turn(&mut self) -> Result<(), End> {
        let event = self.next_event().await;
        self.handle_event(event)?;
        // What comes at the same time shares a turn, an append and a sync.
        for _ in 0..GATHERING_YIELDS {
            tokio::task::yield_now().await;
        }
        self.take_events()?;
        if !self.leads() {
            match self.reader.try_read(ReadLimit::default(), &mut self.records) {
                Ok(true) => self.handle_event(Event::Records(Ok(())))?,
                Ok(false) => {}
                Err(error) => self.handle_event(Event::Records(Err(error)))?,
            }
        }
        self.finish_turn()
    }

    /// Handles what is in the mailbox, a bounded share of it; answers whether there was anything.
    fn take_events(&mut self) -> Result<bool, End> {
        for taken in 0..EVENTS_PER_TURN_MAX {
            match self.events.try_recv() {
                Ok(event) => self.handle_event(event)?,
                Err(_) => return Ok(0 < taken),
            }
        }
        Ok(true)
    }

    /// In fixed order, so that a simulation sees the same as long as it gives the same; the turn takes from every
    /// source, so that none can starve another.
    async fn next_event(&mut self) -> Event {
        let (wake_at, leads) = (self.wake_at, self.leads());
        tokio::select! {
            biased;
            leadership = self.leadership.changed() => Event::Leadership(leadership),
            appended = self.proposer.answered() => Event::Appended(appended),
            event = self.events.recv() => event.expect("the processor holds a mailbox of its own"),
            // A leader knows what it has appended.
            read = self.reader.read(ReadLimit::default(), &mut self.records), if !leads => Event::Records(read),
            () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => Event::Wake,
        }
    }

    fn handle_event(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Records(result) => {
                result.map_err(|error| self.log_ended(error))?;
                self.apply_records()
            }
            Event::Leadership(result) => {
                let leadership = result.map_err(|error| self.log_ended(error))?;
                self.lead_or_follow(leadership)
            }
            Event::Appended(appended) => self.appended(appended),
            Event::Wake => Ok(()),
            Event::Command { request, command, reply, permits } => {
                self.command(request, command, reply, permits);
                Ok(())
            }
            Event::Call { request, command, known, reply, permits } => {
                self.call(request, command, known, reply, permits);
                Ok(())
            }
            Event::Attach { id, reply, permit } => {
                self.attach(id, reply, permit).map_err(|error| self.tables_failed(error))
            }
            Event::Read(read) => {
                let seen = read(&self.tables);
                self.emit(Outward::Seen(seen));
                Ok(())
            }
            Event::Gone { request, id } => {
                self.waiters.gone(request, id);
                Ok(())
            }
            Event::Proposed { epoch, command } => {
                self.proposed(epoch, command);
                Ok(())
            }
            Event::Capacity(work) => {
                if let State::Leader(leader) = &mut self.state {
                    leader.capacity(work);
                }
                Ok(())
            }
            Event::Delivery(delivery) => {
                self.delivery(delivery);
                Ok(())
            }
            Event::Flushed(result) => self.flushed(result),
            Event::Stop => Err(End::Stopped),
        }
    }

    /// What is done once for all events of a turn.
    fn finish_turn(&mut self) -> Result<(), End> {
        let (time, now) = (self.clock.now(), Instant::now());
        let left = if self.leads() {
            self.lead(time, now)?
        } else {
            self.flush_tables(now)?;
            Left::Nothing
        };
        self.wake_at = match left {
            Left::More => Some(now),
            Left::Nothing => self.next_deadline(time, now),
        };
        self.publish();
        Ok(())
    }

    fn next_deadline(&self, time: Timestamp, now: Instant) -> Option<Instant> {
        let leader = match &self.state {
            State::Leader(leader) => leader.next_deadline(time, now),
            State::Follower | State::Announcing(_) => None,
        };
        // A flush waits until all is durable, and the answer of the log begins a turn of its own.
        let flush = self.retention.next_deadline().filter(|_| self.reach().provisional().is_none());
        [leader, flush].into_iter().flatten().min()
    }

    fn leads(&self) -> bool {
        matches!(self.state, State::Leader(_))
    }

    /// How far the tables are ahead of what is durable.
    fn reach(&self) -> Reach {
        Reach { applied: self.tables.applied(), durable: self.durable }
    }

    /// Lets something out, as soon as everything that is applied is durable.
    fn emit(&mut self, outward: Outward) {
        match self.reach().provisional() {
            Some(lsn) => self.held.push(lsn, outward),
            None => self.let_out(outward),
        }
    }

    fn let_out(&mut self, outward: Outward) {
        match outward {
            Outward::Action(action) => {
                if let State::Leader(leader) = &mut self.state {
                    leader.act(&self.partition, action, &*self.transport, None);
                }
            }
            Outward::Schema(schema) => drop(self.schema.send_replace(schema)),
            Outward::Given(given) => given.send(),
            Outward::Seen(seen) => seen(Ok(())),
        }
    }

    fn flush_tables(&mut self, now: Instant) -> Result<(), End> {
        if self.retention.begin_flush(now) {
            let flusher = self.tables.flusher().map_err(|error| self.write_failed(error))?;
            let mailbox = self.mailbox.clone();
            self.flush = Some(tokio::task::spawn_blocking(move || {
                mailbox.send(Event::Flushed(flusher.flush()));
            }));
        }
        Ok(())
    }

    fn flushed(&mut self, result: Result<Lsn, WriteError>) -> Result<(), End> {
        self.flush = None;
        let durable = result.map_err(|source| self.write_failed(source))?;
        self.stats.flushes += 1;
        if let Some(upto) = self.retention.flushed(durable, Instant::now())
            && let Err(error) = self.log.trim(relight_log::Lsn(upto.0))
        {
            // The next flush tries again; a log that is stopped says so to the reader.
            tracing::warn!(partition = %self.partition.id, %upto, %error, "failed to trim the log");
        }
        Ok(())
    }

    fn role(&self) -> Role {
        match &self.state {
            State::Follower => Role::Follower,
            State::Announcing(epoch) => Role::Announcing(*epoch),
            State::Leader(leader) => Role::Leader(leader.epoch),
        }
    }

    /// Publishes the status; wakes those who wait for it only when the role has changed.
    fn publish(&self) {
        let mut stats = match &self.state {
            State::Leader(leader) => leader.stats(&self.stats),
            State::Follower | State::Announcing(_) => self.stats,
        };
        stats.proposals = self.proposer.proposals;
        stats.appends = self.proposer.appends;
        stats.appends_failed = self.proposer.appends_failed;
        stats.proposals_queued = self.proposer.queued() as u64;
        stats.appends_in_flight = self.proposer.in_flight() as u64;
        stats.clock_jumps = self.clock.jumps;
        stats.waiters = self.waiters.len() as u64;
        let now = PartitionStatus {
            partition: self.partition.id,
            role: self.role(),
            time: self.time,
            applied: self.tables.applied(),
            committed: Lsn(self.log.state().commit.0),
            durable: self.tables.durable(),
            stats,
        };
        self.status.send_if_modified(|status| {
            let changed = status.role != now.role;
            *status = now;
            changed
        });
    }

    fn log_ended(&self, error: ReadError) -> End {
        match error {
            ReadError::Shutdown => End::Stopped,
            source => End::Fault(Fault::Log { partition: self.partition.id, source }),
        }
    }

    fn tables_failed(&self, source: TablesError) -> End {
        End::Fault(Fault::Tables { partition: self.partition.id, source })
    }

    fn write_failed(&self, source: WriteError) -> End {
        End::Fault(Fault::Write { partition: self.partition.id, source })
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.1)(Fault::Panicked { partition: self.0.id });
        }
    }
}
