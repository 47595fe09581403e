//! Results: lines for people or tools while it runs, and tables of Markdown that replace those of a file.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, time::Duration};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    curves::Curve,
    figures::{Figures, grouped, medians, text},
    languages::Language,
    plot,
    rows::{Row, Target},
    system::Kind,
    workloads::Workload,
};

/// What the floor of a row is made of.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    pub cores: usize,
    /// Of one durable append.
    pub sync: Duration,
}

/// One row, measured as often as was asked for.
#[derive(Debug)]
pub struct Measured {
    pub row: Row,
    pub runs: BTreeMap<Kind, Vec<Figures>>,
}

impl Measured {
    pub fn of(&self, kind: Kind) -> Option<Figures> {
        self.runs.get(&kind).map(|runs| medians(runs))
    }

    fn peer_per_s(&self, kind: Kind) -> Option<f64> {
        self.of(kind)?.get("ops_per_s").copied()
    }
}

/// One line of a run.
pub fn line(kind: Kind, row: &Row, figures: &Figures, json: bool) -> String {
    if json {
        let figures: BTreeMap<&str, f64> =
            figures.iter().map(|(name, value)| (*name, (value * 1e3).round() / 1e3)).collect();
        let mut object = json!({"system": kind.to_string(), "workload": row.workload.to_string()});
        object["clients"] = Value::from(row.clients);
        object["figures"] = json!(figures);
        return object.to_string();
    }
    const SHOWN: [&str; 19] = [
        "ops_per_s",
        "p50_ms",
        "p99_ms",
        "cpu_us_per_op",
        "syncs_per_op",
        "flushes_per_op",
        "disk_bytes_per_op",
        "rss_peak_mb",
        "rss_idle_mb",
        "rss_more_mb",
        "rss_mb",
        "late_p50_ms",
        "late_p99_ms",
        "first_answer_ms",
        "full_speed_ms",
        "acknowledged",
        "lost_acknowledged",
        "double_applied",
        "errors",
    ];
    let mut line = format!("{:<12} {:<28} {:>4}", kind.to_string(), row.workload.to_string(), row.clients);
    for name in SHOWN {
        if let Some(value) = figures.get(name) {
            write!(line, "  {name} {}", text(*value)).expect("a string takes every text");
        }
    }
    line
}

/// How near a row is to what its own syncs and computing allow.
#[derive(Debug, Clone, PartialEq)]
pub struct Floor {
    pub text: String,
    /// 1: nothing but that.
    pub reached: f64,
}

/// One client waits for syncs and computing, one after the other. Many share syncs and cores: whichever is full first.
pub fn floor(row: &Row, ours: &Figures, machine: Machine) -> Option<Floor> {
    if measures_a_part(row) {
        return None;
    }
    let figure = |name: &str| ours.get(name).copied();
    let sync_us = machine.sync.as_secs_f64() * 1e6 * figure("syncs_per_op")?;
    let cpu_us = figure("cpu_us_per_op")? + figure("generator_us_per_op")?;
    if row.clients == 1 {
        let (floor, p50) = ((sync_us + cpu_us) / 1e3, figure("p50_ms")?);
        return Some(Floor { text: format!("{} ms", text(floor)), reached: floor / p50 });
    }
    let floor = (machine.cores as f64 * 1e6 / cpu_us).min(1e6 / sync_us);
    Some(Floor { text: format!("{}/s", text(floor)), reached: figure("ops_per_s")? / floor })
}

/// The p50 is that of a part of the operation, and what was used is that of the whole.
fn measures_a_part(row: &Row) -> bool {
    matches!(row.workload, Workload::Awakeable | Workload::Replay { .. })
}

/// What was measured: closed loops with their floors, everything else, and what was to be reached.
pub fn rows(measured: &[Measured], machine: Machine) -> String {
    let mut text = format!(
        "Machine: {} cores, a durable append of 4 KiB takes {} ms (median).\n",
        machine.cores,
        text(machine.sync.as_secs_f64() * 1e3)
    );
    let lines = |line: &dyn Fn(&Measured) -> String| measured.iter().map(line).collect::<String>();
    let tables = [
        (
            "| Workload | Clients | per s | p50 ms | p99 ms | CPU µs | syncs | flushes | bytes | MB | floor | reached |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|",
            lines(&|measured| closed_loop(measured, machine).unwrap_or_default()),
        ),
        ("| Workload | Measured |\n|---|---|", lines(&|measured| other(measured).unwrap_or_default())),
    ];
    for (head, lines) in tables.iter().filter(|(_, lines)| !lines.is_empty()) {
        write!(text, "\n{head}\n{lines}").expect("a string takes every text");
    }
    text.push_str(&reached(measured));
    text
}

