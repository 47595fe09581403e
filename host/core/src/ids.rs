//! Ids and positions, one newtype each, with the text forms that users see.
//!
//! Where an id is *derived* from something (placement, idempotency) that happens in `placement.rs`.

use std::{fmt, str::FromStr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl $name {
            pub const ZERO: Self = Self(0);

            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("a counter of this kind never reaches its type's end"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Position of a record in its partition's log. The first record has 1; 0 means "before the log".
    Lsn(u64)
);
number!(
    /// Number that fences leaders of a partition: each new leader has a higher one.
    LeaderEpoch(u64)
);
number!(
    /// A partition: the unit of log, state and leadership.
    PartitionId(u16)
);
number!(
    /// 64-bit hash that selects the partition of an invocation.
    PartitionKey(u64)
);
number!(
    /// Index of an operation in its journal, dense from 0 (the input); guests call it a handle.
    EntryIndex(u32)
);
number!(
    /// Position of an item in its journal: operations and notifications counted together.
    Position(u32)
);
number!(
    /// Counter of a service over its deployments.
    Revision(u32)
);

/// LSN of the record that created an invocation: tells the lives of one invocation id apart.
pub type Incarnation = Lsn;

/// A text that is not an id of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseIdError {
    pub text: String,
    pub expected: &'static str,
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters that 64 and 128 bits take in base 62.
const BASE62_CHARS_64: usize = 11;
const BASE62_CHARS_128: usize = 22;

fn base62(mut value: u128, out: &mut [u8]) {
    for slot in out.iter_mut().rev() {
        *slot = BASE62[(value % 62) as usize];
        value /= 62;
    }
}

fn from_base62(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0u128, |value, byte| {
        let digit = BASE62.iter().position(|known| known == byte)? as u128;
        value.checked_mul(62)?.checked_add(digit)
    })
}

/// Identity of an invocation. The partition key is part of it, so an id alone routes.
///
/// Text form: `inv_1`, the partition key as 11 and the rest as 22 characters of base 62.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvocationId {
    pub key: PartitionKey,
    pub unique: u128,
}

impl InvocationId {
    const PREFIX: &str = "inv_1";
    pub const BYTES: usize = 24;

    /// Big-endian bytes, partition key first: their order is the order of the ids.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.key.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.unique.to_be_bytes());
        bytes
    }

    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let (key, unique) = bytes.split_at(8);
        Self {
            key: PartitionKey(u64::from_be_bytes(key.try_into().expect("split at 8"))),
            unique: u128::from_be_bytes(unique.try_into().expect("16 bytes remain")),
        }
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; BASE62_CHARS_64 + BASE62_CHARS_128];
        let (key, unique) = text.split_at_mut(BASE62_CHARS_64);
        base62(self.key.0.into(), key);
        base62(self.unique, unique);
        f.write_str(Self::PREFIX)?;
        f.write_str(std::str::from_utf8(&text).expect("base 62 is ASCII"))
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InvocationId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let digits = text.strip_prefix(Self::PREFIX)?.as_bytes();
            if digits.len() != BASE62_CHARS_64 + BASE62_CHARS_128 {
                return None;
            }
            let (key, unique) = digits.split_at(BASE62_CHARS_64);
            let key = u64::try_from(from_base62(key)?).ok()?;
            Some(Self { key: PartitionKey(key), unique: from_base62(unique)? })
        };
        parse()
            .ok_or_else(|| ParseIdError { text: text.to_owned(), expected: "an invocation id (`inv_1…`)" })
    }
}

/// Public id of an awakeable: invocation, life of that invocation, and handle.
///
/// Text form: `sign_1` and 48 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AwakeableId {
    pub invocation: InvocationId,
    pub incarnation: Incarnation,
    pub index: EntryIndex,
}

impl AwakeableId {
    const PREFIX: &str = "sign_1";
    const BYTES: usize = InvocationId::BYTES + 8 + 4;
}

