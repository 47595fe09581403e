//! One suite for every implementation of the tables: the same steps, the same answers as a plain model.

use std::{collections::BTreeMap, fmt::Debug};

use proptest::prelude::*;
use relight_core::{
    Lsn, PartitionId,
    tables::{Key, MemoryTables, Prefix, ReadTables, Row, Tables},
};
use tempfile::TempDir;

use super::sample::{Near, Sample, Source, any_of, row_of};
use crate::{PartitionTables, Snapshot, Store, StoreOptions};

/// Tables that may have batches.
trait Subject: Tables {
    fn commit(&mut self, applied: Lsn);

    /// Writes what is committed.
    fn settle(&mut self);

    /// `false`: it has no batches to drop.
    fn rollback(&mut self) -> bool;
}

impl Subject for MemoryTables {
    fn commit(&mut self, _: Lsn) {}

    fn settle(&mut self) {}

    fn rollback(&mut self) -> bool {
        false
    }
}

impl Subject for PartitionTables {
    fn commit(&mut self, applied: Lsn) {
        PartitionTables::commit(self, applied).expect("commit");
    }

    fn settle(&mut self) {
        PartitionTables::settle(self).expect("settle");
    }

    fn rollback(&mut self) -> bool {
        PartitionTables::rollback(self);
        true
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a test makes few of them")]
enum Step {
    Put(Key, Row),
    Delete(Key),
    DeleteAll(Prefix),
    Get(Key),
    Scan(Prefix, Option<Key>, usize),
    Commit,
    Settle,
    Rollback,
}

impl Sample for Step {
    fn sample(source: &mut Source) -> Self {
        let key = Near::<Key>::sample(source).0;
        let prefix = Near::<Prefix>::sample(source).0;
        match source.below(21) {
            0..8 => Self::Put(key.clone(), row_of(&key, source)),
            8..11 => Self::Delete(key),
            11 => Self::DeleteAll(prefix),
            12 => Self::Get(key),
            13..17 => Self::Scan(
                prefix,
                Some(key).filter(|_| source.below(2) == 0),
                source.pick(&[0, 1, 2, usize::MAX]),
            ),
            17..19 => Self::Commit,
            19 => Self::Settle,
            _ => Self::Rollback,
        }
    }
}

type Model = BTreeMap<Key, Row>;

fn model_scan(model: &Model, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Vec<(Key, Row)> {
    let rows = model.iter().filter(|(key, _)| prefix.contains(key) && after.is_none_or(|after| *key > after));
    rows.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect()
}

/// Gives the rows of each applied LSN, and the one that was settled last on request.
fn check(mut subject: impl Subject, steps: &[Step]) -> (BTreeMap<Lsn, Model>, Lsn) {
    let mut model = Model::new();
    let mut committed = model.clone();
    let mut applied = Lsn::ZERO;
    let mut history = BTreeMap::from([(applied, model.clone())]);
    let mut settled = applied;
    for step in steps {
        match step {
            Step::Put(key, row) => {
                subject.put(key.clone(), row.clone());
                model.insert(key.clone(), row.clone());
            }
            Step::Delete(key) => {
                subject.delete(key.clone());
                model.remove(key);
            }
            Step::DeleteAll(prefix) => {
                subject.delete_all(prefix).expect("delete all");
                model.retain(|key, _| !prefix.contains(key));
            }
            Step::Get(key) => assert_eq!(subject.get(key).expect("get").as_ref(), model.get(key)),
            Step::Scan(prefix, after, limit) => {
                let found = subject.scan(prefix, after.as_ref(), *limit).expect("scan");
                assert_eq!(found, model_scan(&model, prefix, after.as_ref(), *limit));
            }
            Step::Commit => {
                applied = applied.next();
                subject.commit(applied);
                committed.clone_from(&model);
                history.insert(applied, model.clone());
            }
            Step::Settle => {
                subject.settle();
                settled = applied;
            }
            Step::Rollback => {
                if subject.rollback() {
                    model.clone_from(&committed);
                }
            }
        }
        for step in steps {
            if let Step::Put(key, _) = step {
                assert_eq!(subject.get(key).expect("get").as_ref(), model.get(key));
            }
        }
    }
    (history, settled)
}

/// Every row of `tables` that a key of the suite can name.
pub fn all_rows(tables: &impl ReadTables, keys: impl IntoIterator<Item = Key>) -> BTreeMap<Key, Row> {
    keys.into_iter().filter_map(|key| tables.get(&key).expect("get").map(|row| (key, row))).collect()
}

fn keys(steps: &[Step]) -> Vec<Key> {
    let put = |step: &Step| match step {
        Step::Put(key, _) => Some(key.clone()),
        _ => None,
    };
    steps.iter().filter_map(put).collect()
}

pub fn store(dir: &TempDir) -> Store {
    Store::open(dir.path(), StoreOptions::default()).expect("open store")
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any_of::<Step>(), 0..80)
}

/// The rows of `expected` are what `snapshot` answers about everything that `steps` mention.
fn check_snapshot(snapshot: &Snapshot, expected: &Model, steps: &[Step]) {
    for key in keys(steps) {
        assert_eq!(snapshot.get(&key).expect("get").as_ref(), expected.get(&key));
    }
    for step in steps {
        if let Step::Scan(prefix, after, limit) = step {
            let found = snapshot.scan(prefix, after.as_ref(), *limit).expect("scan");
            assert_eq!(found, model_scan(expected, prefix, after.as_ref(), *limit));
        }
    }
}

/// Prefixes that are whole kinds.
const ALL: [Prefix; 7] = [
    Prefix::Effect(None),
    Prefix::Running,
    Prefix::Timer,
    Prefix::Request,
    Prefix::Invocation,
    Prefix::Service,
    Prefix::Deployment,
];

proptest! {
    #[test]
    fn memory_tables_conform(steps in steps()) {
        check(MemoryTables::default(), &steps);
    }
}

proptest! {
    // Each case opens a database and closes it.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn partition_tables_conform(steps in steps()) {
        let dir = TempDir::new().expect("temporary folder");
        check(store(&dir).partition(PartitionId(0)).expect("open"), &steps);
    }

    #[test]
    fn settled_rows_are_there_after_reopening(steps in steps()) {
        let dir = TempDir::new().expect("temporary folder");
        let (mut history, settled) = check(store(&dir).partition(PartitionId(3)).expect("open"), &steps);
        // A clean end flushes, so everything that was settled is there, and nothing else. Rows that take much memory
        // are settled without being asked.
        let mut tables = store(&dir).partition(PartitionId(3)).expect("reopen");
        let applied = tables.applied();
        assert!(settled <= applied, "{settled} <= {applied}");
        assert_eq!(tables.durable(), applied);
        let settled = history.remove(&applied).expect("an applied LSN");
        assert_eq!(all_rows(&tables, keys(&steps)), settled);
        for prefix in ALL {
            tables.delete_all(&prefix).expect("delete all");
        }
        let left = settled.into_keys().filter(|key| !ALL.iter().any(|prefix| prefix.contains(key)));
        assert_eq!(all_rows(&tables, keys(&steps)).into_keys().collect::<Vec<_>>(), left.collect::<Vec<_>>());
    }

    #[test]
    fn snapshots_stay_as_they_were_taken(first in steps(), second in steps()) {
        let dir = TempDir::new().expect("temporary folder");
        let mut tables = store(&dir).partition(PartitionId(0)).expect("open");
        let write = |tables: &mut PartitionTables, model: &mut Model, steps: &[Step]| for step in steps {
            match step {
                Step::Put(key, row) => {
                    tables.put(key.clone(), row.clone());
                    model.insert(key.clone(), row.clone());
                }
                Step::Delete(key) => {
                    tables.delete(key.clone());
                    model.remove(key);
                }
                _ => {}
            }
        };
        let mut model = Model::new();
        write(&mut tables, &mut model, &first);
        tables.commit(Lsn(1)).expect("commit");
        let before = model.clone();
        write(&mut tables, &mut model, &second);
        let snapshot = tables.snapshot(|_| true);
        check_snapshot(&snapshot, &before, &first);
        tables.commit(Lsn(2)).expect("commit");
        let after = tables.snapshot(|_| true);
        drop(tables);
        // They outlive the tables, and other threads may read them.
        let (snapshot, after) = (snapshot.clone(), after.clone());
        assert_eq!((snapshot.applied(), after.applied()), (Lsn(1), Lsn(2)));
        std::thread::scope(|scope| {
            scope.spawn(|| check_snapshot(&snapshot, &before, &[&first[..], &second].concat()));
            scope.spawn(|| check_snapshot(&after, &model, &[&first[..], &second].concat()));
        });
    }
}

#[test]
fn flushers_and_snapshots_may_cross_threads() {
    fn check<T: Send + Sync + Debug + 'static>() {}
    check::<Snapshot>();
    check::<crate::Flusher>();
    check::<Store>();
    fn check_send<T: Send + 'static>() {}
    check_send::<PartitionTables>();
}

/// Two batches, of which the second is committed ahead of the log.
fn one_ahead(dir: &TempDir) -> (PartitionTables, Key, Row, Row) {
    let mut tables = store(dir).partition(PartitionId(0)).expect("open");
    let key = Key::Dedup(PartitionId(3));
    let (old, new) = (Row::Dedup(1), Row::Dedup(2));
    tables.put(key.clone(), old.clone());
    tables.commit(Lsn(1)).expect("commit");
    tables.settle().expect("the log has it");
    tables.put(key.clone(), new.clone());
    tables.commit_ahead(Lsn(2));
    (tables, key, old, new)
}

#[test]
fn what_the_log_loses_is_forgotten() {
    let dir = TempDir::new().expect("temporary folder");
    let (mut tables, key, old, new) = one_ahead(&dir);
    assert_eq!(tables.get(&key).expect("read"), Some(new.clone()));
    tables.forget_unsettled().expect("read");
    assert_eq!((tables.applied(), tables.get(&key).expect("read")), (Lsn(1), Some(old)));
    tables.put(key.clone(), new.clone());
    tables.commit_ahead(Lsn(2));
    tables.logged(Lsn(2));
    assert_eq!(tables.flush().expect("the log has it now"), Lsn(2));
    tables.forget_unsettled().expect("read");
    assert_eq!(tables.get(&key).expect("read"), Some(new));
}

#[test]
#[should_panic(expected = "what the log may lose is not written")]
fn what_the_log_may_lose_is_not_written() {
    let dir = TempDir::new().expect("temporary folder");
    let (mut tables, ..) = one_ahead(&dir);
    let _ = tables.flush();
}
