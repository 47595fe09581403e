//! The ingress over real sockets, in front of a real node whose handlers are scripted.

mod calls;
mod refusals;
mod results;
mod rig;
mod signals;
mod workflows;
