//! Guests in C, built and tested by the binary as users do it. Without clang's target for WASI these tests say that they are skipped;
//! where `CI` is set they fail then.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{Folder, failure, run, skipped, stdout};

/// A file that does not define what an export needs.
const NO_HANDLERS: &str = "int answer(void) { return 42; }\n";

/// Prints the reason to be skipped when there is no compiler.
fn has_compiler() -> bool {
    let folder = Folder::new();
    fs::write(folder.path().join("a.c"), NO_HANDLERS).expect("write");
    let (_, message) = failure(&mut folder.relight(&["build", "."]));
    if message.contains("cannot become a component") {
        return true;
    }
    skipped(&message);
    false
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn test_in(project: &Path, arguments: &[&str]) -> String {
    let folder = Folder::new();
    let project = project.to_str().expect("paths are UTF-8");
    stdout(folder.relight(&["test", project, "--crash-everywhere"]).args(arguments))
}

/// The project passes the scenarios of a folder, each with a crash after every record.
fn passes(project: &str, scenarios: &str, files: usize) {
    if !has_compiler() {
        return;
    }
    let scenarios = root().join(scenarios);
    let text = test_in(&root().join(project), &["--scenario", scenarios.to_str().expect("UTF-8")]);
    assert_eq!(text.lines().filter(|line| line.starts_with("ok ")).count(), files, "{text}");
    assert_eq!(text.lines().count(), files, "{text}");
}

#[test]
fn portable_scenarios_hold_in_c() {
    passes("components/portable/c", "components/portable/scenarios", 16);
}

#[test]
fn scenarios_of_the_theatre_hold_in_c() {
    passes("examples/theatre/c", "examples/theatre/scenarios", 4);
}

#[test]
fn scenarios_of_the_checkout_hold_in_c() {
    passes("examples/checkout/c", "examples/checkout/scenarios", 4);
}

#[test]
fn a_new_project_in_c_builds_tests_and_says_what_is_in_it() {
    if !has_compiler() {
        return;
    }
    let folder = Folder::new();
    run(&mut folder.relight(&["new", "hello", "--lang", "c"]));
    let project = folder.path().join("hello");
    let text = test_in(&project, &[]);
    assert!(text.starts_with("ok ") && text.contains("visits are counted by name"), "{text}");

    let built = stdout(&mut folder.relight(&["build", "hello", "-o", "json"]));
    let built: Value = serde_json::from_str(&built).expect("one JSON document");
    assert_eq!(
        built["handlers"],
        json!(["Greeter/greet", "Counter/{key}/add", "Counter/{key}/get (shared)"])
    );
    assert_eq!(built["sdk"], "relight-c/0.1.0");
    let imports = built["imports"].as_array().expect("a list");
    assert!(
        imports.iter().all(|name| name.as_str().is_some_and(|name| name.starts_with("relight:handler/")))
    );
    assert!(built["size_bytes"].as_u64().is_some_and(|size| size < 200_000), "{built}");
    assert!(project.join("build/hello.component.wasm").is_file());
}

/// What the page on other compilers shows is compiled with its own command, and passes its own scenario.
#[test]
fn the_component_without_an_sdk_in_the_documentation_works() {
    if !has_compiler() {
        return;
    }
    let page = fs::read_to_string(root().join("docs/bring-your-own-compiler.md")).expect("it can be read");
    let block = |begin: &str| {
        let (_, rest) = page.split_once(begin).expect("the page has it");
        rest.split_once("\n```").expect("it ends").0.to_owned() + "\n"
    };
    let folder = Folder::new();
    fs::write(folder.path().join("counter.cpp"), block("```cpp\n")).expect("write");
    fs::write(folder.path().join("counts.toml"), block("```toml\n")).expect("write");
    let command = page.lines().find_map(|line| line.strip_prefix("$ clang++-19 ")).expect("it says how");
    let compiled = Command::new("clang++-19").args(command.split(' ')).current_dir(folder.path()).output();
    let Ok(compiled) = compiled else {
        return skipped("there is no `clang++-19`");
    };
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let arguments = ["test", "counter.wasm", "--scenario", "counts.toml", "--crash-everywhere"];
    let text = stdout(&mut folder.relight(&arguments));
    assert!(text.starts_with("ok ") && text.contains("it counts"), "{text}");
}

#[test]
fn json_of_the_sdk_in_c_reads_and_writes() {
    let folder = Folder::new();
    let program = folder.path().join("json");
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-I"])
        .arg(root().join("guest-sdk/c"))
        .arg(root().join("guest-sdk/c/tests/json.c"))
        .arg("-o")
        .arg(&program)
        .output();
    // Any compiler of this machine will do: what is tested knows no WebAssembly.
    let Ok(compiled) = compiled else {
        return skipped("there is no `cc`");
    };
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(program).output().expect("it can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
