//! JSON forms of the admin API; the CLI reads them with the same types.
//!
//! Instants are RFC 3339, durations are in the friendly form (`10s`), payloads are text where they are UTF-8.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    pub message: String,
    /// `RL0123`; see `docs/errors.md`.
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Byte of the upload at which it is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// Where a component does not do what a journal has recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

/// What became of a journal on a component.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplayVerdict {
    /// `compatible`, `diverges` or `fails`.
    pub verdict: String,
    /// Recorded operations that the handler made again, the input included; of those that are compatible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<u32>,
    /// What comes after them, such as `waits for entry 3, a sleep of 1 h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<String>,
    #[serde(flatten)]
    pub divergence: Option<Divergence>,
    /// Of a failure: the recorded operation that the handler did not come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_index: Option<u32>,
    /// Of those that are not compatible: all of it in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ReplayVerdict {
    /// Of an invocation that has an input and nothing else.
    pub(crate) fn not_started() -> Self {
        Self {
            verdict: COMPATIBLE.to_owned(),
            operations: Some(1),
            ahead: Some("has not started".to_owned()),
            divergence: None,
            before_index: None,
            message: None,
        }
    }

    pub fn is_compatible(&self) -> bool {
        self.verdict == COMPATIBLE
    }
}

/// Name of the verdict on a component that does what a journal says.
pub(crate) const COMPATIBLE: &str = "compatible";
pub(crate) const DIVERGES: &str = "diverges";
pub(crate) const FAILS: &str = "fails";

impl From<relight_executor::Verdict> for ReplayVerdict {
    fn from(verdict: relight_executor::Verdict) -> Self {
        use relight_executor::Verdict;
        let named = |name: &str| Self {
            verdict: name.to_owned(),
            operations: None,
            ahead: None,
            divergence: None,
            before_index: None,
            message: None,
        };
        match verdict {
            Verdict::Compatible { operations, ahead } => {
                Self { operations: Some(operations), ahead: Some(ahead.to_string()), ..named(COMPATIBLE) }
            }
            Verdict::Diverges(divergence) => {
                let message = Some(divergence.message.clone());
                Self { divergence: Some(divergence.into()), message, ..named(DIVERGES) }
            }
            Verdict::Fails { index, message } => {
                let message = Some(format!("fails before entry {index}: {message}"));
                Self { before_index: Some(index.0), message, ..named(FAILS) }
            }
        }
    }
}

impl From<relight_executor::Divergence> for Divergence {
    fn from(divergence: relight_executor::Divergence) -> Self {
        let relight_executor::Divergence { index, recorded, got, .. } = divergence;
        Self { index: index.0, recorded, got }
    }
}

/// Where a component does not do what a journal has recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Divergence {
    /// Of the recorded operation.
    pub index: u32,
    /// The recorded operation, in words.
    pub recorded: String,
    /// What the handler did instead, in words.
    pub got: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// `ok`, `ready` or `starting`.
    pub status: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Version {
    pub version: String,
}

/// Answer to an upload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeployResponse {
    pub id: String,
    pub digest: String,
    pub services: Vec<ServiceMetadata>,
    pub imports: Vec<String>,
    pub size_bytes: u64,
    pub compiled_in_ms: u64,
    /// What changes for those who call the services, and what else a person should know, in words.
    pub info: Vec<String>,
    /// How the services differ from their latest revisions.
    #[serde(default)]
    pub changes: Vec<ChangeMetadata>,
}

