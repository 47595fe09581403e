//! Where things are: the repository's root, its target directory, the cargo that runs this task.

use std::{env, ffi::OsString, path::PathBuf};

use anyhow::Context as _;
use cargo_metadata::{Metadata, MetadataCommand};

/// The root of the repository.
pub fn root() -> PathBuf {
    // At run time: checkouts that share a target directory share the program, too.
    let manifest_dir =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest_dir.parent().expect("xtask is a folder of the repository").to_owned()
}

/// The cargo that runs this task, so that all parts of a build use the same one.
pub fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Where `make setup` keeps what it has made or installed.
pub fn cache() -> anyhow::Result<PathBuf> {
    match env::var_os("XDG_CACHE_HOME") {
        Some(cache) => Ok(PathBuf::from(cache).join("relight")),
        None => Ok(PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache/relight")),
    }
}

/// The root workspace without its dependencies; asks no registry.
pub fn metadata() -> anyhow::Result<Metadata> {
    MetadataCommand::new()
        .cargo_path(cargo())
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("read cargo metadata")
}
