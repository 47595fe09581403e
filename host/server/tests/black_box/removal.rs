//! Deployments that go away: nothing is pinned to them any more, or what is pinned waits for an operator.

use std::{fs, path::PathBuf};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Folder, Server, failure, stdout};

/// Fewer start faster than the usual eight, and still send messages to each other.
const PARTITIONS: (&str, &str) = ("RELIGHT_NODE__PARTITIONS", "2");
/// Every batch is written to the tables, so that there are writes to die in.
const YOUNG: (&str, &str) = ("RELIGHT_TABLES__YOUNG_ROWS_MAX", "0");

impl Folder {
    /// Names of components that are stored.
    fn stored(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.data().join("components")).expect("the folder exists");
        files.map(|file| file.expect("readable").path()).collect()
    }

    /// Files of native code.
    fn native(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.data().join("native")).expect("the folder exists");
        let files =
            folders.flat_map(|folder| fs::read_dir(folder.expect("readable").path()).expect("a folder"));
        files.map(|file| file.expect("readable").path()).collect()
    }
}

impl Server {
    async fn deployed(&self, name: &str, query: &str) -> String {
        self.deploy_with(name, query).await["id"].as_str().expect("an id").to_owned()
    }

    async fn remove(&self, id: &str, query: &str) -> Answer {
        self.admin_send(Method::DELETE, &format!("/deployments/{id}{query}"), &Value::Null).await
    }

    #[track_caller]
    fn refused(&self, answer: &Answer, status: u16, code: &str, words: &str) {
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), &body["code"]), (status, &json!(code)), "{body}");
        assert!(body["message"].as_str().is_some_and(|message| message.contains(words)), "{body}");
    }

    async fn usage(&self, id: &str) -> (Value, Value, Value) {
        let detail = self.admin(&format!("/deployments/{id}")).await.json();
        (detail["status"].clone(), detail["pinned_invocations"].clone(), detail["removal"].clone())
    }

    async fn waiting(&self, key: &str) -> String {
        let id = self.send(&format!("/Awakeables/{key}/wait"), "").await;
        self.until_detail(&id, |detail| detail["status"] == "suspended").await;
        id
    }

    async fn resolve(&self, id: &str) {
        let detail = self.until_detail(id, |detail| detail["status"] == "suspended").await;
        let open = detail["open"][0]["description"].as_str().expect("an awakeable").to_owned();
        let awakeable = open.strip_prefix("awakeable ").expect("an awakeable");
        let done = self.post(&format!("/relight/awakeables/{awakeable}/resolve"), &[], "\"x\"").await;
        assert_eq!(done.status, StatusCode::ACCEPTED, "{done:?}");
        self.until_detail(id, |detail| detail["status"] == "completed").await;
    }
}

