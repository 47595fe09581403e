//! The runner: attempts and effects run, propose, end, or go on although their leader is gone.

use relight_core::command::{AttemptError, AttemptErrorKind, Command, EffectError};
use relight_core::journal::Operation;
use relight_core::tables::{Key, ReadTablesExt as _};
use relight_core::{EntryIndex, Incarnation, InvocationId, Lsn, Timestamp};

use crate::guest::{Instance, Progress, RESULT, Surroundings};
use crate::leader::EffectRun;
use crate::oracle::Violation;
use crate::part::{Part, Role};
use crate::program::{Programs, SCRATCH};
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

    /// Starts what is ready.
    pub fn start_ready(&mut self, p: usize) -> Result<(), Violation> {
        let part = self.part(p);
        let reach = part.reach();
        let Part { role: Role::Leader(leading), tables, .. } = part else { return Ok(()) };
        let (started, executed) = leading.start_ready(tables, reach)?;
        self.stats.attempts += started.len() as u64;
        for id in started {
            self.trace.line(format_args!("{p} starts {id}"));
        }
        self.drop_attempts(p);
        executed.into_iter().try_for_each(|run| self.execute(p, run))
    }

    /// Of the attempts that the leader has dropped some go on for a moment.
    pub fn drop_attempts(&mut self, p: usize) {
        let Some(leading) = self.leader(p) else { return };
        let dropped = leading.runner.running().take_dropped();
        for instance in dropped {
            if self.rng.per_mille(50) {
                self.add_zombie(p, Zombie::Attempt(Box::new(instance)));
            }
        }
    }

    /// An effect reaches the outside: its operation MUST be accepted, and its result not recorded.
    fn execute(&mut self, p: usize, run: EffectRun) -> Result<(), Violation> {
        self.stats.effects += 1;
        self.trace.line(format_args!("{p} runs effect {} of {}", run.index, run.id));
        if !self.part(p).tables.has(&Key::Effect(run.id, run.index)) {
            return Err(Violation(format!("{run:?} runs before its operation is accepted")));
        }
        if self.part(p).durable < run.token.attempt {
            return Err(Violation(format!("{run:?} runs before its operation is durable")));
        }
        self.oracle.executes((run.id, run.incarnation, run.index))
    }

    /// Lets a random attempt see some of what happened, run for a while, and propose.
    pub fn run_attempt(&mut self, p: usize) -> Result<(), Violation> {
        let around = surroundings(&self.programs, self.clock.now(), &mut self.rng);
        let part = &mut self.node.as_mut().expect("the node is up").parts[p];
        let Some(leading) = part.leader() else { return Ok(()) };
        let mut running = leading.runner.running();
        if running.attempts.is_empty() {
            return Ok(());
        }
        let place = self.rng.index(running.attempts.len());
        let instance = running.attempts.values_mut().nth(place).expect("one of those that run");
        let commands = run_slice(instance, &around, &mut self.rng)?;
        let worked = worked(instance);
        drop(running);
        part.queue.extend(commands);
        worked.map_or(Ok(()), |run| self.work(p, run))
    }

    /// Runs everything that can run, to the end of what it can do.
    pub fn run_all(&mut self, p: usize) -> Result<(), Violation> {
        let around = Surroundings { programs: &self.programs, clock: self.clock.now(), fails: false };
        let part = &mut self.node.as_mut().expect("the node is up").parts[p];
        let (mut commands, mut all_worked) = (Vec::new(), Vec::new());
        if let Some(leading) = part.leader() {
            for instance in leading.runner.running().attempts.values_mut() {
                instance.take_events(usize::MAX)?;
                instance.run(&around, u64::MAX)?;
                commands.extend(instance.propose());
                all_worked.extend(worked(instance));
            }
        }
        part.queue.extend(commands);
        all_worked.into_iter().try_for_each(|run| self.work(p, run))
    }

    /// An inline run has reached the outside: everything that it follows from MUST be durable, and its result not recorded.
    fn work(&mut self, p: usize, run: Work) -> Result<(), Violation> {
        let Work { id, incarnation, index, seen } = run;
        self.stats.runs += 1;
        self.trace.line(format_args!("run {index} of {id} is carried out"));
        let durable = self.part(p).durable;
        if durable < seen {
            return Err(Violation(format!(
                "run {index} of {id} follows from {seen}, and durable is {durable}"
            )));
        }
        self.oracle.executes((id, incarnation, index))
    }

    /// A random attempt ends without a result: a trap, or the host drops it. What it made may or may not be proposed.
    pub fn end_attempt_early(&mut self, p: usize) -> Result<(), Violation> {
        let retryable = self.rng.per_mille(700);
        let flushes = self.rng.per_mille(500);
        let nth = self.rng.next();
        let Some(leading) = self.leader(p) else { return Ok(()) };
        let mut running = leading.runner.running();
        if running.attempts.is_empty() {
            return Ok(());
        }
        let place = usize::try_from(nth % running.attempts.len() as u64).expect("an index");
        let instance = running.attempts.values_mut().nth(place).expect("one of those that run");
        if instance.progress == Progress::Finished {
            return Ok(());
        }
        let (id, token) = (instance.id, instance.token);
        let made = if flushes { instance.flush() } else { None };
        instance.progress = Progress::Finished;
        drop(running);
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
        let Some(leading) = self.leader(p) else { return Ok(()) };
        let running = leading.runner.running();
        if running.effects.is_empty() {
            return Ok(());
        }
        let place = usize::try_from(nth % running.effects.len() as u64).expect("an index");
        let run = *running.effects.values().nth(place).expect("one of those that run");
        drop(running);
        self.propose_end(p, run, fails);
        Ok(())
    }

    /// Ends all effects that run, well.
    pub fn end_all_effects(&mut self, p: usize) {
        let Some(leading) = self.leader(p) else { return };
        let ended: Vec<_> = leading.runner.running().effects.values().copied().collect();
        for run in ended {
            self.propose_end(p, run, false);
        }
    }

    fn propose_end(&mut self, p: usize, run: EffectRun, fails: bool) {
        let command = effect_ended(run, fails);
        if let Some(leading) = self.leader(p) {
            leading.leader.proposed(&command);
        }
        self.part(p).queue.push_back(command);
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
                let around = surroundings(&self.programs, self.clock.now(), &mut self.rng);
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

fn surroundings<'a>(programs: &'a Programs, clock: Timestamp, rng: &mut Rng) -> Surroundings<'a> {
    Surroundings { programs, clock, fails: rng.per_mille(300) }
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
        Progress::Accepting | Progress::Blocked(_) | Progress::Finished => Ok(instance.propose()),
    }
}

/// The inline run whose work the instance has just done.
fn worked(instance: &mut Instance) -> Option<Work> {
    let Instance { id, incarnation, seen, .. } = *instance;
    instance.worked.take().map(|index| Work { id, incarnation, index, seen })
}

/// An inline run that was carried out, and the last record that it follows from.
struct Work {
    id: InvocationId,
    incarnation: Incarnation,
    index: EntryIndex,
    seen: Lsn,
}

fn effect_ended(run: EffectRun, fails: bool) -> Command {
    let EffectRun { id, incarnation, index, token } = run;
    if fails {
        let error = EffectError { message: "unreachable".to_owned(), retry_after: None };
        return Command::EffectFailed { id, incarnation, index, token, error };
    }
    Command::EffectCompleted { id, incarnation, index, token, outcome: Ok(RESULT.into()) }
}
