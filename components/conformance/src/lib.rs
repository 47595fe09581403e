//! Handlers that each show one behaviour of the host. What the handler itself can see is asserted inside it: a wrong answer is a panic
//! whose message says what was expected. What only the outside can see is in the handler's documentation, and tested from there.
//!
//! One file per part of the contract; guests that break limits are in `../hostile`.

mod awakeables;
mod calls;
mod context;
mod effects;
mod failures;
mod forbidden;
mod sends;
mod state;
mod timers;
mod waits;

use awakeables::Awakeables;
use calls::{Callee, Calls, Locked};
use context::Facts;
use effects::{
    Effects, always_failing, charge, failing_until, fetch, live_facts, panicking, refused, slow, unbound_echo,
};
use failures::Failures;
use forbidden::{Forbidden, ForbiddenObject, fetch_nothing, start_timer_in_effect};
use sends::{Recorder, Sends};
use state::State;
use timers::Timers;
use waits::Waits;

relight::export!(
    State, Calls, Callee, Locked, Sends, Recorder, Timers, Awakeables, Effects, Waits, Facts, Failures, Forbidden,
    ForbiddenObject;
    effects: always_failing, charge, failing_until, fetch, live_facts, panicking, refused, slow, unbound_echo,
    fetch_nothing, start_timer_in_effect
);
