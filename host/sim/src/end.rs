//! After the faults: everything that is not blocked must come to its end, with exactly the results that the programs
//! say.

use std::collections::BTreeMap;
use std::time::Duration;

use relight_core::tables::{Key, Row, Status, TimerKey, TimerKind};
use relight_core::value::ObjectKey;
use relight_core::{InvocationId, Timestamp};

use crate::check;
use crate::oracle::Violation;
use crate::part::Role;
use crate::program::{COUNTER, FLEETING, FLOW, SCRATCH, WILD};
use crate::world::{PARTITIONS, World};

/// Rounds in which everything does all it can. A run needs some hundred; one that needs more never ends.
const ROUNDS_MAX: u64 = 20_000;

impl World {
    /// Lets everything run without faults until nothing is left to do, and looks at the result.
    pub fn come_to_rest(&mut self) -> Result<(), Violation> {
        self.trace.line(format_args!("the faults end"));
        self.run_until_quiet(false)?;
        self.results()?;
        // A day later nothing of it is kept but state.
        self.run_until_quiet(true)?;
        self.stats.stale = self.oracle.stale;
        self.forgotten()
    }

    /// Lets everything run until nothing is left to wait for: without or with the time after which things are forgotten.
    fn run_until_quiet(&mut self, purges: bool) -> Result<(), Violation> {
        for _ in 0..ROUNDS_MAX {
            if self.node.is_none() {
                self.start()?;
            }
            if self.round()? {
                continue;
            }
            // Time is all that is left to wait for.
            let due = (0..usize::from(PARTITIONS)).filter_map(|p| self.next_due(p, purges)).min();
            if let Some(due) = due {
                let now = (0..usize::from(PARTITIONS)).map(|p| self.time(p)).min().unwrap_or_default();
                self.clock.advance(1 + due.since(now).0);
                continue;
            }
            self.unblock()?;
            if self.client.open_count() == 0 {
                return Ok(());
            }
        }
        Err(Violation(format!("it does not come to rest: {}", self.unfinished())))
    }

    fn forgotten(&self) -> Result<(), Violation> {
        for part in &self.node.as_ref().expect("the node is up").parts {
            let kept = part.tables.rows().iter().find(|(key, _)| must_be_gone(key));
            if let Some((key, row)) = kept {
                return Err(Violation(format!("{key:?} is kept for ever: {row:?}")));
            }
        }
        Ok(())
    }

    /// When the next timer is due that somebody waits for, or the next at all.
    fn next_due(&self, p: usize, purges: bool) -> Option<Timestamp> {
        let part = &self.node.as_ref().expect("the node is up").parts[p];
        let timers = part.tables.rows().keys().filter_map(|key| match key {
            Key::Timer(timer) => Some(timer),
            _ => None,
        });
        let counts = |timer: &&TimerKey| {
            purges
                || !matches!(
                    timer.kind,
                    TimerKind::Purge | TimerKind::PurgeJournal | TimerKind::PurgeWorkflow
                )
        };
        timers.into_iter().find(counts).map(|timer| timer.due)
    }

    /// When an outbox sends again or truncates.
    fn outbox_deadline(&self) -> Option<Duration> {
        let parts = &self.node.as_ref().expect("the node is up").parts;
        let deadlines = parts.iter().filter_map(|part| match &part.role {
            Role::Leader(leading) => leading.leader.outbox_deadline(),
            _ => None,
        });
        let now = self.clock.instant();
        deadlines.min().map(|deadline| deadline.saturating_duration_since(now))
    }

    fn time(&mut self, p: usize) -> Timestamp {
        let clock = self.clock;
        self.part(p).time(clock)
    }

