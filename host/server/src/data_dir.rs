//! The data folder: who holds it, which format it has, where each part keeps its files.
//!
//! ```text
//! DIR/lock            held by the running server
//! DIR/meta.json       {"format":1,"partitions":8}; written once, when the folder is created
//! DIR/addresses.json  where the running server serves
//! DIR/log/            the log
//! DIR/tables/         tables, derived from the log
//! DIR/components/     uploaded components
//! DIR/native/         native code; may be deleted while no server runs
//! ```

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

use crate::exit::{DAMAGED, Failure};

/// Of the folder as a whole; log, tables and records carry versions of their own.
const FORMAT: u32 = 1;

#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    pub partitions: u16,
    /// Locked as long as it is open.
    _lock: File,
}

#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    format: u32,
    partitions: u16,
}

impl DataDir {
    /// Opens the folder, creating it where there is none; `partitions` counts only then.
    ///
    /// # Errors
    /// Another server holds it, or it was written by a newer version.
    pub fn open(path: &Path, partitions: u16) -> Result<Self, Failure> {
        fs::create_dir_all(path).with_context(|| format!("create the data folder `{}`", path.display()))?;
        let path =
            fs::canonicalize(path).with_context(|| format!("find the data folder `{}`", path.display()))?;
        let lock = lock(&path)?;
        let meta = read_meta(&path)?;
        let meta = match meta {
            Some(meta) => meta,
            None => create_meta(&path, partitions)?,
        };
        if FORMAT < meta.format {
            return Err(Failure::from(anyhow!(
                "the data folder `{}` has format {}, this version knows up to {FORMAT}",
                path.display(),
                meta.format
            ))
            .hint("use the version of relight that wrote it, or a newer one"));
        }
        Ok(Self { path, partitions: meta.partitions, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub fn tables(&self) -> PathBuf {
        self.path.join("tables")
    }

    pub fn components(&self) -> PathBuf {
        self.path.join("components")
    }

    pub fn native(&self) -> PathBuf {
        self.path.join("native")
    }

    pub fn addresses(&self) -> PathBuf {
        self.path.join("addresses.json")
    }
}

fn lock(path: &Path) -> Result<File, Failure> {
    let file = path.join("lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&file)
        .with_context(|| format!("open `{}`", file.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::from(anyhow!("the data folder `{}` is in use by another server", path.display()))
                .hint("stop that server, or name another folder with `--data-dir`"))
        }
        Err(TryLockError::Error(error)) => {
            Err(anyhow::Error::new(error).context(format!("lock `{}`", file.display())).into())
        }
    }
}

fn read_meta(path: &Path) -> Result<Option<Meta>, Failure> {
    let file = path.join("meta.json");
    let bytes = match fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A folder with a log and without this file has lost it; its partition count must not be guessed.
            if path.join("log").exists() {
                return Err(Failure::new(DAMAGED, anyhow!("`{}` is missing", file.display())));
            }
            return Ok(None);
        }
        Err(error) => {
            return Err(anyhow::Error::new(error).context(format!("read `{}`", file.display())).into());
        }
    };
    let meta = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(DAMAGED, anyhow::Error::new(error).context(format!("`{}` is damaged", file.display())))
    })?;
    Ok(Some(meta))
}

fn create_meta(path: &Path, partitions: u16) -> Result<Meta, Failure> {
    let meta = Meta { format: FORMAT, partitions };
    let text = serde_json::to_string(&meta).context("write the folder's description")?;
    write_whole(&path.join("meta.json"), text.as_bytes()).context("write `meta.json`")?;
    Ok(meta)
}

/// Writes a file that is there whole or not at all, also after a power cut.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    let folder = path.parent().expect("a file lies in a folder");
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_count_is_fixed_at_creation() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        drop(DataDir::open(folder.path(), 4).expect("created"));
        assert_eq!(DataDir::open(folder.path(), 8).expect("opened").partitions, 4);
    }

    #[test]
    fn one_server_holds_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let held = DataDir::open(folder.path(), 8).expect("created");
        let failure = DataDir::open(folder.path(), 8).expect_err("held");
        assert!(failure.error.to_string().contains("in use by another server"));
        drop(held);
        DataDir::open(folder.path(), 8).expect("free again");
    }

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("meta.json"), r#"{"format":2,"partitions":8}"#).expect("write");
        let failure = DataDir::open(folder.path(), 8).expect_err("newer");
        assert!(failure.error.to_string().contains("has format 2, this version knows up to 1"));
    }

    #[test]
    fn a_damaged_or_missing_description_is_not_guessed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("meta.json"), "{").expect("write");
        assert_eq!(DataDir::open(folder.path(), 8).expect_err("damaged").code, DAMAGED);
        fs::remove_file(folder.path().join("meta.json")).expect("remove");
        fs::create_dir(folder.path().join("log")).expect("create");
        assert_eq!(DataDir::open(folder.path(), 8).expect_err("missing").code, DAMAGED);
    }
}
