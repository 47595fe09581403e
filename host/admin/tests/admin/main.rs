//! The admin API over real sockets, in front of a real node that runs guests.

mod deployments;
mod invocations;
mod rig;
