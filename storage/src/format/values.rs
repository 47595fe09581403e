//! Stored forms of ids, values, retry policies and schema.

use relight_core::{
    AwakeableId, Deployment, DeploymentId, Digest, Due, DurationMs, EntryIndex, Failure, FencingToken,
    Handler, HandlerMode, InvocationId, LeaderEpoch, Lsn, PartitionId, Position, RequestId, Revision,
    Service, ServiceKind, Target, Timestamp, Value,
    retry::{OnExhausted, RetryPolicy},
    schema::{EffectDef, Options, OptionsPatch, PayloadDef, Policies, Registry, Removal, SchemaChange},
    value::ObjectKey,
};

use super::{
    FormatError,
    codec::{Reader, Stored, Writer, stored_enum, stored_struct},
};

stored_struct! {
    Lsn(..)
    LeaderEpoch(..)
    PartitionId(..)
    EntryIndex(..)
    Position(..)
    Revision(..)
    Timestamp(..)
    DurationMs(..)
    DeploymentId(..)
    RequestId(..)
    Digest(..)
}

/// 24 bytes, as in keys.
impl Stored for InvocationId {
    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.to_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, FormatError> {
        reader.array().map(Self::from_bytes)
    }
}

stored_struct! {
    AwakeableId { invocation, incarnation, index }
    FencingToken { epoch, attempt }
    Failure { code, message, metadata }
    ObjectKey { service, key }
    Target { service, key, handler }
    RetryPolicy { initial_interval, factor_milli, max_interval, max_attempts, max_duration, on_exhausted }
    Options { public, inactivity_timeout, abort_timeout, idempotency_retention, journal_retention, retry }
    OptionsPatch { public, inactivity_timeout, abort_timeout, idempotency_retention, journal_retention, retry }
    Policies { public, inactivity_timeout, abort_timeout, idempotency_retention, journal_retention, retry }
    PayloadDef { required, content_type, json_schema }
    Handler { name, mode, input, output, documentation, options, metadata }
    Service { name, kind, revision, deployment, handlers, documentation, options, metadata, overrides }
    Registry { version, defaults }
    EffectDef { name, documentation, retry, timeout }
    Deployment {
        id, digest, size_bytes, created_at, allow_http, env, memory_bytes_max, services, effects, sdk, metadata,
    }
}

stored_enum!(Value {
    1 => Void,
    2 => Success(bytes),
    3 => Failure(failure),
});

stored_enum!(Due {
    1 => Now,
    2 => At(instant),
    3 => After(duration),
});

stored_enum!(OnExhausted {
    1 => Fail,
    2 => Pause,
});

stored_enum!(ServiceKind {
    1 => Service,
    2 => VirtualObject,
    3 => Workflow,
});

stored_enum!(HandlerMode {
    1 => Exclusive,
    2 => Shared,
    3 => Workflow,
});

stored_enum!(Removal {
    1 => Draining,
    2 => Closing,
});

stored_enum!(SchemaChange {
    1 => Deployed { deployment, services },
    2 => Services(services),
    3 => Defaults(defaults),
    4 => Removing { deployment, removal, services },
    5 => Removed(deployment),
});
