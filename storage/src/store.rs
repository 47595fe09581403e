//! The store of one node: what the databases of its partitions share, and how they are opened.
//!
//! ```text
//! DIR/partition-0/   a RocksDB database
//! DIR/partition-1/
//! ```

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use relight_core::{Lsn, PartitionId};
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Env, ErrorKind, LogLevel, Options, WriteBufferManager,
};

use crate::{
    format::{FormatError, key},
    tables::PartitionTables,
};

/// Called with the name of a point at which a test may end the process.
pub type Fault = fn(&'static str);

/// Version of the key form, and of what the store keeps besides rows; the only one so far.
const LAYOUT_VERSION: u8 = 1;

/// A partition's write buffer: large enough that files on level 0 are few, small enough that replay of a full one
/// takes about a second.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// One is written while another is flushed; the third keeps a slow disk from stopping the processor at once.
const WRITE_BUFFERS_PER_PARTITION: i32 = 3;
/// Memory grows in these steps: an idle partition takes one.
const ARENA_BLOCK_BYTES: usize = 128 << 10;
/// Share of a write buffer for its Bloom filter: most lookups are for rows that do not exist yet.
const WRITE_BUFFER_BLOOM_RATIO: f64 = 0.01;
/// Under 1 % of lookups of an absent key read a block.
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Twice the default: rows are small and neighbours are read together.
const BLOCK_BYTES: usize = 8 << 10;
const FILE_BYTES: u64 = 32 << 20;
/// Open files of one partition; 8 partitions stay below the usual limit of 1024 descriptors.
const OPEN_FILES_MAX: i32 = 64;
/// Flush and compaction, of one partition.
const BACKGROUND_JOBS: i32 = 2;
/// Threads of the process for flushes and for compactions of all partitions together.
const FLUSH_THREADS: i32 = 1;
const COMPACTION_THREADS: i32 = 1;
/// A file with half of its rows deleted, in any window of this many, is compacted soon: queues and timers leave
/// tombstones that scans would have to step over.
const TOMBSTONE_WINDOW: usize = 4096;
/// RocksDB's own text log, for people who look into a damaged store.
const INFO_LOG_BYTES: usize = 1 << 20;
const INFO_LOG_FILES: usize = 2;
const MANIFEST_PREALLOCATED_BYTES: usize = 64 << 10;

/// Memory of a [`Store`].
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Blocks, indexes and filters of all partitions that are kept in memory.
    pub block_cache_bytes: usize,
    /// Write buffers of all partitions; at 7/8 of it the one that writes is flushed.
    pub write_buffers_bytes: usize,
    /// Committed rows of one partition that stay in memory until they are written together; 0: none. Writing the
    /// default takes some milliseconds, during which the partition waits.
    pub young_rows_max: usize,
    pub fault: Fault,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: 32 << 20,
            write_buffers_bytes: 32 << 20,
            young_rows_max: 2_048,
            fault: |_| (),
        }
    }
}

/// Why a store or a partition's tables could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to create `{}`", path.display())]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The disk, a permission, or another process that has it open. Nothing is known to be wrong with the content.
    #[error("failed to open `{}`", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The content is not what was written. The folder may be moved aside and the tables rebuilt, if the log still
    /// reaches back far enough.
    #[error("the tables in `{}` are damaged", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing is wrong with it; this program is too old.
    #[error("the tables in `{}` were written by a newer program", path.display())]
    Newer {
        path: PathBuf,
        #[source]
        source: FormatError,
    },
}

impl OpenError {
    pub(crate) fn format(path: &Path, source: FormatError) -> Self {
        let path = path.to_owned();
        match source {
            FormatError::UnknownVersion { version, known, .. } if version > known => {
                Self::Newer { path, source }
            }
            _ => Self::Damaged { path, source: source.into() },
        }
    }

    pub(crate) fn database(path: &Path, source: rocksdb::Error) -> Self {
        let (path, kind, source) = (path.to_owned(), source.kind(), source.into());
        match kind {
            ErrorKind::Corruption => Self::Damaged { path, source },
            _ => Self::Open { path, source },
        }
    }
}

/// The store of one node. Memory and threads are shared by the partitions that are opened through it.
pub struct Store {
    dir: PathBuf,
    options: Options,
    young_rows_max: usize,
    fault: Fault,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Store {
    /// Creates `dir` if it does not exist. Opens no partition yet.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(|source| OpenError::Create { path: dir.to_owned(), source })?;
        let mut env =
            Env::new().map_err(|source| OpenError::Open { path: dir.to_owned(), source: source.into() })?;
        env.set_high_priority_background_threads(FLUSH_THREADS);
        env.set_low_priority_background_threads(COMPACTION_THREADS);
        Ok(Self {
            dir: dir.to_owned(),
            options: database_options(&options, &env),
            young_rows_max: options.young_rows_max,
            fault: options.fault,
        })
    }

