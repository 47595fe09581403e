//! Completing awakeables, from doors and from handlers. The first result wins; later ones are accepted and ignored.

use super::{Transition, operation_at};
use crate::{
    action::{Answer, Refusal},
    ids::AwakeableId,
    journal::{Entry, Operation},
    tables::{OpenKind, ReadTablesExt, Status, Tables, TablesError},
    value::{Outcome, Value},
};

impl<T: Tables> Transition<'_, T> {
    pub(super) fn resolve_awakeable(
        &mut self,
        id: AwakeableId,
        outcome: Outcome,
    ) -> Result<Answer, TablesError> {
        let invocation =
            self.tables.invocation(id.invocation)?.filter(|row| row.incarnation == id.incarnation);
        let Some(invocation) = invocation else {
            return Ok(Self::unknown(id.invocation));
        };
        if let Status::Completed { .. } = invocation.status {
            return Ok(Answer::Resolved);
        }
        match self.tables.open(id.invocation, id.index)? {
            Some(open) if open.kind == OpenKind::Awakeable => {
                self.complete_handle(invocation, id.index, Value::from(outcome))?;
                Ok(Answer::Resolved)
            }
            Some(_) => Ok(unknown_awakeable(id)),
            None => {
                let journal = self.tables.journal(id.invocation)?;
                let made = operation_at(&journal, id.index);
                match made {
                    Some(Entry { operation: Operation::Awakeable, .. }) => Ok(Answer::Resolved),
                    _ => Ok(unknown_awakeable(id)),
                }
            }
        }
    }
}

fn unknown_awakeable(id: AwakeableId) -> Answer {
    Answer::Refused(Refusal::UnknownAwakeable { id: id.invocation, index: id.index })
}
