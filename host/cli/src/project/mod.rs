//! A project folder: `relight.project.toml`, the language's own build, the component that comes out of it.
//!
//! How a language is built lives in its own file: `rust.rs` and those beside it.

mod c;
mod go;
mod js;
mod language;
mod python;
mod rust;
mod tools;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use self::language::Source;
use crate::{
    error::{Error, Exit, Result},
    output,
};

const FILE: &str = "relight.project.toml";
const MEMORY_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// `relight.project.toml`. A folder without one is a project with these defaults.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Project {
    /// Language of the handlers; otherwise the files of the package tell.
    pub language: Option<String>,
    /// Folder of the package that is built, relative to the file.
    pub entry: Option<PathBuf>,
    /// `host` or `host:port` that effects may reach.
    #[serde(default)]
    pub allow_http: Vec<String>,
    /// Environment of the handlers.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Linear memory of one instance, such as `64MiB`.
    pub memory: Option<String>,
    /// How C is compiled.
    #[serde(default)]
    pub c: c::Settings,
    /// What Rust is compiled for.
    #[serde(default)]
    pub rust: rust::Settings,
    /// Where Python's modules are.
    #[serde(default)]
    pub python: python::Settings,
}

/// A component, ready to upload.
#[derive(Debug)]
pub struct Built {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub project: Project,
}

impl Project {
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        toml::from_str(&text).map_err(|error| {
            Error::usage(format!("`{}` is not a valid project file", path.display())).because(&error)
        })
    }

    /// Bytes of memory of one instance, where the project says so.
    pub fn memory_bytes(&self) -> Result<Option<u64>> {
        self.memory.as_deref().map(memory_bytes).transpose()
    }
}

/// `64MiB`, `512 KiB` or a number of bytes.
pub fn memory_bytes(text: &str) -> Result<u64> {
    let wrong = || Error::usage(format!("`{text}` is not a size")).hint("write it as `64MiB`");
    let text = text.trim();
    let (number, unit) = MEMORY_UNITS
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
        .unwrap_or((text, 1));
    let number: u64 = number.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

/// The component at `path`: a `.wasm` file as it is, or what the project in a folder builds.
pub fn component(path: &Path) -> Result<Built> {
    if path.is_dir() {
        return build(path);
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    // A file that is no component goes to the server as it is: its answer says what is wrong with it.
    let bytes = match componentize(&bytes) {
        Ok(component) => component,
        Err(_) => bytes,
    };
    Ok(Built { path: path.to_owned(), bytes, project: Project::read(folder)? })
}

/// Builds the project in `folder`; the compiler's own messages go to stderr.
pub fn build(folder: &Path) -> Result<Built> {
    let project = Project::read(folder)?;
    let package = match &project.entry {
        Some(entry) => folder.join(entry),
        None => folder.to_owned(),
    };
    let language = language::of(&project, &package)?;
    let output = (language.build)(&Source { folder, package: &package, project: &project })?;
    let bytes = componentize(&output.bytes).map_err(|error| {
        Error::new(
            Exit::UploadInvalid,
            format!("the build of `{}` cannot become a component", package.display()),
        )
        .because(&error)
        .hint(output.hint)
    })?;
    let path = output.path;
    fs::write(&path, &bytes).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot write `{}`", path.display())).because(&error)
    })?;
    Ok(Built { path, bytes, project })
}

/// A toolchain that knows nothing of worlds builds for ours.
fn componentize(bytes: &[u8]) -> std::result::Result<Vec<u8>, relight_wit::Error> {
    match relight_wit::componentize(bytes) {
        Err(relight_wit::Error::NoWorld) => {
            relight_wit::componentize(&relight_wit::embed_world(bytes, &[], relight_wit::HANDLER_WORLD)?)
        }
        other => other,
    }
}

pub fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    let exit = if cause.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
    Error::new(exit, format!("cannot read `{}`", path.display())).because(cause)
}

/// Says on stderr what a component is made of.
pub fn describe(built: &Built) {
    output::say(&format!("{}  {}", built.path.display(), output::size(built.bytes.len() as u64)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [("64MiB", 64 << 20), ("1 KiB", 1024), ("77", 77), ("3B", 3)] {
            assert_eq!(memory_bytes(text).expect("a size"), bytes);
        }
        for text in ["", "MiB", "-1", "64MB", "99999999999GiB"] {
            assert_eq!(memory_bytes(text).expect_err("no size").exit, Exit::Usage, "{text}");
        }
    }

    #[test]
    fn project_file_is_read_and_unknown_keys_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Project::read(folder.path()).expect("defaults"), Project::default());

        let file = folder.path().join(FILE);
        fs::write(&file, "allow-http = [\"127.0.0.1:9\"]\nmemory = \"1MiB\"\n[env]\nA = \"b\"\n")
            .expect("write");
        let project = Project::read(folder.path()).expect("valid");
        assert_eq!(project.allow_http, ["127.0.0.1:9"]);
        assert_eq!(project.memory_bytes().expect("a size"), Some(1 << 20));
        assert_eq!(project.env.get("A").map(String::as_str), Some("b"));

        fs::write(&file, "allow-htp = []\n").expect("write");
        let error = Project::read(folder.path()).expect_err("unknown key");
        assert!(error.to_string().contains("allow-htp"), "{error}");
    }

    #[test]
    fn a_folder_without_a_package_says_so() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = build(folder.path()).expect_err("no project");
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.to_string().contains("no `Cargo.toml`"), "{error}");
    }

    #[test]
    fn a_missing_file_is_not_found() {
        assert_eq!(component(Path::new("no/such.wasm")).expect_err("missing").exit, Exit::NotFound);
    }
}
