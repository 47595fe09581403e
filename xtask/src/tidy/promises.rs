//! Rule about the README: every guarantee names tests that exist.

use std::collections::BTreeSet;

use super::Violation;

const README: &str = "README.md";
const SECTION: &str = "## Guarantees";

/// `sources`: text of all Rust files.
pub fn check<'a>(readme: &str, sources: impl Iterator<Item = &'a str>) -> Vec<Violation> {
    let functions: BTreeSet<&str> = sources.flat_map(functions).collect();
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in readme.lines().enumerate() {
        if line.starts_with("## ") {
            inside = line == SECTION;
        }
        let row = inside && line.starts_with('|') && !line.starts_with("|---");
        if !row || line.starts_with("| Guarantee ") {
            continue;
        }
        let tests = names(line);
        let mut report =
            |message| found.push(Violation { place: README.to_owned(), line: Some(index + 1), message });
        if tests.is_empty() {
            report("a guarantee that names no test".to_owned());
        }
        for test in tests {
            if !functions.contains(test) {
                report(format!("there is no test `{test}`"));
            }
        }
    }
    found
}

fn functions(source: &str) -> impl Iterator<Item = &str> {
    source
        .split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
}

/// What stands between backticks in the last column.
fn names(row: &str) -> Vec<&str> {
    let column = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    column.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# X\n\n## Guarantees\n\n| Guarantee | Tests |\n|---|---|\n";

    #[track_caller]
    fn check_row(row: &str, expected: &[&str]) {
        let sources = ["async fn it_holds() {", "fn other(a: u8)"];
        let found = check(&format!("{HEAD}{row}\n\n## Limits\n\n| `x` |\n"), sources.into_iter());
        assert_eq!(found.into_iter().map(|violation| violation.message).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn named_tests_exist() {
        check_row("| It holds | `it_holds`, `other` |", &[]);
        check_row("| It holds | `it_holds`, `it_helds` |", &["there is no test `it_helds`"]);
    }

    #[test]
    fn a_guarantee_without_a_test_is_none() {
        check_row("| `Something` holds | |", &["a guarantee that names no test"]);
    }
}
