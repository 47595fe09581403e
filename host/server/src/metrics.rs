//! `/metrics`: the counters of all parts, in Prometheus' text format.
//!
//! Parts count for themselves and know no format; what is shown is their numbers at the moment of the scrape.

use std::fmt::Write as _;
use std::sync::Arc;

use relight_executor::Executor;
use relight_ingress::Ingress;
use relight_log::raft::NodeLog;
use relight_partition::{PartitionStatus, Partitions, Role, Stats};

/// Everything that counts.
#[derive(Debug)]
pub struct Sources {
    pub log: Arc<NodeLog>,
    pub partitions: Partitions,
    pub executor: Arc<Executor>,
    pub ingress: Ingress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// The text of one scrape.
#[derive(Debug, Default)]
struct Page(String);

/// Name and value of one label.
type Label<'a> = (&'a str, &'a str);

impl Page {
    /// One metric with its samples.
    fn metric<'a>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<Label<'a>>, f64)>,
    ) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
        for (labels, value) in samples {
            // Values of labels are names of ours and numbers: nothing in them needs an escape.
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            if labels.is_empty() {
                self.line(format_args!("{name} {value}"));
            } else {
                self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
            }
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.metric(Kind::Counter, name, help, [(Vec::new(), value as f64)]);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.metric(Kind::Gauge, name, help, [(Vec::new(), value as f64)]);
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("writing to a string cannot fail");
    }
}

