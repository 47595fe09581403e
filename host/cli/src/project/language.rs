//! The languages that `relight build` knows: a table, and how the one of a project is found in it.
//!
//! A language is one file beside this one and one line in [`LANGUAGES`].

use std::path::{Path, PathBuf};

use super::{FILE, Project, c, go, js, python, rust};
use crate::error::{Error, Result};

/// In the order in which messages name them.
pub const LANGUAGES: [Language; 5] =
    [rust::LANGUAGE, js::LANGUAGE, python::LANGUAGE, go::LANGUAGE, c::LANGUAGE];

/// A language whose compiler `relight build` runs.
#[derive(Debug)]
pub struct Language {
    /// What `language` in relight.project.toml may be; the first one is shown.
    pub names: &'static [&'static str],
    /// What is looked for in a folder, for people: "`Cargo.toml`".
    pub looked_for: &'static str,
    /// Whether the folder looks like a package in this language.
    pub detect: fn(&Path) -> bool,
    /// Runs the compiler; its messages go to stderr.
    pub build: fn(&Source<'_>) -> Result<Output>,
}

/// What is to be built.
#[derive(Debug)]
pub struct Source<'a> {
    /// The project's folder.
    pub folder: &'a Path,
    /// The package's: the same one, or the one that `entry` names.
    pub package: &'a Path,
    pub project: &'a Project,
}

/// What a compiler made.
#[derive(Debug)]
pub struct Output {
    /// A core module or a component.
    pub bytes: Vec<u8>,
    /// Where the component is to be written.
    pub path: PathBuf,
    /// What may be wrong when no component comes out of it.
    pub hint: &'static str,
}

impl Source<'_> {
    /// Where a language that has no place of its own puts what it makes.
    pub fn build_folder(&self) -> PathBuf {
        self.package.join("build")
    }

    /// `build/NAME.component.wasm`, named like the project's folder.
    pub fn component_path(&self) -> PathBuf {
        let folder = std::fs::canonicalize(self.folder).unwrap_or_else(|_| self.folder.to_owned());
        let name = folder.file_name().map_or_else(|| "handlers".into(), |name| name.to_string_lossy());
        self.build_folder().join(format!("{name}.component.wasm"))
    }
}

impl Language {
    fn name(&self) -> &'static str {
        self.names[0]
    }
}

/// The language of a package: the one that the project file names, else the only one that it looks like.
pub fn of(project: &Project, package: &Path) -> Result<&'static Language> {
    if let Some(name) = &project.language {
        return LANGUAGES.iter().find(|language| language.names.contains(&name.as_str())).ok_or_else(|| {
            let known: Vec<&str> = LANGUAGES.iter().flat_map(|language| language.names).copied().collect();
            Error::usage(format!("`language = \"{name}\"` in {FILE} is no language that can be built")).hint(
                format!(
                    "known are: {}; a component made by other means can be deployed as it is",
                    known.join(", ")
                ),
            )
        });
    }
    let found: Vec<&Language> = LANGUAGES.iter().filter(|language| (language.detect)(package)).collect();
    match found[..] {
        [language] => Ok(language),
        [] => {
            let looked_for: Vec<String> = LANGUAGES
                .iter()
                .map(|language| format!("{} ({})", language.looked_for, language.name()))
                .collect();
            Err(Error::usage(format!(
                "`{}` is not a project: it has no {}",
                package.display(),
                looked_for.join(", no ")
            ))
            .hint(format!("`relight new NAME` makes one; `entry` in {FILE} names another folder")))
        }
        _ => {
            let both: Vec<String> = found
                .iter()
                .map(|language| format!("{} ({})", language.looked_for, language.name()))
                .collect();
            Err(Error::usage(format!(
                "`{}` may be more than one language: it has {}",
                package.display(),
                both.join(" and ")
            ))
            .hint(format!("say which in {FILE}: `language = \"{}\"`", found[0].name())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            std::fs::write(folder.path().join(file), "").expect("write");
        }
        folder
    }

    fn named(language: &str) -> Project {
        Project { language: Some(language.to_owned()), ..Project::default() }
    }

    #[test]
    fn a_package_is_known_by_its_files() {
        let packages = [
            (&["Cargo.toml", "README.md"][..], "rust"),
            (&["package.json"], "ts"),
            (&["app.py"], "python"),
            (&["go.mod"], "go"),
            (&["handlers.c"], "c"),
        ];
        for (files, name) in packages {
            let language = of(&Project::default(), package(files).path()).expect("known");
            assert_eq!(language.name(), name);
        }
    }

    #[test]
    fn the_language_that_is_named_wins() {
        let folder = package(&["Cargo.toml", "native.c"]);
        assert_eq!(of(&named("c"), folder.path()).expect("named").name(), "c");
        let error = of(&Project::default(), folder.path()).expect_err("two");
        assert!(
            error.message.contains("`Cargo.toml` (rust) and") && error.message.contains("(c)"),
            "{error}"
        );
        assert!(error.to_string().contains("`language = \"rust\"`"), "{error}");
    }

    #[test]
    fn what_was_looked_for_is_said() {
        let error = of(&Project::default(), package(&["main.cob"]).path()).expect_err("unknown");
        for language in &LANGUAGES {
            assert!(error.message.contains(language.looked_for), "{error}");
        }
        let error = of(&named("cobol"), package(&[]).path()).expect_err("unknown");
        assert!(error.message.contains("cobol") && error.to_string().contains("rust, ts"), "{error}");
    }
}
