//! The command line against a real server.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::support::{Folder, component, failure, run, skipped, stdout};

fn write_greeter(folder: &Folder) {
    std::fs::write(folder.path().join("greeter.wasm"), component("greeter")).expect("write");
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn deploy_invoke_and_list() {
    let folder = Folder::new();
    let server = folder.start().await;
    write_greeter(&folder);
    let table = stdout(&mut folder.relight(&["deploy", "greeter.wasm"]));
    for word in ["Greeter", "greet", "Counter", "exclusive", "shared", "added"] {
        assert!(table.contains(word), "{table}");
    }
    let answer = stdout(&mut folder.relight(&["invoke", "Greeter/greet", r#"{"name":"Ada"}"#]));
    assert_eq!(json_of(&answer), json!({"message": "Hello, Ada!", "visit": 1}));
    assert_eq!(stdout(&mut folder.relight(&["invoke", "Counter/Ada/get"])), "1\n");

    assert_eq!(stdout(&mut folder.relight(&["svc", "list", "-o", "name"])), "Counter\nGreeter\n");
    assert!(stdout(&mut folder.relight(&["svc", "get", "Counter"])).contains("VirtualObject"));
    let deployments = json_of(&stdout(&mut folder.relight(&["dp", "list", "-o", "json"])));
    assert_eq!(deployments.as_array().map(Vec::len), Some(1));
    let id = deployments[0]["id"].as_str().expect("an id").to_owned();
    assert!(stdout(&mut folder.relight(&["dp", "get", &id])).contains(&id));
    server.stop();
}

#[tokio::test]
async fn an_invocation_is_found_shown_and_cancelled() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    let id = stdout(&mut folder.relight(&["send", "Counter/a/add", "1", "--delay", "1h", "-o", "name"]));
    let id = id.trim();
    let listed = stdout(&mut folder.relight(&["inv", "list", "--service", "Counter", "-o", "name"]));
    assert_eq!(listed.trim(), id);
    let shown = json_of(&stdout(&mut folder.relight(&["inv", "get", id, "-o", "json"])));
    assert_eq!((&shown["target"], &shown["status"]), (&json!("Counter/a/add"), &json!("scheduled")));
    stdout(&mut folder.relight(&["inv", "cancel", id]));
    let (code, _) = failure(&mut folder.relight(&["inv", "cancel", "Counter/a/add", "--yes"]));
    assert_eq!(code, 3, "nothing is left to cancel");

    let first = stdout(&mut folder.relight(&["send", "Counter/b/add", "1", "--delay", "1h", "-o", "name"]));
    let unconfirmed = failure(&mut folder.relight(&["inv", "kill", "Counter/b"]));
    assert_eq!(unconfirmed.0, 2, "{}", unconfirmed.1);
    assert_eq!(stdout(&mut folder.relight(&["inv", "kill", "Counter/b", "--yes"])), first);
    server.stop();
}

#[tokio::test]
async fn an_invocation_is_paused_resumed_given_values_and_purged() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("conformance").await;
    let relight = |arguments: &[&str]| stdout(&mut folder.relight(arguments));
    let refused = |arguments: &[&str]| failure(&mut folder.relight(arguments)).0;

    let run = relight(&["send", "Flow/a/run", "\"hello\"", "-o", "name"]);
    let run = run.trim();
    assert_eq!(refused(&["inv", "output", "Flow/a"]), 5, "not completed");
    assert_eq!(refused(&["inv", "purge", run]), 5, "not completed");
    assert_eq!(relight(&["inv", "pause", "Flow", "--yes"]).trim(), run);
    assert!(relight(&["inv", "get", run]).contains("paused by an operator"));
    assert_eq!(refused(&["inv", "pause", "Flow", "--yes"]), 3, "none is left to pause");
    assert_eq!(relight(&["inv", "resume", "Flow/a", "--deployment", "latest", "--yes"]).trim(), run);
    relight(&["promises", "resolve", "Flow/a", "gate", "\"world\""]);
    assert_eq!(refused(&["promises", "reject", "Flow/a", "gate", "no"]), 5, "it has a value");
    assert_eq!(relight(&["inv", "attach", "Flow/a"]), "\"hello world\"\n");
    assert_eq!(relight(&["inv", "output", run]), "\"hello world\"\n");
    assert_eq!(refused(&["invoke", "Flow/a/run", "\"again\""]), 5, "it has run");

    relight(&["inv", "purge", run, "--journal"]);
    assert_eq!(json_of(&relight(&["inv", "journal", run, "-o", "json"])), json!([]));
    assert_eq!(relight(&["inv", "purge", "Flow/a/run", "--yes"]).trim(), run);
    assert_eq!(refused(&["inv", "output", run]), 3);

    let receiver = relight(&["send", "Signals/receive", r#"["go", 1, 0]"#, "-o", "name"]);
    relight(&["signals", "send", receiver.trim(), "go", "\"1\""]);
    assert_eq!(relight(&["inv", "attach", receiver.trim()]), "[\"1\"]\n");

    let waiting = relight(&["send", "Awakeables/a/wait", "-o", "name"]);
    let awakeable = loop {
        let id = relight(&["invoke", "Awakeables/a/id"]);
        if let Value::String(id) = json_of(&id) {
            break id;
        }
    };
    relight(&["awakeables", "reject", &awakeable, "not today"]);
    relight(&["awakeables", "resolve", &awakeable, "\"too late\""]);
    let (code, said) = failure(&mut folder.relight(&["inv", "attach", waiting.trim()]));
    assert_eq!(code, 1);
    assert!(said.contains("not today"), "{said}");
    server.stop();
}

#[tokio::test]
async fn a_finished_invocation_has_a_journal() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    let headers = [("idempotency-key", "kept")];
    let answer = server.post("/Greeter/greet", &headers, r#"{"name":"Ada"}"#).await;
    let id = answer.header("x-relight-id").to_owned();
    let journal = json_of(&stdout(&mut folder.relight(&["inv", "journal", &id, "-o", "json"])));
    let kinds: Vec<&str> =
        journal.as_array().expect("a list").iter().filter_map(|entry| entry["entry_type"].as_str()).collect();
    assert_eq!(kinds.first(), Some(&"input"), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"output"), "{kinds:?}");
    assert!(kinds.contains(&"call"), "{kinds:?}");
    assert!(stdout(&mut folder.relight(&["inv", "get", &id])).contains("completed (success)"));
    server.stop();
}

#[tokio::test]
async fn failures_have_exit_codes() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    let code = |arguments: &[&str]| failure(&mut folder.relight(arguments)).0;
    assert_eq!(code(&["invoke", "Greeter/greet", r#"{"name":" "}"#]), 1, "the handler refuses");
    assert_eq!(code(&["invoke", "Nobody/greet"]), 3);
    assert_eq!(code(&["invoke", "Greeter"]), 2);
    assert_eq!(code(&["inv", "get", &format!("inv_1{}", "0".repeat(33))]), 3);
    std::fs::write(folder.path().join("text.wasm"), "hello").expect("write");
    let (invalid, said) = failure(&mut folder.relight(&["deploy", "text.wasm"]));
    assert_eq!(invalid, 8, "{said}");
    assert!(said.contains("error[RL"), "{said}");
    let explained = said.split("error[").nth(1).and_then(|rest| rest.split(']').next()).expect("a code");
    assert!(stdout(&mut folder.relight(&["explain", explained])).contains(explained));
    server.stop();
    assert_eq!(code(&["svc", "list", "--admin", "http://127.0.0.1:1"]), 7);
}

#[tokio::test]
async fn new_project_builds_deploys_and_answers() {
    let folder = Folder::new();
    let server = folder.start().await;
    stdout(&mut folder.relight(&["new", "hello", "--lang", "rust"]));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-project");
    let tested =
        stdout(folder.relight(&["test", "hello", "--crash-everywhere"]).env("CARGO_TARGET_DIR", &target));
    assert!(tested.starts_with("ok ") && tested.contains("visits are counted by name"), "{tested}");
    let deployed = run(folder.relight(&["deploy", "hello"]).env("CARGO_TARGET_DIR", target));
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    let answer = server.post("/Greeter/greet", &[], r#"{"name":"Ada"}"#).await;
    assert_eq!(answer.json(), json!({"message": "Hello, Ada!", "visit": 1}));
    server.stop();
}

#[tokio::test]
async fn new_projects_in_typescript_and_javascript_build_deploy_and_answer() {
    let Some(path) = path_with_tool("componentize-qjs") else { return };
    let folder = Folder::new();
    let server = folder.start().await;
    for (language, visit) in [("ts", 1), ("js", 2)] {
        let name = format!("hello-{language}");
        stdout(&mut folder.relight(&["new", &name, "--lang", language]));
        let tested = stdout(folder.relight(&["test", &name, "--crash-everywhere"]).env("PATH", &path));
        assert!(tested.starts_with("ok ") && tested.contains("visits are counted by name"), "{tested}");
        stdout(folder.relight(&["deploy", &name]).env("PATH", &path));
        let answer = server.post("/Greeter/greet", &[], r#"{"name":"Ada"}"#).await;
        assert_eq!(answer.json(), json!({"message": "Hello, Ada!", "visit": visit}));
    }
    server.stop();
}

/// The PATH with what `make setup` installs for other languages. Without the tool, a test is skipped.
pub fn path_with_tool(tool: &str) -> Option<OsString> {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let own = cache.map(|cache| cache.join("relight/tools/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = own.into_iter().chain(env::split_paths(&path)).collect();
    if folders.iter().any(|folder| folder.join(tool).is_file()) {
        return Some(env::join_paths(folders).expect("they come from a PATH"));
    }
    skipped(&format!("no `{tool}`; `make setup` installs it"));
    None
}

#[test]
fn version_names_the_contract() {
    let folder = Folder::new();
    assert!(stdout(&mut folder.relight(&["version"])).contains("relight:handler@"));
}

#[tokio::test]
async fn verbs_hit_what_filters_select_and_nothing_else() {
    let folder = Folder::new();
    let server = folder.start().await;
    let deployment = server.deploy("conformance").await["id"].as_str().expect("an id").to_owned();
    let relight = |arguments: &[&str]| stdout(&mut folder.relight(arguments));
    let refused = |arguments: &[&str]| failure(&mut folder.relight(arguments)).0;
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        let id = server.send(&format!("/Awakeables/{key}/wait"), "").await;
        server.until_detail(&id, |detail| detail["status"] == "suspended").await;
        ids.push(id);
    }
    let (b, all) = (ids[1].clone(), sorted(ids.join("\n")));
    assert_eq!(refused(&["inv", "kill"]), 2, "nothing is named");
    assert_eq!(refused(&["inv", "kill", "--status", "suspended"]), 2, "nobody can confirm it");
    assert_eq!(refused(&["inv", "kill", "Awakeables/a", "--key", "b", "--yes"]), 2, "both cannot be");
    let tried = relight(&["inv", "pause", "--service", "Awakeables", "--dry-run", "-o", "name"]);
    assert_eq!(sorted(tried), all);
    assert_eq!(relight(&["inv", "pause", "Awakeables", "--key", "b", "--yes"]).trim(), b);
    assert_eq!(refused(&["inv", "kill", "--older-than", "1h", "--yes"]), 3, "none is that old");
    assert_eq!(relight(&["inv", "resume", "--status", "paused", "--yes"]).trim(), b);
    let unknown = format!("{}0", &b[..b.len() - 1]);
    let (code, said) = failure(&mut folder.relight(&["inv", "pause", &b, &unknown]));
    assert_eq!((code, said.contains("1 succeeded, 1 failed")), (3, true), "{said}");
    let killed = relight(&["inv", "kill", "--deployment", &deployment, "--handler", "wait", "--yes"]);
    assert_eq!(sorted(killed), all);
    assert_eq!(sorted(relight(&["inv", "purge", "--status", "completed", "--yes"])), all);
    server.stop();
}

#[tokio::test]
async fn verbs_hit_more_than_one_page() {
    const COUNT: usize = 1100;
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("greeter").await;
    for number in 0..COUNT {
        let sent = server.post(&format!("/Counter/{number}/add/send?delay=1h"), &[], "1").await;
        assert_eq!(sent.status.as_u16(), 202, "{sent:?}");
    }
    let tried = stdout(&mut folder.relight(&["inv", "cancel", "Counter", "--dry-run", "-o", "name"]));
    assert_eq!(tried.lines().count(), COUNT);
    let cancelled = stdout(&mut folder.relight(&["inv", "cancel", "Counter", "--yes"]));
    assert_eq!(cancelled.lines().count(), COUNT);
    assert_eq!(failure(&mut folder.relight(&["inv", "cancel", "Counter", "--yes"])).0, 3);
    server.stop();
}
