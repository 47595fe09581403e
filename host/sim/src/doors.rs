//! What the outside asks for: programs, and everything that doors and operators may do to what runs.

use relight_core::command::{Command, NewInvocation, Purge};
use relight_core::placement::{Partitioning, workflow_id};
use relight_core::tables::{Invocation, Key, OpenKind, ReadTablesExt as _, Row, Status};
use relight_core::value::ObjectKey;
use relight_core::{AwakeableId, PartitionId, RequestId};

use crate::client::Client;
use crate::guest::RESULT;
use crate::oracle::Violation;
use crate::program::{self, FLOW, GATE, PLAIN, SCRATCH, WILD};
use crate::world::{PARTITIONS, World, nth_invocation};

/// Requests without an answer, at once; more only make a run slower.
const REQUESTS_OPEN_MAX: usize = 12;
/// Programs of one run: the faults should meet work that is under way, not an ever longer inbox.
const PROGRAMS_MAX: u64 = 60;
/// How often something asked long ago is asked again.
const LATE_REPEAT_PER_MILLE: u64 = 60;
/// Keys of wild workflows: few, so that each has many lives.
const WILD_KEYS: u64 = 3;

impl World {
    fn mint(&mut self, to: PartitionId) -> RequestId {
        let part = &self.node.as_ref().expect("the node is up").parts[usize::from(to.0)];
        let durable = part.tables.meta().ok().flatten().unwrap_or_default().time;
        Client::mint(&mut self.rng, self.clock, durable)
    }

