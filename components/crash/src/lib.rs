//! Handlers whose net effect is known in advance: what they add and pay is in their input, not in when or how often
//! they are run.
//!
//! No assertion about the world is in here. What the sums must be is known to whoever submits the programs; see
//! `host/server/tests/crash`.

mod counter;
mod flow;
mod gate;
mod interpreter;
mod line;
mod payments;
mod program;

use counter::Counter;
use flow::Flow;
use gate::Gate;
use interpreter::{Resolver, Victim, Worker};
use line::{Line, Relay};
use payments::{charge, confirm};

relight::export!(Counter, Worker, Resolver, Victim, Flow, Gate, Line, Relay; effects: charge, confirm);
