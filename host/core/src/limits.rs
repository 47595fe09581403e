//! Every bound that the state machine and the replay cursor enforce, with its reason.
//!
//! Bounds of a transport (body size, header size) live with that transport.

/// Operations in one journal: a replay stays below about 25 ms.
pub const JOURNAL_ENTRIES_MAX: u32 = 50_000;
/// Bytes of all items of one journal: it is loaded whole for a replay.
pub const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// One payload: input, result, call argument.
pub const ENTRY_BYTES_MAX: usize = 10 << 20;
pub const STATE_VALUE_BYTES_MAX: usize = 1 << 20;
pub const STATE_KEY_BYTES_MAX: usize = 1 << 10;
/// Names of operations, signals and promises, idempotency keys, keys of objects and workflows: the same for handlers and
/// at the doors, so that whatever is called from outside can be called by a handler.
pub const NAME_BYTES_MAX: usize = 1 << 10;
/// Longest chain of calls, each waiting for the next; also bounds the list of ancestors that a call carries.
pub const CALL_DEPTH_MAX: usize = 64;
/// Callers that wait for one invocation, or for one promise.
pub const WAITERS_MAX: usize = 1_000;
/// Signals of one invocation that nobody has waited for.
pub const SIGNALS_UNCLAIMED_MAX: usize = 1_000;
/// Bytes of these: all of one name are written with each that comes. More than one payload takes.
pub const SIGNALS_UNCLAIMED_BYTES_MAX: usize = 16 << 20;

const _: () = assert!(ENTRY_BYTES_MAX < SIGNALS_UNCLAIMED_BYTES_MAX);
/// Durable time for which the outcome of a door's command is kept. Doors retry within 10 minutes; the other 10 are
/// for clocks that disagree.
pub const REQUEST_OUTCOME_MS: u64 = 20 * 60 * 1000;
/// Messages of one other partition that ride in one record.
pub const DELIVERY_MESSAGES_MAX: usize = 256;
/// Characters of a failure message that are stored; the rest is cut with an ellipsis.
pub const FAILURE_MESSAGE_CHARS_MAX: usize = 8 * 1024;
/// Invocations whose operations one journal can begin with, after restarts of restarts: their ids are in its row.
pub const LIVES_MAX: usize = 100;
/// Inline runs of one invocation at which people are warned: so far its replays have read half a million entries.
pub const RUNS_WARNED: u32 = 1_000;
