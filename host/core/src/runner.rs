//! The border between a partition's leader and whatever runs handlers: the executor, or a script in tests.
//!
//! The leader hands over an attempt with everything it may know and then events in order; the runner answers with
//! proposals. Neither waits for the other. The trait is here so that the executor needs to know no partition.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{
    command::Command,
    ids::{EntryIndex, FencingToken, Incarnation, InvocationId, Lsn, PartitionId, Position},
    journal::{JournalItem, Notification},
    replay::{Damaged, Replay},
    restart::Restarted,
    schema::{Deployment, HandlerMode},
    tables::TablesError,
    value::{DurationMs, Headers, Target, Timestamp},
};

/// Two kinds of work with separate capacity, so that handlers that wait for effects cannot starve them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    Attempt,
    Effect,
}

/// Permission to run one instance; dropping it gives it back.
pub struct Slot(pub Box<dyn Send>);

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

/// Runs attempts of handlers and effects.
pub trait Runner: Send + Sync + 'static {
    /// Permission to run one more, or `None` at capacity; then `host.capacity(work)` is called once when there is
    /// some again. MUST NOT block.
    fn reserve(&self, work: Work, host: &Arc<dyn Host>) -> Option<Slot>;

    /// Starts an attempt of a handler. MUST NOT block. Dropping the answer aborts the attempt.
    fn start_attempt(&self, slot: Slot, start: AttemptStart, host: Arc<dyn Host>) -> Box<dyn Attempt>;

    /// Starts an attempt of an effect. MUST NOT block. Dropping the answer aborts it.
    fn start_effect(&self, slot: Slot, start: EffectStart, host: Arc<dyn Host>) -> Box<dyn Send>;
}

/// A running attempt of a handler, as its leader sees it.
pub trait Attempt: Send {
    /// MUST NOT block. Events of an attempt that has ended are ignored.
    fn event(&self, event: AttemptEvent);
}

/// A partition's leader, as its runner sees it.
pub trait Host: Send + Sync + 'static {
    fn partition(&self) -> PartitionId;

    /// Whether a target is the run of a workflow, whose id follows from its key alone. MUST NOT block. A target that is
    /// not deployed is none.
    fn runs_once(&self, target: &Target) -> bool;

    /// Proposes a command; MUST NOT block. It may get lost (leader change, overload): then the attempt hears of a
    /// rejection, is dropped, or is started again. Commands of one attempt keep their order.
    fn propose(&self, command: Command);

    /// There may be capacity again.
    fn capacity(&self, work: Work);
}

/// Everything an attempt may know.
pub struct AttemptStart {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub token: FencingToken,
    pub target: Target,
    pub mode: HandlerMode,
    pub deployment: Arc<Deployment>,
    pub idempotency_key: Option<String>,
    pub invoked_by: Option<InvocationId>,
    pub created_at: Timestamp,
    /// When the handler was first allowed to run.
    pub started_at: Timestamp,
    /// Set when the journal began as a part of another one's.
    pub restarted: Option<Box<Restarted>>,
    /// The journal as far as it is applied; item 0 is the input.
    pub journal: Vec<JournalItem>,
    /// Set when some of it may still vanish: the record up to which it is applied.
    pub provisional: Option<Lsn>,
    /// Whether a cancellation in the journal has not been answered by a wait is told by the journal itself.
    pub state: Arc<dyn StateView>,
    /// How long to linger at a wait; `None`: as the runner sees fit.
    pub inactivity_timeout: Option<DurationMs>,
    pub abort_timeout: DurationMs,
}

impl AttemptStart {
    /// Takes the journal out, for a replay.
    pub fn replay(&mut self) -> Result<Replay, Damaged> {
        let journal = std::mem::take(&mut self.journal);
        let mut replay = Replay::of_life(self.started_at, self.restarted.as_deref(), journal)?;
        if let Some(lsn) = self.provisional {
            replay.provisional(lsn);
        }
        Ok(replay)
    }
}

impl fmt::Debug for AttemptStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptStart")
            .field("id", &self.id)
            .field("token", &self.token)
            .field("target", &self.target)
            .field("items", &self.journal.len())
            .finish_non_exhaustive()
    }
}

/// What happens to a running attempt, in the order of the log. `provisional`: set when it follows from a record that may
/// still vanish; if that happens the attempt is dropped, and if it does not, `Durable` says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AttemptEvent {
    /// Operations below this count are accepted. What depends on them may leave the process once that is durable.
    Accepted { operations: u32, provisional: Option<Lsn> },
    /// The journal has a new item, at this position.
    Notification { position: Position, notification: Notification, provisional: Option<Lsn> },
    /// What was provisional up to here cannot vanish any more.
    Durable { upto: Lsn },
}

/// The state of one key at the LSN of the attempt's journal.
pub trait StateView: Send + Sync {
    fn get(&self, name: &str) -> Result<Option<Bytes>, TablesError>;

    /// Names in order.
    fn keys(&self) -> Result<Vec<String>, TablesError>;
}

/// What an effect may know of the invocation that asked for it.
#[derive(Clone, Debug)]
pub struct InvocationInfo {
    pub target: Target,
    pub idempotency_key: Option<String>,
    pub invoked_by: Option<InvocationId>,
    pub headers: Headers,
    pub created_at: Timestamp,
}

/// Everything an attempt of an effect may know.
#[derive(Debug)]
pub struct EffectStart {
    pub id: InvocationId,
    pub incarnation: Incarnation,
    pub index: EntryIndex,
    pub token: FencingToken,
    /// 1 for the first.
    pub attempt_number: u32,
    pub invocation: InvocationInfo,
    pub deployment: Arc<Deployment>,
    pub name: String,
    pub input: Bytes,
    pub timeout: DurationMs,
}
