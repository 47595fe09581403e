//! Stored forms of keys. Their byte order is the order of [`Key`], so that a scan is a range of the database.
//!
//! ```text
//! key        tag (1 byte) | its parts
//! numbers    big-endian, of their type's width
//! texts      bytes, 0x00 as 0x00 0xFF | 0x00 0x00
//! ```
//!
//! Tags are in the order of the variants of `Key`, with gaps so that a new kind can have any place among them. A tag
//! that was once assigned is never assigned again. Keys that begin with 0x00 are the store's own.

use std::sync::Arc;

use bytes::Bytes;
use relight_core::{
    DeploymentId, EntryIndex, InvocationId, Lsn, PartitionId, PartitionKey, Position, RequestId, Revision,
    Timestamp,
    tables::{Key, Prefix, TimerKey, TimerKind},
    value::ObjectKey,
};

use super::{FormatError, codec::Reader};

/// Where the store keeps the version of the key form and the applied LSN.
pub(crate) const APPLIED: [u8; 1] = [0x00];

const META: u8 = 0x08;
const INVOCATION: u8 = 0x10;
const JOURNAL: u8 = 0x18;
const OPEN: u8 = 0x20;
const EFFECT: u8 = 0x28;
const RUNNING: u8 = 0x30;
const TIMER: u8 = 0x38;
const STATE: u8 = 0x40;
const LOCK: u8 = 0x48;
const INBOX: u8 = 0x50;
const OUTBOX_RANGE: u8 = 0x58;
const OUTBOX: u8 = 0x60;
const DEDUP: u8 = 0x68;
const REQUEST: u8 = 0x70;
const SERVICE: u8 = 0x78;
const DEPLOYMENT: u8 = 0x80;
const SIGNALS: u8 = 0x88;
const PROMISE: u8 = 0x90;
const WORKFLOW: u8 = 0x98;
const REVISION: u8 = 0xa0;
const REGISTRY: u8 = 0xa8;
const REMOVAL: u8 = 0xb0;
const PINS: u8 = 0xb8;

const TIMER_SLEEP: u8 = 0x08;
const TIMER_START: u8 = 0x10;
const TIMER_RETRY_ATTEMPT: u8 = 0x18;
const TIMER_RETRY_EFFECT: u8 = 0x20;
const TIMER_PURGE_JOURNAL: u8 = 0x28;
const TIMER_PURGE: u8 = 0x30;
const TIMER_PURGE_WORKFLOW: u8 = 0x38;

/// Most keys fit: tag, invocation id and a number.
const KEY_BYTES_TYPICAL: usize = 48;

