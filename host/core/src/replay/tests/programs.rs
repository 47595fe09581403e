//! Random guests, random arrival orders, a drop after every entry: one outcome.
//!
//! The guest is a program whose every step depends on everything it has observed, so a single different answer shows.
//! The world appends what attempts hand over, completes operations and cancels, in a random order and with random
//! delays, and drops attempts at random. Then the journal that came out is continued from each of its prefixes.

use proptest::prelude::*;

use super::{
    guest::{Guest, Observation, Progress, Random, Reading, key},
    *,
};
use crate::restart::{Restarted, unfinished};

/// Turns after which a run is given up: programs are short, so this is reached only by one that never ends.
const TURNS_MAX: u32 = 100_000;

enum Event {
    Accepted(u32),
    Notification(Position, Notification),
}

/// What the log and `apply` are to an attempt.
pub(super) struct World {
    random: Random,
    pub(super) journal: Vec<JournalItem>,
    /// Items that were there when the world began.
    begins_with: usize,
    restarted: Option<Restarted>,
    started_at: Timestamp,
    operations: u32,
    time: u64,
    state: BTreeMap<String, Bytes>,
    /// Accepted, and not completed.
    open: Vec<EntryIndex>,
    /// Batches on their way to the log.
    proposed: VecDeque<Vec<Entry>>,
    /// Events on their way to the attempt.
    events: VecDeque<Event>,
    cancels_left: u32,
    drops_left: u32,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            journal: vec![input()],
            begins_with: 1,
            restarted: None,
            started_at: START,
            operations: 1,
            time: START.0,
            state: BTreeMap::new(),
            open: Vec::new(),
            proposed: VecDeque::new(),
            events: VecDeque::new(),
            cancels_left: (seed % 4) as u32,
            drops_left: (seed / 4 % 5) as u32,
        }
    }

    /// Begins with `journal`, a part of another world's. Later, and others have written the state.
    pub(super) fn restarted(seed: u64, restarted: Restarted, journal: Vec<JournalItem>) -> Self {
        let started_at = Timestamp(START.0 + 1_000_000);
        let mut world = Self {
            operations: restarted.operations(),
            open: unfinished(&journal).map(|(index, ..)| index).collect(),
            begins_with: journal.len(),
            journal,
            restarted: Some(restarted),
            started_at,
            time: started_at.0,
            ..Self::new(seed)
        };
        (0..4).for_each(|_| world.write());
        world
    }

    fn tick(&mut self) -> Timestamp {
        self.time += self.random.next() % 3;
        Timestamp(self.time)
    }

    /// A clock of another machine: it may be ahead or behind.
    fn attempt_clock(&mut self) -> Timestamp {
        Timestamp(self.time + self.random.next() % 20 - 10)
    }

    fn append(&mut self) -> bool {
        let Some(batch) = self.proposed.pop_front() else { return false };
        for entry in batch {
            let is_awaited = entry.operation.is_awaited();
            match &entry.operation {
                Operation::SetState { key, value } => {
                    self.state.insert(key.clone(), value.clone());
                }
                Operation::ClearState { key } => {
                    self.state.remove(key);
                }
                Operation::ClearAllState => self.state.clear(),
                _ => {}
            }
            self.journal.push(JournalItem::Operation(entry));
            let index = EntryIndex(self.operations);
            self.operations += 1;
            // What has its value already completes between two operations of one batch.
            if is_awaited && self.random.one_in(4) {
                self.complete_handle(index);
            } else if is_awaited {
                self.open.push(index);
            }
        }
        self.events.push_back(Event::Accepted(self.operations));
        true
    }

    fn notify(&mut self, kind: NotificationKind) {
        let position = Position(self.journal.len() as u32);
        let notification = Notification { at: self.tick(), kind };
        self.journal.push(JournalItem::Notification(notification.clone()));
        self.events.push_back(Event::Notification(position, notification));
    }

    fn complete(&mut self) -> bool {
        if self.open.is_empty() {
            return false;
        }
        let index = self.open.swap_remove(self.random.below(self.open.len()));
        self.complete_handle(index);
        true
    }

    fn complete_handle(&mut self, index: EntryIndex) {
        let value = match self.random.below(3) {
            0 => Value::Void,
            1 => Value::Failure(Failure::new(500, self.time.to_string())),
            _ => Value::Success(Bytes::from(self.time.to_string())),
        };
        self.notify(NotificationKind::Completed { index, value });
    }

    fn deliver(&mut self, replay: &mut Replay) -> bool {
        match self.events.pop_front() {
            Some(Event::Accepted(operations)) => replay.accepted(operations),
            Some(Event::Notification(position, notification)) => {
                replay.notify(position, notification).expect("events come in order");
            }
            None => return false,
        }
        true
    }

    /// Somebody else writes, as they may beside a shared handler.
    fn write(&mut self) {
        let (key, value) = (key(self.random.next()), Bytes::from(self.random.next().to_string()));
        match self.random.below(3) {
            0 => self.state.remove(&key),
            _ => self.state.insert(key, value),
        };
    }

    /// Runs one attempt until it is done (`true`) or dropped.
    fn attempt<'a>(&mut self, code: &'a [u8]) -> Result<(Guest<'a>, bool), String> {
        let replay = Replay::of_life(self.started_at, self.restarted.as_ref(), self.journal.clone());
        let mut replay = replay.expect("the world's journal is sound");
        let mut guest = Guest::new(code, &replay);
        let view = self.state.clone();
        let mut read = |_: u32, key: Option<&str>| match key {
            Some(key) => Reading::Value(view.get(key).cloned()),
            None => Reading::Keys(view.keys().cloned().collect()),
        };
        for _ in 0..TURNS_MAX {
            let mut progress = Progress::Moved;
            match self.random.below(12) {
                0 => drop(self.append()),
                1 => drop(self.complete()),
                2 | 3 => drop(self.deliver(&mut replay)),
                4 if 0 < self.cancels_left => {
                    self.cancels_left -= 1;
                    self.notify(NotificationKind::Cancelled);
                }
                5 if 0 < self.drops_left => {
                    self.drops_left -= 1;
                    return Ok((guest, false));
                }
                6 => drop(replay.take_batch().map(|(_, entries)| self.proposed.push_back(entries))),
                _ => {
                    let clock = self.attempt_clock();
                    progress = guest.step(&mut replay, clock, &mut read)?;
                }
            }
            if progress == Progress::Moved {
                continue;
            }
            if let Some((_, entries)) = replay.take_batch() {
                self.proposed.push_back(entries);
            }
            let is_acted = self.append() || self.deliver(&mut replay);
            if !is_acted && progress == Progress::Done {
                assert!(replay.is_accepted());
                return Ok((guest, true));
            }
            if !is_acted && !self.complete() {
                return Err("the guest waits for nothing".into());
            }
        }
        Err("the guest does not end".into())
    }

    /// Runs attempts until one is done; the traces of all of them, the last one's at the end.
    pub(super) fn run(&mut self, code: &[u8]) -> Result<(Vec<Vec<Observation>>, Outcome), String> {
        let mut traces = Vec::new();
        loop {
            let (guest, is_done) = self.attempt(code)?;
            if is_done {
                traces.push(guest.trace);
                return Ok((traces, guest.outcome.expect("it is done")));
            }
            // What was proposed arrives as far as it was quicker than the drop; the rest is fenced off.
            while self.random.one_in(2) && self.append() {}
            self.proposed.clear();
            self.events.clear();
            let accepted = self.operations;
            traces.push(guest.trace.into_iter().filter(|seen| seen.operations <= accepted).collect());
            self.write();
        }
    }
}

