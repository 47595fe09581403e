//! Every bound of a test run, with its reason.

use std::time::Duration;

/// Attempts that may have an instance at once: more than any scenario has waiting handlers that linger.
pub const ATTEMPTS_MAX: usize = 32;
/// Effects run one at a time; the second slot is for one that was aborted and is not gone yet.
pub const EFFECTS_MAX: usize = 2;
/// Linear memory that a component may ask for; the same as on a server.
pub const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// Linear memory of one instance, unless the project says otherwise; the same as on a server.
pub const MEMORY_BYTES_DEFAULT: u64 = 64 << 20;
/// Records between two steps: a handler that sends to itself for ever ends the scenario, not the machine.
pub const RECORDS_PER_STEP_MAX: u64 = 100_000;
/// Times that a waiting step moves the clock to the next timer.
pub const TIMERS_PER_WAIT_MAX: u32 = 10_000;
/// Lines of handlers that are kept.
pub const LOG_LINES_MAX: usize = 100_000;
/// A scenario file.
pub const SCENARIO_BYTES_MAX: u64 = 16 << 20;
/// A text that a scenario describes by its repetition: more than any body that a server takes.
pub const REPEATED_BYTES_MAX: usize = 16 << 20;
/// Characters of a value in a failure's report.
pub const SHOWN_CHARS_MAX: usize = 2_000;
/// How long an aborted instance may take to give its place back.
pub const SLOT_PATIENCE: Duration = Duration::from_secs(10);
/// Log positions that a record may take in addition: announcements of leaders, suspensions. They have room of their
/// own, so that the position of everything else is the same however often the process dies.
pub const LSN_STRIDE: u64 = 1 << 20;
