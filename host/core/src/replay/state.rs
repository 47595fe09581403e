//! What an attempt knows about its key's state: its own writes, and what it has read.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::journal::Operation;

/// Lies over the state view. Rebuilt by replay, since it is a function of the operations made.
///
/// What was read is remembered like what was written: a second read of a key needs no entry and agrees with the
/// first, also where other invocations write in between.
#[derive(Default, Debug)]
pub(super) struct StateOverlay {
    /// `None`: known to have no value.
    values: BTreeMap<String, Option<Bytes>>,
    /// All keys that have a value, once that is known.
    keys: Option<BTreeSet<String>>,
    /// Everything was cleared: a key without an item in `values` has no value.
    is_cleared: bool,
}

impl StateOverlay {
    /// The value of `key` if it is known; the inner `None` is no value.
    pub(super) fn value(&self, key: &str) -> Option<Option<&Bytes>> {
        match self.values.get(key) {
            Some(value) => Some(value.as_ref()),
            None => self.is_cleared.then_some(None),
        }
    }

    /// All keys that have a value, if they are known.
    pub(super) fn keys(&self) -> Option<&BTreeSet<String>> {
        self.keys.as_ref()
    }

    /// Keys of the view as this attempt sees them.
    pub(super) fn merge(&self, view: Vec<String>) -> Vec<String> {
        let mut keys: BTreeSet<String> = view.into_iter().collect();
        for (key, value) in &self.values {
            match value {
                Some(_) => keys.insert(key.clone()),
                None => keys.remove(key),
            };
        }
        keys.into_iter().collect()
    }

    pub(super) fn remember_value(&mut self, key: &str, value: Option<Bytes>) {
        self.values.insert(key.to_owned(), value);
    }

    pub(super) fn remember_keys(&mut self, keys: &[String]) {
        self.keys = Some(keys.iter().cloned().collect());
    }

    /// Applies an operation; those that are not writes change nothing.
    pub(super) fn write(&mut self, operation: &Operation) {
        match operation {
            Operation::SetState { key, value } => {
                if let Some(keys) = &mut self.keys {
                    keys.insert(key.clone());
                }
                self.values.insert(key.clone(), Some(value.clone()));
            }
            Operation::ClearState { key } => {
                if let Some(keys) = &mut self.keys {
                    keys.remove(key);
                }
                self.values.insert(key.clone(), None);
            }
            Operation::ClearAllState => {
                *self = Self { is_cleared: true, keys: Some(BTreeSet::new()), values: BTreeMap::new() };
            }
            _ => {}
        }
    }
}
