//! The values of the log's RocksDB database, as bytes. Every value has the same envelope:
//!
//! ```text
//! version:u8  crc32c:u32  body          crc32c over the body; integers are big-endian
//!
//! body of an entry        lsn:u64  epoch:u64  kind:u8  payload
//! body of the node row    node:u64  groups:u16
//! body of a hard state    term:u64  vote:u64  commit:u64
//! body of a trim row      lsn:u64  epoch:u64
//! ```
//! A value is damaged when it is shorter than its fixed part, when the checksum differs, when an entry names another
//! LSN than its key, or when a fixed body has another length. An unknown version or kind is refused as well: this
//! program did not write it. The envelope is checked when it is written (the entry that is encoded is the one that was
//! numbered) and every time it is read.

use bytes::Bytes;
use raft::eraftpb::{Entry, EntryType, HardState};
use thiserror::Error;

use crate::position::{Epoch, Lsn, NodeId};
use crate::tail::Item;

const VERSION: u8 = 1;
const ENVELOPE_BYTES: usize = 1 + 4;
/// Envelope, LSN, epoch and kind of an entry; its payload follows.
pub(super) const ENTRY_HEADER_BYTES: usize = ENVELOPE_BYTES + 8 + 8 + 1;

/// An item that consensus made itself: the first entry of a leadership. It has no payload.
const KIND_OWN: u8 = 0;
/// A record of the log's user.
const KIND_RECORD: u8 = 1;

/// What tells a user's record from an entry of consensus while raft holds it: the entry's `context`. An empty payload
/// would not.
pub(super) const RECORD_CONTEXT: &[u8] = &[KIND_RECORD];

/// Why a stored value is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum FormatError {
    #[error("the value is too short or too long")]
    Length,
    #[error("the value has version {0}, which this program does not know")]
    Version(u8),
    #[error("the checksum does not match")]
    Checksum,
    #[error("the entry has kind {0}, which this program does not know")]
    Kind(u8),
    #[error("the entry says that it is LSN {0}")]
    Lsn(Lsn),
}

/// A stored entry, its payload still in the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredEntry<'a> {
    pub(super) lsn: Lsn,
    pub(super) epoch: Epoch,
    /// `None` for an item of consensus' own.
    pub(super) payload: Option<&'a [u8]>,
}

/// What is known about the node that a database belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeRow {
    pub(super) node: NodeId,
    pub(super) groups: u16,
}

/// The end of the trimmed part of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TrimRow {
    pub(super) lsn: Lsn,
    pub(super) epoch: Epoch,
}

/// Writes `entry` over `out`.
pub(super) fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    assert_eq!(entry.entry_type, EntryType::EntryNormal, "nothing proposes a change of voters");
    let kind = if entry.context.as_ref() == RECORD_CONTEXT { KIND_RECORD } else { KIND_OWN };
    assert!(kind == KIND_RECORD || entry.data.is_empty(), "an item of consensus' own has no payload");
    encode(out, |out| {
        out.extend_from_slice(&entry.index.to_be_bytes());
        out.extend_from_slice(&entry.term.to_be_bytes());
        out.push(kind);
        out.extend_from_slice(&entry.data);
    });
    debug_assert_eq!(out.len(), ENTRY_HEADER_BYTES + entry.data.len());
}

/// The entry in `value`, which is stored under `lsn`.
pub(super) fn decode_entry(lsn: Lsn, value: &[u8]) -> Result<StoredEntry<'_>, FormatError> {
    let body = decode(value)?;
    let (found, body) = split_u64(body)?;
    let (epoch, body) = split_u64(body)?;
    let (kind, payload) = body.split_first().ok_or(FormatError::Length)?;
    if found != lsn.0 {
        return Err(FormatError::Lsn(Lsn(found)));
    }
    let payload = match *kind {
        KIND_RECORD => Some(payload),
        KIND_OWN if payload.is_empty() => None,
        KIND_OWN => return Err(FormatError::Length),
        other => return Err(FormatError::Kind(other)),
    };
    Ok(StoredEntry { lsn, epoch: Epoch(epoch), payload })
}

pub(super) fn encode_node(row: NodeRow, out: &mut Vec<u8>) {
    encode(out, |out| {
        out.extend_from_slice(&row.node.0.to_be_bytes());
        out.extend_from_slice(&row.groups.to_be_bytes());
    });
}

pub(super) fn decode_node(value: &[u8]) -> Result<NodeRow, FormatError> {
    let (node, groups) = split_u64(decode(value)?)?;
    let groups = groups.try_into().map_err(|_| FormatError::Length)?;
    Ok(NodeRow { node: NodeId(node), groups: u16::from_be_bytes(groups) })
}

