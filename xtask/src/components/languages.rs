//! Guests in other languages than Rust: found by their folders, built by `relight build`, and only when something changed
//! that they are made of. A language whose compiler is not there is left out, with the reason in a file for the tests.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
};

use anyhow::{Context as _, bail};

use super::sorted_folders;
use crate::workspace;

/// A language that guests are written in.
struct Language {
    name: &'static str,
    /// Names of the folders of guests.
    folders: &'static [&'static str],
    /// Programs that a build needs.
    tools: &'static [&'static str],
}

const LANGUAGES: [Language; 4] = [
    // The longest builds first.
    Language { name: "python", folders: &["python"], tools: &["componentize-py"] },
    Language { name: "js", folders: &["js", "ts"], tools: &["rolldown", "componentize-qjs"] },
    Language { name: "go", folders: &["go"], tools: &["go"] },
    Language { name: "c", folders: &["c"], tools: &["clang-19", "wasm-ld-19"] },
];

/// Folders of `components` with a guest for each language, beside the examples.
const PARENTS: [&str; 2] = ["components/portable", "components/bench"];

/// What every guest is made of, besides its own folder and its language's SDK.
const SHARED: [&str; 6] = [
    "wit/handler.wit",
    "wit/src",
    "components/adapter",
    "host/cli/src/project",
    "host/executor/src/freeze.rs",
    "xtask/setup/tools",
];

/// One guest.
struct Guest {
    /// Of its component: `portable-python`.
    name: String,
    folder: PathBuf,
    language: &'static Language,
}

/// What came of the guests.
#[derive(Default)]
pub struct Made {
    pub names: BTreeSet<String>,
    /// Name and reason.
    skipped: Vec<(String, String)>,
}

impl Made {
    pub fn print_skipped(&self) {
        for (name, reason) in &self.skipped {
            eprintln!("skipped: {name}: {reason}");
        }
    }
}

/// Builds the guests that are named, or all, into `out`.
pub fn run(root: &Path, out: &Path, only: &[String]) -> anyhow::Result<Made> {
    let mut made = Made::default();
    let mut stale = Vec::new();
    for guest in guests(root)? {
        if !only.is_empty() && !only.contains(&guest.name) {
            continue;
        }
        let missing = guest.language.tools.iter().find(|tool| find(tool).is_none());
        let note = out.join(format!("{}.missing", guest.name));
        if let Some(tool) = missing {
            let reason = format!("no `{tool}`; `make setup` installs it");
            fs::write(&note, &reason).with_context(|| format!("write `{}`", note.display()))?;
            // An old component would be tested in place of the source.
            let _ = fs::remove_file(out.join(format!("{}.wasm", guest.name)));
            made.skipped.push((guest.name, reason));
            continue;
        }
        let _ = fs::remove_file(&note);
        let inputs = inputs(root, &guest)?;
        let component = out.join(format!("{}.wasm", guest.name));
        let is_fresh =
            component.is_file() && fs::read_to_string(recorded(&component)).is_ok_and(|old| old == inputs);
        made.names.insert(guest.name.clone());
        if !is_fresh {
            stale.push((guest, component, inputs));
        }
    }
    if !stale.is_empty() {
        build_all(&relight(root)?, stale)?;
    }
    Ok(made)
}

/// Guests of `components` and of the examples, those that build longest first.
fn guests(root: &Path) -> anyhow::Result<Vec<Guest>> {
    let mut parents = PARENTS.map(|parent| root.join(parent)).to_vec();
    parents.extend(sorted_folders(&root.join("examples"))?);
    let mut guests = Vec::new();
    for language in &LANGUAGES {
        for parent in &parents {
            for folder in language.folders.iter().map(|name| parent.join(name)) {
                let own = folder.file_name().unwrap_or_default().to_string_lossy();
                let name = format!("{}-{own}", parent.file_name().unwrap_or_default().to_string_lossy());
                // What a build leaves behind makes no guest.
                if folder.is_dir() && !files(root, &[&folder])?.is_empty() {
                    guests.push(Guest { name, folder, language });
                }
            }
        }
    }
    Ok(guests)
}

