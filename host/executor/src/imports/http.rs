//! `relight:handler/http`.

use crate::{
    bindings::relight::handler::http::{Error, Host, Request, Response},
    guest::{Guest, Role, Stop},
    http,
};

impl Host for Guest {
    async fn fetch(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        self.host_call();
        let live = match &self.role {
            Role::Effect(live) => Some((&live.allow, &live.shared)),
            Role::Handler(durable) => durable.live_run().map(|run| (&run.allow, durable.shared())),
            Role::Silent => None,
        };
        let Some((allow, shared)) = live else {
            let message =
                "`http.fetch` is only available inside an effect or an inline run: a handler is replayed";
            return Err(Stop::Misuse(message.to_owned()).into());
        };
        let result = http::fetch(request, allow, &shared.tls).await;
        self.cpu.waited();
        Ok(result)
    }
}
