//! `relight:handler/state`.

use relight_core::{Operation, schema::HandlerMode};

use crate::{
    bindings::{relight::handler::state::Host, types::Bytes},
    durable::Durable,
    guest::{Guest, Stop},
};

impl Host for Guest {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Bytes>> {
        Ok(readable(self, "state.get")?.get_state(&key).await?)
    }

    async fn keys(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(readable(self, "state.keys")?.state_keys().await?)
    }

    async fn set(&mut self, key: String, value: Bytes) -> wasmtime::Result<()> {
        writable(self, "state.set")?.make(Operation::SetState { key, value }).await?;
        Ok(())
    }

    async fn clear(&mut self, key: String) -> wasmtime::Result<()> {
        writable(self, "state.clear")?.make(Operation::ClearState { key }).await?;
        Ok(())
    }

    async fn clear_all(&mut self) -> wasmtime::Result<()> {
        writable(self, "state.clear-all")?.make(Operation::ClearAllState).await?;
        Ok(())
    }
}

fn readable<'a>(guest: &'a mut Guest, import: &str) -> Result<&'a mut Durable, Stop> {
    let durable = guest.handler(import)?;
    let target = &durable.identity.target;
    if target.key.is_none() {
        return Err(Stop::Misuse(format!(
            "`{import}` needs a key, but `{}` is a service, which has none",
            target.service
        )));
    }
    Ok(durable)
}

fn writable<'a>(guest: &'a mut Guest, import: &str) -> Result<&'a mut Durable, Stop> {
    let durable = readable(guest, import)?;
    if durable.identity.mode == HandlerMode::Shared {
        return Err(Stop::Misuse(format!(
            "`{import}` changes state, but `{}` is a shared handler, which only reads",
            durable.identity.target.handler
        )));
    }
    Ok(durable)
}