#[tokio::test]
async fn a_deployment_is_removed_once_it_is_drained_also_with_a_restart_in_between() {
    let folder = Folder::new();
    let server = folder.start().await;
    let old = server.deployed("conformance", "").await;
    assert_eq!(server.usage(&old).await, (json!("active"), json!(0), Value::Null));
    server.refused(&server.remove(&old, "").await, 409, "RL0211", "is the latest of `");
    let waiting = server.waiting("a").await;
    let new = server.deployed("conformance", "?metadata.n=2").await;
    assert_eq!(server.usage(&old).await, (json!("draining"), json!(1), Value::Null));
    server.refused(&server.remove(&old, "").await, 409, "RL0211", "1 invocations that are not completed");
    assert_eq!(server.usage(&old).await, (json!("draining"), json!(1), json!("draining")));

    // It goes on draining after a crash: what is pinned to it goes on, nothing new can use it.
    server.kill();
    let server = folder.start().await;
    assert_eq!(server.usage(&old).await, (json!("draining"), json!(1), json!("draining")));
    let rollback = server.admin_send(Method::POST, "/services/Awakeables/rollback", &Value::Null).await;
    server.refused(&rollback, 409, "RL0212", "is being removed");
    let on_new = server.waiting("b").await;
    let path = format!("/invocations/{on_new}/resume?deployment={old}");
    server.refused(
        &server.admin_send(Method::PATCH, &path, &Value::Null).await,
        409,
        "RL0212",
        "being removed",
    );
    server.refused(&server.remove(&old, "").await, 409, "RL0211", "not completed");
    server.resolve(&waiting).await;
    assert_eq!(server.usage(&old).await, (json!("drained"), json!(0), json!("draining")));
    let removed = server.remove(&old, "").await;
    assert_eq!(removed.json(), json!({"id": old, "services": [], "paused": []}));
    assert_eq!(server.admin(&format!("/deployments/{old}")).await.status, StatusCode::NOT_FOUND);
    server.refused(&server.remove(&old, "").await, 404, "RL0202", "unknown deployment");
    // The other deployment has the same bytes.
    assert_eq!((folder.stored().len(), folder.native().len()), (1, 1));
    server.resolve(&on_new).await;

    let listed = stdout(&mut folder.relight(&["dp", "list"]));
    assert!(listed.contains(&new) && listed.contains("active") && !listed.contains(&old), "{listed}");
    assert_eq!(failure(&mut folder.relight(&["dp", "remove", &new])).0, 5);
    server.stop();
}