/// A difference between two revisions of a service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChangeMetadata {
    pub service: String,
    /// Absent: the service as a whole.
    pub handler: Option<String>,
    /// `added`, `removed` or `changed`.
    pub kind: String,
    /// Callers of the old revision may fail on the new one.
    pub breaking: bool,
    pub message: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Deployments {
    pub deployments: Vec<DeploymentMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeploymentMetadata {
    pub id: String,
    pub digest: String,
    pub size_bytes: u64,
    pub created_at: String,
    pub services: Vec<String>,
    pub effects: Vec<EffectMetadata>,
    pub sdk: String,
    pub allow_http: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Bytes of linear memory that one instance may have.
    pub memory_max: u64,
    pub metadata: BTreeMap<String, String>,
    /// `active`: the latest of a service; `draining`: invocations that are not completed are pinned to it; `drained`:
    /// neither.
    pub status: String,
    /// Invocations that are pinned to it and not completed.
    pub pinned_invocations: u64,
    /// It was asked to be removed, and nothing new can use it: `draining`, or `closing` when invocations that are
    /// pinned to it are paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<String>,
}

/// Answer to the removal of a deployment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeploymentRemoved {
    pub id: String,
    /// Services that had nothing but this deployment and are gone with it.
    pub services: Vec<String>,
    /// Invocations that were pinned to it and are paused now.
    pub paused: Vec<String>,
}

/// Every revision of a service that can be the latest, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revisions {
    pub revisions: Vec<RevisionMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RevisionMetadata {
    pub revision: u32,
    pub deployment_id: String,
    /// New invocations use it.
    pub latest: bool,
    pub handlers: Vec<String>,
}

