//! `relight:handler/waiting`: the only imports that block.

use relight_core::{Value, command::WaitMode, ids::EntryIndex, replay::Waited};

use crate::{
    bindings::{
        relight::handler::waiting::Host,
        types::{Bytes, Handle, WaitError},
    },
    convert,
    guest::{Guest, Stop},
    limits::WAIT_HANDLES_MAX,
};

impl Host for Guest {
    async fn wait(&mut self, handle: Handle) -> wasmtime::Result<Result<Option<Bytes>, WaitError>> {
        let index = EntryIndex(handle);
        if blocking(self, "waiting.wait", WaitMode::Any, &[index]).await? == Waited::Cancelled {
            return Ok(Err(WaitError::Cancelled));
        }
        let value = self.handler("waiting.wait")?.value(index);
        Ok(match value.expect("the wait was answered by this handle, its only one") {
            Value::Void => Ok(None),
            Value::Success(bytes) => Ok(Some(bytes.clone())),
            Value::Failure(failure) => Err(WaitError::Failed(convert::guest_failure(failure))),
        })
    }

    async fn wait_any(&mut self, handles: Vec<Handle>) -> wasmtime::Result<Result<Handle, WaitError>> {
        let indexes = indexes(handles)?;
        Ok(match blocking(self, "waiting.wait-any", WaitMode::Any, &indexes).await? {
            Waited::Ready(index) => Ok(index.0),
            Waited::Cancelled | Waited::Blocked => Err(WaitError::Cancelled),
        })
    }

    async fn wait_all(&mut self, handles: Vec<Handle>) -> wasmtime::Result<Result<(), WaitError>> {
        let indexes = indexes(handles)?;
        Ok(match blocking(self, "waiting.wait-all", WaitMode::All, &indexes).await? {
            Waited::Ready(_) => Ok(()),
            Waited::Cancelled | Waited::Blocked => Err(WaitError::Cancelled),
        })
    }
}

/// Never answers `Blocked`.
async fn blocking(
    guest: &mut Guest,
    import: &str,
    mode: WaitMode,
    handles: &[EntryIndex],
) -> Result<Waited, Stop> {
    let memory_bytes = guest.limits.memory_bytes();
    let (waited, has_blocked) = guest.handler(import)?.wait(mode, handles, memory_bytes).await?;
    assert_ne!(waited, Waited::Blocked, "a wait returns when it is answered");
    if has_blocked {
        guest.cpu.waited();
    }
    Ok(waited)
}

fn indexes(handles: Vec<Handle>) -> Result<Vec<EntryIndex>, Stop> {
    if handles.len() > WAIT_HANDLES_MAX {
        let message = format!("a wait for {} handles is over the limit of {WAIT_HANDLES_MAX}", handles.len());
        return Err(Stop::Misuse(message));
    }
    Ok(handles.into_iter().map(EntryIndex).collect())
}
