//! Why a component cannot be deployed, in words and codes for its author.

use crate::compile::CompileError;

/// Bytes that are no valid handler component, or a fault of the host. Nothing is stored.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UploadError {
    #[error("a component of {bytes} bytes is over the limit of {bytes_max}")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("not WebAssembly: {reason}")]
    NotWasm { reason: String },
    #[error("a core module, not a component")]
    CoreModule,
    #[error("invalid WebAssembly: {message}")]
    Invalid { message: String, offset: u64 },
    #[error("the component ends in the middle: {message}")]
    Truncated { message: String, offset: u64 },
    #[error("missing export `{name}`")]
    MissingExport { name: String },
    #[error("not supported yet: {what}")]
    Unsupported { what: String },
    #[error("unknown import `{name}`")]
    UnknownImport { name: String },
    #[error("the component imports `{name}`, which no handler has")]
    Wasi { name: String },
    #[error("imports or exports do not have the types of the contract: {message}")]
    Types { message: String },
    #[error("the component needs {needed} {what}, over the limit of {max}")]
    Resources { what: &'static str, needed: u64, max: u64 },
    #[error("the component cannot be compiled: {message}")]
    Compile { message: String },
    #[error("compiling the component exceeds the limit of {limit}")]
    CompileLimit { limit: String },
    #[error("`describe` failed: {message}")]
    Describe { message: String },
    #[error("the manifest is wrong: {problem}")]
    Manifest { problem: String },
    #[error("memory of {bytes} bytes per instance is over the server's limit of {bytes_max}")]
    TooMuchMemory { bytes: u64, bytes_max: u64 },
    /// Not the component's fault.
    #[error("the component could not be checked: {message}")]
    Host { message: String },
}

impl UploadError {
    /// Stable code, listed with cause and remedy in the documentation.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "RL0101",
            Self::NotWasm { .. } => "RL0102",
            Self::CoreModule => "RL0103",
            Self::Invalid { .. } => "RL0104",
            Self::Truncated { .. } => "RL0105",
            Self::MissingExport { .. } => "RL0106",
            Self::Unsupported { .. } => "RL0107",
            Self::UnknownImport { .. } => "RL0108",
            Self::Types { .. } => "RL0109",
            Self::Resources { .. } => "RL0110",
            Self::Compile { .. } => "RL0111",
            Self::CompileLimit { .. } => "RL0112",
            Self::Describe { .. } => "RL0113",
            Self::Manifest { .. } => "RL0114",
            Self::TooMuchMemory { .. } => "RL0115",
            Self::Host { .. } => "RL0116",
            Self::Wasi { .. } => "RL0117",
        }
    }

    /// What its author can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "build in release mode and strip debug information",
            Self::NotWasm { .. } => "upload the component that the build wrote, a file that ends in `.wasm`",
            Self::CoreModule => "turn the module into a component with `relight build`",
            Self::Invalid { .. } => {
                "build for plain WebAssembly 2.0 with SIMD: threads, memory64, GC and exceptions are off"
            }
            Self::Truncated { .. } => "upload the whole file; an earlier transfer may have been cut",
            Self::MissingExport { .. } => {
                "build against the world `service`, or `service-async`, of `relight:handler@0.1.0`"
            }
            Self::Unsupported { .. } => "use what this version of the server supports, or a newer server",
            Self::UnknownImport { .. } => "a component may import `relight:handler` interfaces only",
            Self::Types { .. } => "build with an SDK for `relight:handler@0.1.0`",
            Self::Resources { .. } => "make the component smaller, or raise `memory_max` of the deployment",
            Self::Compile { .. } => "build with another version of the toolchain",
            Self::CompileLimit { .. } => "split the component, or leave out what it does not use",
            Self::Describe { .. } => "`describe` runs without imports and with little time: see the message",
            Self::Manifest { .. } => "correct the names or options of the services",
            Self::TooMuchMemory { .. } => "ask for less with `memory_max`, or raise the server's limit",
            Self::Wasi { name } => wasi_hint(name),
            Self::Host { .. } => "see the server's log, then try again",
        }
    }

    /// Byte of the component at which the problem was found, where that is known.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Invalid { offset, .. } | Self::Truncated { offset, .. } => Some(*offset),
            _ => None,
        }
    }

    /// Whether another server, or this one at another time, might answer differently.
    pub fn is_host_fault(&self) -> bool {
        matches!(self, Self::Host { .. })
    }
}

fn wasi_hint(name: &str) -> &'static str {
    if name.starts_with("wasi:http/") || name.starts_with("wasi:sockets/") {
        "the network is reached by `http.fetch`, which every SDK has, in an effect or an inline run; what a toolchain imports on \
         its own is left out by options such as `--stub-wasi`"
    } else {
        "leave out what needs it; docs/wasi.md lists what there is of WASI"
    }
}

impl From<CompileError> for UploadError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Invalid(message) => Self::Compile { message },
            CompileError::Limit(limit) => Self::CompileLimit { limit },
            CompileError::File { ref source, .. } => Self::Host { message: format!("{error}: {source}") },
            CompileError::Worker(_) | CompileError::Load(_) => Self::Host { message: error.to_string() },
        }
    }
}