/// What was to be reached, if anything was.
pub fn reached(measured: &[Measured]) -> String {
    match measured.iter().map(targets).collect::<String>() {
        lines if lines.is_empty() => lines,
        lines => format!("\n| Target | Measured | Reached |\n|---|---|---|\n{lines}"),
    }
}

fn closed_loop(measured: &Measured, machine: Machine) -> Option<String> {
    let ours = measured.of(Kind::Ours).filter(|_| measured.row.clients != 0)?;
    let cell = |name: &str| ours.get(name).map_or_else(|| "–".to_owned(), |value| text(*value));
    let floor = floor(&measured.row, &ours, machine);
    let (floor, reached) = floor.map_or_else(
        || ("–".to_owned(), "–".to_owned()),
        |floor| (floor.text, format!("{:.0} %", floor.reached * 100.0)),
    );
    let cells = [
        measured.row.workload.to_string(),
        measured.row.clients.to_string(),
        cell("ops_per_s"),
        cell("p50_ms"),
        cell("p99_ms"),
        cell("cpu_us_per_op"),
        cell("syncs_per_op"),
        cell("flushes_per_op"),
        cell("disk_bytes_per_op"),
        cell("rss_peak_mb"),
        floor,
        reached,
    ];
    Some(format!("| {} |\n", cells.join(" | ")))
}

/// All figures of a workload that is no closed loop.
fn other(measured: &Measured) -> Option<String> {
    let ours = measured.of(Kind::Ours).filter(|_| measured.row.clients == 0)?;
    let figures: Vec<String> = ours.iter().map(|(name, value)| format!("{name} {}", text(*value))).collect();
    Some(format!("| {} | {} |\n", measured.row.workload, figures.join(", ")))
}

/// A line for each target of a row.
fn targets(measured: &Measured) -> String {
    let mut lines = String::new();
    let Some(ours) = measured.of(Kind::Ours) else { return lines };
    for target in measured.row.targets {
        let (wanted, found) = match *target {
            Target::AtMost(figure, most) => (
                format!("{figure} ≤ {}", text(most)),
                ours.get(figure).map_or_else(|| "–".to_owned(), |value| text(*value)),
            ),
            Target::Times { peer, times, measured: before } => {
                let beside = measured.peer_per_s(peer);
                let of_peer = beside.unwrap_or(before);
                let source = if beside.is_some() { "" } else { " when it was measured last" };
                let per_s = ours.get("ops_per_s").copied().unwrap_or_default();
                (
                    format!("≥ {times} × {}/s ({peer}{source})", text(of_peer)),
                    format!("{}/s, {:.1} ×", text(per_s), per_s / of_peer),
                )
            }
        };
        let met = match target.is_met(&ours, |kind| measured.peer_per_s(kind)) {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        let name = name(&measured.row);
        writeln!(lines, "| {name}: {wanted} | {found} | {met} |").expect("a string takes every text");
    }
    lines
}

fn name(row: &Row) -> String {
    match row.clients {
        0 => row.workload.to_string(),
        clients => format!("{}, at {clients}", row.workload),
    }
}

/// Ours and the peer side by side.
pub fn peers(measured: &[Measured]) -> String {
    const FIGURES: [(&str, &str); 10] = [
        ("rss_idle_mb", "MB"),
        ("ops_per_s", "per s"),
        ("p50_ms", "p50 ms"),
        ("cpu_us_per_op", "CPU µs"),
        ("flushes_per_op", "flushes"),
        ("disk_bytes_per_op", "bytes"),
        ("late_p99_ms", "late, p99 ms"),
        ("rss_more_mb", "MB more"),
        ("first_answer_ms", "first answer ms"),
        ("full_speed_ms", "full speed ms"),
    ];
    let mut table = "| Workload | Figure | Relight | peer, stock | ratio | peer, tuned | ratio |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for measured in measured {
        let Some(ours) = measured.of(Kind::Ours) else { continue };
        let peers = [Kind::PeerStock, Kind::PeerTuned].map(|kind| measured.of(kind));
        for (figure, title) in FIGURES {
            let Some(own) = ours.get(figure) else { continue };
            if figure != "p50_ms" && measures_a_part(&measured.row) {
                continue;
            }
            let mut cells = vec![name(&measured.row), title.to_owned(), text(*own)];
            for peer in &peers {
                let value = peer.as_ref().and_then(|peer| peer.get(figure));
                let ratio = value.map(|value| if figure == "ops_per_s" { own / value } else { value / own });
                cells.push(value.map_or_else(|| "–".to_owned(), |value| text(*value)));
                let ratio = ratio.filter(|ratio| ratio.is_finite());
                cells.push(ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.1} ×")));
            }
            writeln!(table, "| {} |", cells.join(" | ")).expect("a string takes every text");
        }
    }
    table
}

