//! What steps look at, and how it differs from what they expect.

use std::collections::BTreeMap;

use relight_core::{
    InvocationId, Outcome,
    tables::{Invocation, Key, Prefix, ReadTables as _, ReadTablesExt as _, Row},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Result, Session, StepError, parts::object};
use crate::{
    expect::{self, fits},
    limits::REPEATED_BYTES_MAX,
    report::Problem,
    steps::{Effect, Expect, State},
    view,
};

impl Session {
    pub(super) fn expect(&mut self, step: &Expect) -> Result {
        let id = self.invocation(&step.expect)?.id;
        if step.result.is_some() || step.failure.is_some() {
            let got = self.result_of(id)?;
            let checked = outcome(&step.expect, &got, step.result.as_ref(), step.failure.as_ref());
            checked.map_err(|problem| self.explained(*problem, id))?;
        }
        let row = self.world.tables.invocation(id)?;
        let row = row.ok_or_else(|| StepError::failed(format!("`{}` is purged", step.expect)))?;
        self.expect_stage(step, &row)?;
        if let Some(expected) = &step.journal {
            let journal = view::journal(&self.world.tables, &row)?;
            if let Err(parted) = expect::journal(expected, &journal) {
                let mut problem =
                    Problem::new(format!("the journal of `{}` differs at entry {}", row.target, parted.at));
                problem.expected = Some(parted.expected.unwrap_or_else(|| "no more entries".to_owned()));
                let got = journal.get(parted.at);
                problem.got = Some(got.map_or_else(
                    || "no more entries".to_owned(),
                    |shown| format!("{}  {}", shown.line, view::shown(&shown.parts)),
                ));
                return Err(self.explained(problem, id));
            }
        }
        if let Some(expected) = &step.logs {
            let got = self.engine.log.of(&id.to_string());
            if let Err(missing) = expect::lines(expected, &got) {
                let mut problem =
                    Problem::new(format!("a line of `{}` is missing, or comes too early", row.target));
                problem.expected = Some(missing.to_owned());
                problem.details = got;
                return Err(problem.into());
            }
        }
        self.found(id)
    }

    fn expect_stage(&self, step: &Expect, row: &Invocation) -> Result<()> {
        let stage = view::stage(&self.world.tables, row)?;
        let status = row.status.name();
        let other_status = step.status.as_ref().filter(|expected| expected.as_str() != status);
        let other_reason = step.reason.as_ref().filter(|expected| !stage.contains(expected.as_str()));
        let (what, expected) = match (other_status, other_reason) {
            (Some(expected), _) => ("status", expected),
            (None, Some(expected)) => ("reason", expected),
            (None, None) => return Ok(()),
        };
        let mut problem = Problem::new(format!("the {what} of `{}` is another", row.target));
        problem.expected = Some(expected.clone());
        problem.got = Some(stage);
        Err(self.explained(problem, row.id))
    }

    pub(super) fn state(&mut self, step: &State) -> Result {
        let object = object(&step.state)?;
        let mut state = serde_json::Map::new();
        for (key, row) in self.world.tables.scan(&Prefix::State(object), None, usize::MAX)? {
            if let (Key::State(_, name), Row::State(value)) = (key, row) {
                state.insert(name.to_string(), view::payload(&value));
            }
        }
        let state = Value::Object(state);
        if let Some(expected) = step.is.as_ref().filter(|expected| !fits(expected, &state)) {
            let mut problem = Problem::new(format!("the state of `{}` is another", step.state));
            problem.expected = Some(view::shown(expected));
            problem.got = Some(view::shown(&state));
            return Err(problem.into());
        }
        Ok(json!({"state": state}))
    }

