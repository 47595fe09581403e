//! The peer: installed on first use, and run in a network namespace of its own, since it looks up its latest release on
//! the network at every start.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::system::PeerPrograms;
use crate::workspace;

const SERVER_VERSION: &str = "1.7.12";

/// Installs the peer's server from the npm registry, and builds its handlers.
pub fn install() -> anyhow::Result<()> {
    let (folder, sources) = (folder()?, workspace::root().join("xtask/peers/restate"));
    if !installed()?.server.is_file() {
        fs::create_dir_all(&folder).with_context(|| format!("create `{}`", folder.display()))?;
        fs::copy(sources.join("package.json"), folder.join("package.json")).context("copy package.json")?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        run(&mut npm, "install the peer (npm)")?;
    }
    let mut cargo = Command::new(workspace::cargo());
    cargo.args(["build", "--quiet", "--locked", "--release", "--manifest-path"]);
    cargo.arg(sources.join("Cargo.toml")).arg("--target-dir").arg(target()?);
    run(&mut cargo, "build the peer's handlers")
}

/// Where it is once it is installed.
pub fn installed() -> anyhow::Result<PeerPrograms> {
    let architecture = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("the peer has no release for {other}"),
    };
    let package = format!("node_modules/@restatedev/restate-server-linux-{architecture}");
    let server = folder()?.join(package).join("bin/restate-server");
    Ok(PeerPrograms { server, endpoint: target()?.join("release/peer-restate") })
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
