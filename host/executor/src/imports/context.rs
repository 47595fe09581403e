//! `relight:handler/context`.

use rand::RngCore;

use crate::{
    bindings::{
        relight::handler::context::{Host, InvocationInfo},
        types::{Bytes, Timestamp},
    },
    convert,
    guest::{Guest, Role, Stop},
    limits::RANDOM_BYTES_MAX,
};

/// What a silent instance sees: equal in all instances, so that nothing of it can end up in a journal.
pub(crate) const SILENT_NOW: relight_core::Timestamp = relight_core::Timestamp(0);
pub(crate) const SILENT_BYTE: u8 = 0x2a;

impl Host for Guest {
    fn info(&mut self) -> wasmtime::Result<InvocationInfo> {
        if let Role::Effect(live) = &self.role {
            let of = &live.invocation;
            return Ok(InvocationInfo {
                id: live.id.to_string(),
                target: convert::guest_target(&of.target),
                idempotency_key: of.idempotency_key.clone(),
                caller: of.invoked_by.map(|id| id.to_string()),
                headers: of.headers.clone(),
                created_at: of.created_at.0,
            });
        }
        let durable = self.handler_or_run("context.info")?;
        let seen = durable.seen_as();
        let (headers, _) = durable.input();
        Ok(InvocationInfo {
            id: seen.id.to_string(),
            target: convert::guest_target(&durable.identity.target),
            idempotency_key: seen.idempotency_key.map(str::to_owned),
            caller: seen.invoked_by.map(|id| id.to_string()),
            headers: headers.clone(),
            created_at: seen.created_at.0,
        })
    }

    fn now(&mut self) -> wasmtime::Result<Timestamp> {
        self.host_call();
        let (now, _) = self.time();
        Ok(now.0)
    }

    fn random(&mut self, len: u32) -> wasmtime::Result<Bytes> {
        if len > RANDOM_BYTES_MAX {
            let message =
                format!("`context.random` gives at most {RANDOM_BYTES_MAX} bytes at once, not {len}");
            return Err(Stop::Misuse(message).into());
        }
        self.host_call();
        let mut bytes = vec![0; len as usize];
        self.fill_random(&mut bytes);
        Ok(bytes.into())
    }

    fn uuid(&mut self) -> wasmtime::Result<String> {
        self.host_call();
        let mut bytes = [0; 16];
        self.fill_random(&mut bytes);
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }
}

impl Guest {
    /// The time, and whether it is that of the world: in a handler it is the invocation's.
    pub(crate) fn time(&self) -> (relight_core::Timestamp, bool) {
        match &self.role {
            Role::Silent => (SILENT_NOW, false),
            Role::Handler(durable) if durable.live_run().is_some() => (durable.shared().now(), true),
            Role::Handler(durable) => (durable.now(), false),
            Role::Effect(live) => (live.now(), true),
        }
    }

    pub(crate) fn fill_random(&mut self, bytes: &mut [u8]) {
        match &mut self.role {
            Role::Silent => bytes.fill(SILENT_BYTE),
            Role::Handler(durable) if durable.live_run().is_none() => durable.random(bytes),
            Role::Handler(_) | Role::Effect(_) => rand::rng().fill_bytes(bytes),
        }
    }
}
