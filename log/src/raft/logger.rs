//! What the raft library logs, as `tracing` events. It speaks `slog`; nothing else here does.

use std::fmt::{self, Write};

use slog::{Drain, KV, Level, Logger, OwnedKVList, Record, Serializer, o};

use crate::position::GroupId;

const TARGET: &str = "relight_log::raft";

/// The logger of one group.
pub(super) fn logger(group: GroupId) -> Logger {
    Logger::root(ToTracing, o!("group" => group.0))
}

struct ToTracing;

impl Drain for ToTracing {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), slog::Never> {
        // One step below what the library says: its INFO is each step of an election of each group.
        match record.level() {
            Level::Critical | Level::Error => {
                tracing::error!(target: TARGET, fields = %text(record, values), "{}", record.msg());
            }
            Level::Warning => {
                tracing::warn!(target: TARGET, fields = %text(record, values), "{}", record.msg())
            }
            Level::Info => {
                tracing::debug!(target: TARGET, fields = %text(record, values), "{}", record.msg())
            }
            Level::Debug | Level::Trace => {
                tracing::trace!(target: TARGET, fields = %text(record, values), "{}", record.msg());
            }
        }
        Ok(())
    }
}

/// The record's fields, built only for events that somebody listens to.
fn text(record: &Record<'_>, values: &OwnedKVList) -> String {
    let mut fields = Fields(String::new());
    // Writing to a string cannot fail, and a field that cannot be shown is left out.
    let _ = values.serialize(record, &mut fields).and_then(|()| record.kv().serialize(record, &mut fields));
    fields.0
}

struct Fields(String);

impl Serializer for Fields {
    fn emit_arguments(&mut self, key: slog::Key, value: &fmt::Arguments<'_>) -> slog::Result {
        write!(self.0, "{}{key}={value}", if self.0.is_empty() { "" } else { " " })?;
        Ok(())
    }
}
