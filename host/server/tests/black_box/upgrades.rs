//! New versions of a component, and invocations of the old one that are in flight.

use std::{collections::BTreeSet, fs, sync::Arc};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, Folder, Server, component, failure, path, run, stdout, until};

/// Starts a handler of the first version that waits for an awakeable, and gives the ids of both.
async fn waiting(server: &Server, target: &str, input: &str) -> (String, String) {
    let id = server.send(target, input).await;
    let object = target.rsplit_once('/').expect("a key and a handler").0;
    let awakeable = until(|| async {
        let awakeable = server.post(&format!("{object}/id"), &[], "").await.json();
        awakeable.as_str().map(str::to_owned).ok_or_else(|| format!("an awakeable of {target}"))
    })
    .await;
    suspended(server, &id).await;
    (id, awakeable)
}

async fn suspended(server: &Server, id: &str) -> Value {
    server.until_detail(id, |detail| detail["status"] == "suspended").await
}

async fn resume(server: &Server, id: &str, on: &str) -> Answer {
    let url = format!("{}/invocations/{id}/resume?deployment={on}", server.admin_url());
    server.request(Method::PATCH, &url, &[], "".into()).await
}

async fn resolve(server: &Server, awakeable: &str, value: &Value) {
    let answer =
        server.post(&format!("/relight/awakeables/{awakeable}/resolve"), &[], &value.to_string()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
}

#[tokio::test]
async fn an_invocation_moves_to_a_version_that_does_the_same_up_to_its_wait() {
    let folder = Folder::new();
    let server = folder.start().await;
    let old = server.deploy("upgrade-v1").await;
    let (id, awakeable) = waiting(&server, "/Orders/a/place", "7").await;
    let new = server.deploy_with("upgrade-v2", "?breaking=true").await;
    assert_eq!(suspended(&server, &id).await["pinned_deployment_id"], old["id"], "it stays where it is");

    let resumed = resume(&server, &id, "latest").await;
    assert_eq!(resumed.json(), json!({"id": id, "status": "resumed"}));
    let moved = suspended(&server, &id).await;
    assert_eq!(moved["pinned_deployment_id"], new["id"]);
    // Also what has moved survives.
    server.kill();
    let server = folder.start().await;
    resolve(&server, &awakeable, &json!("Baker Street")).await;
    let result = server.ingress(&format!("/relight/attach/{id}")).await;
    assert_eq!(result.json(), json!("v2: receipt 7 to BAKER STREET"));
    let count = server.admin(&format!("/invocations/{id}/journal")).await.json();
    let effects = count["entries"].as_array().expect("a list").iter();
    assert_eq!(effects.filter(|entry| entry["entry_type"] == "effect").count(), 1, "it was charged once");
    server.stop();
}

#[tokio::test]
async fn an_invocation_that_does_not_fit_stays_as_it_is() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("upgrade-v1").await;
    let remind = server.send("/Orders/a/remind", "").await;
    suspended(&server, &remind).await;
    let (inspect, _) = waiting(&server, "/Orders/b/inspect", "").await;
    let (forget, awakeable) = waiting(&server, "/Orders/c/forget", "").await;
    let new = server.deploy_with("upgrade-v2", "?breaking=true").await;

    let before = suspended(&server, &remind).await;
    let refused = resume(&server, &remind, "latest").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    let body = refused.json();
    assert_eq!(body["code"], "RL0320");
    let expected = json!({"index": 1, "recorded": "a sleep of 1 h", "got": "the effect `charge`"});
    assert_eq!(body["divergence"], expected);
    let message = body["message"].as_str().expect("a message");
    assert!(
        message.ends_with(
            "entry 1: the journal recorded a sleep of 1 h, the handler now asks for the effect `charge`"
        ),
        "{message}"
    );
    assert_eq!(suspended(&server, &remind).await, before);

    let failed = resume(&server, &inspect, new["id"].as_str().expect("an id")).await.json();
    let message = failed["message"].as_str().expect("a message");
    assert!(message.contains("before entry 1") && message.contains("nobody inspects any more"), "{message}");
    assert_eq!((&failed["code"], &failed["divergence"]), (&json!("RL0320"), &Value::Null));

    let gone = resume(&server, &forget, "latest").await.json();
    assert_eq!(gone["divergence"]["got"], "the virtual object `Orders` without the handler `forget`");
    resolve(&server, &awakeable, &json!("never")).await;
    let result = server.ingress(&format!("/relight/attach/{forget}")).await;
    assert_eq!(result.json(), json!("never"), "the old version completes it");
    server.stop();
}

async fn check(server: &Server, name: &str, query: &str) -> Value {
    let url = format!("{}/deployments/check{query}", server.admin_url());
    let headers = [("content-type", "application/wasm")];
    let answer = server.request(Method::POST, &url, &headers, component(name).into()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

/// What a check says of one invocation.
fn of<'a>(report: &'a Value, id: &str) -> &'a Value {
    let invocations = report["invocations"].as_array().expect("a list");
    invocations.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("no {id} in {report}"))
}

