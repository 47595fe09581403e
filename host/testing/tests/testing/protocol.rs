//! Steps from another program.

use std::path::Path;

use relight_testing::{ServeError, serve};
use serde_json::{Value, json};

use crate::rig::{component, engine};

fn talk(requests: &[Value]) -> Vec<Value> {
    let input: String = requests.iter().map(|request| format!("{request}\n")).collect();
    talk_text(&input)
}

fn talk_text(input: &str) -> Vec<Value> {
    let mut output = Vec::new();
    serve(&engine(), &component("conformance"), Path::new("."), input.as_bytes(), &mut output)
        .expect("streams in memory do not fail");
    let text = String::from_utf8(output).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON document")).collect()
}

#[test]
fn requests_are_answered_in_order() {
    let answers = talk(&[
        json!({"id": 1, "step": {"invoke": "Callee/a/add", "body": 1}}),
        json!({"id": "two", "step": {"state": "Callee/a"}}),
        json!({"id": 3, "step": {"invoke": "Callee/a/get", "result": 2}}),
        json!({"id": 4, "step": {"invok": "Callee/a/get"}}),
        json!({"id": 5, "reset": {"effects": {"failing_until": [{"ok": 9}]}}}),
        json!({"id": 6, "step": {"invoke": "Callee/a/get", "result": 0}}),
        json!({"id": 7, "step": {"invoke": "Effects/retries_until", "body": 5, "result": 9}}),
        json!({"id": 8, "reset": {"sooner": true}}),
        json!({"id": 9}),
    ]);
    assert_eq!(answers[0], json!({"ready": {"protocol": 1}}));
    assert_eq!((&answers[1]["id"], &answers[1]["ok"]["result"]), (&json!(1), &json!(1)));
    assert_eq!(answers[1]["ok"]["status"], "completed");
    assert_eq!(answers[2], json!({"id": "two", "ok": {"state": {"value": 1}}}));
    assert_eq!((&answers[3]["failed"]["expected"], &answers[3]["failed"]["got"]), (&json!("2"), &json!("1")));
    assert!(answers[3]["text"].as_str().is_some_and(|text| text.contains("expected  2")), "{}", answers[3]);
    assert!(answers[4]["bad"].as_str().is_some_and(|text| text.contains("invok")), "{}", answers[4]);
    assert_eq!(answers[5], json!({"id": 5, "ok": {}}));
    assert_eq!((&answers[6]["ok"]["result"], &answers[7]["ok"]["result"]), (&json!(0), &json!(9)));
    assert!(answers[8]["bad"].as_str().is_some_and(|text| text.contains("sooner")), "{}", answers[8]);
    assert!(
        answers[9]["bad"].as_str().is_some_and(|text| text.contains("`step` or `reset`")),
        "{}",
        answers[9]
    );
}

#[test]
fn lines_that_are_no_requests_are_answered_and_not_the_end() {
    let answers = talk_text("{\n\n{\"id\": 1, \"step\": {\"skip\": \"1s\"}}\n");
    assert!(
        answers[1]["bad"].as_str().is_some_and(|text| text.starts_with("not a request")),
        "{}",
        answers[1]
    );
    assert_eq!(answers[2]["ok"]["now"], "2026-01-01T00:00:01.000Z");
}

#[test]
fn a_component_that_is_none_is_refused() {
    let none = relight_testing::Component::new("not WebAssembly".as_bytes());
    let refused = serve(&engine(), &none, Path::new("."), &b""[..], Vec::new());
    let Err(ServeError::Component(message)) = refused else { panic!("it is not refused: {refused:?}") };
    assert!(message.contains("RL0102"), "{message}");
}

#[test]
fn the_same_steps_give_the_same_journals_byte_for_byte() {
    let steps = [
        json!({"id": 1, "step": {"invoke": "Calls/add_in_parallel", "body": ["k", 9]}}),
        json!({"id": 2, "step": {"invoke": "Effects/run_in_parallel", "body": 9}}),
        json!({"id": 3, "step": {"invoke": "Timers/shorter_timer_wins"}}),
        json!({"id": 4, "step": {"send": "Awakeables/a/wait"}}),
        json!({"id": 5, "step": {"invoke": "Awakeables/a/id"}}),
        json!({"id": 6, "step": {"invoke": "Workflows/promise_carries_a_value"}}),
        json!({"id": 7, "step": {"fail": "Sends/send_many", "at": 2}}),
        json!({"id": 8, "step": {"invoke": "Sends/send_many", "body": ["r", 5]}}),
        json!({"id": 9, "step": {"invoke": "Recorder/r/deliveries"}}),
    ];
    let (first, second) = (talk(&steps), talk(&steps));
    assert!(first.iter().skip(1).all(|answer| answer["ok"].is_object()), "{first:?}");
    assert!(first[5]["ok"]["result"].as_str().is_some_and(|id| id.starts_with("sign_1")), "{}", first[5]);
    assert_eq!(first, second);
}
