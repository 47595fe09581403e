//! Bundles: one invocation as a file that can be replayed anywhere. The format is documented in `docs/bundles.md`.
//!
//! Here are the types of the file; how they become a record of the core and back is in `bundle/convert.rs`.

mod convert;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use convert::items;

/// What a file begins with, so that other JSON is not mistaken for a bundle.
pub const FORMAT: &str = "relight-bundle";
/// Of the format. A reader refuses others.
pub const VERSION: u32 = 1;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Bundle {
    pub format: String,
    pub version: u32,
    /// RFC 3339.
    pub exported_at: String,
    /// Of the server that wrote it.
    pub relight_version: String,
    /// Absent when the invocation has not started.
    pub component: Option<Component>,
    pub invocation: Invocation,
    /// In the order of positions.
    pub journal: Vec<Item>,
}

/// What the invocation runs on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Component {
    /// BLAKE3 of the component's bytes.
    pub digest: String,
    pub deployment_id: String,
    pub sdk: String,
    pub memory_max: u64,
    pub env: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invocation {
    pub id: String,
    /// With the id it seeds the random stream.
    pub incarnation: u64,
    pub target: Target,
    /// `service`, `virtual-object` or `workflow`.
    pub kind: Kind,
    /// `exclusive`, `shared` or `workflow`.
    pub mode: Mode,
    pub status: String,
    pub idempotency_key: Option<String>,
    pub invoked_by: Option<String>,
    pub created_at_ms: u64,
    pub started_at_ms: u64,
    pub abort_timeout_ms: u64,
    /// Of one that began with a part of another one's journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Restarted>,
}

/// What a restart has taken over, and from whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restarted {
    pub from: String,
    /// The last operation that was taken over.
    pub index: u32,
    pub input_at_ms: Option<u64>,
    /// Who made the operations, the first life first; it seeds the random stream.
    pub lives: Vec<Life>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Life {
    pub id: String,
    pub incarnation: u64,
    pub idempotency_key: Option<String>,
    pub invoked_by: Option<String>,
    pub created_at_ms: u64,
    /// It made the operations below this index that no earlier life made.
    pub end: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Target {
    pub service: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub handler: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Service,
    VirtualObject,
    Workflow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Exclusive,
    Shared,
    Workflow,
}

/// One item of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Dense, from 0.
    pub position: u32,
    /// When the operation was made, or the notification delivered.
    pub at_ms: u64,
    #[serde(flatten)]
    pub kind: ItemKind,
}

/// Operations have an `index` of their own, dense from 0; a completion has that of the operation it completes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ItemKind {
    Input { index: u32, headers: Vec<(String, String)>, body: Payload },
    GetState { index: u32, key: String, value: Option<Payload> },
    StateKeys { index: u32, keys: Vec<String> },
    SetState { index: u32, key: String, value: Payload },
    ClearState { index: u32, key: String },
    ClearAllState { index: u32 },
    Call { index: u32, call: Call },
    Send { index: u32, call: Call, due: Due },
    Timer { index: u32, due: Due, name: Option<String> },
    Awakeable { index: u32 },
    Effect { index: u32, name: String, input: Payload, retry: RetryPolicy, timeout_ms: u64 },
    ResolveAwakeable { index: u32, id: String, outcome: Outcome },
    Signal { index: u32, name: String },
    SendSignal { index: u32, to: String, name: String, outcome: Outcome },
    Promise { index: u32, name: String },
    PromisePeek { index: u32, name: String },
    PromiseComplete { index: u32, name: String, outcome: Outcome },
    Attach { index: u32, id: String },
    OutputOf { index: u32, id: String },
    CancelInvocation { index: u32, id: String },
    Run { index: u32, name: String, outcome: Outcome },
    CancelDelivered { index: u32 },
    Output { index: u32, outcome: Outcome },
    Completion { index: u32, value: Value },
    Cancel,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    pub target: Target,
    pub callee: String,
    pub input: Payload,
    pub headers: Vec<(String, String)>,
    pub idempotency_key: Option<String>,
    pub name: Option<String>,
}

/// Bytes: as they are where they are text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    Utf8(String),
    /// Standard alphabet, padded.
    Base64(String),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Success(Payload),
    Failure(Failure),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    Void,
    Success(Payload),
    Failure(Failure),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub code: u16,
    pub message: String,
    pub metadata: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    Now,
    AtMs(u64),
    AfterMs(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub initial_interval_ms: u64,
    pub factor_milli: u32,
    pub max_interval_ms: u64,
    pub max_attempts: Option<u32>,
    pub max_duration_ms: Option<u64>,
    pub on_exhausted: OnExhausted,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExhausted {
    Fail,
    Pause,
}

/// Why a file is no bundle that this version can replay.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("it is not JSON of the expected form: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it does not say `\"format\": \"{FORMAT}\"`")]
    Format,
    #[error("it has version {0} of the format, and this program reads version {VERSION}")]
    Version(u64),
    #[error("`{text}` in it is not {expected}")]
    Value { text: String, expected: &'static str },
    #[error("the journal in it has a gap before position {0}")]
    Gap(u32),
}

impl Bundle {
    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        /// What all versions have.
        #[derive(Deserialize)]
        struct Head {
            format: Option<String>,
            version: Option<u64>,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.format.as_deref() != Some(FORMAT) {
            return Err(BundleError::Format);
        }
        match head.version {
            Some(version) if version == u64::from(VERSION) => Ok(serde_json::from_slice(bytes)?),
            version => Err(BundleError::Version(version.unwrap_or_default())),
        }
    }
}
