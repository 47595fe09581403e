//! `wasi:clocks`: both clocks show `context.now`. In a handler that is the invocation's time, which stands still while the handler
//! computes; the monotonic clock moves a little with each look, so that a program that waits by looking at it comes to an end.

use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::{interface, io::Pollable};
use crate::guest::Guest;

pub(super) const MONOTONIC: &[&str] = &["now", "resolution", "subscribe-instant", "subscribe-duration"];
pub(super) const WALL: &[&str] = &["now", "resolution"];

const NS_PER_MS: u64 = 1_000_000;
/// How far one look moves the monotonic clock of a handler: waiting for 10 s takes 100,000 looks, some 40 ms.
const STEP_NS: u64 = 100_000;

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

impl Datetime {
    fn from_ms(ms: u64) -> Self {
        let nanoseconds = u32::try_from(ms % 1_000 * NS_PER_MS).expect("less than a second fits 32 bits");
        Self { seconds: ms / 1_000, nanoseconds }
    }
}

impl Guest {
    /// Nanoseconds since 1970; greater than every answer before.
    pub(super) fn monotonic_ns(&mut self) -> u64 {
        let (now, is_live) = self.time();
        let step = if is_live { 1 } else { STEP_NS };
        let state = self.wasi.state();
        state.monotonic_ns = now.0.saturating_mul(NS_PER_MS).max(state.monotonic_ns.saturating_add(step));
        state.monotonic_ns
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut wall = interface(linker, "wasi:clocks/wall-clock")?;
    wall.func_wrap("now", |store, (): ()| {
        let (now, _) = store.data().time();
        Ok((Datetime::from_ms(now.0),))
    })?;
    wall.func_wrap("resolution", |_, (): ()| Ok((Datetime::from_ms(1),)))?;

    let mut monotonic = interface(linker, "wasi:clocks/monotonic-clock")?;
    monotonic.func_wrap("now", |mut store, (): ()| Ok((store.data_mut().monotonic_ns(),)))?;
    monotonic.func_wrap("resolution", |_, (): ()| Ok((NS_PER_MS,)))?;
    monotonic.func_wrap("subscribe-instant", |mut store, (when,): (u64,)| {
        Ok((Pollable::at(store.data_mut(), when)?,))
    })?;
    monotonic.func_wrap("subscribe-duration", |mut store, (duration,): (u64,)| {
        let guest = store.data_mut();
        // Of no duration: it is there already.
        let when = if duration == 0 { 0 } else { guest.monotonic_ns().saturating_add(duration) };
        Ok((Pollable::at(guest, when)?,))
    })
}
