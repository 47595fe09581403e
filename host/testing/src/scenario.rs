//! [`Scenario`]: a file, in TOML or JSON, read and checked. What its steps may say is in `steps.rs`.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use relight_core::{DurationMs, Failure, Timestamp, command::EffectError};
use relight_http::time::{parse_duration, parse_instant};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    limits::{MEMORY_BYTES_DEFAULT, SCENARIO_BYTES_MAX},
    outside::Reply,
};

/// When a scenario begins unless it says otherwise.
const START: &str = "2026-01-01T00:00:00Z";

/// A component and how it is deployed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Component {
    pub bytes: Bytes,
    /// `host` or `host:port` that effects and runs may reach.
    pub allow_http: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub memory_bytes_max: u64,
}

impl Component {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let (allow_http, env) = (Vec::new(), BTreeMap::new());
        Self { bytes: bytes.into(), allow_http, env, memory_bytes_max: MEMORY_BYTES_DEFAULT }
    }
}

/// A file of steps.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub file: PathBuf,
    pub name: Option<String>,
    pub settings: Settings,
    pub steps: Vec<Value>,
}

/// What holds for all steps.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// RFC 3339.
    pub start: Option<String>,
    pub time: Time,
    /// How long a waiting handler keeps its instance; not at all unless it is said.
    pub suspend_after: Option<String>,
    /// Besides those of the project.
    pub allow_http: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Answers to effects by name.
    pub effects: BTreeMap<String, Vec<Value>>,
    /// Further components, by path from the scenario's folder.
    pub deploy: Vec<PathBuf>,
}

/// Whether the clock moves by itself while a step waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    #[default]
    Auto,
    Manual,
}

/// A file that is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("is larger than {SCENARIO_BYTES_MAX} bytes")]
    TooLarge,
    #[error("is neither a .toml nor a .json file")]
    Kind,
    #[error("is not valid TOML: {0}")]
    Toml(#[source] toml::de::Error),
    #[error("is not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error("{0}")]
    Content(String),
}

impl Scenario {
    pub fn read(file: &Path) -> Result<Self, ScenarioError> {
        let size = fs::metadata(file).map_err(ScenarioError::Read)?.len();
        if SCENARIO_BYTES_MAX < size {
            return Err(ScenarioError::TooLarge);
        }
        let text = fs::read_to_string(file).map_err(ScenarioError::Read)?;
        let value = match file.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => toml::from_str(&text).map_err(ScenarioError::Toml)?,
            Some("json") => serde_json::from_str(&text).map_err(ScenarioError::Json)?,
            _ => return Err(ScenarioError::Kind),
        };
        Self::parse(file, value).map_err(ScenarioError::Content)
    }

    fn parse(file: &Path, value: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = value else { return Err("a scenario is a table".to_owned()) };
        let name = match fields.remove("name") {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(other) => return Err(format!("`name` is a text, not {other}")),
        };
        let steps = match fields.remove("step") {
            Some(Value::Array(steps)) if !steps.is_empty() => steps,
            _ => {
                return Err(
                    "it has no steps: write each as `[[step]]`, or `\"step\": […]` in JSON".to_owned()
                );
            }
        };
        let settings = Settings::parse(Value::Object(fields))?;
        Ok(Self { file: file.to_owned(), name, settings, steps })
    }

    /// The scenarios in a folder, or the one file, in order.
    pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
        if !fs::metadata(path)?.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "toml" || extension == "json") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

impl Settings {
    pub fn parse(value: Value) -> Result<Self, String> {
        let settings: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        settings.start()?;
        settings.linger()?;
        settings.replies()?;
        Ok(settings)
    }

    pub(crate) fn start(&self) -> Result<Timestamp, String> {
        let text = self.start.as_deref().unwrap_or(START);
        let instant = parse_instant(text)
            .ok_or_else(|| format!("`start`: `{text}` is not an instant such as `{START}`"))?;
        Ok(Timestamp(instant))
    }

    pub(crate) fn linger(&self) -> Result<DurationMs, String> {
        self.suspend_after.as_deref().map_or(Ok(DurationMs::ZERO), |text| duration("suspend-after", text))
    }

    pub(crate) fn replies(&self) -> Result<BTreeMap<String, Vec<Reply>>, String> {
        let replies = self.effects.iter().map(|(name, list)| Ok((name.clone(), replies(name, list)?)));
        replies.collect()
    }
}