#[tokio::test]
async fn a_forced_removal_pauses_what_is_pinned_and_nothing_is_lost() {
    let folder = Folder::new();
    let server = folder.start().await;
    let old = server.deployed("conformance", "").await;
    let suspended = server.waiting("a").await;
    let behind = server.send("/Awakeables/a/wait", "").await;
    let failing = server.send("/Failures/retry_in_an_hour", "").await;
    server.until_detail(&failing, |detail| detail["status"] == "backing-off").await;
    let removed = stdout(&mut folder.relight(&["dp", "remove", &old, "--force", "--yes", "-o", "json"]));
    let removed: Value = serde_json::from_str(&removed).expect("JSON");
    let mut paused: Vec<_> = removed["paused"].as_array().expect("a list").clone();
    paused.sort_by_key(ToString::to_string);
    let mut expected = vec![json!(suspended), json!(failing)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(paused, expected);
    assert!(removed["services"].as_array().is_some_and(|names| names.contains(&json!("Awakeables"))));
    assert_eq!((folder.stored(), folder.native()), (vec![], vec![]));
    assert_eq!(server.post("/Awakeables/b/id", &[], "").await.status, StatusCode::NOT_FOUND);

    let reason = server.admin(&format!("/invocations/{suspended}")).await.json()["reason"].to_string();
    assert!(reason.contains(&old) && reason.contains("resume it on another"), "{reason}");
    let keep =
        server.admin_send(Method::PATCH, &format!("/invocations/{suspended}/resume"), &Value::Null).await;
    server.refused(&keep, 409, "RL0212", "is being removed");
    // A cancel is kept for the attempt that comes some day; a kill needs none.
    server.end("kill", &failing).await;

    server.kill();
    let server = folder.start().await;
    let new = server.deployed("conformance", "?metadata.n=2").await;
    let path = format!("/invocations/{suspended}/resume?deployment=latest");
    let resumed = server.admin_send(Method::PATCH, &path, &Value::Null).await;
    assert_eq!(resumed.status, StatusCode::OK, "{resumed:?}");
    server.resolve(&suspended).await;
    let next = server.until_detail(&behind, |detail| detail["status"] == "suspended").await;
    assert_eq!(next["pinned_deployment_id"], json!(new), "what had not started uses what is there now");
    server.resolve(&behind).await;
    server.stop();
}

/// The server dies at every commit of tables that a forced removal leads to, and once before the bytes are deleted.
#[tokio::test]
async fn a_removal_that_is_cut_off_is_finished_by_a_repetition() {
    let folder = Folder::new();
    // The same bytes as all others, so that they need not be compiled each time.
    let kept = {
        let server = folder.start_with(&[PARTITIONS]).await;
        let kept = server.deployed("conformance", "?metadata.kept").await;
        server.stop();
        kept
    };
    let (mut occurrence, mut died) = (1, 0);
    loop {
        let fault = |occurrence: usize| format!("storage.after-settle:{occurrence}:kill");
        let case = Case::set_up(&folder, &format!("commit-{occurrence}")).await;
        let mut ended = case.cut_off(&folder, &fault(occurrence)).await;
        while ended == Ended::BeforeItServed {
            occurrence += 1;
            ended = case.cut_off(&folder, &fault(occurrence)).await;
        }
        case.repeat(&folder, &json!([kept])).await;
        if ended == Ended::Survived {
            break;
        }
        occurrence += 1;
        died += 1;
        assert!(died < 40, "a removal does not take so many commits");
    }
    // Partition 0 commits the mark, then the removal; how many records of others share a commit varies.
    assert!(2 <= died, "it died {died} times");

    let server = folder.start_with(&[PARTITIONS]).await;
    assert_eq!(server.remove(&kept, "?force=true").await.status, StatusCode::OK);
    server.stop();
    let case = Case::set_up(&folder, "bytes").await;
    assert_eq!(case.cut_off(&folder, "blobs.before-remove:1:kill").await, Ended::Died);
    assert_eq!(folder.stored().len(), 1, "the bytes are there, the row is not");
    case.repeat(&folder, &json!([])).await;
    assert_eq!((folder.stored(), folder.native()), (vec![], vec![]));
}

/// A deployment that is to be removed, and an invocation that is pinned to it.
struct Case {
    label: String,
    deployment: String,
    invocation: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    BeforeItServed,
    Died,
    Survived,
}

impl Case {
    async fn set_up(folder: &Folder, label: &str) -> Self {
        let server = folder.start_with(&[PARTITIONS]).await;
        let deployment = server.deployed("conformance", &format!("?metadata.label={label}")).await;
        let invocation = server.waiting(label).await;
        server.stop();
        Self { label: label.to_owned(), deployment, invocation }
    }

    async fn cut_off(&self, folder: &Folder, fault: &str) -> Ended {
        let Ok(server) = folder.try_start_with(&[PARTITIONS, YOUNG, ("RELIGHT_FAULT", fault)]).await else {
            return Ended::BeforeItServed;
        };
        let url = format!("{}/deployments/{}?force=true", server.admin_url(), self.deployment);
        let answer = server.try_request(Method::DELETE, &url, &[], bytes::Bytes::new()).await;
        server.kill();
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, StatusCode::OK, "{fault}: {answer:?}");
                Ended::Survived
            }
            Err(_) => Ended::Died,
        }
    }

    /// The same request again finishes it, and the invocation goes on elsewhere. `left`: deployments.
    async fn repeat(&self, folder: &Folder, left: &Value) {
        let server = folder.start_with(&[PARTITIONS]).await;
        let again = server.remove(&self.deployment, "?force=true").await;
        assert!([StatusCode::OK, StatusCode::NOT_FOUND].contains(&again.status), "{}: {again:?}", self.label);
        let listed = server.admin("/deployments").await.json();
        let ids: Vec<_> =
            listed["deployments"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
        assert_eq!(json!(ids), *left, "{}", self.label);
        let detail = server.admin(&format!("/invocations/{}", self.invocation)).await.json();
        assert_eq!(detail["status"], "paused", "{}: {detail}", self.label);
        let next = server.deployed("conformance", &format!("?metadata.after={}", self.label)).await;
        let path = format!("/invocations/{}/resume?deployment={next}", self.invocation);
        let resumed = server.admin_send(Method::PATCH, &path, &Value::Null).await;
        assert_eq!(resumed.status, StatusCode::OK, "{}: {resumed:?}", self.label);
        server.resolve(&self.invocation).await;
        assert_eq!(server.remove(&next, "?force=true").await.status, StatusCode::OK, "{}", self.label);
        server.stop();
    }
}
