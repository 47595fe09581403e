//! What can go wrong with a node's log: when it is opened, and while it runs.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::fault::NotAFault;
use crate::position::{GroupId, Lsn, NodeId};

/// Why a log was not opened. Nothing was changed in its files.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Something that was acknowledged may be gone, or something is there that was not written. A node MUST NOT go on
    /// with such a log; the program ends with exit code 74.
    #[error("the log is damaged: `{}`, group {group}, LSN {lsn}: {reason}", .file.display())]
    Damaged {
        /// The file, or the folder when no single file can be named.
        file: PathBuf,
        group: GroupId,
        /// The first LSN that is not whole. When the file as a whole is unreadable: the last one that was
        /// acknowledged, of the group that has most.
        lsn: Lsn,
        reason: String,
    },
    /// The folder is in use.
    #[error("`{}` is in use by another process", .folder.display())]
    Locked { folder: PathBuf },
    /// The folder belongs to another node.
    #[error("the log belongs to node {stored}, not to node {asked}")]
    OtherNode { stored: NodeId, asked: NodeId },
    /// The number of groups is fixed when a log is created.
    #[error("the log has {stored} groups, not {asked}")]
    OtherGroupCount { stored: u16, asked: u16 },
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot open the database `{}`", .folder.display())]
    Database {
        folder: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Consensus refused what the store holds.
    #[error("cannot start group {group}")]
    Group {
        group: GroupId,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(transparent)]
    NotAFault(#[from] NotAFault),
    /// The log was opened and failed at once.
    #[error("cannot begin")]
    Begin(#[source] FatalError),
}

/// Why a running log ended. What was appended and not answered is unknown; nothing is acknowledged any more. The only
/// way on is a new process: after a failed sync the page cache no longer says what is on the disk.
#[derive(Debug, Error)]
pub enum FatalError {
    #[error("cannot write to the log's database")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot write the high-water mark")]
    HighWater(#[source] io::Error),
    #[error("consensus of group {group} failed")]
    Consensus {
        group: GroupId,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An assertion of ours or of the consensus library failed.
    #[error("the log's thread panicked: {0}")]
    Panic(String),
}

impl OpenError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
        move |source| OpenError::Io { action, path: path.to_owned(), source }
    }
}
