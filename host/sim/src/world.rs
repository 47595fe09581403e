//! [`World`]: everything there is, and what happens next. One step is one small thing that one part does; which one is
//! chance.

use std::sync::Arc;

use relight_core::action::Action;
use relight_core::command::Command;
use relight_core::machine::Partition;
use relight_core::placement::Partitioning;
use relight_core::tables::Key;
use relight_core::{InvocationId, LeaderEpoch, Lsn, PartitionId};
use relight_log::raft::Driver;
use relight_partition::Delivery;

use crate::client::Client;
use crate::clock::Clock;
use crate::disk::SimDisk;
use crate::faults::Likelihood;
use crate::guest::Instance;
use crate::leader::{EffectRun, Leading, SimTransport};
use crate::oracle::{Oracle, Violation};
use crate::part::{Applied, Flushed, Part, Role};
use crate::planted::Planted;
use crate::program::Programs;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::{Stats, check};

pub const PARTITIONS: u16 = 3;

pub struct World {
    pub rng: Rng,
    pub trace: Trace,
    pub stats: Stats,
    pub planted: Option<Planted>,
    pub likely: Likelihood,
    pub clock: Clock,
    pub disk: Arc<SimDisk>,
    pub node: Option<Node>,
    /// What a crash leaves of each partition's tables.
    pub flushed: Vec<Flushed>,
    pub network: Vec<(PartitionId, Delivery)>,
    transport: SimTransport,
    pub zombies: Vec<(PartitionId, Zombie)>,
    pub programs: Programs,
    pub client: Client,
    pub oracle: Oracle,
    pub deployments: u128,
    pub big_jumps: u64,
    /// The greatest reading of the wall clock before a jump.
    pub wall_max: u64,
}

/// The process: the log's driver and the partitions.
pub struct Node {
    pub driver: Driver,
    pub parts: Vec<Part>,
}

/// What goes on of an attempt or effect that is over: its proposals come late, and must change nothing.
pub enum Zombie {
    Attempt(Box<Instance>),
    Effect(EffectRun),
}

impl World {
    pub fn new(seed: u64, planted: Option<Planted>) -> Self {
        let mut rng = Rng::new(seed);
        let likely = Likelihood::random(&mut rng);
        Self {
            rng,
            trace: Trace::default(),
            stats: Stats::default(),
            planted,
            likely,
            clock: Clock::new(),
            disk: Arc::new(SimDisk::new(planted == Some(Planted::LyingDisk))),
            node: None,
            flushed: (0..PARTITIONS).map(|_| Flushed::default()).collect(),
            network: Vec::new(),
            transport: SimTransport::default(),
            zombies: Vec::new(),
            programs: Programs::default(),
            client: Client::default(),
            oracle: Oracle::new(PARTITIONS),
            deployments: 0,
            big_jumps: 0,
            wall_max: 0,
        }
    }

    pub fn run(&mut self, steps: u64) -> Result<(), Violation> {
        for _ in 0..steps {
            self.step()?;
        }
        self.come_to_rest()
    }

    /// One thing that happens.
    fn step(&mut self) -> Result<(), Violation> {
        self.stats.steps += 1;
        if self.node.is_none() {
            return self.start();
        }
        if self.rng.per_mille(self.likely.fault_per_mille) {
            return self.fault();
        }
        let p = self.rng.index(usize::from(PARTITIONS));
        // A slow partition does nothing for long stretches of time.
        let slow = self.likely.slow == Some(p) && (self.stats.steps / 150).is_multiple_of(2);
        let kind = self.rng.below(100);
        match kind {
            0..12 => self.pass(true),
            12..18 => self.ask(),
            18..21 => self.advance(),
            21..30 => self.transmit(),
            30..32 => self.zombie(),
            _ if slow => Ok(()),
            32..45 => self.apply(p, true),
            45..55 => {
                if self.rng.per_mille(self.likely.lose_append_per_mille) {
                    self.lose_append(p);
                }
                let count = 1 + self.rng.index(12);
                self.append(p, count, true)?;
                if self.node.is_some() { self.appended(p) } else { Ok(()) }
            }
            55..62 => self.start_ready(p),
            62..85 => self.run_attempt(p),
            85..90 => self.end_effect(p),
            90..98 => self.lead(p),
            98 => self.end_attempt_early(p),
            _ => self.flush(p),
        }
    }

    pub fn part(&mut self, p: usize) -> &mut Part {
        &mut self.node.as_mut().expect("the node is up").parts[p]
    }

    pub fn leader(&mut self, p: usize) -> Option<&mut Leading> {
        self.part(p).leader()
    }

