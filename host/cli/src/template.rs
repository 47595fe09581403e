//! `relight new`: the files of a new project. The SDK's sources are in this binary and go into `vendor/relight-sdk/`.

use std::{fs, io, path::Path};

/// Path below `vendor/relight-sdk/` and content.
const SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// Path in the project and content; `{{name}}` and `{{crate}}` stand for the project's name.
const RUST: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../templates/rust/Cargo.toml.template")),
    ("src/lib.rs", include_str!("../templates/rust/lib.rs.template")),
    ("README.md", include_str!("../templates/rust/README.md.template")),
    ("scenarios/visits.toml", include_str!("../templates/rust/visits.toml.template")),
    ("relight.project.toml", include_str!("../templates/rust/relight.project.toml.template")),
    (".gitignore", "/target\n"),
    ("vendor/relight-sdk/README.md", include_str!("../templates/rust/vendor.md.template")),
];

/// Writes a Rust project into `folder`, which does not exist yet.
pub fn write_rust(folder: &Path, name: &str) -> io::Result<()> {
    for (path, content) in RUST {
        write(&folder.join(path), &content.replace("{{name}}", name))?;
    }
    for (path, content) in SDK {
        write(&folder.join("vendor/relight-sdk").join(path), content)?;
    }
    Ok(())
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_files_and_the_sdk() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = folder.path().join("hello");
        write_rust(&project, "hello").expect("write the project");
        for path in [
            "Cargo.toml",
            "src/lib.rs",
            "relight.project.toml",
            "scenarios/visits.toml",
            "vendor/relight-sdk/rust/Cargo.toml",
            "vendor/relight-sdk/rust/src/lib.rs",
            "vendor/relight-sdk/rust/wit/handler.wit",
            "vendor/relight-sdk/rust-macros/Cargo.toml",
            "vendor/relight-sdk/rust-test/Cargo.toml",
        ] {
            assert!(project.join(path).is_file(), "{path}");
        }
        let manifest = fs::read_to_string(project.join("Cargo.toml")).expect("read");
        assert!(manifest.contains("name = \"hello\""));
        for (path, _) in RUST {
            assert!(!fs::read_to_string(project.join(path)).expect("read").contains("{{"), "{path}");
        }
    }

    #[test]
    fn the_scenario_of_the_template_is_valid() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = folder.path().join("hello");
        write_rust(&project, "hello").expect("write the project");
        relight_testing::Scenario::read(&project.join("scenarios/visits.toml")).expect("a valid scenario");
    }

    #[test]
    fn the_project_file_of_the_template_is_valid() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = folder.path().join("hello");
        write_rust(&project, "hello").expect("write the project");
        crate::project::Project::read(&project).expect("a valid project file");
    }
}
