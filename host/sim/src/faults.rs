//! What goes wrong, and what the outside asks for: crashes, the clock, doors.

use relight_core::command::{Command, NewInvocation};
use relight_core::tables::{Key, OpenKind, ReadTablesExt as _, Row, Status};
use relight_core::{AwakeableId, PartitionId};

use crate::client::Client;
use crate::clock::BEHIND_MAX_MS;
use crate::disk::{Crash, DiesAt};
use crate::guest::RESULT;
use crate::leader::EffectRun;
use crate::oracle::Violation;
use crate::part::Role;
use crate::program::{self, COUNTER, SCRATCH};
use crate::rng::Rng;
use crate::world::{PARTITIONS, World, Zombie, nth_invocation};

/// Requests without an answer, at once; more only make a run slower.
const REQUESTS_OPEN_MAX: usize = 12;
/// Programs of one run: the faults should meet work that is under way, not an ever longer inbox.
const PROGRAMS_MAX: u64 = 80;
/// Leftovers of earlier leaders, at once.
const ZOMBIES_MAX: usize = 8;
/// Forward jumps of hours in one run: what is kept for a day must last.
const BIG_JUMPS_MAX: u64 = 4;
/// How long a door goes on repeating a request.
const DOOR_RETRY_MS: u64 = 9 * 60_000;

/// How likely what is in one run: some runs are calm, some are not.
#[derive(Clone, Copy, Debug)]
pub struct Likelihood {
    pub fault_per_mille: u64,
    pub dies_in_pass_per_mille: u64,
    pub dies_in_apply_per_mille: u64,
    pub repeat_per_mille: u64,
    pub lose_per_mille: u64,
    pub lose_append_per_mille: u64,
    pub scratch_per_mille: u64,
    pub slow: Option<usize>,
    pub jumps: bool,
}

impl Likelihood {
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            fault_per_mille: [0, 4, 12, 30][rng.index(4)],
            dies_in_pass_per_mille: [0, 10, 40][rng.index(3)],
            dies_in_apply_per_mille: [0, 10, 30][rng.index(3)],
            repeat_per_mille: [0, 200, 400][rng.index(3)],
            lose_per_mille: [0, 100, 300][rng.index(3)],
            lose_append_per_mille: [0, 0, 100][rng.index(3)],
            scratch_per_mille: [0, 250, 600][rng.index(3)],
            slow: rng.per_mille(300).then(|| rng.index(usize::from(PARTITIONS))),
            jumps: rng.per_mille(500),
        }
    }
}

impl World {
    pub fn random_death(&mut self) -> DiesAt {
        [DiesAt::BeforeWrite, DiesAt::AfterWrite, DiesAt::BeforeMark, DiesAt::AfterMark][self.rng.index(4)]
    }

    pub fn fault(&mut self) -> Result<(), Violation> {
        match self.rng.below(10) {
            0..4 => self.crash(),
            4..7 if self.likely.jumps => self.jump(),
            7 => self.network.clear(),
            _ => {
                if let Some(leader) = self.leader(0) {
                    (0..PARTITIONS).for_each(|to| leader.resend(PartitionId(to)));
                }
            }
        }
        Ok(())
    }

    /// Operations of an attempt get lost on their way to the log, and what follows them does not.
    pub fn lose_append(&mut self, p: usize) {
        let queue = &mut self.part(p).queue;
        let lost = queue.iter().enumerate().find_map(|(place, command)| {
            let Command::Append { id, token, .. } = command else { return None };
            let follows = queue.iter().skip(place + 1).any(|later| match later {
                Command::Append { id: other, token: same, .. }
                | Command::Suspend { id: other, token: same, .. } => other == id && same == token,
                _ => false,
            });
            follows.then_some(place)
        });
        if let Some(place) = lost {
            queue.remove(place);
            self.stats.lost += 1;
            self.trace.line(format_args!("{p} loses an append"));
        }
    }

