//! Scenarios that fail, and what they say.

use crate::rig::{fails, is_bad};

#[test]
fn a_wrong_result_is_shown_with_what_came_instead_and_the_journal() {
    let problem = fails(
        "conformance",
        r#"
        [[step]]
        invoke = "Callee/a/add"
        body = 2

        [[step]]
        invoke = "Callee/a/add"
        body = 3
        result = 6
        "#,
    );
    assert_eq!(
        problem.to_string(),
        concat!(
            "  step 2 (invoke Callee/a/add): the result of `Callee/a/add` is another\n",
            "    expected  6\n",
            "    got       5\n",
            "    Callee/a/add is completed with 5\n",
            "        0  input\n",
            "        1  get-state value\n",
            "        2  set-state value\n",
            "        3  output\n",
        )
    );
}

#[test]
fn other_expectations_say_what_differs() {
    for (steps, message, expected, got) in [
        (
            "invoke = 'Callee/pot/fail'",
            "the result of `Callee/pot/fail` is another",
            "no failure",
            "failure {\"code\":418",
        ),
        (
            "invoke = 'Callee/a/add'\nbody = 1\n[[step]]\nstate = 'Callee/a'\nis = { value = 2 }",
            "the state of `Callee/a` is another",
            "{\"value\":2}",
            "{\"value\":1}",
        ),
        (
            "invoke = 'Callee/a/add'\nbody = 1\n[[step]]\nexpect = 'Callee/a/add'\njournal = ['input', 'call X/y', '...']",
            "the journal of `Callee/a/add` differs at entry 1",
            "call X/y",
            "get-state value",
        ),
        (
            "send = 'Waits/a/hold'\n[[step]]\nexpect = 'Waits/a/hold'\nstatus = 'completed'",
            "the status of `Waits/a/hold` is another",
            "completed",
            "suspended, waiting for entry 1: awakeable",
        ),
        (
            "invoke = 'Effects/retries_until'\nbody = 2\n[[step]]\neffect = 'failing_until'\ncount = 1",
            "effect `failing_until` was asked for in another way",
            "1 attempts",
            "2 attempts",
        ),
        (
            "invoke = 'Failures/panic'\nwait = false\n[[step]]\nexpect = 'Failures/panic'\nlogs = ['nothing of the kind']",
            "a line of `Failures/panic` is missing, or comes too early",
            "nothing of the kind",
            "",
        ),
    ] {
        let problem = fails("conformance", &format!("[[step]]\n{steps}\n"));
        assert_eq!(problem.message, message, "{problem}");
        assert_eq!(problem.expected.as_deref(), Some(expected), "{problem}");
        assert!(problem.got.clone().unwrap_or_default().starts_with(got), "{problem}");
    }
}

#[test]
fn a_handler_that_cannot_go_on_says_what_it_waits_for() {
    let problem = fails("conformance", "[[step]]\ninvoke = \"Waits/a/hold\"\n");
    assert_eq!(problem.message, "`Waits/a/hold` has no result and nothing more can happen");
    assert_eq!(problem.details[0], "Waits/a/hold is suspended, waiting for entry 1: awakeable");
}

#[test]
fn a_handler_that_always_fails_is_paused_with_its_reason() {
    let problem = fails("conformance", "[[step]]\ninvoke = \"Failures/panic\"\n");
    assert!(problem.details[0].contains("paused: gave up after 70 attempts"), "{problem}");
    assert!(problem.to_string().contains("a handler panics"), "{problem}");
}

#[test]
fn an_effect_without_a_fitting_answer_is_named() {
    let problem = fails(
        "conformance",
        r#"
        [effects]
        failing_until = [{ when = 1, ok = 1 }]

        [[step]]
        invoke = "Effects/retries_until"
        body = 2
        "#,
    );
    assert!(
        problem.to_string().contains("no answer for effect `failing_until` with the input 2"),
        "{problem}"
    );
}

#[test]
fn steps_that_make_no_sense_are_refused() {
    for (step, part) in [
        ("invok = 'Callee/a/add'", "this one has `invok`"),
        ("invoke = 'Callee'", "neither Service/handler nor"),
        ("skip = 'soon'", "`soon`"),
        ("invoke = 'Callee/a/get'\nwait = false\nresult = 1", "use `expect` later"),
        ("resolve = '${nobody}'", "no step before has this name"),
        ("deploy = 'nowhere.wasm'", "cannot read"),
        ("crash = 'Callee/a/get'", "write `crash = true`"),
        ("invoke = 'Flow/a/run'\nbody = 'x'\nidempotency-key = 'k'", "takes no idempotency key"),
    ] {
        let message = is_bad("conformance", &format!("[[step]]\n{step}\n"));
        assert!(message.starts_with("step 1") && message.contains(part), "{message}");
    }
    let problem = fails("conformance", "[[step]]\ninvoke = \"Nobody/home\"\n");
    assert!(problem.message.contains("unknown service or handler `Nobody/home`"), "{problem}");
}

#[test]
fn a_mishap_that_never_happens_fails_the_scenario() {
    let problem = fails(
        "conformance",
        r#"
        [[step]]
        crash = "Callee/a/add"
        at = 9

        [[step]]
        invoke = "Callee/a/add"
        body = 1
        "#,
    );
    assert_eq!(problem.message, "`Callee/a/add` never reached entry 9, where it was to crash");
}
