//! The Rust SDK of Relight. What lives in this crate: the types that handlers see, the executor that runs a handler's futures on the
//! host's waits, and the glue to the WIT contract. What does not: any durable behaviour. The host records, replays and retries; this
//! crate translates.
//!
//! Architecture invariant: only the modules `executor` (waits), `inline_run` and `http` (requests of effects and runs) call
//! functions of the host that block.
//!
#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod bindings;
mod client;
mod combinators;
mod component;
mod context;
mod definition;
mod effect;
mod executor;
mod failure;
#[cfg(all(feature = "heap", target_family = "wasm"))]
#[allow(unsafe_code, reason = "an allocator is; each block says why it holds")]
mod heap;
mod host;
pub mod http;
mod ids;
mod inline_run;
mod json;
mod logging;
mod operation;
mod request;
mod retry;
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
pub mod testing;
mod time;
mod workflow;

pub use client::{Call, ObjectClient, ServiceClient, WorkflowClient};
pub use combinators::{All, Either, join, join_all, race, select};
pub use context::{Context, ObjectContext, Random, SharedObjectContext};
pub use effect::{EffectRequest, effect_attempt, effect_idempotency_key};
pub use failure::{AttemptError, EffectError, Failure, HandlerError, RunError};
pub use ids::{AwakeableId, InvocationId};
pub use inline_run::Run;
pub use logging::{Level, log};
pub use operation::{IntoOperation, Operation};
pub use relight_macros::{effect, handler, run, service, virtual_object, workflow};
pub use request::{Headers, InvocationTarget};
pub use retry::RetryPolicy;
pub use time::{Timestamp, days, hours, millis, minutes, now, seconds};
pub use workflow::{Promise, SharedWorkflowContext, WorkflowContext};

/// What a file with handlers wants in scope: `use relight::prelude::*;`.
pub mod prelude {
    pub use crate::{
        AwakeableId, Call, Context, EffectError, Either, Failure, HandlerError, InvocationId, ObjectContext,
        RetryPolicy, RunError, SharedObjectContext, SharedWorkflowContext, Timestamp, WorkflowContext, days,
        effect, effect_attempt, effect_idempotency_key, handler, hours, join, join_all, millis, minutes,
        race, run, seconds, select, service, virtual_object, workflow,
    };
}

/// Make the component out of the named services and effects. Exactly once per component, in its library crate.
///
/// ```
/// # use relight::prelude::*;
/// # #[service] impl Cart { #[handler] async fn get(ctx: &Context) {} }
/// # #[service] impl Ticket { #[handler] async fn get(ctx: &Context) {} }
/// # #[effect] async fn charge() {}
/// relight::export!(Cart, Ticket; effects: charge);
/// ```
#[macro_export]
macro_rules! export {
    ($($service:ty),* $(,)?) => {
        $crate::export!($($service),*; effects:);
    };
    ($($service:ty),* $(,)?; effects: $($effect:ty),* $(,)?) => {
        #[allow(unsafe_code, unused_qualifications, clippy::all, reason = "the exported functions are generated")]
        const _: () = {
            struct Component;

            impl $crate::__private::Guest for Component {
                fn describe() -> $crate::__private::Manifest {
                    $crate::__private::describe(&SERVICES, &EFFECTS)
                }

                fn invoke(
                    request: $crate::__private::Request,
                ) -> Result<Vec<u8>, $crate::__private::WitAttemptError> {
                    $crate::__private::invoke(&SERVICES, request)
                }

                fn effect(
                    request: $crate::__private::WitEffectRequest,
                ) -> Result<Vec<u8>, $crate::__private::WitAttemptError> {
                    $crate::__private::effect(&EFFECTS, request)
                }
            }

            static SERVICES: [$crate::__private::ServiceEntry; 0 $(+ $crate::__private::one::<$service>())*] =
                [$(<$service as $crate::__private::ServiceDefinition>::ENTRY),*];
            static EFFECTS: [$crate::__private::EffectEntry; 0 $(+ $crate::__private::one::<$effect>())*] =
                [$(<$effect as $crate::__private::EffectDefinition>::ENTRY),*];

            $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}

/// What the macros' output refers to. No part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::exports::relight::handler::handler::{
        AttemptError as WitAttemptError, EffectRequest as WitEffectRequest, Guest, Manifest, Request,
    };
    pub use crate::client::{call, no_argument};
    pub use crate::component::{
        AttemptFuture, EffectDefinition, EffectEntry, ServiceDefinition, ServiceEntry, describe, effect,
        invoke,
    };
    pub use crate::context::FromRequest;
    pub use crate::definition::{
        Kind, Mode, Options, Retry, effect_definition, handler_definition, input, no_input, output,
        service_definition,
    };
    pub use crate::json::{decode_arguments, decode_input, encode, encode_output, encode_result};

    /// Counts types in a constant.
    pub const fn one<T>() -> usize {
        1
    }
}
