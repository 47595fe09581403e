//! Operations between invocations: what the imports make of promises, signals, and the results of others.

use relight_core::{Failure, InvocationId, Operation, Value, command::AttemptErrorKind, ids::PartitionKey};

use crate::rig::{Deployed, Life, Options, Rig};

async fn conformance() -> (Rig, Deployed) {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    (rig, deployed)
}

fn other() -> InvocationId {
    InvocationId { key: PartitionKey(9), unique: 43 }
}

#[tokio::test]
async fn run_of_a_workflow_waits_for_its_promise() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Flow/k/run", r#""hello""#);
    life.start(&rig);
    life.until_operations(&rig, 3).await;
    assert_eq!(life.made().nth(2), Some(&Operation::Promise { name: "gate".to_owned() }));
    life.complete(2, Value::Success(r#""world""#.into()));
    assert_eq!(Life::output(life.end(&rig).await), r#""hello world""#);
    let kinds: Vec<_> = life.made().map(Operation::kind).collect();
    assert_eq!(kinds, ["input", "set-state", "promise", "set-state", "output"], "the run writes state");
}

#[tokio::test]
async fn rejected_promise_is_a_failure() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Flow/k/wait", "");
    life.start(&rig);
    life.until_operations(&rig, 2).await;
    life.complete(1, Value::Failure(Failure::new(422, "closed")));
    assert_eq!(Life::failure(life.end(&rig).await).code, 422);
}

#[tokio::test]
async fn handlers_beside_the_run_complete_and_peek() {
    let (rig, deployed) = conformance().await;
    let name = || "gate".to_owned();
    for (target, input, expected, value, output) in [
        (
            "Flow/k/open",
            r#""now""#,
            Operation::PromiseComplete { name: name(), outcome: Ok(r#""now""#.into()) },
            Value::Void,
            "null",
        ),
        (
            "Flow/k/refuse",
            r#""no""#,
            Operation::PromiseComplete { name: name(), outcome: Err(Failure::new(422, "no")) },
            Value::Void,
            "null",
        ),
        ("Flow/k/peek", "", Operation::PromisePeek { name: name() }, Value::Void, "null"),
        (
            "Flow/k/peek",
            "",
            Operation::PromisePeek { name: name() },
            Value::Success(r#""now""#.into()),
            r#""now""#,
        ),
    ] {
        let mut life = Life::new(&deployed, target, input);
        life.start(&rig);
        life.until_operations(&rig, 2).await;
        assert_eq!(life.made().nth(1), Some(&expected), "{target}");
        life.complete(1, value);
        assert_eq!(Life::output(life.end(&rig).await), output, "{target}");
    }
}

#[tokio::test]
async fn signals_are_asked_for_by_name() {
    let (rig, deployed) = conformance().await;
    let mut life = Life::new(&deployed, "Signals/receive", r#"["go", 2, 0]"#);
    life.start(&rig);
    life.until_operations(&rig, 3).await;
    let signal = Operation::Signal { name: "go".to_owned() };
    assert!(life.made().skip(1).all(|made| *made == signal));
    life.complete(1, Value::Success(r#""a""#.into()));
    life.complete(2, Value::Success(r#""b""#.into()));
    assert_eq!(Life::output(life.end(&rig).await), r#"["a","b"]"#);
}

#[tokio::test]
async fn signal_and_cancel_are_sent_without_waiting() {
    let (rig, deployed) = conformance().await;
    let id = other();
    let sent = Operation::SendSignal { to: id, name: "go".to_owned(), outcome: Ok(r#""now""#.into()) };
    for (target, input, expected) in [
        ("Signals/send", format!(r#"["{id}", "go", "now"]"#), sent),
        ("Attached/cancel", format!(r#""{id}""#), Operation::CancelInvocation { id }),
    ] {
        let mut life = Life::new(&deployed, target, &input);
        life.start(&rig);
        assert_eq!(Life::output(life.end(&rig).await), "null", "{target}");
        assert_eq!(life.made().nth(1), Some(&expected), "{target}");
    }
}

#[tokio::test]
async fn results_of_others_are_waited_for_and_looked_at() {
    let (rig, deployed) = conformance().await;
    let id = other();
    for (target, expected, value, output) in [
        ("Attached/result_of", Operation::Attach { id }, Value::Success("7".into()), "7"),
        ("Attached/output_of", Operation::PeekOutput { id }, Value::Success("7".into()), "7"),
        ("Attached/output_of", Operation::PeekOutput { id }, Value::Void, "null"),
    ] {
        let mut life = Life::new(&deployed, target, &format!(r#""{id}""#));
        life.start(&rig);
        life.until_operations(&rig, 2).await;
        assert_eq!(life.made().nth(1), Some(&expected), "{target}");
        life.complete(1, value);
        assert_eq!(Life::output(life.end(&rig).await), output, "{target}");
    }
}

#[tokio::test]
async fn what_the_contract_forbids_traps_with_a_reason() {
    let (rig, deployed) = conformance().await;
    for (target, expected) in [
        ("PromisesOfAService/promise_in_a_service", "`ops.promise` needs a workflow"),
        ("Signals/malformed_invocation_id", "is not an invocation id"),
        ("Attached/attach_to_a_malformed_id", "is not an invocation id"),
    ] {
        let mut life = Life::new(&deployed, target, "");
        life.start(&rig);
        let error = Life::error(life.end(&rig).await, AttemptErrorKind::Retryable);
        assert!(error.message.contains(expected), "{target}: {}", error.message);
    }
}
