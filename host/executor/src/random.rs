//! The stream of random bytes that belongs to one life of one invocation.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use relight_core::{Incarnation, InvocationId};

pub(crate) fn random_stream(id: InvocationId, incarnation: Incarnation) -> ChaCha12Rng {
    let mut hasher = blake3::Hasher::new_derive_key("relight 2025 random stream of an invocation");
    hasher.update(&id.to_bytes());
    hasher.update(&incarnation.0.to_be_bytes());
    ChaCha12Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngCore;
    use relight_core::ids::{Lsn, PartitionKey};

    #[test]
    fn random_stream_belongs_to_one_life_of_one_invocation() {
        let id = |unique| InvocationId { key: PartitionKey(1), unique };
        let first = |id, incarnation| random_stream(id, incarnation).next_u64();
        assert_eq!(first(id(1), Lsn(1)), first(id(1), Lsn(1)));
        assert_ne!(first(id(1), Lsn(1)), first(id(1), Lsn(2)));
        assert_ne!(first(id(1), Lsn(1)), first(id(2), Lsn(1)));
    }
}
