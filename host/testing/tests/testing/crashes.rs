//! The process dies, on purpose and everywhere; and a handler that does something else after that is found.

use relight_core::{
    JournalItem, Operation,
    journal::Entry,
    tables::{Key, MemoryTables, Row, Tables as _},
};
use relight_testing::{Options, Outcome};

use crate::rig::{passes, run_with};

#[test]
fn attempts_fail_and_processes_die_where_they_are_told_to() {
    passes(
        "conformance",
        r#"
        [[step]]
        crash = "Calls/add"
        at = 1

        [[step]]
        fail = "Callee/a/add"
        at = 2
        message = "the connection broke"

        [[step]]
        invoke = "Calls/add"
        body = ["a", 1]
        result = 1

        [[step]]
        crash = true

        # Of the next invocation: there was one before.
        [[step]]
        fail = "Callee/a/add"
        at = 1
        message = "again"

        [[step]]
        invoke = "Callee/a/add"
        body = 1
        wait = false

        [[step]]
        expect = "Callee/a/add"
        status = "backing-off"
        reason = "again"

        [[step]]
        expect = "Callee/a/add"
        result = 2
        "#,
    );
}

#[test]
fn a_failed_attempt_backs_off_with_its_message() {
    passes(
        "conformance",
        r#"
        [[step]]
        fail = "Callee/a/add"
        at = 0
        message = "the connection broke"

        [[step]]
        invoke = "Callee/a/add"
        body = 1
        wait = false

        [[step]]
        expect = "Callee/a/add"
        status = "backing-off"
        reason = "the connection broke"

        [[step]]
        expect = "Callee/a/add"
        result = 1
        "#,
    );
}

const COUNT: &str = r#"
    [[step]]
    invoke = "Callee/a/add"
    body = 1
    result = 1
"#;

/// What a handler looks like that sets another value when it is replayed.
fn forget_what_was_set(tables: &mut MemoryTables) {
    let set: Vec<(Key, Entry)> = tables
        .rows()
        .iter()
        .filter_map(|(key, row)| match row {
            Row::Journal(JournalItem::Operation(entry))
                if matches!(entry.operation, Operation::SetState { .. }) =>
            {
                Some((key.clone(), entry.clone()))
            }
            _ => None,
        })
        .collect();
    for (row, mut entry) in set {
        if let Operation::SetState { value, .. } = &mut entry.operation {
            *value = "77".into();
        }
        tables.put(row, Row::Journal(JournalItem::Operation(entry)));
    }
}

#[test]
fn a_handler_that_is_not_deterministic_is_found_by_a_crash() {
    let plain = Options { sabotage: Some(forget_what_was_set), ..Options::default() };
    assert!(matches!(run_with("conformance", COUNT, &plain).outcome, Outcome::Passed));

    let everywhere = Options { crash_everywhere: true, ..plain };
    let report = run_with("conformance", COUNT, &everywhere);
    let Outcome::Failed(problem) = &report.outcome else { panic!("it is not found: {}", report.text()) };
    assert_eq!(problem.crash.as_deref(), Some("entry 2 of `Callee/a/add`: set-state value"), "{problem}");
    assert!(problem.details[0].contains("paused: journal mismatch"), "{problem}");
}

#[test]
fn a_crash_everywhere_changes_nothing_for_handlers_that_are_async_functions() {
    let everywhere = Options { crash_everywhere: true, ..Options::default() };
    let report = run_with("conformance-async", COUNT, &everywhere);
    assert!(matches!(report.outcome, Outcome::Passed), "{}", report.text());
}

/// A state that vanishes with the process.
fn forget_state(tables: &mut MemoryTables) {
    let keys: Vec<Key> = tables.rows().keys().filter(|key| matches!(key, Key::State(..))).cloned().collect();
    keys.into_iter().for_each(|key| tables.delete(key));
}

#[test]
fn a_difference_that_no_step_looks_at_is_found_too() {
    let options = Options { crash_everywhere: true, sabotage: Some(forget_state) };
    let report = run_with("conformance", COUNT, &options);
    let Outcome::Failed(problem) = &report.outcome else { panic!("it is not found: {}", report.text()) };
    assert_eq!(
        problem.message, "state `value` of `Callee/a` is not the same as without a crash",
        "{problem}"
    );
    assert_eq!((problem.expected.as_deref(), problem.got.as_deref()), (Some("1"), Some("nothing")));
}
