//! Data on stdout: tables for people, `-o json|jsonl|yaml|name` for programs. No colour anywhere.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use crate::error::{Error, Exit, Result};

/// Form of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    /// One document.
    Json,
    /// One document a line.
    Jsonl,
    Yaml,
    /// Ids and names only, one a line.
    Name,
}

/// Columns of a table: title and how to read a cell of a row.
pub type Columns<'a> = &'a [(&'a str, &'a dyn Fn(&Value) -> String)];

/// Prints a list; `id` is the field that `-o name` prints.
pub fn list(format: Format, rows: &[Value], id: &str, columns: Columns<'_>) -> Result {
    let text = match format {
        Format::Table => {
            let titles: Vec<String> = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
            let cells: Vec<Vec<String>> =
                rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(row)).collect()).collect();
            table(&titles, &cells)
        }
        Format::Json => pretty(&Value::Array(rows.to_vec())),
        Format::Jsonl => rows.iter().map(|row| format!("{row}\n")).collect(),
        Format::Yaml => yaml(&Value::Array(rows.to_vec())),
        Format::Name => rows.iter().map(|row| format!("{}\n", text(row, id))).collect(),
    };
    print(&text)
}

/// Prints one thing; a table is made by `table`.
pub fn one(format: Format, value: &Value, id: &str, table: impl FnOnce(&Value) -> String) -> Result {
    print(&match format {
        Format::Table => table(value),
        Format::Json => pretty(value),
        Format::Jsonl => format!("{value}\n"),
        Format::Yaml => yaml(value),
        Format::Name => format!("{}\n", text(value, id)),
    })
}

/// Writes to stdout. A reader that went away (`| head`) is no failure.
pub fn print(text: &str) -> Result {
    print_bytes(text.as_bytes())
}

pub fn print_bytes(bytes: &[u8]) -> Result {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(Exit::Failed, "failed to write to stdout").because(&error))
        }
        _ => Ok(()),
    }
}

/// Progress and prose, on stderr.
#[expect(clippy::print_stderr, reason = "the one place where commands talk to the person at the terminal")]
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// A field as text: strings without quotes, nothing for what is missing.
pub fn text(row: &Value, field: &str) -> String {
    match row.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Left-aligned columns, two spaces between them; nothing but titles when there are no rows.
pub fn table(titles: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([titles[column].chars().count()])
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let mut out = String::new();
    for row in [titles].into_iter().chain(rows.iter().map(Vec::as_slice)) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// `name  value` lines, aligned; fields without a value are left out.
pub fn fields(pairs: &[(&str, String)]) -> String {
    let shown: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    shown.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// `1.4 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    value /= 1024.0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Block style; scalars as JSON, which is YAML too.
fn yaml(value: &Value) -> String {
    let mut out = String::new();
    yaml_value(value, 0, &mut out);
    out
}

fn yaml_value(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                yaml_value(item, indent + 2, &mut inner);
                out.push_str(&format!("{pad}- {}", inner.trim_start()));
            }
        }
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                let key = Value::from(key.as_str());
                match item {
                    Value::Array(items) if !items.is_empty() => {
                        out.push_str(&format!("{pad}{key}:\n"));
                        yaml_value(item, indent + 2, out);
                    }
                    Value::Object(map) if !map.is_empty() => {
                        out.push_str(&format!("{pad}{key}:\n"));
                        yaml_value(item, indent + 2, out);
                    }
                    scalar => out.push_str(&format!("{pad}{key}: {scalar}\n")),
                }
            }
        }
        scalar => out.push_str(&format!("{pad}{scalar}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_spaces() {
        let titles = ["ID".to_owned(), "NAME".to_owned()];
        let rows = [vec!["1".to_owned(), "a".to_owned()], vec!["1000".to_owned(), String::new()]];
        assert_eq!(table(&titles, &rows), "ID    NAME\n1     a\n1000\n");
        assert_eq!(table(&titles, &[]), "ID  NAME\n");
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        assert_eq!(fields(&[("id", "x".to_owned()), ("key", String::new())]), "id  x\n");
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(64 << 20), "64.0 MiB");
    }

    #[test]
    fn yaml_nests() {
        let value = json!([{"a": 1, "b": {"c": ["x", "y"]}, "d": []}, 2]);
        assert_eq!(
            yaml(&value),
            "- \"a\": 1\n  \"b\":\n    \"c\":\n      - \"x\"\n      - \"y\"\n  \"d\": []\n- 2\n"
        );
    }
}
