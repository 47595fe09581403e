//! Many inline runs: people are warned once.

#[path = "script/show.rs"]
mod show;
#[path = "script/verbs.rs"]
mod verbs;
#[path = "script/world.rs"]
mod world;

use relight_core::{limits::RUNS_WARNED, tables::ReadTablesExt as _};
use world::World;

#[test]
fn the_thousandth_run_warns_and_no_other_does() {
    let mut world = World::new();
    for line in ["lead 1", "deploy", "invoke a Greeter/greet"] {
        world.run(line);
    }
    let mut warned = Vec::new();
    for run in 1..=RUNS_WARNED + 2 {
        let shown = world.run("append a start-over run charge paid");
        if shown.contains("! WarnOfRuns { id: a, runs: 1000 }") {
            warned.push(run);
        }
    }
    assert_eq!(warned, [RUNS_WARNED]);
    let id = world.id("a");
    let row = world.tables().invocation(id).expect("readable").expect("it exists");
    assert_eq!(row.journal.runs, RUNS_WARNED + 2);
}
