//! What can be wrong with bytes that claim to be a guest.

/// The cause below the message, from the library that found it.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why bytes are not, or cannot become, a component.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes do not begin with the WebAssembly magic number and a known version.
    #[error("not a WebAssembly file: {reason}")]
    NotWasm {
        /// What the first bytes are instead.
        reason: String,
    },

    /// A component was expected, this is a core module.
    #[error("a core module, not a component")]
    CoreModule,

    /// The bytes break the rules of WebAssembly, or end too early.
    #[error("invalid WebAssembly at byte {offset}: {message}")]
    Invalid {
        /// Where the problem was found.
        offset: u64,
        /// What the validator says.
        message: String,
    },

    /// A core module without the custom section that names its world.
    #[error("the module does not say which world it was built for: it has no `component-type` section")]
    NoWorld,

    /// A core module that asks for more of `wasi_snapshot_preview1` than there is, or for something else under its name.
    #[error("failed to replace the module's imports of `wasi_snapshot_preview1`")]
    Adapt(#[source] Cause),

    /// The state of another module.
    #[error("the module cannot be frozen in this state")]
    Freeze(#[source] Cause),

    /// A core module that does not fit the world it names.
    #[error("failed to make a component from the module")]
    Componentize(#[source] Cause),

    /// A valid component whose interfaces cannot be expressed in WIT.
    #[error("failed to read the component's interfaces")]
    Interfaces(#[source] Cause),
}

impl From<wasmparser::BinaryReaderError> for Error {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid { offset: error.offset() as u64, message: error.message().to_owned() }
    }
}
