//! `cargo xtask tidy`: the rules of this repository that a compiler does not know.
//!
//! A rule is a pure function over a file's text or over the dependency edges; it answers with violations, each with a
//! message that says what to do. Finding files and asking cargo happens here.

mod edges;
mod promises;
mod text;

use std::{collections::BTreeMap, fmt, fs, process::Command};

use anyhow::{Context as _, bail};

use crate::workspace;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path in the repository; a package's name for a dependency edge.
    pub place: String,
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

pub fn run() -> anyhow::Result<()> {
    let mut violations = edges::check(&edges::collect(&workspace::metadata()?));
    let root = workspace::root();
    let mut contents = BTreeMap::new();
    for path in files()? {
        // A file may be listed and already deleted, and may be no text.
        let Ok(content) = fs::read_to_string(root.join(&path)) else { continue };
        violations.extend(text::check(&path, &content));
        contents.insert(path, content);
    }
    for table in promises::TABLES {
        let text = contents.get(table.0).with_context(|| format!("there is no `{}`", table.0))?;
        let sources = contents.iter().filter(|(path, _)| path.ends_with(".rs"));
        let sources = sources.map(|(_, content)| content.as_str());
        violations.extend(promises::check(table, text, sources));
    }
    for violation in &violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        count => bail!("tidy: {count} violations"),
    }
}

/// All files of the repository that git does not ignore, in order.
fn files() -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace::root())
        .output()
        .context("run git ls-files")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut files: Vec<String> = String::from_utf8(output.stdout)
        .context("read the names of files")?
        .lines()
        .map(str::to_owned)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}
