//! Random command sequences against the state machine: what must hold after every record, whatever came before.
//!
//! `World::run` checks the invariants of the tables after each record; here are the ones over whole histories.

#[path = "script/show.rs"]
mod show;
#[path = "script/verbs.rs"]
mod verbs;
#[path = "script/world.rs"]
mod world;

use proptest::prelude::*;
use relight_core::tables::{Key, Row, Status};
use world::World;

const LABELS: [&str; 4] = ["a", "b", "c", "d"];

fn label() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&LABELS[..])
}

fn target() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["Greeter/greet", "Counter/k/add", "Counter/k/get", "Counter/m/add"][..])
}

fn operation() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (label(), target()).prop_map(|(label, target)| format!("call x{label} {target}")),
        2 => (label(), target()).prop_map(|(label, target)| format!("send y{label} {target} after=50")),
        1 => target().prop_map(|target| format!("call far {target}")),
        2 => (0..200u64).prop_map(|ms| format!("timer {ms}")),
        2 => Just("awakeable".to_owned()),
        2 => Just("effect charge attempts=2".to_owned()),
        2 => (0..3u8).prop_map(|value| format!("set n {value}")),
        1 => Just("clear-all".to_owned()),
        1 => Just("cancelled".to_owned()),
        1 => Just("signal go".to_owned()),
        1 => label().prop_map(|label| format!("attach x{label}")),
        2 => Just("output x".to_owned()),
        1 => Just("fail y".to_owned()),
    ]
}

/// One line of a script. Many are refused or ignored: that is part of what is tested.
fn line() -> impl Strategy<Value = String> {
    let any = prop_oneof![
        4 => label().prop_map(str::to_owned),
        1 => label().prop_map(|label| format!("x{label}")),
        1 => label().prop_map(|label| format!("y{label}")),
    ];
    (any, 1..5u8).prop_flat_map(|(id, index)| {
        let simple = |text: String| Just(text).boxed();
        prop_oneof![
            4 => target().prop_map({ let id = id.clone(); move |t| format!("invoke {id} {t}") }),
            1 => simple(format!("invoke {id} Greeter/greet ik=1 in=1")),
            1 => simple(format!("invoke {id} Counter/k/add due=1000100")),
            8 => prop::collection::vec(operation(), 1..4).prop_map({
                let id = id.clone();
                move |operations| format!("append {id} {}", operations.join("; "))
            }),
            1 => simple(format!("append {id} first={index} set n 9")),
            3 => prop::sample::select(&["any", "all"][..]).prop_map({
                let id = id.clone();
                move |mode| format!("suspend {id} {mode} {index},{}", index + 1)
            }),
            2 => prop::sample::select(&["retry", "mismatch", "host"][..]).prop_map({
                let id = id.clone();
                move |kind| format!("failed {id} {kind} boom")
            }),
            2 => prop::sample::select(&["done", "failed", "terminal"][..]).prop_map({
                let id = id.clone();
                move |how| format!("effect {id} {index} {how} r")
            }),
            2 => simple(format!("resolve {id} {index} v")),
            1 => simple(format!("cancel {id}")),
            1 => simple(format!("kill {id}")),
            2 => (0..120u64).prop_map(|ms| format!("tick {ms}")),
            3 => simple("fire".to_owned()),
            1 => simple(format!("deliver {index} complete {id} {index} v")),
            2 => (label(), 0..4u8).prop_map({
                let id = id.clone();
                move |(new, from)| format!("restart {id} y{new} from={from}")
            }),
            1 => simple(format!("signal {id} go v")),
        ]
    })
}

fn start() -> World {
    let mut world = World::new();
    for line in ["lead 1", "deploy"] {
        world.run(line);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn same_records_give_same_tables_and_actions(lines in prop::collection::vec(line(), 1..60)) {
        let (mut one, mut two) = (start(), start());
        for line in &lines {
            prop_assert_eq!(one.run(line), two.run(line));
        }
        prop_assert_eq!(one.tables(), two.tables());
    }

    /// Whatever happened: once everything is killed nothing is held, and only retention remains.
    #[test]
    fn what_ends_leaves_nothing_behind(lines in prop::collection::vec(line(), 1..80)) {
        let mut world = start();
        for line in &lines {
            world.run(line);
        }
        let labels: Vec<String> =
            LABELS.iter().flat_map(|l| [(*l).to_owned(), format!("x{l}"), format!("y{l}")]).collect();
        // Twice: a kill hands the lock of its key to the next.
        for label in labels.iter().chain(&labels) {
            world.run(&format!("kill {label}"));
        }
        for (key, row) in world.tables().rows() {
            match (key, row) {
                (Key::Invocation(_), Row::Invocation(row)) => {
                    prop_assert!(matches!(row.status, Status::Completed { .. }), "{:?}", row);
                    prop_assert!(row.waiters.is_empty());
                }
                (
                    Key::Lock(_)
                    | Key::Running(_)
                    | Key::Open(..)
                    | Key::Effect(..)
                    | Key::Inbox(..)
                    | Key::Signals(..),
                    _,
                ) => {
                    prop_assert!(false, "{key:?} is left behind: {row:?}");
                }
                _ => {}
            }
        }
    }

    /// Every suspended invocation can still be woken: what it waits for is open, and marked as waited for.
    #[test]
    fn who_is_suspended_can_be_woken(lines in prop::collection::vec(line(), 1..80)) {
        let mut world = start();
        for line in &lines {
            world.run(line);
            for row in world.tables().rows().values() {
                let Row::Invocation(row) = row else { continue };
                let Status::Suspended { suspended, remaining, .. } = row.status else { continue };
                let marked = world.tables().rows().iter().filter(|(key, open)| {
                    matches!((key, open), (Key::Open(id, _), Row::Open(open)) if *id == row.id && open.waited_by == suspended)
                });
                let marked = marked.count();
                prop_assert!(marked >= 1);
                prop_assert!(remaining >= 1);
                prop_assert!(marked >= remaining as usize);
                prop_assert!(row.cancel.is_none(), "an undelivered cancel wakes");
            }
        }
    }
}
