//! Every handler and effect of this component, for its two forms: `lib.rs` and `examples/asynchronous.rs`.

use std::hint::black_box;

use relight::bindings::relight::handler::types::Target;
use relight::bindings::relight::handler::{log, ops, state};
use relight::prelude::*;

#[effect(retry(max_attempts = 1))]
pub async fn loop_in_effect() {
    spin();
}

#[effect(retry(max_attempts = 1))]
pub async fn large_effect_result(bytes: u32) -> String {
    "x".repeat(bytes as usize)
}

/// Breaks limits.
#[service]
impl Hostile {
    /// CPU time of a handler.
    #[handler]
    async fn loop_for_ever(_ctx: &Context) {
        spin();
    }

    /// CPU time of an effect.
    #[handler]
    async fn loop_for_ever_in_an_effect(ctx: &Context) -> Result<(), Failure> {
        ctx.effect(loop_in_effect()).await
    }

    /// CPU time, with host calls in between.
    #[handler]
    async fn loop_over_the_clock(ctx: &Context) {
        loop {
            black_box(ctx.now());
        }
    }

    /// The stack.
    #[handler]
    async fn recurse_for_ever(_ctx: &Context) -> u64 {
        recurse(0)
    }

    /// Memory.
    #[handler]
    async fn eat_memory(_ctx: &Context) -> usize {
        let mut eaten = Vec::new();
        loop {
            eaten.push(black_box(vec![1_u8; 1 << 20]));
            if eaten.len() == usize::MAX {
                return eaten.len();
            }
        }
    }

    /// Journal entries, by messages.
    #[handler]
    async fn flood_sends(_ctx: &Context) {
        let target = Target { service: "Hostile".to_owned(), key: None, handler: "sink".to_owned() };
        loop {
            ops::send(&target, b"null", ops::Due::Now, None);
        }
    }

    /// Journal entries, by timers that nobody awaits.
    #[handler]
    async fn flood_timers(_ctx: &Context) {
        loop {
            ops::timer(ops::Due::After(3_600_000), None);
        }
    }

    /// Log lines.
    #[handler]
    async fn flood_logs(_ctx: &Context, lines: u32) {
        for line in 0..lines {
            relight::info!("line {line} of a flood");
        }
    }

    /// The length of one log line.
    #[handler]
    async fn long_log_line(_ctx: &Context, bytes: u32) {
        let text = "x".repeat(bytes as usize);
        log::log(log::Level::Info, &text, &[("field".to_owned(), text.clone())]);
    }

    /// The size of a result.
    #[handler]
    async fn large_result(_ctx: &Context, bytes: u32) -> String {
        "x".repeat(bytes as usize)
    }

    /// The size of an effect's result.
    #[handler]
    async fn large_effect_result(ctx: &Context, bytes: u32) -> Result<usize, Failure> {
        Ok(ctx.effect(large_effect_result(bytes)).await?.len())
    }

    /// The size of a message.
    #[handler]
    async fn large_message(_ctx: &Context, bytes: u32) {
        let target = Target { service: "Hostile".to_owned(), key: None, handler: "sink".to_owned() };
        ops::send(&target, &vec![b' '; bytes as usize], ops::Due::Now, None);
    }

    /// The size of headers.
    #[handler]
    async fn large_headers(_ctx: &Context, bytes: u32) {
        let target = Target { service: "Hostile".to_owned(), key: None, handler: "sink".to_owned() };
        let headers = vec![("x-large".to_owned(), "x".repeat(bytes as usize))];
        let options = ops::CallOptions { name: None, idempotency_key: None, headers };
        ops::send(&target, b"null", ops::Due::Now, Some(&options));
    }

    /// The size of a failure.
    #[handler]
    async fn large_failure(_ctx: &Context, bytes: u32) -> Result<(), Failure> {
        Err(Failure::new(500, "x".repeat(bytes as usize)))
    }

    /// The depth of calls.
    #[handler]
    async fn call_for_ever(ctx: &Context) -> Result<(), Failure> {
        ctx.service::<HostileClient>().call_for_ever().await
    }

    /// Takes what others send.
    #[handler]
    async fn sink(_ctx: &Context) {}
}

/// Breaks limits of state.
#[virtual_object]
impl HostileObject {
    /// The size of a value.
    #[handler]
    async fn large_value(_ctx: &ObjectContext, bytes: u32) {
        state::set("large", &vec![b' '; bytes as usize]);
    }

    /// The length of a value's name.
    #[handler]
    async fn long_name(ctx: &ObjectContext, bytes: u32) -> Result<(), Failure> {
        ctx.set(&"x".repeat(bytes as usize), &1)
    }

    /// The size of a journal, by values.
    #[handler]
    async fn flood_state(_ctx: &ObjectContext) {
        let value = vec![b' '; 1 << 20];
        loop {
            state::set("same", &value);
        }
    }
}

fn spin() {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

/// Not a tail call, and not foldable into a loop.
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    if depth == u64::MAX {
        return 0;
    }
    1 + recurse(depth + 1) + frame[(depth % 32) as usize]
}

/// Hands all services and effects to a macro.
macro_rules! everything {
    ($macro:path) => {
        $macro! { Hostile, HostileObject; effects: loop_in_effect, large_effect_result }
    };
}
pub(crate) use everything;
