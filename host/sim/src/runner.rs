//! The runner: attempts and effects run, propose, end, or go on although their leader is gone.

use relight_core::EntryIndex;
use relight_core::command::{AttemptError, AttemptErrorKind, Command, EffectError};
use relight_core::journal::Operation;
use relight_core::tables::{Key, ReadTablesExt as _};

use crate::guest::{Instance, Progress, RESULT, Surroundings};
use crate::leader::EffectRun;
use crate::oracle::Violation;
use crate::part::{Part, Role};
use crate::program::SCRATCH;
use crate::rng::Rng;
use crate::world::{World, Zombie};

impl World {
    pub fn act_on_ticket(&mut self, p: usize, command: &Command) -> Result<(), Violation> {
        let Command::Append { id, token, first, entries, .. } = command else { return Ok(()) };
        for (index, entry) in (first.0..).map(EntryIndex).zip(entries) {
            if let Operation::Effect { .. } = entry.operation {
                let run = EffectRun { id: *id, incarnation: token.attempt, index, token: *token };
                self.execute(p, run)?;
            }
        }
        Ok(())
    }

    pub fn start_attempt(&mut self, p: usize) -> Result<(), Violation> {
        let Part { role: Role::Leader(leader), tables, .. } = self.part(p) else { return Ok(()) };
        if let Some(id) = leader.start_attempt(tables)? {
            self.stats.attempts += 1;
            self.trace.line(format_args!("{p} starts {id}"));
        }
        Ok(())
    }

    pub fn start_effect(&mut self, p: usize) -> Result<(), Violation> {
        let Part { role: Role::Leader(leader), tables, .. } = self.part(p) else { return Ok(()) };
        match leader.start_effect(tables)? {
            Some(run) => self.execute(p, run),
            None => Ok(()),
        }
    }

    /// An effect reaches the outside: its operation MUST be accepted, and its result not recorded.
    fn execute(&mut self, p: usize, run: EffectRun) -> Result<(), Violation> {
        self.stats.effects += 1;
        self.trace.line(format_args!("{p} runs effect {} of {}", run.index, run.id));
        if !self.part(p).tables.has(&Key::Effect(run.id, run.index)) {
            return Err(Violation(format!("{run:?} runs before its operation is accepted")));
        }
        self.oracle.executes((run.id, run.incarnation, run.index))
    }

    /// Lets a random attempt see some of what happened, run for a while, and propose.
    pub fn run_attempt(&mut self, p: usize) -> Result<(), Violation> {
        let Some(leader) = self.node.as_mut().expect("the node is up").parts[p].leader() else {
            return Ok(());
        };
        if leader.running.is_empty() {
            return Ok(());
        }
        let place = self.rng.index(leader.running.len());
        let instance = leader.running.values_mut().nth(place).expect("one of those that run");
        let around = Surroundings { programs: &self.programs, clock: self.clock.now() };
        let commands = run_slice(instance, &around, &mut self.rng)?;
        self.part(p).queue.extend(commands);
        Ok(())
    }

    /// Runs everything that can run, to the end of what it can do.
    pub fn run_all(&mut self, p: usize) -> Result<(), Violation> {
        let around = Surroundings { programs: &self.programs, clock: self.clock.now() };
        let part = &mut self.node.as_mut().expect("the node is up").parts[p];
        let mut commands = Vec::new();
        for instance in part.leader().into_iter().flat_map(|leader| leader.running.values_mut()) {
            instance.take_events(usize::MAX)?;
            instance.run(&around, u64::MAX)?;
            commands.extend(propose(instance));
        }
        part.queue.extend(commands);
        Ok(())
    }

