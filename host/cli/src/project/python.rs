//! Projects in Python: componentize-py puts an interpreter, the program and what it imports into a component.
//!
//! Modules are loaded while it is built. A module of our own is the first of them, so that the SDK has put the invocation's clock, chance
//! and log in place before the program asks for any of these.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use super::{
    language::{Language, Output, Source},
    tools::{self, Tool},
    unreadable,
};
use crate::error::{Error, Exit, Result};

const COMPONENTIZE: Tool = Tool {
    title: "the compiler of Python components",
    names: &["componentize-py"],
    install: "`python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1` in the project's folder",
};
/// Where `relight new` puts the SDK.
const VENDORED: &str = "vendor/relight-sdk/python";
const VENV: &str = ".venv";
/// The module whose exports the component has. Not a name that a program would have.
const ENTRY: &str = "relight_entry";

pub const LANGUAGE: Language = Language {
    names: &["python", "py"],
    looked_for: "`app.py` or `pyproject.toml`",
    detect: |package| ["app.py", "pyproject.toml"].iter().any(|file| package.join(file).is_file()),
    build,
};

/// `[python]` of relight.project.toml.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The module that calls `relight.export`; `app` if absent.
    pub module: Option<String>,
    /// Further folders with modules, from the package.
    #[serde(default)]
    pub path: Vec<PathBuf>,
}

fn build(source: &Source<'_>) -> Result<Output> {
    let compiler = COMPONENTIZE.find(source.package)?;
    let folder = source.build_folder();
    let parts = folder.join("python");
    let component = parts.join("handlers.wasm");
    let (wit, entry) = (parts.join("wit"), parts.join("entry"));
    write(&wit.join("handler.wit"), relight_wit::HANDLER_WIT)?;
    write(&entry.join(format!("{ENTRY}.py")), &entry_module(module(&source.project.python)?))?;

    let mut command = Command::new(compiler);
    // Without `--quiet`, stdout says that it worked, and we do.
    command.arg("--quiet").arg("-d").arg(&wit).args(["-w", relight_wit::HANDLER_WORLD, "componentize"]);
    // Nothing of WASI is left in the component: the SDK stands in for what programs would ask of it.
    command.arg("--stub-wasi").arg("-p").arg(&entry);
    for folder in module_folders(source) {
        command.arg("-p").arg(folder);
    }
    // Packages are those of the project, never those of the machine that happens to build it: the compiler would search for some.
    let environment = match environment(source) {
        Some(environment) => environment,
        None => no_environment(&parts)?,
    };
    command.env("VIRTUAL_ENV", environment);
    command.arg(ENTRY).arg("-o").arg(&component);
    tools::run(&mut command).map_err(|error| {
        error.hint("modules are loaded while the component is built: does `python -c 'import app'` work, with the SDK on its path?")
    })?;
    let bytes = fs::read(&component).map_err(|error| unreadable(&component, &error))?;
    // It is in memory, and large; what is left behind is only rubbish.
    let _ = fs::remove_file(&component);
    Ok(Output { bytes, path: source.component_path(), hint: "does the module call `relight.export(…)`?" })
}

/// The module that the component begins with.
fn entry_module(module: &str) -> String {
    format!(
        "\"\"\"Written by `relight build`.\"\"\"\n\nfrom relight import component\n\ncomponent.install()\n\n\
         import {module}  # noqa: E402, F401\n\ncomponent.built()\n\nHandler = component.Component\n"
    )
}

fn module(settings: &Settings) -> Result<&str> {
    let module = settings.module.as_deref().unwrap_or("app");
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    if module.split('.').all(is_name) {
        return Ok(module);
    }
    Err(Error::usage(format!("`{module}` cannot be the name of a module"))
        .hint("write `module` of [python] as an `import` would, such as `shop.handlers`"))
}

/// Where modules are looked for: the package, what it names, the SDK.
fn module_folders(source: &Source<'_>) -> Vec<PathBuf> {
    let named = source.project.python.path.iter().map(|folder| source.package.join(folder));
    [source.package.to_owned(), source.package.join("src")]
        .into_iter()
        .chain(named)
        .chain([source.folder.join(VENDORED)])
        .filter(|folder| folder.is_dir())
        .collect()
}

/// The virtual environment of the project, or the one that is active.
fn environment(source: &Source<'_>) -> Option<PathBuf> {
    let package = fs::canonicalize(source.package).unwrap_or_else(|_| source.package.to_owned());
    package
        .ancestors()
        .map(|folder| folder.join(VENV))
        .find(|folder| folder.join("pyvenv.cfg").is_file())
        .or_else(|| env::var_os("VIRTUAL_ENV").map(PathBuf::from))
}

/// An environment without packages: without any, the compiler looks for one of the machine.
fn no_environment(parts: &Path) -> Result<PathBuf> {
    let environment = parts.join("no-environment");
    write(&environment.join("lib/python3/site-packages/README"), "No packages.\n")?;
    Ok(environment)
}

fn write(path: &Path, content: &str) -> Result {
    let folder = path.parent().expect("a file in a folder that is built");
    fs::create_dir_all(folder).and_then(|()| fs::write(path, content)).map_err(|error| {
        Error::new(Exit::Failed, format!("cannot write `{}`", path.display())).because(&error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    #[test]
    fn a_module_is_a_name() {
        let named = |name: &str| Settings { module: Some(name.to_owned()), ..Settings::default() };
        assert_eq!(module(&Settings::default()).expect("the default"), "app");
        for name in ["shop", "shop.handlers", "_a1"] {
            assert_eq!(module(&named(name)).expect("a name"), name);
        }
        for name in ["", "shop.py ", "a-b", "a..b", "1a", "a;b", "a\nb"] {
            assert_eq!(module(&named(name)).expect_err("no name").exit, Exit::Usage, "{name}");
        }
    }

    #[test]
    fn the_sdk_comes_before_the_program() {
        let text = entry_module("shop.handlers");
        let place = |part: &str| text.find(part).expect("it is there");
        assert!(place("component.install()") < place("import shop.handlers"));
        assert!(place("import shop.handlers") < place("component.built()"));
    }

    #[test]
    fn modules_are_looked_for_in_folders_that_are_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for path in ["app/src", "shared", VENDORED] {
            fs::create_dir_all(folder.path().join(path)).expect("create");
        }
        let project: Project =
            toml::from_str("[python]\nmodule = \"m\"\npath = [\"../shared\", \"../missing\"]\n")
                .expect("valid");
        let package = folder.path().join("app");
        let source = Source { folder: folder.path(), package: &package, project: &project };
        assert_eq!(
            module_folders(&source),
            [package.clone(), package.join("src"), package.join("../shared"), folder.path().join(VENDORED)]
        );
    }

    #[test]
    fn the_environment_of_the_project_is_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let package = folder.path().join("app");
        fs::create_dir_all(folder.path().join(VENV)).expect("create");
        fs::create_dir_all(&package).expect("create");
        fs::write(folder.path().join(VENV).join("pyvenv.cfg"), "").expect("write");
        let project = Project::default();
        let source = Source { folder: folder.path(), package: &package, project: &project };
        let expected = fs::canonicalize(folder.path()).expect("it is there").join(VENV);
        assert_eq!(environment(&source), Some(expected));
    }
}
