//! Handlers whose attempts fail: they back off, and the admin API says why and at which operation.

use std::sync::Arc;

use serde_json::json;

use crate::conformance::World;

/// One invocation that cannot succeed.
#[derive(Clone, Copy)]
pub struct Failing {
    /// Of the ingress.
    pub path: &'static str,
    /// How its failure begins, or what is in it.
    message: &'static str,
    /// The last operation before it failed; 0 is the input.
    operation: u32,
    /// Attempts that fail soon: an invocation that is to come back much later has one.
    attempts: u64,
    /// Whether the guest logs an error.
    complains: bool,
}

impl Failing {
    pub async fn check(self, world: Arc<World>) {
        let server = &world.server;
        if self.complains {
            server.expect_complaint(self.message);
        }
        let id = server.send(self.path, "").await;
        let detail = server
            .until_detail(&id, |detail| {
                detail["status"] == "backing-off" && detail["retry_count"].as_u64() >= Some(self.attempts)
            })
            .await;
        let failure = &detail["last_failure"];
        let message = failure["message"].as_str().expect("a message");
        assert!(message.contains(self.message), "{}: {message}", self.path);
        assert_eq!(failure["kind"], "retryable", "{}", self.path);
        assert_eq!(failure["related_entry_index"], self.operation, "{}: {detail}", self.path);
        let reason = detail["reason"].as_str().expect("a reason");
        assert!(
            reason.starts_with("backing-off, ") && reason.contains(self.message),
            "{}: {reason}",
            self.path
        );
        assert!(detail["next_retry_at"].is_string(), "{}: {detail}", self.path);

        server.end("kill", &id).await;
        let ended = server.until_detail(&id, |detail| detail["status"] == "completed").await;
        assert_eq!(ended["completion_result"], json!("failure"), "{}: {ended}", self.path);
    }
}

const fn trap(path: &'static str, message: &'static str, operation: u32) -> Failing {
    Failing { path, message, operation, attempts: 2, complains: false }
}

const fn panic(path: &'static str, message: &'static str, operation: u32) -> Failing {
    Failing { path, message, operation, attempts: 2, complains: true }
}

pub const ALL: [Failing; 26] = [
    trap("/Failures/retry_for_ever", "this never works", 0),
    Failing { attempts: 1, ..trap("/Failures/retry_in_an_hour", "come back later", 0) },
    panic("/Failures/panic", ": a handler panics", 0),
    panic("/Failures/panic_after_a_wait", ": a handler panics after a wait", 1),
    panic("/Failures/wait_for_nothing", "awaits something that is not an operation", 0),
    trap("/Forbidden/state_in_a_service", "`state.get` needs a key, but `Forbidden` is a service", 0),
    trap("/Forbidden/fetch_in_a_handler", "`http.fetch` is only available inside an effect", 1),
    trap("/Forbidden/unknown_handle", "`1000000` is not a handle that this invocation can wait for", 0),
    trap("/Forbidden/wait_for_any_of_nothing", "a wait for any of no handles would never end", 0),
    trap("/Forbidden/callee_of_a_timer", "handle 1 is not that of a call", 1),
    trap("/Forbidden/malformed_awakeable_id", "`not-an-id` is not an awakeable id", 0),
    trap("/Forbidden/too_much_randomness", "gives at most 65536 bytes at once, not 4294967295", 0),
    trap("/ForbiddenRuns/operation_in_a_run", "`ops.timer` is not available inside the run `timer`", 0),
    trap("/ForbiddenRuns/wait_in_a_run", "`waiting.wait` is not available inside the run `wait`", 1),
    trap("/ForbiddenRuns/run_in_a_run", "`inline-run.start` is not available inside the run `outer`", 0),
    trap("/ForbiddenRuns/finish_without_a_run", "`inline-run.finish` belongs between", 0),
    trap("/ForbiddenRuns/retry_without_a_run", "`inline-run.retry` belongs between", 0),
    trap("/ForbiddenRuns/return_in_a_run", "run `left`", 0),
    trap("/ForbiddenRuns/policy_without_attempts", "the retry policy allows no attempt at all", 0),
    trap("/ForbiddenRuns/fetch_after_a_run", "`http.fetch` is only available inside", 1),
    panic("/ForbiddenRuns/panic_in_a_run", ": the work panics", 0),
    trap("/PromisesOfAService/promise_in_a_service", "`ops.promise` needs a workflow", 0),
    trap("/Signals/malformed_invocation_id", "`not-an-id` is not an invocation id", 0),
    trap("/Attached/attach_to_a_malformed_id", "`not-an-id` is not an invocation id", 0),
    trap("/ForbiddenObject/set/set_in_a_shared_handler", "`state.set` changes state, but", 0),
    trap("/ForbiddenObject/clear/clear_in_a_shared_handler", "`state.clear-all` changes state, but", 0),
];
