//! [`Held`]: what follows from records that are applied and not durable, and can be seen outside of their leader. It waits
//! for the log; nothing else does.

use std::collections::VecDeque;
use std::sync::Arc;

use relight_core::action::Action;
use relight_core::ids::Lsn;

use crate::event::Seen;
use crate::handle::DoorError;
use crate::schema::Schema;
use crate::waiters::Given;

/// Something that leaves a partition.
pub enum Outward {
    /// For the leader to carry out.
    Action(Action),
    /// What doors go by from here on.
    Schema(Arc<Schema>),
    /// The answer of a command, or the result of an invocation.
    Given(Given),
    /// What a door saw in the tables.
    Seen(Seen),
}

/// In the order of the records.
#[derive(Default)]
pub struct Held(VecDeque<(Lsn, Outward)>);

impl Held {
    /// `lsn`: must be durable before it leaves.
    pub fn push(&mut self, lsn: Lsn, outward: Outward) {
        assert!(self.0.back().is_none_or(|(last, _)| *last <= lsn), "records are applied in order");
        self.0.push_back((lsn, outward));
    }

    /// The next that waits for nothing beyond `durable`.
    pub fn pop(&mut self, durable: Lsn) -> Option<Outward> {
        self.0.pop_front_if(|(lsn, _)| *lsn <= durable).map(|(_, outward)| outward)
    }

    /// None of it leaves any more. Doors whose command may be in the log hear `sent`, those who only look hear `looked`.
    pub fn fail(&mut self, sent: &DoorError, looked: &DoorError) {
        for (_, outward) in self.0.drain(..) {
            match outward {
                Outward::Given(given) => given.fail(sent.clone()),
                Outward::Seen(seen) => seen(Err(looked.clone())),
                // The next leader finds them in its tables.
                Outward::Action(_) | Outward::Schema(_) => {}
            }
        }
    }
}