/// A curve as a table, and how its first figure grows from end to end.
pub fn curve(curve: &Curve) -> String {
    let figures = curve.axis.figures();
    let mut table = format!("**{}**\n\n| {} |", curve.axis.title(), curve.axis);
    figures.iter().for_each(|figure| table.push_str(&format!(" {figure} |")));
    table.push_str("\n|---|");
    figures.iter().for_each(|_| table.push_str("---|"));
    for (at, values) in &curve.points {
        write!(table, "\n| {} |", grouped(*at as f64)).expect("a string takes every text");
        for figure in figures {
            let value = values.get(figure).map_or_else(|| "–".to_owned(), |value| text(*value));
            write!(table, " {value} |").expect("a string takes every text");
        }
    }
    table.push('\n');
    table
}

/// One line for each language.
pub fn languages(languages: &[Language]) -> String {
    let mut table = "| Language | MB | deploy s | instance µs | greet p50 ms | greet/s at 64 | of floor | steps10/s at 64 | of \
                     floor | replay 1,000 ms | MB per waiting instance |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for Language { name, result } in languages {
        let line = match result {
            Err(reason) => format!("not measured: {}", reason.replace('|', "/")),
            Ok(figures) => {
                let value = |name: &str| figures.get(name).copied().unwrap_or_default();
                let share = |name: &str| format!("{:.0} %", value(name) * 100.0);
                [
                    text(value("size_mb")),
                    text(value("deploy_s")),
                    text(value("instance_us")),
                    text(value("greet_p50_ms")),
                    text(value("greet_per_s")),
                    share("greet_reached"),
                    text(value("steps10_per_s")),
                    share("steps10_reached"),
                    text(value("replay_ms")),
                    text(value("waiting_mb")),
                ]
                .join(" | ")
            }
        };
        writeln!(table, "| {name} | {line} |").expect("a string takes every text");
    }
    table
}

/// A picture beside the report; gives the line that shows it.
pub fn picture(report: &Path, curve: &Curve) -> anyhow::Result<String> {
    let stem = report.file_stem().context("the report's path names no file")?.to_string_lossy().into_owned();
    let folder = report.with_file_name(&stem);
    fs::create_dir_all(&folder).with_context(|| format!("create `{}`", folder.display()))?;
    let file = folder.join(format!("{}.svg", curve.axis));
    fs::write(&file, plot::svg(curve)).with_context(|| format!("write `{}`", file.display()))?;
    Ok(format!("\n![{}]({stem}/{}.svg)\n", curve.axis.title(), curve.axis))
}

/// Puts `content` where `report` has `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, or at its end.
pub fn write(report: &Path, name: &str, content: &str) -> anyhow::Result<()> {
    let before = match fs::read_to_string(report) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("read `{}`", report.display())),
    };
    fs::write(report, replaced(&before, name, content))
        .with_context(|| format!("write `{}`", report.display()))
}

