//! What goes wrong: crashes, the clock, what is lost.

use relight_core::PartitionId;
use relight_core::command::Command;

use crate::clock::BEHIND_MAX_MS;
use crate::disk::{Crash, DiesAt};
use crate::leader::Capacity;
use crate::oracle::Violation;
use crate::part::Role;
use crate::rng::Rng;
use crate::world::{PARTITIONS, World, Zombie};

/// Leftovers of earlier leaders, at once.
const ZOMBIES_MAX: usize = 8;
/// Forward jumps of hours in one run: what is kept for a day must last.
const BIG_JUMPS_MAX: u64 = 6;
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
    /// Operators pause, resume and purge, and run wild workflows.
    pub operate_per_mille: u64,
    pub capacity: Capacity,
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
            operate_per_mille: [0, 150, 400][rng.index(3)],
            capacity: Capacity {
                attempts: [1, 5, 1_000][rng.index(3)],
                effects: [1, 3, 1_000][rng.index(3)],
            },
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
            7..9 => self.network.clear(),
            // Long enough that whatever has no answer is sent again.
            _ => self.clock.advance(100 + self.rng.below(3_000)),
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
                | Command::RunFailed { id: other, token: same, .. }
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
        for (p, part) in node.parts.into_iter().enumerate() {
            let Role::Leader(leading) = part.role else { continue };
            let effects = std::mem::take(&mut leading.runner.running().effects);
            let runner = leading.runner.clone();
            drop(leading);
            let dropped = runner.running().take_dropped();
            let zombies = dropped.into_iter().map(|instance| Zombie::Attempt(Box::new(instance)));
            for zombie in zombies.chain(effects.into_values().map(Zombie::Effect)) {
                if self.rng.per_mille(400) {
                    self.add_zombie(p, zombie);
                }
            }
        }
        drop(node.driver);
        self.disk.crash(crash, &mut self.rng);
        self.client.crashed();
    }

    pub fn add_zombie(&mut self, p: usize, zombie: Zombie) {
        if self.zombies.len() < ZOMBIES_MAX {
            self.zombies.push((PartitionId(u16::try_from(p).expect("few partitions")), zombie));
        }
    }

    pub fn advance(&mut self) -> Result<(), Violation> {
        let ms = 1 + self.rng.below(60);
        self.clock.advance(ms);
        Ok(())
    }

    /// The wall clock jumps, as far as doors and their retries can bear.
    fn jump(&mut self) {
        let before = self.clock.wall;
        self.wall_max = self.wall_max.max(before);
        if self.rng.per_mille(500) {
            // No record is later, applied or not: requests that doors mint now are not too old for any partition.
            let lowest = self.wall_max.saturating_sub(BEHIND_MAX_MS).min(before);
            self.clock.wall = before - self.rng.below(before - lowest + 1);
        } else if self.client.open_count() == 0 && self.big_jumps < BIG_JUMPS_MAX {
            self.big_jumps += 1;
            // Past what is kept for long, or for a short while.
            let hours = self.rng.per_mille(500);
            self.clock.wall += self.rng.below(if hours { 3 * 3_600_000 } else { 40 * 60_000 });
        } else {
            let most = self.client.oldest_ms().map_or(u64::MAX, |oldest| oldest + DOOR_RETRY_MS);
            self.clock.wall += self.rng.below(60_000).min(most.saturating_sub(before));
        }
        self.trace.line(format_args!("the wall clock jumps from {before} to {}", self.clock.wall));
    }
}
