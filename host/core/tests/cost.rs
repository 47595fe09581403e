//! What records cost in reads and writes of the tables, counted exactly: a change that makes the way of every
//! invocation longer shows here.

#[path = "script/show.rs"]
mod show;
#[path = "script/verbs.rs"]
mod verbs;
#[path = "script/world.rs"]
mod world;

use std::cell::Cell;

use relight_core::{
    Record, machine,
    tables::{Key, MemoryTables, Prefix, ReadTables, Row, Tables, TablesError},
};
use world::World;

/// Tables that count what is asked of them.
struct Counting {
    tables: MemoryTables,
    gets: Cell<u32>,
    scans: Cell<u32>,
    puts: u32,
    deletes: u32,
}

/// Gets, scans, puts and deletes.
type Cost = [u32; 4];

impl ReadTables for Counting {
    fn get(&self, key: &Key) -> Result<Option<Row>, TablesError> {
        self.gets.set(self.gets.get() + 1);
        self.tables.get(key)
    }

    fn scan(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Row)>, TablesError> {
        self.scans.set(self.scans.get() + 1);
        self.tables.scan(prefix, after, limit)
    }
}

impl Tables for Counting {
    fn put(&mut self, key: Key, row: Row) {
        self.puts += 1;
        self.tables.put(key, row);
    }

    fn delete(&mut self, key: Key) {
        self.deletes += 1;
        self.tables.delete(key);
    }
}

/// What the record of `line` costs.
fn cost(world: &mut World, line: &str) -> Cost {
    let tables = world.tables().clone();
    let mut counting = Counting { tables, gets: Cell::new(0), scans: Cell::new(0), puts: 0, deletes: 0 };
    let mut commands = verbs::parse(world, line);
    let command = commands.pop().expect("a line with a record");
    let record = Record { lsn: world.next_lsn(), time: world.time, command: command.clone() };
    machine::apply(&world.partition, &mut counting, record, &mut Vec::new()).expect("memory does not fail");
    world.apply(command);
    assert_eq!(*world.tables(), counting.tables);
    [counting.gets.get(), counting.scans.get(), counting.puts, counting.deletes]
}

fn start() -> World {
    let mut world = World::new();
    for line in ["lead 1", "deploy"] {
        world.run(line);
    }
    world
}

#[track_caller]
fn check(world: &mut World, expected: &[(&str, Cost)]) {
    let counted: Vec<(&str, Cost)> = expected.iter().map(|(line, _)| (*line, cost(world, line))).collect();
    assert_eq!(counted, expected);
}

#[test]
fn an_invocation_that_only_returns() {
    check(
        &mut start(),
        &[
            // Reads: meta, request, invocation, service, registry, service, pins. Writes: input, running, invocation,
            // pins, request, meta.
            ("invoke a Greeter/greet", [7, 0, 6, 0]),
            // Reads: meta, invocation, pins, removal. Writes: output, purge timer, invocation, meta; running and pins go.
            ("append a output x", [4, 0, 4, 2]),
        ],
    );
}

#[test]
fn an_exclusive_call_that_reads_and_writes() {
    check(
        &mut start(),
        &[
            // As above, and the lock.
            ("invoke a Counter/k/add", [8, 0, 7, 0]),
            // As above, with entry and state; the lock is read and goes, and nobody looks into an empty inbox.
            ("append a set n 1; output x", [5, 0, 6, 3]),
        ],
    );
}

#[test]
fn a_caller_and_its_callee() {
    let mut world = start();
    check(
        &mut world,
        &[
            ("invoke a Greeter/greet", [7, 0, 6, 0]),
            // Reads: meta, caller, callee, service, lock, registry, service, pins. Writes: entry, open handle, caller, and
            // of the callee input, lock, running, pins and its row; meta.
            ("append a call b Counter/k/add", [8, 0, 9, 0]),
            // Reads: meta, invocation, handle. Writes: handle, invocation, meta; running goes.
            ("suspend a any 1", [3, 0, 3, 1]),
            // The callee: output, timer, row, pins (twice); the lock is read and goes, running goes. Its result to the caller: handle
            // (twice), caller; notification, running, caller; the handle goes. Meta.
            ("append b output x", [8, 0, 8, 3]),
            ("append a output x", [4, 0, 4, 2]),
        ],
    );
}

#[test]
fn an_invocation_that_is_forgotten_at_once() {
    let mut world = start();
    world.run("invoke a Greeter/greet");
    world.run("append a output x");
    // Its rows go without a search: invocation and both entries. Reads: meta, request, invocation.
    assert_eq!(cost(&mut world, "purge a"), [3, 0, 2, 4]);
}
