//! `relight:handler/ops`.

use relight_core::{
    AwakeableId, DurationMs, Operation,
    ids::EntryIndex,
    journal::Call,
    limits::NAME_BYTES_MAX,
    placement::{callee_id, workflow_id},
    retry::RetryPolicy,
};

use crate::{
    bindings::{
        relight::handler::ops::{CallOptions, Due, EffectOptions, Host},
        types::{Bytes, Failure, Handle, InvocationId, Target},
    },
    convert,
    durable::Durable,
    guest::{Guest, Stop},
    limits::{EFFECT_TIMEOUT_DEFAULT, HEADER_BYTES_MAX},
};

impl Host for Guest {
    async fn call(
        &mut self,
        target: Target,
        input: Bytes,
        options: Option<CallOptions>,
    ) -> wasmtime::Result<Handle> {
        let durable = self.handler("ops.call")?;
        let call = call(durable, target, input, options)?;
        Ok(durable.make(Operation::Call(call)).await?.index.0)
    }

    fn callee(&mut self, call: Handle) -> wasmtime::Result<InvocationId> {
        let durable = self.handler("ops.callee")?;
        match durable.callee(EntryIndex(call)) {
            Some(id) => Ok(id.to_string()),
            None => Err(Stop::Misuse(format!("handle {call} is not that of a call")).into()),
        }
    }

    async fn send(
        &mut self,
        target: Target,
        input: Bytes,
        due: Due,
        options: Option<CallOptions>,
    ) -> wasmtime::Result<InvocationId> {
        let durable = self.handler("ops.send")?;
        let call = call(durable, target, input, options)?;
        let callee = call.callee;
        let made = durable.make(Operation::Send { call, due: convert::due(due) }).await?;
        // The recorded id counts: a journal may be a copy of another invocation's.
        Ok(durable.callee(made.index).unwrap_or(callee).to_string())
    }

    async fn timer(&mut self, due: Due, name: Option<String>) -> wasmtime::Result<Handle> {
        let durable = self.handler("ops.timer")?;
        bounded("name of a timer", name.as_deref().unwrap_or_default(), NAME_BYTES_MAX)?;
        Ok(durable.make(Operation::Timer { due: convert::due(due), name }).await?.index.0)
    }

    async fn awakeable(&mut self) -> wasmtime::Result<(Handle, String)> {
        let durable = self.handler("ops.awakeable")?;
        let index = durable.make(Operation::Awakeable).await?.index;
        Ok((index.0, durable.awakeable_id(index).to_string()))
    }

    async fn resolve_awakeable(&mut self, id: String, value: Result<Bytes, Failure>) -> wasmtime::Result<()> {
        let durable = self.handler("ops.resolve-awakeable")?;
        let id: AwakeableId = convert::truncated(id, NAME_BYTES_MAX)
            .parse()
            .map_err(|error| Stop::Misuse(format!("{error}")))?;
        durable.make(Operation::ResolveAwakeable { id, outcome: convert::outcome(value) }).await?;
        Ok(())
    }

    async fn signal(&mut self, name: String) -> wasmtime::Result<Handle> {
        let durable = self.handler("ops.signal")?;
        bounded("name of a signal", &name, NAME_BYTES_MAX)?;
        Ok(durable.make(Operation::Signal { name }).await?.index.0)
    }

    async fn send_signal(
        &mut self,
        to: InvocationId,
        name: String,
        value: Result<Bytes, Failure>,
    ) -> wasmtime::Result<()> {
        let durable = self.handler("ops.send-signal")?;
        bounded("name of a signal", &name, NAME_BYTES_MAX)?;
        let (to, outcome) = (invocation(to)?, convert::outcome(value));
        durable.make(Operation::SendSignal { to, name, outcome }).await?;
        Ok(())
    }

    async fn promise(&mut self, name: String) -> wasmtime::Result<Handle> {
        let durable = workflow(self, "ops.promise", &name)?;
        Ok(durable.make(Operation::Promise { name }).await?.index.0)
    }

    async fn promise_peek(&mut self, name: String) -> wasmtime::Result<Handle> {
        let durable = workflow(self, "ops.promise-peek", &name)?;
        Ok(durable.make(Operation::PromisePeek { name }).await?.index.0)
    }

    async fn promise_complete(
        &mut self,
        name: String,
        value: Result<Bytes, Failure>,
    ) -> wasmtime::Result<Handle> {
        let durable = workflow(self, "ops.promise-complete", &name)?;
        let outcome = convert::outcome(value);
        Ok(durable.make(Operation::PromiseComplete { name, outcome }).await?.index.0)
    }

