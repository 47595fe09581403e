//! Handlers whose answer says everything: what goes in and what comes out.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::conformance::World;

/// One call and its answer.
pub struct Answer {
    /// Of the ingress.
    pub path: &'static str,
    /// JSON; empty: no body.
    input: &'static str,
    status: u16,
    output: Value,
}

impl Answer {
    pub async fn check(self, world: Arc<World>) {
        let answer = world.server.post(self.path, &[], self.input).await;
        assert_eq!(answer.status.as_u16(), self.status, "{}: {answer:?}", self.path);
        assert_eq!(answer.json(), self.output, "{}", self.path);
        if self.status < 300 {
            assert_eq!(answer.header("content-type"), "application/json", "{}", self.path);
        } else {
            let source = self.output["source"].as_str().expect("a failure has a source");
            assert_eq!(answer.header("x-relight-error-source"), source, "{}", self.path);
        }
    }
}

fn ok(path: &'static str, input: &'static str, output: Value) -> Answer {
    Answer { path, input, status: 200, output }
}

/// Asserts inside, answers nothing.
fn fact(path: &'static str) -> Answer {
    ok(path, "", Value::Null)
}

fn failure(path: &'static str, input: &'static str, status: u16, message: &str) -> Answer {
    let output = json!({"code": status, "message": message, "source": "invocation"});
    Answer { path, input, status, output }
}

pub fn all() -> Vec<Answer> {
    let mut all = facts();
    all.extend(results());
    all.extend(failures());
    all
}

fn facts() -> Vec<Answer> {
    [
        "/State/own-writes/own_writes_are_visible",
        "/State/empty/empty_value_is_a_value",
        "/Calls/failure_reaches_the_caller",
        "/Calls/unknown_service_is_not_found",
        "/Calls/headers_reach_the_callee",
        "/Locked/own/call_to_the_own_key_is_a_deadlock",
        "/Locked/back/call_back_over_another_is_a_deadlock",
        "/Locked/shared/shared_call_to_the_own_key_works",
        "/Locked/free/touch",
        "/Locked/free/look",
        "/Timers/timer_in_the_past_is_due",
        "/Timers/shorter_timer_wins",
        "/Timers/time_is_monotonic",
        "/Awakeables/first/first_value_stays",
        "/Awakeables/differ/ids_differ",
        "/Effects/exhausted_retries_are_a_failure",
        "/Effects/terminal_failure_is_a_result",
        "/Waits/any/any_answers_in_order_of_completion",
        "/Waits/all/all_waits_for_the_rest_of_a_failure",
        "/Waits/stay/results_stay",
        "/Facts/uuids_are_version_4",
        "/Facts/random_has_the_length_asked_for",
        "/Forbidden/unknown_effect_is_not_found",
        "/Runs/result_is_recorded",
        "/Runs/exhausted_retries_are_a_failure",
        "/Runs/terminal_failure_is_a_result",
        "/Runs/traces_are_gone",
        "/Runs/order_of_maps_is_that_of_a_replay",
        "/Workflows/promise_carries_a_value",
        "/Workflows/promise_may_come_first",
        "/Workflows/promise_wakes_all_who_wait",
        "/Workflows/rejection_is_a_failure",
        "/Workflows/peek_does_not_wait",
        "/Workflows/promise_is_completed_once",
        "/Workflows/run_is_once_per_key",
        "/Workflows/promises_belong_to_their_key",
        "/PromisesOfAnObject/none/promise_is_a_failure",
        "/Signals/values_keep_their_order",
        "/Signals/values_wait_to_be_asked_for",
        "/Signals/names_are_apart",
        "/Signals/rejection_is_a_failure",
        "/Signals/signal_for_nobody_is_dropped",
        "/Attached/result_of_a_send",
        "/Attached/failure_reaches_who_attaches",
        "/Attached/output_comes_with_the_end",
        "/Attached/cancelled_one_fails",
        "/Attached/unknown_id_is_not_found",
        "/Attached/own_result_is_a_deadlock",
    ]
    .map(fact)
    .into()
}

fn results() -> Vec<Answer> {
    vec![
        ok("/State/survives/state_survives_a_wait", "", json!(2)),
        ok("/Calls/add", r#"["added", 5]"#, json!(5)),
        ok("/Calls/add_in_parallel", r#"["parallel-", 20]"#, json!(20)),
        ok("/Calls/calls_to_one_key_keep_their_order", r#""ordered""#, Value::Null),
        ok("/Calls/one_key_is_one_invocation", r#""one call""#, Value::Null),
        ok("/Runs/many", "5", json!(10)),
        ok("/Calls/nest", "10", json!(10)),
        ok("/Locked/toucher/touch_other", r#""touched""#, json!(0)),
        ok("/Timers/sleep_in_parallel", "[20, 30]", Value::Null),
        ok("/Awakeables/timeout/wait_with_timeout", "30", Value::Null),
        ok("/Effects/result_comes_back", r#""ä\u0000€""#, json!("ä\0€")),
        ok("/Effects/run_in_parallel", "20", Value::Null),
        ok("/Effects/retries_until", "3", json!(3)),
        ok("/Failures/echo", r#""ä\u0000€""#, json!("ä\0€")),
    ]
}

fn failures() -> Vec<Answer> {
    let private = "`private` of `Failures` is private: only other handlers can call it";
    let wanted = r#"{"code": 418, "message": "wanted", "metadata": [["pot", "tea"]]}"#;
    let with_metadata = |message: &str| json!({"code": 418, "message": message, "source": "invocation", "metadata": {"pot": "tea"}});
    vec![
        Answer { path: "/Failures/fail", input: wanted, status: 418, output: with_metadata("wanted") },
        Answer { path: "/Callee/own/fail", input: "", status: 418, output: with_metadata("own is a teapot") },
        failure("/Failures/fail", r#"{"code": 404, "message": "plain"}"#, 404, "plain"),
        failure("/Failures/fail_after_three_attempts", "", 500, "three times is enough"),
        Answer {
            path: "/Failures/private",
            input: "",
            status: 400,
            output: json!({"code": 400, "message": private, "source": "ingress"}),
        },
    ]
}
