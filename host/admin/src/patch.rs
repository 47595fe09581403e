//! What an operator sets for a service, read from JSON: each setting is a value, or `null` for "as the component says".

use std::str::FromStr;

use relight_core::{
    DurationMs, ServiceKind,
    retry::{OnExhausted, RetryPolicy},
    schema::{OptionsPatch, Policies},
};
use relight_http::time::parse_duration;
use serde_json::{Map, Value};

use crate::{
    codes::Code,
    error::{Error, Result},
};

const SETTINGS: &str = "public, idempotency_retention, workflow_completion_retention, journal_retention, \
                        inactivity_timeout, abort_timeout and retry_policy";
const RETRY_SETTINGS: &str =
    "initial_interval, factor, max_interval, max_attempts, max_duration and on_exhausted";
/// Far beyond what anybody keeps; so that no instant of a timer overflows.
const DURATION_MAX: DurationMs = DurationMs::hours(100 * 366 * 24);

/// `now`: the policies that hold; a retry policy that names some of its settings keeps the others of them.
pub(crate) fn parse(body: &[u8], kind: ServiceKind, now: &Policies) -> Result<OptionsPatch> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))?;
    let Value::Object(settings) = value else {
        return Err(bad("the body is not a JSON object of settings").hint(format!("known are {SETTINGS}")));
    };
    if settings.is_empty() {
        return Err(bad("the body names no setting").hint(format!("known are {SETTINGS}")));
    }
    let mut patch = OptionsPatch::default();
    for (name, value) in &settings {
        match name.as_str() {
            "public" => patch.public = Some(optional(value, |value| boolean(name, value))?),
            "idempotency_retention" | "workflow_completion_retention" => {
                if name.starts_with("workflow") && kind != ServiceKind::Workflow {
                    return Err(bad(format!("`{name}` is a setting of workflows, and this is a {kind}")));
                }
                let retention = Some(optional(value, |value| duration(name, value))?);
                if patch.idempotency_retention.is_some_and(|other| Some(other) != retention) {
                    return Err(bad(
                        "of a workflow `idempotency_retention` and `workflow_completion_retention` are the same, but \
                         here they differ",
                    ));
                }
                patch.idempotency_retention = retention;
            }
            "journal_retention" => {
                patch.journal_retention = Some(optional(value, |value| duration(name, value))?)
            }
            "inactivity_timeout" => {
                patch.inactivity_timeout = Some(optional(value, |value| duration(name, value))?)
            }
            "abort_timeout" => {
                let timeout = optional(value, |value| duration(name, value))?;
                if timeout == Some(DurationMs::ZERO) {
                    return Err(bad("`abort_timeout` is zero: no attempt could run"));
                }
                patch.abort_timeout = Some(timeout);
            }
            "retry_policy" => patch.retry = Some(optional(value, |value| retry_policy(value, now.retry))?),
            _ => {
                return Err(bad(format!("unknown setting `{name}`")).hint(format!("known are {SETTINGS}")));
            }
        }
    }
    Ok(patch)
}

fn retry_policy(value: &Value, now: RetryPolicy) -> Result<RetryPolicy> {
    let Value::Object(settings) = value else {
        return Err(bad(format!("`retry_policy` is `{value}`, which is no object of settings"))
            .hint(format!("known are {RETRY_SETTINGS}")));
    };
    let policy = retry_settings(settings, now)?;
    policy.check().map_err(|problem| bad(format!("`retry_policy` does not make sense: {problem}")))?;
    Ok(policy)
}

fn retry_settings(settings: &Map<String, Value>, now: RetryPolicy) -> Result<RetryPolicy> {
    let mut policy = now;
    for (setting, value) in settings {
        let name = format!("retry_policy.{setting}");
        match setting.as_str() {
            "initial_interval" => policy.initial_interval = duration(&name, value)?,
            "max_interval" => policy.max_interval = duration(&name, value)?,
            "max_duration" => policy.max_duration = optional(value, |value| duration(&name, value))?,
            "factor" => {
                let factor = value.as_f64().filter(|factor| (0.0..1e6).contains(factor));
                let factor = factor.ok_or_else(|| wrong(&name, value, "a number from 1 on, such as 2.0"))?;
                // Below 10^9, as checked above; what makes no sense of it is refused with the whole policy.
                policy.factor_milli = (factor * 1000.0).round() as u32;
            }
            "factor_milli" => policy.factor_milli = number(&name, value)?,
            "max_attempts" => policy.max_attempts = optional(value, |value| number(&name, value))?,
            "on_exhausted" => {
                policy.on_exhausted = match value.as_str().map(str::to_ascii_lowercase).as_deref() {
                    Some("fail" | "kill") => OnExhausted::Fail,
                    Some("pause") => OnExhausted::Pause,
                    _ => return Err(wrong(&name, value, "`Fail` or `Pause`")),
                }
            }
            _ => {
                let hint = format!("known are {RETRY_SETTINGS}");
                return Err(bad(format!("unknown setting `{name}`")).hint(hint));
            }
        }
    }
    Ok(policy)
}

fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Result<T>) -> Result<Option<T>> {
    if value.is_null() { Ok(None) } else { read(value).map(Some) }
}

fn boolean(name: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong(name, value, "true or false"))
}

fn number(name: &str, value: &Value) -> Result<u32> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| wrong(name, value, "a whole number"))
}

fn duration(name: &str, value: &Value) -> Result<DurationMs> {
    const EXPECTED: &str = "a duration such as \"10s\", \"1 day\" or \"PT1H\"";
    let text = value.as_str().ok_or_else(|| wrong(name, value, EXPECTED))?;
    let parsed = match u64::from_str(text) {
        Ok(0) => Some(DurationMs::ZERO),
        _ => parse_duration(text)
            .ok()
            .and_then(|duration| u64::try_from(duration.as_millis()).ok())
            .map(DurationMs),
    };
    match parsed {
        Some(duration) if duration <= DURATION_MAX => Ok(duration),
        Some(_) => Err(wrong(name, value, "at most 100 years")),
        None => Err(wrong(name, value, EXPECTED)),
    }
}

fn wrong(name: &str, value: &Value, expected: &str) -> Error {
    bad(format!("`{name}` is `{value}`, which is not {expected}"))
}

fn bad(message: impl Into<String>) -> Error {
    Error::bad(Code::BadServiceConfiguration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ServiceKind, body: &str) -> Result<OptionsPatch> {
        parse(body.as_bytes(), kind, &Policies::DEFAULT)
    }

    #[test]
    fn each_setting_is_set_or_left_open() {
        let body = r#"{"public": false, "journal_retention": "1h", "idempotency_retention": "P2D",
            "inactivity_timeout": null, "abort_timeout": "30s", "retry_policy": {"max_attempts": 3, "factor": 1.5}}"#;
        let patch = read(ServiceKind::Service, body).expect("valid");
        assert_eq!(patch.public, Some(Some(false)));
        assert_eq!(patch.journal_retention, Some(Some(DurationMs::hours(1))));
        assert_eq!(patch.idempotency_retention, Some(Some(DurationMs::hours(48))));
        assert_eq!(patch.inactivity_timeout, Some(None));
        assert_eq!(patch.abort_timeout, Some(Some(DurationMs::seconds(30))));
        let retry = RetryPolicy { max_attempts: Some(3), factor_milli: 1500, ..RetryPolicy::HANDLER };
        assert_eq!(patch.retry, Some(Some(retry)));
        let patch = read(ServiceKind::Workflow, r#"{"workflow_completion_retention": "0"}"#).expect("valid");
        assert_eq!(patch.idempotency_retention, Some(Some(DurationMs::ZERO)));
        assert_eq!(patch.public, None);
        let endless = r#"{"retry_policy": {"max_attempts": null, "on_exhausted": "Fail"}}"#;
        let policy = read(ServiceKind::Service, endless).expect("valid").retry.flatten().expect("a policy");
        assert_eq!((policy.max_attempts, policy.on_exhausted), (None, OnExhausted::Fail));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, words) in [
            ("", "not JSON"),
            ("[]", "not a JSON object"),
            ("{}", "names no setting"),
            (r#"{"publik": true}"#, "unknown setting `publik`"),
            (r#"{"public": "no"}"#, "`public` is `\"no\"`, which is not true or false"),
            (r#"{"journal_retention": 5}"#, "`journal_retention` is `5`, which is not a duration"),
            (r#"{"journal_retention": "soon"}"#, "which is not a duration"),
            (r#"{"journal_retention": "40000 days"}"#, "at most 100 years"),
            (r#"{"abort_timeout": "0"}"#, "no attempt could run"),
            (r#"{"workflow_completion_retention": "1h"}"#, "a setting of workflows, and this is a service"),
            (r#"{"retry_policy": 3}"#, "no object of settings"),
            (r#"{"retry_policy": {"attempts": 3}}"#, "unknown setting `retry_policy.attempts`"),
            (r#"{"retry_policy": {"max_attempts": 0}}"#, "no attempt at all"),
            (r#"{"retry_policy": {"max_attempts": -1}}"#, "not a whole number"),
            (r#"{"retry_policy": {"factor": 0.5}}"#, "factor is 0.5"),
            (r#"{"retry_policy": {"factor": 1e300}}"#, "a number from 1 on"),
            (r#"{"retry_policy": {"max_interval": "1ms"}}"#, "below its initial interval"),
            (r#"{"retry_policy": {"initial_interval": null}}"#, "not a duration"),
            (r#"{"retry_policy": {"on_exhausted": "retry"}}"#, "not `Fail` or `Pause`"),
        ] {
            let error = read(ServiceKind::Service, body).expect_err(body);
            assert_eq!((error.status.as_u16(), error.code), (400, "RL0208"), "{body}");
            assert!(error.message.contains(words), "{body}: {}", error.message);
        }
        let both = r#"{"idempotency_retention": "1h", "workflow_completion_retention": "2h"}"#;
        assert!(read(ServiceKind::Workflow, both).expect_err("they differ").message.contains("differ"));
    }
}
