//! Seeds in every test run; `cargo xtask sim` runs many more.

use relight_sim::{PLANTED_SEEDS, Planted, STEPS, Stats, run};

/// As many as take some seconds.
const SEEDS: u64 = 100;

#[test]
fn seeds_hold_and_do_something() {
    let mut total = Stats::default();
    for seed in 0..SEEDS {
        match run(seed, STEPS, None) {
            Ok(outcome) => total.add(&outcome.stats),
            Err(failure) => panic!("{failure}"),
        }
    }
    let per_seed = |count: u64| count / SEEDS;
    assert!(STEPS <= per_seed(total.steps), "{total:?}");
    assert!(5 <= per_seed(total.crashes), "{total:?}");
    assert!(200 <= per_seed(total.records), "{total:?}");
    assert!(20 <= per_seed(total.requests), "{total:?}");
    assert!(50 <= per_seed(total.attempts), "{total:?}");
    assert!(5 <= per_seed(total.effects), "{total:?}");
    assert!(20 <= per_seed(total.deliveries), "{total:?}");
    assert!(5 <= per_seed(total.timers), "{total:?}");
    assert!(5 <= per_seed(total.stale), "{total:?}");
    assert!(5 <= per_seed(total.runs), "{total:?}");
    assert!(0 < total.lost && 0 < total.pauses, "{total:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1_000..1_005 {
        let (first, second) = (run(seed, STEPS, None), run(seed, STEPS, None));
        assert!(first.is_ok(), "{first:?}");
        assert_eq!(first, second);
        assert_ne!(first, run(seed + 10_000, STEPS, None));
    }
}

#[test]
fn every_planted_bug_is_found() {
    for planted in Planted::ALL {
        let found = (0..PLANTED_SEEDS).any(|seed| run(seed, STEPS, Some(planted)).is_err());
        assert!(found, "{planted:?} is not found in {PLANTED_SEEDS} seeds");
    }
}
