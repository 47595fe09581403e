//! Projects in C: clang compiles the package's files for WASI, whose libraries then find the contract behind it.
//!
//! What this compiler is asked for, another one can be asked for, too: docs/bring-your-own-compiler.md.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::{
    language::{Language, Output, Source},
    tools::{self, Tool},
    unreadable,
};
use crate::error::{Error, Exit, Result};

pub const LANGUAGE: Language =
    Language { names: &["c"], looked_for: "`*.c`", detect: |package| !sources(package).is_empty(), build };

/// `[c]` of relight.project.toml.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Further folders with headers, relative to the package.
    #[serde(default)]
    pub include: Vec<PathBuf>,
    /// Further arguments of the compiler.
    #[serde(default)]
    pub flags: Vec<String>,
}

const CLANG: Tool = Tool {
    title: "clang with its target for WASI",
    names: &["clang-19", "clang-20", "clang-21", "clang-18", "clang-17", "clang-16", "clang"],
    install: "`apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32` (Debian, Ubuntu), \
              or unpack wasi-sdk and set WASI_SDK_PATH",
};
/// A library with an `_initialize`, for WebAssembly with the C library of WASI.
const TARGET: [&str; 2] = ["--target=wasm32-wasi", "-mexec-model=reactor"];
/// Small and fast: components are uploaded, stored and compiled again. Function names stay, for backtraces.
const OPTIMISE: [&str; 3] = ["-Os", "-flto", "-Wl,--strip-debug"];
/// A stack that overflows traps, instead of running into the program's data. 256 KiB: four times the linker's own choice.
const STACK: [&str; 2] = ["-Wl,--stack-first", "-Wl,-z,stack-size=262144"];
/// Where `relight new` puts the SDK.
const VENDORED: &str = "vendor/relight-sdk/c";
/// The least that needs all of a toolchain: its target, its linker, its C library and the compiler's own library.
const PROBE: &str =
    "#include <stdlib.h>\n#include <stdio.h>\nlong double x;\nvoid probe(void) { printf(\"%Lf\", x * x); }\n";

fn build(source: &Source<'_>) -> Result<Output> {
    let files = sources(source.package);
    if files.is_empty() {
        return Err(Error::usage(format!("`{}` has no file that ends in `.c`", source.package.display()))
            .hint("C files are taken from the package's folder and from `src` in it"));
    }
    let folder = source.build_folder();
    fs::create_dir_all(&folder).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot make the folder `{}`", folder.display())).because(&error)
    })?;
    let clang = compiler(source.package, &folder)?;
    let module = folder.join("module.wasm");
    let mut command = Command::new(clang);
    command.args(TARGET).args(["-std=gnu11", "-Wall"]).args(OPTIMISE).args(STACK);
    let settings = &source.project.c;
    let vendored = source.folder.join(VENDORED);
    let own = [source.package.to_owned(), source.package.join("include"), vendored];
    let include = settings.include.iter().map(|folder| source.package.join(folder));
    for folder in own.into_iter().filter(|folder| folder.is_dir()).chain(include) {
        command.arg("-I").arg(folder);
    }
    command.args(&settings.flags).args(&files).arg("-o").arg(&module);
    tools::run(&mut command)?;
    Ok(Output {
        bytes: fs::read(&module).map_err(|error| unreadable(&module, &error))?,
        path: source.component_path(),
        hint: "does one file include `relight.h` and say which services there are with `RELIGHT_EXPORT`?",
    })
}

/// The package's files in C, in order.
fn sources(package: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = [package.to_owned(), package.join("src")]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| path.extension() == Some(OsStr::new("c")) && path.is_file())
        .collect();
    files.sort();
    files
}

/// The first clang that can do all that is needed. Many installations lack the linker or the C library.
fn compiler(package: &Path, folder: &Path) -> Result<PathBuf> {
    let sdk = env::var_os("WASI_SDK_PATH").map(|sdk| PathBuf::from(sdk).join("bin/clang"));
    let found: Vec<PathBuf> = sdk.into_iter().chain(CLANG.all(package)).collect();
    if found.is_empty() {
        return Err(CLANG.missing());
    }
    let probe = folder.join("probe.c");
    fs::write(&probe, PROBE).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot write `{}`", probe.display())).because(&error)
    })?;
    let mut said = None;
    for clang in &found {
        match try_out(clang, &probe) {
            Ok(()) => return Ok(clang.clone()),
            Err(text) => said = said.or(Some(text)),
        }
    }
    let tried: Vec<String> = found.iter().map(|clang| format!("`{}`", clang.display())).collect();
    let mut error = CLANG.missing();
    error.message = format!("{} cannot compile for WASI", tried.join(", "));
    error.causes.extend(said);
    Err(error)
}

/// What the compiler says first when it fails.
fn try_out(clang: &Path, probe: &Path) -> std::result::Result<(), String> {
    let module = probe.with_extension("wasm");
    let output = Command::new(clang)
        .args(TARGET)
        .args(["-Wl,--export=probe", "-Wl,--no-entry"])
        .arg(probe)
        .arg("-o")
        .arg(&module)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    // Only whether it worked matters.
    let _ = fs::remove_file(module);
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().find(|line| line.contains("error")).unwrap_or("it says nothing").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_from_the_package_and_its_src() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in ["b.c", "src/a.c", "src/notes.md", "src/deep/x.c"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("create");
            fs::write(path, "").expect("write");
        }
        let files: Vec<String> = sources(folder.path())
            .iter()
            .map(|path| path.strip_prefix(folder.path()).expect("below").display().to_string())
            .collect();
        assert_eq!(files, ["b.c", "src/a.c"]);
    }

    #[test]
    fn settings_are_read() {
        let project: super::super::Project =
            toml::from_str("language = \"c\"\n[c]\ninclude = [\"../sdk\"]\nflags = [\"-DX=1\"]\n")
                .expect("valid");
        assert_eq!(project.c.include, [PathBuf::from("../sdk")]);
        assert_eq!(project.c.flags, ["-DX=1"]);
        toml::from_str::<super::super::Project>("[c]\nincludes = []\n").expect_err("unknown key");
    }
}
