//! After the faults: everything that is not blocked must come to its end, with exactly the results that the programs
//! say.

use std::collections::BTreeMap;

use relight_core::tables::{Key, Row, Status};
use relight_core::value::ObjectKey;
use relight_core::{InvocationId, PartitionId, Timestamp};

use crate::check;
use crate::oracle::Violation;
use crate::program::{COUNTER, FLEETING, SCRATCH};
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
            self.kill_paused();
            if self.client.open_count() == 0 {
                return Ok(());
            }
        }
        Err(Violation(format!("it does not come to rest: {}", self.unfinished())))
    }

    fn forgotten(&self) -> Result<(), Violation> {
        for part in &self.node.as_ref().expect("the node is up").parts {
            let kept = part
                .tables
                .rows()
                .iter()
                .find(|(key, _)| matches!(key, Key::Invocation(_) | Key::Journal(..) | Key::Timer(_)));
            if let Some((key, row)) = kept {
                return Err(Violation(format!("{key:?} is kept for ever: {row:?}")));
            }
        }
        Ok(())
    }

    fn next_due(&mut self, p: usize, purges: bool) -> Option<Timestamp> {
        self.leader(p).and_then(|leader| leader.next_due(purges))
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
            self.fire(p)?;
            while self.leader(p).is_some_and(|leader| !leader.ready.is_empty()) {
                self.start_attempt(p)?;
            }
            while self.leader(p).is_some_and(|leader| !leader.effects_ready.is_empty()) {
                self.start_effect(p)?;
            }
            self.run_all(p)?;
            self.end_all_effects(p);
            for to in (0..PARTITIONS).map(PartitionId) {
                // What was lost is known to be lost: nothing is on its way any more.
                if self.network.is_empty()
                    && let Some(leader) = self.leader(p)
                {
                    leader.resend(to);
                }
                self.ship_to(p, to)?;
                let truncates = self.leader(p).and_then(|leader| leader.truncate(to));
                self.part(p).queue.extend(truncates);
            }
        }
        for (to, packet) in std::mem::take(&mut self.network) {
            self.arrive(to, packet);
        }
        let clock = self.clock;
        for p in 0..usize::from(PARTITIONS) {
            self.part(p).append(clock, usize::MAX);
        }
        self.pass(false)?;
        for p in 0..usize::from(PARTITIONS) {
            self.appended(p)?;
            self.apply(p, false)?;
        }
        self.clock.advance(1);
        let quiet = self
            .node
            .as_mut()
            .expect("the node is up")
            .parts
            .iter_mut()
            .all(|part| part.is_drained() && part.leader().is_some_and(|leader| leader.is_idle()));
        Ok(before != self.stats.records || !quiet)
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
                        | Key::Outbox(..),
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

fn completed(id: InvocationId, status: &Status) -> Result<(), Violation> {
    match status {
        Status::Completed { .. } => Ok(()),
        other => Err(Violation(format!("{id} never ends: {other:?}"))),
    }
}
