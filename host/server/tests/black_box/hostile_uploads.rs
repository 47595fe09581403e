//! Uploads that a server must refuse: it says why, with a code and a hint, stores nothing and serves on.
//!
//! The texts are in `components/conformance/bad`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Folder, Server, component};

/// What an upload is, its bytes, and the code and words of its refusal.
type Bad = (&'static str, Vec<u8>, &'static str, &'static str);

const HANDLER: &str = "relight:handler/handler@0.1.0";

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let greeter = component("greeter");
    let mut damaged = greeter.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    let truncated = greeter[..middle].to_vec();
    refused(vec![
        ("nothing", Vec::new(), "RL0102", "not WebAssembly"),
        ("text", b"not wasm".to_vec(), "RL0102", "not WebAssembly"),
        ("an unknown version", b"\0asm\x63\0\0\0".to_vec(), "RL0102", "version"),
        ("a core module", text(&bad("core-module.wat")), "RL0103", "a core module, not a component"),
        (
            "garbage after the header",
            [b"\0asm\x0d\0\x01\0".as_slice(), &[0x7f; 256]].concat(),
            "RL0104",
            "invalid",
        ),
        ("a truncated component", truncated, "RL0105", "ends in the middle"),
        ("a damaged component", damaged, "RL0104", "invalid"),
    ])
    .await;
}

#[tokio::test]
async fn wrong_worlds_and_imports_are_refused() {
    let world = bad("unknown-import.wit");
    let wasi = "imports `wasi:sockets/tcp@0.2.6`, which no handler has";
    refused(vec![
        ("the wrong world", text(&bad("no-handler.wat")), "RL0106", "missing export"),
        (
            "an unknown import",
            made("unknown-import", &[&world], "unknown-import"),
            "RL0108",
            "test:bad/clock@0.1.0",
        ),
        ("sockets", importing("wasi:sockets/tcp@0.2.6", "connect"), "RL0117", wasi),
        (
            "a later function",
            importing("relight:handler/ops@0.1.0", "fork"),
            "RL0107",
            "not supported yet: `relight:handler/ops.fork`",
        ),
        ("a workflow without its run", guest("workflow"), "RL0114", "`W` has no handlers"),
        ("no services", guest("no-services"), "RL0114", "it has no services"),
    ])
    .await;
}

#[tokio::test]
async fn guests_that_break_limits_in_an_upload_are_refused() {
    refused(vec![
        ("`describe` traps", guest("describe-traps"), "RL0113", "unreachable"),
        ("`describe` loops", guest("describe-loops"), "RL0113", "2000 ms"),
        (
            "`describe` starts an operation",
            guest("describe-starts-an-operation"),
            "RL0113",
            "state.clear-all",
        ),
        ("`describe` points nowhere", guest("describe-points-nowhere"), "RL0113", "`describe` failed"),
        (
            "`describe` claims a huge list",
            guest("describe-claims-a-huge-list"),
            "RL0113",
            "`describe` failed",
        ),
        ("instantiation traps", guest("start-traps"), "RL0113", "unreachable"),
        ("instantiation loops", guest("start-loops"), "RL0113", "2000 ms"),
        ("a large memory", guest("memory-too-large"), "RL0110", "bytes of initial memory"),
        ("a large table", guest("table-too-large"), "RL0110", "table elements"),
        ("many memories", many_memories(), "RL0111", "memories count of 5 exceeds"),
        ("a compile bomb", compile_bomb(), "RL0112", "4096 MiB of memory"),
    ])
    .await;
}

#[tokio::test]
async fn too_large_upload_is_refused_before_it_is_sent() {
    let folder = Folder::new();
    let server = folder.start().await;
    let address = server.admin_url().strip_prefix("http://").expect("an HTTP address");
    let mut connection = TcpStream::connect(address).await.expect("connect");
    let head = format!(
        "POST /deployments HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/wasm\r\ncontent-length: {}\r\n\r\n",
        (64 << 20) + 1
    );
    connection.write_all(head.as_bytes()).await.expect("send the head");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.expect("the server answers and closes");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    for part in ["RL0101", "larger than 67108864 bytes", "hint"] {
        assert!(answer.contains(part), "{answer}");
    }
    assert_eq!(server.admin("/deployments").await.json(), json!({"deployments": []}));
    server.stop();
}

async fn refused(uploads: Vec<Bad>) {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    let stored = everything_stored(&server, &folder).await;
    for (what, bytes, code, message) in uploads {
        let answer = server.upload(bytes).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {answer:?}");
        let body = answer.json();
        assert_eq!(body["code"], code, "{what}: {body}");
        assert!(body["message"].as_str().is_some_and(|said| said.contains(message)), "{what}: {body}");
        assert!(body["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{what}: {body}");
        assert_eq!(everything_stored(&server, &folder).await, stored, "{what}");
        assert_eq!(server.post("/Counter/a/get", &[], "").await.json(), json!(0), "{what}");
    }
    server.stop();
}

/// Deployments, services, and the files of components and of native code.
async fn everything_stored(server: &Server, folder: &Folder) -> (Value, Value, BTreeSet<PathBuf>) {
    let mut files = BTreeSet::new();
    for name in ["components", "native"] {
        collect_files(&folder.data().join(name), &mut files);
    }
    (server.admin("/deployments").await.json(), server.admin("/services").await.json(), files)
}

fn collect_files(folder: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).expect("list") {
        let path = entry.expect("list").path();
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            files.insert(path);
        }
    }
}

fn bad(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components/conformance/bad").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A guest for the contract's own world.
fn guest(file: &str) -> Vec<u8> {
    made(file, &[], relight_wit::HANDLER_WORLD)
}

fn made(file: &str, more_packages: &[&str], world: &str) -> Vec<u8> {
    let module = text(&bad(&format!("{file}.wat")));
    let module = relight_wit::embed_world(&module, more_packages, world);
    let component = module.and_then(|module| relight_wit::componentize(&module));
    component.unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A component that exports something of the right name and imports one function.
fn importing(interface: &str, function: &str) -> Vec<u8> {
    text(&format!(
        r#"(component
            (import "{interface}" (instance (export "{function}" (func))))
            (instance $i)
            (export "{HANDLER}" (instance $i)))"#
    ))
}

fn many_memories() -> Vec<u8> {
    let memories = "(memory 1)".repeat(5);
    text(&format!(
        r#"(component
            (core module $m {memories})
            (core instance (instantiate $m))
            (instance $i)
            (export "{HANDLER}" (instance $i)))"#
    ))
}

/// Two megabytes of calls with 1,000 results each: the compiler would need 20 GB for them.
fn compile_bomb() -> Vec<u8> {
    const VALUES: usize = 1_000;
    const CALLS: usize = 1_000_000;
    let types = " i64".repeat(VALUES);
    let arguments: String = (0..VALUES).map(|index| format!("local.get {index} ")).collect();
    let calls = "call 0 ".repeat(CALLS);
    text(&format!(
        r#"(component
            (core module (func (param{types}) (result{types}) {arguments}{calls}))
            (instance $i)
            (export "{HANDLER}" (instance $i)))"#
    ))
}