/// A duration as people write it.
pub(crate) fn duration(field: &str, text: &str) -> Result<DurationMs, String> {
    let duration = parse_duration(text).map_err(|error| format!("`{field}`: {error}"))?;
    Ok(DurationMs(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

/// A terminal failure as a scenario writes it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct FailureDef {
    #[serde(default = "internal")]
    code: u16,
    message: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

fn internal() -> u16 {
    500
}

impl From<FailureDef> for Failure {
    fn from(def: FailureDef) -> Self {
        Self { code: def.code, message: def.message, metadata: def.metadata.into_iter().collect() }
    }
}

/// One answer of an effect: `ok`, `error` (it may be retried) or `failure` (it may not); none of them is `ok` with
/// `null`, which TOML cannot write.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ReplyDef {
    #[serde(default, deserialize_with = "present")]
    ok: Option<Value>,
    error: Option<String>,
    failure: Option<FailureDef>,
    /// Of an `error`: the least time to the next attempt.
    retry_after: Option<String>,
    #[serde(default, deserialize_with = "present")]
    when: Option<Value>,
    after: Option<String>,
}

/// Tells `null` from nothing.
pub(crate) fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Answers of one effect, in order.
pub(crate) fn replies(name: &str, list: &[Value]) -> Result<Vec<Reply>, String> {
    if list.is_empty() {
        return Err(format!("effect `{name}` has no answers: write `[{{ ok = … }}]`"));
    }
    list.iter()
        .map(|value| reply(value).map_err(|error| format!("answer of effect `{name}`: {error}")))
        .collect()
}

fn reply(value: &Value) -> Result<Reply, String> {
    let def: ReplyDef = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    let retry_after = def.retry_after.as_deref().map(|text| duration("retry-after", text)).transpose()?;
    let end = match (def.ok, def.error, def.failure) {
        (Some(ok), None, None) => Ok(Ok(Bytes::from(ok.to_string()))),
        (None, None, None) => Ok(Ok(Bytes::from_static(b"null"))),
        (None, Some(message), None) => Err(EffectError { message, retry_after }),
        (None, None, Some(failure)) => Ok(Err(failure.into())),
        _ => return Err(format!("{} has more than one of `ok`, `error` and `failure`", json!(value))),
    };
    if retry_after.is_some() && end.is_ok() {
        return Err("`retry-after` belongs to `error`".to_owned());
    }
    let after = def.after.as_deref().map_or(Ok(DurationMs::ZERO), |text| duration("after", text))?;
    Ok(Reply { when: def.when, after, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Scenario, String> {
        Scenario::parse(Path::new("x.toml"), toml::from_str(text).expect("valid TOML"))
    }

    #[test]
    fn a_scenario_has_settings_and_steps() {
        let scenario = parse(
            "name = \"n\"\nstart = \"2030-01-01T00:00:00Z\"\ntime = \"manual\"\nsuspend-after = \"20ms\"\n\
             [effects]\ncharge = [{ error = \"no\", retry-after = \"1s\" }, { ok = 7, after = \"2s\" }]\n\
             [[step]]\nskip = \"1s\"\n",
        )
        .expect("it is right");
        assert_eq!((scenario.name.as_deref(), scenario.steps.len()), (Some("n"), 1));
        assert_eq!(scenario.settings.time, Time::Manual);
        assert_eq!(scenario.settings.linger(), Ok(DurationMs(20)));
        let replies = scenario.settings.replies().expect("they are right");
        assert_eq!(replies["charge"][1].end, Ok(Ok(Bytes::from_static(b"7"))));
        assert_eq!(replies["charge"][1].after, DurationMs(2000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let step = "[[step]]\nskip = \"1s\"\n";
        for (text, part) in [
            (String::new(), "no steps"),
            (format!("stert = \"x\"\n{step}"), "stert"),
            (format!("start = \"x\"\n{step}"), "`x` is not an instant"),
            (format!("time = \"fast\"\n{step}"), "fast"),
            (format!("suspend-after = \"soon\"\n{step}"), "`soon`"),
            (format!("effects = {{ c = [] }}\n{step}"), "effect `c` has no answers"),
            (format!("effects = {{ c = [{{ ok = 1, error = \"x\" }}] }}\n{step}"), "more than one of"),
            (format!("effects = {{ c = [{{ oki = 1 }}] }}\n{step}"), "oki"),
            (
                format!("effects = {{ c = [{{ ok = 1, retry-after = \"1s\" }}] }}\n{step}"),
                "belongs to `error`",
            ),
        ] {
            let error = parse(&text).expect_err(&text);
            assert!(error.contains(part), "{error}");
        }
    }
}
