//! A server as a test sees it: a process, two addresses, a log that must not complain.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tempfile::TempDir;

/// A server that is not up by then never will be. Far above what a loaded machine takes.
const START_MAX: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// What has not come about by then never will.
const UNTIL_MAX: Duration = Duration::from_secs(120);

/// Where `xtask/test.sh` gathers what was skipped: runners show nothing of tests that pass.
const SKIPPED_TESTS: &str = "SKIPPED_TESTS";

/// Says that a test is skipped, and why. Under `CI` it fails instead.
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn skipped(reason: &str) {
    assert!(env::var_os("CI").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
    if let Some(path) = env::var_os(SKIPPED_TESTS) {
        let mut file = File::options().append(true).create(true).open(path).expect("open the list");
        // At once, since other tests write there, too.
        file.write_all(format!("{reason}\n").as_bytes()).expect("write to the list");
    }
}

/// A data folder that outlives its servers.
pub struct Folder {
    dir: TempDir,
    servers: AtomicU32,
}

/// A running server.
pub struct Server {
    child: Child,
    ingress: String,
    admin: String,
    stderr: PathBuf,
    http: Client<HttpConnector, Full<Bytes>>,
    /// Parts of complaints that the test expects.
    announced: Mutex<Vec<String>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Folder {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder"), servers: AtomicU32::new(0) }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join(".relight")
    }

    /// `relight up` with everything on free ports, not waited for.
    pub fn up(&self) -> Command {
        let mut command =
            self.relight(&["up", "--port-ingress", "0", "--port-admin", "0", "--log-format", "json"]);
        command.stdin(Stdio::null());
        command
    }

    /// A command in this folder, where it finds the server by itself.
    pub fn relight(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relight"));
        command.args(arguments).current_dir(self.path());
        command.env_remove("RELIGHT_ADMIN").env_remove("RELIGHT_INGRESS");
        command
    }

    pub async fn start(&self) -> Server {
        self.start_with(&[]).await
    }

    /// Starts a server with environment variables and waits until it serves.
    pub async fn start_with(&self, environment: &[(&str, &str)]) -> Server {
        self.try_start_with(environment).await.unwrap_or_else(|said| panic!("{said}"))
    }

    /// The same of a server that may die before it serves; the error is what it has said.
    pub async fn try_start_with(&self, environment: &[(&str, &str)]) -> Result<Server, String> {
        let number = self.servers.fetch_add(1, Ordering::Relaxed);
        let stderr = self.path().join(format!("stderr-{number}.jsonl"));
        let addresses = self.data().join("addresses.json");
        // What a killed server left would be mistaken for the new one's.
        let _ = fs::remove_file(&addresses);
        let mut child = self
            .up()
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::create(&stderr).expect("create a file"))
            .spawn()
            .expect("start the server");
        let written = wait_for(&addresses, &mut child, &stderr).await?;
        let address = |name: &str| written[name].as_str().expect("an address").to_owned();
        Ok(Server {
            ingress: address("ingress"),
            admin: address("admin"),
            child,
            stderr,
            http: Client::builder(TokioExecutor::new()).build_http(),
            announced: Mutex::new(Vec::new()),
        })
    }
}