/// Continues `journal` from its first `cut` items, with the rest arriving as it did, as early or late as `random` says.
/// The guest MUST do again what the rest says.
fn continue_from(
    code: &[u8],
    world: &World,
    cut: usize,
    random: &mut Random,
) -> Result<(Vec<Observation>, Outcome), String> {
    let journal = &world.journal;
    let entries: Vec<&Entry> = journal
        .iter()
        .filter_map(|item| match item {
            JournalItem::Operation(entry) => Some(entry),
            JournalItem::Notification(_) => None,
        })
        .collect();
    let mut read = |index: u32, _: Option<&str>| match &entries[index as usize].operation {
        Operation::GetState { value, .. } => Reading::Value(value.clone()),
        Operation::StateKeys { keys } => Reading::Keys(keys.clone()),
        other => panic!("read in place of {other:?}"),
    };
    let replay = Replay::of_life(world.started_at, world.restarted.as_ref(), journal[..cut].to_vec());
    let mut replay = replay.expect("a prefix of a journal is sound");
    let mut guest = Guest::new(code, &replay);
    let mut arrived = cut;
    loop {
        let clock = entries.get(replay.operations() as usize).map_or(START, |entry| entry.made_at);
        let progress = guest.step(&mut replay, clock, &mut read)?;
        if let Some((first, batch)) = replay.take_batch() {
            for (entry, index) in batch.iter().zip(first.0 as usize..) {
                if entries.get(index) != Some(&entry) {
                    return Err(format!("{index}: {entry:?}, but was {:?}", entries.get(index)));
                }
            }
        }
        if progress == Progress::Done {
            return Ok((guest.trace, guest.outcome.expect("it is done")));
        }
        let before = arrived;
        while arrived < journal.len() && (progress == Progress::Blocked || random.one_in(2)) {
            if !arrive(&mut replay, journal, arrived)? {
                break;
            }
            arrived += 1;
            if random.one_in(2) {
                break;
            }
        }
        if progress == Progress::Blocked && arrived == before {
            return Err(format!("blocked at position {arrived}, where it was not"));
        }
    }
}

