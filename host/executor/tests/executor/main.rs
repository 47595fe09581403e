//! The executor with real components, a real engine, and a leader that follows a script.

mod attempts;
mod compiling;
mod effects;
mod hostile;
mod rig;
mod uploads;
