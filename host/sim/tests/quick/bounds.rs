//! Recorded bounds: what an invocation may cost, in a committed file, and the comparison with what was counted.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::PathBuf};

use crate::count::{ALLOCATIONS, FIGURES};

/// Where the bounds are, from the root of the repository.
const PATH: &str = "host/sim/tests/quick/bounds.txt";
/// Set by `cargo xtask bench --quick --record`.
const RECORD_VARIABLE: &str = "RELIGHT_RECORD_BOUNDS";
/// Libraries allocate a little more or less from release to release.
const ALLOCATIONS_SLACK_PERCENT: u64 = 3;

pub const REMEDY: &str = "If the change is worth it, record the new counts and say in the commit message why:\n\
                          \n    cargo xtask bench --quick --record\n";

const HEAD: &str = "\
# What one invocation may cost: workload, how many at once, figure, bound for each invocation.
# Compared by `cargo xtask bench --quick`, written by `cargo xtask bench --quick --record`.
";

/// What one workload has cost, in thousandths for each invocation.
pub struct Counted {
    pub workload: &'static str,
    pub at_once: u64,
    pub thousandths: [u64; FIGURES.len()],
}

/// Bounds in thousandths, by workload, how many at once, and figure.
pub struct Bounds(BTreeMap<(String, u64, String), u64>);

pub fn recording() -> bool {
    env::var_os(RECORD_VARIABLE).is_some()
}

impl Bounds {
    pub fn of(counted: &[Counted]) -> Self {
        let bounds = counted.iter().flat_map(|counted| {
            FIGURES.iter().zip(counted.thousandths).map(|(figure, count)| {
                let slack = if *figure == ALLOCATIONS { count * ALLOCATIONS_SLACK_PERCENT / 100 } else { 0 };
                ((counted.workload.to_owned(), counted.at_once, (*figure).to_owned()), count + slack)
            })
        });
        Self(bounds.collect())
    }

    pub fn read() -> Self {
        let text = fs::read_to_string(file()).expect("bounds are recorded");
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|line| bound(line).unwrap_or_else(|| panic!("not a bound: {line}"))).collect())
    }

    pub fn write(&self) {
        fs::write(file(), self.text()).expect("the file of the bounds can be written");
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for ((workload, at_once, figure), bound) in &self.0 {
            writeln!(text, "{workload:<9} {at_once:>3}  {figure:<15} {:>10}", decimal(*bound))
                .expect("a string takes every text");
        }
        text
    }

    /// A line for each count that is over its bound, or that has none.
    pub fn broken_by(&self, counted: &[Counted]) -> Vec<String> {
        let mut broken = Vec::new();
        for Counted { workload, at_once, thousandths } in counted {
            for (figure, count) in FIGURES.iter().zip(thousandths) {
                let key = ((*workload).to_owned(), *at_once, (*figure).to_owned());
                let count_text = decimal(*count);
                match self.0.get(&key) {
                    Some(bound) if count <= bound => {}
                    Some(bound) => broken.push(format!(
                        "{workload} at {at_once}: {count_text} {figure} for each invocation, over the bound of {} \
                         in {PATH}",
                        decimal(*bound)
                    )),
                    None => broken.push(format!(
                        "{workload} at {at_once}: {count_text} {figure} for each invocation, and {PATH} has no \
                         bound for it"
                    )),
                }
            }
        }
        broken
    }
}

/// For people.
pub fn table(counted: &[Counted]) -> String {
    let mut text = format!("{:<14}", "at once");
    counted.iter().for_each(|counted| {
        write!(text, "{:>14}", format!("{} {}", counted.workload, counted.at_once)).expect("it takes all");
    });
    for (index, figure) in FIGURES.iter().enumerate() {
        write!(text, "\n{figure:<14}").expect("a string takes every text");
        for counted in counted {
            write!(text, "{:>14}", decimal(counted.thousandths[index])).expect("a string takes every text");
        }
    }
    text
}

fn file() -> PathBuf {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.join("tests/quick/bounds.txt")
}

/// `greet 64  log records  2.000`: a figure is one or two words.
fn bound(line: &str) -> Option<((String, u64, String), u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [workload, at_once, figure @ .., bound] = words.as_slice() else { return None };
    let (whole, part) = bound.split_once('.')?;
    let thousandths = whole.parse::<u64>().ok()? * 1000 + part.parse::<u64>().ok()?;
    Some((((*workload).to_owned(), at_once.parse().ok()?, figure.join(" ")), thousandths))
}

fn decimal(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

#[test]
fn bounds_are_read_as_they_were_written() {
    let counted = Counted { workload: "greet", at_once: 64, thousandths: [2_031; FIGURES.len()] };
    let bounds = Bounds::parse(&Bounds::of(&[counted]).text());
    let same = Counted { workload: "greet", at_once: 64, thousandths: [2_031; FIGURES.len()] };
    assert_eq!(bounds.broken_by(&[same]), Vec::<String>::new());
}

#[test]
fn a_count_over_its_bound_names_workload_figure_and_bound() {
    let counted = |thousandths| Counted { workload: "greet", at_once: 1, thousandths };
    let mut counts = [1_000; FIGURES.len()];
    let bounds = Bounds::of(&[counted(counts)]);
    counts[2] = 1_001;
    assert_eq!(
        bounds.broken_by(&[counted(counts)]),
        [format!("greet at 1: 1.001 syncs for each invocation, over the bound of 1.000 in {PATH}")]
    );
    let other = Counted { workload: "other", at_once: 1, thousandths: counts };
    assert_eq!(bounds.broken_by(&[other]).len(), FIGURES.len());
}
