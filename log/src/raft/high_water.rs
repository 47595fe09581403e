//! The durable high-water mark: file `high-water`, which says up to where each group was durable when its last
//! acknowledgement went out. RocksDB may lose the end of a damaged log without a word; this file makes that visible.
//!
//! ```text
//! page p at byte 1024 * p: groups 30 p .. 30 p + 29, as two slots of 512 bytes, written alternately
//!
//! slot  version:u8  crc32c:u32  body      crc32c over the whole body; integers are big-endian
//! body  sequence:u64  groups:u16  then 30 times  lsn:u64  epoch:u64, then zeros
//! ```
//! The valid slot with the greater sequence counts. A page without a valid slot is damage, and so is a file that is
//! missing or has another length although there is a log: never a reason to go on.
//!
//! Cost: one `pwrite` of 512 bytes per page and pass, into the page cache; one `fdatasync` a second while the mark
//! moves. After a power cut the file may therefore lag by a second; after a kill it does not lag, because the page
//! cache survives.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::disk::SharedDisk;
use crate::position::{Epoch, GroupId, Lsn};

/// The name of the file inside the log's folder.
pub(super) const FILE_NAME: &str = "high-water";

const VERSION: u8 = 1;
/// One sector: the unit that a disk writes whole or not at all.
const SLOT_BYTES: usize = 512;
const PAGE_BYTES: usize = 2 * SLOT_BYTES;
const ENVELOPE_BYTES: usize = 1 + 4;
const MARK_BYTES: usize = 16;
/// As many as fit beside version, checksum, sequence and group count.
const PAGE_GROUPS: usize = 30;
const _: () = assert!(ENVELOPE_BYTES + 8 + 2 + PAGE_GROUPS * MARK_BYTES <= SLOT_BYTES);

/// How far a group is durable: the last LSN and the raft term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) lsn: Lsn,
    pub(super) epoch: Epoch,
}

/// The open file and what it says.
#[derive(Debug)]
pub(super) struct HighWater {
    file: MarkFile,
    pages: Vec<Page>,
    groups: u16,
    /// Whether something was written since the last sync.
    unsynced: bool,
}

#[derive(Debug)]
enum MarkFile {
    File(File),
    Disk(SharedDisk),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Page {
    sequence: u64,
    marks: [Mark; PAGE_GROUPS],
    dirty: bool,
}

/// Why there is no high-water mark.
#[derive(Debug, Error)]
pub(super) enum HighWaterError {
    #[error("the file is missing")]
    Missing,
    #[error("the file has {found} bytes instead of {expected}")]
    Length { found: u64, expected: u64 },
    #[error("both copies of the mark of groups {first} to {last} are damaged")]
    BothSlots { first: usize, last: usize },
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE_NAME)
}

