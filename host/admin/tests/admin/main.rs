//! The admin API over real sockets, in front of a real node that runs guests.

mod batches;
mod deployments;
mod invocations;
mod life_cycle;
mod rig;
