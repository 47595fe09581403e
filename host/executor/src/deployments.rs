//! Components that are ready to be instantiated, by digest: loaded when first used, dropped when long unused.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use relight_core::Digest;
use tokio::sync::OnceCell;
use wasmtime::{Engine, component::Component};

use crate::{
    compile::{CompileError, NativeCode, blocking},
    engine::{EngineKind, Engines},
    exports::Loaded,
    limits::LOADED_DEPLOYMENTS_MAX,
    stats::Counters,
    upload,
};

/// A component's native code, and the kind of engine that it is for.
pub(crate) struct Native {
    pub kind: EngineKind,
    pub component: Component,
}

/// Answers where the bytes of a component are.
pub type ComponentPath = Arc<dyn Fn(Digest) -> PathBuf + Send + Sync>;

pub(crate) struct Deployments {
    engines: Engines,
    pub native: Arc<NativeCode>,
    component_path: ComponentPath,
    counters: Arc<Counters>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    /// A cell that is empty is being loaded by one task; others wait for it.
    slots: HashMap<Digest, CacheSlot>,
    uses: u64,
}

struct CacheSlot {
    loaded: Arc<OnceCell<Arc<Loaded>>>,
    last_use: u64,
}

impl Deployments {
    pub fn new(
        engines: Engines,
        native: Arc<NativeCode>,
        component_path: ComponentPath,
        counters: Arc<Counters>,
    ) -> Self {
        Self { engines, native, component_path, counters, cache: Mutex::new(Cache::default()) }
    }

    /// The component with this digest. Loads, or even compiles, at most once whoever asks at the same time.
    pub async fn get(&self, digest: Digest) -> Result<Arc<Loaded>, CompileError> {
        let cell = self.lock().cell(digest);
        if let Some(loaded) = cell.get() {
            return Ok(loaded.clone());
        }
        cell.get_or_try_init(|| self.load(digest)).await.cloned()
    }

    /// The first attempt is about to come: what was loaded for a check need not be loaded again.
    pub fn keep(&self, digest: Digest, loaded: Loaded) {
        // Somebody may have loaded it already; both are the same.
        let _ = self.lock().cell(digest).set(Arc::new(loaded));
    }

    /// Its deployment is gone. Instances that still use it keep what they have.
    pub fn forget(&self, digest: Digest) {
        self.lock().slots.remove(&digest);
        self.native.remove(digest);
    }

    /// Links a component. The error is a difference between its types and those of the contract.
    pub fn link(&self, native: &Native) -> wasmtime::Result<Loaded> {
        Loaded::new(self.engines.get(native.kind)?.linker.instantiate_pre(&native.component)?)
    }

    /// Compiles what is at `path`, and loads it.
    pub async fn compile(
        &self,
        kind: EngineKind,
        digest: Digest,
        path: &Path,
    ) -> Result<Native, CompileError> {
        self.counters.compilations.increment();
        let engine = self.engine(kind)?;
        self.native.compile(kind, &engine, digest, path).await?;
        let native = self.native.clone();
        let component = blocking(move || native.load_new(kind, &engine, digest)).await?;
        Ok(Native { kind, component })
    }

    /// Native code that is on disk already, for whichever engine.
    pub async fn load_native(&self, digest: Digest) -> Result<Option<Native>, CompileError> {
        for kind in EngineKind::ALL {
            // Asked first, because an engine that nothing needs is not made.
            if !self.native.exists(kind, digest)? {
                continue;
            }
            let (engine, native) = (self.engine(kind)?, self.native.clone());
            if let Some(component) = blocking(move || native.load(kind, &engine, digest)).await? {
                return Ok(Some(Native { kind, component }));
            }
        }
        Ok(None)
    }

    fn engine(&self, kind: EngineKind) -> Result<Engine, CompileError> {
        match self.engines.get(kind) {
            Ok(running) => Ok(running.engine.clone()),
            Err(error) => Err(CompileError::Load(format!("failed to start an engine: {error:#}"))),
        }
    }

    async fn load(&self, digest: Digest) -> Result<Arc<Loaded>, CompileError> {
        let native = match self.load_native(digest).await? {
            Some(native) => native,
            None => {
                let path = (self.component_path)(digest);
                tracing::info!(%digest, "compiling a component that has no native code");
                let file = path.clone();
                let kind = blocking(move || upload::engine_kind(&file)).await?;
                self.compile(kind, digest, &path).await?
            }
        };
        let loaded = self.link(&native).map_err(|error| CompileError::Load(format!("{error:#}")))?;
        Ok(Arc::new(loaded))
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // The cache is consistent between any two statements, whoever panicked.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn cell(&mut self, digest: Digest) -> Arc<OnceCell<Arc<Loaded>>> {
        self.uses += 1;
        if let Some(slot) = self.slots.get_mut(&digest) {
            slot.last_use = self.uses;
            return slot.loaded.clone();
        }
        if self.slots.len() >= LOADED_DEPLOYMENTS_MAX {
            let oldest = self.slots.iter().min_by_key(|(_, slot)| slot.last_use).map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                self.slots.remove(&oldest);
            }
        }
        let loaded = Arc::<OnceCell<_>>::default();
        self.slots.insert(digest, CacheSlot { loaded: loaded.clone(), last_use: self.uses });
        loaded
    }
}
