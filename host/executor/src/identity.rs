//! Who an attempt is: what its handler may know of its invocation.

use std::sync::Arc;

use relight_core::{
    Incarnation, InvocationId, Target, Timestamp,
    ids::EntryIndex,
    restart::Restarted,
    schema::{Deployment, HandlerMode},
};

/// What stays the same during an attempt.
pub(crate) struct Identity {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub target: Target,
    pub mode: HandlerMode,
    pub deployment: Arc<Deployment>,
    pub idempotency_key: Option<String>,
    pub invoked_by: Option<InvocationId>,
    pub created_at: Timestamp,
    /// Set when the journal began as a part of another one's.
    pub restarted: Option<Box<Restarted>>,
}

/// An invocation as its handler sees it at one operation.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub idempotency_key: Option<&'a str>,
    pub invoked_by: Option<InvocationId>,
    pub created_at: Timestamp,
}

impl Identity {
    /// What the operation at `index` is made as. A copied one was made by another invocation, and what it holds may be
    /// made of that one's id.
    pub fn at(&self, index: EntryIndex) -> Seen<'_> {
        match self.restarted.as_ref().and_then(|restarted| restarted.life_at(index)) {
            Some(life) => Seen {
                id: life.id,
                incarnation: life.incarnation,
                idempotency_key: life.idempotency_key.as_deref(),
                invoked_by: life.invoked_by,
                created_at: life.created_at,
            },
            None => Seen {
                id: self.id,
                incarnation: self.incarnation,
                idempotency_key: self.idempotency_key.as_deref(),
                invoked_by: self.invoked_by,
                created_at: self.created_at,
            },
        }
    }

    /// What the random stream is keyed by.
    pub fn seed(&self) -> (InvocationId, Incarnation) {
        self.restarted.as_ref().map_or((self.id, self.incarnation), |restarted| restarted.seed())
    }
}
