//! Tests of the contract's text and of the tools, on small modules written as text. Guests made by real toolchains are checked
//! where they are built.

use std::fs;

use wit_parser::Resolve;

use super::{
    Error, HANDLER_ASYNC_EXPORT, HANDLER_ASYNC_WORLD, HANDLER_EXPORT, HANDLER_PACKAGE, HANDLER_WIT,
    HANDLER_WORLD, HandlerShape, componentize, embed_world, inspect, wit_text,
};

/// The three exports of the world `service`, as a compiler lays them out; `imports` comes first.
fn module_text(imports: &str) -> String {
    module_text_for(HANDLER_EXPORT, imports)
}

fn module_text_for(handler_export: &str, imports: &str) -> String {
    format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{handler_export}#describe") (result i32) unreachable)
            (func (export "{handler_export}#invoke")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{handler_export}#effect")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))"#
    )
}

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's text is valid")
}

/// `text` as a module that says it was built for the world `service`.
fn module_for_service(text: &str) -> Vec<u8> {
    embed_world(&module(text), &[], HANDLER_WORLD).expect("the world can be embedded")
}

#[test]
fn contract_declares_the_named_package_and_export() {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("handler.wit", HANDLER_WIT).expect("the contract parses");
    assert_eq!(resolve.packages[package].name.to_string(), HANDLER_PACKAGE);
    for (world, export) in [(HANDLER_WORLD, HANDLER_EXPORT), (HANDLER_ASYNC_WORLD, HANDLER_ASYNC_EXPORT)] {
        let world = resolve.select_world(&[package], Some(world)).expect("the contract has the world");
        let exports: Vec<_> =
            resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
        assert_eq!(exports, [export]);
    }
}

#[test]
fn modules_of_both_worlds_become_components_of_their_shape() {
    for (world, export, shape) in [
        (HANDLER_WORLD, HANDLER_EXPORT, HandlerShape::Sync),
        (HANDLER_ASYNC_WORLD, HANDLER_ASYNC_EXPORT, HandlerShape::Async),
    ] {
        let module = module(&module_text_for(export, ""));
        let module = embed_world(&module, &[], world).expect("the world can be embedded");
        let component = componentize(&module).expect("the module fits the world");
        let inspection = inspect(&component).expect("the component is valid");
        assert_eq!(inspection.handler_shape(), Some(shape));
        let exports: Vec<_> = inspection.export_names().collect();
        assert_eq!(exports, ["describe", "invoke", "effect"].map(|name| format!("{export}#{name}")));
    }
}

#[test]
fn contract_documents_every_function() {
    let mut resolve = Resolve::default();
    resolve.push_str("handler.wit", HANDLER_WIT).expect("the contract parses");
    for (_, interface) in resolve.interfaces.iter() {
        for (name, function) in &interface.functions {
            assert!(function.docs.contents.is_some(), "`{name}` has no documentation");
        }
    }
}

#[test]
fn sdks_carry_the_contract_unchanged() {
    for sdk in ["rust", "js"] {
        let copy = format!("{}/../guest-sdk/{sdk}/wit/handler.wit", env!("CARGO_MANIFEST_DIR"));
        let copy = fs::read_to_string(copy).expect("the SDK carries a copy of the contract");
        assert_eq!(copy, HANDLER_WIT, "copy wit/handler.wit to guest-sdk/{sdk}/wit/");
    }
}

#[test]
fn component_imports_only_what_the_module_uses() {
    let text = module_text(
        r#"(import "relight:handler/ops@0.1.0" "callee" (func (param i32 i32)))
           (import "relight:handler/waiting@0.1.0" "wait-any" (func (param i32 i32 i32)))"#,
    );
    let component = componentize(&module_for_service(&text)).expect("the module fits the world");
    let inspection = inspect(&component).expect("the component is valid");
    let imports: Vec<_> = inspection.import_names().collect();
    assert_eq!(imports, ["relight:handler/ops@0.1.0#callee", "relight:handler/waiting@0.1.0#wait-any"]);
    let exports: Vec<_> = inspection.export_names().collect();
    assert_eq!(exports, ["describe", "invoke", "effect"].map(|name| format!("{HANDLER_EXPORT}#{name}")));
    assert_eq!(inspection.size_bytes, component.len() as u64);
    assert!(inspection.code_bytes > 0);
    assert!(inspection.code_bytes < inspection.size_bytes);
}

#[test]
fn component_passes_through_unchanged() {
    let component = componentize(&module_for_service(&module_text(""))).expect("the module fits the world");
    assert_eq!(componentize(&component).expect("it already is a component"), component);
}

