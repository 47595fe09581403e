//! [`System`]: what is measured: a server with the benchmarks' handlers, ours or the peer's, and what it has used.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    client::Client,
    machine::{self, Disk, Process, number_after},
};

const START_MAX: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Ours,
    /// The peer with its default of partitions.
    PeerStock,
    /// The peer with as many partitions as this kind of machine has cores.
    PeerTuned,
}

/// What servers are started from.
#[derive(Debug, Clone)]
pub struct Programs {
    pub relight: PathBuf,
    /// The handlers, as a component.
    pub component: PathBuf,
    pub peer: Option<PeerPrograms>,
    /// Settings of our server.
    pub environment: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Clone)]
pub struct PeerPrograms {
    pub server: PathBuf,
    pub endpoint: Endpoint,
}

/// The peer's handlers, as a program that its server calls.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub program: PathBuf,
    /// What the program runs, if it is an interpreter.
    pub script: Option<PathBuf>,
}

/// A running server. It ends with this, and its data with it.
#[derive(Debug)]
pub struct System {
    pub kind: Kind,
    /// How long it took to upload, check and compile the handlers.
    pub deployed_in: Duration,
    programs: Programs,
    server: Child,
    endpoint: Option<Child>,
    data: TempDir,
    ingress: String,
    admin: String,
}

/// What the processes and the disk have done so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub processes: Process,
    pub disk: Disk,
    /// Of our log; the peer does not tell.
    pub syncs: u64,
    /// Of the load generator.
    pub generator: Duration,
    /// Of all processors.
    pub busy: Duration,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "relight",
            Self::PeerStock => "peer, stock",
            Self::PeerTuned => "peer, tuned",
        })
    }
}

impl Kind {
    /// Partitions of the peer; its default is 24.
    fn peer_partitions(self) -> Option<u16> {
        match self {
            Self::Ours | Self::PeerStock => None,
            Self::PeerTuned => Some(2),
        }
    }

    pub fn resolve_path(self, awakeable: &str) -> String {
        match self {
            Self::Ours => format!("/relight/awakeables/{awakeable}/resolve"),
            Self::PeerStock | Self::PeerTuned => format!("/restate/awakeables/{awakeable}/resolve"),
        }
    }

    pub fn attach_path(self, invocation: &str) -> String {
        match self {
            Self::Ours => format!("/relight/attach/{invocation}"),
            Self::PeerStock | Self::PeerTuned => format!("/restate/invocation/{invocation}/attach"),
        }
    }
}

impl System {
    /// With empty data and the handlers deployed.
    pub async fn start(kind: Kind, programs: &Programs) -> anyhow::Result<Self> {
        let data = tempfile::tempdir().context("make a temporary folder")?;
        let address = || anyhow::Ok(format!("127.0.0.1:{}", free_port()?));
        let (ingress, admin) = (address()?, address()?);
        let server = match kind {
            Kind::Ours => spawn_ours(programs, data.path(), &ingress, &admin)?,
            Kind::PeerStock | Kind::PeerTuned => spawn_peer(programs, kind, data.path(), &ingress, &admin)?,
        };
        let (endpoint, programs) = (None, programs.clone());
        let deployed_in = Duration::ZERO;
        let mut system = Self { kind, deployed_in, programs, server, endpoint, data, ingress, admin };
        system.wait_until_serving().await?;
        let started = Instant::now();
        match kind {
            Kind::Ours => system.deploy(&system.programs.component).await?,
            Kind::PeerStock | Kind::PeerTuned => system.register().await?,
        }
        system.deployed_in = started.elapsed();
        if kind == Kind::Ours {
            system.suspend_replays()?;
        }
        Ok(system)
    }

    /// Host and port.
    pub fn ingress(&self) -> &str {
        &self.ingress
    }