    /// The process dies, or the machine does. What was not durable is gone; what runs elsewhere may go on.
    pub fn crash(&mut self) {
        let crash = if self.rng.per_mille(500) { Crash::Kill } else { Crash::PowerCut };
        self.trace.line(format_args!("{crash:?}"));
        self.stats.crashes += 1;
        let node = self.node.take().expect("the node is up");
        for part in node.parts {
            let Role::Leader(leader) = part.role else { continue };
            let zombies = leader.running.into_values().map(|it| Zombie::Attempt(Box::new(it)));
            let effects = leader.effects.into_values().map(|run: EffectRun| Zombie::Effect(run));
            for zombie in zombies.chain(effects) {
                if self.zombies.len() < ZOMBIES_MAX && self.rng.per_mille(400) {
                    self.zombies.push((part.partition.id, zombie));
                }
            }
        }
        drop(node.driver);
        self.disk.crash(crash, &mut self.rng);
        self.client.crashed();
    }

    pub fn advance(&mut self) -> Result<(), Violation> {
        let ms = 1 + self.rng.below(60);
        self.clock.advance(ms);
        Ok(())
    }

    /// The wall clock jumps, as far as doors and their retries can bear.
    fn jump(&mut self) {
        let durable = (0..usize::from(PARTITIONS)).filter_map(|p| {
            let meta = self.node.as_ref().expect("the node is up").parts[p].tables.meta().ok().flatten();
            meta.map(|meta| meta.time.0)
        });
        let durable = durable.max().unwrap_or(0);
        let before = self.clock.wall;
        if self.rng.per_mille(500) {
            let lowest = durable.saturating_sub(BEHIND_MAX_MS).min(before);
            self.clock.wall = before - self.rng.below(before - lowest + 1);
        } else if self.client.open_count() == 0 && self.big_jumps < BIG_JUMPS_MAX {
            self.big_jumps += 1;
            self.forget_repeats();
            self.clock.wall += self.rng.below(3 * 3_600_000);
        } else {
            let most = self.client.oldest_ms().map_or(u64::MAX, |oldest| oldest + DOOR_RETRY_MS);
            self.clock.wall += self.rng.below(60_000).min(most.saturating_sub(before));
        }
        self.trace.line(format_args!("the wall clock jumps from {before} to {}", self.clock.wall));
    }

    /// Doors repeat a request for some minutes only. What they repeated before a jump of hours must not come after it.
    fn forget_repeats(&mut self) {
        for part in &mut self.node.as_mut().expect("the node is up").parts {
            part.queue.retain(|command| {
                !matches!(
                    command,
                    Command::Invoke { .. }
                        | Command::ResolveAwakeable { .. }
                        | Command::Cancel { .. }
                        | Command::Kill { .. }
                        | Command::Deploy { .. }
                )
            });
        }
    }

    /// A door has something to ask, or asks again.
    pub fn ask(&mut self) -> Result<(), Violation> {
        if self.rng.per_mille(400) || REQUESTS_OPEN_MAX <= self.client.open_count() {
            self.ask_again();
            return Ok(());
        }
        if !self.is_deployed()? {
            if self.deployments == 0 {
                self.deploy();
            }
            return Ok(());
        }
        match self.rng.below(12) {
            0 => self.stop_something()?,
            1 => self.resolve_something()?,
            2 if self.deployments < 2 && self.rng.per_mille(100) => self.deploy(),
            _ if self.stats.requests < PROGRAMS_MAX => self.submit(),
            _ => {}
        }
        Ok(())
    }

    /// Sends a request that has no answer. A door may repeat one that is under way.
    fn ask_again(&mut self) {
        let Some(request) = self.client.pick_open(&mut self.rng) else { return };
        let part = &mut self.node.as_mut().expect("the node is up").parts[usize::from(request.partition.0)];
        if !part.is_follower() {
            request.sent = true;
            part.queue.push_back(request.command.clone());
        }
    }

