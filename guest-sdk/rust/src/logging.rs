//! Log lines, and the hook by which a panic's message reaches the host before the trap.

use std::panic::PanicHookInfo;
use std::sync::Once;

use crate::host;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every detail.
    Trace,
    /// For developers.
    Debug,
    /// State changes.
    Info,
    /// Unexpected, but it went on.
    Warn,
    /// Somebody should look.
    Error,
}

/// Write one line to the host's log, with fields. Not repeated while replaying. The macros [`info!`](crate::info) and its like are
/// shorter.
pub fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    host::log::log(level.into(), message, &fields);
}

impl From<Level> for host::log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// Write a line at level trace: `trace!("cart {id} has {} tickets", tickets.len())`.
#[macro_export]
macro_rules! trace {
    ($($format:tt)+) => { $crate::log($crate::Level::Trace, &::std::format!($($format)+), &[]) };
}

/// Write a line at level debug: `debug!("cart {id} has {} tickets", tickets.len())`.
#[macro_export]
macro_rules! debug {
    ($($format:tt)+) => { $crate::log($crate::Level::Debug, &::std::format!($($format)+), &[]) };
}

/// Write a line at level info: `info!("cart {id} has {} tickets", tickets.len())`.
#[macro_export]
macro_rules! info {
    ($($format:tt)+) => { $crate::log($crate::Level::Info, &::std::format!($($format)+), &[]) };
}

/// Write a line at level warn: `warn!("cart {id} has {} tickets", tickets.len())`.
#[macro_export]
macro_rules! warn {
    ($($format:tt)+) => { $crate::log($crate::Level::Warn, &::std::format!($($format)+), &[]) };
}

/// Write a line at level error: `error!("cart {id} has {} tickets", tickets.len())`.
#[macro_export]
macro_rules! error {
    ($($format:tt)+) => { $crate::log($crate::Level::Error, &::std::format!($($format)+), &[]) };
}

/// Send the message of a panic to the host, which makes it the message of the failed attempt. On this target a panic ends in a
/// trap that says nothing by itself.
pub(crate) fn report_panics() {
    static ONCE: Once = Once::new();
    // On other targets only tests run; their own hook is the better one.
    if cfg!(target_family = "wasm") {
        ONCE.call_once(|| std::panic::set_hook(Box::new(report_panic)));
    }
}

fn report_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a value that is not text");
    match panic.location() {
        Some(location) => {
            let location = location.to_string();
            log(Level::Error, &format!("panicked at {location}: {message}"), &[("location", &location)]);
        }
        None => log(Level::Error, &format!("panicked: {message}"), &[]),
    }
}
