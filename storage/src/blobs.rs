//! Bytes of components, one file each, named for the BLAKE3 digest of what it holds.
//!
//! ```text
//! DIR/<64 hexadecimal digits>.wasm
//! DIR/<number>.part                  being written; what a crash leaves of it is deleted on opening
//! ```
//!
//! A blob never changes. Who needs one, and when it may go, is not known here.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use relight_core::Digest;

use crate::store::Fault;

const PART_EXTENSION: &str = "part";

/// Why a blob could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("failed to {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no component `{0}`")]
    Missing(Digest),
    /// Writing the same bytes again repairs it.
    #[error("the component in `{}` is damaged: its digest is `{found}`", path.display())]
    Damaged { path: PathBuf, found: Digest },
}

/// The blobs of one node. One process has one of it per folder.
#[derive(Debug)]
pub struct Blobs {
    dir: PathBuf,
    parts: AtomicU64,
    fault: Fault,
}

impl Blobs {
    /// Creates `dir` if it does not exist; deletes what an interrupted write has left.
    pub fn open(dir: &Path) -> Result<Self, BlobError> {
        fs::create_dir_all(dir).map_err(io_error("create", dir))?;
        for file in fs::read_dir(dir).map_err(io_error("list", dir))? {
            let path = file.map_err(io_error("list", dir))?.path();
            if path.extension().is_some_and(|extension| extension == PART_EXTENSION) {
                fs::remove_file(&path).map_err(io_error("delete", &path))?;
            }
        }
        Ok(Self { dir: dir.to_owned(), parts: AtomicU64::new(0), fault: |_| () })
    }

    /// Calls `fault` at the points where a test may end the process.
    #[must_use]
    pub fn with_fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    /// Stores `bytes`. If it returns their digest, they are durable. Replaces a damaged blob of the same digest; a
    /// reader that has the file open is not disturbed. Blocks.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let digest = digest(bytes);
        let path = self.path(digest);
        let part = self.dir.join(format!("{}.{PART_EXTENSION}", self.parts.fetch_add(1, Ordering::Relaxed)));
        let written = self.write(&part, &path, bytes);
        if written.is_err() {
            // The error is told; the file is deleted on the next opening if it can't be now.
            let _ = fs::remove_file(&part);
        }
        written.map(|()| digest)
    }

    fn write(&self, part: &Path, path: &Path, bytes: &[u8]) -> Result<(), BlobError> {
        let mut file = File::create_new(part).map_err(io_error("create", part))?;
        file.write_all(bytes).map_err(io_error("write", part))?;
        (self.fault)("blobs.before-fsync");
        file.sync_all().map_err(io_error("sync", part))?;
        fs::rename(part, path).map_err(io_error("rename a new file to", path))?;
        (self.fault)("blobs.after-rename");
        self.sync_dir()
    }

    /// The bytes, checked against their digest. Blocks.
    pub fn read(&self, digest: Digest) -> Result<Bytes, BlobError> {
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BlobError::Missing(digest)),
            bytes => bytes.map_err(io_error("read", &path))?,
        };
        match self::digest(&bytes) {
            found if found == digest => Ok(bytes.into()),
            found => Err(BlobError::Damaged { path, found }),
        }
    }

    /// The file of a blob, whether there is one or not.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(format!("{digest}.wasm"))
    }

    /// Whether there is a blob; its content is not looked at.
    pub fn contains(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Deletes a blob; one that does not exist is no error.
    pub fn remove(&self, digest: Digest) -> Result<(), BlobError> {
        let path = self.path(digest);
        (self.fault)("blobs.before-remove");
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => {
                removed.map_err(io_error("delete", &path))?;
                self.sync_dir()
            }
        }
    }

    /// Deletes all other blobs; answers how many those were. Nothing MUST be put at the same time.
    pub fn retain(&self, digests: &BTreeSet<Digest>) -> Result<usize, BlobError> {
        let kept: BTreeSet<PathBuf> = digests.iter().map(|digest| self.path(*digest)).collect();
        let mut removed = 0;
        for file in fs::read_dir(&self.dir).map_err(io_error("list", &self.dir))? {
            let path = file.map_err(io_error("list", &self.dir))?.path();
            if path.extension().is_some_and(|extension| extension == "wasm") && !kept.contains(&path) {
                fs::remove_file(&path).map_err(io_error("delete", &path))?;
                removed += 1;
            }
        }
        self.sync_dir()?;
        Ok(removed)
    }

    /// Makes names durable: a new file, or one that is gone.
    fn sync_dir(&self) -> Result<(), BlobError> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(io_error("sync", &self.dir))
    }
}

/// What addresses `bytes`.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(*blake3::hash(bytes).as_bytes())
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BlobError {
    let path = path.to_owned();
    move |source| BlobError::Io { doing, path, source }
}
