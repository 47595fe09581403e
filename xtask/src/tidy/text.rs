//! Rules about the text of one file.

use super::Violation;

/// Longer files hide what they are about.
const FILE_LINES_MAX: usize = 700;
/// Longer functions do not fit a screen.
const FUNCTION_LINES_MAX: usize = 100;

/// Words of unfinished work. Split, so that this file does not break its own rule.
const LEFTOVERS: [&str; 5] = [
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("todo", "!("),
    concat!("unimpl", "emented!("),
    concat!("XX", "X:"),
];
/// Paths of one particular machine.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("../sha", "red/"), concat!("/ho", "me/")];
/// Files that others write.
const GENERATED: [&str; 2] = ["Cargo.lock", "LICENSE"];

pub fn check(path: &str, content: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let name = path.rsplit('/').next().unwrap_or(path);
    if GENERATED.contains(&name) {
        return found;
    }
    let mut report = |line, message: String| found.push(Violation { place: path.to_owned(), line, message });
    for (index, line) in content.lines().enumerate() {
        let number = Some(index + 1);
        if line.ends_with([' ', '\t']) {
            report(number, "trailing whitespace".to_owned());
        }
        if let Some(word) = LEFTOVERS.iter().find(|word| line.contains(**word)) {
            report(number, format!("`{word}`: finish it, or write down elsewhere what is missing and why"));
        }
        if let Some(start) = MACHINE_PATHS.iter().find(|start| line.contains(**start)) {
            report(number, format!("`{start}`: a path of one particular machine"));
        }
    }
    if !content.is_empty() && !content.ends_with('\n') {
        report(None, "the last line does not end".to_owned());
    }
    if path.ends_with(".rs") {
        check_rust(content, &mut report);
    }
    found
}

fn check_rust(content: &str, report: &mut dyn FnMut(Option<usize>, String)) {
    if !content.starts_with("//!") {
        report(Some(1), "no `//!` head: say what lives in this file and what does not".to_owned());
    }
    let lines: Vec<&str> = content.lines().collect();
    if lines.len() > FILE_LINES_MAX {
        report(
            None,
            format!("{} lines, at most {FILE_LINES_MAX}: split it by what it is about", lines.len()),
        );
    }
    for (start, length) in functions(&lines) {
        if length > FUNCTION_LINES_MAX {
            report(Some(start + 1), format!("a function of {length} lines, at most {FUNCTION_LINES_MAX}"));
        }
    }
}

/// Index of the first line and number of lines of every function with a body. Relies on rustfmt: the closing brace of a
/// function stands alone and is indented like its `fn`.
fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        if !is_function(line) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let end = lines[start..].iter().position(|line| *line == closing.as_str());
        let signature = lines[start..].iter().position(|line| line.ends_with(['{', ';', '}']));
        let has_body = signature.is_some_and(|offset| lines[start + offset].ends_with('{'));
        match end {
            Some(offset) if has_body => found.push((start, offset + 1)),
            _ => {}
        }
    }
    found
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    loop {
        match words.next() {
            Some("fn") => return true,
            Some("const" | "async" | "unsafe" | "extern" | "\"C\"") => {}
            Some(word) if word.starts_with("pub") || word.ends_with(')') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_messages(path: &str, content: &str, expected: &[&str]) {
        let messages: Vec<String> = check(path, content).iter().map(ToString::to_string).collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn a_tidy_file_has_no_violation() {
        check_messages("a.rs", "//! Head.\n\nfn f() {}\n", &[]);
    }

    #[test]
    fn head_is_required_of_rust_files_only() {
        check_messages(
            "a.rs",
            "fn f() {}\n",
            &["a.rs:1: no `//!` head: say what lives in this file and what does not"],
        );
        check_messages("a.md", "text\n", &[]);
    }

    #[test]
    fn trailing_whitespace_is_found() {
        check_messages("a.md", "one\ntwo \n", &["a.md:2: trailing whitespace"]);
    }

    #[test]
    fn last_line_ends() {
        check_messages("a.md", "one", &["a.md: the last line does not end"]);
    }

    #[test]
    fn leftovers_are_found() {
        for word in LEFTOVERS {
            assert_eq!(check("a.md", &format!("{word}\n")).len(), 1, "{word}");
        }
    }

    #[test]
    fn machine_paths_are_found() {
        for path in MACHINE_PATHS {
            assert_eq!(check("a.sh", &format!("cat {path}x\n")).len(), 1, "{path}");
        }
    }

    #[test]
    fn long_files_are_found() {
        let lines = |count: usize| format!("//! Head.\n{}", "\n".repeat(count - 1));
        check_messages("a.rs", &lines(FILE_LINES_MAX), &[]);
        check_messages(
            "a.rs",
            &lines(FILE_LINES_MAX + 1),
            &["a.rs: 701 lines, at most 700: split it by what it is about"],
        );
    }

    #[test]
    fn long_functions_are_found() {
        let function = |body: usize| {
            format!(
                "//! Head.\n\nimpl A {{\n    pub async fn f(\n        a: u8,\n    ) {{\n{}    }}\n}}\n",
                "        g();\n".repeat(body)
            )
        };
        check_messages("a.rs", &function(FUNCTION_LINES_MAX - 4), &[]);
        check_messages(
            "a.rs",
            &function(FUNCTION_LINES_MAX - 3),
            &["a.rs:4: a function of 101 lines, at most 100"],
        );
    }

    #[test]
    fn functions_without_a_body_are_no_functions() {
        let lines = ["trait A {", "    fn f(&self);", "    fn g() {}", "    fn h() {", "    }", "}"];
        assert_eq!(functions(&lines), [(3, 2)]);
    }

    #[test]
    fn generated_files_are_left_alone() {
        check_messages("Cargo.lock", "x \n", &[]);
    }
}
