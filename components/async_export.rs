//! `relight::export!` in the other shape: the same handlers and effects, exported as async functions. For tests of the host,
//! which must do the same for both; handlers in Rust gain nothing from it.

/// `$wit`: the folder of the contract, seen from the package.
macro_rules! async_export {
    ($wit:tt; $($service:ty),* $(,)?; effects: $($effect:ty),* $(,)?) => {
        #[allow(unsafe_code, unused_qualifications, clippy::all, reason = "the exported functions are generated")]
        mod exported {
            use relight::{__private as sdk, bindings::relight::handler};

            use super::*;

            wit_bindgen::generate!({
                path: $wit,
                world: "service-async",
                with: {
                    "relight:handler/types@0.1.0": relight::bindings::relight::handler::types,
                    "relight:handler/context@0.1.0": relight::bindings::relight::handler::context,
                    "relight:handler/state@0.1.0": relight::bindings::relight::handler::state,
                    "relight:handler/ops@0.1.0": relight::bindings::relight::handler::ops,
                    "relight:handler/waiting@0.1.0": relight::bindings::relight::handler::waiting,
                    "relight:handler/inline-run@0.1.0": relight::bindings::relight::handler::inline_run,
                    "relight:handler/http@0.1.0": relight::bindings::relight::handler::http,
                    "relight:handler/log@0.1.0": relight::bindings::relight::handler::log,
                    "relight:handler/definition@0.1.0": relight::bindings::relight::handler::definition,
                    "relight:handler/requests@0.1.0": relight::bindings::relight::handler::requests,
                },
            });

            struct Component;

            impl exports::relight::handler::handler_async::Guest for Component {
                fn describe() -> handler::definition::Manifest {
                    sdk::describe(SERVICES, EFFECTS)
                }

                async fn invoke(
                    request: handler::requests::Request,
                ) -> Result<Vec<u8>, handler::requests::AttemptError> {
                    // Back to the host and in again: an async function may do so at any time.
                    wit_bindgen::yield_async().await;
                    let returned = sdk::invoke(SERVICES, request);
                    wit_bindgen::yield_async().await;
                    returned
                }

                async fn effect(
                    request: handler::requests::EffectRequest,
                ) -> Result<Vec<u8>, handler::requests::AttemptError> {
                    wit_bindgen::yield_async().await;
                    sdk::effect(EFFECTS, request)
                }
            }

            const SERVICES: &[sdk::ServiceEntry] = &[$(<$service as sdk::ServiceDefinition>::ENTRY),*];
            const EFFECTS: &[sdk::EffectEntry] = &[$(<$effect as sdk::EffectDefinition>::ENTRY),*];

            export!(Component);
        }
    };
}
pub(crate) use async_export;
