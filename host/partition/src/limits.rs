//! Every bound of a processor, with its reason. Bounds of the state machine are in `relight_core::limits`, those of
//! the log in `relight_log`.

use std::time::Duration;

/// Commands of doors that have no answer of the log yet, per partition. With an fsync of 2 ms this is far more than
/// one partition can take in; above it a door hears `Overloaded` at once instead of waiting longer and longer.
pub const DOOR_COMMANDS_MAX: usize = 4_096;

/// Doors that wait for an answer, for a result or for a read, per partition. Waiters for results live as long as the
/// invocation, so there may be many; each costs some hundred bytes.
pub const WAITERS_MAX: usize = 65_536;

/// Events that are handled before the rest of a turn (starts, timers, outbox, append) gets its share.
pub const EVENTS_PER_TURN_MAX: usize = 1_024;

/// How often a turn lets other tasks go first, once it has something to do: first those that are ready, then those whose
/// sockets have become so. They bring more for the same turn. Costs two looks at idle sockets when there are none.
pub const GATHERING_YIELDS: usize = 2;

/// Rounds of a leader's turn: what a handler does at once, and what is done for it at once, rides in one append. Long chains
/// of calls get there in a few; a chain without an end must not keep the log waiting.
pub const ROUNDS_PER_TURN_MAX: usize = 32;

/// A turn that has taken so long hands to the log what it has: others wait for that. About what a sync of the log takes.
pub const TURN_TIME_MAX: Duration = Duration::from_micros(500);

/// Appends without an answer of the log. One is being synced and one is queued; the others keep a log with a longer
/// round trip busy.
pub const APPENDS_IN_FLIGHT_MAX: usize = 8;

/// Bytes of appends without an answer of the log; a quarter of what the log takes in, so that it is not overloaded.
pub const APPEND_BYTES_IN_FLIGHT_MAX: usize = relight_log::IN_FLIGHT_BYTES_MAX / 4;

/// Records and bytes of one append. At least one record is taken whatever its size.
pub const APPEND_RECORDS_MAX: usize = 1_024;
pub const APPEND_BYTES_MAX: usize = 1 << 20;

const _: () = assert!(APPEND_RECORDS_MAX <= relight_log::APPEND_RECORDS_MAX);
const _: () = assert!(APPEND_BYTES_MAX <= relight_log::APPEND_BYTES_MAX);

/// Attempts and effects that are started in one turn: each loads a journal, and records must not wait for all of them.
pub const STARTS_PER_TURN_MAX: usize = 64;

/// Items of a journal up to which it is read item by item; from there on one scan costs less.
pub const JOURNAL_ITEMS_READ_SINGLY: u32 = 8;

/// Attempts, and effects, that wait in memory for the runner; about 50 bytes each. Others wait in the tables.
pub const READY_MAX: usize = 100_000;

/// State of an object that is copied into its attempt; more is read from a snapshot when it is asked for. Copies keep
/// no snapshot open, and nearly all objects are this small.
pub const STATE_COPY_BYTES_MAX: usize = 64 << 10;
pub const STATE_COPY_KEYS_MAX: usize = 100;

/// Timers that are held in memory, the earliest; the others are read from the tables when these have fired.
pub const TIMERS_WINDOW_MAX: usize = 4_096;

/// Timers that have fired and are not applied yet.
pub const TIMERS_IN_FLIGHT_MAX: usize = 1_024;

/// The clock is read at least this often while a timer is pending, so that a jump of the wall clock is noticed.
pub const TIMER_RECHECK_AFTER: Duration = Duration::from_secs(1);

/// Deliveries to one partition that are not acknowledged.
pub const DELIVERIES_IN_FLIGHT_MAX: usize = 4;

/// Deliveries of one source that wait for the log; further ones are dropped, the source sends them again. Twice what it
/// has in flight, so that one resend fits while the log is slow.
pub const DELIVERIES_WAITING_MAX: usize = 2 * DELIVERIES_IN_FLIGHT_MAX;

/// Bytes of messages in one delivery. At least one message is sent whatever its size.
pub const DELIVERY_BYTES_MAX: usize = 1 << 20;

/// A delivery without acknowledgement is sent again after this time; it doubles up to the maximum.
pub const RESEND_AFTER: Duration = Duration::from_millis(100);
pub const RESEND_AFTER_MAX: Duration = Duration::from_secs(2);

/// Delivered rows stay in the outbox until there are this many of them or they have been there for this long: one
/// record truncates many, and nothing waits for it.
pub const TRUNCATE_MESSAGES: u64 = 64;
pub const TRUNCATE_AFTER: Duration = Duration::from_millis(100);

/// The first flush after a start comes at the latest then: a process that keeps dying would apply a longer log at each
/// start, up to what is flushed for its bytes in every partition.
pub const FIRST_FLUSH_AFTER: Duration = Duration::from_secs(10);

/// A jump of the wall clock that is reported.
pub const CLOCK_JUMP_MS: u64 = 5 * 60 * 1000;

/// Rows of one step of a scan over something that may be large.
pub const SCAN_ROWS: usize = 256;
