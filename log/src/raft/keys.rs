//! The keys of the log's RocksDB database: one table of key kinds. Values are in [`super::format`].
//!
//! ```text
//! tag   key                            value                                   rows
//! 0x01  tag                            node row: node id, number of groups     1
//! 0x02  tag  group:u16                 hard state row: term, vote, commit      1 per group
//! 0x03  tag  group:u16                 trim row: last trimmed LSN, its epoch   0 or 1 per group
//! 0x10  tag  group:u16  lsn:u64        entry                                   1 per LSN
//! ```
//! Integers are big-endian, so keys sort by group and LSN. A tag is never reused; a retired one stays in the table.

use crate::position::{GroupId, Lsn};

const TAG_NODE: u8 = 0x01;
const TAG_HARD_STATE: u8 = 0x02;
const TAG_TRIM: u8 = 0x03;
const TAG_ENTRY: u8 = 0x10;

pub(super) const NODE: [u8; 1] = [TAG_NODE];

pub(super) type EntryKey = [u8; 11];

pub(super) fn hard_state(group: GroupId) -> [u8; 3] {
    row(TAG_HARD_STATE, group)
}

pub(super) fn trim(group: GroupId) -> [u8; 3] {
    row(TAG_TRIM, group)
}

pub(super) fn entry(group: GroupId, lsn: Lsn) -> EntryKey {
    let mut key = [0; 11];
    key[..3].copy_from_slice(&row(TAG_ENTRY, group));
    key[3..].copy_from_slice(&lsn.0.to_be_bytes());
    key
}

/// The key after the last possible entry of a group.
pub(super) fn entries_end(group: GroupId) -> Vec<u8> {
    let mut key = entry(group, Lsn(u64::MAX)).to_vec();
    key.push(0);
    key
}

/// The LSN in the key of an entry; `None` for any other key.
pub(super) fn entry_lsn(key: &[u8]) -> Option<Lsn> {
    let key: &EntryKey = key.try_into().ok()?;
    let [TAG_ENTRY, _, _, lsn @ ..] = key else { return None };
    Some(Lsn(u64::from_be_bytes(*lsn)))
}

fn row(tag: u8, group: GroupId) -> [u8; 3] {
    let [high, low] = group.0.to_be_bytes();
    [tag, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_groups_and_lsns_do() {
        let numbers = [0, 1, 0xff, 0x100, 0xffff, 0x1_0000, u64::MAX];
        let groups = [GroupId(0), GroupId(1), GroupId(0xff), GroupId(0x100), GroupId(u16::MAX)];
        let all: Vec<_> =
            groups.iter().flat_map(|group| numbers.iter().map(|lsn| (*group, Lsn(*lsn)))).collect();
        for a in &all {
            for b in &all {
                assert_eq!(entry(a.0, a.1).cmp(&entry(b.0, b.1)), a.cmp(b));
            }
            assert_eq!(entry_lsn(&entry(a.0, a.1)), Some(a.1));
            assert!(entry(a.0, a.1).as_slice() < entries_end(a.0).as_slice());
        }
        assert_eq!(entry_lsn(&hard_state(GroupId(7))), None);
    }
}