/// Hands over the item at `position`; `false` for an operation that the guest has yet to make.
fn arrive(replay: &mut Replay, journal: &[JournalItem], position: usize) -> Result<bool, String> {
    match &journal[position] {
        JournalItem::Notification(notification) => replay
            .notify(Position(position as u32), notification.clone())
            .map_err(|error| error.to_string())?,
        JournalItem::Operation(_) => {
            let is_operation = |item: &&JournalItem| matches!(item, JournalItem::Operation(_));
            let index = journal[..position].iter().filter(is_operation).count() as u32;
            if replay.operations() <= index {
                return Ok(false);
            }
            replay.accepted(index + 1);
        }
    }
    Ok(true)
}

fn check(code: &[u8], seed: u64) {
    let _ = check_world(code, &mut World::new(seed), seed);
}

/// Runs the program and continues what comes out from everywhere; the trace of the whole of it.
pub(super) fn check_world(code: &[u8], world: &mut World, seed: u64) -> Vec<Observation> {
    let (mut traces, outcome) = world.run(code).expect("no attempt contradicts the journal");
    let trace = traces.pop().expect("the last attempt has a trace");
    for seen in traces {
        assert_eq!(seen, trace[..seen.len()], "an attempt that was dropped saw something else");
    }
    let mut random = Random(seed);
    for cut in world.begins_with..=world.journal.len() {
        let again = continue_from(code, world, cut, &mut random);
        assert_eq!(again.as_ref(), Ok(&(trace.clone(), outcome.clone())), "after a drop at position {cut}");
    }
    trace
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_have_one_outcome(code in prop::collection::vec(any::<u8>(), 0..40), seed in any::<u64>()) {
        check(&code, seed);
    }
}

/// The checker is not blind: the random runs reach what they are meant to test.
#[test]
fn random_programs_reach_every_rule() {
    let mut random = Random(1);
    let (mut deliveries, mut merged, mut drops, mut reads, mut waits) = (0, 0, 0, 0, 0);
    for seed in 0..300 {
        let code: Vec<u8> = (0..40).map(|_| random.next() as u8).collect();
        let mut world = World::new(seed);
        let (traces, _) = world.run(&code).expect("no attempt contradicts the journal");
        let count = |is: fn(&JournalItem) -> bool| world.journal.iter().filter(|item| is(item)).count();
        let of = count(|item| {
            matches!(item, JournalItem::Operation(Entry { operation: Operation::CancelDelivered, .. }))
        });
        let cancels = count(|item| {
            matches!(item, JournalItem::Notification(Notification { kind: NotificationKind::Cancelled, .. }))
        });
        deliveries += usize::from(1 < of);
        merged += usize::from(0 < of && of < cancels);
        drops += traces.len() - 1;
        reads += count(|item| {
            matches!(item, JournalItem::Operation(Entry { operation: Operation::GetState { .. }, .. }))
        });
        waits += traces.last().expect("one").iter().filter(|seen| seen.what.starts_with("All")).count();
    }
    for (what, times) in
        [("deliveries", deliveries), ("merged", merged), ("drops", drops), ("reads", reads), ("waits", waits)]
    {
        assert!(20 <= times, "{what}: {times}");
    }
}