    async fn attach(&mut self, id: InvocationId) -> wasmtime::Result<Handle> {
        let durable = self.handler("ops.attach")?;
        let id = invocation(id)?;
        Ok(durable.make(Operation::Attach { id }).await?.index.0)
    }

    async fn output(&mut self, id: InvocationId) -> wasmtime::Result<Handle> {
        let durable = self.handler("ops.output")?;
        let id = invocation(id)?;
        Ok(durable.make(Operation::PeekOutput { id }).await?.index.0)
    }

    async fn cancel(&mut self, id: InvocationId) -> wasmtime::Result<()> {
        let durable = self.handler("ops.cancel")?;
        let id = invocation(id)?;
        durable.make(Operation::CancelInvocation { id }).await?;
        Ok(())
    }

    async fn effect(
        &mut self,
        name: String,
        input: Bytes,
        options: Option<EffectOptions>,
    ) -> wasmtime::Result<Handle> {
        let durable = self.handler("ops.effect")?;
        bounded("name of an effect", &name, NAME_BYTES_MAX)?;
        let (retry, timeout) = effect_policy(durable, &name, options)?;
        Ok(durable.make(Operation::Effect { name, input, retry, timeout }).await?.index.0)
    }
}

fn invocation(id: InvocationId) -> Result<relight_core::InvocationId, Stop> {
    convert::truncated(id, NAME_BYTES_MAX).parse().map_err(|error| Stop::Misuse(format!("{error}")))
}

/// The handler of a workflow, whose promises these are.
fn workflow<'a>(guest: &'a mut Guest, import: &str, name: &str) -> Result<&'a mut Durable, Stop> {
    let durable = guest.handler(import)?;
    bounded("name of a promise", name, NAME_BYTES_MAX)?;
    if durable.identity.target.key.is_none() {
        let message =
            format!("`{import}` needs a workflow, but `{}` is a service", durable.identity.target.service);
        return Err(Stop::Misuse(message));
    }
    Ok(durable)
}

/// What the caller says, else what the definition says, else the host's. An unknown name gets the host's; it ends as
/// a failure when it is to run.
fn effect_policy(
    durable: &Durable,
    name: &str,
    options: Option<EffectOptions>,
) -> Result<(RetryPolicy, DurationMs), Stop> {
    let definition = durable.identity.deployment.effect(name);
    let (retry, timeout) = options.map_or((None, None), |options| (options.retry, options.timeout));
    let retry = match retry {
        Some(retry) => Some(convert::retry_policy(retry).map_err(Stop::Misuse)?),
        None => definition.and_then(|definition| definition.retry),
    };
    let timeout = timeout.map(DurationMs).or_else(|| definition.and_then(|definition| definition.timeout));
    let default_timeout = DurationMs::seconds(EFFECT_TIMEOUT_DEFAULT.as_secs());
    Ok((retry.unwrap_or(RetryPolicy::EFFECT), timeout.unwrap_or(default_timeout)))
}

fn call(durable: &Durable, target: Target, input: Bytes, options: Option<CallOptions>) -> Result<Call, Stop> {
    bounded("service name", &target.service, NAME_BYTES_MAX)?;
    bounded("handler name", &target.handler, NAME_BYTES_MAX)?;
    bounded("key", target.key.as_deref().unwrap_or_default(), NAME_BYTES_MAX)?;
    let options = options.unwrap_or(CallOptions { name: None, idempotency_key: None, headers: Vec::new() });
    bounded("idempotency key", options.idempotency_key.as_deref().unwrap_or_default(), NAME_BYTES_MAX)?;
    bounded("name of a call", options.name.as_deref().unwrap_or_default(), NAME_BYTES_MAX)?;
    let header_bytes: usize = options.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if header_bytes > HEADER_BYTES_MAX {
        let message = format!("headers of {header_bytes} bytes are over the limit of {HEADER_BYTES_MAX}");
        return Err(Stop::Misuse(message));
    }
    let target = convert::target(target);
    let identity = &durable.identity;
    let callee = match &target.key {
        Some(key) if durable.runs_once(&target) => workflow_id(&target.service, key),
        _ => callee_id(
            identity.id,
            identity.incarnation,
            durable.next_index(),
            &target,
            options.idempotency_key.as_deref(),
        ),
    };
    Ok(Call {
        target,
        callee,
        input,
        headers: options.headers,
        idempotency_key: options.idempotency_key,
        name: options.name,
    })
}

fn bounded(what: &str, text: &str, bytes_max: usize) -> Result<(), Stop> {
    if text.len() > bytes_max {
        return Err(Stop::Misuse(format!("{what} of {} bytes is over the limit of {bytes_max}", text.len())));
    }
    Ok(())
}
