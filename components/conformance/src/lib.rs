//! Handlers that each show one behaviour of the host. What the handler itself can see is asserted inside it: a wrong answer is a panic
//! whose message says what was expected. What only the outside can see is in the handler's documentation, and tested from there.
//!
//! One file per part of the contract; guests that break limits are in `../hostile`.

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

use attach::Attached;
use awakeables::Awakeables;
use calls::{Callee, Calls, Locked};
use context::Facts;
use effects::{
    Effects, always_failing, charge, failing_until, fetch, live_facts, panicking, refused, slow, unbound_echo,
};
use failures::Failures;
use forbidden::{Forbidden, ForbiddenObject, fetch_nothing, start_timer_in_effect};
use runs::{ForbiddenRuns, Runs};
use sends::{Recorder, Sends};
use signals::Signals;
use state::State;
use timers::Timers;
use waits::Waits;
use workflows::{Flow, PromisesOfAService, PromisesOfAnObject, Workflows};

relight::export!(
    State, Calls, Callee, Locked, Sends, Recorder, Timers, Awakeables, Effects, Waits, Facts, Failures, Forbidden,
    ForbiddenObject, Attached, Runs, ForbiddenRuns, Signals, Flow, Workflows, PromisesOfAnObject, PromisesOfAService;
    effects: always_failing, charge, failing_until, fetch, live_facts, panicking, refused, slow, unbound_echo,
    fetch_nothing, start_timer_in_effect
);