#[test]
fn wit_text_names_world_and_interfaces() {
    let component = componentize(&module_for_service(&module_text(""))).expect("the module fits the world");
    let text = wit_text(&component).expect("the component is valid");
    assert!(text.contains(&format!("export {HANDLER_EXPORT};")), "{text}");
    assert!(text.contains("variant attempt-error"), "{text}");
    let mut resolve = Resolve::default();
    resolve.push_str("printed.wit", &text).expect("what is printed parses again");
}

#[test]
fn module_without_world_is_refused() {
    let error = componentize(&module("(module)")).expect_err("nothing names a world");
    assert!(matches!(error, Error::NoWorld), "{error:?}");
}

#[test]
fn module_that_lacks_an_export_is_refused_by_name() {
    let error = componentize(&module_for_service(r#"(module (memory (export "memory") 1))"#))
        .expect_err("the exports are missing");
    let Error::Componentize(cause) = error else { panic!("{error:?}") };
    assert!(cause.to_string().contains("describe") || format!("{cause:?}").contains("describe"), "{cause:?}");
}

#[test]
fn unknown_import_is_refused_by_name() {
    let text = module_text(r#"(import "env" "abort" (func))"#);
    let error = componentize(&module_for_service(&text)).expect_err("`env` is no interface of the world");
    let Error::Componentize(cause) = error else { panic!("{error:?}") };
    assert!(format!("{cause:?}").contains("env"), "{cause:?}");
}

#[test]
fn truncated_component_is_invalid_at_an_offset() {
    let component = componentize(&module_for_service(&module_text(""))).expect("the module fits the world");
    for length in [8 + 1, component.len() / 2, component.len() - 1] {
        let error = inspect(&component[..length]).expect_err("the end is missing");
        let Error::Invalid { offset, .. } = error else { panic!("{length}: {error:?}") };
        assert!(offset <= length as u64, "{offset} of {length}");
    }
}

#[test]
fn other_bytes_are_not_wasm() {
    for bytes in [&b""[..], b"\0as", b"\x7fELF\x02\x01\x01\0", b"\0asm\x63\0\0\0"] {
        let error = inspect(bytes).expect_err("these bytes are no component");
        assert!(matches!(error, Error::NotWasm { .. }), "{error:?}");
        let error = componentize(bytes).expect_err("these bytes are no module");
        assert!(matches!(error, Error::NotWasm { .. }), "{error:?}");
    }
}

#[test]
fn core_module_is_not_inspected() {
    let error = inspect(&module("(module)")).expect_err("this is a core module");
    assert!(matches!(error, Error::CoreModule), "{error:?}");
}

#[test]
fn component_cannot_be_given_a_world() {
    let component = componentize(&module_for_service(&module_text(""))).expect("the module fits the world");
    let error = embed_world(&component, &[], HANDLER_WORLD).expect_err("it has one");
    assert!(matches!(error, Error::Componentize(_)), "{error:?}");
}

#[test]
fn unknown_world_is_refused() {
    let error =
        embed_world(&module("(module)"), &[], "no-such-world").expect_err("the contract has no such world");
    assert!(matches!(error, Error::Componentize(_)), "{error:?}");
}

/// Deployment tests upload these: each must be valid WebAssembly, bad only in the way its file says.
#[test]
fn bad_uploads_can_be_made() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../components/conformance/bad");
    let readme = fs::read_to_string(format!("{folder}/README.md")).expect("the folder has a table");
    let mut made = 0;
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("names are UTF-8").to_owned();
        if !name.ends_with(".wat") {
            continue;
        }
        assert!(readme.contains(&format!("| `{name}` |")), "`{name}` is not in the table");
        let bytes = module(&fs::read_to_string(&path).expect("the file is text"));
        let wit = fs::read_to_string(path.with_extension("wit")).ok();
        let component = match (&wit, name.as_str()) {
            (_, "core-module.wat" | "no-handler.wat") => continue,
            (None, _) => embed_world(&bytes, &[], HANDLER_WORLD),
            (Some(wit), _) => embed_world(&bytes, &[wit], name.trim_end_matches(".wat")),
        };
        let component = component.and_then(|module| componentize(&module));
        let inspection = component.and_then(|component| inspect(&component));
        let inspection = inspection.unwrap_or_else(|error| panic!("`{name}`: {error:?}"));
        let imports: Vec<_> = inspection.import_names().collect();
        assert_eq!(
            imports.iter().any(|import| import == "test:bad/clock@0.1.0#read"),
            wit.is_some(),
            "`{name}`"
        );
        made += 1;
    }
    assert!(made >= 10, "only {made} files");
}
