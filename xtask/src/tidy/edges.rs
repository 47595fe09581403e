//! Rules about dependencies: which of our crates may know which other one, and which libraries belong to whom.
//!
//! The tables below are the architecture in a form that can be checked. A new line here is the largest kind of change
//! there is.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata};

use super::Violation;

/// One dependency of a crate of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: String,
    pub to: String,
    pub dev: bool,
}

/// A crate of ours and the crates of ours that it may depend on.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("relight-wit", &[]),
    ("relight-core", &[]),
    ("relight-log", &[]),
    ("relight-http", &[]),
    ("relight-storage", &["relight-core"]),
    ("relight-executor", &["relight-core", "relight-wit"]),
    ("relight-partition", &["relight-core", "relight-log", "relight-storage"]),
    ("relight-ingress", &["relight-core", "relight-partition", "relight-http"]),
    (
        "relight-admin",
        &[
            "relight-core",
            "relight-partition",
            "relight-storage",
            "relight-executor",
            "relight-http",
            "relight-wit",
        ],
    ),
    ("relight-testing", &["relight-core", "relight-executor", "relight-http"]),
    (
        "relight-cli",
        &[
            "relight-executor",
            "relight-core",
            "relight-wit",
            "relight-admin",
            "relight-http",
            "relight-testing",
        ],
    ),
    (
        "relight-server",
        &[
            "relight-core",
            "relight-log",
            "relight-storage",
            "relight-executor",
            "relight-partition",
            "relight-ingress",
            "relight-admin",
            "relight-cli",
            "relight-http",
            "relight-wit",
        ],
    ),
    ("relight-sim", &["relight-core", "relight-log", "relight-partition", "relight-storage"]),
    ("xtask", &["relight-wit"]),
];

/// What tests may know in addition: a border is tested with the real thing behind it.
const ALLOWED_IN_TESTS: [(&str, &[&str]); 4] = [
    ("relight-ingress", &["relight-log", "relight-storage"]),
    ("relight-admin", &["relight-log"]),
    // Real handlers, to count what they cost.
    ("relight-sim", &["relight-executor"]),
    // Of the SDK: it knows the binary alone, as users do.
    ("relight-server", &["relight-test"]),
];

/// A library and the crates of ours that may use it.
const OWNERS: [(&str, &[&str]); 11] = [
    ("wasmtime", &["relight-executor"]),
    ("raft", &["relight-log"]),
    ("rocksdb", &["relight-log", "relight-storage"]),
    ("wit-component", &["relight-wit"]),
    ("wit-parser", &["relight-wit"]),
    ("wasmparser", &["relight-wit", "relight-executor"]),
    ("rustls", &["relight-executor", "relight-http", "relight-server", "relight-cli"]),
    ("clap", &["relight-cli", "relight-server", "xtask"]),
    ("toml", &["relight-cli", "relight-server", "relight-testing"]),
    ("anyhow", &["relight-cli", "relight-server", "xtask"]),
    ("prometheus-client", &["relight-server", "relight-admin"]),
];

/// What the pure core must never know.
const FORBIDDEN_IN_CORE: [&str; 8] =
    ["tokio", "hyper", "wasmtime", "rocksdb", "rand", "serde", "tracing", "futures-util"];

/// All dependencies of the workspace's members.
pub fn collect(metadata: &Metadata) -> Vec<Edge> {
    let mut edges = BTreeSet::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            edges.insert(Edge {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
            });
        }
    }
    edges.into_iter().collect()
}

pub fn check(edges: &[Edge]) -> Vec<Violation> {
    edges
        .iter()
        .filter_map(|edge| Some(Violation { place: edge.from.clone(), line: None, message: broken(edge)? }))
        .collect()
}

fn broken(edge: &Edge) -> Option<String> {
    let Edge { from, to, dev } = edge;
    let ours = |name: &str| ALLOWED.iter().any(|(known, _)| *known == name) || name.starts_with("relight-");
    if ours(to) {
        let listed = |table: &[(&str, &[&str])]| {
            table.iter().any(|(known, allowed)| *known == from.as_str() && allowed.contains(&to.as_str()))
        };
        let allowed = listed(&ALLOWED) || (*dev && listed(&ALLOWED_IN_TESTS));
        return (!allowed).then(|| {
            format!(
                "must not depend on `{to}`: not among the dependency directions in xtask/src/tidy/edges.rs"
            )
        });
    }
    if *dev {
        return None;
    }
    if from == "relight-core" && FORBIDDEN_IN_CORE.contains(&to.as_str()) {
        return Some(format!("must not depend on `{to}`: the core does no I/O and knows no format"));
    }
    let (_, owners) = OWNERS.iter().find(|(library, _)| library == to)?;
    (!owners.contains(&from.as_str()))
        .then(|| format!("must not depend on `{to}`: only {} may", owners.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, dev: bool) -> Edge {
        Edge { from: from.to_owned(), to: to.to_owned(), dev }
    }

    #[track_caller]
    fn refused(from: &str, to: &str) -> String {
        broken(&edge(from, to, false)).unwrap_or_else(|| panic!("`{from}` -> `{to}` is allowed"))
    }

    #[test]
    fn allowed_directions_pass() {
        for (from, allowed) in ALLOWED {
            for to in allowed {
                assert_eq!(broken(&edge(from, to, false)), None, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn no_direction_goes_both_ways() {
        for (from, allowed) in ALLOWED {
            for to in allowed {
                assert!(broken(&edge(to, from, false)).is_some(), "{to} -> {from}");
            }
        }
    }

    #[test]
    fn an_arrow_against_the_direction_is_refused() {
        assert!(refused("relight-core", "relight-storage").contains("dependency directions"));
        assert!(refused("relight-executor", "relight-partition").contains("dependency directions"));
        assert!(refused("relight-unheard-of", "relight-core").contains("dependency directions"));
    }

    #[test]
    fn tests_may_know_more_but_not_everything() {
        assert_eq!(broken(&edge("relight-ingress", "relight-log", true)), None);
        assert!(broken(&edge("relight-ingress", "relight-log", false)).is_some());
        assert!(broken(&edge("relight-log", "relight-server", true)).is_some());
    }

    #[test]
    fn libraries_have_owners() {
        assert!(refused("relight-admin", "wasmtime").contains("only relight-executor may"));
        assert_eq!(broken(&edge("relight-executor", "wasmtime", false)), None);
        assert_eq!(broken(&edge("relight-admin", "wasmtime", true)), None);
    }

    #[test]
    fn core_stays_pure() {
        assert!(refused("relight-core", "tokio").contains("does no I/O"));
        assert_eq!(broken(&edge("relight-core", "bytes", false)), None);
    }

    #[test]
    fn every_edge_of_a_list_is_checked() {
        let found = check(&[edge("relight-core", "bytes", false), edge("relight-log", "wasmtime", false)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "relight-log");
    }
}
