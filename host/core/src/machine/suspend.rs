//! An attempt that waits gives its instance up, unless what it waits for has come in the meantime.

use std::collections::BTreeSet;

use super::Transition;
use crate::{
    command::{Wait, WaitMode},
    ids::{EntryIndex, FencingToken, InvocationId},
    tables::{Key, Open, ReadTablesExt, Row, Status, Tables, TablesError},
};

impl<T: Tables> Transition<'_, T> {
    /// When the wait is already answered nothing happens: the answer is on its way to the attempt, which goes on.
    pub(super) fn suspend(
        &mut self,
        id: InvocationId,
        token: FencingToken,
        wait: &Wait,
    ) -> Result<(), TablesError> {
        let Some(mut invocation) = self.attempted(id, token)? else {
            return Ok(());
        };
        if wait.operations != invocation.journal.operations {
            return self.restart(invocation);
        }
        let handles: BTreeSet<EntryIndex> = wait.handles.iter().copied().collect();
        let mut open: Vec<(EntryIndex, Open)> = Vec::with_capacity(handles.len());
        for index in &handles {
            if let Some(row) = self.tables.open(id, *index)? {
                open.push((*index, row));
            }
        }
        let answered = match wait.mode {
            WaitMode::Any => open.len() < handles.len(),
            WaitMode::All => open.is_empty(),
        };
        if answered || invocation.cancel.is_some() {
            return Ok(());
        }
        let suspended = self.lsn;
        let remaining = u32::try_from(open.len()).expect("handles are indexes, which are u32");
        for (index, mut row) in open {
            row.waited_by = suspended;
            self.tables.put(Key::Open(id, index), Row::Open(row));
        }
        self.leave_stage(&mut invocation)?;
        invocation.status = Status::Suspended { mode: wait.mode, suspended, remaining };
        self.put_invocation(invocation);
        Ok(())
    }
}
