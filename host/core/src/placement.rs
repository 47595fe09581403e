//! Which partition an invocation lives on, and how ids are derived from keys.

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    ids::{EntryIndex, Incarnation, InvocationId, PartitionId, PartitionKey},
    value::Target,
};

/// The number of partitions of a data directory; each owns an equal range of partition keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partitioning {
    count: u16,
}

impl Partitioning {
    /// `count`: at least 1.
    pub fn new(count: u16) -> Self {
        assert!(count >= 1, "a data directory has at least one partition");
        Self { count }
    }

    pub fn count(self) -> u16 {
        self.count
    }

    pub fn partitions(self) -> impl Iterator<Item = PartitionId> {
        (0..self.count).map(PartitionId)
    }

    pub fn partition(self, key: PartitionKey) -> PartitionId {
        let scaled = (u128::from(key.0) * u128::from(self.count)) >> 64;
        PartitionId(u16::try_from(scaled).expect("less than count, which is a u16"))
    }
}

/// Hash over length-prefixed parts, so that ("ab", "c") and ("a", "bc") differ.
fn partition_key(parts: &[&str]) -> PartitionKey {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    PartitionKey(xxh3_64(&bytes))
}

fn sha256_128(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    u128::from_be_bytes(digest[..16].try_into().expect("SHA-256 has 32 bytes"))
}

/// Partition key of a target that fixes one: a keyed one, or an un-keyed one with an idempotency key. Others go where
/// their caller is.
pub fn placed(target: &Target, idempotency_key: Option<&str>) -> Option<PartitionKey> {
    match (&target.key, idempotency_key) {
        (Some(key), _) => Some(partition_key(&[&target.service, key])),
        (None, Some(idempotency)) => Some(partition_key(&[&target.service, &target.handler, idempotency])),
        (None, None) => None,
    }
}

/// Id of an invocation with an idempotency key: the same for every door and every attempt.
pub fn idempotent_id(target: &Target, idempotency_key: &str) -> InvocationId {
    let key = placed(target, Some(idempotency_key)).expect("an idempotency key fixes the place");
    let object = target.key.as_deref();
    let unique = sha256_128(&[
        b"ik",
        target.service.as_bytes(),
        if object.is_some() { b"k" } else { b"" },
        object.unwrap_or_default().as_bytes(),
        target.handler.as_bytes(),
        idempotency_key.as_bytes(),
    ]);
    InvocationId { key, unique }
}

/// Id of the one run of a workflow's key.
pub fn workflow_id(service: &str, key: &str) -> InvocationId {
    let unique = sha256_128(&[b"wf", service.as_bytes(), key.as_bytes()]);
    InvocationId { key: partition_key(&[service, key]), unique }
}

/// Id of a callee: the same whenever the operation `index` of this life of `caller` is made again.
pub fn callee_id(
    caller: InvocationId,
    incarnation: Incarnation,
    index: EntryIndex,
    target: &Target,
    idempotency_key: Option<&str>,
) -> InvocationId {
    if let Some(idempotency_key) = idempotency_key {
        return idempotent_id(target, idempotency_key);
    }
    let key = placed(target, None).unwrap_or(caller.key);
    let unique =
        sha256_128(&[b"callee", &caller.to_bytes(), &incarnation.0.to_be_bytes(), &index.0.to_be_bytes()]);
    InvocationId { key, unique }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(key: Option<&str>) -> Target {
        Target { service: "S".into(), key: key.map(Into::into), handler: "h".into() }
    }

    #[test]
    fn partitions_are_equal_ranges_in_order() {
        let partitioning = Partitioning::new(8);
        assert_eq!(partitioning.partition(PartitionKey(0)), PartitionId(0));
        assert_eq!(partitioning.partition(PartitionKey((1 << 61) - 1)), PartitionId(0));
        assert_eq!(partitioning.partition(PartitionKey(1 << 61)), PartitionId(1));
        assert_eq!(partitioning.partition(PartitionKey(u64::MAX)), PartitionId(7));
    }

    #[test]
    fn one_object_is_on_one_partition_whatever_the_handler() {
        let other = Target { handler: "other".into(), ..target(Some("k")) };
        assert_eq!(placed(&target(Some("k")), None), placed(&other, Some("x")));
        assert_eq!(placed(&target(None), None), None);
    }

    #[test]
    fn idempotent_ids_tell_keys_apart() {
        let id = idempotent_id(&target(None), "x");
        assert_eq!(id, idempotent_id(&target(None), "x"));
        assert_ne!(id, idempotent_id(&target(None), "y"));
        assert_ne!(id, idempotent_id(&target(Some("")), "x"));
    }

    #[test]
    fn callee_without_key_stays_with_its_caller() {
        let caller = InvocationId { key: PartitionKey(77), unique: 1 };
        let id = callee_id(caller, Incarnation::ZERO, EntryIndex(1), &target(None), None);
        assert_eq!(id.key, caller.key);
        assert_ne!(id, callee_id(caller, Incarnation::ZERO, EntryIndex(2), &target(None), None));
    }
}
