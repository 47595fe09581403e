//! Values that commands, journals and rows are made of: time, failures, payloads, targets.

use std::{fmt, sync::Arc};

use bytes::Bytes;

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    #[must_use]
    pub fn after(self, duration: DurationMs) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// Time from `earlier` to this, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> DurationMs {
        DurationMs(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DurationMs(pub u64);

impl DurationMs {
    pub const ZERO: Self = Self(0);

    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    pub const fn hours(hours: u64) -> Self {
        Self::seconds(hours * 3600)
    }
}

/// Names and values in the order they came; names are lower case.
pub type Headers = Vec<(String, String)>;

/// A terminal failure: it is a result, it is not retried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// HTTP status, 400 to 599.
    pub code: u16,
    pub message: String,
    pub metadata: Vec<(String, String)>,
}

impl Failure {
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), metadata: Vec::new() }
    }

    pub fn cancelled() -> Self {
        Self::new(409, "cancelled")
    }

    pub fn killed() -> Self {
        Self::new(409, "killed")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)
    }
}

/// Result of an invocation, an effect or an awakeable.
pub type Outcome = Result<Bytes, Failure>;

/// What completes a handle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A timer that has fired.
    Void,
    Success(Bytes),
    Failure(Failure),
}

impl From<Outcome> for Value {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(bytes) => Self::Success(bytes),
            Err(failure) => Self::Failure(failure),
        }
    }
}

/// When something is to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    Now,
    At(Timestamp),
    /// Counted from the time of the record that accepts it.
    After(DurationMs),
}

impl Due {
    /// The instant, for a record of time `now`.
    pub fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::At(instant) => instant,
            Self::After(duration) => now.after(duration),
        }
    }
}

/// Invocation target: service, key for virtual objects, handler.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub service: Arc<str>,
    pub key: Option<Arc<str>>,
    pub handler: Arc<str>,
}

impl Target {
    /// The object this target addresses, if it has a key.
    pub fn object(&self) -> Option<ObjectKey> {
        self.key.as_ref().map(|key| ObjectKey { service: self.service.clone(), key: key.clone() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}/{}/{}", self.service, key, self.handler),
            None => write!(f, "{}/{}", self.service, self.handler),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One virtual object: what a lock, an inbox and state belong to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub service: Arc<str>,
    pub key: Arc<str>,
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.key)
    }
}
