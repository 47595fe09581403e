//! The writer and reader under all stored forms, the forms of primitive values, and the macros that turn a table of
//! fields or tags into a form.
//!
//! ```text
//! u16, u32, u64      varint: 7 bits per byte, low first, high bit set on all but the last; no superfluous bytes
//! u128               16 bytes, big-endian
//! bool, tag          1 byte
//! text, bytes        length (varint) | bytes
//! option             0, or 1 | value
//! result             0 | value, or 1 | failure
//! list               number of items (varint) | items
//! ```

use std::sync::Arc;

use bytes::Bytes;
use relight_core::{Failure, Outcome};

use super::FormatError;

/// Items for which a list's memory is reserved before they are read: a damaged count must not allocate much. Each item
/// takes at least one byte, so longer lists grow with bytes that are really there.
const LIST_RESERVE_MAX: usize = 256;

/// A value with a stored form.
pub(crate) trait Stored: Sized {
    fn write(&self, writer: &mut Writer);

    fn read(reader: &mut Reader) -> Result<Self, FormatError>;
}

/// Collects a stored form.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// The length, then the bytes.
    pub(crate) fn sized(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it for the next form; keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

/// Takes a stored form apart. Byte values are slices of the source, not copies.
#[derive(Debug)]
pub(crate) struct Reader {
    source: Bytes,
    at: usize,
}

impl Reader {
    pub(crate) fn new(source: Bytes) -> Self {
        Self { source, at: 0 }
    }

    fn left(&self) -> usize {
        self.source.len() - self.at
    }

    /// The next `count` bytes' place. Checked before anything is allocated for them.
    fn take(&mut self, count: u64) -> Result<std::ops::Range<usize>, FormatError> {
        match usize::try_from(count) {
            Ok(count) if count <= self.left() => {
                let start = self.at;
                self.at += count;
                Ok(start..self.at)
            }
            _ => Err(FormatError::Truncated { at: self.source.len(), wanted: count - self.left() as u64 }),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FormatError> {
        let range = self.take(1)?;
        Ok(self.source[range.start])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let range = self.take(N as u64)?;
        Ok(self.source[range].try_into().expect("take gives as many as asked for"))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, FormatError> {
        let at = self.at;
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let fits = (bits << shift) >> shift == bits;
            let needed = byte != 0 || shift == 0;
            if !fits || !needed {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(FormatError::Invalid { kind: "number", at })
    }

    fn sized(&mut self) -> Result<std::ops::Range<usize>, FormatError> {
        let count = self.varint()?;
        self.take(count)
    }

    pub(crate) fn text(&mut self) -> Result<&str, FormatError> {
        let range = self.sized()?;
        let at = range.start;
        std::str::from_utf8(&self.source[range]).map_err(|_| FormatError::Invalid { kind: "text", at })
    }

    /// The version byte at the beginning of an envelope.
    pub(crate) fn version(&mut self, kind: &'static str, known: u8) -> Result<u8, FormatError> {
        match self.byte()? {
            version if (1..=known).contains(&version) => Ok(version),
            version => Err(FormatError::UnknownVersion { kind, version, known }),
        }
    }

    /// The error about the tag that was just read.
    pub(crate) fn unknown_tag(&self, kind: &'static str, tag: u8) -> FormatError {
        FormatError::UnknownTag { kind, tag, at: self.at - 1 }
    }

    /// The error about something that has just been read.
    pub(crate) fn invalid(&self, kind: &'static str) -> FormatError {
        FormatError::Invalid { kind, at: self.at - 1 }
    }

    pub(crate) fn finish(self) -> Result<(), FormatError> {
        match self.left() {
            0 => Ok(()),
            left => Err(FormatError::TrailingBytes { at: self.at, left }),
        }
    }
}

macro_rules! stored_number {
    ($($type:ty),*) => {
        $(impl Stored for $type {
            fn write(&self, writer: &mut Writer) {
                writer.varint(u64::from(*self));
            }

            fn read(reader: &mut Reader) -> Result<Self, FormatError> {
                let at = reader.at;
                Self::try_from(reader.varint()?).map_err(|_| FormatError::Invalid { kind: stringify!($type), at })
            }
        })*
    };
}

stored_number!(u16, u32, u64);

impl Stored for u128 {
    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.to_be_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        reader.array().map(Self::from_be_bytes)
    }
}

impl<const N: usize> Stored for [u8; N] {
    fn write(&self, writer: &mut Writer) {
        writer.raw(self);
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        reader.array()
    }
}

impl Stored for bool {
    fn write(&self, writer: &mut Writer) {
        writer.byte(u8::from(*self));
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(reader.unknown_tag("bool", tag)),
        }
    }
}

impl Stored for Bytes {
    fn write(&self, writer: &mut Writer) {
        writer.sized(self);
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        let range = reader.sized()?;
        Ok(reader.source.slice(range))
    }
}

impl Stored for String {
    fn write(&self, writer: &mut Writer) {
        writer.sized(self.as_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        reader.text().map(Self::from)
    }
}

impl Stored for Arc<str> {
    fn write(&self, writer: &mut Writer) {
        writer.sized(self.as_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        reader.text().map(Self::from)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write(&self, writer: &mut Writer) {
        match self {
            None => writer.byte(0),
            Some(value) => {
                writer.byte(1);
                value.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        match reader.byte()? {
            0 => Ok(None),
            1 => T::read(reader).map(Some),
            tag => Err(reader.unknown_tag("option", tag)),
        }
    }
}

impl Stored for Outcome {
    fn write(&self, writer: &mut Writer) {
        match self {
            Ok(bytes) => {
                writer.byte(0);
                bytes.write(writer);
            }
            Err(failure) => {
                writer.byte(1);
                failure.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        match reader.byte()? {
            0 => Bytes::read(reader).map(Ok),
            1 => Failure::read(reader).map(Err),
            tag => Err(reader.unknown_tag("result", tag)),
        }
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn write(&self, writer: &mut Writer) {
        writer.varint(self.len() as u64);
        self.iter().for_each(|item| item.write(writer));
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        let count = reader.varint()?;
        let left = reader.left() as u64;
        if count > left {
            return Err(FormatError::Truncated { at: reader.source.len(), wanted: count - left });
        }
        let count = usize::try_from(count).expect("at most the bytes that are left, which are in memory");
        let mut items = Self::with_capacity(count.min(LIST_RESERVE_MAX));
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Ok(items)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
        self.1.write(writer);
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        Ok((A::read(reader)?, B::read(reader)?))
    }
}

impl<T: Stored> Stored for Box<T> {
    fn write(&self, writer: &mut Writer) {
        T::write(self, writer);
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        T::read(reader).map(Self::new)
    }
}

impl<T: Stored> Stored for Arc<T> {
    fn write(&self, writer: &mut Writer) {
        T::write(self, writer);
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        T::read(reader).map(Self::new)
    }
}

/// A struct as the sequence of its fields, or (`Type(..)`) a newtype as its content.
macro_rules! stored_struct {
    ($($type:ident { $($field:ident),+ $(,)? })+) => {
        $(impl Stored for $type {
            fn write(&self, writer: &mut Writer) {
                let Self { $($field),+ } = self;
                $($field.write(writer);)+
            }

            fn read(reader: &mut Reader) -> Result<Self, FormatError> {
                Ok(Self { $($field: Stored::read(reader)?),+ })
            }
        })+
    };
    ($($type:ident(..))+) => {
        $(impl Stored for $type {
            fn write(&self, writer: &mut Writer) {
                self.0.write(writer);
            }

            fn read(reader: &mut Reader) -> Result<Self, FormatError> {
                Stored::read(reader).map(Self)
            }
        })+
    };
}

/// An enum as the variant's tag and the sequence of its fields. The compiler refuses a variant that is not in the
/// table, and warns of a tag that is there twice.
macro_rules! stored_enum {
    (@item $reader:ident $item:ident) => { Stored::read($reader)? };
    ($type:ident { $(
        $tag:literal => $variant:ident $(( $($item:ident),+ ))? $({ $($field:ident),+ $(,)? })?,
    )+ }) => {
        impl Stored for $type {
            fn write(&self, writer: &mut Writer) {
                match self {
                    $(Self::$variant $(( $($item),+ ))? $({ $($field),+ })? => {
                        writer.byte($tag);
                        $($($item.write(writer);)+)?
                        $($($field.write(writer);)+)?
                    })+
                }
            }

            fn read(reader: &mut Reader) -> Result<Self, FormatError> {
                Ok(match reader.byte()? {
                    $($tag => Self::$variant
                        $(( $(stored_enum!(@item reader $item)),+ ))?
                        $({ $($field: Stored::read(reader)?),+ })?,
                    )+
                    tag => return Err(reader.unknown_tag(stringify!($type), tag)),
                })
            }
        }
    };
}

pub(super) use {stored_enum, stored_struct};
