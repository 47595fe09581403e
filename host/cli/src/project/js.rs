//! Projects in TypeScript and JavaScript: the SDK's own `build.js` bundles the package and puts the bundle into QuickJS.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{
    language::{Language, Output, Source},
    tools::{self, Tool},
    unreadable,
};
use crate::error::{Error, Exit, Result};

pub const LANGUAGE: Language = Language {
    names: &["ts", "js"],
    looked_for: "`package.json`",
    detect: |package| package.join(MANIFEST).is_file(),
    build,
};

const MANIFEST: &str = "package.json";
/// The SDK's name among dependencies.
const SDK: &str = "@relight/sdk";
/// Where `relight new` puts the SDK.
const VENDORED: &str = "vendor/relight-sdk/js";
/// What the SDK is known by.
const BUILD: &str = "build.js";

const NODE: Tool =
    Tool { title: "Node.js", names: &["node"], install: "https://nodejs.org, version 20.19 or newer" };
const COMPONENTIZE: Tool = Tool {
    title: "componentize-qjs, which puts JavaScript into a component,",
    names: &["componentize-qjs"],
    install: "`npm install` in the project's folder",
};
const ROLLDOWN: Tool = Tool {
    title: "rolldown, which bundles JavaScript,",
    names: &["rolldown"],
    install: "`npm install` in the project's folder",
};

fn build(source: &Source<'_>) -> Result<Output> {
    let node = NODE.find(source.package)?;
    let modules = [COMPONENTIZE.find(source.package)?, ROLLDOWN.find(source.package)?];
    let sdk = sdk(source)?;
    let path = source.component_path();
    let mut command = Command::new(node);
    command.arg(sdk.join(BUILD)).arg("--project").arg(source.package).arg("--out").arg(&path);
    command.env("NODE_PATH", node_path(&modules)?);
    tools::run(&mut command)?;
    Ok(Output {
        bytes: fs::read(&path).map_err(|error| unreadable(&path, &error))?,
        path,
        hint: "does the package use the SDK that `relight new` brings?",
    })
}

/// The SDK's folder: where the manifest says that it is, else where `relight new` puts it, else among the installed modules.
fn sdk(source: &Source<'_>) -> Result<PathBuf> {
    let manifest = source.package.join(MANIFEST);
    let named = dependency(&manifest)?.map(|path| source.package.join(path));
    let vendored = source.folder.join(VENDORED);
    let package = fs::canonicalize(source.package).map_err(|error| unreadable(source.package, &error))?;
    let installed = package.ancestors().map(|folder| folder.join("node_modules").join(SDK));
    let mut candidates = named.into_iter().chain([vendored]).chain(installed);
    candidates.find(|folder| folder.join(BUILD).is_file()).ok_or_else(|| {
        Error::new(Exit::Failed, format!("`{}` has no `{SDK}` that can be found", manifest.display())).hint(
            format!(
                "add `\"{SDK}\": \"file:{VENDORED}\"` to its dependencies; `relight new` brings that folder"
            ),
        )
    })
}

/// The path of the SDK, when the manifest has it as a folder.
fn dependency(manifest: &Path) -> Result<Option<PathBuf>> {
    let text = fs::read_to_string(manifest).map_err(|error| unreadable(manifest, &error))?;
    let manifest_of_package: Value = serde_json::from_str(&text).map_err(|error| {
        Error::usage(format!("`{}` is not valid JSON", manifest.display())).because(&error)
    })?;
    let version = manifest_of_package.get("dependencies").and_then(|packages| packages.get(SDK)?.as_str());
    Ok(version.and_then(|version| version.strip_prefix("file:")).map(PathBuf::from))
}

/// Tools may be installed for the whole machine: then Node is told where their modules are.
fn node_path(programs: &[PathBuf]) -> Result<OsString> {
    let own = env::var_os("NODE_PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        env::split_paths(&own).filter(|folder| !folder.as_os_str().is_empty()).collect();
    for program in programs {
        let program = fs::canonicalize(program).map_err(|error| unreadable(program, &error))?;
        let modules = program.ancestors().find(|folder| folder.ends_with("node_modules"));
        folders.extend(modules.map(Path::to_owned).filter(|folder| !folders.contains(folder)));
    }
    env::join_paths(folders)
        .map_err(|error| Error::new(Exit::Failed, "cannot tell Node where its modules are").because(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    fn find(folder: &Path) -> Result<PathBuf> {
        sdk(&Source { folder, package: folder, project: &Project::default() })
    }

    fn put_sdk(folder: &Path) {
        fs::create_dir_all(folder).expect("create");
        fs::write(folder.join(BUILD), "").expect("write");
    }

    #[test]
    fn the_sdk_is_where_the_manifest_says_or_vendored_or_installed() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = root.path().join("app");
        fs::create_dir(&folder).expect("create");
        fs::write(folder.join(MANIFEST), "{\"dependencies\":{\"@relight/sdk\":\"file:../sdk\"}}")
            .expect("write");
        let error = find(&folder).expect_err("nowhere");
        assert!(error.to_string().contains("file:vendor/relight-sdk/js"), "{error}");

        put_sdk(&root.path().join("node_modules/@relight/sdk"));
        assert!(find(&folder).expect("installed").ends_with("node_modules/@relight/sdk"));
        put_sdk(&folder.join(VENDORED));
        assert!(find(&folder).expect("vendored").ends_with(VENDORED));
        put_sdk(&root.path().join("sdk"));
        assert!(find(&folder).expect("named").ends_with("../sdk"));
    }

    #[test]
    fn a_manifest_that_is_no_json_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(MANIFEST), "{").expect("write");
        let error = find(folder.path()).expect_err("no JSON");
        assert!(error.to_string().contains("package.json"), "{error}");
    }

    #[test]
    fn modules_are_found_beside_programs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("node_modules/rolldown/bin/cli.mjs");
        fs::create_dir_all(program.parent().expect("below the folder")).expect("create");
        fs::write(&program, "").expect("write");
        let path = node_path(&[program.clone(), program]).expect("one folder");
        let wanted = fs::canonicalize(folder.path().join("node_modules")).expect("it is there");
        let found: Vec<_> = env::split_paths(&path).filter(|folder| *folder == wanted).collect();
        assert_eq!(found.len(), 1, "{path:?}");
    }
}
