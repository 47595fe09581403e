//! [`Fault`]: why a processor had to stop although nobody asked it to, and the hook that is told.
//!
//! A fault is never handled: tables that disagree with the log, or a log that cannot be read, must not be limped on.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use relight_core::ids::{Lsn, PartitionId};
use relight_core::tables::TablesError;
use relight_log::{AppendError, ReadError};
use relight_storage::format::FormatError;
use relight_storage::{OpenError, WriteError};

/// Why a partition stopped.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("partition {partition} stopped: its tables cannot be read")]
    Tables {
        partition: PartitionId,
        #[source]
        source: TablesError,
    },
    #[error("partition {partition} stopped: its tables cannot be written")]
    Write {
        partition: PartitionId,
        #[source]
        source: WriteError,
    },
    #[error("partition {partition} stopped: its tables cannot be taken back to what the log has")]
    Reopen {
        partition: PartitionId,
        #[source]
        source: OpenError,
    },
    #[error("partition {partition} stopped: its log has refused an append of its leader")]
    Append {
        partition: PartitionId,
        #[source]
        source: AppendError,
    },
    #[error("partition {partition} stopped: its log cannot be read")]
    Log {
        partition: PartitionId,
        #[source]
        source: ReadError,
    },
    #[error("partition {partition} stopped: the record at LSN {lsn} cannot be decoded")]
    Record {
        partition: PartitionId,
        lsn: Lsn,
        #[source]
        source: FormatError,
    },
    #[error("partition {partition} stopped: its processor panicked")]
    Panicked { partition: PartitionId },
}

/// Is told about a fault, once, on the thread of the processor. A server ends the process here.
pub type FaultHook = Arc<dyn Fn(Fault) + Send + Sync>;

/// Logs the fault with its causes and aborts the process: clients see a closed connection, never a wrong answer.
pub(crate) fn abort() -> FaultHook {
    Arc::new(|fault| {
        tracing::error!(fault = chain(&fault), "a partition stopped, the process ends");
        std::process::abort();
    })
}

/// The error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("writing to a string cannot fail");
        cause = error.source();
    }
    text
}
