//! Partial matches: what a scenario says of a value, of a journal, of log lines.

use serde_json::Value;

/// Stands for any number of entries in an expected journal.
const ANY_ENTRIES: &str = "...";

/// Whether `got` is as expected: the fields that are named, lists element by element, numbers by value.
///
/// `{"$any": true}` stands for anything, `{"$contains": "text"}` for a string with that in it, `{"$exact": value}` for
/// the very value, `{"$not": value}` for whatever does not fit this one.
pub(crate) fn fits(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(fields), _)
            if fields.len() == 1 && fields.keys().all(|name| name.starts_with('$')) =>
        {
            let (name, inner) = fields.iter().next().expect("it has one field");
            match (name.as_str(), inner, got) {
                ("$any", _, _) => true,
                ("$contains", Value::String(part), Value::String(text)) => text.contains(part.as_str()),
                ("$exact", inner, got) => inner == got,
                ("$not", inner, got) => !fits(inner, got),
                _ => false,
            }
        }
        (Value::Object(fields), Value::Object(got)) => {
            fields.iter().all(|(name, value)| got.get(name).is_some_and(|got| fits(value, got)))
        }
        (Value::Array(items), Value::Array(got)) => {
            items.len() == got.len() && items.iter().zip(got).all(|(item, got)| fits(item, got))
        }
        (Value::Number(number), Value::Number(got)) => {
            number == got || ((number.is_f64() || got.is_f64()) && number.as_f64() == got.as_f64())
        }
        (expected, got) => expected == got,
    }
}

/// An operation of a journal: how people read it, and its parts.
pub(crate) struct Shown {
    pub line: String,
    pub parts: Value,
}

/// Where an expected journal and the real one part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parted {
    /// What was expected there; `None`: the end.
    pub expected: Option<String>,
    /// Index of the operation that is there instead; the journal's length for its end.
    pub at: usize,
}

/// Compares operation by operation. A text stands for an entry whose line is or begins with it, a table for one with
/// these parts, `"..."` for any number of entries.
pub(crate) fn journal(expected: &[Value], got: &[Shown]) -> Result<(), Parted> {
    let (mut next, mut at) = (0, 0);
    // After the last `...`: what comes next, and from where on it is looked for.
    let mut any: Option<(usize, usize)> = None;
    let mut furthest = (0, 0);
    loop {
        match (expected.get(next), got.get(at)) {
            (Some(Value::String(text)), _) if text == ANY_ENTRIES => {
                next += 1;
                any = Some((next, at));
                continue;
            }
            (Some(one), Some(shown)) if entry(one, shown) => {
                (next, at) = (next + 1, at + 1);
                continue;
            }
            (None, None) => return Ok(()),
            _ => furthest = furthest.max((at, next)),
        }
        match any {
            Some((after, from)) if from < got.len() => {
                any = Some((after, from + 1));
                (next, at) = (after, from + 1);
            }
            _ => {
                let (at, next) = furthest;
                return Err(Parted { expected: expected.get(next).map(pattern), at });
            }
        }
    }
}

fn entry(expected: &Value, got: &Shown) -> bool {
    match expected {
        Value::String(text) => {
            got.line.strip_prefix(text.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        }
        table => fits(table, &got.parts),
    }
}

/// An expected entry as text.
pub(crate) fn pattern(expected: &Value) -> String {
    match expected {
        Value::String(text) => text.clone(),
        table => table.to_string(),
    }
}

/// Whether each text is in a line of its own, in order; else the first that is not.
pub(crate) fn lines<'a>(expected: &'a [String], got: &[String]) -> Result<(), &'a str> {
    let mut rest = got.iter();
    for text in expected {
        if !rest.any(|line| line.contains(text.as_str())) {
            return Err(text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn named_fields_count_and_others_do_not() {
        for (expected, got) in [
            (json!({"a": 1}), json!({"a": 1.0, "b": 2})),
            (json!({"a": {"b": [1, {"c": null}]}}), json!({"a": {"b": [1, {"c": null, "d": 1}]}})),
            (json!({"$any": true}), json!(null)),
            (json!({"message": {"$contains": "decl"}}), json!({"message": "declined"})),
            (json!({"$exact": {"a": 1}}), json!({"a": 1})),
            (json!([]), json!([])),
            (json!({"$not": "x"}), json!("y")),
            (json!({"$not": {"$contains": "x"}}), json!("y")),
        ] {
            assert!(fits(&expected, &got), "{expected} {got}");
        }
        for (expected, got) in [
            (json!({"a": 1}), json!({"b": 1})),
            (json!({"a": null}), json!({})),
            (json!([1]), json!([1, 2])),
            (json!(1), json!("1")),
            (json!(1), json!(1.5)),
            (json!({"$contains": "x"}), json!(1)),
            (json!({"$exact": {"a": 1}}), json!({"a": 1, "b": 1})),
            (json!({"$not": "x"}), json!("x")),
            (json!([{"$not": 1}]), json!([1])),
        ] {
            assert!(!fits(&expected, &got), "{expected} {got}");
        }
    }

    fn shown(lines: &[&str]) -> Vec<Shown> {
        lines
            .iter()
            .map(|line| Shown {
                line: (*line).to_owned(),
                parts: json!({"kind": line.split(' ').next(), "value": 7}),
            })
            .collect()
    }

    #[test]
    fn journals_are_matched_entry_by_entry() {
        let got = shown(&["input", "set-state a", "call B/b", "output"]);
        for expected in [
            json!(["input", "set-state", "call B/b", "output"]),
            json!(["input", "...", "output"]),
            json!(["...", {"kind": "call", "value": 7}, "..."]),
            json!(["...", "input", "...", "set-state a", "...", "output", "..."]),
        ] {
            let expected = expected.as_array().expect("a list");
            assert_eq!(journal(expected, &got), Ok(()), "{expected:?}");
        }
    }

    #[test]
    fn the_furthest_difference_is_told() {
        let got = shown(&["input", "set-state a", "call B/b", "output"]);
        for (expected, text, at) in [
            (json!(["input", "set-state", "output"]), Some("output"), 2),
            (json!(["input", "set"]), Some("set"), 1),
            (json!(["input", "set-state", "call"]), None, 3),
            (json!(["...", "effect x", "..."]), Some("effect x"), 4),
            (json!(["input", "set-state", "call", "output", "output"]), Some("output"), 4),
        ] {
            let parted = journal(expected.as_array().expect("a list"), &got).expect_err("it differs");
            assert_eq!(parted, Parted { expected: text.map(str::to_owned), at }, "{expected}");
        }
    }

    #[test]
    fn lines_come_in_order() {
        let got = ["INFO one".to_owned(), "INFO two".to_owned()];
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(lines(&texts(&["one", "two"]), &got), Ok(()));
        assert_eq!(lines(&texts(&["two", "one"]), &got), Err("one"));
    }
}
