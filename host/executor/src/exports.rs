//! What a component exports: the same three functions, from whichever of the two interfaces of the contract it has.
//!
//! Functions are looked up by hand, and not by `bindgen!`, because the call of an async function is the same for the
//! host as that of a plain one: one call per instance, over when its result is there.

use std::time::{Duration, Instant};

use relight_wit::{HANDLER_ASYNC_EXPORT, HANDLER_EXPORT};
use tokio::sync::OnceCell;
use wasmtime::{
    Engine, Store,
    component::{
        Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc,
    },
};

use crate::{
    bindings::{
        relight::handler::{
            definition::Manifest,
            requests::{AttemptError, EffectRequest, Request},
        },
        types::Bytes,
    },
    guest::Guest,
};

/// Instances that are made to see how long that takes: the first ones find nothing prepared, another may be interrupted.
const START_TRIES: u32 = 5;
/// No further one is made when those before took so long: the handler that is about to run waits for them.
const START_TRIES_TIME: Duration = Duration::from_millis(20);

/// What a handler or an effect returns.
pub(crate) type Returned = Result<Bytes, AttemptError>;

type Describe = TypedFunc<(), (Manifest,)>;
type Invoke<'a> = TypedFunc<(&'a Request,), (Returned,)>;
type Effect<'a> = TypedFunc<(&'a EffectRequest,), (Returned,)>;

/// A component whose imports are linked and whose exports are found.
#[derive(Clone)]
pub(crate) struct Loaded {
    pre: InstancePre<Guest>,
    describe: ComponentExportIndex,
    invoke: ComponentExportIndex,
    effect: ComponentExportIndex,
    start_cost: OnceCell<Duration>,
}

impl Loaded {
    /// The error names an export that is missing.
    pub fn new(pre: InstancePre<Guest>) -> wasmtime::Result<Self> {
        let component = pre.component();
        let (name, interface) = [HANDLER_EXPORT, HANDLER_ASYNC_EXPORT]
            .into_iter()
            .find_map(|name| Some((name, component.get_export_index(None, name)?)))
            .ok_or_else(|| wasmtime::Error::msg(format!("no exported instance `{HANDLER_EXPORT}`")))?;
        let find = |function| find(component, &interface, name, function);
        let (describe, invoke, effect) = (find("describe")?, find("invoke")?, find("effect")?);
        Ok(Self { pre, describe, invoke, effect, start_cost: OnceCell::new() })
    }

    /// The engine that runs its instances.
    pub fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    pub async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<Instance> {
        self.pre.instantiate_async(store).await
    }

    /// What it takes to make an instance: the least time of a few tries, which are made once. The error is what making one says.
    pub async fn start_cost(&self, store: impl Fn() -> Store<Guest>) -> wasmtime::Result<Duration> {
        let measure = async || {
            let (mut least, mut spent) = (Duration::MAX, Duration::ZERO);
            for _ in 0..START_TRIES {
                let begun = Instant::now();
                let mut store = store();
                self.instantiate(&mut store).await?;
                drop(store);
                least = least.min(begun.elapsed());
                spent += begun.elapsed();
                if START_TRIES_TIME < spent {
                    break;
                }
            }
            Ok(least)
        };
        self.start_cost.get_or_try_init(measure).await.copied()
    }

    /// Also checks the types of all exports.
    pub async fn describe(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Manifest> {
        let _: Invoke<'_> = typed(store, instance, &self.invoke, "invoke")?;
        let _: Effect<'_> = typed(store, instance, &self.effect, "effect")?;
        let describe: Describe = typed(store, instance, &self.describe, "describe")?;
        let (manifest,) = describe.call_async(store, ()).await?;
        Ok(manifest)
    }

    pub async fn invoke(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
        request: &Request,
    ) -> wasmtime::Result<Returned> {
        let invoke: Invoke<'_> = typed(store, instance, &self.invoke, "invoke")?;
        let (returned,) = invoke.call_async(store, (request,)).await?;
        Ok(returned)
    }

    pub async fn effect(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
        request: &EffectRequest,
    ) -> wasmtime::Result<Returned> {
        let effect: Effect<'_> = typed(store, instance, &self.effect, "effect")?;
        let (returned,) = effect.call_async(store, (request,)).await?;
        Ok(returned)
    }
}

fn find(
    component: &Component,
    interface: &ComponentExportIndex,
    interface_name: &str,
    function: &str,
) -> wasmtime::Result<ComponentExportIndex> {
    component
        .get_export_index(Some(interface), function)
        .ok_or_else(|| wasmtime::Error::msg(format!("`{interface_name}` has no `{function}`")))
}

fn typed<P, R>(
    store: &mut Store<Guest>,
    instance: &Instance,
    index: &ComponentExportIndex,
    function: &str,
) -> wasmtime::Result<TypedFunc<P, R>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    instance
        .get_typed_func(store, index)
        .map_err(|error| error.context(format!("the export `{function}` does not have the contract's type")))
}
