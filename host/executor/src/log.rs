//! Log lines of one attempt: bounded, and remembered where they explain a failure.

use relight_core::{InvocationId, limits::FAILURE_MESSAGE_CHARS_MAX};

use crate::{
    bindings::relight::handler::log::Level,
    convert::truncated,
    limits::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX},
};

/// Where lines come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// `describe` and instantiation at upload: nothing is written, the last error is kept.
    Upload,
    Invocation(InvocationId),
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

    /// `is_written`: whether the line goes to the log; errors are remembered in any case.
    pub fn add(&mut self, level: Level, message: String, fields: &[(String, String)], is_written: bool) {
        if level == Level::Error {
            self.last_error = Some(truncated(message.clone(), FAILURE_MESSAGE_CHARS_MAX));
        }
        let Source::Invocation(id) = self.source else { return };
        if !is_written || self.is_full(id) {
            return;
        }
        let fields = line_fields(fields);
        let message = truncated(message, LOG_LINE_BYTES_MAX);
        self.bytes += message.len() + fields.len();
        // One macro for each level, because a level is part of an event's static description.
        match level {
            Level::Trace => tracing::trace!(target: "guest", invocation = %id, fields, "{message}"),
            Level::Debug => tracing::debug!(target: "guest", invocation = %id, fields, "{message}"),
            Level::Info => tracing::info!(target: "guest", invocation = %id, fields, "{message}"),
            Level::Warn => tracing::warn!(target: "guest", invocation = %id, fields, "{message}"),
            Level::Error => tracing::error!(target: "guest", invocation = %id, fields, "{message}"),
        }
    }

    fn is_full(&mut self, id: InvocationId) -> bool {
        self.count = self.count.saturating_add(1);
        let is_full = self.count > LOG_LINES_MAX || self.bytes > LOG_BYTES_MAX;
        if is_full && self.bytes != usize::MAX {
            self.bytes = usize::MAX;
            tracing::info!(target: "guest", invocation = %id, "more lines of this attempt are dropped");
        }
        is_full
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
