//! `wasi:cli`: an environment, one argument, an end, and the three streams. There are no terminals.

use wasmtime::component::{Linker, Resource, ResourceType};

use super::{
    Output, interface,
    io::{InputStream, OutputStream},
};
use crate::guest::{Guest, Stop};

pub(super) const ENVIRONMENT: &[&str] = &["get-environment", "get-arguments", "initial-cwd"];
pub(super) const EXIT: &[&str] = &["exit", "exit-with-code"];

/// What a program is called.
const ARGUMENT: &str = "handler";

struct TerminalInput;
struct TerminalOutput;

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut environment = interface(linker, "wasi:cli/environment")?;
    environment.func_wrap("get-environment", |store, (): ()| {
        let environment: Vec<(String, String)> = store
            .data()
            .wasi
            .deployment
            .as_ref()
            .map(|deployment| deployment.env.clone())
            .unwrap_or_default();
        Ok((environment,))
    })?;
    environment.func_wrap("get-arguments", |_, (): ()| Ok((vec![ARGUMENT.to_owned()],)))?;
    environment.func_wrap("initial-cwd", |_, (): ()| Ok((None::<String>,)))?;

    let mut exit = interface(linker, "wasi:cli/exit")?;
    exit.func_wrap("exit", |_, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
        Err(Stop::Exit { code: u8::from(status.is_err()) }.into())
    })?;
    exit.func_wrap("exit-with-code", |_, (code,): (u8,)| -> wasmtime::Result<()> {
        Err(Stop::Exit { code }.into())
    })?;

    interface(linker, "wasi:cli/stdin")?
        .func_wrap("get-stdin", |_, (): ()| Ok((Resource::<InputStream>::new_own(0),)))?;
    interface(linker, "wasi:cli/stdout")?
        .func_wrap("get-stdout", |_, (): ()| Ok((OutputStream::own(Output::Stdout),)))?;
    interface(linker, "wasi:cli/stderr")?
        .func_wrap("get-stderr", |_, (): ()| Ok((OutputStream::own(Output::Stderr),)))?;

    interface(linker, "wasi:cli/terminal-input")?.resource(
        "terminal-input",
        ResourceType::host::<TerminalInput>(),
        |_, _| Ok(()),
    )?;
    interface(linker, "wasi:cli/terminal-output")?.resource(
        "terminal-output",
        ResourceType::host::<TerminalOutput>(),
        |_, _| Ok(()),
    )?;
    interface(linker, "wasi:cli/terminal-stdin")?
        .func_wrap("get-terminal-stdin", |_, (): ()| Ok((None::<Resource<TerminalInput>>,)))?;
    interface(linker, "wasi:cli/terminal-stdout")?
        .func_wrap("get-terminal-stdout", |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)))?;
    interface(linker, "wasi:cli/terminal-stderr")?
        .func_wrap("get-terminal-stderr", |_, (): ()| Ok((None::<Resource<TerminalOutput>>,)))
}