#[tokio::test]
async fn a_check_tells_which_invocations_fit_and_changes_nothing() {
    let folder = Folder::new();
    let server = folder.start().await;
    server.deploy("upgrade-v1").await;
    let (place, _) = waiting(&server, "/Orders/a/place", "7").await;
    let remind = server.send("/Orders/b/remind", "").await;
    suspended(&server, &remind).await;
    let (inspect, _) = waiting(&server, "/Orders/c/inspect", "").await;
    let pending = server.send("/Orders/c/bill", "7").await;
    let gone = server.send("/Orders/c/forget", "").await;
    for (handler, text) in [("note", "hi"), ("shout", "hi"), ("shout", "ho")] {
        let answer = server.post(&format!("/Orders/d/{handler}"), &[], &json!(text).to_string()).await;
        assert_eq!(answer.json(), text);
    }
    let services = server.admin("/services").await.json();

    let report = check(&server, "upgrade-v2", "").await;
    let counts = ["checked", "compatible", "diverging", "failing"].map(|name| report[name].clone());
    assert_eq!(counts, [json!(5), json!(2), json!(2), json!(1)], "{report}");
    let fits = of(&report, &place);
    let expected = ("compatible", 6, "waits for entry 4, an awakeable");
    let shown = (&fits["verdict"], &fits["operations"], &fits["ahead"]);
    assert_eq!(shown, (&json!(expected.0), &json!(expected.1), &json!(expected.2)));
    assert_eq!(of(&report, &pending)["ahead"], "has not started");
    let diverges = of(&report, &remind);
    assert_eq!(
        (&diverges["verdict"], &diverges["index"], &diverges["recorded"], &diverges["got"]),
        (&json!("diverges"), &json!(1), &json!("a sleep of 1 h"), &json!("the effect `charge`"))
    );
    assert_eq!(
        (&of(&report, &gone)["verdict"], &of(&report, &gone)["index"]),
        (&json!("diverges"), &json!(0))
    );
    let fails = of(&report, &inspect);
    assert_eq!((&fails["verdict"], &fails["before_index"]), (&json!("fails"), &json!(1)));

    let sampled = check(&server, "upgrade-v2", "?sample=1").await;
    let finished = sampled["invocations"].as_array().expect("a list").iter();
    let finished = finished.filter(|one| one["status"] == "completed");
    let handlers: Vec<_> = finished.map(|one| one["target"].as_str().expect("a target")).collect();
    let of_handler = |handler: &str| handlers.iter().filter(|target| target.ends_with(handler)).count();
    assert_eq!(["/note", "/shout", "/id"].map(of_handler), [1, 1, 1], "one of each handler: {sampled}");
    let own = check(&server, "upgrade-v1", "?sample=10").await;
    assert_eq!(own["checked"], own["compatible"], "a component fits itself: {own}");
    assert!(own["checked"].as_u64().is_some_and(|checked| 8 < checked), "{own}");

    assert_eq!(server.admin("/services").await.json(), services);
    let deployments = server.admin("/deployments").await.json();
    assert_eq!(deployments["deployments"].as_array().map(Vec::len), Some(1));
    assert_eq!(suspended(&server, &place).await["journal_size"], 6);
    server.stop();
}

#[tokio::test]
async fn a_check_of_many_invocations_comes_in_pages_that_leave_none_out() {
    const COUNT: usize = 1_200;
    const AT_ONCE: usize = 32;
    let folder = Folder::new();
    let server = Arc::new(folder.start().await);
    server.deploy("upgrade-v1").await;
    let mut sending = JoinSet::new();
    let mut sent = BTreeSet::new();
    for key in 0..COUNT {
        if sending.len() == AT_ONCE {
            sent.extend(sending.join_next().await.map(|id: Result<String, _>| id.expect("it was sent")));
        }
        let server = Arc::clone(&server);
        sending.spawn(async move {
            let answer = server.post(&format!("/Orders/{key}/remind/send?delay=1h"), &[], "").await;
            answer.json()["invocationId"].as_str().expect("an id").to_owned()
        });
    }
    sent.extend(sending.join_all().await);

    let first = check(&server, "upgrade-v1", "").await;
    let next = first["next"].as_str().expect("one page does not take so many");
    let second = check(&server, "upgrade-v1", &format!("?cursor={next}")).await;
    assert_eq!(second["next"], Value::Null);
    let pages = [&first, &second].map(|page| page["invocations"].as_array().expect("a list").clone());
    let checked: Vec<String> =
        pages.concat().iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(checked.len(), COUNT);
    assert_eq!(checked.into_iter().collect::<BTreeSet<_>>(), sent);

    let listed = stdout(folder.relight(&["check", "-o", "name"]).arg(path("upgrade-v1")));
    assert_eq!(listed.lines().map(str::to_owned).collect::<BTreeSet<_>>(), sent);
    let Some(server) = Arc::into_inner(server) else { panic!("everything was sent") };
    server.stop();
}

