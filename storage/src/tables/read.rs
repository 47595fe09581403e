//! Reading committed rows, the same from a database as from a snapshot of it.

use bytes::Bytes;
use relight_core::tables::{Key, Prefix, Row, TablesError};
use rocksdb::{DB, DBPinnableSlice, DBRawIterator, ReadOptions, Snapshot};

use crate::format::{decode_row, key};

/// A set of committed rows.
pub(crate) trait Committed {
    fn value(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>;

    fn iterator(&self, options: ReadOptions) -> DBRawIterator<'_>;
}

impl Committed for DB {
    fn value(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, rocksdb::Error> {
        self.get_pinned(key)
    }

    fn iterator(&self, options: ReadOptions) -> DBRawIterator<'_> {
        self.raw_iterator_opt(options)
    }
}

impl Committed for Snapshot<'_> {
    fn value(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, rocksdb::Error> {
        self.get_pinned(key)
    }

    fn iterator(&self, options: ReadOptions) -> DBRawIterator<'_> {
        self.raw_iterator_opt(options)
    }
}

pub(crate) fn get_row(committed: &impl Committed, key: &Key) -> Result<Option<Row>, TablesError> {
    let value = committed.value(&key::encode(key)).map_err(|error| read_error(key, error))?;
    value.map(|value| decode(key, &value)).transpose()
}

/// Rows of `prefix` in the order of keys, from the first after `after`. Nothing follows an error.
pub(crate) fn rows<'a, C: Committed>(
    committed: &'a C,
    prefix: &Prefix,
    after: Option<&Key>,
) -> impl Iterator<Item = Result<(Key, Row), TablesError>> + use<'a, C> {
    entries(committed, prefix, after, |key, value| {
        let row = decode(&key, value)?;
        Ok((key, row))
    })
}

/// Keys of `prefix`. The values are not looked at.
pub(super) fn keys(committed: &impl Committed, prefix: &Prefix) -> Result<Vec<Key>, TablesError> {
    entries(committed, prefix, None, |key, _| Ok(key)).collect()
}

fn entries<'a, C: Committed, T, F: Fn(Key, &[u8]) -> Result<T, TablesError>>(
    committed: &'a C,
    prefix: &Prefix,
    after: Option<&Key>,
    entry: F,
) -> impl Iterator<Item = Result<T, TablesError>> + use<'a, C, T, F> {
    let (start, end) = key::range(prefix, after);
    // For errors, which are about some key of this range.
    let lowest = key::lowest(prefix);
    let mut iterator = (start < end).then(|| {
        let mut options = ReadOptions::default();
        // The bounds keep it from stepping over what was deleted outside of them.
        options.set_iterate_lower_bound(start);
        options.set_iterate_upper_bound(end);
        let mut iterator = committed.iterator(options);
        iterator.seek_to_first();
        iterator
    });
    std::iter::from_fn(move || {
        let position = iterator.as_mut()?;
        let next = match position.item() {
            Some((key, value)) => key::decode(key)
                .map_err(|error| TablesError::Damaged {
                    key: Box::new(lowest.clone()),
                    reason: format!("in this range is a key that can't be read: {error}"),
                })
                .and_then(|key| entry(key, value)),
            None => match position.status() {
                Ok(()) => {
                    iterator = None;
                    return None;
                }
                Err(error) => Err(read_error(&lowest, error)),
            },
        };
        match next {
            Ok(_) => position.next(),
            Err(_) => iterator = None,
        }
        Some(next)
    })
}

fn decode(key: &Key, value: &[u8]) -> Result<Row, TablesError> {
    decode_row(Bytes::copy_from_slice(value))
        .map_err(|error| TablesError::Damaged { key: Box::new(key.clone()), reason: error.to_string() })
}

fn read_error(key: &Key, error: rocksdb::Error) -> TablesError {
    TablesError::Read { key: Box::new(key.clone()), source: error.into() }
}