/// Answer to a rollback.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RolledBack {
    /// As it is now.
    pub service: ServiceMetadata,
    /// It was the latest before.
    pub previous_revision: Option<u32>,
    pub changes: Vec<ChangeMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EffectMetadata {
    pub name: String,
    pub documentation: Option<String>,
    pub timeout: Option<String>,
    pub retry_policy: Option<RetryPolicyMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Services {
    pub services: Vec<ServiceMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceMetadata {
    pub name: String,
    /// `Service`, `VirtualObject` or `Workflow`.
    pub ty: String,
    pub handlers: Vec<HandlerMetadata>,
    pub deployment_id: String,
    pub revision: u32,
    pub public: bool,
    pub documentation: Option<String>,
    pub idempotency_retention: String,
    /// Workflows only.
    pub workflow_completion_retention: Option<String>,
    pub journal_retention: String,
    /// Absent: the executor decides.
    pub inactivity_timeout: Option<String>,
    pub abort_timeout: String,
    pub retry_policy: RetryPolicyMetadata,
    pub metadata: BTreeMap<String, String>,
    /// What an operator has set; absent when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Overrides>,
}

/// Policies that an operator has set for a revision of a service.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Overrides {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Of a workflow: how long its run is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_retention: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_retention: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactivity_timeout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_timeout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicyMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Handlers {
    pub handlers: Vec<HandlerMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HandlerMetadata {
    pub name: String,
    /// `Exclusive`, `Shared` or, of the run of a workflow, `Workflow`; absent on a service, where nothing is locked.
    pub ty: Option<String>,
    pub public: bool,
    pub documentation: Option<String>,
    pub input: PayloadMetadata,
    pub output: PayloadMetadata,
    pub idempotency_retention: String,
    pub journal_retention: String,
    pub inactivity_timeout: Option<String>,
    pub abort_timeout: String,
    pub retry_policy: RetryPolicyMetadata,
    pub metadata: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PayloadMetadata {
    pub required: bool,
    pub content_type: Option<String>,
    pub json_schema: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RetryPolicyMetadata {
    pub initial_interval: String,
    /// Thousandths: 2000 doubles the interval.
    pub factor_milli: u32,
    pub max_interval: String,
    pub max_attempts: Option<u32>,
    pub max_duration: Option<String>,
    /// `Fail` or `Pause`.
    pub on_exhausted: String,
}

/// One page of invocations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invocations {
    pub invocations: Vec<InvocationSummary>,
    /// Value of `cursor` that continues here; absent on the last page. A page may be short, even empty, and have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InvocationSummary {
    pub id: String,
    pub target: String,
    pub target_service_name: String,
    pub target_service_key: Option<String>,
    pub target_handler_name: String,
    /// `scheduled`, `pending`, `running`, `backing-off`, `suspended`, `paused` or `completed`.
    pub status: String,
    /// `success` or `failure`, once completed.
    pub completion_result: Option<String>,
    /// `[code] message`.
    pub completion_failure: Option<String>,
    pub pinned_deployment_id: Option<String>,
    pub created_at: String,
    pub modified_at: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InvocationDetail {
    #[serde(flatten)]
    pub summary: InvocationSummary,
    /// Why it is in its status, in words.
    pub reason: Option<String>,
    pub idempotency_key: Option<String>,
    /// `ingress`, `service` or `restart-as-new`.
    pub invoked_by: String,
    pub invoked_by_id: Option<String>,
    /// The invocation that this one is a restart of, and the last operation that it took over.
    pub restarted_from: Option<String>,
    pub restarted_from_index: Option<u32>,
    pub running_at: Option<String>,
    pub scheduled_start_at: Option<String>,
    pub completed_at: Option<String>,
    /// Until when the result stays readable.
    pub expires_at: Option<String>,
    /// Operations.
    pub journal_size: u32,
    pub journal_bytes: u64,
    /// Failed attempts since the last progress, those of an inline run included.
    pub retry_count: u32,
    pub next_retry_at: Option<String>,
    pub last_failure: Option<LastFailure>,
    /// Whether somebody has asked to cancel it, also long ago.
    pub cancel_requested: bool,
    /// What is not wrong, but will be.
    pub warnings: Vec<String>,
    /// Operations that have no result yet, at most 100.
    pub open: Vec<OpenOperation>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastFailure {
    pub message: String,
    /// `retryable`, `journal-mismatch`, `limit-exceeded` or `host`.
    pub kind: String,
    pub at: String,
    pub related_entry_index: Option<u32>,
}

/// An operation that has no result yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenOperation {
    pub index: u32,
    /// `call`, `timer`, `awakeable`, `effect`, `signal`, `promise`,
    /// `promise-complete`, `attach` or `output-of`.
    pub kind: String,
    /// In words: `timer due …`, `awakeable sign_1…`.
    pub description: String,
    /// Whether the suspended handler waits for it.
    pub awaited: bool,
}

/// One page of a journal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Journal {
    pub id: String,
    pub entries: Vec<JournalEntry>,
    /// Value of `from` that continues here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

/// An operation, or what came back for one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JournalEntry {
    pub position: u32,
    /// Of an operation: its own; of a notification: that of the operation it completes.
    pub index: Option<u32>,
    /// Kind of the operation, or `completion`, `cancel`.
    pub entry_type: String,
    pub name: Option<String>,
    /// Whether there is a result; operations without one are always complete.
    pub completed: bool,
    pub invoked_id: Option<String>,
    pub invoked_target: Option<String>,
    pub sleep_wakeup_at: Option<String>,
    /// Bytes that count against the limits of a journal.
    pub raw_length: u64,
    pub appended_at: String,
    /// All of it; payloads are `{"utf8": …}` or `{"base64": …}`.
    pub entry_json: serde_json::Value,
}

/// One page of a check of a component.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckReport {
    pub digest: String,
    /// Services whose invocations were looked for.
    pub services: Vec<String>,
    /// Invocations on this page; the sum of the three below.
    pub checked: usize,
    pub compatible: usize,
    pub diverging: usize,
    pub failing: usize,
    pub invocations: Vec<CheckedInvocation>,
    /// Value of `cursor` that continues here; absent on the last page. A page may be short, even empty, and have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One invocation and whether a component would go on with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckedInvocation {
    pub id: String,
    pub target: String,
    pub status: String,
    pub pinned_deployment_id: Option<String>,
    #[serde(flatten)]
    pub verdict: ReplayVerdict,
}

/// Answer to a verb on one invocation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Done {
    pub id: String,
    /// `ended`, `ending`, `pausing`, `paused`, `resumed`, `purged` or `restarted`.
    pub status: String,
    /// What a restart has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_invocation_id: Option<String>,
}

/// Invocations that a verb is applied to: either of the two.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// What the list of invocations takes as its query, each value as a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<BTreeMap<String, String>>,
}

/// What became of a batch. Each invocation is in one of the lists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BatchDone {
    pub succeeded: Vec<Done>,
    pub failed: Vec<BatchFailure>,
    /// Value of `cursor` in the filter that goes on with further invocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BatchFailure {
    pub id: String,
    /// HTTP status that the verb would have had by itself.
    pub status: u16,
    #[serde(flatten)]
    pub error: ErrorBody,
}
