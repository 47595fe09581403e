//! Scenarios over real components: what passes, what fails and how it says so, crashes, the protocol.

mod crashes;
mod examples;
mod failing;
mod life;
mod outside;
mod protocol;
mod rig;
mod time;
