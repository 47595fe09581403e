//! What handlers can do, and what can be done to them.

use crate::rig::passes;

#[test]
fn state_calls_and_results() {
    passes(
        "conformance",
        r#"
        [[step]]
        invoke = "Calls/add"
        body = ["a", 5]
        as = "adding"
        result = 5

        [[step]]
        expect = "adding"
        status = "completed"
        journal = ["input", { kind = "call", target = "Callee/a/add", value = 5, result = 5 }, "output"]

        [[step]]
        expect = "Callee/a/add"
        journal = ["input", "get-state value", { kind = "set-state", name = "value", value = 5 }, "output"]

        [[step]]
        state = "Callee/a"
        is = { value = 5 }

        [[step]]
        invoke = "Callee/a/get"
        save = "value"

        [[step]]
        invoke = "Callee/b/add"
        body = "${value}"
        result = 5

        [[step]]
        invoke = "Callee/pot/fail"
        failure = { code = 418, message = { "$contains" = "teapot" }, metadata = { pot = "tea" } }
        "#,
    );
}

#[test]
fn parallel_calls_and_nested_calls() {
    passes(
        "conformance",
        r#"
        [[step]]
        invoke = "Calls/add_in_parallel"
        body = ["k", 7]
        result = 7

        [[step]]
        invoke = "Calls/nest"
        body = 5
        result = 5

        [[step]]
        invoke = "Calls/calls_to_one_key_keep_their_order"
        body = "one"
        "#,
    );
}

#[test]
fn awakeables_by_id_by_invocation_and_by_index() {
    passes(
        "conformance",
        r#"
        [[step]]
        send = "Awakeables/a/wait"
        as = "first"

        [[step]]
        expect = "first"
        status = "suspended"
        reason = "awakeable"

        [[step]]
        invoke = "Awakeables/a/id"
        save = "id"

        [[step]]
        resolve = "${id}"
        value = "by id"

        [[step]]
        expect = "first"
        result = "by id"

        [[step]]
        send = "Awakeables/b/wait"

        [[step]]
        resolve = "Awakeables/b/wait"
        value = "the only one"

        [[step]]
        expect = "Awakeables/b/wait"
        result = "the only one"

        [[step]]
        send = "Awakeables/c/wait"

        [[step]]
        reject = "Awakeables/c/wait"
        index = 1
        reason = "not today"

        [[step]]
        expect = "Awakeables/c/wait"
        failure = { code = 500, message = "not today" }
        "#,
    );
}

#[test]
fn signals_promises_and_workflows() {
    passes(
        "conformance",
        r#"
        [[step]]
        send = "Signals/receive"
        body = ["go", 2, 0]
        as = "receiver"

        [[step]]
        signal = "go"
        to = "receiver"
        value = "1"

        [[step]]
        signal = "go"
        to = "receiver"
        value = "2"

        [[step]]
        expect = "receiver"
        result = ["1", "2"]

        [[step]]
        send = "Flow/k/run"
        body = "hello"

        [[step]]
        invoke = "Flow/k/peek"
        result = { "$any" = true }

        [[step]]
        promise = "gate"
        of = "Flow/k"
        value = "world"

        [[step]]
        expect = "Flow/k/run"
        result = "hello world"

        [[step]]
        state = "Flow/k"
        is = { stage = "done" }
        "#,
    );
}

#[test]
fn cancel_kill_pause_resume_and_purge() {
    passes(
        "conformance",
        r#"
        [[step]]
        send = "Waits/a/compensate"

        [[step]]
        cancel = "Waits/a/compensate"

        [[step]]
        expect = "Waits/a/compensate"
        failure = { code = 409, message = "cancelled" }
        journal = ["input", "awakeable", "set-state id", "cancel-delivered", "call Recorder/a/record", "timer after 20ms", "output failure 409"]

        [[step]]
        send = "Waits/b/hold"

        [[step]]
        pause = "Waits/b/hold"

        [[step]]
        resolve = "Waits/b/hold"
        value = "while paused"

        [[step]]
        expect = "Waits/b/hold"
        status = "paused"

        [[step]]
        resume = "Waits/b/hold"

        [[step]]
        expect = "Waits/b/hold"
        result = "while paused"

        [[step]]
        purge = "Waits/b/hold"

        [[step]]
        send = "Waits/c/hold"
        as = "killed"

        [[step]]
        kill = "killed"

        [[step]]
        expect = "killed"
        failure = { message = "killed" }
        "#,
    );
}

#[test]
fn one_idempotency_key_is_one_invocation() {
    passes(
        "conformance",
        r#"
        [[step]]
        invoke = "Callee/a/add"
        body = 1
        idempotency-key = "k"
        result = 1

        [[step]]
        invoke = "Callee/a/add"
        body = 1
        idempotency-key = "k"
        result = 1

        [[step]]
        state = "Callee/a"
        is = { value = 1 }
        "#,
    );
}

#[test]
fn effects_run_unless_the_scenario_answers_them() {
    passes(
        "conformance",
        r#"
        [[step]]
        invoke = "Effects/retries_until"
        body = 4
        result = 4

        [[step]]
        effect = "failing_until"
        count = 4
        inputs = [4, 4, 4, 4]

        [[step]]
        answer = "failing_until"
        with = [
          { when = 7, ok = 70 },
          { error = "not yet", retry-after = "1h" },
          { failure = { code = 402, message = "declined" } },
        ]

        [[step]]
        invoke = "Effects/retries_until"
        body = 7
        result = 70

        [[step]]
        invoke = "Effects/retries_until"
        body = 8
        failure = { code = 402, message = "declined" }

        [[step]]
        invoke = "Effects/run_in_parallel"
        body = 5
        "#,
    );
}

#[test]
fn inline_runs_and_random_values_are_the_same_in_every_run() {
    passes(
        "conformance",
        r#"
        [[step]]
        invoke = "Runs/many"
        body = 4
        result = 6

        [[step]]
        invoke = "Runs/result_is_recorded"

        [[step]]
        invoke = "Runs/world_is_live_inside"
        "#,
    );
}

#[test]
fn another_component_is_a_new_revision() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("greeter.wasm");
    std::fs::write(&path, crate::rig::component("greeter").bytes).expect("write");
    passes(
        "conformance",
        &format!(
            "[[step]]\ndeploy = {path:?}\n\
             [[step]]\ninvoke = \"Greeter/greet\"\nbody = {{ name = \"Ada\" }}\nresult = {{ visit = 1 }}\n",
        ),
    );
}

#[test]
fn a_paused_one_goes_on_with_the_latest_deployment_if_its_journal_fits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("conformance.wasm");
    std::fs::write(&path, crate::rig::component("conformance").bytes).expect("write");
    passes(
        "conformance",
        &format!(
            r#"
            [[step]]
            send = "Awakeables/a/wait"

            [[step]]
            pause = "Awakeables/a/wait"

            [[step]]
            deploy = {path:?}
            env = {{ REVISION = "2" }}

            [[step]]
            resume = "Awakeables/a/wait"
            deployment = "latest"

            [[step]]
            resolve = "Awakeables/a/wait"
            value = "on another deployment"

            [[step]]
            expect = "Awakeables/a/wait"
            result = "on another deployment"
            "#,
        ),
    );
}
