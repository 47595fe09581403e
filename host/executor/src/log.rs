//! Log lines of one attempt: bounded, and remembered where they explain a failure.

use std::{fmt, sync::Arc};

use relight_core::{InvocationId, limits::FAILURE_MESSAGE_CHARS_MAX};

use crate::{
    bindings::relight::handler::log::Level,
    convert::truncated,
    limits::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX},
    verify::Observer,
};

/// Where lines come from.
#[derive(Clone)]
pub(crate) enum Source {
    /// Upload, or a record that is verified for its verdict alone: nothing is written, the last error is kept.
    Silent,
    Invocation(InvocationId),
    /// A record that somebody follows: every line goes to them.
    Observed(Arc<dyn Observer>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("Silent"),
            Self::Invocation(id) => f.debug_tuple("Invocation").field(id).finish(),
            Self::Observed(_) => f.write_str("Observed"),
        }
    }
}

/// The lines of one attempt.
#[derive(Debug)]
pub(crate) struct Lines {
    source: Source,
    count: u32,
    bytes: usize,
    last_error: Option<String>,
}

impl Lines {
    pub fn new(source: Source) -> Self {
        Self { source, count: 0, bytes: 0, last_error: None }
    }

    /// The guest's last line of level error.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// `is_replaying`: the line was written by an earlier attempt. Errors are remembered in any case.
    pub fn add(&mut self, level: Level, message: String, fields: &[(String, String)], is_replaying: bool) {
        if level == Level::Error {
            self.last_error = Some(truncated(message.clone(), FAILURE_MESSAGE_CHARS_MAX));
        }
        let is_written = match self.source {
            Source::Silent => false,
            Source::Invocation(_) => !is_replaying,
            Source::Observed(_) => true,
        };
        if !is_written || self.is_full() {
            return;
        }
        let fields = line_fields(fields);
        let message = truncated(message, LOG_LINE_BYTES_MAX);
        self.bytes += message.len() + fields.len();
        match &self.source {
            Source::Silent => {}
            Source::Invocation(id) => write(*id, level, &message, &fields),
            Source::Observed(observer) => observer.line(level_name(level), &message, &fields),
        }
    }

    fn is_full(&mut self) -> bool {
        self.count = self.count.saturating_add(1);
        let is_full = self.count > LOG_LINES_MAX || self.bytes > LOG_BYTES_MAX;
        if is_full && self.bytes != usize::MAX {
            self.bytes = usize::MAX;
            const MORE: &str = "more lines of this attempt are dropped";
            match &self.source {
                Source::Silent => {}
                Source::Invocation(id) => tracing::info!(target: "guest", invocation = %id, "{MORE}"),
                Source::Observed(observer) => observer.line(level_name(Level::Info), MORE, ""),
            }
        }
        is_full
    }
}

fn write(id: InvocationId, level: Level, message: &str, fields: &str) {
    // One macro for each level, because a level is part of an event's static description.
    match level {
        Level::Trace => tracing::trace!(target: "guest", invocation = %id, fields, "{message}"),
        Level::Debug => tracing::debug!(target: "guest", invocation = %id, fields, "{message}"),
        Level::Info => tracing::info!(target: "guest", invocation = %id, fields, "{message}"),
        Level::Warn => tracing::warn!(target: "guest", invocation = %id, fields, "{message}"),
        Level::Error => tracing::error!(target: "guest", invocation = %id, fields, "{message}"),
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn line_fields(fields: &[(String, String)]) -> String {
    let mut line = String::new();
    for (name, value) in fields {
        if line.len() + name.len() + value.len() > LOG_LINE_BYTES_MAX {
            line.push('…');
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(name);
        line.push('=');
        line.push_str(value);
    }
    line
}
