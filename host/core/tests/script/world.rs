//! One partition under a script: its tables, its clock, and the labels that stand for ids.

use std::collections::BTreeMap;

use relight_core::{
    Action, Command, FencingToken, InvocationId, LeaderEpoch, Lsn, PartitionId, PartitionKey, Record,
    Timestamp,
    machine::{self, Partition},
    placement::Partitioning,
    tables::{MemoryTables, ReadTablesExt as _, Row},
};

use crate::{show, verbs};

pub struct World {
    pub partition: Partition,
    tables: MemoryTables,
    lsn: Lsn,
    pub time: Timestamp,
    pub requests: u128,
    labels: BTreeMap<String, InvocationId>,
}

impl World {
    pub fn new() -> Self {
        let partition = Partition { id: PartitionId(0), partitioning: Partitioning::new(2) };
        Self {
            partition,
            tables: MemoryTables::default(),
            lsn: Lsn::ZERO,
            time: Timestamp(1_000_000),
            requests: 0,
            labels: BTreeMap::new(),
        }
    }

    pub fn tables(&self) -> &MemoryTables {
        &self.tables
    }

    /// Runs one line and shows what it did.
    pub fn run(&mut self, line: &str) -> String {
        let mut shown = String::new();
        for command in verbs::parse(self, line) {
            shown.push_str(&self.apply(command));
        }
        shown
    }

    /// Of the record that comes next.
    pub fn next_lsn(&self) -> Lsn {
        self.lsn.next()
    }

    pub fn apply(&mut self, command: Command) -> String {
        self.lsn = self.next_lsn();
        let before = self.tables.clone();
        let mut actions: Vec<Action> = Vec::new();
        let lsn = self.lsn;
        let record = Record { lsn, time: self.time, command };
        machine::apply(&self.partition, &mut self.tables, record, &mut actions)
            .expect("memory does not fail");
        check(&self.tables);
        let shown = show::step(lsn, &actions, &before, &self.tables);
        self.labels.iter().fold(shown, |text, (label, id)| text.replace(&id.to_string(), label))
    }

    /// Lets a label stand for an id that is not made from it.
    pub fn name(&mut self, label: &str, id: InvocationId) -> InvocationId {
        self.labels.insert(label.to_owned(), id);
        id
    }

    /// The id that a label stands for. A label that begins with `far` lives on the other partition.
    pub fn id(&mut self, label: &str) -> InvocationId {
        if let Some(known) = self.labels.get(label) {
            return *known;
        }
        let key = if label.starts_with("far") { PartitionKey(u64::MAX) } else { PartitionKey(1) };
        let unique = label.bytes().fold(0u128, |sum, byte| sum * 256 + u128::from(byte));
        let id = InvocationId { key, unique };
        self.labels.insert(label.to_owned(), id);
        id
    }

    /// Token of the running attempt.
    pub fn token(&self, id: InvocationId) -> FencingToken {
        let attempt = self.tables.invocation(id).expect("readable").and_then(|row| row.attempt());
        FencingToken { epoch: LeaderEpoch(1), attempt: attempt.unwrap_or_default() }
    }
}

/// What must hold after every record.
fn check(tables: &MemoryTables) {
    use relight_core::tables::{Key, Status};
    for (key, row) in tables.rows() {
        match (key, row) {
            (Key::Running(id), _) => {
                let row = tables.invocation(*id).expect("readable").expect("what runs exists");
                assert!(row.attempt().is_some(), "a running row is of a running invocation: {row:?}");
            }
            (Key::Lock(object), Row::Lock(lock)) => {
                let row = tables.invocation(lock.holder).expect("readable").expect("the holder exists");
                assert_eq!(row.target.object().as_ref(), Some(object));
                assert!(!matches!(row.status, Status::Completed { .. } | Status::Pending { .. }));
            }
            (Key::Open(id, _) | Key::Effect(id, _), _) => {
                let row = tables.invocation(*id).expect("readable").expect("whose handle is open exists");
                assert!(
                    !matches!(row.status, Status::Completed { .. }),
                    "a completed one has no open handles"
                );
            }
            (Key::Invocation(id), Row::Invocation(row)) => {
                let open = tables.rows().keys().filter(|key| matches!(key, Key::Open(of, _) if of == id));
                assert_eq!(open.count(), row.open as usize, "open handles are counted: {row:?}");
                let values = tables.rows().iter().map(|(key, row)| match (key, row) {
                    (Key::Signals(of, _), Row::Signals(signals)) if of == id => signals.values.len(),
                    _ => 0,
                });
                assert_eq!(values.sum::<usize>(), row.unclaimed as usize, "signals are counted: {row:?}");
                let running = tables.rows().contains_key(&Key::Running(*id));
                assert_eq!(running, row.attempt().is_some(), "an attempt has a running row: {row:?}");
            }
            _ => {}
        }
    }
    check_pins(tables);
}

/// Pins are counted as they are, and nothing that runs has lost its deployment.
fn check_pins(tables: &MemoryTables) {
    use relight_core::tables::{Key, Status};
    let mut pins = BTreeMap::new();
    for row in tables.rows().values() {
        let Row::Invocation(row) = row else { continue };
        let Some(deployment) = row.deployment.filter(|_| !matches!(row.status, Status::Completed { .. }))
        else {
            continue;
        };
        *pins.entry(deployment).or_insert(0) += 1;
        if !matches!(row.status, Status::Paused { .. }) {
            assert!(tables.deployment(deployment).expect("readable").is_some(), "{row:?} has no deployment");
        }
    }
    for (key, row) in tables.rows() {
        match (key, row) {
            (Key::Pins(deployment), Row::Pins(count)) => {
                assert_eq!(pins.remove(deployment), Some(*count), "pins of {deployment}");
            }
            (Key::Service(_), Row::Service(service)) => {
                let removal = tables.removal(service.deployment).expect("readable");
                assert_eq!(removal, None, "the latest of {} is being removed", service.name);
            }
            _ => {}
        }
    }
    assert!(pins.is_empty(), "pins that are not counted: {pins:?}");
}
