//! `addresses.json`: where the running server serves, for command lines and scripts.
//!
//! The file appears whole once every door serves, and is gone while no server runs, as far as that server could help it.

use std::{fs, io, net::SocketAddr, path::Path};

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Addresses {
    pub ingress: String,
    pub admin: String,
    pub pid: u32,
}

impl Addresses {
    pub fn new(ingress: SocketAddr, admin: SocketAddr) -> Self {
        Self {
            ingress: format!("http://{ingress}"),
            admin: format!("http://{admin}"),
            pid: std::process::id(),
        }
    }

    pub fn write(&self, path: &Path) -> io::Result<()> {
        let part = path.with_extension("json.part");
        fs::write(&part, serde_json::to_vec(self)?)?;
        fs::rename(part, path)
    }
}

pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_doors_and_process() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("addresses.json");
        let [ingress, admin] = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().expect("an address"));
        Addresses::new(ingress, admin).write(&path).expect("write");
        let written: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).expect("read")).expect("valid JSON");
        assert_eq!(written["ingress"], "http://127.0.0.1:1");
        assert_eq!(written["admin"], "http://127.0.0.1:2");
        assert_eq!(written["pid"], std::process::id());
        remove(&path).expect("remove");
        remove(&path).expect("nothing to remove");
    }
}
