//! The peer: installed on first use, and run in a network namespace of its own, since it looks up its latest release on
//! the network at every start.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::system::{Endpoint, PeerPrograms};
use crate::workspace;

const SERVER_VERSION: &str = "1.7.12";
/// What npm installs, and the handlers that use its SDK for TypeScript.
const PACKAGE: &str = "package.json";
const SCRIPT: &str = "endpoint.js";

/// Installs the peer's server and its SDK for TypeScript from the npm registry.
pub fn install() -> anyhow::Result<()> {
    let (folder, sources) = (folder()?, workspace::root().join("xtask/peers/restate"));
    let wanted = fs::read(sources.join(PACKAGE)).context("read what the peer consists of")?;
    let package = folder.join(PACKAGE);
    if !installed()?.server.is_file() || !fs::read(&package).is_ok_and(|installed| installed == wanted) {
        fs::create_dir_all(&folder).with_context(|| format!("create `{}`", folder.display()))?;
        fs::write(&package, &wanted).context("copy package.json")?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        if let Err(error) = run(&mut npm, "install the peer (npm)") {
            // It says what is installed, and this is not.
            let _ = fs::remove_file(&package);
            return Err(error);
        }
    }
    // Node looks for packages beside the file that imports them.
    fs::copy(sources.join("typescript").join(SCRIPT), folder.join(SCRIPT)).context("copy the handlers")?;
    Ok(())
}

/// Builds the peer's handlers in Rust.
pub fn build() -> anyhow::Result<()> {
    let manifest = workspace::root().join("xtask/peers/restate/Cargo.toml");
    let mut cargo = Command::new(workspace::cargo());
    cargo.args(["build", "--quiet", "--locked", "--release", "--manifest-path"]);
    cargo.arg(manifest).arg("--target-dir").arg(target()?);
    run(&mut cargo, "build the peer's handlers")
}

/// Where it is once it is installed.
pub fn installed() -> anyhow::Result<PeerPrograms> {
    let package = format!("node_modules/@restatedev/restate-server-linux-{}", architecture()?);
    let server = folder()?.join(package).join("bin/restate-server");
    let endpoint = Endpoint { program: target()?.join("release/peer-restate"), script: None };
    Ok(PeerPrograms { server, endpoint })
}

/// The same server, with handlers that use its SDK for TypeScript.
pub fn with_typescript(peer: &PeerPrograms) -> anyhow::Result<PeerPrograms> {
    let folder = folder()?;
    // The SDK needs a later release than Debian has.
    let node = folder.join(format!("node_modules/node-linux-{}/bin/node", architecture()?));
    let endpoint = Endpoint { program: node, script: Some(folder.join(SCRIPT)) };
    Ok(PeerPrograms { endpoint, ..peer.clone() })
}

/// As npm calls it.
fn architecture() -> anyhow::Result<&'static str> {
    match env::consts::ARCH {
        "x86_64" => Ok("x64"),
        "aarch64" => Ok("arm64"),
        other => bail!("the peer has no release for {other}"),
    }
}

fn target() -> anyhow::Result<PathBuf> {
    Ok(workspace::metadata()?.target_directory.join("peers").into())
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(workspace::cache()?.join(format!("peers/restate-{SERVER_VERSION}")))
}

/// Runs `program`, with arguments to come, where there is no network but the loopback interface.
pub fn in_namespace(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    // Only root may make one without becoming root of a new user namespace.
    if !is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--net", "--", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]).arg(program);
    command
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        line.is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
    })
}

fn run(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| what.to_owned())?;
    if !status.success() {
        bail!("failed to {what} ({status})");
    }
    Ok(())
}
