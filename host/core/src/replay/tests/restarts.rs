//! Random programs, restarted from each of their operations: what is taken over replays as it was, and the rest comes to
//! an outcome, whatever has happened to the state in between.

use proptest::prelude::*;

use super::{
    guest::{Observation, Random},
    programs::{World, check_world},
    *,
};
use crate::{
    ids::Incarnation,
    restart::{Life, NotRestartable, Restarted, Unresolved, prefix, unfinished},
};

/// What the restarts of one program have met.
#[derive(Default)]
struct Met {
    restarts: usize,
    refusals: usize,
    deliveries: usize,
    unfinished: usize,
}

fn restarted(from: u32) -> Restarted {
    let id = InvocationId { key: PartitionKey(7), unique: 8 };
    let index = EntryIndex(from);
    let life = Life {
        id,
        incarnation: Incarnation::ZERO,
        idempotency_key: None,
        invoked_by: None,
        created_at: START,
        end: index.next(),
    };
    Restarted { from: id, index, input_at: Some(START), lives: vec![life] }
}

fn operations(journal: &[JournalItem]) -> Vec<&Operation> {
    journal
        .iter()
        .filter_map(|item| match item {
            JournalItem::Operation(Entry { operation, .. }) => Some(operation),
            JournalItem::Notification(_) => None,
        })
        .collect()
}

/// What the handler has seen before it made the last operation that is taken over.
fn seen_before(trace: &[Observation], from: u32) -> Vec<Observation> {
    trace.iter().filter(|seen| seen.operations <= from).cloned().collect()
}

fn check_restarts(code: &[u8], seed: u64, met: &mut Met) {
    let mut world = World::new(seed);
    let trace = check_world(code, &mut world, seed);
    let made = operations(&world.journal);
    for from in 0..made.len() as u32 + 1 {
        let items = match prefix(world.journal.clone(), EntryIndex(from)) {
            Ok(items) => items,
            Err(NotRestartable::NoSuchIndex { last, .. }) => {
                assert_eq!(last.0 as usize, made.len() - 2, "the one before the output");
                assert!(last.0 < from);
                continue;
            }
            Err(NotRestartable::Unresolved { index, kind: Unresolved::Awakeable }) => {
                assert!(index.0 <= from);
                assert_eq!(*made[index.0 as usize], Operation::Awakeable);
                assert!(unfinished(&world.journal).any(|(open, ..)| open == index));
                met.refusals += 1;
                continue;
            }
            Err(other) => panic!("{other}"),
        };
        let copied = operations(&items);
        assert_eq!(copied, made[..=from as usize]);
        met.restarts += 1;
        met.unfinished += unfinished(&items).count();
        met.deliveries += copied.iter().filter(|it| matches!(it, Operation::CancelDelivered)).count();
        let seed = seed ^ (u64::from(from) << 32);
        let mut again = World::restarted(seed, restarted(from), items);
        let seen = check_world(code, &mut again, seed);
        assert_eq!(seen_before(&seen, from), seen_before(&trace, from), "restarted from {from}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_restart_replays_what_it_takes_over(
        code in prop::collection::vec(any::<u8>(), 0..25),
        seed in any::<u64>(),
    ) {
        check_restarts(&code, seed, &mut Met::default());
    }
}

/// The checker is not blind: the random restarts reach what they are meant to test.
#[test]
fn random_restarts_reach_every_rule() {
    let mut random = Random(2);
    let mut met = Met::default();
    for seed in 0..60 {
        let code: Vec<u8> = (0..25).map(|_| random.next() as u8).collect();
        check_restarts(&code, seed, &mut met);
    }
    let Met { restarts, refusals, deliveries, unfinished } = met;
    for (what, times) in [
        ("restarts", restarts),
        ("refusals", refusals),
        ("deliveries", deliveries),
        ("unfinished", unfinished),
    ] {
        assert!(20 <= times, "{what}: {times}");
    }
}

#[test]
fn the_time_of_a_restart_is_seen_behind_what_it_took_over() {
    let journal = vec![input(), entry(1_500, timer(1)), entry(1_600, set("k", "v"))];
    let later = Timestamp(9_000);
    let mut replay = Replay::of_life(later, Some(&restarted(2)), journal).expect("sound");
    assert_eq!(replay.now(), START);
    make(&mut replay, timer(1));
    assert_eq!(replay.now(), Timestamp(1_500));
    make(&mut replay, set("k", "v"));
    assert_eq!(replay.now(), later);

    let only_input = Replay::of_life(later, Some(&restarted(0)), vec![input()]).expect("sound");
    assert_eq!(only_input.now(), later);
}

#[test]
fn state_is_read_anew_behind_what_a_restart_took_over() {
    let read = Operation::GetState { key: "r".into(), value: Some(Bytes::from_static(b"old")) };
    let journal = vec![input(), op(read), op(set("k", "v")), op(set("last", "v"))];
    let mut replay = Replay::of_life(START, Some(&restarted(3)), journal).expect("sound");
    let old = Some(Bytes::from_static(b"old"));
    assert_eq!(get(&mut replay, "r", Some("new")), (old.clone(), 0));
    make(&mut replay, set("k", "v"));
    assert_eq!(get(&mut replay, "r", Some("new")), (old, 0), "known, while the copied part lasts");
    make(&mut replay, set("last", "v"));
    for key in ["r", "k", "last"] {
        let (value, reads) = get(&mut replay, key, Some("new"));
        assert_eq!((value, reads), (Some(Bytes::from_static(b"new")), 1), "{key}");
        assert_eq!(get(&mut replay, key, Some("newer")).1, 0, "{key} is known now");
    }
}
