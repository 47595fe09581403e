//! The clock: it moves when a step waits and nothing else can happen, when it is told to, and not otherwise.

use std::time::{Duration, Instant};

use relight_testing::{Options, Outcome};

use crate::rig::{fails, passes, run_with};

#[test]
fn thirty_days_pass_at_once() {
    let begun = Instant::now();
    passes(
        "conformance",
        r#"
        [[step]]
        invoke = "Timers/sleep"
        body = 2592000000
        result = 2592000000
        "#,
    );
    assert!(begun.elapsed() < Duration::from_secs(3600));
}

#[test]
fn only_as_much_time_passes_as_a_step_waits_for() {
    passes(
        "conformance",
        r#"
        [[step]]
        send = "Timers/sleep"
        body = 3600000
        as = "long"

        [[step]]
        invoke = "Timers/sleep"
        body = 60000

        [[step]]
        expect = "long"
        status = "suspended"

        [[step]]
        skip = "59m"

        [[step]]
        expect = "long"
        status = "completed"
        "#,
    );
}

#[test]
fn delayed_sends_come_when_their_time_has_come() {
    passes(
        "conformance",
        r#"
        start = "2030-01-01T00:00:00Z"

        [[step]]
        send = "Recorder/r/record"
        body = "late"
        delay = "1 day"
        as = "late"

        [[step]]
        expect = "late"
        status = "scheduled"

        [[step]]
        skip = "23h"

        [[step]]
        state = "Recorder/r"
        is = { "$exact" = {} }

        [[step]]
        skip = "1h"

        [[step]]
        invoke = "Recorder/r/deliveries"
        result = [{ message = "late", at = 1893542400000 }]
        "#,
    );
}

#[test]
fn manual_time_stands_still() {
    let problem = fails(
        "conformance",
        r#"
        time = "manual"

        [[step]]
        invoke = "Timers/sleep"
        body = 1
        "#,
    );
    assert!(problem.message.contains("until time is skipped"), "{problem}");
    passes(
        "conformance",
        r#"
        time = "manual"

        [[step]]
        send = "Timers/sleep"
        body = 5

        [[step]]
        skip = "5ms"

        [[step]]
        expect = "Timers/sleep"
        result = 5
        "#,
    );
}

#[test]
fn an_answer_of_an_effect_may_take_its_time() {
    passes(
        "conformance",
        r#"
        [effects]
        failing_until = [{ ok = 1, after = "3 days" }]

        [[step]]
        send = "Effects/retries_until"
        body = 1
        as = "slow"

        [[step]]
        skip = "71h"

        [[step]]
        expect = "slow"
        status = "suspended"
        reason = "effect failing_until"

        [[step]]
        expect = "slow"
        result = 1
        "#,
    );
}

#[test]
fn a_lingering_handler_keeps_its_instance_until_its_time_is_over() {
    passes(
        "conformance",
        r#"
        suspend-after = "1m"

        [[step]]
        send = "Waits/a/hold"

        [[step]]
        expect = "Waits/a/hold"
        status = "running"

        [[step]]
        send = "Waits/b/hold"

        [[step]]
        resolve = "Waits/b/hold"
        value = "soon"

        [[step]]
        expect = "Waits/b/hold"
        result = "soon"

        [[step]]
        invoke = "Calls/add_in_parallel"
        body = ["k", 3]

        [[step]]
        skip = "1m"

        [[step]]
        expect = "Waits/a/hold"
        status = "suspended"

        [[step]]
        resolve = "Waits/a/hold"
        value = "late"

        [[step]]
        expect = "Waits/a/hold"
        result = "late"
        "#,
    );
}

#[test]
fn retention_ends() {
    let problem = fails(
        "conformance",
        r#"
        [[step]]
        invoke = "Callee/a/add"
        body = 1
        as = "added"

        [[step]]
        skip = "25h"

        [[step]]
        expect = "added"
        "#,
    );
    assert!(problem.message.contains("purged"), "{problem}");
}

#[test]
fn more_handlers_linger_than_have_instances() {
    let mut text = "suspend-after = \"1h\"\n".to_owned();
    for number in 0..70 {
        text.push_str(&format!("[[step]]\nsend = \"Waits/{number}/hold\"\n"));
    }
    for number in (0..70).rev() {
        let target = format!("Waits/{number}/hold");
        text.push_str(&format!("[[step]]\nresolve = {target:?}\nvalue = \"{number}\"\n"));
        text.push_str(&format!("[[step]]\nexpect = {target:?}\nresult = \"{number}\"\n"));
    }
    let report = run_with("conformance", &text, &Options::default());
    assert!(matches!(report.outcome, Outcome::Passed), "{}", report.text());
}

#[test]
fn what_retries_for_ever_ends_the_scenario() {
    let problem = fails(
        "conformance",
        r#"
        [effects]
        charge = [{ error = "no connection" }]

        [[step]]
        invoke = "Effects/charge"
        body = ["http://example.com", "1"]
        "#,
    );
    assert!(problem.message.starts_with("gave up after 10000 timers"), "{problem}");
}
