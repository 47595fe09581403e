//! Two sets of rows as one, in the order of keys: what is above hides what is below.

use std::cmp::Ordering;

use relight_core::tables::{Key, Row, TablesError};

/// A changed row; `None` is a deleted one.
type Change<'a> = (&'a Key, &'a Option<Row>);

/// Changes above other changes.
pub(super) fn upper<'a>(
    above: impl Iterator<Item = Change<'a>>,
    below: impl Iterator<Item = Change<'a>>,
) -> impl Iterator<Item = Change<'a>> {
    let (mut above, mut below) = (above.peekable(), below.peekable());
    std::iter::from_fn(move || {
        let order = match (above.peek(), below.peek()) {
            (Some((above, _)), Some((below, _))) => above.cmp(below),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => above.next(),
            Ordering::Equal => {
                below.next();
                above.next()
            }
            Ordering::Greater => below.next(),
        }
    })
}

/// At most `limit` rows, of changes above stored ones.
pub(crate) fn scan<'a>(
    above: impl Iterator<Item = Change<'a>>,
    below: impl Iterator<Item = Result<(Key, Row), TablesError>>,
    limit: usize,
) -> Result<Vec<(Key, Row)>, TablesError> {
    let (mut above, mut below) = (above.peekable(), below.peekable());
    let mut found = Vec::new();
    while found.len() < limit {
        let order = match (above.peek(), below.peek()) {
            (None, None) => break,
            (None, Some(_)) | (Some(_), Some(Err(_))) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some((above, _)), Some(Ok((below, _)))) => (*above).cmp(below),
        };
        let row = match order {
            Ordering::Less => above.next().and_then(owned),
            Ordering::Equal => {
                below.next();
                above.next().and_then(owned)
            }
            Ordering::Greater => below.next().transpose()?,
        };
        found.extend(row);
    }
    Ok(found)
}

fn owned((key, row): Change<'_>) -> Option<(Key, Row)> {
    row.clone().map(|row| (key.clone(), row))
}
