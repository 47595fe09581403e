//! The release binary under test: start, kill, stop, and what it cost so far.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tempfile::TempDir;

use super::load::Client;
use crate::workspace;

const START_MAX: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Of the kernel's process accounting; fixed in Linux' interface to user space.
const TICKS_PER_SECOND: u64 = 100;

/// A running server; its data lives as long as the last of them.
#[derive(Debug)]
pub struct Server {
    child: Child,
    data: TempDir,
    ingress: String,
    admin: String,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub cpu: Duration,
    pub rss_peak_bytes: u64,
    pub written_bytes: u64,
    pub flushes: u64,
}

impl Server {
    /// With the handlers of components/bench deployed.
    pub async fn start_with_handlers() -> anyhow::Result<Self> {
        let server = Self::start(tempfile::tempdir().context("make a temporary folder")?).await?;
        server.deploy().await?;
        Ok(server)
    }

    pub async fn start(data: TempDir) -> anyhow::Result<Self> {
        let target = workspace::metadata()?.target_directory;
        let addresses = data.path().join("addresses.json");
        let _ = fs::remove_file(&addresses);
        let started = Instant::now();
        let mut child = Command::new(target.join("release/relight"))
            .args(["up", "--port-ingress", "0", "--port-admin", "0", "--data-dir"])
            .arg(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(data.path().join("stderr.log")).context("create the server's log")?)
            .spawn()
            .context("start the server")?;
        let written = loop {
            if let Ok(bytes) = fs::read(&addresses) {
                break serde_json::from_slice::<Value>(&bytes).context("read addresses.json")?;
            }
            let ended = child.try_wait().context("ask for the server's status")?;
            if ended.is_some() || START_MAX < started.elapsed() {
                let _ = child.kill();
                bail!("the server did not start:\n{}", read(&data.path().join("stderr.log")));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        };
        let address = |name: &str| -> anyhow::Result<String> {
            let url = written[name].as_str().with_context(|| format!("addresses.json has no `{name}`"))?;
            Ok(url.trim_start_matches("http://").to_owned())
        };
        let (ingress, admin) = (address("ingress")?, address("admin")?);
        Ok(Self { child, data, ingress, admin })
    }

    async fn deploy(&self) -> anyhow::Result<()> {
        let target = workspace::metadata()?.target_directory;
        let output = Command::new(target.join("release/relight"))
            .args(["deploy", "--admin", &format!("http://{}", self.admin)])
            .arg(target.join("components/bench.wasm"))
            .output()
            .context("deploy the handlers")?;
        if !output.status.success() {
            bail!("deploying the handlers failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Host and port.
    pub fn ingress(&self) -> &str {
        &self.ingress
    }

    /// What the process has used since it started.
    pub async fn cost(&self) -> anyhow::Result<Cost> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        Ok(Cost {
            cpu: cpu(&read(&process.join("stat"))).context("read /proc/PID/stat")?,
            rss_peak_bytes: number_after(&read(&process.join("status")), "VmHWM:").unwrap_or(0) * 1024,
            written_bytes: number_after(&read(&process.join("io")), "write_bytes:").unwrap_or(0),
            flushes: self.metric("relight_log_syncs_total").await?,
        })
    }

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let metrics = Client::connect(&self.admin).await?.text("/metrics").await?;
        number_after(&metrics, &format!("\n{name} ")).with_context(|| format!("the server has no `{name}`"))
    }

    /// kill -9; gives the data for the next server.
    pub fn kill(mut self) -> anyhow::Result<TempDir> {
        self.child.kill().context("kill the server")?;
        self.child.wait().context("wait for the server")?;
        let data = tempfile::tempdir().context("make a temporary folder")?;
        Ok(std::mem::replace(&mut self.data, data))
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.kill()?);
        Ok(())
    }
}

/// A benchmark that fails leaves no process behind.
impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cost {
    /// Peaks stay peaks, everything else is a difference.
    pub fn since(self, before: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            rss_peak_bytes: self.rss_peak_bytes,
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
            flushes: self.flushes.saturating_sub(before.flushes),
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// User and system time: the 14th and 15th field, counted behind the command's name, which may contain spaces.
fn cpu(stat: &str) -> Option<Duration> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    text.split_once(name)?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_user_and_system_time() {
        let stat = "12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu("12 (a)"), None);
    }

    #[test]
    fn numbers_are_found_by_name() {
        assert_eq!(number_after("VmPeak: 1 kB\nVmHWM:\t  20 kB\n", "VmHWM:"), Some(20));
        assert_eq!(number_after("", "VmHWM:"), None);
    }

    #[test]
    fn cost_is_a_difference_but_for_the_peak() {
        let cost =
            |n: u64| Cost { cpu: Duration::from_secs(n), rss_peak_bytes: n, written_bytes: n, flushes: n };
        let since = cost(5).since(&cost(2));
        assert_eq!(
            (since.cpu.as_secs(), since.rss_peak_bytes, since.written_bytes, since.flushes),
            (3, 5, 3, 3)
        );
    }
}
