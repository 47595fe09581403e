//! Projects in Rust: cargo builds the library of the package for WebAssembly.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    language::{Language, Output, Source},
    tools::Tool,
    unreadable,
};
use crate::error::{Error, Exit, Result};

const CARGO: Tool = Tool {
    title: "Rust",
    names: &["cargo"],
    install: "`curl https://sh.rustup.rs -sSf | sh`, then `rustup target add wasm32-unknown-unknown`",
};
/// Targets that handlers can be compiled for. The first is the default: it needs nothing but the compiler. The others come
/// with WASI for the standard library, and make a component themselves.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];
const MANIFEST: &str = "Cargo.toml";

pub const LANGUAGE: Language = Language {
    names: &["rust"],
    looked_for: "`Cargo.toml`",
    detect: |package| package.join(MANIFEST).is_file(),
    build,
};

/// `[rust]` in the project file.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// One of [`TARGETS`].
    pub target: Option<String>,
}

impl Settings {
    fn target(&self) -> Result<&str> {
        let target = self.target.as_deref().unwrap_or(TARGETS[0]);
        if TARGETS.contains(&target) {
            return Ok(target);
        }
        let error = Error::usage(format!("`{target}` is not a target that handlers can be compiled for"));
        Err(error.hint(format!("set `target` under [rust] to `{}`", TARGETS.join("` or `"))))
    }
}

fn build(source: &Source<'_>) -> Result<Output> {
    let module = cargo_build(&source.package.join(MANIFEST), source.project.rust.target()?)?;
    Ok(Output {
        bytes: fs::read(&module).map_err(|error| unreadable(&module, &error))?,
        path: module.with_extension("component.wasm"),
        hint: "does the crate depend on the SDK and call `relight::export!`?",
    })
}

fn cargo_build(manifest: &Path, target: &str) -> Result<PathBuf> {
    let mut command = Command::new(CARGO.find(manifest.parent().unwrap_or(Path::new(".")))?);
    command.args(["build", "--release", "--lib", "--target", target]);
    command.args(["--message-format", "json-render-diagnostics"]).arg("--manifest-path").arg(manifest);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Error::new(Exit::Failed, "cannot start cargo").because(&error))?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let manifest = fs::canonicalize(manifest).map_err(|error| unreadable(manifest, &error))?;
    let mut module = None;
    for line in BufReader::new(stdout).lines() {
        let line =
            line.map_err(|error| Error::new(Exit::Failed, "cannot read cargo's messages").because(&error))?;
        let message: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        module = module_of(&message, &manifest).or(module);
    }
    let status =
        child.wait().map_err(|error| Error::new(Exit::Failed, "cannot wait for cargo").because(&error))?;
    if !status.success() {
        let error = Error::new(Exit::Failed, format!("the build failed ({status})"));
        return Err(if has_target(target) {
            error
        } else {
            error.hint(format!("the compiler may lack its WebAssembly target: `rustup target add {target}`"))
        });
    }
    module.ok_or_else(|| {
        Error::new(Exit::Failed, "the build made no WebAssembly module")
            .hint("set `crate-type = [\"cdylib\"]` under [lib] in Cargo.toml")
    })
}

fn module_of(message: &Value, manifest: &Path) -> Option<PathBuf> {
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    if Path::new(message.get("manifest_path")?.as_str()?) != manifest {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    files.iter().filter_map(Value::as_str).find(|path| path.ends_with(".wasm")).map(PathBuf::from)
}

fn has_target(target: &str) -> bool {
    let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output() else { return false };
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Path::new(&sysroot).join("lib/rustlib").join(target).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_targets_are_refused_with_those_that_are_not() {
        let settings = |target: &str| Settings { target: Some(target.to_owned()) };
        assert_eq!(Settings::default().target().expect("the default"), "wasm32-unknown-unknown");
        assert_eq!(settings("wasm32-wasip2").target().expect("accepted"), "wasm32-wasip2");
        let error = settings("x86_64-unknown-linux-gnu").target().expect_err("no WebAssembly");
        assert_eq!(error.exit, Exit::Usage);
    }

    #[test]
    fn the_module_of_the_package_is_chosen() {
        let message = serde_json::json!({
            "reason": "compiler-artifact", "manifest_path": "/p/Cargo.toml",
            "filenames": ["/t/libp.rlib", "/t/p.wasm"],
        });
        assert_eq!(module_of(&message, Path::new("/p/Cargo.toml")), Some(PathBuf::from("/t/p.wasm")));
        assert_eq!(module_of(&message, Path::new("/other/Cargo.toml")), None);
    }
}
