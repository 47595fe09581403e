//! What an invocation costs, counted exactly and compared with recorded bounds: `cargo xtask bench --quick`.
//!
//! Real handlers run in the real executor under the real leader, state machine and log driver, all in one thread, over
//! a disk and tables that count. So a change that makes the way of every invocation longer fails here, on any machine,
//! however busy. `world.rs` is the node, `count.rs` counts, `bounds.rs` compares.

mod bounds;
mod count;
mod world;

use bounds::{Bounds, Counted};
use count::{Counts, FIGURES};
use tokio::runtime::Builder;
use world::{Planted, Workload, World};

#[global_allocator]
static ALLOCATOR: count::Allocator = count::Allocator;

/// Invocations of one measurement.
const INVOCATIONS: u64 = 128;
/// Measurements of each workload; the smallest counts. What is slow on a busy machine may allocate now and then.
const MEASUREMENTS: usize = 3;
/// How many are under way at once.
const AT_ONCE: [u64; 2] = [1, 64];
/// Invocations before the first measurement: what is allocated once has been by then.
const WARM_UP: u64 = 2 * INVOCATIONS;

fn count(workload: Workload, at_once: u64, planted: Option<Planted>) -> Counted {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let smallest = runtime.block_on(async {
        let mut world = World::start(planted).await;
        world.run(workload, WARM_UP, at_once).await;
        let mut smallest = Counts::MAX;
        for _ in 0..MEASUREMENTS {
            let before = world.counts();
            world.run(workload, INVOCATIONS, at_once).await;
            smallest = smallest.min(world.counts().since(before));
        }
        smallest
    });
    Counted { workload: workload.name(), at_once, thousandths: smallest.per_invocation(INVOCATIONS) }
}

#[test]
fn an_invocation_costs_no_more_than_its_bounds() {
    let counted: Vec<Counted> = Workload::ALL
        .into_iter()
        .flat_map(|workload| AT_ONCE.map(|at_once| count(workload, at_once, None)))
        .collect();
    println!("{}", bounds::table(&counted));
    if bounds::recording() {
        return Bounds::of(&counted).write();
    }
    let broken = Bounds::read().broken_by(&counted);
    assert!(broken.is_empty(), "\n{}\n{}", broken.join("\n"), bounds::REMEDY);
}

#[test]
fn one_more_append_is_found() {
    let counted = count(Workload::Greet, 1, Some(Planted::OneMoreAppend));
    let broken = Bounds::read().broken_by(&[counted]);
    let records = broken.iter().find(|line| line.contains("log records")).expect("it is found");
    assert!(records.contains("greet at 1") && records.contains("3.000"), "{records}");
}

#[test]
fn two_counts_are_the_same() {
    let [first, second] = [(); 2].map(|()| count(Workload::Counter, 64, None).thousandths);
    let allocations = FIGURES.iter().position(|figure| *figure == count::ALLOCATIONS).expect("it is one");
    assert_eq!(first[..allocations], second[..allocations]);
}
