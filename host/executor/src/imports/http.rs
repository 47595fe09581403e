//! `relight:handler/http`.

use crate::{
    bindings::relight::handler::http::{Error, Host, Request, Response},
    guest::{Guest, Role, Stop},
    http,
};

impl Host for Guest {
    async fn fetch(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        self.cpu.host_call();
        let Role::Effect(live) = &self.role else {
            let message = "`http.fetch` is only available inside an effect: a handler is replayed";
            return Err(Stop::Misuse(message.to_owned()).into());
        };
        let result = http::fetch(request, &live.allow, &live.shared.tls).await;
        self.cpu.waited();
        Ok(result)
    }
}
