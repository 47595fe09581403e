//! Assembles the adapter, so that the crate carries it as a module.

use std::{env, fs, path::Path};

const ADAPTER: &str = "../components/adapter/preview1.wat";

fn main() {
    println!("cargo::rerun-if-changed={ADAPTER}");
    let module = wat::parse_file(ADAPTER).unwrap_or_else(|error| panic!("{error}"));
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join("preview1.wasm"), module).expect("OUT_DIR can be written");
}