    /// A door has something to ask, or asks again.
    pub fn ask(&mut self) -> Result<(), Violation> {
        if self.rng.per_mille(LATE_REPEAT_PER_MILLE) {
            self.repeat_late();
        }
        if self.rng.per_mille(400) || REQUESTS_OPEN_MAX <= self.client.open_count() {
            self.ask_again();
            return Ok(());
        }
        if !self.is_deployed() {
            if self.deployments == 0 {
                self.deploy();
            }
            return Ok(());
        }
        if self.rng.per_mille(self.likely.operate_per_mille) {
            return self.operate();
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

    /// A command that was held up somewhere comes once more, however long ago it was answered.
    fn repeat_late(&mut self) {
        let Some(request) = self.client.pick_any(&mut self.rng) else { return };
        let part = &mut self.node.as_mut().expect("the node is up").parts[usize::from(request.partition.0)];
        if !part.is_follower() && request.was_sent() {
            part.queue.push_back(request.command.clone());
        }
    }

    fn is_deployed(&self) -> bool {
        self.node.as_ref().expect("the node is up").parts.iter().all(|part| part.is_deployed)
    }

    fn deploy(&mut self) {
        self.deployments += 1;
        let (deployment, services) = program::deployment(self.deployments);
        let request = self.mint(PartitionId(0));
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
        let to = Partitioning::new(PARTITIONS).partition(invocation.id.key);
        let request = self.mint(to);
        self.client.add(to, self.clock, request, Command::Invoke { request, invocation }, exact);
    }

    /// A door's command that may be refused.
    fn command(&mut self, to: PartitionId, command: impl FnOnce(RequestId) -> Command) {
        let request = self.mint(to);
        self.client.add(to, self.clock, request, command(request), false);
    }

    /// Cancels or kills something that may be.
    fn stop_something(&mut self) -> Result<(), Violation> {
        let Some((to, row)) = self.some_invocation()? else { return Ok(()) };
        let id = row.id;
        match &*row.target.service {
            SCRATCH | WILD if self.rng.per_mille(400) => {
                self.command(to, |request| Command::Kill { request, id });
            }
            SCRATCH | WILD => self.command(to, |request| Command::Cancel { request, id }),
            _ => {}
        }
        Ok(())
    }

    /// An operator looks at something, and does what changes no result.
    fn operate(&mut self) -> Result<(), Violation> {
        if self.rng.per_mille(400) {
            self.ask_wild_workflow();
            return Ok(());
        }
        let Some((to, row)) = self.some_invocation()? else { return Ok(()) };
        let id = row.id;
        let is_identified = row.idempotency_key.is_some() || &*row.target.service == FLOW;
        match row.status {
            // Forgotten, it would run again for whoever asks again.
            Status::Completed { .. } => {
                let journal_only = is_identified || self.rng.per_mille(300);
                let what = if journal_only { Purge::Journal } else { Purge::Invocation };
                self.command(to, |request| Command::Purge { request, id, what });
            }
            Status::Paused { .. } => {
                self.command(to, |request| Command::Resume { request, id, onto: None });
            }
            _ => match self.rng.below(4) {
                0 => self.command(to, |request| Command::Resume { request, id, onto: None }),
                1 => {
                    let (name, outcome) = ("door".to_owned(), Ok(RESULT.into()));
                    self.command(to, |request| Command::SendSignal { request, to: id, name, outcome });
                }
                _ => self.command(to, |request| Command::Pause { request, id }),
            },
        }
        Ok(())
    }

    /// Runs a workflow of a key with many lives, asks one of its handlers, completes its promise, or purges it.
    fn ask_wild_workflow(&mut self) {
        let key = format!("w{}", self.rng.below(WILD_KEYS));
        if self.rng.per_mille(150) {
            let (id, what) = (workflow_id(WILD, &key), Purge::Invocation);
            let to = Partitioning::new(PARTITIONS).partition(id.key);
            self.command(to, |request| Command::Purge { request, id, what });
        } else if self.rng.per_mille(300) {
            let number = self.rng.below(1_000);
            self.open_wild_gate(&key, format!("door {number}"));
        } else {
            let new = program::wild_invocation(&mut self.rng, &key);
            self.invoke(new, false);
        }
    }

    fn open_wild_gate(&mut self, key: &str, text: String) {
        let workflow = ObjectKey { service: WILD.into(), key: key.into() };
        let to = Partitioning::new(PARTITIONS).partition(workflow_id(WILD, key).key);
        let (name, outcome) = (GATE.to_owned(), Ok(text.into()));
        self.command(to, |request| Command::CompletePromise { request, workflow, name, outcome });
    }

    /// Does what only somebody outside can do, so that everything ends: kills or resumes what is paused, and opens
    /// gates.
    pub fn unblock(&mut self) -> Result<(), Violation> {
        let mut blocked = Vec::new();
        for part in &self.node.as_ref().expect("the node is up").parts {
            let open = part.tables.rows().values().filter_map(|row| match row {
                Row::Invocation(row) if !matches!(row.status, Status::Completed { .. }) => Some(row),
                _ => None,
            });
            blocked.extend(open.map(|row| (part.partition.id, row.clone())));
        }
        for (to, row) in blocked {
            let (id, service) = (row.id, &*row.target.service);
            match &row.status {
                Status::Paused { .. } if service == SCRATCH => {
                    self.stats.pauses += 1;
                    self.command(to, |request| Command::Kill { request, id });
                }
                Status::Paused { reason } if reason == "paused by an operator" || service == PLAIN => {
                    self.stats.pauses += 1;
                    self.command(to, |request| Command::Resume { request, id, onto: None });
                }
                Status::Paused { reason } => {
                    return Err(Violation(format!("{id} is paused, and nobody asked for that: {reason}")));
                }
                _ if service == WILD => {
                    let key = row.target.key.as_deref().unwrap_or_default().to_owned();
                    self.open_wild_gate(&key, "the end".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A random invocation, where it is.
    fn some_invocation(&mut self) -> Result<Option<(PartitionId, Box<Invocation>)>, Violation> {
        let p = self.rng.index(usize::from(PARTITIONS));
        let part = &self.node.as_ref().expect("the node is up").parts[p];
        let Some(id) = nth_invocation(part, &mut self.rng) else { return Ok(None) };
        Ok(part.tables.invocation(id)?.map(|row| (part.partition.id, row)))
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
        // Nobody outside knows of one before it is durable.
        let Some((id, index)) = open.filter(|_| part.reach().provisional().is_none()) else { return Ok(()) };
        let Some(row) = part.tables.invocation(id)? else { return Ok(()) };
        let awakeable = AwakeableId { invocation: id, incarnation: row.incarnation, index };
        let to = part.partition.id;
        let outcome = Ok(RESULT.into());
        self.command(to, |request| Command::ResolveAwakeable { request, id: awakeable, outcome });
        Ok(())
    }
}
