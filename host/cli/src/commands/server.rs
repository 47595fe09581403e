//! Flags of `relight up` and `relight server`. What they do lives in the `relight-server` crate.

use std::path::PathBuf;

/// Flags that `up` and `server` share; each wins over the environment, which wins over the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerFlags {
    /// Folder of all data [default: ./.relight].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Port of the ingress; 0: any free one [default: 8080].
    #[arg(long, value_name = "PORT")]
    pub port_ingress: Option<u16>,
    /// Port of the admin door; 0: any free one [default: 9070].
    #[arg(long, value_name = "PORT")]
    pub port_admin: Option<u16>,
    /// Port of the PostgreSQL wire. Accepted; this version does not open it.
    #[arg(long, value_name = "PORT")]
    pub port_pg: Option<u16>,
    /// Port between nodes. Accepted; a single node does not open it.
    #[arg(long, value_name = "PORT")]
    pub port_node: Option<u16>,
    /// Form of the log lines on stderr.
    #[arg(long, value_name = "human|json")]
    pub log_format: Option<String>,
}

/// Start a single node with its data in ./.relight/ and print where it is.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  $ relight up\n  $ relight up --port-ingress 0 --port-admin 0")]
pub struct Up {
    #[command(flatten)]
    pub flags: ServerFlags,
}

/// Run a server from a configuration file.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  $ relight server --config relight.toml")]
pub struct Server {
    /// The configuration file [default: relight.toml, where it exists].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub flags: ServerFlags,
}