async fn wait_for(addresses: &Path, child: &mut Child, stderr: &Path) -> Result<Value, String> {
    let deadline = Instant::now() + START_MAX;
    loop {
        if let Ok(bytes) = fs::read(addresses) {
            return Ok(serde_json::from_slice(&bytes).expect("addresses.json appears whole"));
        }
        let said = || fs::read_to_string(stderr).unwrap_or_default();
        if let Some(status) = child.try_wait().expect("ask for the server's status") {
            return Err(format!("the server ended with {status}:\n{}", said()));
        }
        assert!(Instant::now() < deadline, "the server does not serve:\n{}", said());
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

impl Server {
    pub fn ingress_url(&self) -> &str {
        &self.ingress
    }

    pub fn admin_url(&self) -> &str {
        &self.admin
    }

    pub async fn request(&self, method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        self.try_request(method, url, headers, body).await.unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// The same of a server that may die of it.
    pub async fn try_request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).expect("a valid request");
        let answer = self.http.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// A request with any method to the admin API.
    pub async fn admin_send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        self.request(method, &format!("{}{path}", self.admin), &headers, body).await
    }

    pub async fn admin(&self, path: &str) -> Answer {
        self.request(Method::GET, &format!("{}{path}", self.admin), &[], Bytes::new()).await
    }

    pub async fn ingress(&self, path: &str) -> Answer {
        self.request(Method::GET, &format!("{}{path}", self.ingress), &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        let url = format!("{}{path}", self.ingress);
        self.request(Method::POST, &url, &headers, Bytes::copy_from_slice(body.as_bytes())).await
    }

    pub async fn upload(&self, bytes: impl Into<Bytes>) -> Answer {
        let url = format!("{}/deployments", self.admin);
        self.request(Method::POST, &url, &[("content-type", "application/wasm")], bytes.into()).await
    }

    /// Deploys a component of `cargo xtask components`.
    pub async fn deploy(&self, name: &str) -> Value {
        self.deploy_with(name, "").await
    }

    /// The same with a query such as `?allow_http=127.0.0.1`.
    pub async fn deploy_with(&self, name: &str, query: &str) -> Value {
        let url = format!("{}/deployments{query}", self.admin);
        let headers = [("content-type", "application/wasm")];
        let answer = self.request(Method::POST, &url, &headers, component(name).into()).await;
        assert!(answer.status.is_success(), "deploying {name}: {answer:?}");
        answer.json()
    }

    /// Sends a message to a handler, for the id of its invocation.
    pub async fn send(&self, path: &str, input: &str) -> String {
        let answer = self.post(&format!("{path}/send"), &[], input).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{path}: {answer:?}");
        answer.json()["invocationId"].as_str().expect("an id").to_owned()
    }

    /// `cancel` or `kill`.
    pub async fn end(&self, how: &str, id: &str) {
        let url = format!("{}/invocations/{id}/{how}", self.admin);
        let answer = self.request(Method::PATCH, &url, &[], Bytes::new()).await;
        assert!(answer.status.is_success(), "{how} {id}: {answer:?}");
    }

    /// Waits until what the admin API says of an invocation is as wanted.
    pub async fn until_detail(&self, id: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        until(|| async {
            let detail = self.admin(&format!("/invocations/{id}")).await.json();
            if is_wanted(&detail) { Ok(detail) } else { Err(detail.to_string()) }
        })
        .await
    }

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8(self.admin("/metrics").await.body.to_vec()).expect("metrics are text");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no metric `{name}`")).parse().expect("a number")
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).expect("read the server's log")
    }

    /// Announces that the log will have complaints, at least one, that contain this text.
    pub fn expect_complaint(&self, text: &str) {
        self.announced.lock().expect("no test panics here").push(text.to_owned());
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("kill the server");
        self.child.wait().expect("wait for the server");
    }

    /// Asks it to stop, and expects it to end well.
    pub fn stop(mut self) {
        let terminate = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &terminate]).status().expect("run a shell");
        assert!(sent.success(), "the server is gone already");
        let status = self.child.wait().expect("wait for the server");
        assert!(status.success(), "the server ended with {status}");
    }
}

/// The log of a server holds the announced complaints and no other.
impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            return;
        }
        let lines = self.log();
        let mut complaints: Vec<&str> = lines
            .lines()
            .filter(|line| {
                let level = serde_json::from_str::<Value>(line).map(|line| line["level"].clone());
                // A line that is no log line was written by a panic or by a library that knows no log.
                level.map_or(true, |level| level == "WARN" || level == "ERROR")
            })
            .collect();
        let announced = self.announced.lock().expect("no test panics here");
        for text in &*announced {
            let has_come = complaints.iter().any(|line| line.contains(text));
            assert!(has_come, "the server did not complain about `{text}`");
        }
        complaints.retain(|line| !announced.iter().any(|text| line.contains(text)));
        assert!(complaints.is_empty(), "the server complained:\n{}", complaints.join("\n"));
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Asks again and again, until there is an answer; an error says what is still missing.
pub async fn until<T, F: Future<Output = Result<T, String>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + UNTIL_MAX;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(missing) => assert!(Instant::now() < deadline, "it does not come about: {missing}"),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Where a component is, by name.
pub fn path(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target folder");
    target.join("components").join(format!("{name}.wasm"))
}

/// A component by name.
pub fn component(name: &str) -> Vec<u8> {
    let path = path(name);
    fs::read(&path)
        .unwrap_or_else(|error| panic!("`{}`: {error}\nhint: run `cargo xtask components`", path.display()))
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("run a command")
}

/// Runs a command that succeeds, for its stdout.
#[track_caller]
pub fn stdout(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text on stdout")
}

/// Runs a command that fails, for its exit code and stderr.
#[track_caller]
pub fn failure(command: &mut Command) -> (i32, String) {
    let output = run(command);
    let code = output.status.code().unwrap_or_else(|| panic!("{command:?} ended with {}", output.status));
    assert_ne!(code, 0, "{command:?} succeeded");
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}
