//! The tests of the executor once more, with components that export their handlers as async functions.
//!
//! What is tested is in `../executor`; its `rig.rs` takes the other component.

#[path = "../executor/attempts.rs"]
mod attempts;
#[path = "../executor/effects.rs"]
mod effects;
#[path = "../executor/hostile.rs"]
mod hostile;
#[path = "../executor/operations.rs"]
mod operations;
#[path = "../executor/peer.rs"]
mod peer;
#[path = "../executor/replays.rs"]
mod replays;
#[path = "../executor/rig.rs"]
mod rig;
#[path = "../executor/runs.rs"]
mod runs;
#[path = "../executor/warm.rs"]
mod warm;
