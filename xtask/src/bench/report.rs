//! Results on stdout: lines for people, or one JSON object a line.

use serde_json::{Value, json};

use super::{
    faults::{Recovery, Restart},
    load::Measured,
    workloads::Workload,
};

#[derive(Debug, Clone, Copy)]
pub struct Report {
    json: bool,
}

impl Report {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn load(&self, workload: Workload, measured: &Measured) {
        if let Some(error) = &measured.first_error {
            eprintln!("{workload}: {} steps failed, first: {error}", measured.errors);
        }
        let line = load_line(workload, measured);
        if self.json {
            println!("{line}");
            return;
        }
        let number = |name: &str| line[name].as_f64().unwrap_or_default();
        let latency = |name: &str| line["lat_us"][name].as_u64().unwrap_or_default();
        println!(
            "{:14} conc {:4}  {:9.0}/s  p50 {:7} us  p95 {:7} us  p99 {:7} us  cpu {:6.0} us/op  rss {:5.0} MB  \
             write {:6.0} B/op  flushes {:.3}/op  errors {}",
            workload.to_string(),
            measured.clients,
            number("ops_per_s"),
            latency("p50"),
            latency("p95"),
            latency("p99"),
            number("cpu_us_per_op"),
            number("rss_peak_mb"),
            number("write_b_per_op"),
            number("flushes_per_op"),
            measured.errors,
        );
    }

    pub fn recovery(&self, recovery: &Recovery) {
        if self.json {
            println!("{}", recovery_line(recovery));
            return;
        }
        println!(
            "{:14} conc {:4}  acked {}  lost {}  double {}  unknown {}  kill to first ok {} ms",
            "recovery",
            recovery.clients,
            recovery.acked,
            recovery.lost_acked,
            recovery.double_applied,
            recovery.unknown_outcome,
            recovery.kill_to_first_ok.as_millis(),
        );
    }

    pub fn restart(&self, restart: &Restart) {
        if self.json {
            println!("{}", restart_line(restart));
            return;
        }
        println!(
            "{:14} {} completed, {} suspended: serving after {} ms, rss {:.0} MB",
            "restart",
            restart.completed,
            restart.suspended,
            restart.restart_to_serving.as_millis(),
            megabytes(restart.rss_peak_bytes),
        );
    }
}

fn load_line(workload: Workload, measured: &Measured) -> Value {
    let n = measured.latencies_us.len();
    let secs = measured.elapsed.as_secs_f64();
    let per_op = |total: f64| if n == 0 { 0.0 } else { rounded(total / n as f64) };
    json!({
        "workload": workload.name(),
        "label": workload.to_string(),
        "peer": null,
        "conc": measured.clients,
        "keys": workload.keys(),
        "n": n,
        "secs": rounded(secs),
        "ops_per_s": rounded(n as f64 / secs.max(f64::EPSILON)),
        "errors": measured.errors,
        "lat_us": {
            "p50": percentile(&measured.latencies_us, 50),
            "p95": percentile(&measured.latencies_us, 95),
            "p99": percentile(&measured.latencies_us, 99),
        },
        "cpu_us_per_op": per_op(measured.cost.cpu.as_micros() as f64),
        "rss_peak_mb": rounded(megabytes(measured.cost.rss_peak_bytes)),
        "write_b_per_op": per_op(measured.cost.written_bytes as f64),
        "flushes_per_op": per_op(measured.cost.flushes as f64),
    })
}

fn recovery_line(recovery: &Recovery) -> Value {
    json!({
        "workload": "recovery",
        "label": "recovery",
        "peer": null,
        "conc": recovery.clients,
        "acked": recovery.acked,
        "lost_acked": recovery.lost_acked,
        "double_applied": recovery.double_applied,
        "unknown_outcome": recovery.unknown_outcome,
        "kill_to_first_ok_ms": recovery.kill_to_first_ok.as_millis() as u64,
    })
}

fn restart_line(restart: &Restart) -> Value {
    json!({
        "workload": "restart",
        "label": "restart",
        "peer": null,
        "completed": restart.completed,
        "suspended": restart.suspended,
        "restart_to_serving_ms": restart.restart_to_serving.as_millis() as u64,
        "rss_peak_mb": rounded(megabytes(restart.rss_peak_bytes)),
    })
}

/// The smallest value that at least `percent` of all values do not exceed; 0 of none.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (50, 99));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (7, 7, 0));
    }

    #[test]
    fn a_line_has_the_fields_that_tools_read() {
        let measured = Measured {
            clients: 4,
            elapsed: Duration::from_secs(2),
            latencies_us: vec![1, 2, 3, 4],
            ..Measured::default()
        };
        let line = load_line(Workload::Counter { keys: 100 }, &measured);
        assert_eq!(line["ops_per_s"], 2.0);
        for name in [
            "workload",
            "label",
            "peer",
            "conc",
            "keys",
            "n",
            "secs",
            "errors",
            "lat_us",
            "cpu_us_per_op",
            "rss_peak_mb",
            "write_b_per_op",
            "flushes_per_op",
        ] {
            assert!(line.get(name).is_some(), "{name}");
        }
        let line = recovery_line(&Recovery::default());
        for name in ["acked", "lost_acked", "double_applied", "unknown_outcome", "kill_to_first_ok_ms"] {
            assert!(line[name].is_u64(), "{name}");
        }
    }
}