    /// Starts the process: opens the log and the tables as they were left.
    pub fn start(&mut self) -> Result<(), Violation> {
        let options = relight_log::raft::Options {
            faults: Some(relight_log::Faults::none()),
            // Small, so that readers find what has left memory on the disk.
            tail_bytes_max: 4 << 10,
            ..relight_log::raft::Options::new("", PARTITIONS)
        };
        let disk = Arc::clone(&self.disk);
        let opened = Driver::open_on(disk, &options);
        let (driver, logs) = opened.map_err(|error| Violation(format!("the log does not open: {error}")))?;
        let partitioning = Partitioning::new(PARTITIONS);
        let mut parts = Vec::new();
        for (id, log) in partitioning.partitions().zip(logs) {
            let flushed = self.flushed[usize::from(id.0)].clone();
            let partition = Partition { id, partitioning };
            parts.push(Part::open(partition, log, flushed, self.clock, self.planted)?);
        }
        self.trace.line(format_args!("start"));
        self.node = Some(Node { driver, parts });
        Ok(())
    }

    /// One pass of the log's driver, in which the process may die.
    pub fn pass(&mut self, faults: bool) -> Result<(), Violation> {
        let dies = faults && self.rng.per_mille(self.likely.dies_in_pass_per_mille);
        let dies_at = dies.then(|| self.random_death());
        self.disk.die_at(dies_at);
        let now = std::time::Duration::from_millis(self.clock.monotonic);
        let node = self.node.as_mut().expect("the node is up");
        let passed = node.driver.pass(now);
        self.disk.die_at(None);
        match passed {
            Ok(_) => {
                self.node.as_mut().expect("the node is up").parts.iter_mut().for_each(Part::follow);
                Ok(())
            }
            Err(_) if dies => {
                self.trace.line(format_args!("the process dies {dies_at:?}"));
                self.crash();
                Ok(())
            }
            Err(error) => Err(Violation(format!("the log ended: {error}"))),
        }
    }

    /// Applies committed records, and carries their actions out unless the process dies in between.
    pub fn apply(&mut self, p: usize, faults: bool) -> Result<(), Violation> {
        let count = 1 + self.rng.index(8);
        let node = self.node.as_mut().expect("the node is up");
        let applied = node.parts[p].apply(self.clock, count, &mut self.oracle)?;
        self.let_out(p)?;
        self.follow_up(p, applied, faults)
    }

    /// Appends commands, which a leader applies first; what of it stays inside is carried out.
    pub fn append(&mut self, p: usize, count: usize, faults: bool) -> Result<(), Violation> {
        let node = self.node.as_mut().expect("the node is up");
        let applied = node.parts[p].append(self.clock, count, &mut self.oracle)?;
        self.follow_up(p, applied, faults)
    }

    fn follow_up(&mut self, p: usize, applied: Applied, faults: bool) -> Result<(), Violation> {
        let Applied { records, actions } = applied;
        self.stats.records += records;
        if records == 0 {
            return Ok(());
        }
        self.trace.line(format_args!(
            "{p} applied {}: {actions:?}",
            self.node.as_ref().expect("up").parts[p].applied
        ));
        if faults && self.rng.per_mille(self.likely.dies_in_apply_per_mille) {
            self.trace.line(format_args!("the process dies before the actions"));
            self.crash();
            return Ok(());
        }
        for action in actions {
            let reach = self.part(p).reach();
            let held = action.leaves() && reach.provisional().is_some();
            if held && self.planted != Some(Planted::LeaveAhead) {
                self.part(p).hold(action);
            } else {
                let provisional = reach.provisional().filter(|_| !action.leaves());
                self.carry_out(p, action, provisional)?;
            }
        }
        self.take_sent()?;
        self.drop_attempts(p);
        Ok(())
    }

    fn carry_out(&mut self, p: usize, action: Action, provisional: Option<Lsn>) -> Result<(), Violation> {
        match action {
            Action::LeaderAnnounced { epoch } => self.announced(p, epoch)?,
            Action::Answer { request, answer } => self.client.answered(request, &answer)?,
            Action::SchemaChanged => self.part(p).is_deployed = true,
            Action::Completed { .. } => {}
            Action::Notify { .. }
                if self.planted == Some(Planted::LoseNotification) && self.rng.per_mille(100) => {}
            action => {
                self.stats.ends += u64::from(matches!(action, Action::EndAttempt { .. }));
                let part = &mut self.node.as_mut().expect("the node is up").parts[p];
                if let Role::Leader(leading) = &mut part.role {
                    leading.leader.act(&part.partition, action, &self.transport, provisional);
                }
            }
        }
        Ok(())
    }

    /// Carries out what has waited for its record to be durable.
    fn let_out(&mut self, p: usize) -> Result<(), Violation> {
        while let Some(action) = self.part(p).let_out() {
            self.carry_out(p, action, None)?;
        }
        self.take_sent()?;
        self.drop_attempts(p);
        Ok(())
    }

