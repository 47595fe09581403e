//! `wasi:io`: streams that never block, and pollables that are ready or wait for a time.
//!
//! Input is empty. Output goes to the log and always has room. So the only thing to wait for is time, and only an effect may.

use std::time::Duration;

use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};

use super::{Output, interface, would_block};
use crate::guest::{Guest, Stop};

pub(super) const ERROR: &[&str] = &["[method]error.to-debug-string"];
pub(super) const POLL: &[&str] = &["[method]pollable.block", "[method]pollable.ready", "poll"];
pub(super) const STREAMS: &[&str] = &[
    "[method]input-stream.blocking-read",
    "[method]input-stream.blocking-skip",
    "[method]input-stream.read",
    "[method]input-stream.skip",
    "[method]input-stream.subscribe",
    "[method]output-stream.blocking-flush",
    "[method]output-stream.blocking-splice",
    "[method]output-stream.blocking-write-and-flush",
    "[method]output-stream.blocking-write-zeroes-and-flush",
    "[method]output-stream.check-write",
    "[method]output-stream.flush",
    "[method]output-stream.splice",
    "[method]output-stream.subscribe",
    "[method]output-stream.write",
    "[method]output-stream.write-zeroes",
];

/// Bytes that a program may write at once.
const WRITE_BYTES_MAX: u64 = 64 << 10;
/// The pollable of everything that is always ready.
const READY: u32 = 0;

/// No stream ever fails, so there are none of these.
struct IoError;
pub(super) struct InputStream;
pub(super) struct OutputStream;
pub(super) struct Pollable;

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "the type has it; nothing here can fail")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

impl OutputStream {
    pub fn own(output: Output) -> Resource<Self> {
        Resource::new_own(output as u32)
    }

    fn output(stream: &Resource<Self>) -> Output {
        if stream.rep() == Output::Stderr as u32 { Output::Stderr } else { Output::Stdout }
    }
}

impl Pollable {
    fn ready() -> Resource<Self> {
        Resource::new_own(READY)
    }

    /// Ready at this reading of the monotonic clock.
    pub fn at(guest: &mut Guest, when_ns: u64) -> Result<Resource<Self>, Stop> {
        let state = guest.wasi.state();
        let number = state.timers_made.checked_add(1);
        state.timers_made = number.ok_or_else(|| Stop::Misuse("too many WASI pollables".to_owned()))?;
        state.timers.insert(state.timers_made, when_ns);
        Ok(Resource::new_own(state.timers_made))
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut error = interface(linker, "wasi:io/error")?;
    error.resource("error", ResourceType::host::<IoError>(), |_, _| Ok(()))?;
    error.func_wrap("[method]error.to-debug-string", |_, (_,): (Resource<IoError>,)| {
        Ok(("error".to_owned(),))
    })?;
    add_poll(linker)?;
    let mut streams = interface(linker, "wasi:io/streams")?;
    streams.resource("input-stream", ResourceType::host::<InputStream>(), |_, _| Ok(()))?;
    streams.resource("output-stream", ResourceType::host::<OutputStream>(), |_, _| Ok(()))?;
    add_input(&mut streams)?;
    add_output(&mut streams)
}

fn add_poll(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut poll = interface(linker, "wasi:io/poll")?;
    poll.resource("pollable", ResourceType::host::<Pollable>(), |mut store, rep| {
        store.data_mut().wasi.state().timers.remove(&rep);
        Ok(())
    })?;
    poll.func_wrap("[method]pollable.ready", |mut store, (pollable,): (Resource<Pollable>,)| {
        Ok((!ready(store.data_mut(), &[pollable]).is_empty(),))
    })?;
    poll.func_wrap_async("[method]pollable.block", |mut store, (pollable,): (Resource<Pollable>,)| {
        Box::new(async move { wait(store.data_mut(), &[pollable]).await.map(drop) })
    })?;
    poll.func_wrap_async("poll", |mut store, (pollables,): (Vec<Resource<Pollable>>,)| {
        Box::new(async move { Ok((wait(store.data_mut(), &pollables).await?,)) })
    })
}

/// Indexes of those that are ready.
fn ready(guest: &mut Guest, pollables: &[Resource<Pollable>]) -> Vec<u32> {
    let now = guest.monotonic_ns();
    let timers = &guest.wasi.state().timers;
    let is_ready =
        |pollable: &Resource<Pollable>| timers.get(&pollable.rep()).is_none_or(|when| *when <= now);
    (0_u32..).zip(pollables).filter(|(_, pollable)| is_ready(pollable)).map(|(index, _)| index).collect()
}

/// Waits until at least one is ready. Only what runs live may sleep; in a handler nobody would wake it after a crash.
async fn wait(guest: &mut Guest, pollables: &[Resource<Pollable>]) -> wasmtime::Result<Vec<u32>> {
    if pollables.is_empty() {
        return Err(Stop::Misuse("a WASI poll of nothing would wait for ever".to_owned()).into());
    }
    loop {
        let ready = ready(guest, pollables);
        if !ready.is_empty() {
            return Ok(ready);
        }
        let (_, is_live) = guest.time();
        if !is_live {
            return Err(would_block(guest).into());
        }
        let now = guest.monotonic_ns();
        let timers = &guest.wasi.state().timers;
        let next = pollables.iter().filter_map(|pollable| timers.get(&pollable.rep())).min();
        let next = next.expect("there are pollables, and those without a timer are ready");
        let rest = next.saturating_sub(now);
        tokio::time::sleep(Duration::from_nanos(rest)).await;
        guest.cpu.waited();
    }
}

fn add_input(streams: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    type Input = Resource<InputStream>;
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        streams.func_wrap(name, |_, (_, _): (Input, u64)| Ok((Err::<Vec<u8>, _>(StreamError::Closed),)))?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        streams.func_wrap(name, |_, (_, _): (Input, u64)| Ok((Err::<u64, _>(StreamError::Closed),)))?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |_, (_,): (Input,)| Ok((Pollable::ready(),)))
}

fn add_output(streams: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    type Stream = Resource<OutputStream>;
    type Done = Result<(), StreamError>;
    streams.func_wrap("[method]output-stream.check-write", |_, (_,): (Stream,)| {
        Ok((Ok::<_, StreamError>(WRITE_BYTES_MAX),))
    })?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        streams.func_wrap(name, |mut store, (stream, bytes): (Stream, Vec<u8>)| {
            store.data_mut().write(OutputStream::output(&stream), &bytes);
            Ok((Done::Ok(()),))
        })?;
    }
    for name in
        ["[method]output-stream.write-zeroes", "[method]output-stream.blocking-write-zeroes-and-flush"]
    {
        // No line of a log has any use for them.
        streams.func_wrap(name, |_, (_, _): (Stream, u64)| Ok((Done::Ok(()),)))?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        streams.func_wrap(name, |_, (_,): (Stream,)| Ok((Done::Ok(()),)))?;
    }
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        // Of an input that is empty.
        streams.func_wrap(name, |_, (_, _, _): (Stream, Resource<InputStream>, u64)| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    streams.func_wrap("[method]output-stream.subscribe", |_, (_,): (Stream,)| Ok((Pollable::ready(),)))
}
