//! What the contract forbids, and the SDK does not let through: called by the contract's own functions. Each of these traps, so that
//! its invocation backs off with a message that says why.

use relight::bindings::relight::handler::{context, http, ops, state, waiting};
use relight::prelude::*;

#[effect(retry(max_attempts = 1))]
pub async fn start_timer_in_effect() {
    ops::timer(ops::Due::Now, None);
}

#[effect(retry(max_attempts = 1))]
pub async fn fetch_nothing() {}

/// Forbidden things in a service.
#[service]
impl Forbidden {
    /// A service has no state.
    #[handler]
    async fn state_in_a_service(_ctx: &Context) {
        state::get("a");
    }

    /// A handler does no I/O.
    #[handler]
    async fn fetch_in_a_handler(ctx: &Context) -> Result<(), Failure> {
        ctx.effect(fetch_nothing()).await?;
        let request = http::Request {
            method: "GET".to_owned(),
            url: "http://127.0.0.1:1/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
        };
        let answer = http::fetch(&request);
        panic!("a handler has fetched: {answer:?}");
    }

    /// An effect starts no operations: the effect fails with a message that says why.
    #[handler]
    async fn operation_in_an_effect(ctx: &Context) -> String {
        ctx.effect(start_timer_in_effect()).await.expect_err("it traps").message
    }

    /// A handle must be one of this invocation.
    #[handler]
    async fn unknown_handle(_ctx: &Context) {
        let answer = waiting::wait(1_000_000);
        panic!("there is no such handle: {answer:?}");
    }

    /// Waiting for any of nothing would never end.
    #[handler]
    async fn wait_for_any_of_nothing(_ctx: &Context) {
        let answer = waiting::wait_any(&[]);
        panic!("there is nothing to wait for: {answer:?}");
    }

    /// A timer has no callee.
    #[handler]
    async fn callee_of_a_timer(_ctx: &Context) {
        let callee = ops::callee(ops::timer(ops::Due::Now, None));
        panic!("a timer has no callee: {callee}");
    }

    /// An awakeable has an id of a certain form.
    #[handler]
    async fn malformed_awakeable_id(_ctx: &Context) {
        ops::resolve_awakeable("not-an-id", Ok(b"1"));
    }

    /// Randomness comes in portions.
    #[handler]
    async fn too_much_randomness(_ctx: &Context) {
        context::random(u32::MAX);
    }

    /// An effect that the component does not have is a failure 404.
    #[handler]
    async fn unknown_effect_is_not_found(_ctx: &Context) {
        let result = waiting::wait(ops::effect("no-such-effect", b"", None));
        let Err(relight::bindings::relight::handler::types::WaitError::Failed(failure)) = result else {
            panic!("there is no such effect: {result:?}");
        };
        assert_eq!(failure.code, 404, "{}", failure.message);
    }
}

/// Forbidden things in a virtual object.
#[virtual_object]
impl ForbiddenObject {
    /// A shared handler does not write.
    #[handler(shared)]
    async fn set_in_a_shared_handler(_ctx: &SharedObjectContext) {
        state::set("a", b"1");
    }

    /// A shared handler does not clear.
    #[handler(shared)]
    async fn clear_in_a_shared_handler(_ctx: &SharedObjectContext) {
        state::clear_all();
    }
}
