//! What both doors need to speak HTTP: the server loop with its limits and its drain, request bodies, paths and
//! queries, responses, and the texts in which durations and instants are written.
//!
//! What does not live here: any route. Ingress and admin each bring theirs as a [`Handler`].
//!
//! Architecture invariant: this crate knows no other crate of ours; it does not know what an invocation is.

mod activity;
pub mod body;
pub mod path;
pub mod respond;
pub mod serve;
pub mod shutdown;
pub mod time;

pub use respond::Response;
pub use serve::{Handler, Limits, serve};
pub use shutdown::{Shutdown, ShutdownTrigger, shutdown};

/// A request as a [`Handler`] gets it.
pub type Request = hyper::Request<hyper::body::Incoming>;
