//! Handlers in Go: the SDK's own tests, a new project, the contract of all languages and the examples, on a real server, too.
//!
//! Each test says that it is skipped where there is no Go from 1.24; `make setup` installs one.

use std::{
    env,
    ffi::OsString,
    path::PathBuf,
    process::{Command, Stdio},
};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::{Folder, run, skipped, stdout};

/// The first Go that knows `go:wasmexport`.
const MINOR_MIN: u32 = 24;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The PATH with the compilers that `make setup` installs behind it.
fn path() -> OsString {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let own = env::var_os("PATH").unwrap_or_default();
    let tools = cache.map(|cache| cache.join("relight/tools/bin"));
    env::join_paths(env::split_paths(&own).chain(tools)).expect("no folder has a colon")
}

/// The PATH to work with; none where Go is missing or too old.
fn go_path() -> Option<OsString> {
    let path = path();
    let program = env::split_paths(&path).map(|folder| folder.join("go")).find(|program| program.is_file());
    let version = program.and_then(|go| {
        let output = Command::new(go).args(["env", "GOVERSION"]).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.trim().strip_prefix("go1.")?.split('.').next()?.parse::<u32>().ok()
    });
    match version {
        Some(minor) if minor >= MINOR_MIN => Some(path),
        _ => {
            skipped(&format!("no Go 1.{MINOR_MIN} or later is on the PATH; `make setup` installs one"));
            None
        }
    }
}

fn holds(language_folder: &str, scenarios: &str, files: usize, more: &[&str]) {
    let Some(path) = go_path() else { return };
    let folder = Folder::new();
    let (project, scenarios) = (root().join(language_folder), root().join(scenarios));
    let (project, scenarios) = (project.display().to_string(), scenarios.display().to_string());
    let arguments = [&["test", project.as_str(), "--scenario", scenarios.as_str()][..], more].concat();
    let tested = stdout(folder.relight(&arguments).env("PATH", path));
    assert_eq!(tested.lines().filter(|line| line.starts_with("ok ")).count(), files, "{tested}");
}

#[test]
fn the_sdk_for_go_passes_its_own_tests_and_the_checks_of_go() {
    let Some(path) = go_path() else { return };
    for (folder, arguments, target) in [
        ("guest-sdk/go", &["test", "./..."][..], None),
        ("guest-sdk/go", &["vet", "./..."], None),
        ("guest-sdk/go", &["vet", "./..."], Some("wasip1")),
        ("components/portable/go", &["vet", "."], Some("wasip1")),
        ("examples/greeter/go", &["vet", "."], Some("wasip1")),
        ("examples/theatre/go", &["vet", "."], Some("wasip1")),
        ("examples/checkout/go", &["vet", "."], Some("wasip1")),
    ] {
        let mut command = Command::new("go");
        command.args(arguments).current_dir(root().join(folder)).env("PATH", &path);
        if let Some(system) = target {
            command.env("GOOS", system).env("GOARCH", "wasm");
        }
        let output = run(&mut command);
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{folder} {arguments:?}: {}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn portable_scenarios_hold_in_go() {
    // With crashes everywhere that is minutes on a busy machine; the examples below have them.
    holds("components/portable/go", "components/portable/scenarios", 16, &[]);
}

#[test]
fn scenarios_of_the_theatre_hold_in_go_with_a_crash_after_every_record() {
    holds("examples/theatre/go", "examples/theatre/scenarios", 4, &["--crash-everywhere"]);
}

#[test]
fn scenarios_of_the_checkout_hold_in_go_with_a_crash_after_every_record() {
    holds("examples/checkout/go", "examples/checkout/scenarios", 4, &["--crash-everywhere"]);
}

/// Goroutines, timers and the collector: nothing of them is in a journal that the handler did not put there.
#[test]
fn what_go_itself_has_is_part_of_the_invocation() {
    let Some(path) = go_path() else { return };
    let folder = Folder::new();
    stdout(&mut folder.relight(&["new", "own", "--lang", "go"]));
    let project = folder.path().join("own");
    std::fs::write(project.join("main.go"), include_str!("go/handlers.go")).expect("write");
    std::fs::write(project.join("own.toml"), include_str!("go/scenario.toml")).expect("write");
    let tested = stdout(folder.relight(&["test", "own", "--scenario", "own/own.toml"]).env("PATH", path));
    assert!(tested.starts_with("ok "), "{tested}");
}

#[tokio::test]
async fn a_new_project_in_go_is_tested_deployed_and_answers() {
    let Some(path) = go_path() else { return };
    let folder = Folder::new();
    let server = folder.start().await;
    stdout(&mut folder.relight(&["new", "hello", "--lang", "go"]));
    let tested = stdout(folder.relight(&["test", "hello", "--crash-everywhere"]).env("PATH", &path));
    assert!(tested.starts_with("ok ") && tested.contains("visits are counted by name"), "{tested}");
    let built = stdout(folder.relight(&["build", "hello"]).env("PATH", &path));
    assert!(built.contains("relight-go/") && built.contains("Counter/{key}/get (shared)"), "{built}");
    assert!(!built.contains("wasi"), "{built}");
    let deployed = run(folder.relight(&["deploy", "hello"]).env("PATH", &path));
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    let answer = server.post("/Greeter/greet", &[], r#"{"name":"Ada"}"#).await;
    assert_eq!(answer.json(), json!({"message": "Hello, Ada!", "visit": 1}));
    server.stop();
}

/// A handler in Go that waits holds no instance, and goes on after kill -9; a panic of any goroutine is the attempt's message.
#[tokio::test]
async fn handlers_in_go_wait_through_a_kill_and_say_why_they_fail() {
    let Some(path) = go_path() else { return };
    let folder = Folder::new();
    let server = folder.start().await;
    let project = root().join("components/portable/go").display().to_string();
    stdout(folder.relight(&["deploy", &project]).env("PATH", &path));
    let hold = server.send("/Shelf/ann/hold", "").await;
    let branches = server.send("/Desk/concurrent", r#""branch""#).await;
    server.until_detail(&hold, |detail| detail["status"] == "suspended").await;
    server.kill();

    let server = folder.start().await;
    server.expect_complaint("panic: no such seat");
    let crash = server.send("/Desk/crash", r#""no such seat""#).await;
    let is_backing_off = |detail: &Value| detail["status"] == "backing-off";
    let detail = server.until_detail(&crash, is_backing_off).await.to_string();
    assert!(detail.contains("panic: no such seat") && detail.contains("portable/desk.go"), "{detail}");
    server.end("kill", &crash).await;
    let awakeable = server.post("/Shelf/ann/read", &[], r#""awakeable""#).await.json();
    let awakeable = awakeable.as_str().expect("an id");
    let resolved = server.post(&format!("/relight/awakeables/{awakeable}/resolve"), &[], r#""here""#).await;
    assert_eq!(resolved.status, StatusCode::ACCEPTED, "{resolved:?}");
    assert_eq!(server.ingress(&format!("/relight/attach/{hold}")).await.json(), json!("here"));
    assert_eq!(server.ingress(&format!("/relight/attach/{branches}")).await.json(), json!([1, 3]));
    server.stop();
}
