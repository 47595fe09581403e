//! Records of invocations: the row and the whole journal, read for a replay.

use std::sync::Arc;

use hyper::StatusCode;
use relight_core::{
    InvocationId,
    journal::JournalItem,
    tables::{Invocation, ReadTables, ReadTablesExt as _},
};
use relight_executor::Recorded;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Admin,
    codes::Code,
    error::{Error, Result},
    journal::read_items,
};

/// Journals that are in memory at once; one may have 64 MiB.
pub(crate) const RECORDS_MAX: usize = 4;
/// Times that a journal is read before it is given up; one that is purged meanwhile is read twice.
const READ_TRIES: usize = 3;

/// A record, as it was at one moment.
pub(crate) struct Record {
    pub(crate) invocation: Box<Invocation>,
    /// Empty when the journal is no longer kept.
    pub(crate) journal: Vec<JournalItem>,
    /// Others wait until this one is gone.
    _permit: OwnedSemaphorePermit,
}

impl Record {
    /// For the executor. One that has not started has its input only, which counts from its arrival.
    pub(crate) fn recorded(&mut self) -> Recorded {
        let invocation = &self.invocation;
        Recorded {
            id: invocation.id,
            incarnation: invocation.incarnation,
            target: invocation.target.clone(),
            kind: invocation.kind,
            mode: invocation.mode,
            idempotency_key: invocation.idempotency_key.clone(),
            invoked_by: invocation.invoked_by,
            created_at: invocation.created_at,
            started_at: invocation.started_at.unwrap_or(invocation.created_at),
            restarted: invocation.restarted.clone(),
            abort_timeout: invocation.policies.abort_timeout,
            journal: std::mem::take(&mut self.journal),
        }
    }
}

impl Admin {
    pub(crate) async fn row(&self, id: InvocationId) -> Result<Option<Box<Invocation>>> {
        let read = move |tables: &dyn ReadTables| tables.invocation(id);
        Ok(self.partition_of(id).read(read).await??)
    }

    /// `None` when there is no such invocation.
    pub(crate) async fn record(&self, id: InvocationId) -> Result<Option<Record>> {
        let permits = Arc::clone(&self.inner.records);
        let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
        for _ in 0..READ_TRIES {
            let Some(invocation) = self.row(id).await? else { return Ok(None) };
            let journal = self.whole_journal(id, invocation.journal.items as usize).await?;
            // In pieces, and between two of them it may have been purged, or purged and begun again.
            let same = self.row(id).await?.is_some_and(|now| now.incarnation == invocation.incarnation);
            if same && journal.len() == invocation.journal.items as usize {
                return Ok(Some(Record { invocation, journal, _permit: permit }));
            }
        }
        let message = format!("the journal of invocation `{id}` is being purged");
        Err(Error::new(StatusCode::CONFLICT, Code::JournalChanged, message))
    }

    /// The first `items` items, or fewer where there are not so many.
    async fn whole_journal(&self, id: InvocationId, items: usize) -> Result<Vec<JournalItem>> {
        let mut journal = Vec::with_capacity(items);
        let mut after = None;
        while journal.len() < items {
            let read = self.partition_of(id).read(move |tables| read_items(tables, id, after)).await??;
            let Some((last, _)) = read.last() else { break };
            after = Some(*last);
            journal.extend(read.into_iter().map(|(_, item)| item));
        }
        journal.truncate(items);
        Ok(journal)
    }
}
