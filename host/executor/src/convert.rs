//! Between the types of the contract and those of the core.

use relight_core::{
    Due, DurationMs, Failure, Outcome, Target, Timestamp,
    limits::FAILURE_MESSAGE_CHARS_MAX,
    retry::{OnExhausted, RetryPolicy},
};

use crate::bindings::{relight::handler::ops, types};

/// Growth of a retry interval above which the policy is surely a mistake.
const RETRY_FACTOR_MAX: f32 = 1_000.0;
/// Facts of a failure: they travel with every copy of it.
const FAILURE_METADATA_MAX: usize = 64;
const FAILURE_METADATA_BYTES_MAX: usize = 8 << 10;

pub(crate) fn failure(failure: types::Failure) -> Failure {
    let mut metadata = failure.metadata;
    metadata.truncate(FAILURE_METADATA_MAX);
    let mut bytes = 0;
    metadata.retain(|(name, value)| {
        bytes += name.len() + value.len();
        bytes <= FAILURE_METADATA_BYTES_MAX
    });
    Failure {
        // The contract: any other number becomes 500.
        code: if (400..=599).contains(&failure.code) { failure.code } else { 500 },
        message: truncated(failure.message, FAILURE_MESSAGE_CHARS_MAX),
        metadata,
    }
}

pub(crate) fn guest_failure(failure: &Failure) -> types::Failure {
    types::Failure {
        code: failure.code,
        message: failure.message.clone(),
        metadata: failure.metadata.clone(),
    }
}

pub(crate) fn outcome(result: Result<types::Bytes, types::Failure>) -> Outcome {
    result.map_err(failure)
}

pub(crate) fn target(target: types::Target) -> Target {
    Target { service: target.service.into(), key: target.key.map(Into::into), handler: target.handler.into() }
}

pub(crate) fn guest_target(target: &Target) -> types::Target {
    types::Target {
        service: target.service.to_string(),
        key: target.key.as_ref().map(ToString::to_string),
        handler: target.handler.to_string(),
    }
}

pub(crate) fn due(due: ops::Due) -> Due {
    match due {
        ops::Due::Now => Due::Now,
        ops::Due::At(instant) => Due::At(Timestamp(instant)),
        ops::Due::After(duration) => Due::After(DurationMs(duration)),
    }
}

/// The policy, or what is wrong with it.
pub(crate) fn retry_policy(policy: types::RetryPolicy) -> Result<RetryPolicy, String> {
    let types::RetryPolicy { factor, .. } = policy;
    if !(1.0..=RETRY_FACTOR_MAX).contains(&factor) {
        return Err(format!("factor {factor} of the retry policy is not between 1 and {RETRY_FACTOR_MAX}"));
    }
    if policy.max_interval < policy.initial_interval {
        return Err(format!(
            "maximum interval {} ms of the retry policy is below its initial interval {} ms",
            policy.max_interval, policy.initial_interval
        ));
    }
    if policy.max_attempts == Some(0) {
        return Err("the retry policy allows no attempt at all".to_owned());
    }
    Ok(RetryPolicy {
        initial_interval: DurationMs(policy.initial_interval),
        // Between 1,000 and 1,000,000, as checked above.
        factor_milli: (factor * 1000.0).round() as u32,
        max_interval: DurationMs(policy.max_interval),
        max_attempts: policy.max_attempts,
        max_duration: policy.max_duration.map(DurationMs),
        on_exhausted: match policy.on_exhausted {
            types::OnExhausted::Fail => OnExhausted::Fail,
            types::OnExhausted::Pause => OnExhausted::Pause,
        },
    })
}

/// At most `chars_max` characters; what is cut is shown by an ellipsis.
pub(crate) fn truncated(mut text: String, chars_max: usize) -> String {
    // A character has at least one byte: most texts need no counting.
    if text.len() > chars_max
        && let Some((at, _)) = text.char_indices().nth(chars_max - 1)
        && text[at..].chars().nth(1).is_some()
    {
        text.truncate(at);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_code_outside_http_errors_becomes_500() {
        let code = |code| failure(types::Failure { code, message: String::new(), metadata: vec![] }).code;
        assert_eq!([200, 399, 400, 599, 600].map(code), [500, 500, 400, 599, 500]);
    }

    #[test]
    fn text_is_cut_at_characters() {
        assert_eq!(truncated("äöü".to_owned(), 3), "äöü");
        assert_eq!(truncated("äöüß".to_owned(), 3), "äö…");
        assert_eq!(truncated("abc".to_owned(), 3), "abc");
    }

    #[test]
    fn nonsense_retry_policies_are_refused() {
        let good = types::RetryPolicy {
            initial_interval: 50,
            factor: 1.5,
            max_interval: 1000,
            max_attempts: None,
            max_duration: None,
            on_exhausted: types::OnExhausted::Fail,
        };
        assert_eq!(retry_policy(good).map(|policy| policy.factor_milli), Ok(1500));
        for factor in [0.5, f32::NAN, f32::INFINITY, -1.0] {
            assert!(retry_policy(types::RetryPolicy { factor, ..good }).is_err(), "{factor}");
        }
        assert!(retry_policy(types::RetryPolicy { max_attempts: Some(0), ..good }).is_err());
        assert!(retry_policy(types::RetryPolicy { max_interval: 49, ..good }).is_err());
    }
}
