//! Faults on request, for tests: the n-th time the log comes to a named point, the process dies, the write fails, or
//! the write reaches the disk only in part.
//!
//! ```text
//! RELIGHT_FAULT=<point>:<n>:<kind>        n counts from 1
//!
//! point                    where                                                                     kinds
//! log.before-write         the batch of a pass is built, nothing is written                          kill error
//! log.after-write          it is written and synced, the high-water mark is not                      kill error tear
//! log.before-high-water    the same place for passes that move the mark                              kill error
//! log.after-high-water     the mark is written, nothing is acknowledged                              kill error tear
//!
//! kill    the process is aborted on the spot: no destructor, no flush
//! error   the point reports an I/O error (after-write: the write is durable and fails all the same)
//! tear    half of what the write added is cut off again, then as kill
//! ```
//!
//! The code is always there. Without a plan a point costs one comparison with null.

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// The environment variable that [`Faults::from_env`] reads.
pub const FAULT_VARIABLE: &str = "RELIGHT_FAULT";

/// What shall go wrong, and where. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Faults(Option<Arc<Plan>>);

#[derive(Debug)]
struct Plan {
    point: Point,
    kind: Kind,
    hits_left: AtomicU64,
}

/// A place in the log where a fault can be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    BeforeWrite,
    AfterWrite,
    BeforeHighWater,
    AfterHighWater,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kill,
    Error,
    Tear,
}

/// A text that does not name a fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a fault\nhint: write `<point>:<n>:<kill|error|tear>`, for example `log.after-write:3:kill`"
)]
pub struct NotAFault(String);

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Faults {
        Faults(None)
    }

    /// What [`FAULT_VARIABLE`] asks for; nothing when it is not set.
    ///
    /// # Errors
    /// When it is set to something that is not a fault.
    pub fn from_env() -> Result<Faults, NotAFault> {
        match std::env::var(FAULT_VARIABLE) {
            // Other crates have points of their own under other prefixes.
            Ok(text) if text.starts_with("log.") => text.parse(),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(Faults::none()),
            Err(std::env::VarError::NotUnicode(text)) => Err(NotAFault(text.to_string_lossy().into_owned())),
        }
    }

    /// Comes to `point`. `Ok(true)` asks the caller to tear what it has just written and then [`Faults::kill`].
    pub(crate) fn at(&self, point: Point) -> io::Result<bool> {
        match &self.0 {
            None => Ok(false),
            Some(plan) => plan.at(point),
        }
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill() -> ! {
        std::process::abort()
    }
}

impl FromStr for Faults {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Faults, NotAFault> {
        let refuse = || NotAFault(text.to_owned());
        let mut parts = text.split(':');
        let (Some(point), Some(n), Some(kind), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse());
        };
        let point = Point::ALL.into_iter().find(|known| known.name() == point).ok_or_else(refuse)?;
        let n = n.parse::<u64>().ok().filter(|n| 0 < *n).ok_or_else(refuse)?;
        let kind = match kind {
            "kill" => Kind::Kill,
            "error" => Kind::Error,
            "tear" if point.follows_a_write() => Kind::Tear,
            _ => return Err(refuse()),
        };
        Ok(Faults(Some(Arc::new(Plan { point, kind, hits_left: AtomicU64::new(n) }))))
    }
}

impl Plan {
    fn at(&self, point: Point) -> io::Result<bool> {
        if point != self.point {
            return Ok(false);
        }
        let take_one = |left: u64| left.checked_sub(1);
        match self.hits_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one) {
            Ok(1) => match self.kind {
                Kind::Kill => Faults::kill(),
                Kind::Error => Err(io::Error::other(format!("injected at `{}`", point.name()))),
                Kind::Tear => Ok(true),
            },
            Ok(_) | Err(_) => Ok(false),
        }
    }
}

impl Point {
    const ALL: [Point; 4] =
        [Point::BeforeWrite, Point::AfterWrite, Point::BeforeHighWater, Point::AfterHighWater];

    fn name(self) -> &'static str {
        match self {
            Point::BeforeWrite => "log.before-write",
            Point::AfterWrite => "log.after-write",
            Point::BeforeHighWater => "log.before-high-water",
            Point::AfterHighWater => "log.after-high-water",
        }
    }

    fn follows_a_write(self) -> bool {
        matches!(self, Point::AfterWrite | Point::AfterHighWater)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

    use super::*;

    #[test]
    fn the_nth_hit_of_the_point_fails_and_no_other() {
        let faults: Faults = "log.after-write:2:error".parse().unwrap();
        assert!(!faults.at(Point::BeforeWrite).unwrap());
        assert!(!faults.at(Point::AfterWrite).unwrap());
        let error = faults.at(Point::AfterWrite).unwrap_err();
        assert_eq!(error.to_string(), "injected at `log.after-write`");
        assert!(!faults.at(Point::AfterWrite).unwrap());
    }

    #[test]
    fn what_is_not_a_fault_is_refused() {
        for text in
            ["", "log.after-write", "log.after-write:0:kill", "log.after-write:1:burn", "log.nowhere:1:kill"]
        {
            assert_eq!(text.parse::<Faults>().unwrap_err(), NotAFault(text.to_owned()));
        }
        let nothing_to_tear = "log.before-write:1:tear";
        assert_eq!(nothing_to_tear.parse::<Faults>().unwrap_err(), NotAFault(nothing_to_tear.to_owned()));
    }
}
