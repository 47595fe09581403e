//! The positions and names of the log: groups, nodes, LSNs, epochs and the record that a reader gets.
//! No behaviour beyond stepping a position; how they are stored is [`crate::raft`]'s business.

use std::fmt;

use bytes::Bytes;

/// One replicated log among those of a node: the log of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u16);

/// One node of the cluster. Zero is not a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Position of a record in the log of its group. The first position is [`Lsn::FIRST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// Number of a leadership of one group. A newer leader has a greater epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A committed record.
///
/// The LSNs that a reader sees ascend strictly but may skip: a log also stores items of its own (a new leader's
/// first entry), which take an LSN and are not records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub lsn: Lsn,
    /// The leadership that appended it.
    pub epoch: Epoch,
    /// What was appended, not copied as long as it stays in memory.
    pub payload: Bytes,
}

impl Lsn {
    /// Before the first record: the trim point and the commit position of an empty log.
    pub const ZERO: Lsn = Lsn(0);
    /// The position of the first item of a log.
    pub const FIRST: Lsn = Lsn(1);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Lsn {
        Lsn(self.0 + 1)
    }
}

impl Epoch {
    /// Before the first leadership.
    pub const ZERO: Epoch = Epoch(0);
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
