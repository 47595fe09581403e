//! Where the server is: flags, environment, the addresses that a server here wrote down, the default ports.

use std::{fs, path::Path};

use serde::Deserialize;

/// Where `relight up` keeps its data, and what it writes there once it serves.
const ADDRESSES_FILE: &str = ".relight/addresses.json";
const DEFAULT_ADMIN: &str = "http://127.0.0.1:9070";
const DEFAULT_INGRESS: &str = "http://127.0.0.1:8080";

/// Flags of every command that talks to a server.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerAddress {
    /// Address of the admin door [default: from ./.relight/addresses.json, else http://127.0.0.1:9070].
    #[arg(long, global = true, value_name = "URL", env = "RELIGHT_ADMIN", help_heading = "Server")]
    pub admin: Option<String>,
    /// Address of the ingress [default: from ./.relight/addresses.json, else http://127.0.0.1:8080].
    #[arg(long, global = true, value_name = "URL", env = "RELIGHT_INGRESS", help_heading = "Server")]
    pub ingress: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Written {
    admin: Option<String>,
    ingress: Option<String>,
}

impl ServerAddress {
    pub fn admin(&self) -> String {
        self.admin_from(Path::new(ADDRESSES_FILE))
    }

    pub fn ingress(&self) -> String {
        self.ingress_from(Path::new(ADDRESSES_FILE))
    }

    fn admin_from(&self, file: &Path) -> String {
        trimmed(
            self.admin.clone().or_else(|| written(file).admin).unwrap_or_else(|| DEFAULT_ADMIN.to_owned()),
        )
    }

    fn ingress_from(&self, file: &Path) -> String {
        trimmed(
            self.ingress
                .clone()
                .or_else(|| written(file).ingress)
                .unwrap_or_else(|| DEFAULT_INGRESS.to_owned()),
        )
    }
}

fn trimmed(mut url: String) -> String {
    if !url.contains("://") {
        url.insert_str(0, "http://");
    }
    url.truncate(url.trim_end_matches('/').len());
    url
}

/// A file that is missing or half a file says nothing.
fn written(file: &Path) -> Written {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("addresses.json");
        let none = ServerAddress::default();
        assert_eq!(none.admin_from(&file), DEFAULT_ADMIN);
        assert_eq!(none.ingress_from(&file), DEFAULT_INGRESS);

        fs::write(&file, r#"{"ingress":"http://127.0.0.1:1/","admin":"http://127.0.0.1:2","pid":3}"#)
            .expect("write");
        assert_eq!(none.admin_from(&file), "http://127.0.0.1:2");
        assert_eq!(none.ingress_from(&file), "http://127.0.0.1:1");

        let flag = ServerAddress { admin: Some("localhost:7".to_owned()), ingress: None };
        assert_eq!(flag.admin_from(&file), "http://localhost:7");
    }
}
