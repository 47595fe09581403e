//! The executor with real components, a real engine, and a leader that follows a script.

mod adapter;
mod attempts;
mod compiling;
mod effects;
mod hostile;
mod operations;
mod peer;
mod replays;
mod rig;
mod runs;
mod uploads;
mod warm;
mod wasi;