impl fmt::Display for AwakeableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; Self::BYTES];
        bytes[..24].copy_from_slice(&self.invocation.to_bytes());
        bytes[24..32].copy_from_slice(&self.incarnation.0.to_be_bytes());
        bytes[32..].copy_from_slice(&self.index.0.to_be_bytes());
        write!(f, "{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for AwakeableId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(Self::PREFIX)?).ok()?;
            let bytes: [u8; Self::BYTES] = bytes.try_into().ok()?;
            Some(Self {
                invocation: InvocationId::from_bytes(bytes[..24].try_into().ok()?),
                incarnation: Lsn(u64::from_be_bytes(bytes[24..32].try_into().ok()?)),
                index: EntryIndex(u32::from_be_bytes(bytes[32..].try_into().ok()?)),
            })
        };
        parse()
            .ok_or_else(|| ParseIdError { text: text.to_owned(), expected: "an awakeable id (`sign_1…`)" })
    }
}

/// Identity of a deployment: the first 128 bits of a hash over the component and its configuration.
///
/// Text form: `dp_1` and 22 characters of base 62.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId(pub u128);

impl DeploymentId {
    const PREFIX: &str = "dp_1";
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; BASE62_CHARS_128];
        base62(self.0, &mut text);
        f.write_str(Self::PREFIX)?;
        f.write_str(std::str::from_utf8(&text).expect("base 62 is ASCII"))
    }
}

impl fmt::Debug for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DeploymentId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.strip_prefix(Self::PREFIX)
            .filter(|digits| digits.len() == BASE62_CHARS_128)
            .and_then(|digits| from_base62(digits.as_bytes()))
            .map(Self)
            .ok_or_else(|| ParseIdError { text: text.to_owned(), expected: "a deployment id (`dp_1…`)" })
    }
}

/// BLAKE3 digest of a component's bytes; addresses the blob. Text form: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identity of a command from a door, minted before its first append: the same request id gets the same answer.
///
/// The high 48 bits are the milliseconds since the Unix epoch at which it was minted, the rest is random, so that
/// outcomes are stored in the order in which they expire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

impl RequestId {
    /// `random`: 80 random bits (higher bits are ignored).
    pub fn new(minted_ms: u64, random: u128) -> Self {
        Self((u128::from(minted_ms) << 80) | (random & ((1 << 80) - 1)))
    }

    /// The highest id minted before `minted_ms`.
    pub fn highest_before(minted_ms: u64) -> Self {
        Self(Self::lowest_at(minted_ms).0.saturating_sub(1))
    }

    /// The lowest id minted at `minted_ms`.
    pub fn lowest_at(minted_ms: u64) -> Self {
        Self::new(minted_ms, 0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req:{:x}", self.0)
    }
}

/// What an attempt's proposals carry; `apply` drops those whose token is not the current one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FencingToken {
    pub epoch: LeaderEpoch,
    /// LSN of the record that started the attempt (for an effect: number of the effect's attempt).
    pub attempt: Lsn,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation() -> InvocationId {
        InvocationId { key: PartitionKey(u64::MAX - 7), unique: u128::MAX / 3 }
    }

    #[test]
    fn invocation_id_survives_text_and_bytes() {
        let id = invocation();
        assert_eq!(id.to_string().len(), 5 + 11 + 22);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(InvocationId::from_bytes(id.to_bytes()), id);
    }

    #[test]
    fn awakeable_id_survives_text() {
        let id = AwakeableId { invocation: invocation(), incarnation: Lsn(9), index: EntryIndex(3) };
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn wrong_text_is_refused_and_named() {
        for text in ["", "inv_1", "inv_1zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "inv_2aaaa", "dp_10", "inv_1é"] {
            let error = text.parse::<InvocationId>().expect_err("not an id");
            assert_eq!(error.text, text);
        }
        assert!("sign_1!!".parse::<AwakeableId>().is_err());
        assert!("dp_1".parse::<DeploymentId>().is_err());
    }

    #[test]
    fn byte_order_is_id_order() {
        let low = InvocationId { key: PartitionKey(1), unique: u128::MAX };
        let high = InvocationId { key: PartitionKey(256), unique: 0 };
        assert!(low < high);
        assert!(low.to_bytes() < high.to_bytes());
    }
}