    fn is_deployed(&mut self) -> Result<bool, Violation> {
        for p in 0..usize::from(PARTITIONS) {
            if self.part(p).tables.service(&COUNTER.into())?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn deploy(&mut self) {
        self.deployments += 1;
        let (deployment, services) = program::deployment(self.deployments);
        let request = Client::mint(&mut self.rng, self.clock);
        let command = Command::Deploy { request, deployment, services };
        self.client.add(PartitionId(0), self.clock, request, command, true);
    }

    /// A new program, now and then asked for twice by one idempotency key.
    fn submit(&mut self) {
        self.stats.requests += 1;
        let scratch = self.rng.per_mille(self.likely.scratch_per_mille);
        let id = self.programs.generate(&mut self.rng, scratch);
        let sums = if scratch { &mut self.oracle.at_most } else { &mut self.oracle.exact };
        self.programs.add_up(id, sums);
        let key = self.rng.per_mille(250).then(|| format!("key-{}", id.0));
        let due = self.rng.per_mille(100).then(|| self.clock.now().after(relight_core::DurationMs(200)));
        let new = program::invocation(&mut self.rng, self.programs.get(id), id, key, due);
        let twice = new.idempotency_key.is_some();
        self.invoke(new.clone(), true);
        if twice {
            self.invoke(new, true);
        }
    }

    fn invoke(&mut self, invocation: NewInvocation, exact: bool) {
        let request = Client::mint(&mut self.rng, self.clock);
        let to = relight_core::placement::Partitioning::new(PARTITIONS).partition(invocation.id.key);
        self.client.add(to, self.clock, request, Command::Invoke { request, invocation }, exact);
    }

    /// Cancels or kills something that may be.
    fn stop_something(&mut self) -> Result<(), Violation> {
        let p = self.rng.index(usize::from(PARTITIONS));
        let part = &self.node.as_ref().expect("the node is up").parts[p];
        let Some(id) = nth_invocation(part, &mut self.rng) else { return Ok(()) };
        if part.tables.invocation(id)?.is_none_or(|row| &*row.target.service != SCRATCH) {
            return Ok(());
        }
        let request = Client::mint(&mut self.rng, self.clock);
        let kills = self.rng.per_mille(400);
        let command = if kills { Command::Kill { request, id } } else { Command::Cancel { request, id } };
        let to = part.partition.id;
        self.client.add(to, self.clock, request, command, false);
        Ok(())
    }

    /// Kills what only an operator can end.
    pub fn kill_paused(&mut self) {
        let mut paused = Vec::new();
        for part in &self.node.as_ref().expect("the node is up").parts {
            for (key, row) in part.tables.rows() {
                if let (Key::Invocation(id), Row::Invocation(row)) = (key, row)
                    && matches!(row.status, Status::Paused { .. })
                {
                    paused.push((part.partition.id, *id));
                }
            }
        }
        self.stats.pauses += paused.len() as u64;
        for (to, id) in paused {
            let request = Client::mint(&mut self.rng, self.clock);
            self.client.add(to, self.clock, request, Command::Kill { request, id }, false);
        }
    }

    /// A door resolves an awakeable that somebody waits for; a handler will do so, too.
    fn resolve_something(&mut self) -> Result<(), Violation> {
        let p = self.rng.index(usize::from(PARTITIONS));
        let part = &self.node.as_ref().expect("the node is up").parts[p];
        let open = part.tables.rows().iter().find_map(|(key, row)| match (key, row) {
            (Key::Open(id, index), Row::Open(open)) if open.kind == OpenKind::Awakeable => {
                Some((*id, *index))
            }
            _ => None,
        });
        let Some((id, index)) = open else { return Ok(()) };
        let Some(row) = part.tables.invocation(id)? else { return Ok(()) };
        let awakeable = AwakeableId { invocation: id, incarnation: row.incarnation, index };
        let to = part.partition.id;
        let request = Client::mint(&mut self.rng, self.clock);
        let outcome = Ok(RESULT.into());
        let command = Command::ResolveAwakeable { request, id: awakeable, outcome };
        self.client.add(to, self.clock, request, command, false);
        Ok(())
    }
}
