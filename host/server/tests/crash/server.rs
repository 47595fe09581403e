//! The real binary: started on a folder, killed, stopped, and its last words.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Starting and stopping are matters of a second; a machine that compiles meanwhile is given more.
const START_MAX: Duration = Duration::from_secs(180);
/// The exit code for acknowledged data that is damaged.
pub const DAMAGED: i32 = 74;

/// A folder with the data of a server and what its processes logged. It outlives a test that fails.
#[derive(Debug)]
pub struct Place {
    root: TempDir,
}

/// Variables for the server's environment.
pub type Environment = Vec<(&'static str, String)>;

/// A server process that does not serve yet.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// A server that serves. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    addresses: Addresses,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub ingress: String,
    pub admin: String,
}

impl Place {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("relight-crash-").tempdir().expect("a temporary folder");
        fs::create_dir(root.path().join("data")).expect("create the data folder");
        Self { root }
    }

    /// The same data in another place; the log starts anew. No server may run here.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy_files(&self.data(), &copy.data());
        copy
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("server.log")
    }

    /// Everything that servers here have written to stderr.
    pub fn logged(&self) -> String {
        let bytes = fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Starts `relight COMMAND` with free ports.
    pub fn spawn(&self, command: &str, environment: &Environment) -> Starting {
        let log = File::options().create(true).append(true).open(self.log()).expect("open the server's log");
        let mut process = Command::new(binary());
        process
            .arg(command)
            .args(["--port-ingress", "0", "--port-admin", "0", "--data-dir"])
            .arg(self.data());
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("RELIGHT_")) {
            process.env_remove(name);
        }
        process.envs(environment.iter().map(|(name, value)| (name, value)));
        // Where no configuration file lies.
        process.current_dir(self.root.path());
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = process.spawn().expect("start the binary");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Starting { child, stdout }
    }

    /// Starts a server that must come up.
    pub async fn start(&self, environment: &Environment) -> Server {
        match self.spawn("server", environment).serving().await {
            Ok(server) => server,
            Err(status) => panic!("the server did not start ({status}):\n{}", tail(&self.logged())),
        }
    }

    /// Fails on a line with a warning or an error that holds none of the `announced` texts.
    #[track_caller]
    pub fn check_log(&self, announced: &[&str]) {
        let logged = self.logged();
        let is_trouble = |line: &&str| {
            line.split_whitespace().take(2).any(|word| matches!(word, "WARN" | "ERROR"))
                || line.contains("panicked")
        };
        let lines: Vec<&str> = logged
            .lines()
            .filter(is_trouble)
            .filter(|line| !announced.iter().any(|text| line.contains(text)))
            .collect();
        assert!(lines.is_empty(), "{} unannounced lines:\n{}", lines.len(), tail(&lines.join("\n")));
    }
}

/// The binary of this build, or of the archive that the test runner has unpacked somewhere else.
fn binary() -> OsString {
    env::var_os("NEXTEST_BIN_EXE_relight").unwrap_or_else(|| env!("CARGO_BIN_EXE_relight").into())
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.root.disable_cleanup(true);
            eprintln!("kept for inspection: {}", self.root.path().display());
            eprintln!("the end of the server's log:\n{}", tail(&self.logged()));
        }
    }
}

impl Starting {
    /// Waits until it serves; gives how it ended if it does not.
    pub async fn serving(mut self) -> Result<Server, ExitStatus> {
        let greeting = timeout(START_MAX, greeting(&mut self.stdout)).await.expect("starting takes too long");
        match greeting {
            Some(addresses) => Ok(Server { child: self.child, addresses }),
            None => Err(self.ended().await),
        }
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> ExitStatus {
        timeout(START_MAX, self.child.wait())
            .await
            .expect("ending takes too long")
            .expect("wait for the server")
    }

    pub async fn kill(mut self) {
        self.child.kill().await.expect("kill the server");
    }
}

/// The addresses that a server prints, after which it prints nothing; none when it ends first.
async fn greeting(stdout: &mut BufReader<ChildStdout>) -> Option<Addresses> {
    let (mut ingress, mut admin) = (None, None);
    let mut lines = stdout.lines();
    while let Some(line) = lines.next_line().await.expect("stdout is text") {
        match line.split_once(char::is_whitespace) {
            Some(("ingress", address)) => ingress = Some(address.trim().to_owned()),
            Some(("admin", address)) => admin = Some(address.trim().to_owned()),
            Some(("data", _)) => return Some(Addresses { ingress: ingress?, admin: admin? }),
            _ => {}
        }
    }
    None
}

impl Server {
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// Ends it as kill -9 does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("kill the server");
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.expect("wait for the server")
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        if let Some(pid) = self.child.id() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
            // It may have ended by itself in this moment.
            let _ = kill_process(pid, Signal::TERM);
        }
        timeout(START_MAX, self.ended()).await.expect("stopping takes too long")
    }
}

pub fn tail(text: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("create a folder");
    for entry in fs::read_dir(from).expect("list a folder").map(|entry| entry.expect("list a folder")) {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_files(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copy a file");
        }
    }
}

/// The files with an ending, below a folder, the largest first.
pub fn files_with_ending(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            found.push((fs::metadata(&path)?.len(), path));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found.into_iter().map(|(_, path)| path).collect())
}
