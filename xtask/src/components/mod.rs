//! `cargo xtask components`: every guest crate as a component, ready to upload.
//!
//! Guests in Rust are found by their `Cargo.toml` under `components/` and `examples/*/rust`; whatever they build as a
//! `cdylib` becomes `<target-dir>/components/<name>.wasm`. Cargo decides what has to be compiled again. Guests in other
//! languages are in `languages.rs`.

mod languages;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use cargo_metadata::{Artifact, CrateType, Message, MetadataCommand, PackageId, camino::Utf8PathBuf};

use crate::workspace;

const TARGET: &str = "wasm32-unknown-unknown";
/// Where a package says that it is built for another target: `[package.metadata.relight] target = "…"`.
const TARGET_METADATA: &str = "/relight/target";
/// Folders that hold no guests of ours.
const SKIPPED: [&str; 3] = ["target", "vendor", "node_modules"];
/// `components/conformance/NAME/Cargo.toml` is the deepest.
const DEPTH_MAX: usize = 4;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Build only these: packages in Rust, and guests such as `portable-python`.
    #[arg(value_name = "NAME")]
    only: Vec<String>,
    /// Print the manifests of the guests' workspaces and build nothing.
    #[arg(long)]
    list_workspaces: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = workspace::root();
    let workspaces = guest_workspaces(&manifests(&root)?, &arguments.only)?;
    if arguments.list_workspaces {
        let manifests: BTreeSet<_> = workspaces.keys().map(|(manifest, _)| manifest).collect();
        manifests.iter().for_each(|manifest| println!("{manifest}"));
        return Ok(());
    }
    let out = workspace::metadata()?.target_directory.join("components");
    fs::create_dir_all(&out).with_context(|| format!("create `{out}`"))?;

    let mut names = BTreeSet::new();
    for ((workspace, target), packages) in &workspaces {
        for (name, module) in build(workspace, target, packages)? {
            if !names.insert(name.clone()) {
                bail!("two guests are called `{name}`");
            }
            write_component(&module, out.join(format!("{name}.wasm")).as_std_path())
                .with_context(|| format!("make a component of `{name}`"))?;
        }
    }
    let others = languages::run(&root, out.as_std_path(), &arguments.only)?;
    names.extend(others.names.iter().cloned());
    others.print_skipped();
    if names.is_empty() {
        bail!("no guest found under components/ and examples/ that is to be built");
    }
    eprintln!("{} components in {out}", names.len());
    Ok(())
}

/// Builds the component of one package.
pub fn build_only(package: &str) -> anyhow::Result<()> {
    run(&Arguments { only: vec![package.to_owned()], list_workspaces: false })
}

