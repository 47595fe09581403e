//! The table of workloads: what is measured, and what it is to reach.

use anyhow::{bail, ensure};

use super::{figures::Figures, system::Kind, workloads::Workload};

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub workload: Workload,
    /// 0 where the workload has its own.
    pub clients: usize,
    pub targets: &'static [Target],
}

#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// The figure is at most this.
    AtMost(&'static str, f64),
    /// So many times the operations per second of the peer. `measured`: what the peer does where it was measured last, on
    /// two cores; a run with the peer beside it measures anew.
    Times { peer: Kind, times: f64, measured: f64 },
}

pub const fn stock(times: f64, measured: f64) -> Target {
    Target::Times { peer: Kind::PeerStock, times, measured }
}

pub const fn tuned(times: f64, measured: f64) -> Target {
    Target::Times { peer: Kind::PeerTuned, times, measured }
}

pub const fn row(workload: Workload, clients: usize, targets: &'static [Target]) -> Row {
    Row { workload, clients, targets }
}

pub const GREET: Workload = Workload::Greet { bytes: 0 };

/// In this order on one server, but for those that need one of their own.
pub const ROWS: [Row; 18] = [
    row(Workload::Idle, 0, &[Target::AtMost("rss_idle_mb", 100.0)]),
    row(GREET, 1, &[Target::AtMost("p50_ms", 0.5)]),
    row(
        GREET,
        64,
        &[
            stock(12.0, 1_260.0),
            tuned(5.0, 2_800.0),
            Target::AtMost("rss_peak_mb", 160.0),
            Target::AtMost("cpu_us_per_op", 100.0),
            Target::AtMost("disk_bytes_per_op", 1_024.0),
            Target::AtMost("flushes_per_op", 0.1),
        ],
    ),
    row(GREET, 256, &[stock(10.0, 1_770.0), tuned(5.0, 3_050.0)]),
    row(Workload::Counter { keys: 10_000 }, 64, &[stock(10.0, 1_120.0), tuned(5.0, 2_300.0)]),
    row(Workload::Counter { keys: 1 }, 16, &[stock(8.0, 375.0)]),
    row(Workload::Steps10, 1, &[Target::AtMost("p50_ms", 1.2)]),
    row(Workload::Steps10, 64, &[stock(10.0, 360.0), tuned(7.0, 544.0)]),
    row(Workload::Rpc, 1, &[Target::AtMost("p50_ms", 1.0)]),
    row(Workload::Rpc, 16, &[stock(15.0, 340.0), tuned(9.0, 536.0)]),
    row(Workload::RpcChain5, 1, &[Target::AtMost("p50_ms", 3.0)]),
    row(Workload::RpcChain5, 16, &[stock(15.0, 85.0)]),
    row(Workload::Fanout, 1, &[Target::AtMost("p50_ms", 8.0)]),
    row(Workload::Awakeable, 1, &[Target::AtMost("p50_ms", 0.6)]),
    row(Workload::Replay { entries: 1_000 }, 1, &[Target::AtMost("p50_ms", 2.0)]),
    row(
        Workload::SleepMany { invocations: 10_000 },
        0,
        &[Target::AtMost("late_p99_ms", 30.0), Target::AtMost("rss_more_mb", 25.0)],
    ),
    row(Workload::Recovery { invocations: 10_000 }, 0, RECOVERY),
    row(Workload::Recovery { invocations: 100_000 }, 0, RECOVERY),
];

const RECOVERY: &[Target] = &[
    Target::AtMost("first_answer_ms", 1_000.0),
    Target::AtMost("full_speed_ms", 2_000.0),
    Target::AtMost("lost_acknowledged", 0.0),
];

/// What the peer takes too long for, or cannot do.
pub fn is_for(row: &Row, kind: Kind) -> bool {
    match (kind, row.workload) {
        (Kind::Ours, _) => true,
        // It recovers for as long as a whole pass of ours takes.
        (_, Workload::Recovery { invocations }) => kind == Kind::PeerStock && invocations <= 10_000,
        (_, Workload::Restart) => false,
        (Kind::PeerStock, _) => true,
        // As fast as stock at one client.
        (Kind::PeerTuned, Workload::Idle) => true,
        (Kind::PeerTuned, _) => {
            row.targets.iter().any(|target| matches!(target, Target::Times { peer: Kind::PeerTuned, .. }))
        }
    }
}

