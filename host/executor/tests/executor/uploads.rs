//! What may be deployed, and what uploads are told that may not.

use bytes::Bytes;
use relight_core::schema::{HandlerMode, ServiceKind};
use relight_executor::UploadError;
use relight_wit::{HANDLER_ASYNC_EXPORT, HANDLER_EXPORT};

use crate::rig::{Options, Rig, component};

async fn refused(bytes: impl Into<Bytes>) -> UploadError {
    let rig = Rig::new(Options::default());
    let error = rig.executor.check(bytes.into(), 64 << 20).await.expect_err("it cannot be deployed");
    for dir in rig.native_dirs() {
        let left: Vec<_> = std::fs::read_dir(dir).expect("it can be read").collect();
        assert!(left.is_empty(), "a refused upload leaves nothing behind: {left:?}");
    }
    error
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's text is valid")
}

#[track_caller]
fn says(error: &UploadError, code: &str, text: &str) {
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(text), "`{error}` does not contain `{text}`");
    assert!(!error.hint().is_empty());
}

#[tokio::test]
async fn conformance_component_is_described() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("conformance").await;
    let checked = &deployed.checked;
    assert!(checked.sdk.starts_with("relight-rust/"), "{}", checked.sdk);
    let state = checked.services.iter().find(|service| &*service.name == "State").expect("it is there");
    assert_eq!(state.kind, ServiceKind::VirtualObject);
    assert_eq!(state.handler("get").map(|handler| handler.mode), Some(HandlerMode::Shared));
    let flow = checked.services.iter().find(|service| &*service.name == "Flow").expect("it is there");
    assert_eq!(flow.kind, ServiceKind::Workflow);
    assert_eq!(flow.handler("run").map(|handler| handler.mode), Some(HandlerMode::Workflow));
    assert_eq!(flow.handler("open").map(|handler| handler.mode), Some(HandlerMode::Shared));
    assert!(checked.effects.iter().any(|effect| effect.name == "fetch"));
    assert!(
        checked.imports.contains(&"relight:handler/waiting.wait-any".to_owned()),
        "{:?}",
        checked.imports
    );
    for function in ["ops.promise-complete", "ops.send-signal", "ops.attach", "inline-run.start"] {
        let name = format!("relight:handler/{function}");
        assert!(checked.imports.contains(&name), "{name}: {:?}", checked.imports);
    }
}

#[tokio::test]
async fn bytes_that_are_not_wasm_are_refused() {
    says(&refused("").await, "RL0102", "the body is empty");
    says(&refused("#!/bin/sh").await, "RL0102", "not WebAssembly: it begins with");
    says(&refused(&b"\0asm\x63\0\0\0"[..]).await, "RL0102", "version 99");
    says(&refused(&b"\0as"[..]).await, "RL0105", "ends in the middle");
}

#[tokio::test]
async fn core_module_is_refused() {
    says(&refused(wat("(module)")).await, "RL0103", "a core module, not a component");
}

#[tokio::test]
async fn too_large_component_is_refused() {
    let error = refused(vec![0; (64 << 20) + 1]).await;
    says(&error, "RL0101", "67108865 bytes is over the limit of 67108864");
}

#[tokio::test]
async fn truncated_component_is_refused_at_its_end() {
    let whole = component("bench");
    for length in [9, 100, whole.len() / 2, whole.len() - 1] {
        let error = refused(whole.slice(..length)).await;
        says(&error, "RL0105", "ends in the middle");
        assert!(error.offset().is_some_and(|offset| offset <= length as u64), "{error:?}");
    }
}

#[tokio::test]
async fn damaged_component_is_refused_at_a_byte() {
    let mut bytes = component("bench").to_vec();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    let error = refused(bytes).await;
    assert_eq!(error.code(), "RL0104", "{error}");
    assert!(error.offset().is_some());
}

#[tokio::test]
async fn component_without_the_handler_export_is_refused() {
    says(&refused(wat("(component)")).await, "RL0106", "missing export `relight:handler/handler@0.1.0`");
    let other = r#"(component
        (instance $i)
        (export "relight:handler/handler@0.2.0" (instance $i)))"#;
    says(&refused(wat(other)).await, "RL0106", "relight:handler/handler@0.1.0");
}

#[tokio::test]
async fn component_with_async_exports_is_described_as_any_other() {
    let rig = Rig::new(Options::default());
    let (plain, asynchronous) = (rig.deploy("conformance").await, rig.deploy("conformance-async").await);
    assert_eq!(plain.checked.services, asynchronous.checked.services);
    assert_eq!(plain.checked.effects, asynchronous.checked.effects);
    assert_eq!(plain.checked.imports, asynchronous.checked.imports);
    let native = rig.native_dirs().map(|dir| std::fs::read_dir(dir).expect("it can be read").count());
    assert_eq!(native, [1, 1], "each engine has one of them");
}

#[tokio::test]
async fn component_that_exports_both_shapes_is_called_by_the_plain_one() {
    // Its manifest is empty, which is refused; every other function traps.
    let both = with_exports(&[HANDLER_EXPORT, HANDLER_ASYNC_EXPORT], "0");
    says(&refused(both).await, "RL0114", "it has no services");
    let asynchronous = with_exports(&[HANDLER_ASYNC_EXPORT], "0");
    says(&refused(asynchronous).await, "RL0113", "unreachable");
}

