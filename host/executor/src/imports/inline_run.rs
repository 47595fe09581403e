//! `relight:handler/inline-run`: side effects in the middle of a handler.
//!
//! Between `start` and `finish` the instance does real work whose traces (caches, hash seeds, library state) a replay
//! would not have. So the attempt ends with the recorded result, and another one replays it in a fresh instance.

use relight_core::{
    DurationMs,
    command::EffectError,
    limits::{FAILURE_MESSAGE_CHARS_MAX, NAME_BYTES_MAX},
    retry::RetryPolicy,
};

use crate::{
    bindings::{
        relight::handler::inline_run::{Host, Started},
        types::{self, Bytes, Duration, Failure},
    },
    convert,
    guest::{Guest, Role, Stop},
};

impl Host for Guest {
    async fn start(&mut self, name: String, retry: Option<types::RetryPolicy>) -> wasmtime::Result<Started> {
        let durable = self.handler("inline-run.start")?;
        if name.len() > NAME_BYTES_MAX {
            return Err(
                Stop::Misuse(format!("name of a run is over the limit of {NAME_BYTES_MAX} bytes")).into()
            );
        }
        let retry = match retry {
            Some(retry) => convert::retry_policy(retry).map_err(Stop::Misuse)?,
            None => RetryPolicy::EFFECT,
        };
        if let Some(outcome) = durable.start_run(name, retry).await? {
            return Ok(Started::Recorded(outcome.map_err(|failure| convert::guest_failure(&failure))));
        }
        self.cpu.waited();
        Ok(Started::Live)
    }

    async fn finish(&mut self, value: Result<Bytes, Failure>) -> wasmtime::Result<()> {
        let durable = live(self, "inline-run.finish")?;
        durable.finish_run(convert::outcome(value))?;
        Err(Stop::StartOver.into())
    }

    async fn retry(&mut self, message: String, retry_after: Option<Duration>) -> wasmtime::Result<()> {
        let durable = live(self, "inline-run.retry")?;
        let message = convert::truncated(message, FAILURE_MESSAGE_CHARS_MAX);
        durable.fail_run(EffectError { message, retry_after: retry_after.map(DurationMs) });
        Err(Stop::StartOver.into())
    }
}

/// The handler whose run is live.
fn live<'a>(guest: &'a mut Guest, import: &str) -> Result<&'a mut crate::durable::Durable, Stop> {
    guest.host_call();
    match &mut guest.role {
        Role::Handler(durable) if durable.live_run().is_some() => Ok(durable),
        _ => Err(Stop::Misuse(format!(
            "`{import}` belongs between `inline-run.start` and the end of its work"
        ))),
    }
}
