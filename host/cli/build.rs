//! Puts the files of new projects into the binary: the templates, and the sources of the SDKs that `relight new` writes next to a
//! project.

use std::{env, fmt::Write as _, fs, io, path::Path};

/// Folders of `guest-sdk` that projects may have below `vendor/relight-sdk/`.
const SDKS: [&str; 7] = ["rust", "rust-macros", "rust-test", "js", "python", "go", "c"];
/// What belongs to the development of an SDK, not to its use.
const SKIPPED: [&str; 9] = [
    "target",
    "tests",
    "Cargo.lock",
    ".gitignore",
    "node_modules",
    "package-lock.json",
    "__pycache__",
    ".venv",
    ".mypy_cache",
];

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for build scripts");
    let root = Path::new(&root);
    let sdk = root.join("../../guest-sdk").canonicalize()?;
    write_table("sdks.rs", &sdk, &SDKS.map(str::to_owned))?;
    let templates = root.join("templates");
    let mut names = Vec::new();
    for entry in fs::read_dir(&templates)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    write_table("templates.rs", &templates, &names)
}

/// `[(folder, [(path in it, content)])]`, as source text.
fn write_table(file: &str, root: &Path, folders: &[String]) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", root.display());
    let mut table = String::from("&[\n");
    for folder in folders {
        writeln!(table, "({folder:?}, &[").expect("writing to a string does not fail");
        list(&root.join(folder), Path::new(""), &mut table)?;
        table.push_str("]),\n");
    }
    table.push_str("]\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join(file), table)
}

fn list(root: &Path, folder: &Path, table: &mut String) -> io::Result<()> {
    let mut entries = fs::read_dir(root.join(folder))?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if SKIPPED.contains(&name.as_ref()) || name.ends_with("_test.go") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list(root, &path, table)?;
        } else {
            let source = root.join(&path);
            writeln!(table, "({:?}, include_str!({:?})),", path.display(), source.display())
                .expect("writing to a string does not fail");
        }
    }
    Ok(())
}
