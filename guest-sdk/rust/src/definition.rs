//! What a component says about itself, in the form in which the macros know it.

#![allow(
    missing_docs,
    reason = "the macros' output uses it, users do not; the contract documents every item"
)]

use schemars::JsonSchema;

use crate::bindings::relight::handler::definition::{
    EffectDef, HandlerDef, Options as WitOptions, PayloadDef, ServiceDef,
};
use crate::bindings::relight::handler::types::{OnExhausted, RetryPolicy};

pub use crate::bindings::relight::handler::definition::{HandlerMode as Mode, ServiceKind as Kind};

/// The content type of everything that this SDK reads and writes.
const CONTENT_TYPE: &str = "application/json";

/// Of the host's retry policies, in milliseconds.
pub(crate) const INITIAL_INTERVAL_DEFAULT: u64 = 50;
pub(crate) const FACTOR_DEFAULT: f32 = 2.0;
pub(crate) const MAX_INTERVAL_DEFAULT: u64 = 10_000;

/// What an attribute says about retries. Times are milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    pub initial_interval: Option<u64>,
    pub factor: Option<f32>,
    pub max_interval: Option<u64>,
    pub max_attempts: Option<u32>,
    pub max_duration: Option<u64>,
    pub pause: bool,
}

/// What an attribute says about a service or handler. Times are milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub public: Option<bool>,
    pub inactivity_timeout: Option<u64>,
    pub abort_timeout: Option<u64>,
    pub idempotency_retention: Option<u64>,
    pub journal_retention: Option<u64>,
    pub retry: Option<Retry>,
}

impl From<Retry> for RetryPolicy {
    /// What is not said is as the host would have it.
    fn from(retry: Retry) -> Self {
        Self {
            initial_interval: retry.initial_interval.unwrap_or(INITIAL_INTERVAL_DEFAULT),
            factor: retry.factor.unwrap_or(FACTOR_DEFAULT),
            max_interval: retry.max_interval.unwrap_or(MAX_INTERVAL_DEFAULT),
            max_attempts: retry.max_attempts,
            max_duration: retry.max_duration,
            on_exhausted: if retry.pause { OnExhausted::Pause } else { OnExhausted::Fail },
        }
    }
}

impl From<Options> for WitOptions {
    fn from(options: Options) -> Self {
        Self {
            public: options.public,
            inactivity_timeout: options.inactivity_timeout,
            abort_timeout: options.abort_timeout,
            idempotency_retention: options.idempotency_retention,
            journal_retention: options.journal_retention,
            retry: options.retry.map(RetryPolicy::from),
        }
    }
}

/// The input of a handler that takes nothing.
pub fn no_input() -> PayloadDef {
    PayloadDef { required: false, content_type: None, json_schema: None }
}

/// The input of a handler that takes a `T`. What reads `null` may be left out.
pub fn input<T: JsonSchema + serde::de::DeserializeOwned>() -> PayloadDef {
    let required = serde_json::from_str::<T>("null").is_err();
    PayloadDef { required, ..payload::<T>() }
}

/// The output of a handler that gives a `T`.
pub fn output<T: JsonSchema>() -> PayloadDef {
    PayloadDef { required: true, ..payload::<T>() }
}

pub fn handler_definition(
    name: &str,
    mode: Mode,
    (input, output): (PayloadDef, PayloadDef),
    documentation: Option<&str>,
    options: Options,
) -> HandlerDef {
    HandlerDef {
        name: name.to_owned(),
        mode,
        input,
        output,
        documentation: documentation.map(str::to_owned),
        options: options.into(),
        metadata: Vec::new(),
    }
}

pub fn service_definition(
    name: &str,
    kind: Kind,
    handlers: Vec<HandlerDef>,
    documentation: Option<&str>,
    options: Options,
) -> ServiceDef {
    ServiceDef {
        name: name.to_owned(),
        kind,
        handlers,
        documentation: documentation.map(str::to_owned),
        options: options.into(),
        metadata: Vec::new(),
    }
}

pub fn effect_definition(
    name: &str,
    documentation: Option<&str>,
    retry: Option<Retry>,
    timeout: Option<u64>,
) -> EffectDef {
    EffectDef {
        name: name.to_owned(),
        documentation: documentation.map(str::to_owned),
        retry: retry.map(RetryPolicy::from),
        timeout,
    }
}

fn payload<T: JsonSchema>() -> PayloadDef {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>();
    PayloadDef {
        required: true,
        content_type: Some(CONTENT_TYPE.to_owned()),
        json_schema: Some(schema.as_value().to_string()),
    }
}