impl Sources {
    pub fn text(&self) -> String {
        let mut page = Page::default();
        page.metric(
            Kind::Gauge,
            "relight_build_info",
            "The version that runs.",
            [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
        );
        log(&mut page, &self.log);
        let statuses: Vec<PartitionStatus> =
            self.partitions.iter().map(|partition| partition.status()).collect();
        positions(&mut page, &statuses);
        processors(&mut page, &statuses);
        executor(&mut page, &self.executor);
        ingress(&mut page, &self.ingress);
        page.0
    }
}

fn log(page: &mut Page, log: &NodeLog) {
    let stats = log.stats();
    page.counter("relight_log_passes_total", "Passes of the log's loop that wrote something.", stats.passes);
    page.counter(
        "relight_log_syncs_total",
        "Syncs of the log: one for all partitions of a pass.",
        stats.syncs,
    );
    page.counter("relight_log_entries_total", "Log entries written.", stats.entries);
    page.counter("relight_log_written_bytes_total", "Payload bytes written to the log.", stats.bytes);
    page.counter(
        "relight_log_high_water_syncs_total",
        "Syncs of the high-water mark.",
        stats.high_water_syncs,
    );
}

fn positions(page: &mut Page, statuses: &[PartitionStatus]) {
    let ids: Vec<String> = statuses.iter().map(|status| status.partition.to_string()).collect();
    let mut gauge = |name: &str, help: &str, value: fn(&PartitionStatus) -> f64| {
        let samples =
            statuses.iter().zip(&ids).map(|(status, id)| (vec![("partition", id.as_str())], value(status)));
        page.metric(Kind::Gauge, name, help, samples);
    };
    gauge("relight_partition_leading", "1 where this node leads.", |status| match status.role {
        Role::Leader(_) => 1.0,
        Role::Announcing(_) | Role::Follower | Role::Stopped => 0.0,
    });
    gauge("relight_partition_applied_lsn", "The last applied record.", |status| status.applied.0 as f64);
    gauge("relight_partition_committed_lsn", "The last committed record.", |status| {
        status.committed.0 as f64
    });
    gauge(
        "relight_partition_durable_lsn",
        "The last record that the tables hold without the log.",
        |status| status.durable.0 as f64,
    );
}

/// How a number of [`Stats`] is shown.
type Shown = (Kind, &'static str, &'static str, fn(&Stats) -> f64);

const PROCESSORS: [Shown; 23] = [
    (Kind::Counter, "relight_partition_records_total", "Records applied.", |s| s.records_applied as f64),
    (Kind::Counter, "relight_partition_applied_bytes_total", "Bytes of records applied.", |s| {
        s.bytes_applied as f64
    }),
    (Kind::Counter, "relight_partition_batches_total", "Batches of records applied.", |s| s.batches as f64),
    (Kind::Counter, "relight_partition_apply_seconds_total", "Time spent applying batches.", |s| {
        s.apply_us as f64 / 1e6
    }),
    (Kind::Counter, "relight_partition_proposals_total", "Records handed to the log.", |s| {
        s.proposals as f64
    }),
    (Kind::Counter, "relight_partition_appends_total", "Appends to the log.", |s| s.appends as f64),
    (Kind::Counter, "relight_partition_appends_failed_total", "Appends that the log did not take.", |s| {
        s.appends_failed as f64
    }),
    (Kind::Counter, "relight_partition_attempts_total", "Attempts of handlers started.", |s| {
        s.attempts_started as f64
    }),
    (Kind::Counter, "relight_partition_effects_total", "Attempts of effects started.", |s| {
        s.effects_started as f64
    }),
    (Kind::Counter, "relight_partition_timers_total", "Timers fired.", |s| s.timers_fired as f64),
    (Kind::Counter, "relight_partition_deliveries_total", "Deliveries to other partitions.", |s| {
        s.deliveries as f64
    }),
    (Kind::Counter, "relight_partition_resends_total", "Deliveries sent again.", |s| s.resends as f64),
    (Kind::Counter, "relight_partition_clock_jumps_total", "Forward jumps of the clock above 5 min.", |s| {
        s.clock_jumps as f64
    }),
    (Kind::Counter, "relight_partition_flushes_total", "Flushes of tables.", |s| s.flushes as f64),
    (Kind::Gauge, "relight_partition_proposals_queued", "Commands that wait for the log.", |s| {
        s.proposals_queued as f64
    }),
    (Kind::Gauge, "relight_partition_appends_in_flight", "Appends without an answer.", |s| {
        s.appends_in_flight as f64
    }),
    (Kind::Gauge, "relight_partition_attempts_running", "Attempts of handlers now.", |s| {
        s.attempts_running as f64
    }),
    (Kind::Gauge, "relight_partition_attempts_ready", "Attempts that wait for capacity.", |s| {
        s.attempts_ready as f64
    }),
    (Kind::Gauge, "relight_partition_effects_running", "Attempts of effects now.", |s| {
        s.effects_running as f64
    }),
    (Kind::Gauge, "relight_partition_effects_ready", "Effects that wait for capacity.", |s| {
        s.effects_ready as f64
    }),
    (Kind::Gauge, "relight_partition_timers_in_memory", "Timers that are due soon.", |s| {
        s.timers_in_memory as f64
    }),
    (Kind::Gauge, "relight_partition_outbox_lag", "Messages not yet acknowledged by their partition.", |s| {
        s.outbox_lag as f64
    }),
    (Kind::Gauge, "relight_partition_waiters", "Requests that wait for an answer.", |s| s.waiters as f64),
];

/// Sums over all partitions.
fn processors(page: &mut Page, statuses: &[PartitionStatus]) {
    for (kind, name, help, value) in PROCESSORS {
        let sum: f64 = statuses.iter().map(|status| value(&status.stats)).sum();
        page.metric(kind, name, help, [(Vec::new(), sum)]);
    }
}

fn executor(page: &mut Page, executor: &Executor) {
    let stats = executor.stats();
    page.metric(
        Kind::Counter,
        "relight_executor_attempts_total",
        "Attempts of handlers that ended, by how.",
        [
            (vec![("end", "finished")], stats.attempts_finished as f64),
            (vec![("end", "failed")], stats.attempts_failed as f64),
            (vec![("end", "mismatched")], stats.attempts_mismatched as f64),
            (vec![("end", "faulted")], stats.attempts_faulted as f64),
            (vec![("end", "dropped")], stats.attempts_dropped as f64),
        ],
    );
    page.counter("relight_executor_suspensions_total", "Suspensions proposed.", stats.suspensions_proposed);
    page.counter(
        "relight_executor_waits_kept_total",
        "Waits that blocked and were answered before the instance was given up.",
        stats.waits_kept,
    );
    page.counter(
        "relight_executor_waits_cut_short_total",
        "Waiting instances that were told to go before their time, to make room.",
        stats.waits_cut_short,
    );
    page.metric(
        Kind::Counter,
        "relight_executor_effects_total",
        "Attempts of effects that ended, by how.",
        [
            (vec![("end", "completed")], stats.effects_completed as f64),
            (vec![("end", "failed")], stats.effects_failed as f64),
            (vec![("end", "dropped")], stats.effects_dropped as f64),
        ],
    );
    page.counter("relight_executor_instances_total", "Instances made.", stats.instances_created);
    page.gauge("relight_executor_instances_live", "Instances that live now.", stats.instances_live);
    page.gauge(
        "relight_executor_instances_warm",
        "Instances whose handlers wait, for as long as the executor sees fit.",
        stats.instances_warm,
    );
    page.gauge("relight_executor_warm_memory_bytes", "Linear memory of these.", stats.warm_bytes);
    page.counter(
        "relight_executor_host_calls_total",
        "Calls of the host by instances that have ended.",
        stats.host_calls,
    );
    page.counter(
        "relight_executor_replayed_items_total",
        "Journal items given to attempts.",
        stats.items_replayed,
    );
    page.counter("relight_executor_compilations_total", "Components compiled.", stats.compilations);
}

fn ingress(page: &mut Page, ingress: &Ingress) {
    let stats = ingress.stats();
    page.gauge("relight_ingress_requests_in_flight", "Requests that run or wait.", stats.in_flight as u64);
    let samples = stats
        .routes
        .iter()
        .map(|route| (vec![("route", route.route), ("status", route.status)], route.requests as f64));
    page.metric(Kind::Counter, "relight_ingress_requests_total", "Requests answered.", samples);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_help_type_and_samples() {
        let mut page = Page::default();
        page.metric(Kind::Counter, "a_total", "As.", [(vec![("x", "1"), ("y", "2")], 3.0), (vec![], 0.5)]);
        assert_eq!(
            page.0,
            "# HELP a_total As.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 3\na_total 0.5\n"
        );
    }

    #[test]
    fn counters_end_in_total_and_gauges_do_not() {
        for (kind, name, _, _) in PROCESSORS {
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        }
    }
}