    /// Opens the tables of a partition, empty if there are none yet. Takes as long as reading the metadata of their
    /// files, and blocks.
    pub fn partition(&self, id: PartitionId) -> Result<PartitionTables, OpenError> {
        let path = self.path(id);
        refuse_lost_current(&path)?;
        let db = DB::open(&self.options, &path).map_err(|source| OpenError::database(&path, source))?;
        let applied = read_applied(&db, &path)?;
        PartitionTables::open(Arc::new(db), path, applied, self.young_rows_max, self.fault)
    }

    /// The folder of a partition's tables.
    pub fn path(&self, id: PartitionId) -> PathBuf {
        self.dir.join(format!("partition-{id}"))
    }
}

fn database_options(store: &StoreOptions, env: &Env) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_env(env);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_max_open_files(OPEN_FILES_MAX);

    let write_buffers = WriteBufferManager::new_write_buffer_manager(store.write_buffers_bytes, false);
    options.set_write_buffer_manager(&write_buffers);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES.min(store.write_buffers_bytes));
    options.set_max_write_buffer_number(WRITE_BUFFERS_PER_PARTITION);
    options.set_arena_block_size(ARENA_BLOCK_BYTES);
    options.set_memtable_prefix_bloom_ratio(WRITE_BUFFER_BLOOM_RATIO);
    options.set_memtable_whole_key_filtering(true);
    // There is one writer: its tables are `&mut` when it commits.
    options.set_allow_concurrent_memtable_write(false);

    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(store.block_cache_bytes));
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    // Otherwise indexes and filters of all open files would be in memory besides the cache, without a bound.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    options.set_block_based_table_factory(&blocks);

    options.set_compression_type(DBCompressionType::Lz4);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_target_file_size_base(FILE_BYTES);
    options.add_compact_on_deletion_collector_factory(TOMBSTONE_WINDOW, TOMBSTONE_WINDOW / 2, 0.5);

    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOG_FILES);
    options.set_manifest_preallocation_size(MANIFEST_PREALLOCATED_BYTES);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// RocksDB takes a folder without the file `CURRENT` for a new database and deletes what else is there.
fn refuse_lost_current(path: &Path) -> Result<(), OpenError> {
    let open = |source: io::Error| OpenError::Open { path: path.to_owned(), source: source.into() };
    if path.join("CURRENT").try_exists().map_err(open)? {
        return Ok(());
    }
    let files = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files.map_err(open)?,
    };
    for file in files {
        if file.map_err(open)?.path().extension().is_some_and(|extension| extension == "sst") {
            let source = "there are table files but no file `CURRENT`".into();
            return Err(OpenError::Damaged { path: path.to_owned(), source });
        }
    }
    Ok(())
}

/// Layout version (1 byte) | applied LSN (8 bytes, big-endian).
pub(crate) fn encode_applied(applied: Lsn) -> [u8; 9] {
    let mut value = [LAYOUT_VERSION; 9];
    value[1..].copy_from_slice(&applied.0.to_be_bytes());
    value
}

fn read_applied(db: &DB, path: &Path) -> Result<Lsn, OpenError> {
    let damaged = |reason: &str| OpenError::Damaged { path: path.to_owned(), source: reason.into() };
    let value = db.get(key::APPLIED).map_err(|source| OpenError::database(path, source))?;
    let Some(value) = value else {
        return match db.iterator(rocksdb::IteratorMode::Start).next() {
            None => Ok(Lsn::ZERO),
            Some(Ok(_)) => Err(damaged("there are rows but no applied LSN")),
            Some(Err(source)) => Err(OpenError::database(path, source)),
        };
    };
    match value.split_first() {
        Some((&LAYOUT_VERSION, lsn)) => {
            let lsn = lsn.try_into().map_err(|_| damaged("the applied LSN is not 8 bytes long"))?;
            Ok(Lsn(u64::from_be_bytes(lsn)))
        }
        Some((&version, _)) => {
            let error = FormatError::UnknownVersion { kind: "tables", version, known: LAYOUT_VERSION };
            Err(OpenError::format(path, error))
        }
        None => Err(damaged("the applied LSN is empty")),
    }
}