/// The rows that were asked for: all of a workload's, or such with other numbers of clients.
pub fn wanted(names: &[String], clients: &[usize]) -> anyhow::Result<Vec<Row>> {
    let mut wanted = Vec::new();
    for name in names {
        ensure!(
            Workload::NAMES.contains(&name.as_str()),
            "there is no workload `{name}`; known: {}",
            Workload::NAMES.join(", ")
        );
        let of_name = |row: &&Row| row.workload.name() == name;
        let rows: Vec<Row> = ROWS.iter().filter(of_name).copied().collect();
        match rows.as_slice() {
            [] if name == "restart" => wanted.push(row(Workload::Restart, 0, &[])),
            [] => bail!("the table has no row for `{name}`"),
            rows if clients.is_empty() || rows.iter().all(|row| row.clients == 0) => wanted.extend(rows),
            rows => wanted.extend(with_clients(rows, clients)),
        }
    }
    Ok(if names.is_empty() && clients.is_empty() {
        ROWS.to_vec()
    } else if names.is_empty() {
        with_clients(&ROWS.iter().filter(|row| row.clients != 0).copied().collect::<Vec<_>>(), clients)
    } else {
        wanted
    })
}

/// Every workload among `rows` with each number of clients; a row of the table keeps its targets.
fn with_clients(rows: &[Row], clients: &[usize]) -> Vec<Row> {
    let mut made: Vec<Row> = Vec::new();
    for workload in rows.iter().map(|row| row.workload) {
        for &clients in clients {
            if made.iter().any(|row| (row.workload, row.clients) == (workload, clients)) {
                continue;
            }
            let known = rows.iter().find(|row| (row.workload, row.clients) == (workload, clients));
            made.push(known.copied().unwrap_or(row(workload, clients, &[])));
        }
    }
    made
}

impl Target {
    /// Whether `ours` reaches it, if it was measured; `peers`: the operations per second of the peer, measured beside it.
    pub fn is_met(&self, ours: &Figures, peers: impl Fn(Kind) -> Option<f64>) -> Option<bool> {
        match *self {
            Self::AtMost(figure, most) => ours.get(figure).map(|value| *value <= most),
            Self::Times { peer, times, measured } => {
                let of_peer = peers(peer).unwrap_or(measured);
                ours.get("ops_per_s").map(|value| times * of_peer <= *value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_workload_names_the_known_ones() {
        let error = wanted(&["gret".to_owned()], &[]).expect_err("unknown").to_string();
        assert!(error.contains("`gret`") && error.contains("rpc-chain5"), "{error}");
    }

    #[test]
    fn rows_are_those_of_the_table_or_have_other_numbers_of_clients() {
        let clients = |names: &[&str], clients: &[usize]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let rows = wanted(&names, clients).expect("known");
            rows.iter().map(|row| row.clients).collect::<Vec<_>>()
        };
        assert_eq!(clients(&["greet"], &[]), [1, 64, 256]);
        assert_eq!(clients(&["greet"], &[8, 64]), [8, 64]);
        assert_eq!(clients(&["recovery"], &[8]), [0, 0]);
        assert_eq!(clients(&["restart"], &[]), [0]);
        assert_eq!(clients(&[], &[]).len(), ROWS.len());
    }

    #[test]
    fn a_target_is_met_by_its_figure() {
        let ours = Figures::from([("ops_per_s", 15_000.0), ("p50_ms", 0.6)]);
        let alone = |_: Kind| None;
        assert_eq!(Target::AtMost("p50_ms", 0.5).is_met(&ours, alone), Some(false));
        assert_eq!(Target::AtMost("rss_mb", 0.5).is_met(&ours, alone), None);
        assert_eq!(stock(12.0, 1_260.0).is_met(&ours, alone), Some(false));
        assert_eq!(stock(12.0, 1_260.0).is_met(&ours, |_| Some(1_200.0)), Some(true));
    }
}
