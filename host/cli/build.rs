//! Puts the Rust SDK's sources into the binary, so that `relight new` can write them next to a project.

use std::{env, fmt::Write as _, fs, io, path::Path};

/// Folders of the SDK, as `vendor/relight-sdk/` of a project holds them.
const PACKAGES: [&str; 3] = ["rust", "rust-macros", "rust-test"];
/// What belongs to the development of the SDK, not to its use.
const SKIPPED: [&str; 4] = ["target", "tests", "Cargo.lock", ".gitignore"];

fn main() -> io::Result<()> {
    let sdk =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for build scripts"))
            .join("../../guest-sdk")
            .canonicalize()?;
    let mut table = String::from("&[\n");
    for package in PACKAGES {
        println!("cargo::rerun-if-changed={}", sdk.join(package).display());
        list(&sdk, Path::new(package), &mut table)?;
    }
    table.push_str("]\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join("sdk.rs"), table)
}

fn list(sdk: &Path, folder: &Path, table: &mut String) -> io::Result<()> {
    let mut entries = fs::read_dir(sdk.join(folder))?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        if SKIPPED.contains(&entry.file_name().to_string_lossy().as_ref()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list(sdk, &path, table)?;
        } else {
            let source = sdk.join(&path);
            writeln!(table, "({:?}, include_str!({:?})),", path.display(), source.display())
                .expect("writing to a string does not fail");
        }
    }
    Ok(())
}
