//! [`Processor`]: the loop of one partition. It owns all state; everything that happens to it is an [`Event`].
//!
//! A turn: wait for an event, take more as long as there are some, then once for all of them fire timers, ship the
//! outbox, append what is queued and start what is ready. A record takes this way:
//!
//! ```text
//! read ─▶ decode ─▶ apply ─▶ … ─▶ commit (once per batch, with the applied LSN) ─▶ actions of the whole batch
//! ```

mod doors;
mod records;

use std::sync::Arc;

use relight_core::command::Command;
use relight_core::ids::{LeaderEpoch, Lsn};
use relight_core::machine::Partition;
use relight_core::runner::Runner;
use relight_core::tables::{ReadTablesExt as _, TablesError};
use relight_core::value::Timestamp;
use relight_log::{AppendError, Leadership, LeadershipWatch, Log, ReadError, ReadLimit, Reader};
use relight_storage::{PartitionTables, WriteError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::attempts::Left;
use crate::clock::DurableClock;
use crate::event::{Event, Mailbox};
use crate::fault::{Fault, FaultHook};
use crate::handle::DoorError;
use crate::leader::Leader;
use crate::limits::EVENTS_PER_TURN_MAX;
use crate::node::Clock;
use crate::proposer::{Appended, Proposer};
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
        self.step_down(&DoorError::ShuttingDown, &DoorError::ShuttingDown);
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
        for _ in 1..EVENTS_PER_TURN_MAX {
            match self.events.try_recv() {
                Ok(event) => self.handle_event(event)?,
                Err(_) => break,
            }
        }
        match self.reader.try_read(ReadLimit::default(), &mut self.records) {
            Ok(true) => self.handle_event(Event::Records(Ok(())))?,
            Ok(false) => {}
            Err(error) => self.handle_event(Event::Records(Err(error)))?,
        }
        self.finish_turn()
    }

    /// In fixed order, so that a simulation sees the same as long as it gives the same; the turn takes from every
    /// source, so that none can starve another.
    async fn next_event(&mut self) -> Event {
        let wake_at = self.wake_at;
        tokio::select! {
            biased;
            leadership = self.leadership.changed() => Event::Leadership(leadership),
            appended = self.proposer.answered() => Event::Appended(appended),
            event = self.events.recv() => event.expect("the processor holds a mailbox of its own"),
            read = self.reader.read(ReadLimit::default(), &mut self.records) => Event::Records(read),
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
                self.lead_or_follow(leadership);
                Ok(())
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
                read(&self.tables);
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
        let mut left = Left::Nothing;
        if let State::Leader(leader) = &mut self.state {
            let proposed = leader.propose(&self.tables, &*self.transport, time, now);
            let proposed = proposed.map_err(|error| self.tables_failed(error))?;
            proposed.into_iter().for_each(|command| self.proposer.push(command));
        }
        self.flush_proposer(time, now);
        if let State::Leader(leader) = &mut self.state {
            let started = leader.start_ready(&self.tables, &*self.runner);
            left = started.map_err(|error| self.tables_failed(error))?;
        }
        self.flush_tables(now)?;
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
        [leader, self.proposer.next_deadline(), self.retention.next_deadline()].into_iter().flatten().min()
    }

    fn flush_proposer(&mut self, time: Timestamp, now: Instant) {
        if self.role().epoch().is_none() {
            return;
        }
        while let Some(proposal) = self.proposer.flush(time, now) {
            self.too_large(proposal);
        }
    }

    /// Follows the log: it says who leads.
    fn lead_or_follow(&mut self, leadership: Leadership) {
        let leading = leadership.leading().map(|epoch| LeaderEpoch(epoch.0));
        if leading == self.role().epoch() {
            return;
        }
        self.step_down(&DoorError::Unknown, &DoorError::NoLeader);
        if let Some(epoch) = leading {
            self.proposer.open(epoch);
            self.proposer.push(Command::AnnounceLeader { epoch });
            self.state = State::Announcing(epoch);
        }
    }

    /// Drops what a leader has: running attempts first of all. Doors whose command was handed to the log, or whose
    /// invocation was accepted, hear `sent`; those who only look hear `attached`; the others that nothing was done.
    fn step_down(&mut self, sent: &DoorError, attached: &DoorError) {
        if let State::Leader(leader) = &self.state {
            // The gauges of a leader are those of the leader that is.
            let Stats { attempts_started, effects_started, timers_fired, deliveries, resends, .. } =
                leader.stats(&self.stats);
            self.stats =
                Stats { attempts_started, effects_started, timers_fired, deliveries, resends, ..self.stats };
            tracing::info!(partition = %self.partition.id, epoch = %leader.epoch, "no longer the leader");
        }
        self.state = State::Follower;
        for proposal in self.proposer.close() {
            self.fail_door(&proposal.command, attached);
        }
        self.waiters.fail_all(sent, attached);
    }

    /// The log has answered an append. Nothing that it did not take may be waited for in vain.
    fn appended(&mut self, appended: Appended) -> Result<(), End> {
        let Appended { epoch, proposals, result } = appended;
        let Err(error) = result else {
            return Ok(());
        };
        let told = match error {
            AppendError::Shutdown => return Err(End::Stopped),
            AppendError::TooLarge => {
                proposals.into_iter().for_each(|proposal| self.too_large(proposal));
                return Ok(());
            }
            AppendError::NotLeader { .. } => DoorError::NoLeader,
            AppendError::Overloaded => DoorError::Overloaded,
            AppendError::Unknown => DoorError::Unknown,
        };
        let (doors, others): (Vec<_>, Vec<_>) =
            proposals.into_iter().partition(|proposal| proposal.permit.is_some());
        for proposal in doors {
            self.fail_door(&proposal.command, &told);
        }
        // Unless leadership has moved, the answer was about an instant that has passed.
        self.lead_or_follow(self.log.state().leadership);
        if self.role().epoch() == Some(epoch) {
            self.proposer.repeat(others, Instant::now());
        }
        Ok(())
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
        stats.appends_repeated = self.proposer.repeated;
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
