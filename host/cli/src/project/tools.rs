//! Programs of other people that a build needs: where they are, how they are run, what is said when they are missing.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::error::{Error, Exit, Result};

/// Where packages keep tools of their own, below their folder or one that it lies in.
const LOCAL: [&str; 2] = [".venv/bin", "node_modules/.bin"];

/// A program by one of several names.
#[derive(Debug)]
pub struct Tool {
    /// As people call it.
    pub title: &'static str,
    /// Names of the program, the preferred one first.
    pub names: &'static [&'static str],
    /// The command that installs it.
    pub install: &'static str,
}

impl Tool {
    /// The program: one that belongs to the package, else one on the PATH.
    pub fn find(&self, package: &Path) -> Result<PathBuf> {
        self.all(package).into_iter().next().ok_or_else(|| self.missing())
    }

    /// Every program of these names, the preferred ones first.
    pub fn all(&self, package: &Path) -> Vec<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = local_folders(package).chain(env::split_paths(&path)).collect();
        let found = self.names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        found.filter(|program| program.is_file()).collect()
    }

    /// Says what is missing and how to get it.
    pub fn missing(&self) -> Error {
        Error::new(
            Exit::Failed,
            format!("{} is not installed: no `{}` on the PATH", self.title, self.names.join("`, `")),
        )
        .hint(format!("install it: {}", self.install))
    }
}

/// Runs a compiler to its end. What it prints goes to stderr, so that stdout has the command's own data only.
pub fn run(command: &mut Command) -> Result {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|error| Error::new(Exit::Failed, format!("cannot start `{program}`")).because(&error))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(Exit::Failed, format!("the build failed: `{program}` ended with {status}")))
}

fn local_folders(package: &Path) -> impl Iterator<Item = PathBuf> {
    let package = std::fs::canonicalize(package).unwrap_or_else(|_| package.to_owned());
    let folders: Vec<PathBuf> =
        package.ancestors().flat_map(|folder| LOCAL.iter().map(|local| folder.join(local))).collect();
    folders.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool {
        title: "the frobnicator",
        names: &["relight-test-frob-2", "relight-test-frob"],
        install: "npm install frob",
    };

    #[test]
    fn tools_of_the_package_are_found_also_from_a_folder_below() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (below, bin) = (folder.path().join("apps/one"), folder.path().join("node_modules/.bin"));
        for folder in [&below, &bin] {
            std::fs::create_dir_all(folder).expect("create");
        }
        std::fs::write(bin.join("relight-test-frob"), "").expect("write");
        let found = TOOL.find(&below).expect("it is there");
        assert!(found.ends_with("node_modules/.bin/relight-test-frob"), "{}", found.display());

        std::fs::write(bin.join("relight-test-frob-2"), "").expect("write");
        assert_eq!(TOOL.all(&below).len(), 2);
        assert!(TOOL.find(&below).expect("it is there").ends_with("relight-test-frob-2"));
    }

    #[test]
    fn a_missing_tool_is_named_with_the_command_that_installs_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = TOOL.find(folder.path()).expect_err("nobody has it");
        assert!(
            error.to_string().contains("the frobnicator") && error.to_string().contains("npm install frob"),
            "{error}"
        );
    }

    #[test]
    fn a_compiler_that_fails_fails_the_build() {
        let error = run(Command::new("false").arg("x")).expect_err("it fails");
        assert!(error.to_string().contains("the build failed"), "{error}");
        let error = run(&mut Command::new("relight-test-no-such-program")).expect_err("it is not there");
        assert!(error.to_string().contains("cannot start"), "{error}");
    }
}
