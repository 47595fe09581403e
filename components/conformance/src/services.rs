//! Every handler and effect of this component, for its two forms: `lib.rs` and `examples/asynchronous.rs`.

mod attach;
mod awakeables;
mod calls;
mod context;
mod effects;
mod failures;
mod forbidden;
mod runs;
mod sends;
mod signals;
mod state;
mod timers;
mod waits;
mod workflows;

pub use attach::Attached;
pub use awakeables::Awakeables;
pub use calls::{Callee, Calls, Locked};
pub use context::Facts;
pub use effects::{
    Effects, always_failing, charge, failing_until, fetch, live_facts, panicking, refused, slow, unbound_echo,
};
pub use failures::Failures;
pub use forbidden::{Forbidden, ForbiddenObject, fetch_nothing, start_timer_in_effect};
pub use runs::{ForbiddenRuns, Runs};
pub use sends::{Recorder, Sends};
pub use signals::Signals;
pub use state::State;
pub use timers::Timers;
pub use waits::Waits;
pub use workflows::{Flow, PromisesOfAService, PromisesOfAnObject, Workflows};

/// Hands all services and effects to a macro.
macro_rules! everything {
    ($macro:path) => {
        $macro! {
            State, Calls, Callee, Locked, Sends, Recorder, Timers, Awakeables, Effects, Waits, Facts, Failures, Forbidden,
            ForbiddenObject, Attached, Runs, ForbiddenRuns, Signals, Flow, Workflows, PromisesOfAnObject, PromisesOfAService;
            effects: always_failing, charge, failing_until, fetch, live_facts, panicking, refused, slow, unbound_echo,
            fetch_nothing, start_timer_in_effect
        }
    };
}
pub(crate) use everything;