    /// kill -9, and at once a new process with the same data at the same addresses. Does not wait until it serves.
    pub fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.server.kill().context("kill the server")?;
        self.server.wait().context("wait for the server")?;
        let (data, ingress, admin) = (self.data.path(), &self.ingress, &self.admin);
        self.server = match self.kind {
            Kind::Ours => spawn_ours(&self.programs, data, ingress, admin)?,
            Kind::PeerStock | Kind::PeerTuned => spawn_peer(&self.programs, self.kind, data, ingress, admin)?,
        };
        Ok(())
    }

    async fn wait_until_serving(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let probes = match self.kind {
            Kind::Ours => [(self.admin.clone(), "/health"), (self.ingress.clone(), "/relight/health")],
            Kind::PeerStock | Kind::PeerTuned => {
                [(self.admin.clone(), "/health"), (self.ingress.clone(), "/restate/health")]
            }
        };
        for (address, path) in probes {
            loop {
                if let Ok(mut client) = Client::connect(&address).await
                    && client.get(path).await.is_ok()
                {
                    break;
                }
                let ended = self.server.try_wait().context("ask for the server's status")?;
                if ended.is_some() || START_MAX < started.elapsed() {
                    let log = fs::read_to_string(self.data.path().join("stderr.log")).unwrap_or_default();
                    bail!("the server does not serve `{address}{path}`:\n{log}");
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        Ok(())
    }

    /// Deploys a component with our own command line.
    pub async fn deploy(&self, component: &Path) -> anyhow::Result<()> {
        self.relight("deploy", &[component.as_os_str()])
    }

    /// The handler of `replay` is to be replayed: a dear instance would be kept for longer than anybody wants to measure.
    fn suspend_replays(&self) -> anyhow::Result<()> {
        self.relight("svc", &["config", "Replay", "--inactivity-timeout", "20ms"].map(OsStr::new))
    }

    /// Our own command line.
    fn relight(&self, command: &str, args: &[&OsStr]) -> anyhow::Result<()> {
        let output = Command::new(&self.programs.relight)
            .arg(command)
            .args(args)
            .args(["--admin", &format!("http://{}", self.admin)])
            .output()
            .with_context(|| format!("run `relight {command}`"))?;
        if !output.status.success() {
            bail!("`relight {command}` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Starts the peer's handlers and tells its server of them.
    async fn register(&mut self) -> anyhow::Result<()> {
        let programs = self.programs.peer.as_ref().context("the peer is not installed")?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let endpoint = Command::new(&programs.endpoint.program)
            .args(&programs.endpoint.script)
            .arg(&address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.data.path().join("endpoint.log")).context("create a log")?)
            .spawn()
            .context("start the peer's handlers")?;
        self.endpoint = Some(endpoint);
        let started = Instant::now();
        // The server asks a program that does not listen yet again and again, with longer and longer pauses.
        while let Err(error) = TcpStream::connect(&address).await {
            ensure!(started.elapsed() < START_MAX, "the peer's handlers do not listen: {error}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        loop {
            let mut admin = Client::connect(&self.admin).await?;
            let uri = json!({"uri": format!("http://{address}")});
            match admin.post("/deployments", &uri).await {
                Ok(_) => return Ok(()),
                Err(error) if START_MAX < started.elapsed() => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub async fn usage(&self) -> anyhow::Result<Usage> {
        let syncs = match self.kind {
            Kind::Ours => self.metric("relight_log_syncs_total").await?,
            Kind::PeerStock | Kind::PeerTuned => 0,
        };
        Ok(Usage {
            processes: self.processes(),
            disk: machine::disk(),
            syncs,
            generator: machine::process(std::process::id()).cpu,
            busy: machine::busy(),
        })
    }

    /// Server and handlers together.
    pub fn processes(&self) -> Process {
        let mut sum = Process::default();
        for pid in self.pids() {
            let process = machine::process(pid);
            sum.cpu += process.cpu;
            sum.rss_bytes += process.rss_bytes;
            sum.rss_peak_bytes += process.rss_peak_bytes;
        }
        sum
    }

    pub fn reset_peaks(&self) {
        self.pids().for_each(machine::reset_peak);
    }

    fn pids(&self) -> impl Iterator<Item = u32> {
        [Some(self.server.id()), self.endpoint.as_ref().map(Child::id)].into_iter().flatten()
    }

    /// The value of a metric of ours without labels.
    pub async fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let metrics = Client::connect(&self.admin).await?.get("/metrics").await?;
        let metrics = String::from_utf8_lossy(&metrics);
        number_after(&metrics, &format!("\n{name} ")).with_context(|| format!("the server has no `{name}`"))
    }
}

/// A benchmark that fails leaves no process behind.
impl Drop for System {
    fn drop(&mut self) {
        for child in [Some(&mut self.server), self.endpoint.as_mut()].into_iter().flatten() {
            // Both fail only when it has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Usage {
    /// Memory stays what it is, everything else is a difference.
    pub fn since(self, before: &Self) -> Self {
        let processes =
            Process { cpu: self.processes.cpu.saturating_sub(before.processes.cpu), ..self.processes };
        let disk = Disk {
            written_bytes: self.disk.written_bytes.saturating_sub(before.disk.written_bytes),
            flushes: self.disk.flushes.saturating_sub(before.disk.flushes),
        };
        Self {
            processes,
            disk,
            syncs: self.syncs.saturating_sub(before.syncs),
            generator: self.generator.saturating_sub(before.generator),
            busy: self.busy.saturating_sub(before.busy),
        }
    }
}

fn spawn_ours(programs: &Programs, data: &Path, ingress: &str, admin: &str) -> anyhow::Result<Child> {
    Command::new(&programs.relight)
        .args(["up", "--port-ingress", port(ingress), "--port-admin", port(admin), "--data-dir"])
        .arg(data)
        .envs(programs.environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log(data)?)
        .spawn()
        .context("start the server")
}

/// Everything that is not named is the peer's default; syncs are on.
fn spawn_peer(
    programs: &Programs,
    kind: Kind,
    data: &Path,
    ingress: &str,
    admin: &str,
) -> anyhow::Result<Child> {
    let peer = programs.peer.as_ref().context("the peer is not installed")?;
    let configuration = data.join("peer.toml");
    let text = format!(
        "cluster-name = \"bench\"\nnode-name = \"bench-1\"\nlisten-mode = \"tcp\"\nbind-ip = \"127.0.0.1\"\n\
         bind-port = {node}\ndisable-telemetry = true\nlog-filter = \"warn\"\nlog-disable-ansi-codes = true\n\
         [ingress]\nbind-port = {ingress}\n[admin]\nbind-port = {admin}\ndisable-web-ui = true\n\
         [log-server]\nrocksdb-disable-wal-fsync = false\n",
        node = peer_node_port(data)?,
        ingress = port(ingress),
        admin = port(admin),
    );
    fs::write(&configuration, text).context("write the peer's configuration")?;
    let mut command = Command::new(&peer.server);
    command.args(["--no-logo", "--config-file"]).arg(&configuration).arg("--base-dir").arg(data.join("data"));
    command.env("DO_NOT_TRACK", "1").env("RESTATE_DISABLE_TELEMETRY", "true");
    if let Some(partitions) = kind.peer_partitions() {
        command.env("RESTATE_DEFAULT_NUM_PARTITIONS", partitions.to_string());
    }
    let log = log(data)?;
    let output = log.try_clone().context("share the server's log")?;
    command.stdin(Stdio::null()).stdout(output).stderr(log).spawn().context("start the peer's server")
}

/// The port of the peer's node is part of its data: a restart has the same.
fn peer_node_port(data: &Path) -> anyhow::Result<u16> {
    let file = data.join("node-port");
    match fs::read_to_string(&file) {
        Ok(text) => text.parse().context("read the port of the peer's node"),
        Err(_) => {
            let port = free_port()?;
            fs::write(&file, port.to_string()).context("write the port of the peer's node")?;
            Ok(port)
        }
    }
}

fn log(data: &Path) -> anyhow::Result<File> {
    File::options().create(true).append(true).open(data.join("stderr.log")).context("create the server's log")
}

/// A port that nobody listened on a moment ago. A server that is restarted needs its port again, so it cannot be left to
/// the system.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or(address)
}

/// What a handler has answered, as a number.
pub fn number(answer: &Bytes) -> anyhow::Result<u64> {
    let value: Value = serde_json::from_slice(answer).context("read an answer")?;
    value.as_u64().with_context(|| format!("an answer is {value}, and not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_a_difference_but_for_memory() {
        let usage = |n: u64| Usage {
            processes: Process { cpu: Duration::from_secs(n), rss_bytes: n, rss_peak_bytes: n },
            disk: Disk { written_bytes: n, flushes: n },
            syncs: n,
            generator: Duration::from_secs(n),
            busy: Duration::from_secs(n),
        };
        let since = usage(5).since(&usage(2));
        assert_eq!((since.processes.cpu.as_secs(), since.disk.flushes, since.syncs), (3, 3, 3));
        assert_eq!((since.processes.rss_bytes, since.processes.rss_peak_bytes), (5, 5));
    }

    #[test]
    fn ports_are_behind_the_colon() {
        assert_eq!(port("127.0.0.1:8080"), "8080");
    }
}
