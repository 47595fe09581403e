//! Whether uploaded bytes may be deployed: size, kind, validity, exports and imports, code, what it says of itself.
//!
//! Each step is cheaper and safer than the next; the first that fails answers. Storing the bytes is not done here.

mod error;
mod interface;
mod manifest;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use relight_core::{
    Digest,
    schema::{EffectDef, Service},
};

pub use self::error::UploadError;
use self::manifest::CheckedManifest;
use crate::{
    compile::{CompileError, blocking},
    deployments::Native,
    engine::EngineKind,
    exports::Loaded,
    guest::{Guest, ended},
    limits::{
        COMPONENT_BYTES_MAX, MANIFEST_BYTES_MAX, MEMORIES_PER_COMPONENT_MAX, TABLE_ELEMENTS_MAX,
        TABLES_PER_COMPONENT_MAX,
    },
    log::{Lines, Source},
    runner::Shared,
};

/// Bytes of a page of linear memory.
const PAGE_BYTES: u64 = 64 << 10;

/// A component that may be deployed.
#[derive(Clone, Debug)]
pub struct Checked {
    pub digest: Digest,
    pub size_bytes: u64,
    /// In the order of the manifest; revision and deployment id are zero.
    pub services: Vec<Service>,
    pub effects: Vec<EffectDef>,
    /// Name and version of the SDK.
    pub sdk: String,
    /// The functions it imports, as `relight:handler/ops.call`, in order.
    pub imports: Vec<String>,
    /// How long compilation took; zero when native code was there.
    pub compiled_in: Duration,
}

pub(crate) async fn check(
    shared: &Arc<Shared>,
    component: Bytes,
    memory_bytes_max: u64,
) -> Result<Checked, UploadError> {
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(UploadError::TooLarge { bytes: component.len(), bytes_max: COMPONENT_BYTES_MAX });
    }
    if memory_bytes_max > shared.config.memory_bytes_max {
        return Err(UploadError::TooMuchMemory {
            bytes: memory_bytes_max,
            bytes_max: shared.config.memory_bytes_max,
        });
    }
    let bytes = component.clone();
    let (digest, interface) = blocking(move || {
        let interface = interface::check(&bytes, memory_bytes_max)?;
        Ok::<_, UploadError>((Digest(*blake3::hash(&bytes).as_bytes()), interface))
    })
    .await?;
    let (native, compiled_in) = compiled(shared, interface.kind, digest, component.clone()).await?;
    let described = accepted(shared, digest, &native, memory_bytes_max).await;
    let manifest = described.inspect_err(|_| {
        // What was there before belongs to a deployment.
        if !compiled_in.is_zero() {
            shared.deployments.native.remove(digest);
        }
    })?;
    Ok(Checked {
        digest,
        size_bytes: component.len() as u64,
        services: manifest.services,
        effects: manifest.effects,
        sdk: manifest.sdk,
        imports: interface.imports,
        compiled_in,
    })
}

/// The kind of engine that runs the component at `path`, which was accepted before.
pub(crate) fn engine_kind(path: &Path) -> Result<EngineKind, CompileError> {
    let bytes = std::fs::read(path).map_err(|source| CompileError::File {
        doing: "read",
        path: path.to_owned(),
        source,
    })?;
    interface::engine_kind(&bytes).map_err(|error| CompileError::Invalid(error.to_string()))
}

/// What the component says about itself, if it can be run.
async fn accepted(
    shared: &Arc<Shared>,
    digest: Digest,
    native: &Native,
    memory_bytes_max: u64,
) -> Result<CheckedManifest, UploadError> {
    check_resources(native, memory_bytes_max)?;
    let loaded = shared
        .deployments
        .link(native)
        .map_err(|error| UploadError::Types { message: format!("{error:#}") })?;
    let manifest = describe(shared, &loaded, memory_bytes_max).await?;
    shared.deployments.keep(digest, loaded);
    Ok(manifest)
}

/// Native code, found or made.
async fn compiled(
    shared: &Shared,
    kind: EngineKind,
    digest: Digest,
    component: Bytes,
) -> Result<(Native, Duration), UploadError> {
    if let Some(native) = shared.deployments.load_native(digest).await? {
        return Ok((native, Duration::ZERO));
    }
    let started = Instant::now();
    let file = Temporary(shared.deployments.native.temporary(digest, "wasm"));
    let path = file.0.clone();
    blocking(move || std::fs::write(&path, &component)).await.map_err(|source| UploadError::Host {
        message: format!("failed to write `{}`: {source}", file.0.display()),
    })?;
    let native = shared.deployments.compile(kind, digest, &file.0).await?;
    Ok((native, started.elapsed()))
}

/// A file that is removed when nobody needs it any more.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left behind is removed at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether the pool of instances has room for one of these.
fn check_resources(native: &Native, memory_bytes_max: u64) -> Result<(), UploadError> {
    let Some(needs) = native.component.resources_required() else {
        return Err(UploadError::Unsupported { what: "components that import core modules".to_owned() });
    };
    let memory_bytes = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE_BYTES);
    // The sizes are known before compilation; here they are those of the code that runs.
    let checks = [
        ("memories", u64::from(needs.num_memories), u64::from(MEMORIES_PER_COMPONENT_MAX)),
        ("bytes of initial memory", memory_bytes, memory_bytes_max),
        ("tables", u64::from(needs.num_tables), u64::from(TABLES_PER_COMPONENT_MAX)),
        ("table elements", needs.max_initial_table_size.unwrap_or(0), TABLE_ELEMENTS_MAX as u64),
    ];
    match checks.into_iter().find(|(_, needed, max)| needed > max) {
        Some((what, needed, max)) => Err(UploadError::Resources { what, needed, max }),
        None => Ok(()),
    }
}

/// Asks the component what it is, in an instance that can do nothing.
pub(crate) async fn describe(
    shared: &Arc<Shared>,
    loaded: &Loaded,
    memory_bytes_max: u64,
) -> Result<CheckedManifest, UploadError> {
    // Guest code runs where guests run, whoever asks.
    let (loaded, shared) = (loaded.clone(), shared.clone());
    let describing = shared.place.runtime().clone().spawn(async move {
        let (lines, live) = (Lines::new(Source::Silent), shared.live_instance());
        let mut store = Guest::store(loaded.engine(), memory_bytes_max, lines, live, None);
        store.set_hostcall_fuel(MANIFEST_BYTES_MAX);
        let described = match loaded.instantiate(&mut store).await {
            Ok(instance) => loaded.describe(&mut store, &instance).await,
            Err(error) => Err(error),
        };
        store.data_mut().end_lines();
        described.map_err(|error| ended(&error, store.data().lines.last_error()).message)
    });
    match describing.await {
        Ok(Ok(manifest)) => manifest::check(manifest),
        Ok(Err(message)) => Err(UploadError::Describe { message }),
        Err(error) => {
            Err(UploadError::Host { message: format!("failed to describe the component: {error}") })
        }
    }
}
