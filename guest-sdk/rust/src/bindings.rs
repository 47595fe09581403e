//! The contract in Rust, generated from `wit/handler.wit`. Nothing is written by hand here.

#![allow(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    unused_qualifications,
    clippy::all,
    reason = "the module is generated"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "service",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "relight::bindings",
    generate_all,
});
