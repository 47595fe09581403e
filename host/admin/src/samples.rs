//! Values that several tests need.

use relight_core::{
    InvocationId, Lsn, Timestamp,
    ids::PartitionKey,
    schema::{HandlerMode, Policies, ServiceKind},
    tables::{Invocation, JournalSize, Status},
    value::Target,
};

pub(crate) const ID: InvocationId = InvocationId { key: PartitionKey(7), unique: 9 };

pub(crate) fn target() -> Target {
    Target { service: "Cart".into(), key: Some("mary".into()), handler: "add".into() }
}

pub(crate) fn invocation(status: Status) -> Invocation {
    Invocation {
        id: ID,
        incarnation: Lsn(3),
        target: target(),
        kind: ServiceKind::VirtualObject,
        mode: HandlerMode::Exclusive,
        policies: Policies::DEFAULT,
        idempotency_key: None,
        input_hash: 0,
        invoked_by: None,
        ancestors: Vec::new(),
        waiters: Vec::new(),
        created_at: Timestamp(1000),
        started_at: None,
        modified_at: Timestamp(2000),
        deployment: None,
        journal: JournalSize::default(),
        open: 0,
        unclaimed: 0,
        cancel: None,
        cancel_requested: false,
        failures: 0,
        failing_since: Timestamp(0),
        last_failure: None,
        run: None,
        restarted: None,
        status,
    }
}