fn replaced(text: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- bench:{name} -->\n"), format!("<!-- /bench:{name} -->\n"));
    let section = format!("{begin}\n{}\n\n{end}", content.trim());
    match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(upto)) if from < upto => {
            format!("{}{section}{}", &text[..from], &text[upto + end.len()..])
        }
        _ if text.is_empty() => section,
        _ => format!("{}\n\n{section}", text.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { cores: 2, sync: Duration::from_micros(100) };

    fn row(clients: usize, targets: &'static [Target]) -> Row {
        Row { workload: Workload::Greet { bytes: 0 }, clients, targets }
    }

    #[test]
    fn a_section_is_replaced_and_the_rest_stays() {
        let first = replaced("# Title\n", "rows", "one\n");
        assert_eq!(first, "# Title\n\n<!-- bench:rows -->\n\none\n\n<!-- /bench:rows -->\n");
        let second = replaced(&format!("{first}\nbehind\n"), "rows", "two");
        assert_eq!(second, "# Title\n\n<!-- bench:rows -->\n\ntwo\n\n<!-- /bench:rows -->\n\nbehind\n");
        assert_eq!(replaced("", "rows", "one").lines().count(), 5);
    }

    #[test]
    fn the_floor_of_one_client_is_a_time_and_of_many_a_rate() {
        let ours = Figures::from([
            ("ops_per_s", 10_000.0),
            ("p50_ms", 0.5),
            ("syncs_per_op", 2.0),
            ("cpu_us_per_op", 40.0),
            ("generator_us_per_op", 10.0),
        ]);
        let one = floor(&row(1, &[]), &ours, MACHINE).expect("it has all figures");
        assert_eq!((one.text.as_str(), one.reached), ("0.250 ms", 0.5));
        // Two cores would do 40,000; 200 µs of syncs for each operation allow 5,000.
        let many = floor(&row(64, &[]), &ours, MACHINE).expect("it has all figures");
        assert_eq!((many.text.as_str(), many.reached), ("5,000/s", 2.0));
        assert_eq!(floor(&row(1, &[]), &Figures::new(), MACHINE), None);
    }

    #[test]
    fn tables_without_lines_are_left_out() {
        let row = Row { workload: Workload::Restart, clients: 0, targets: &[] };
        let figures = Figures::from([("rss_mb", 49.0), ("first_answer_ms", 120.0)]);
        let measured = Measured { row, runs: BTreeMap::from([(Kind::Ours, vec![figures])]) };
        let tables = rows(&[measured], MACHINE);
        assert!(tables.contains("\n| restart | first_answer_ms 120, rss_mb 49.0 |\n"), "{tables}");
        assert_eq!(tables.matches("|---|").count(), 1, "{tables}");
    }

    #[test]
    fn targets_are_compared_with_the_peer_beside_or_with_what_it_was() {
        const TARGETS: &[Target] = &[Target::Times { peer: Kind::PeerStock, times: 12.0, measured: 1_000.0 }];
        let per_s = |value: f64| vec![Figures::from([("ops_per_s", value)])];
        let alone = Measured { row: row(64, TARGETS), runs: BTreeMap::from([(Kind::Ours, per_s(11_000.0))]) };
        assert_eq!(
            targets(&alone),
            "| greet, at 64: ≥ 12 × 1,000/s (peer, stock when it was measured last) | 11,000/s, 11.0 × | **no** |\n"
        );
        let beside = Measured {
            row: row(64, TARGETS),
            runs: BTreeMap::from([(Kind::Ours, per_s(11_000.0)), (Kind::PeerStock, per_s(500.0))]),
        };
        assert!(targets(&beside).ends_with("| 11,000/s, 22.0 × | yes |\n"));
        assert!(peers(&[beside]).contains("| 11,000 | 500 | 22.0 × | – | – |"));
    }

    #[test]
    fn a_language_is_a_line_with_its_figures_or_with_why_there_are_none() {
        let languages = [
            Language {
                name: "rust",
                result: Ok(Figures::from([("greet_reached", 0.254), ("size_mb", 0.1)])),
            },
            Language { name: "go", result: Err("`go` is missing".to_owned()) },
        ];
        let table = super::languages(&languages);
        assert!(table.contains("| rust | 0.100 | 0 | 0 | 0 | 0 | 25 % |"), "{table}");
        assert!(table.ends_with("| go | not measured: `go` is missing |\n"), "{table}");
    }

    #[test]
    fn a_line_for_tools_is_one_object() {
        let figures = Figures::from([("p50_ms", 0.12345)]);
        let line: Value =
            serde_json::from_str(&line(Kind::Ours, &row(1, &[]), &figures, true)).expect("JSON");
        assert_eq!(line["system"], "relight");
        assert_eq!(line["figures"]["p50_ms"], 0.123);
    }
}