/// A component with these instances for handlers and with others that nobody knows. `manifest`: where that of the plain shape is.
fn with_exports(instances: &[&str], manifest: &str) -> Vec<u8> {
    let functions: String = instances
        .iter()
        .map(|name| {
            let describe = if *name == HANDLER_EXPORT { format!("i32.const {manifest}") } else { "unreachable".to_owned() };
            format!(
                r#"(func (export "{name}#describe") (result i32) {describe})
                   (func (export "{name}#invoke")
                        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
                   (func (export "{name}#effect") (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)"#
            )
        })
        .collect();
    let module = wat(&format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "init") unreachable)
            (func (export "exports#run") unreachable)
            {functions})"#
    ));
    let exports: String = instances.iter().map(|name| format!("export {name};\n")).collect();
    let world = format!(
        "package test:shapes;\nworld shapes {{\n{exports}export init: func();\nexport exports: interface {{ run: func(); }}\n}}"
    );
    let module = relight_wit::embed_world(&module, &[&world], "shapes").expect("the world is one");
    relight_wit::componentize(&module).expect("the module fits the world")
}

/// A component that exports something of the right name and has one import.
fn importing(import: &str) -> Vec<u8> {
    wat(&format!(
        r#"(component {import} (instance $i) (export "relight:handler/handler@0.1.0" (instance $i)))"#
    ))
}

#[tokio::test]
async fn imports_are_refused_by_name() {
    let function = |name: &str, function: &str| {
        importing(&format!(r#"(import "{name}" (instance (export "{function}" (func))))"#))
    };
    let later = refused(function("relight:handler/ops@0.1.0", "fork")).await;
    says(&later, "RL0107", "not supported yet: `relight:handler/ops.fork`");
    let newer = refused(function("relight:handler/ops@0.2.0", "call")).await;
    says(&newer, "RL0107", "`relight:handler/ops.call` of `relight:handler/ops@0.2.0`");
    for (import, function_name, named, hint) in [
        (
            "wasi:sockets/tcp-create-socket@0.2.6",
            "create-tcp-socket",
            "wasi:sockets/tcp-create-socket@0.2.6",
            "http.fetch",
        ),
        ("wasi:http/outgoing-handler@0.2.6", "handle", "wasi:http/outgoing-handler@0.2.6", "http.fetch"),
        ("wasi:random/random@0.3.0", "get-random-u64", "wasi:random/random@0.3.0", "docs/wasi.md"),
        ("wasi:random/random@0.2.6", "get-dice", "wasi:random/random.get-dice", "docs/wasi.md"),
    ] {
        let error = refused(function(import, function_name)).await;
        says(&error, "RL0117", &format!("imports `{named}`, which no handler has"));
        assert!(error.hint().contains(hint), "{import}: {}", error.hint());
    }
    let unknown = refused(function("acme:thing/api@1.0.0", "do")).await;
    says(&unknown, "RL0108", "unknown import `acme:thing/api@1.0.0`");
    let bare = refused(importing(r#"(import "abort" (func))"#)).await;
    says(&bare, "RL0108", "unknown import `abort`");
}

#[tokio::test]
async fn wrong_types_are_refused() {
    let import =
        r#"(import "relight:handler/context@0.1.0" (instance (export "now" (func (result string)))))"#;
    says(&refused(importing(import)).await, "RL0109", "types of the contract");
    says(&refused(importing("")).await, "RL0109", "types of the contract");
}

#[tokio::test]
async fn features_that_are_off_are_refused() {
    let module = |text: &str| refused(importing(&format!("(core module {text})")));
    for text in ["(memory i64 1)", "(memory 1 1 shared)", "(type (struct))", "(tag)"] {
        let error = module(text).await;
        assert_eq!(error.code(), "RL0104", "{text}: {error}");
    }
}

#[tokio::test]
async fn too_large_initial_memory_is_refused() {
    let rig = Rig::new(Options::default());
    let error = rig.executor.check(component("bench"), 1 << 16).await.expect_err("it needs more");
    says(&error, "RL0110", "bytes of initial memory, over the limit of 65536");
    let error = rig.executor.check(component("bench"), 1 << 40).await.expect_err("nobody gets that much");
    says(&error, "RL0115", "over the server's limit of 67108864");
}

#[tokio::test]
async fn more_than_an_instance_can_have_is_refused() {
    let error = refused(importing("(core module (memory 65536))")).await;
    says(&error, "RL0110", "4294967296 bytes of initial memory, over the limit of 67108864");
    let error = refused(importing("(core module (table 100001 funcref))")).await;
    says(&error, "RL0110", "100001 table elements, over the limit of 100000");
    let memories = "(memory 1)".repeat(5);
    let error =
        refused(importing(&format!("(core module $m {memories}) (core instance (instantiate $m))"))).await;
    says(&error, "RL0111", "memories count of 5 exceeds the per-instance limit of 4");
}

#[tokio::test]
async fn refused_upload_does_not_touch_what_is_deployed() {
    let rig = Rig::new(Options::default());
    let deployed = rig.deploy("bench").await;
    let error = rig.executor.check(component("bench"), 1 << 16).await.expect_err("it needs more");
    says(&error, "RL0110", "bytes of initial memory");
    let native = rig.native_dirs()[0].join(format!("{}.cwasm", deployed.checked.digest));
    assert!(native.exists());
}