    fn take_sent(&mut self) -> Result<(), Violation> {
        let sent = self.transport.take();
        sent.iter().try_for_each(|(to, delivery)| self.oracle.sends(*to, delivery))?;
        self.network.extend(sent);
        Ok(())
    }

    fn announced(&mut self, p: usize, epoch: LeaderEpoch) -> Result<(), Violation> {
        let (clock, planted) = (self.clock, self.planted);
        let capacity = self.likely.capacity;
        let part = self.part(p);
        if !matches!(&part.role, Role::Announcing(own) if *own == epoch) {
            return Ok(());
        }
        let leading = Leading::begin(&part.partition, epoch, &part.tables, capacity, planted)?;
        part.role = Role::Leader(Box::new(leading));
        let time = part.time(clock);
        let part = &self.node.as_ref().expect("the node is up").parts[p];
        check::all(&part.tables)?;
        self.client.remembered(part.partition.id, &part.tables, time)?;
        self.trace.line(format_args!("{p} leads in epoch {epoch}"));
        Ok(())
    }

    /// Looks at the answers of the log.
    pub fn appended(&mut self, p: usize) -> Result<(), Violation> {
        loop {
            let node = self.node.as_mut().expect("the node is up");
            let Some(commands) = node.parts[p].appended(&mut self.oracle)? else { return self.let_out(p) };
            if self.planted == Some(Planted::ActOnTicket) {
                commands.iter().try_for_each(|command| self.act_on_ticket(p, command))?;
            }
        }
    }

    /// Fires timers that are due, ships the outbox and truncates it.
    pub fn lead(&mut self, p: usize) -> Result<(), Violation> {
        let clock = self.clock;
        let part = &mut self.node.as_mut().expect("the node is up").parts[p];
        let time = part.time(clock);
        let Role::Leader(leading) = &mut part.role else { return Ok(()) };
        let commands = leading.leader.propose(&part.tables, &self.transport, time, clock.instant())?;
        let fired = commands.iter().filter(|command| matches!(command, Command::TimerFired { .. }));
        self.stats.timers += fired.count() as u64;
        part.queue.extend(commands);
        self.take_sent()?;
        Ok(())
    }

    /// A random packet arrives, is lost, or arrives and comes again.
    fn transmit(&mut self) -> Result<(), Violation> {
        if self.network.is_empty() {
            return Ok(());
        }
        let place = self.rng.index(self.network.len());
        if self.rng.per_mille(self.likely.repeat_per_mille) {
            let (to, packet) = self.network[place].clone();
            self.arrive(to, packet);
            return Ok(());
        }
        let (to, packet) = self.network.swap_remove(place);
        if self.rng.per_mille(self.likely.lose_per_mille) {
            return Ok(());
        }
        self.arrive(to, packet);
        Ok(())
    }

    pub fn arrive(&mut self, to: PartitionId, delivery: Delivery) {
        self.stats.deliveries += 1;
        let now = self.clock.instant();
        let part = self.part(usize::from(to.0));
        match (delivery, &mut part.role) {
            (_, Role::Follower) => {}
            (Delivery::Messages { source, first, messages }, _) => {
                part.queue.push_back(Command::Deliver { source, first, messages });
            }
            (Delivery::Delivered { destination, upto }, Role::Leader(leading)) => {
                leading.leader.delivered(destination, upto, now);
            }
            (Delivery::Gap { destination, expected }, Role::Leader(leading)) => {
                leading.leader.gap(destination, expected, now);
            }
            (Delivery::Delivered { .. } | Delivery::Gap { .. }, Role::Announcing(_)) => {}
        }
    }

    pub fn flush(&mut self, p: usize) -> Result<(), Violation> {
        let keep = self.rng.below(30);
        let Some(flushed) = self.part(p).flush() else { return Ok(()) };
        // What a leader has not compared with what it applied stays.
        let upto = flushed.applied.0.saturating_sub(keep).min(self.part(p).compared().0);
        self.flushed[p] = flushed;
        if 0 < upto {
            let log = &self.node.as_ref().expect("the node is up").parts[p].log;
            let trimmed = relight_log::Log::trim(log, relight_log::Lsn(upto));
            // A planted bug may ask for more than there is.
            if self.planted.is_none() {
                trimmed.map_err(|error| Violation(format!("trim: {error}")))?;
            }
        }
        Ok(())
    }
}

/// An invocation that runs on this partition, for faults that need one.
pub fn nth_invocation(part: &Part, rng: &mut Rng) -> Option<InvocationId> {
    let ids: Vec<InvocationId> = part
        .tables
        .rows()
        .keys()
        .filter_map(|key| if let Key::Invocation(id) = key { Some(*id) } else { None })
        .collect();
    (!ids.is_empty()).then(|| ids[rng.index(ids.len())])
}
