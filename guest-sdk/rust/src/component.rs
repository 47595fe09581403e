//! The three exports of a component, over the services and effects that `export!` names.

use std::future::Future;
use std::pin::Pin;

use crate::bindings::relight::handler::definition::{EffectDef, Manifest, ServiceDef};
use crate::bindings::relight::handler::requests::{AttemptError as WitAttemptError, EffectRequest, Request};
use crate::effect::{self as effects, Attempt};
use crate::executor;
use crate::failure::AttemptError;
use crate::logging::report_panics;

/// One attempt of a handler or an effect.
pub type AttemptFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, AttemptError>>>>;

/// Implemented by `#[service]`, `#[virtual_object]` and `#[workflow]`.
pub trait ServiceDefinition {
    /// What `export!` registers.
    const ENTRY: ServiceEntry;
}

/// Implemented by `#[effect]`.
pub trait EffectDefinition {
    /// What `export!` registers.
    const ENTRY: EffectEntry;
}

/// A service of this component.
#[derive(Debug, Clone, Copy)]
pub struct ServiceEntry {
    /// Its name.
    pub name: &'static str,
    /// What it says about itself.
    pub define: fn() -> ServiceDef,
    /// Starts the handler that the request names, if there is one.
    pub invoke: fn(Request) -> Option<AttemptFuture>,
}

/// An effect of this component.
#[derive(Debug, Clone, Copy)]
pub struct EffectEntry {
    /// Its name.
    pub name: &'static str,
    /// What it says about itself.
    pub define: fn() -> EffectDef,
    /// Runs it with the arguments as the handler encoded them.
    pub run: fn(Vec<u8>) -> AttemptFuture,
}

/// The export `describe`.
pub fn describe(services: &[ServiceEntry], effects: &[EffectEntry]) -> Manifest {
    report_panics();
    Manifest {
        sdk: concat!("relight-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
        services: services.iter().map(|service| (service.define)()).collect(),
        effects: effects.iter().map(|effect| (effect.define)()).collect(),
    }
}

/// The export `invoke`.
pub fn invoke(services: &[ServiceEntry], request: Request) -> Result<Vec<u8>, WitAttemptError> {
    report_panics();
    let name = format!("{}/{}", request.service, request.handler);
    let service = services.iter().find(|service| service.name == request.service);
    match service.and_then(|service| (service.invoke)(request)) {
        Some(attempt) => executor::run(attempt).map_err(Into::into),
        None => Err(AttemptError::terminal(404, format!("this component has no handler `{name}`")).into()),
    }
}

/// The export `effect`.
pub fn effect(effects: &[EffectEntry], request: EffectRequest) -> Result<Vec<u8>, WitAttemptError> {
    report_panics();
    let EffectRequest { name, input, attempt: number, idempotency_key } = request;
    match effects.iter().find(|effect| effect.name == name) {
        Some(effect) => {
            let attempt = Attempt { number, idempotency_key };
            effects::with_attempt(attempt, || executor::run((effect.run)(input))).map_err(Into::into)
        }
        None => Err(AttemptError::terminal(404, format!("this component has no effect `{name}`")).into()),
    }
}
