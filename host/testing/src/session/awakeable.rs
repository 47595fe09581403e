//! Which awakeable a step means.

use relight_core::{
    AwakeableId, EntryIndex, InvocationId,
    tables::{Key, MemoryTables, OpenKind, Prefix, ReadTables as _, Row},
};

use super::{Result, Session, StepError, bad};

impl Session {
    pub(super) fn awakeable(
        &self,
        reference: &str,
        index: Option<u32>,
        log: Option<&str>,
    ) -> Result<AwakeableId> {
        match (reference.parse(), index, log) {
            (Ok(id), None, None) => return Ok(id),
            (_, Some(_), Some(_)) => {
                return Err(bad("an awakeable is named by `index` or by `log`, not by both"));
            }
            _ => {}
        }
        let row = self.invocation(reference)?;
        if let Some(text) = log {
            let lines = self.engine.log.of(&row.id.to_string());
            return in_lines(&lines, text).ok_or_else(|| {
                let message =
                    format!("`{reference}` has logged no line with `{text}` and the id of an awakeable");
                self.explained(crate::report::Problem::new(message), row.id)
            });
        }
        let index = match index {
            Some(index) => EntryIndex(index),
            None => match open(&self.world.tables, row.id)?[..] {
                [index] => index,
                [] => return Err(StepError::failed(format!("`{reference}` waits for no awakeable"))),
                _ => {
                    let message =
                        format!("`{reference}` has several awakeables: say which with `index` or `log`");
                    return Err(StepError::Bad(message));
                }
            },
        };
        Ok(AwakeableId { invocation: row.id, incarnation: row.incarnation, index })
    }
}

fn open(tables: &MemoryTables, id: InvocationId) -> Result<Vec<EntryIndex>> {
    let rows = tables.scan(&Prefix::Open(id), None, usize::MAX)?;
    let open = rows.into_iter().filter_map(|row| match row {
        (Key::Open(_, index), Row::Open(open)) if open.kind == OpenKind::Awakeable => Some(index),
        _ => None,
    });
    Ok(open.collect())
}

/// The id in the last line that has `text` and one.
fn in_lines(lines: &[String], text: &str) -> Option<AwakeableId> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let id = |line: &String| line.split(|c| !word(c)).find_map(|part| part.parse().ok());
    lines.iter().rev().filter(|line| line.contains(text)).find_map(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relight_core::{Lsn, PartitionKey};

    #[test]
    fn the_id_is_found_in_the_last_line_that_has_one() {
        let id = |index| AwakeableId {
            invocation: InvocationId { key: PartitionKey(1), unique: 2 },
            incarnation: Lsn(3),
            index: EntryIndex(index),
        };
        let lines = [
            format!("INFO approve with {}.", id(1)),
            format!("INFO approve with <{}> or not", id(2)),
            "INFO approve with sign_1nothing".to_owned(),
            format!("INFO another: {}", id(3)),
        ];
        assert_eq!(in_lines(&lines, "approve"), Some(id(2)));
        assert_eq!(in_lines(&lines, "another"), Some(id(3)));
        assert_eq!(in_lines(&lines, "nobody"), None);
    }
}
