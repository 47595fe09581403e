//! `relight:handler/log`.

use crate::{
    bindings::relight::handler::log::{Host, Level},
    guest::{Guest, Role},
};

impl Host for Guest {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.host_call();
        self.add_line(level, message, &fields);
        Ok(())
    }
}

impl Guest {
    /// A line that the guest writes, in whichever way.
    pub(crate) fn add_line(&mut self, level: Level, message: String, fields: &[(String, String)]) {
        let is_replaying = matches!(&self.role, Role::Handler(durable) if durable.is_replaying());
        self.lines.add(level, message, fields, is_replaying);
    }
}
