//! [`Log`]: what handlers write, as it arrives at the process's log, and what the host itself complains about.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::limits::LOG_LINES_MAX;

/// Target of the events that carry lines of guests.
const GUEST: &str = "guest";

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// Of a guest: the invocation that it belongs to.
    pub invocation: String,
    pub level: Level,
    pub message: String,
    pub fields: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    guests: Vec<Line>,
    host: Vec<String>,
}

impl Log {
    /// What writes into it.
    pub fn capture(&self) -> impl Subscriber + Send + Sync + 'static {
        Capture(self.clone())
    }

    pub fn clear(&self) {
        *self.lines() = Lines::default();
    }

    /// Lines of one invocation, as text.
    pub fn of(&self, invocation: &str) -> Vec<String> {
        let lines = self.lines();
        let own = lines.guests.iter().filter(|line| line.invocation == invocation);
        own.map(|line| {
            let space = if line.fields.is_empty() { "" } else { " " };
            format!("{} {}{space}{}", line.level, line.message, line.fields)
        })
        .collect()
    }

    /// What the host complained about.
    pub fn host(&self) -> Vec<String> {
        self.lines().host.clone()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // The lines are consistent between any two statements, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Capture(Log);

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && (metadata.target() == GUEST || *metadata.level() <= Level::WARN)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut line =
            Line { invocation: String::new(), level, message: String::new(), fields: String::new() };
        let of_guest = event.metadata().target() == GUEST;
        event.record(&mut Fields(&mut line, of_guest));
        let mut lines = self.0.lines();
        if of_guest {
            if lines.guests.len() < LOG_LINES_MAX {
                lines.guests.push(line);
            }
        } else if lines.host.len() < LOG_LINES_MAX {
            lines.host.push(format!("{level} {}{}", line.message, line.fields));
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Takes an event's fields apart.
struct Fields<'a>(&'a mut Line, bool);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let Self(line, of_guest) = self;
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(line.message, "{value:?}"),
            "invocation" => write!(line.invocation, "{value:?}"),
            "fields" if *of_guest => write!(line.fields, "{value:?}"),
            name => write!(line.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