#[tokio::test]
async fn a_check_refuses_what_a_deployment_would() {
    let folder = Folder::new();
    let server = folder.start().await;
    let url = format!("{}/deployments/check", server.admin_url());
    let answer = server.request(Method::POST, &url, &[], "hello".into()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (422, &json!("RL0102")));
    let empty = check(&server, "upgrade-v1", "").await;
    assert_eq!((&empty["checked"], &empty["services"]), (&json!(0), &json!(["Orders"])));
    server.stop();
}

#[tokio::test]
async fn an_invocation_is_checked_exported_and_replayed_without_its_server() {
    let folder = Folder::new();
    let server = folder.start().await;
    for version in ["upgrade-v1", "upgrade-v2"] {
        fs::write(folder.path().join(format!("{version}.wasm")), component(version)).expect("write");
    }
    server.deploy("upgrade-v1").await;
    let (place, _) = waiting(&server, "/Orders/a/place", "7").await;
    assert!(
        stdout(&mut folder.relight(&["check", "upgrade-v2.wasm"]))
            .contains("waits for entry 4, an awakeable")
    );
    let remind = server.send("/Orders/b/remind", "").await;
    suspended(&server, &remind).await;
    let checked = run(&mut folder.relight(&["check", "upgrade-v2.wasm"]));
    assert_eq!(checked.status.code(), Some(1));
    let table = String::from_utf8(checked.stdout).expect("text");
    assert!(table.contains("entry 1: the journal recorded a sleep of 1 h"), "{table}");

    let bundle = stdout(&mut folder.relight(&["inv", "export", &remind]));
    assert!(bundle.starts_with("{\n  \"format\": \"relight-bundle\",\n  \"version\": 1,\n"), "{bundle}");
    fs::write(folder.path().join("remind.json"), &bundle).expect("write");
    stdout(&mut folder.relight(&["inv", "export", &place, "--out", "place.json"]));
    let note = server.send("/Orders/d/note", "\"hi\"").await;
    server.until_detail(&note, |detail| detail["status"] == "completed").await;
    stdout(&mut folder.relight(&["inv", "purge", &note, "--journal"]));
    let answer = server.admin(&format!("/invocations/{note}/bundle")).await;
    assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::GONE, &json!("RL0322")));
    server.stop();

    let told = run(&mut folder.relight(&["replay", "place.json", "upgrade-v2.wasm"]));
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert!(String::from_utf8_lossy(&told.stderr).contains("it ran on another component"));
    let steps = String::from_utf8(told.stdout).expect("text");
    let expected = "     0  the input  7
     1  a read of the state `count`  nothing
     2  the effect `charge`  7
        wait for entry 2: answered  \"receipt 7\"
     3  a write of the state `count`  1
        log info: charged 7
     4  an awakeable
     5  a write of the state `id`  \"sign_1";
    assert!(steps.starts_with(expected), "{steps}");
    let verdict = "then waits for entry 4, an awakeable\n";
    assert!(steps.ends_with(verdict), "{steps}");

    let refused = run(&mut folder.relight(&["replay", "remind.json", "upgrade-v2.wasm", "-o", "json"]));
    assert_eq!(refused.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&refused.stdout).expect("JSON");
    assert_eq!(
        (&document["verdict"]["verdict"], &document["verdict"]["index"]),
        (&json!("diverges"), &json!(1))
    );
    let (code, said) = failure(&mut folder.relight(&["replay", "upgrade-v1.wasm", "upgrade-v1.wasm"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("is not a bundle"), "{said}");
    assert_eq!(failure(&mut folder.relight(&["replay", "place.json", "place.json"])).0, 8);
}

/// The journal that was replayed is the one that moves: whatever is added meanwhile is replayed again.
#[tokio::test]
async fn an_invocation_that_moves_all_the_time_loses_and_repeats_nothing() {
    let folder = Folder::new();
    let server = folder.start().await;
    let mut deployments = Vec::new();
    for version in ["1", "2"] {
        let deployed = server.deploy_with("conformance", &format!("?env.VERSION={version}")).await;
        deployments.push(deployed["id"].as_str().expect("an id").to_owned());
    }
    let id = server.send("/Runs/many", "60").await;
    let mut moves = 0;
    for on in deployments.iter().cycle() {
        let answer = resume(&server, &id, on).await;
        match answer.status {
            StatusCode::OK => moves += 1,
            StatusCode::CONFLICT if answer.json()["code"] == "RL0303" => break,
            StatusCode::CONFLICT => assert_eq!(answer.json()["code"], "RL0321", "{answer:?}"),
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert!(0 < moves, "it has moved");
    let result = server.ingress(&format!("/relight/attach/{id}")).await;
    assert_eq!(result.json(), json!((0..60).sum::<u32>()));
    let journal = server.admin(&format!("/invocations/{id}/journal")).await.json();
    let runs = journal["entries"].as_array().expect("a list").iter();
    assert_eq!(runs.filter(|entry| entry["entry_type"] == "run").count(), 60);
    server.stop();
}