    pub(super) fn effect(&mut self, step: &Effect) -> Result {
        let inputs = self.world.outside.asked(&step.effect);
        let mut problem = Problem::new(format!("effect `{}` was asked for in another way", step.effect));
        if let Some(count) = step.count.filter(|count| *count != inputs.len()) {
            problem.expected = Some(format!("{count} attempts"));
            problem.got = Some(format!("{} attempts", inputs.len()));
            problem.details = inputs.iter().map(view::shown).collect();
            return Err(problem.into());
        }
        if let Some(expected) = &step.inputs {
            let (expected, got) = (json!(expected), json!(inputs));
            if !fits(&expected, &got) {
                problem.expected = Some(view::shown(&expected));
                problem.got = Some(view::shown(&got));
                return Err(problem.into());
            }
        }
        Ok(json!({"count": inputs.len(), "inputs": inputs}))
    }

    /// What there is to know about an invocation.
    pub(super) fn found(&self, id: InvocationId) -> Result {
        let mut found = json!({"invocation": id.to_string()});
        match self.world.results.get(&id) {
            Some(Ok(bytes)) => found["result"] = view::payload(bytes),
            Some(Err(failed)) => found["failure"] = view::failure(failed),
            None => {}
        }
        if let Some(row) = self.world.tables.invocation(id)? {
            found["target"] = json!(row.target.to_string());
            found["status"] = json!(row.status.name());
            found["stage"] = json!(view::stage(&self.world.tables, &row)?);
            let journal = view::journal(&self.world.tables, &row)?;
            found["journal"] = journal.into_iter().map(|shown| shown.parts).collect();
            found["logs"] = json!(self.engine.log.of(&id.to_string()));
        }
        Ok(found)
    }

    /// Adds stage, journal and log lines of an invocation.
    pub(super) fn explained(&self, mut problem: Problem, id: InvocationId) -> StepError {
        let explain = |problem: &mut Problem| -> Result<()> {
            let Some(row) = self.world.tables.invocation(id)? else { return Ok(()) };
            problem.details.push(format!("{} is {}", row.target, view::stage(&self.world.tables, &row)?));
            if let Some(failure) = &row.last_failure {
                problem.details.push(format!("its last failure: {}", failure.message));
            }
            for (index, shown) in view::journal(&self.world.tables, &row)?.iter().enumerate() {
                problem.details.push(format!("  {index:>3}  {}", shown.line));
            }
            let lines = self.engine.log.of(&id.to_string());
            problem.details.extend(lines.into_iter().map(|line| format!("  log  {line}")));
            Ok(())
        };
        match explain(&mut problem) {
            Ok(()) => problem.into(),
            Err(error) => error,
        }
    }
}

/// A result as a value that later steps can name.
pub(super) fn value(outcome: &Outcome) -> Value {
    match outcome {
        Ok(bytes) => view::payload(bytes),
        Err(failed) => view::failure(failed),
    }
}

/// Compares a result with what is expected of it; without expectations it must be no failure.
pub(super) fn outcome(
    what: &str,
    got: &Outcome,
    result: Option<&Value>,
    failure: Option<&Value>,
) -> std::result::Result<(), Box<Problem>> {
    let as_expected = match (got, result, failure) {
        (Ok(bytes), Some(expected), _) => fits(expected, &view::payload(bytes)),
        (Err(failed), _, Some(expected)) => fits(expected, &view::failure(failed)),
        (got, None, None) => got.is_ok(),
        _ => false,
    };
    if as_expected {
        return Ok(());
    }
    let mut problem = Problem::new(format!("the result of `{what}` is another"));
    problem.expected = Some(match (result, failure) {
        (Some(result), Some(failure)) => {
            format!("{} or failure {}", view::shown(result), view::shown(failure))
        }
        (Some(expected), None) => view::shown(expected),
        (None, Some(expected)) => format!("failure {}", view::shown(expected)),
        (None, None) => "no failure".to_owned(),
    });
    problem.got = Some(match got {
        Ok(bytes) => view::shown(&view::payload(bytes)),
        Err(failed) => format!("failure {}", view::shown(&view::failure(failed))),
    });
    Err(Box::new(problem))
}

