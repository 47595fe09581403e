//! `wasi:random`: all of it is the stream of `context.random`. In a handler that is the invocation's own, the same on every
//! replay, so it is good for ids and hash maps and not for keys; in an effect it is live.

use wasmtime::component::Linker;

use super::interface;
use crate::{
    guest::{Guest, Stop},
    limits::RANDOM_BYTES_MAX,
};

pub(super) const RANDOM: &[&str] = &["get-random-bytes", "get-random-u64"];
pub(super) const INSECURE: &[&str] = &["get-insecure-random-bytes", "get-insecure-random-u64"];

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    for (name, [bytes, number]) in [
        ("wasi:random/random", ["get-random-bytes", "get-random-u64"]),
        ("wasi:random/insecure", ["get-insecure-random-bytes", "get-insecure-random-u64"]),
    ] {
        let mut random = interface(linker, name)?;
        random.func_wrap(bytes, |mut store, (len,): (u64,)| {
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            if len > RANDOM_BYTES_MAX {
                let message = format!("at most {RANDOM_BYTES_MAX} random bytes at once");
                return Err(Stop::Misuse(message).into());
            }
            let mut bytes = vec![0; len as usize];
            store.data_mut().fill_random(&mut bytes);
            Ok((bytes,))
        })?;
        random.func_wrap(number, |mut store, (): ()| Ok((number_of(store.data_mut()),)))?;
    }
    interface(linker, "wasi:random/insecure-seed")?.func_wrap("insecure-seed", |mut store, (): ()| {
        let guest = store.data_mut();
        Ok(((number_of(guest), number_of(guest)),))
    })
}

fn number_of(guest: &mut Guest) -> u64 {
    let mut bytes = [0; 8];
    guest.fill_random(&mut bytes);
    u64::from_le_bytes(bytes)
}