    /// Everything does all it can; answers whether there was something.
    fn round(&mut self) -> Result<bool, Violation> {
        let before = self.stats.records;
        for request in self.client.unsent() {
            let part =
                &mut self.node.as_mut().expect("the node is up").parts[usize::from(request.partition.0)];
            if !part.is_follower() {
                request.sent = true;
                part.queue.push_back(request.command.clone());
            }
        }
        for p in 0..usize::from(PARTITIONS) {
            self.lead(p)?;
            self.start_ready(p)?;
            self.run_all(p)?;
            self.end_all_effects(p);
        }
        for (to, packet) in std::mem::take(&mut self.network) {
            self.arrive(to, packet);
        }
        for p in 0..usize::from(PARTITIONS) {
            self.append(p, usize::MAX, false)?;
        }
        self.pass(false)?;
        for p in 0..usize::from(PARTITIONS) {
            self.appended(p)?;
            self.apply(p, false)?;
        }
        self.clock.advance(1);
        let parts = &mut self.node.as_mut().expect("the node is up").parts;
        let quiet = parts
            .iter_mut()
            .all(|part| part.is_drained() && part.leader().is_some_and(|leading| leading.is_idle()));
        if before != self.stats.records {
            return Ok(true);
        }
        // Only an outbox knows that something was lost on the way.
        if let Some(deadline) = self.outbox_deadline() {
            self.clock.advance(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
            return Ok(true);
        }
        Ok(!quiet)
    }

    fn unfinished(&self) -> String {
        let Some(node) = &self.node else { return "the node is down".to_owned() };
        let mut text = String::new();
        for part in &node.parts {
            let left = part.tables.rows().iter().filter_map(|(key, row)| match (key, row) {
                (Key::Invocation(id), Row::Invocation(row)) => match &row.status {
                    Status::Completed { .. } => None,
                    status => Some((id, status)),
                },
                _ => None,
            });
            let left: Vec<_> = left.take(5).collect();
            text.push_str(&format!("partition {}: {left:?}; ", part.partition.id));
        }
        text
    }

    fn results(&mut self) -> Result<(), Violation> {
        let node = self.node.as_ref().expect("the node is up");
        let mut counters: BTreeMap<ObjectKey, u64> = BTreeMap::new();
        for part in &node.parts {
            check::all(&part.tables)?;
            // Tables that went through a planted bug differ: that alone would find it, whatever it does.
            if self.planted.is_none() {
                self.oracle.rebuilt(&part.partition, &part.tables)?;
            }
            for (key, row) in part.tables.rows() {
                match (key, row) {
                    (Key::Invocation(id), Row::Invocation(row)) => completed(*id, &row.status)?,
                    (
                        Key::Open(..)
                        | Key::Effect(..)
                        | Key::Running(_)
                        | Key::Lock(_)
                        | Key::Inbox(..)
                        | Key::Outbox(..)
                        | Key::Signals(..),
                        _,
                    ) => return Err(Violation(format!("{key:?} is left behind: {row:?}"))),
                    (Key::State(object, name), Row::State(value)) if &**name == "n" => {
                        let text = std::str::from_utf8(value).expect("counters are text");
                        counters.insert(object.clone(), text.parse().expect("counters are numbers"));
                    }
                    _ => {}
                }
            }
        }
        for (object, sum) in &counters {
            let exact = self.oracle.exact.get(object).copied().unwrap_or(0);
            let at_most = self.oracle.at_most.get(object).copied().unwrap_or(0);
            let right = match &*object.service {
                COUNTER | FLEETING => *sum == exact,
                SCRATCH => *sum <= at_most,
                _ => false,
            };
            if !right {
                return Err(Violation(format!("{object:?} is {sum}, and not {exact} or at most {at_most}")));
            }
        }
        if let Some((object, sum)) =
            self.oracle.exact.iter().find(|(object, _)| !counters.contains_key(*object))
        {
            return Err(Violation(format!("{object:?} is nothing, and not {sum}")));
        }
        self.oracle.all_executed()
    }
}

/// Of what nothing is left when everything was kept for as long as it must.
fn must_be_gone(key: &Key) -> bool {
    match key {
        Key::Invocation(_) | Key::Journal(..) | Key::Timer(_) => true,
        Key::Promise(..) | Key::Workflow(_) | Key::Signals(..) => true,
        Key::State(object, _) => matches!(&*object.service, FLOW | WILD),
        _ => false,
    }
}

fn completed(id: InvocationId, status: &Status) -> Result<(), Violation> {
    match status {
        Status::Completed { .. } => Ok(()),
        other => Err(Violation(format!("{id} never ends: {other:?}"))),
    }
}