/// Puts saved results and ids where a step names them: `${name}` in a text, or a text that is nothing else. Writes out
/// long texts that a step has only described.
pub(super) fn substitute(
    value: &Value,
    names: &BTreeMap<String, InvocationId>,
    saved: &BTreeMap<String, Value>,
) -> std::result::Result<Value, String> {
    let inner = |value: &Value| substitute(value, names, saved);
    Ok(match value {
        Value::Array(items) => Value::Array(items.iter().map(inner).collect::<std::result::Result<_, _>>()?),
        Value::Object(fields) if fields.contains_key(REPEAT) => repeated(value)?,
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((name.clone(), inner(value)?)));
            Value::Object(fields.collect::<std::result::Result<_, String>>()?)
        }
        Value::String(text) => text_with(text, names, saved)?,
        other => other.clone(),
    })
}

/// `name.field.0`: a part of what was saved as `name`.
fn part<'a>(path: &str, saved: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    let (name, rest) = path.split_once('.')?;
    rest.split('.').try_fold(saved.get(name)?, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    })
}

/// `{"$repeat": "text", "times": 3}`: a text that is too long to be written down.
fn repeated(value: &Value) -> std::result::Result<Value, String> {
    let Repeat { text, times } = Repeat::deserialize(value)
        .map_err(|error| format!("a long text is `{{ {REPEAT} = \"text\", times = 3 }}`: {error}"))?;
    match text.len().checked_mul(times).filter(|bytes| *bytes <= REPEATED_BYTES_MAX) {
        Some(_) => Ok(Value::String(text.repeat(times))),
        None => Err(format!("`{REPEAT}`: the text is longer than {REPEATED_BYTES_MAX} bytes")),
    }
}

const REPEAT: &str = "$repeat";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    #[serde(rename = "$repeat")]
    text: String,
    times: usize,
}

fn text_with(
    text: &str,
    names: &BTreeMap<String, InvocationId>,
    saved: &BTreeMap<String, Value>,
) -> std::result::Result<Value, String> {
    let find = |name: &str| {
        match (saved.get(name), names.get(name)) {
        (Some(value), _) => Ok(value.clone()),
        (None, Some(id)) => Ok(json!(id.to_string())),
        (None, None) => part(name, saved).cloned().ok_or_else(|| {
            format!("`${{{name}}}`: no step before has this name as `save` or `as`, or what it saved has no such part")
        }),
    }
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            return Err(format!("`{text}` has a `${{` that does not end"));
        };
        let value = find(name)?;
        if before.is_empty() && behind.is_empty() && out.is_empty() {
            return Ok(value);
        }
        out.push_str(before);
        match value {
            Value::String(value) => out.push_str(&value),
            other => out.push_str(&other.to_string()),
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(Value::String(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_values_stand_where_they_are_named() {
        let saved = BTreeMap::from([("a".to_owned(), json!({"n": 1})), ("b".to_owned(), json!("x"))]);
        let step = json!({"resolve": "${b}", "value": ["${a}", "<${b}> ${a}", 2]});
        let expected = json!({"resolve": "x", "value": [{"n": 1}, "<x> {\"n\":1}", 2]});
        assert_eq!(substitute(&step, &BTreeMap::new(), &saved), Ok(expected));
        let saved = BTreeMap::from([("a".to_owned(), json!({"n": [1, {"m": "x"}]}))]);
        let step = json!(["${a.n.0}", "${a.n.1.m}y"]);
        assert_eq!(substitute(&step, &BTreeMap::new(), &saved), Ok(json!([1, "xy"])));
        for text in ["${c}", "${a", "${a.m}", "${a.n.2}", "${a.n.m}"] {
            substitute(&json!(text), &BTreeMap::new(), &saved).expect_err(text);
        }
    }

    #[test]
    fn long_texts_are_written_out() {
        let written = |value| substitute(&value, &BTreeMap::new(), &BTreeMap::new());
        let body = json!({"text": {"$repeat": "äb", "times": 3}});
        assert_eq!(written(body), Ok(json!({"text": "äbäbäb"})));
        for (value, part) in [
            (json!({"$repeat": "x"}), "times"),
            (json!({"$repeat": "x", "times": 1, "more": 1}), "more"),
            (json!({"$repeat": "xx", "times": REPEATED_BYTES_MAX}), "longer than"),
        ] {
            let error = written(value).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