impl HighWater {
    /// A file for a log that has never held anything. It appears whole, or not at all.
    pub(super) fn create(folder: &Path, groups: u16) -> io::Result<HighWater> {
        let (pages, bytes) = first_pages(groups);
        let draft = folder.join("high-water.new");
        let mut file = File::options().create(true).truncate(true).read(true).write(true).open(&draft)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path(folder))?;
        File::open(folder)?.sync_all()?;
        Ok(HighWater { file: MarkFile::File(file), pages, groups, unsynced: false })
    }

    /// The same on a disk of another kind.
    pub(super) fn create_on(disk: SharedDisk, groups: u16) -> io::Result<HighWater> {
        let (pages, bytes) = first_pages(groups);
        disk.create_mark(&bytes)?;
        Ok(HighWater { file: MarkFile::Disk(disk), pages, groups, unsynced: false })
    }

    pub(super) fn open(folder: &Path) -> Result<HighWater, HighWaterError> {
        let mut file = match File::options().read(true).write(true).open(path(folder)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(HighWaterError::Missing),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Self::read(MarkFile::File(file), &bytes)
    }

    pub(super) fn open_on(disk: SharedDisk) -> Result<HighWater, HighWaterError> {
        let bytes = disk.read_mark()?.ok_or(HighWaterError::Missing)?;
        Self::read(MarkFile::Disk(disk), &bytes)
    }

    fn read(file: MarkFile, bytes: &[u8]) -> Result<HighWater, HighWaterError> {
        // The groups are named in every slot; the first page that can be read tells the length of the file.
        let (first, groups) = read_page(bytes, 0)?;
        let length = |bytes: usize| u64::try_from(bytes).expect("a file of some pages fits u64");
        let (found, expected) = (length(bytes.len()), length(page_count(groups) * PAGE_BYTES));
        if found != expected {
            return Err(HighWaterError::Length { found, expected });
        }
        let mut pages = vec![first];
        for index in 1..page_count(groups) {
            pages.push(read_page(bytes, index)?.0);
        }
        Ok(HighWater { file, pages, groups, unsynced: false })
    }

    /// How many groups the log was created with.
    pub(super) fn groups(&self) -> u16 {
        self.groups
    }

    pub(super) fn mark(&self, group: GroupId) -> Mark {
        let (page, slot) = place(group);
        self.pages[page].marks[slot]
    }

    /// Whether any group ever acknowledged anything.
    pub(super) fn is_zero(&self) -> bool {
        self.pages.iter().all(|page| page.marks.iter().all(|mark| *mark == Mark::default()))
    }

    /// Sets a mark in memory; [`HighWater::write`] makes it count.
    pub(super) fn set(&mut self, group: GroupId, mark: Mark) {
        let (page, slot) = place(group);
        let page = &mut self.pages[page];
        page.dirty |= page.marks[slot] != mark;
        page.marks[slot] = mark;
    }

    /// Hands the changed pages to the operating system.
    pub(super) fn write(&mut self) -> io::Result<()> {
        for (index, page) in self.pages.iter_mut().enumerate().filter(|(_, page)| page.dirty) {
            page.sequence += 1;
            page.dirty = false;
            let bytes = encode(page, self.groups);
            self.file.write_at(&bytes, slot_offset(index, page.sequence))?;
            self.unsynced = true;
        }
        Ok(())
    }

    pub(super) fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        match &self.file {
            MarkFile::File(file) => file.sync_data()?,
            MarkFile::Disk(disk) => disk.sync_mark()?,
        }
        self.unsynced = false;
        Ok(())
    }

    /// Spoils the second half of the slots written last, as a torn write would have left them.
    pub(super) fn tear(&self) -> io::Result<()> {
        for (index, page) in self.pages.iter().enumerate() {
            let half = u64::try_from(SLOT_BYTES / 2).expect("half a sector fits u64");
            let spoilt = [0xa5; SLOT_BYTES / 2];
            self.file.write_at(&spoilt, slot_offset(index, page.sequence) + half)?;
        }
        Ok(())
    }
}

impl MarkFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all_at(bytes, offset),
            Self::Disk(disk) => disk.write_mark(offset, bytes),
        }
    }
}

/// The pages of a new file, and its bytes.
fn first_pages(groups: u16) -> (Vec<Page>, Vec<u8>) {
    let page = Page { sequence: 1, marks: [Mark::default(); PAGE_GROUPS], dirty: false };
    let pages = vec![page; page_count(groups)];
    let mut bytes = Vec::with_capacity(pages.len() * PAGE_BYTES);
    for page in &pages {
        for sequence in [page.sequence - 1, page.sequence] {
            bytes.extend_from_slice(&encode(&Page { sequence, ..page.clone() }, groups));
        }
    }
    (pages, bytes)
}

/// The valid slot of a page with the greater sequence, and the group count it names.
fn read_page(file: &[u8], index: usize) -> Result<(Page, u16), HighWaterError> {
    let slots = file.get(index * PAGE_BYTES..).unwrap_or_default().chunks_exact(SLOT_BYTES).take(2);
    let whole = slots.filter_map(|slot| decode(slot.try_into().expect("chunks have the size of a slot")));
    let first = index * PAGE_GROUPS;
    whole
        .max_by_key(|(page, _)| page.sequence)
        .ok_or(HighWaterError::BothSlots { first, last: first + PAGE_GROUPS - 1 })
}

