//! Where the guests' components are, and why one is not there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support;

/// The name of a component of `cargo xtask components`.
#[derive(Clone, Copy)]
pub struct Guest(pub &'static str);

impl Guest {
    /// The component, or `None` with a line that says why: its language's compiler was not there.
    pub fn path(self) -> Option<PathBuf> {
        let path = support::path(self.0);
        let Ok(reason) = fs::read_to_string(path.with_extension("missing")) else {
            assert!(path.is_file(), "no `{}`\nhint: run `cargo xtask components`", path.display());
            return Some(path);
        };
        support::skipped(&format!("{} was not built: {reason}", self.0));
        None
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::canonicalize(root).expect("the repository is there")
}

/// Whether a guest lies in the folder, and not only what a build has left there.
pub fn has_sources(folder: &Path) -> bool {
    let is_source =
        |path: PathBuf| path.extension().is_some_and(|extension| SOURCES.iter().any(|one| *one == extension));
    let below = [folder.to_owned(), folder.join("src")];
    below.iter().flat_map(fs::read_dir).flatten().flatten().any(|file| is_source(file.path()))
}

const SOURCES: [&str; 5] = ["py", "ts", "js", "go", "c"];