pub(super) fn encode_hard_state(state: &HardState, out: &mut Vec<u8>) {
    encode(out, |out| {
        for field in [state.term, state.vote, state.commit] {
            out.extend_from_slice(&field.to_be_bytes());
        }
    });
}

pub(super) fn decode_hard_state(value: &[u8]) -> Result<HardState, FormatError> {
    let (term, body) = split_u64(decode(value)?)?;
    let (vote, body) = split_u64(body)?;
    let (commit, body) = split_u64(body)?;
    if !body.is_empty() {
        return Err(FormatError::Length);
    }
    Ok(HardState { term, vote, commit, ..HardState::default() })
}

pub(super) fn encode_trim(row: TrimRow, out: &mut Vec<u8>) {
    encode(out, |out| {
        out.extend_from_slice(&row.lsn.0.to_be_bytes());
        out.extend_from_slice(&row.epoch.0.to_be_bytes());
    });
}

pub(super) fn decode_trim(value: &[u8]) -> Result<TrimRow, FormatError> {
    let (lsn, body) = split_u64(decode(value)?)?;
    let (epoch, body) = split_u64(body)?;
    if !body.is_empty() {
        return Err(FormatError::Length);
    }
    Ok(TrimRow { lsn: Lsn(lsn), epoch: Epoch(epoch) })
}

impl StoredEntry<'_> {
    /// The entry as raft knows it.
    pub(super) fn to_raft(self) -> Entry {
        let mut entry = Entry { index: self.lsn.0, term: self.epoch.0, ..Entry::default() };
        if let Some(payload) = self.payload {
            entry.context = Bytes::from_static(RECORD_CONTEXT);
            entry.data = Bytes::copy_from_slice(payload);
        }
        entry
    }
}

/// A committed entry of raft as readers know it.
pub(super) fn item(entry: Entry) -> Item {
    let payload = (entry.context.as_ref() == RECORD_CONTEXT).then_some(entry.data);
    Item { epoch: Epoch(entry.term), payload }
}

fn encode(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.clear();
    out.push(VERSION);
    out.extend_from_slice(&[0; 4]);
    body(out);
    let checksum = crc32c::crc32c(&out[ENVELOPE_BYTES..]);
    out[1..ENVELOPE_BYTES].copy_from_slice(&checksum.to_be_bytes());
}

/// The body of a value whose envelope is whole.
fn decode(value: &[u8]) -> Result<&[u8], FormatError> {
    let (version, rest) = value.split_first().ok_or(FormatError::Length)?;
    if *version != VERSION {
        return Err(FormatError::Version(*version));
    }
    let (checksum, body) = rest.split_first_chunk::<4>().ok_or(FormatError::Length)?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
        return Err(FormatError::Checksum);
    }
    Ok(body)
}

fn split_u64(bytes: &[u8]) -> Result<(u64, &[u8]), FormatError> {
    let (number, rest) = bytes.split_first_chunk::<8>().ok_or(FormatError::Length)?;
    Ok((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

    use super::*;

    fn record(payload: &[u8]) -> Entry {
        Entry {
            index: 7,
            term: 3,
            data: Bytes::copy_from_slice(payload),
            context: Bytes::from_static(RECORD_CONTEXT),
            ..Entry::default()
        }
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let own = Entry { index: 7, term: 3, ..Entry::default() };
        for entry in [own, record(b""), record(b"payload")] {
            let mut value = Vec::new();
            encode_entry(&entry, &mut value);
            assert_eq!(decode_entry(Lsn(7), &value).unwrap().to_raft(), entry);
            assert_eq!(decode_entry(Lsn(8), &value), Err(FormatError::Lsn(Lsn(7))));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let mut value = Vec::new();
        encode_entry(&record(b"payload"), &mut value);
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_entry(Lsn(7), &damaged).is_err(), "bit {bit}");
        }
        for length in 0..value.len() {
            assert!(decode_entry(Lsn(7), &value[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn rows_read_back_as_they_were_written() {
        let mut value = Vec::new();
        let node = NodeRow { node: NodeId(5), groups: 8 };
        encode_node(node, &mut value);
        assert_eq!(decode_node(&value), Ok(node));
        assert_eq!(decode_trim(&value), Err(FormatError::Length));

        let trim = TrimRow { lsn: Lsn(9), epoch: Epoch(2) };
        encode_trim(trim, &mut value);
        assert_eq!(decode_trim(&value), Ok(trim));
        assert_eq!(decode_hard_state(&value), Err(FormatError::Length));

        let state = HardState { term: 4, vote: 1, commit: 9, ..HardState::default() };
        encode_hard_state(&state, &mut value);
        assert_eq!(decode_hard_state(&value), Ok(state));
        assert_eq!(decode_node(&value), Err(FormatError::Length));
    }
}