fn encode(page: &Page, groups: u16) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let mut out = &mut slot[ENVELOPE_BYTES..];
    let mut put = |bytes: &[u8]| out.write_all(bytes).expect("a slot has room for all its marks");
    put(&page.sequence.to_be_bytes());
    put(&groups.to_be_bytes());
    for mark in &page.marks {
        put(&mark.lsn.0.to_be_bytes());
        put(&mark.epoch.0.to_be_bytes());
    }
    slot[0] = VERSION;
    let checksum = crc32c::crc32c(&slot[ENVELOPE_BYTES..]);
    slot[1..ENVELOPE_BYTES].copy_from_slice(&checksum.to_be_bytes());
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<(Page, u16)> {
    let (checksum, body) = slot[1..].split_first_chunk::<4>()?;
    if slot[0] != VERSION || crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
        return None;
    }
    let (sequence, body) = body.split_first_chunk::<8>()?;
    let (groups, body) = body.split_first_chunk::<2>()?;
    let mut page =
        Page { sequence: u64::from_be_bytes(*sequence), marks: [Mark::default(); PAGE_GROUPS], dirty: false };
    for (mark, bytes) in page.marks.iter_mut().zip(body.chunks_exact(MARK_BYTES)) {
        let (lsn, epoch) = bytes.split_first_chunk::<8>()?;
        *mark = Mark {
            lsn: Lsn(u64::from_be_bytes(*lsn)),
            epoch: Epoch(u64::from_be_bytes(epoch.try_into().ok()?)),
        };
    }
    Some((page, u16::from_be_bytes(*groups)))
}

fn page_count(groups: u16) -> usize {
    usize::from(groups).div_ceil(PAGE_GROUPS).max(1)
}

fn place(group: GroupId) -> (usize, usize) {
    (usize::from(group.0) / PAGE_GROUPS, usize::from(group.0) % PAGE_GROUPS)
}

fn slot_offset(page: usize, sequence: u64) -> u64 {
    let slot = if sequence.is_multiple_of(2) { 0 } else { SLOT_BYTES };
    u64::try_from(page * PAGE_BYTES + slot).expect("an offset in a file of some pages fits u64")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

    use super::*;

    const GROUPS: u16 = 65;

    fn mark(n: u64) -> Mark {
        Mark { lsn: Lsn(n), epoch: Epoch(n / 10) }
    }

    #[test]
    fn marks_of_all_pages_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = HighWater::create(folder.path(), GROUPS).unwrap();
        assert!(HighWater::open(folder.path()).unwrap().is_zero());
        for round in 1..4 {
            for group in 0..GROUPS {
                written.set(GroupId(group), mark(u64::from(group) + 100 * round));
            }
            written.write().unwrap();
        }
        let read = HighWater::open(folder.path()).unwrap();
        assert_eq!(read.groups(), GROUPS);
        assert_eq!(read.pages, written.pages);
        assert_eq!(read.mark(GroupId(64)), mark(364));
    }

    #[test]
    fn a_torn_slot_falls_back_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = HighWater::create(folder.path(), 1).unwrap();
        for n in 1..=3 {
            written.set(GroupId(0), mark(n));
            written.write().unwrap();
        }
        written.tear().unwrap();
        assert_eq!(HighWater::open(folder.path()).unwrap().mark(GroupId(0)), mark(2));
    }

    #[test]
    fn a_flipped_bit_costs_at_most_one_slot() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = HighWater::create(folder.path(), 1).unwrap();
        written.set(GroupId(0), mark(70));
        written.write().unwrap();
        let whole = fs::read(path(folder.path())).unwrap();
        for bit in (0..whole.len() * 8).step_by(3) {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(path(folder.path()), &damaged).unwrap();
            // The slot of sequence 2 is the first of the two.
            let expected = if bit < SLOT_BYTES * 8 { Mark::default() } else { mark(70) };
            assert_eq!(HighWater::open(folder.path()).unwrap().mark(GroupId(0)), expected, "bit {bit}");
        }
    }

    #[test]
    fn a_file_without_a_valid_slot_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(HighWater::open(folder.path()), Err(HighWaterError::Missing)));
        drop(HighWater::create(folder.path(), 1).unwrap());
        let whole = fs::read(path(folder.path())).unwrap();
        for length in (0..SLOT_BYTES).step_by(7) {
            fs::write(path(folder.path()), &whole[..length]).unwrap();
            assert!(
                matches!(HighWater::open(folder.path()), Err(HighWaterError::BothSlots { .. })),
                "length {length}"
            );
        }
        fs::write(path(folder.path()), &whole[..SLOT_BYTES]).unwrap();
        assert!(matches!(HighWater::open(folder.path()), Err(HighWaterError::Length { .. })));
    }
}
