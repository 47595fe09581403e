//! What `handler.wit` looks like in Rust. Generated, but for the interface `types`, which is written by hand so that
//! payloads are `bytes::Bytes`: they move between guest memory, journal and log without a copy of their own.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "relight:handler/service",
    imports: {
        "relight:handler/context": trappable,
        "relight:handler/log": trappable,
        "relight:handler/ops.callee": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    with: { "relight:handler/types": crate::bindings::types },
    require_store_data_send: true,
});

pub mod types {
    //! The interface `types` of `handler.wit`.

    use wasmtime::component::{ComponentType, HasData, Lift, Linker, Lower};

    pub type Bytes = bytes::Bytes;
    pub type Timestamp = u64;
    pub type Duration = u64;
    pub type Handle = u32;
    pub type InvocationId = String;
    pub type Headers = Vec<(String, String)>;

    #[derive(Clone, Debug, ComponentType, Lift, Lower)]
    #[component(record)]
    pub struct Failure {
        pub code: u16,
        pub message: String,
        pub metadata: Vec<(String, String)>,
    }

    #[derive(Clone, Debug, ComponentType, Lift, Lower)]
    #[component(variant)]
    pub enum WaitError {
        #[component(name = "failed")]
        Failed(Failure),
        #[component(name = "cancelled")]
        Cancelled,
    }

    #[derive(Clone, Debug, ComponentType, Lift, Lower)]
    #[component(record)]
    pub struct Target {
        pub service: String,
        pub key: Option<String>,
        pub handler: String,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
    #[component(enum)]
    #[repr(u8)]
    #[allow(dead_code, reason = "values come out of guest memory")]
    pub enum OnExhausted {
        #[component(name = "fail")]
        Fail,
        #[component(name = "pause")]
        Pause,
    }

    #[derive(Clone, Copy, Debug, ComponentType, Lift, Lower)]
    #[component(record)]
    pub struct RetryPolicy {
        #[component(name = "initial-interval")]
        pub initial_interval: Duration,
        pub factor: f32,
        #[component(name = "max-interval")]
        pub max_interval: Duration,
        #[component(name = "max-attempts")]
        pub max_attempts: Option<u32>,
        #[component(name = "max-duration")]
        pub max_duration: Option<Duration>,
        #[component(name = "on-exhausted")]
        pub on_exhausted: OnExhausted,
    }

    // What `bindgen!` expects of every interface; this one has no functions.
    pub trait HostWithStore<T>: HasData {}
    impl<H: HasData + ?Sized, T> HostWithStore<T> for H {}
    pub trait Host {}
    impl<T: ?Sized> Host for T {}

    pub fn add_to_linker<T, D>(
        linker: &mut Linker<T>,
        _getter: fn(&mut T) -> D::Data<'_>,
    ) -> wasmtime::Result<()>
    where
        D: HasData,
        T: 'static,
    {
        linker.instance("relight:handler/types@0.1.0").map(drop)
    }
}