    /// A random attempt ends without a result: a trap, or the host drops it. What it made may or may not be proposed.
    pub fn end_attempt_early(&mut self, p: usize) -> Result<(), Violation> {
        let retryable = self.rng.per_mille(700);
        let flushes = self.rng.per_mille(500);
        let nth = self.rng.next();
        let Some(leader) = self.leader(p) else { return Ok(()) };
        if leader.running.is_empty() {
            return Ok(());
        }
        let place = usize::try_from(nth % leader.running.len() as u64).expect("an index");
        let instance = leader.running.values_mut().nth(place).expect("one of those that run");
        if instance.progress == Progress::Finished {
            return Ok(());
        }
        let (id, token) = (instance.id, instance.token);
        let made = if flushes { instance.flush() } else { None };
        instance.progress = Progress::Finished;
        let row = self.part(p).tables.invocation(id)?;
        let scratch = row.is_some_and(|row| &*row.target.service == SCRATCH);
        let kind = match (retryable, flushes) {
            (false, true) if scratch => AttemptErrorKind::LimitExceeded,
            (false, _) => AttemptErrorKind::Host,
            (true, _) => AttemptErrorKind::Retryable,
        };
        let error = AttemptError { kind, message: "trap".to_owned(), index: None, retry_after: None };
        self.part(p).queue.extend(made);
        self.part(p).queue.push_back(Command::AttemptFailed { id, token, error });
        self.trace.line(format_args!("{p} fails {id}"));
        Ok(())
    }

    pub fn end_effect(&mut self, p: usize) -> Result<(), Violation> {
        let (nth, fails) = (self.rng.next(), self.rng.per_mille(300));
        let Some(leader) = self.leader(p) else { return Ok(()) };
        if leader.effects.is_empty() {
            return Ok(());
        }
        let place = usize::try_from(nth % leader.effects.len() as u64).expect("an index");
        let (key, run) = leader.effects.iter().nth(place).expect("one of those that run");
        let (key, run) = (*key, *run);
        leader.effects.remove(&key);
        self.part(p).queue.push_back(effect_ended(run, fails));
        Ok(())
    }

    /// Ends all effects that run, well.
    pub fn end_all_effects(&mut self, p: usize) {
        if let Some(leader) = self.leader(p) {
            let ended: Vec<_> = std::mem::take(&mut leader.effects).into_values().collect();
            self.part(p).queue.extend(ended.into_iter().map(|run| effect_ended(run, false)));
        }
    }

    /// Something of an earlier leader goes on, and its proposals reach the log.
    pub fn zombie(&mut self) -> Result<(), Violation> {
        if self.zombies.is_empty() {
            return Ok(());
        }
        let place = self.rng.index(self.zombies.len());
        let (to, zombie) = &mut self.zombies[place];
        let p = usize::from(to.0);
        let (commands, over) = match zombie {
            Zombie::Attempt(instance) => {
                let around = Surroundings { programs: &self.programs, clock: self.clock.now() };
                let commands = run_slice(instance, &around, &mut self.rng)?;
                (commands, instance.progress != Progress::Running && self.rng.per_mille(500))
            }
            Zombie::Effect(run) => (vec![effect_ended(*run, self.rng.per_mille(300))], true),
        };
        if over {
            self.zombies.swap_remove(place);
        }
        let part = self.part(p);
        if !part.is_follower() {
            part.queue.extend(commands);
        }
        Ok(())
    }
}

/// Runs for a while and proposes, now or later.
fn run_slice(
    instance: &mut Instance,
    around: &Surroundings<'_>,
    rng: &mut Rng,
) -> Result<Vec<Command>, Violation> {
    let events = instance.some_events(rng);
    instance.take_events(events)?;
    let steps = 1 + rng.below(6);
    instance.run(around, steps)?;
    match instance.progress {
        Progress::Running if rng.per_mille(300) => Ok(instance.flush().into_iter().collect()),
        Progress::Running => Ok(Vec::new()),
        // It lingers before it suspends.
        Progress::Blocked(_) if rng.per_mille(400) => Ok(instance.flush().into_iter().collect()),
        Progress::Blocked(_) | Progress::Finished => Ok(propose(instance)),
    }
}

/// Everything that the attempt has made, and that it waits.
fn propose(instance: &mut Instance) -> Vec<Command> {
    let mut commands: Vec<Command> = instance.flush().into_iter().collect();
    if let Progress::Blocked(wait) = &instance.progress {
        let (id, token, wait) = (instance.id, instance.token, wait.clone());
        commands.push(Command::Suspend { id, token, wait });
    }
    commands
}

fn effect_ended(run: EffectRun, fails: bool) -> Command {
    let EffectRun { id, incarnation, index, token } = run;
    if fails {
        let error = EffectError { message: "unreachable".to_owned(), retry_after: None };
        return Command::EffectFailed { id, incarnation, index, token, error };
    }
    Command::EffectCompleted { id, incarnation, index, token, outcome: Ok(RESULT.into()) }
}