/// Manifests of guests, in order.
fn manifests(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let components = root.join("components");
    if components.is_dir() {
        find_manifests(&components, 0, &mut found)?;
    }
    let examples = root.join("examples");
    if examples.is_dir() {
        for example in sorted_folders(&examples)? {
            let rust = example.join("rust");
            if rust.is_dir() {
                find_manifests(&rust, 0, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn find_manifests(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let manifest = folder.join("Cargo.toml");
    if manifest.is_file() {
        found.push(manifest);
    }
    if depth < DEPTH_MAX {
        for child in sorted_folders(folder)? {
            let name = child.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !SKIPPED.contains(&name.as_str()) && !name.starts_with('.') {
                find_manifests(&child, depth + 1, found)?;
            }
        }
    }
    Ok(())
}

fn sorted_folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("list `{}`", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

/// Names of the packages to build, by the manifest of the workspace that they belong to and by their target.
type Workspaces = BTreeMap<(Utf8PathBuf, String), BTreeSet<String>>;

fn guest_workspaces(manifests: &[PathBuf], only: &[String]) -> anyhow::Result<Workspaces> {
    let mut workspaces = Workspaces::new();
    let mut known = BTreeSet::new();
    for manifest in manifests {
        if known.contains(manifest) {
            continue;
        }
        let metadata = MetadataCommand::new()
            .cargo_path(workspace::cargo())
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .with_context(|| format!("read `{}`", manifest.display()))?;
        for package in &metadata.packages {
            let path = package.manifest_path.clone().into_std_path_buf();
            let wanted = only.is_empty() || only.iter().any(|name| *name == *package.name);
            let guest = package.targets.iter().any(|target| target.crate_types.contains(&CrateType::CDyLib));
            if manifests.contains(&path) && guest && wanted {
                let target = package.metadata.pointer(TARGET_METADATA).and_then(|target| target.as_str());
                workspaces
                    .entry((metadata.workspace_root.join("Cargo.toml"), target.unwrap_or(TARGET).to_owned()))
                    .or_default()
                    .insert(package.name.to_string());
            }
            known.insert(path);
        }
    }
    Ok(workspaces)
}

/// Builds guests; gives name and path of each core module, or component where the target makes these.
fn build(
    workspace: &Utf8PathBuf,
    target: &str,
    packages: &BTreeSet<String>,
) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut command = Command::new(workspace::cargo());
    command.args(["build", "--release", "--lib", "--examples", "--target", target]);
    command.args(["--message-format", "json-render-diagnostics", "--manifest-path", workspace.as_str()]);
    for package in packages {
        command.args(["--package", package]);
    }
    // Variables that `cargo run` sets for this program would reach the inner cargo's build scripts.
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_PKG_NAME");
    let mut child = command.stdout(Stdio::piped()).spawn().context("start cargo")?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut modules = Vec::new();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message.context("read cargo's messages")? {
            modules.extend(module(&artifact));
        }
    }
    let status = child.wait().context("wait for cargo")?;
    if !status.success() {
        bail!("building the guests of `{workspace}` failed ({status})");
    }
    Ok(modules)
}

fn module(artifact: &Artifact) -> Option<(String, PathBuf)> {
    if !artifact.target.crate_types.contains(&CrateType::CDyLib) {
        return None;
    }
    let path = artifact.filenames.iter().find(|path| path.extension() == Some("wasm"))?;
    let name = if artifact.target.is_example() {
        artifact.target.name.clone()
    } else {
        package_name(&artifact.package_id).unwrap_or(&artifact.target.name).to_owned()
    };
    Some((name, path.clone().into_std_path_buf()))
}

/// `path+file:///…/greeter#0.1.0` or `path+file:///…/folder#greeter@0.1.0`.
fn package_name(id: &PackageId) -> Option<&str> {
    let (url, fragment) = id.repr.rsplit_once('#')?;
    match fragment.split_once('@') {
        Some((name, _version)) => Some(name),
        None => url.rsplit('/').next(),
    }
}

/// Writes only what changed, so that a file's time tells when its content did.
fn write_component(module: &Path, out: &Path) -> anyhow::Result<()> {
    let module = fs::read(module).with_context(|| format!("read `{}`", module.display()))?;
    let component = relight_wit::componentize(&module)?;
    if fs::read(out).is_ok_and(|old| old == component) {
        return Ok(());
    }
    let part = out.with_extension("wasm.part");
    fs::write(&part, &component).with_context(|| format!("write `{}`", part.display()))?;
    fs::rename(&part, out).with_context(|| format!("write `{}`", out.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_found_by_their_manifests() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for folder in ["components/bench", "components/conformance/sleep", "examples/a/rust", "examples/a/js"]
        {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).expect("create");
            fs::write(folder.join("Cargo.toml"), "").expect("write");
        }
        let ignored = root.path().join("components/bench/target/package");
        fs::create_dir_all(&ignored).expect("create");
        fs::write(ignored.join("Cargo.toml"), "").expect("write");

        let found = manifests(root.path()).expect("list");
        let found: Vec<_> =
            found.iter().map(|path| path.strip_prefix(root.path()).expect("below root").display()).collect();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "components/bench/Cargo.toml",
                "components/conformance/sleep/Cargo.toml",
                "examples/a/rust/Cargo.toml"
            ]
        );
    }

    #[test]
    fn package_names_come_from_both_forms_of_ids() {
        let name = |repr: &str| package_name(&PackageId { repr: repr.to_owned() }).map(str::to_owned);
        assert_eq!(name("path+file:///src/greeter#0.1.0").as_deref(), Some("greeter"));
        assert_eq!(name("path+file:///src/greeter/rust#greeter@0.1.0").as_deref(), Some("greeter"));
    }
}