pub(crate) fn encode(key: &Key) -> Vec<u8> {
    let mut out = KeyWriter::default();
    match key {
        Key::Meta => out.tag(META),
        Key::Invocation(id) => out.tag(INVOCATION).id(*id),
        Key::Journal(id, position) => out.tag(JOURNAL).id(*id).u32(position.0),
        Key::Open(id, index) => out.tag(OPEN).id(*id).u32(index.0),
        Key::Effect(id, index) => out.tag(EFFECT).id(*id).u32(index.0),
        Key::Running(id) => out.tag(RUNNING).id(*id),
        Key::Timer(timer) => out.tag(TIMER).timer(timer),
        Key::State(object, name) => out.tag(STATE).object(object).text(name),
        Key::Lock(object) => out.tag(LOCK).object(object),
        Key::Inbox(object, sequence) => out.tag(INBOX).object(object).u64(*sequence),
        Key::OutboxRange(destination) => out.tag(OUTBOX_RANGE).u16(destination.0),
        Key::Outbox(destination, sequence) => out.tag(OUTBOX).u16(destination.0).u64(*sequence),
        Key::Dedup(source) => out.tag(DEDUP).u16(source.0),
        Key::Request(id) => out.tag(REQUEST).u128(id.0),
        Key::Service(name) => out.tag(SERVICE).text(name),
        Key::Deployment(id) => out.tag(DEPLOYMENT).u128(id.0),
        Key::Signals(id, name) => out.tag(SIGNALS).id(*id).text(name),
        Key::Promise(object, name) => out.tag(PROMISE).object(object).text(name),
        Key::Workflow(run) => out.tag(WORKFLOW).id(*run),
        Key::Revision(service, revision) => out.tag(REVISION).text(service).u32(revision.0),
        Key::Registry => out.tag(REGISTRY),
        Key::Removal(id) => out.tag(REMOVAL).u128(id.0),
        Key::Pins(id) => out.tag(PINS).u128(id.0),
    };
    out.0
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Key, FormatError> {
    let mut from = Reader::new(Bytes::copy_from_slice(bytes));
    let key = match from.byte()? {
        META => Key::Meta,
        INVOCATION => Key::Invocation(id(&mut from)?),
        JOURNAL => Key::Journal(id(&mut from)?, Position(u32(&mut from)?)),
        OPEN => Key::Open(id(&mut from)?, EntryIndex(u32(&mut from)?)),
        EFFECT => Key::Effect(id(&mut from)?, EntryIndex(u32(&mut from)?)),
        RUNNING => Key::Running(id(&mut from)?),
        TIMER => Key::Timer(timer(&mut from)?),
        STATE => Key::State(object(&mut from)?, text(&mut from)?),
        LOCK => Key::Lock(object(&mut from)?),
        INBOX => Key::Inbox(object(&mut from)?, u64(&mut from)?),
        OUTBOX_RANGE => Key::OutboxRange(PartitionId(u16(&mut from)?)),
        OUTBOX => Key::Outbox(PartitionId(u16(&mut from)?), u64(&mut from)?),
        DEDUP => Key::Dedup(PartitionId(u16(&mut from)?)),
        REQUEST => Key::Request(RequestId(u128(&mut from)?)),
        SERVICE => Key::Service(text(&mut from)?),
        DEPLOYMENT => Key::Deployment(DeploymentId(u128(&mut from)?)),
        SIGNALS => Key::Signals(id(&mut from)?, text(&mut from)?),
        PROMISE => Key::Promise(object(&mut from)?, text(&mut from)?),
        WORKFLOW => Key::Workflow(id(&mut from)?),
        REVISION => Key::Revision(text(&mut from)?, Revision(u32(&mut from)?)),
        REGISTRY => Key::Registry,
        REMOVAL => Key::Removal(DeploymentId(u128(&mut from)?)),
        PINS => Key::Pins(DeploymentId(u128(&mut from)?)),
        tag => return Err(from.unknown_tag("key", tag)),
    };
    from.finish()?;
    Ok(key)
}

/// The lowest key that a prefix may contain.
pub(crate) fn lowest(prefix: &Prefix) -> Key {
    const ID: InvocationId = InvocationId { key: PartitionKey::ZERO, unique: 0 };
    match prefix {
        Prefix::Journal(id) => Key::Journal(*id, Position::ZERO),
        Prefix::Open(id) => Key::Open(*id, EntryIndex::ZERO),
        Prefix::Effect(id) => Key::Effect(id.unwrap_or(ID), EntryIndex::ZERO),
        Prefix::Running => Key::Running(ID),
        Prefix::Timer => Key::Timer(TimerKey {
            due: Timestamp(0),
            id: ID,
            incarnation: Lsn::ZERO,
            kind: TimerKind::Sleep(EntryIndex::ZERO),
        }),
        Prefix::State(object) => Key::State(object.clone(), "".into()),
        Prefix::Inbox(object) => Key::Inbox(object.clone(), 0),
        Prefix::Outbox(destination) => Key::Outbox(*destination, 0),
        Prefix::Request => Key::Request(RequestId(0)),
        Prefix::Invocation => Key::Invocation(ID),
        Prefix::Service => Key::Service("".into()),
        Prefix::Deployment => Key::Deployment(DeploymentId(0)),
        Prefix::Signals(id) => Key::Signals(*id, "".into()),
        Prefix::Promise(object) => Key::Promise(object.clone(), "".into()),
        Prefix::Revision(service) => Key::Revision(service.clone(), Revision::ZERO),
        Prefix::Removal => Key::Removal(DeploymentId(0)),
    }
}

/// The encoded keys of `prefix` after `after`: from the first text, included, to the second, excluded. May be empty,
/// also in the sense that the second is the lower one.
pub(crate) fn range(prefix: &Prefix, after: Option<&Key>) -> (Vec<u8>, Vec<u8>) {
    let start = encode_prefix(prefix);
    let mut end = start.clone();
    while end.last() == Some(&0xff) {
        end.pop();
    }
    *end.last_mut().expect("a prefix begins with a tag, and no tag is 0xff") += 1;
    let start = match after {
        None => start,
        Some(after) => {
            let mut next = encode(after);
            next.push(0x00);
            next.max(start)
        }
    };
    (start, end)
}

fn encode_prefix(prefix: &Prefix) -> Vec<u8> {
    let mut out = KeyWriter::default();
    match prefix {
        Prefix::Journal(id) => out.tag(JOURNAL).id(*id),
        Prefix::Open(id) => out.tag(OPEN).id(*id),
        Prefix::Effect(Some(id)) => out.tag(EFFECT).id(*id),
        Prefix::Effect(None) => out.tag(EFFECT),
        Prefix::Running => out.tag(RUNNING),
        Prefix::Timer => out.tag(TIMER),
        Prefix::State(object) => out.tag(STATE).object(object),
        Prefix::Inbox(object) => out.tag(INBOX).object(object),
        Prefix::Outbox(destination) => out.tag(OUTBOX).u16(destination.0),
        Prefix::Request => out.tag(REQUEST),
        Prefix::Invocation => out.tag(INVOCATION),
        Prefix::Service => out.tag(SERVICE),
        Prefix::Deployment => out.tag(DEPLOYMENT),
        Prefix::Signals(id) => out.tag(SIGNALS).id(*id),
        Prefix::Promise(object) => out.tag(PROMISE).object(object),
        Prefix::Revision(service) => out.tag(REVISION).text(service),
        Prefix::Removal => out.tag(REMOVAL),
    };
    out.0
}

struct KeyWriter(Vec<u8>);

impl Default for KeyWriter {
    fn default() -> Self {
        Self(Vec::with_capacity(KEY_BYTES_TYPICAL))
    }
}

impl KeyWriter {
    fn tag(&mut self, tag: u8) -> &mut Self {
        self.0.push(tag);
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    fn u128(&mut self, number: u128) -> &mut Self {
        self.raw(&number.to_be_bytes())
    }

    fn id(&mut self, id: InvocationId) -> &mut Self {
        self.raw(&id.to_bytes())
    }

    fn text(&mut self, text: &str) -> &mut Self {
        for (part, piece) in text.as_bytes().split(|byte| *byte == 0).enumerate() {
            if part > 0 {
                self.raw(&[0x00, 0xff]);
            }
            self.raw(piece);
        }
        self.raw(&[0x00, 0x00])
    }

    fn object(&mut self, object: &ObjectKey) -> &mut Self {
        self.text(&object.service).text(&object.key)
    }

    fn timer(&mut self, timer: &TimerKey) -> &mut Self {
        self.u64(timer.due.0).id(timer.id).u64(timer.incarnation.0);
        match timer.kind {
            TimerKind::Sleep(index) => self.tag(TIMER_SLEEP).u32(index.0),
            TimerKind::Start => self.tag(TIMER_START),
            TimerKind::RetryAttempt => self.tag(TIMER_RETRY_ATTEMPT),
            TimerKind::RetryEffect(index) => self.tag(TIMER_RETRY_EFFECT).u32(index.0),
            TimerKind::PurgeJournal => self.tag(TIMER_PURGE_JOURNAL),
            TimerKind::Purge => self.tag(TIMER_PURGE),
            TimerKind::PurgeWorkflow => self.tag(TIMER_PURGE_WORKFLOW),
        }
    }
}

fn u16(from: &mut Reader) -> Result<u16, FormatError> {
    from.array().map(u16::from_be_bytes)
}

fn u32(from: &mut Reader) -> Result<u32, FormatError> {
    from.array().map(u32::from_be_bytes)
}

fn u64(from: &mut Reader) -> Result<u64, FormatError> {
    from.array().map(u64::from_be_bytes)
}

fn u128(from: &mut Reader) -> Result<u128, FormatError> {
    from.array().map(u128::from_be_bytes)
}

fn id(from: &mut Reader) -> Result<InvocationId, FormatError> {
    from.array().map(InvocationId::from_bytes)
}

fn text(from: &mut Reader) -> Result<Arc<str>, FormatError> {
    let mut bytes = Vec::new();
    loop {
        match from.byte()? {
            0x00 => match from.byte()? {
                0x00 => break,
                0xff => bytes.push(0x00),
                tag => return Err(from.unknown_tag("escape in a text", tag)),
            },
            byte => bytes.push(byte),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(from.invalid("text")),
    }
}

fn object(from: &mut Reader) -> Result<ObjectKey, FormatError> {
    Ok(ObjectKey { service: text(from)?, key: text(from)? })
}

fn timer(from: &mut Reader) -> Result<TimerKey, FormatError> {
    Ok(TimerKey {
        due: Timestamp(u64(from)?),
        id: id(from)?,
        incarnation: Lsn(u64(from)?),
        kind: match from.byte()? {
            TIMER_SLEEP => TimerKind::Sleep(EntryIndex(u32(from)?)),
            TIMER_START => TimerKind::Start,
            TIMER_RETRY_ATTEMPT => TimerKind::RetryAttempt,
            TIMER_RETRY_EFFECT => TimerKind::RetryEffect(EntryIndex(u32(from)?)),
            TIMER_PURGE_JOURNAL => TimerKind::PurgeJournal,
            TIMER_PURGE => TimerKind::Purge,
            TIMER_PURGE_WORKFLOW => TimerKind::PurgeWorkflow,
            tag => return Err(from.unknown_tag("timer", tag)),
        },
    })
}
