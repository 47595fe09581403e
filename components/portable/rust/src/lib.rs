//! The contract of `../README.md` in Rust: the reference for the guests in other languages.

mod desk;
mod effects;
mod errand;
mod shelf;

use desk::Desk;
use effects::{broken, echo_effect, flaky};
use errand::Errand;
use shelf::Shelf;

relight::export!(Desk, Shelf, Errand; effects: flaky, broken, echo_effect);
