//! Rule about tables that say which tests guard what: every row names tests that exist.

use std::collections::BTreeSet;

use super::Violation;

/// Files with such a table, and the section that has it. The last column names the tests.
pub const TABLES: [(&str, &str); 2] =
    [("README.md", "## Guarantees"), ("host/server/tests/black_box/limits.rs", "## Limits")];

/// `sources`: text of all Rust files.
pub fn check<'a>(
    (place, section): (&str, &str),
    text: &str,
    sources: impl Iterator<Item = &'a str>,
) -> Vec<Violation> {
    let functions: BTreeSet<&str> = sources.flat_map(functions).collect();
    let mut found = Vec::new();
    let mut inside = false;
    let mut rows = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.strip_prefix("//! ").unwrap_or(line);
        if line.starts_with("## ") {
            inside = line == section;
        }
        let row = inside && line.starts_with('|') && !line.starts_with("|---");
        if !row || line.ends_with("| Tests |") {
            continue;
        }
        rows += 1;
        let tests = names(line);
        let mut report =
            |message| found.push(Violation { place: place.to_owned(), line: Some(index + 1), message });
        if tests.is_empty() {
            report("a row that names no test".to_owned());
        }
        for test in tests {
            if !functions.contains(test) {
                report(format!("there is no test `{test}`"));
            }
        }
    }
    if rows == 0 {
        let message = format!("there is no table below `{section}`");
        found.push(Violation { place: place.to_owned(), line: None, message });
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
        let text = format!("{HEAD}{row}\n\n## Limits\n\n| `x` |\n");
        for text in [text.clone(), text.lines().map(|line| format!("//! {line}\n")).collect()] {
            let found = check(TABLES[0], &text, sources.into_iter());
            let messages: Vec<_> = found.into_iter().map(|violation| violation.message).collect();
            assert_eq!(messages, expected);
        }
    }

    #[test]
    fn a_table_that_is_gone_is_reported() {
        let found = check(TABLES[0], "# X\n", [].into_iter());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "there is no table below `## Guarantees`");
    }

    #[test]
    fn named_tests_exist() {
        check_row("| It holds | `it_holds`, `other` |", &[]);
        check_row("| It holds | `it_holds`, `it_helds` |", &["there is no test `it_helds`"]);
    }

    #[test]
    fn a_guarantee_without_a_test_is_none() {
        check_row("| `Something` holds | |", &["a row that names no test"]);
    }
}
