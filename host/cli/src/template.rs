//! `relight new`: the files of a new project. Templates and the SDKs' sources are in this binary (`build.rs` puts them there).
//!
//! A template is a folder `templates/NAME` and a line in [`TEMPLATES`]. Its files lie where they are to lie in a project, with
//! `.template` behind their names; `gitignore.template` becomes `.gitignore`. In them `{{name}}` stands for the project's name and
//! `{{module}}` for the same with `_` instead of `-`. Files of `templates/shared` go into every project that has none of its own there.

use std::{collections::BTreeMap, fs, io, path::Path};

/// Folder, path in it, content.
type Folders = &'static [(&'static str, &'static [(&'static str, &'static str)])];

const SDKS: Folders = include!(concat!(env!("OUT_DIR"), "/sdks.rs"));
const FILES: Folders = include!(concat!(env!("OUT_DIR"), "/templates.rs"));
/// Where the SDK is in a project.
const VENDOR: &str = "vendor/relight-sdk";
const SHARED: &str = "shared";

/// What `--lang` may name.
pub const TEMPLATES: [Template; 6] = [
    Template { name: "rust", sdks: &["rust", "rust-macros", "rust-test"] },
    Template { name: "ts", sdks: &["js"] },
    Template { name: "js", sdks: &["js"] },
    Template { name: "python", sdks: &["python"] },
    Template { name: "go", sdks: &["go"] },
    Template { name: "c", sdks: &["c"] },
];

/// A kind of new project.
#[derive(Debug)]
pub struct Template {
    /// Its folder, and the language as people type it.
    pub name: &'static str,
    /// The folders of `guest-sdk` that go into the project.
    pub sdks: &'static [&'static str],
}

impl Template {
    pub fn named(name: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.name == name)
    }

    /// Writes a project into `folder`, which does not exist yet.
    pub fn write(&self, folder: &Path, name: &str) -> io::Result<()> {
        for (path, content) in self.files(name) {
            let path = folder.join(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, content)?;
        }
        Ok(())
    }

    /// Path and content of every file.
    fn files(&self, name: &str) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for (path, content) in files_of(FILES, SHARED).iter().chain(files_of(FILES, self.name)) {
            let content = content.replace("{{name}}", name).replace("{{module}}", &name.replace('-', "_"));
            files.insert(place(path), content);
        }
        for sdk in self.sdks {
            for (path, content) in files_of(SDKS, sdk) {
                files.insert(format!("{VENDOR}/{sdk}/{path}"), (*content).to_owned());
            }
        }
        files
    }
}

fn files_of(folders: Folders, name: &str) -> &'static [(&'static str, &'static str)] {
    let found = folders.iter().find(|(folder, _)| *folder == name);
    found.map_or(&[], |(_, files)| files)
}

/// Where a file of a template goes.
fn place(path: &str) -> String {
    let path = path.strip_suffix(".template").unwrap_or(path);
    match path.rsplit_once('/') {
        Some((folder, "gitignore")) => format!("{folder}/.gitignore"),
        None if path == "gitignore" => ".gitignore".to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(template: &Template) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = folder.path().join("hello-you");
        template.write(&project, "hello-you").expect("write the project");
        (folder, project)
    }

    #[test]
    fn every_template_has_what_a_project_needs() {
        for template in &TEMPLATES {
            let (_folder, project) = made(template);
            for path in ["README.md", "AGENTS.md", "relight.project.toml", ".gitignore"] {
                assert!(project.join(path).is_file(), "{}: {path}", template.name);
            }
            crate::project::Project::read(&project).expect("a valid project file");
            relight_testing::Scenario::read(&project.join("scenarios/visits.toml"))
                .expect("a valid scenario");
            for path in template.files("hello-you").keys().filter(|path| !path.starts_with(VENDOR)) {
                let content = fs::read_to_string(project.join(path)).expect("read");
                assert!(!content.contains("{{"), "{}: {path}", template.name);
                assert!(!path.ends_with(".template"), "{}: {path}", template.name);
            }
            for sdk in template.sdks {
                assert!(project.join(VENDOR).join(sdk).is_dir(), "{}: {sdk}", template.name);
            }
        }
    }

    #[test]
    fn every_folder_of_templates_can_be_asked_for() {
        for (folder, _) in FILES {
            assert!(*folder == SHARED || Template::named(folder).is_some(), "{folder}");
        }
    }

    #[test]
    fn a_project_in_go_has_its_files_and_the_sdk_without_its_tests() {
        let (_folder, project) = made(Template::named("go").expect("there is one"));
        for path in [
            "go.mod",
            "main.go",
            "vendor/relight-sdk/go/go.mod",
            "vendor/relight-sdk/go/internal/host/host.go",
        ] {
            assert!(project.join(path).is_file(), "{path}");
        }
        assert!(!project.join("vendor/relight-sdk/go/scheduler_test.go").exists());
        let manifest = fs::read_to_string(project.join("go.mod")).expect("read");
        assert!(manifest.starts_with("module hello-you\n"), "{manifest}");
    }

    #[test]
    fn a_project_in_rust_has_its_files_and_the_sdk() {
        let (_folder, project) = made(Template::named("rust").expect("there is one"));
        for path in [
            "Cargo.toml",
            "src/lib.rs",
            "vendor/relight-sdk/rust/Cargo.toml",
            "vendor/relight-sdk/rust/src/lib.rs",
            "vendor/relight-sdk/rust/wit/handler.wit",
            "vendor/relight-sdk/rust-macros/Cargo.toml",
            "vendor/relight-sdk/rust-test/Cargo.toml",
        ] {
            assert!(project.join(path).is_file(), "{path}");
        }
        let manifest = fs::read_to_string(project.join("Cargo.toml")).expect("read");
        assert!(manifest.contains("name = \"hello-you\""));
    }
}