/// A number for everything that a guest is made of, as text.
fn inputs(root: &Path, guest: &Guest) -> anyhow::Result<String> {
    let sdk = root.join("guest-sdk").join(guest.language.name);
    let mut folders = vec![guest.folder.as_path(), &sdk];
    let shared = SHARED.map(|path| root.join(path));
    folders.extend(shared.iter().map(PathBuf::as_path));
    let mut hasher = DefaultHasher::new();
    for file in files(root, &folders)? {
        hasher.write(file.as_os_str().as_encoded_bytes());
        hasher.write_u8(0);
        let content = fs::read(root.join(&file)).with_context(|| format!("read `{}`", file.display()))?;
        hasher.write_usize(content.len());
        hasher.write(&content);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Files below some folders that git has, or would take: not what builds leave there.
fn files(root: &Path, folders: &[&Path]) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut command = Command::new("git");
    command.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]);
    let output = command.args(folders).output().context("start git")?;
    if !output.status.success() {
        bail!("`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout).context("read the names of files")?;
    let files = text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    // What is deleted and not committed is still listed.
    Ok(files.filter(|file| root.join(file).is_file()).collect())
}

/// The command that builds guests, built itself.
fn relight(root: &Path) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(workspace::cargo());
    command.current_dir(root).args(["build", "--quiet", "--bin", "relight"]);
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_PKG_NAME");
    if !command.status().context("start cargo")?.success() {
        bail!("building `relight` failed");
    }
    Ok(workspace::metadata()?.target_directory.join("debug/relight").into_std_path_buf())
}

/// Builds guests beside each other: most of a build is one thread that waits or computes.
fn build_all(relight: &Path, guests: Vec<(Guest, PathBuf, String)>) -> anyhow::Result<()> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(guests.len());
    let queue = Mutex::new(guests.into_iter());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let next = || queue.lock().expect("nobody panics with it").next();
                while let Some((guest, component, inputs)) = next() {
                    if let Err(error) = build(relight, &guest, &component, &inputs) {
                        failures.lock().expect("nobody panics with it").push(error);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panics with it");
    match failures.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn build(relight: &Path, guest: &Guest, component: &Path, inputs: &str) -> anyhow::Result<()> {
    let begun = std::time::Instant::now();
    let part = component.with_extension("wasm.part");
    let mut command = Command::new(relight);
    command.args(["build", "--unchecked", "--out"]).arg(&part).arg(&guest.folder).env("PATH", path());
    let output = command.output().with_context(|| format!("start `{}`", relight.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("building `{}` failed ({}):\n{}", guest.folder.display(), output.status, said.trim_end());
    }
    // In this order: a component without its inputs is built again.
    let _ = fs::remove_file(recorded(component));
    fs::rename(&part, component).with_context(|| format!("write `{}`", component.display()))?;
    fs::write(recorded(component), inputs).context("note what it was made of")?;
    eprintln!("{}: {:.1} s", guest.name, begun.elapsed().as_secs_f64());
    Ok(())
}

/// Where it is noted what a component was made of.
fn recorded(component: &Path) -> PathBuf {
    component.with_extension("inputs")
}

/// The PATH with what `make setup` has installed.
fn path() -> OsString {
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from).or(home);
    let own = cache.map(|cache| cache.join("relight/tools/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    // A folder with a colon in its name cannot be on a PATH.
    env::join_paths(own.into_iter().chain(env::split_paths(&path))).unwrap_or(path)
}

fn find(tool: &str) -> Option<PathBuf> {
    env::split_paths(&path()).map(|folder| folder.join(tool)).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(root: &Path, arguments: &[&str]) {
        let status = Command::new("git").current_dir(root).args(arguments).status().expect("start git");
        assert!(status.success(), "git {arguments:?}");
    }

    fn repository(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        git(root.path(), &["init", "--quiet"]);
        for file in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().expect("below the root")).expect("create");
            fs::write(&file, "1").expect("write");
        }
        fs::write(root.path().join(".gitignore"), "build/\n").expect("write");
        root
    }

    #[test]
    fn guests_are_folders_named_like_languages_that_hold_sources() {
        let root = repository(&[
            "components/bench/js/package.json",
            "components/portable/c/guest.c",
            "components/portable/go/build/left.wasm",
            "components/portable/scenarios/a.toml",
            "examples/greeter/ts/package.json",
            "examples/greeter/rust/Cargo.toml",
            "examples/greeter/python/app.py",
        ]);
        let names: Vec<String> =
            guests(root.path()).expect("list").into_iter().map(|guest| guest.name).collect();
        assert_eq!(names, ["greeter-python", "bench-js", "greeter-ts", "portable-c"]);
    }

    #[test]
    fn a_guest_is_made_of_its_sources_its_sdk_and_what_builds_it() {
        let root = repository(&[
            "components/portable/c/guest.c",
            "guest-sdk/c/relight.h",
            "guest-sdk/go/call.go",
            "wit/handler.wit",
            "examples/README.md",
        ]);
        let number = || {
            let guests = guests(root.path()).expect("list");
            inputs(root.path(), &guests[0]).expect("read")
        };
        let first = number();
        for (file, counts) in [
            ("components/portable/c/guest.c", true),
            ("components/portable/c/build/module.wasm", false),
            ("guest-sdk/c/relight.h", true),
            ("guest-sdk/go/call.go", false),
            ("wit/handler.wit", true),
        ] {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().expect("below the root")).expect("create");
            fs::write(&file, "2").expect("write");
            assert_eq!(number() != first, counts, "{}", file.display());
            fs::write(&file, "1").expect("write");
            assert_eq!(number(), first);
        }
    }
}
