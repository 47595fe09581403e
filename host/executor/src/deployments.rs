//! Components that are ready to be instantiated, by digest: loaded when first used, dropped when long unused.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use relight_core::Digest;
use tokio::sync::OnceCell;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use crate::{
    bindings::ServicePre,
    compile::{CompileError, NativeCode, blocking},
    guest::Guest,
    limits::LOADED_DEPLOYMENTS_MAX,
    stats::Counters,
};

/// A component whose imports are linked and whose exports are checked.
pub(crate) struct Loaded {
    pub pre: ServicePre<Guest>,
}

/// Answers where the bytes of a component are.
pub type ComponentPath = Arc<dyn Fn(Digest) -> PathBuf + Send + Sync>;

pub(crate) struct Deployments {
    engine: Engine,
    linker: Linker<Guest>,
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
        engine: &Engine,
        linker: Linker<Guest>,
        native: Arc<NativeCode>,
        component_path: ComponentPath,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            engine: engine.clone(),
            linker,
            native,
            component_path,
            counters,
            cache: Mutex::new(Cache::default()),
        }
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
    pub fn link(&self, component: &Component) -> wasmtime::Result<Loaded> {
        Ok(Loaded { pre: ServicePre::new(self.linker.instantiate_pre(component)?)? })
    }

    /// Compiles what is at `path`, and loads it.
    pub async fn compile(&self, digest: Digest, path: &Path) -> Result<Component, CompileError> {
        self.counters.compilations.increment();
        self.native.compile(&self.engine, digest, path).await?;
        let (engine, native) = (self.engine.clone(), self.native.clone());
        blocking(move || native.load_new(&engine, digest)).await
    }

    /// Native code that is on disk already.
    pub async fn load_native(&self, digest: Digest) -> Result<Option<Component>, CompileError> {
        let (engine, native) = (self.engine.clone(), self.native.clone());
        blocking(move || native.load(&engine, digest)).await
    }

    async fn load(&self, digest: Digest) -> Result<Arc<Loaded>, CompileError> {
        let component = match self.load_native(digest).await? {
            Some(component) => component,
            None => {
                let path = (self.component_path)(digest);
                tracing::info!(%digest, "compiling a component that has no native code");
                self.compile(digest, &path).await?
            }
        };
        let loaded = self.link(&component).map_err(|error| CompileError::Load(format!("{error:#}")))?;
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
