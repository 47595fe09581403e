//! The commands, one file each.

pub mod batch;
pub mod build;
pub mod check;
pub mod deploy;
pub mod deployments;
pub mod explain;
pub mod invocations;
pub mod invoke;
pub mod new;
pub mod replay;
pub mod server;
pub mod services;
pub mod test;
pub mod values;
pub mod version;
