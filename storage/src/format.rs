//! Stored forms of records and rows. Here are the envelopes; the parts are in the modules below.
//!
//! ```text
//! record: version (1 byte) | time, ms (varint) | command
//! row:    version (1 byte) | row
//! ```
//!
//! A stored form is broken if it ends early, if bytes are left over, if its version or a tag in it is unknown, if a
//! number is longer than it needs to be, or if a text is not UTF-8. So each value has exactly one form. There is no
//! checksum here: the log has one over each record, RocksDB one over each block of rows.
//!
//! Rules for change: a tag that was once assigned is never assigned again; a retired one stays in its table as a
//! comment. Fields of a struct and of an enum's variant are stored in the order of their table, which is fixed. A
//! struct that gets a new field gets a new version of the envelope, and the reader keeps the old one readable.

pub(crate) mod codec;
mod commands;
pub(crate) mod key;
mod rows;
mod values;

use bytes::Bytes;
use relight_core::{Command, Lsn, Record, Timestamp, tables::Row};

use codec::{Reader, Stored as _, Writer};

/// Version that records are written in; the only one so far.
const RECORD_VERSION: u8 = 1;
/// Version that rows are written in; the only one so far.
const ROW_VERSION: u8 = 1;

/// Bytes that are not a stored form. `at` counts bytes from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("it ends at byte {at}, where {wanted} more are needed")]
    Truncated { at: usize, wanted: u64 },
    #[error("{kind} has version {version}; this program knows versions up to {known}")]
    UnknownVersion { kind: &'static str, version: u8, known: u8 },
    #[error("byte {at} is {tag}, which is no known tag of {kind}")]
    UnknownTag { kind: &'static str, tag: u8, at: usize },
    #[error("at byte {at} is no valid {kind}")]
    Invalid { kind: &'static str, at: usize },
    #[error("it ends at byte {at}, but {left} more follow")]
    TrailingBytes { at: usize, left: usize },
}

/// Payload of a log record.
pub fn encode_record(time: Timestamp, command: &Command) -> Bytes {
    let mut writer = Writer::default();
    writer.byte(RECORD_VERSION);
    time.write(&mut writer);
    command.write(&mut writer);
    writer.finish()
}

/// Reads what [`encode_record`] wrote. Payloads inside share the memory of `bytes`.
pub fn decode_record(lsn: Lsn, bytes: Bytes) -> Result<Record, FormatError> {
    let mut reader = Reader::new(bytes);
    reader.version("record", RECORD_VERSION)?;
    let time = Timestamp::read(&mut reader)?;
    let command = Command::read(&mut reader)?;
    reader.finish()?;
    Ok(Record { lsn, time, command })
}

pub(crate) fn encode_row(row: &Row, writer: &mut Writer) {
    writer.byte(ROW_VERSION);
    row.write(writer);
}

/// Reads what [`encode_row`] wrote. Payloads inside share the memory of `bytes`.
pub(crate) fn decode_row(bytes: Bytes) -> Result<Row, FormatError> {
    let mut reader = Reader::new(bytes);
    reader.version("row", ROW_VERSION)?;
    let row = Row::read(&mut reader)?;
    reader.finish()?;
    Ok(row)
}
