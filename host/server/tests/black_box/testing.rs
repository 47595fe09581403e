//! `relight test`: no server, no port, exit codes and forms of its reports.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use relight_test::{Error, Host};
use serde_json::{Value, json};

use crate::support::{Folder, component, failure, run, stdout};

const COUNTS: &str = "name = 'it counts'\n[[step]]\ninvoke = 'Counter/a/add'\nbody = 2\nresult = 2\n";
const MISCOUNTS: &str = "[[step]]\ninvoke = 'Counter/a/add'\nbody = 2\nresult = 3\n";

fn folder(scenarios: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    fs::write(folder.path().join("greeter.wasm"), component("greeter")).expect("write");
    fs::create_dir(folder.path().join("s")).expect("create");
    for (name, text) in scenarios {
        fs::write(folder.path().join("s").join(name), text).expect("write");
    }
    folder
}

#[test]
fn scenarios_pass_fail_or_make_no_sense() {
    let json = r#"{"name": "JSON", "step": [{"invoke": "Greeter/greet", "body": {"name": "Ada"}}]}"#;
    let good = folder(&[("counts.toml", COUNTS), ("greets.json", json)]);
    let passed =
        stdout(&mut good.relight(&["test", "greeter.wasm", "--scenario", "s", "--crash-everywhere"]));
    let lines: Vec<&str> = passed.lines().collect();
    assert!(lines[0].starts_with("ok      s/counts.toml  it counts  ("), "{passed}");
    assert!(
        lines[1].starts_with("ok      s/greets.json  JSON  (") && lines[1].contains("crashes"),
        "{passed}"
    );
    assert!(!good.data().exists(), "it has no data of its own");

    let failing = folder(&[("a.toml", COUNTS), ("b.toml", MISCOUNTS)]);
    let mut command = failing.relight(&["test", "greeter.wasm", "--scenario", "s"]);
    let output = run(&mut command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAILED  s/b.toml"), "{text}");
    assert!(text.contains("    expected  3\n    got       2\n"), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 of 2 scenarios failed"));

    let bad = folder(&[("a.toml", MISCOUNTS), ("b.toml", "[[step]]\ninvok = 'Counter/a/add'\n")]);
    let (code, message) = failure(&mut bad.relight(&["test", "greeter.wasm", "--scenario", "s"]));
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("1 of 2 scenarios cannot be run"), "{message}");
}

#[test]
fn reports_are_json_for_tools() {
    let folder = folder(&[("a.toml", COUNTS), ("b.toml", MISCOUNTS)]);
    let output = run(&mut folder.relight(&["test", "greeter.wasm", "--scenario", "s", "--format", "json"]));
    let reports: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!((&reports[0]["outcome"], &reports[0]["name"]), (&json!("passed"), &json!("it counts")));
    assert_eq!(reports[1]["outcome"], "failed");
    assert_eq!(reports[1]["problem"]["got"], "2");
}

#[test]
fn what_is_no_component_is_refused_like_an_upload() {
    let folder = folder(&[("a.toml", COUNTS)]);
    fs::write(folder.path().join("none.wasm"), "not WebAssembly").expect("write");
    let (code, message) = failure(&mut folder.relight(&["test", "none.wasm", "--scenario", "s"]));
    assert_eq!(code, 8, "{message}");
    assert!(message.contains("RL0102"), "{message}");
    let (code, _) = failure(&mut folder.relight(&["test", "greeter.wasm", "--scenario", "nowhere"]));
    assert_eq!(code, 2);
}

#[test]
fn another_program_gives_the_steps() {
    let folder = folder(&[]);
    let mut child = folder
        .relight(&["test", "greeter.wasm", "--stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("stdin is piped");
    let mut answers = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let mut next = || -> Value {
        let line = answers.next().expect("there is an answer").expect("it can be read");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next(), json!({"ready": {"protocol": 1}}));
    for (step, field, value) in [
        (json!({"invoke": "Counter/a/add", "body": 2}), "result", json!(2)),
        (json!({"crash": true}), "result", Value::Null),
        (json!({"invoke": "Counter/a/get"}), "result", json!(2)),
    ] {
        writeln!(input, "{}", json!({"id": 1, "step": step})).expect("it reads");
        assert_eq!(next()["ok"][field], value, "{step}");
    }
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_test_in_rust_drives_the_binary() -> Result<(), Error> {
    let folder = Folder::new();
    let path = folder.path().join("conformance.wasm");
    fs::write(&path, component("conformance")).expect("write");
    let mut host = Host::start_program(env!("CARGO_BIN_EXE_relight"), &path)?;

    assert_eq!(host.invoke("Callee", "add").key("a").json(&2)?.call::<i64>()?, 2);
    assert_eq!(host.state::<i64>("Callee", "a", "value")?, Some(2));
    assert_eq!(host.state::<i64>("Callee", "a", "other")?, None);
    let failure = host.invoke("Callee", "fail").key("pot").call_failure()?;
    assert_eq!((failure.code, failure.metadata["pot"].as_str()), (418, "tea"));

    host.crash_at("Timers/sleep", 1)?;
    let day = std::time::Duration::from_secs(24 * 3600);
    let sleeper = host.invoke("Timers", "sleep").json(&(day.as_millis() as u64))?.send()?;
    assert_eq!(sleeper.status.as_deref(), Some("suspended"));
    host.skip(day / 2)?;
    host.crash()?;
    assert_eq!(host.result::<u64>(&sleeper.id)?, 24 * 3600 * 1000);

    let waiting = host.invoke("Waits", "hold").key("a").send_after(day)?;
    assert_eq!(waiting.status.as_deref(), Some("scheduled"));
    host.skip(day)?;
    host.resolve(&waiting.id, &"now")?;
    assert_eq!(host.result::<String>("Waits/a/hold")?, "now");
    let seen = host.look(&waiting.id)?;
    assert_eq!(seen.journal.last().expect("an output")["kind"], "output");

    host.answer("failing_until", &json!([{"error": "not yet"}, {"ok": 9}]))?;
    assert_eq!(host.invoke("Effects", "retries_until").json(&5)?.call::<u32>()?, 9);
    assert_eq!(host.effect_inputs("failing_until")?, [json!(5), json!(5)]);

    let failed = host.step(&json!({"state": "Callee/a", "is": {"value": 3}})).expect_err("it is 2");
    assert!(format!("{failed:?}").contains("expected  {\"value\":3}"), "{failed}");
    assert!(matches!(host.step(&json!({"invok": "x"})), Err(Error::Bad(_))));
    host.reset(&json!({}))?;
    assert_eq!(host.invoke("Callee", "get").key("a").call::<i64>()?, 0);
    Ok(())
}

#[test]
fn a_test_in_rust_says_why_it_cannot_start() {
    let missing = Host::start_program("no-such-program", ".").expect_err("there is none");
    assert!(missing.to_string().contains("RELIGHT_BIN"), "{missing}");
    let folder = Folder::new();
    let ended = Host::start_program(env!("CARGO_BIN_EXE_relight"), folder.path().join("none.wasm"));
    assert!(ended.expect_err("there is no component").to_string().contains("exit status: 3"));
}
