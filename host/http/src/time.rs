//! Durations and instants as people write them.

use std::time::Duration;

use jiff::{SignedDuration, Span, Timestamp};

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration such as `10s`, `1 day` or `PT10S`{detail}")]
pub struct DurationError {
    text: String,
    detail: &'static str,
}

/// Reads ISO 8601 (`PT10S`) or the friendly form (`10s`, `5m`, `1 day`). A day has 24 hours. The result is in whole
/// milliseconds, rounded up.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = |detail| DurationError { text: text.to_owned(), detail };
    let span: Span = text.trim().parse().map_err(|_| error(""))?;
    if span.is_negative() {
        return Err(error("; it must not be negative"));
    }
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(error("; months and years have no fixed length, use days"));
    }
    let hours =
        (i128::from(span.get_weeks()) * 7 + i128::from(span.get_days())) * 24 + i128::from(span.get_hours());
    let seconds = hours * 3600 + i128::from(span.get_minutes()) * 60 + i128::from(span.get_seconds());
    let micros =
        (seconds * 1000 + i128::from(span.get_milliseconds())) * 1000 + i128::from(span.get_microseconds());
    let nanos = micros * 1000 + i128::from(span.get_nanoseconds());
    let millis = (nanos + 999_999) / 1_000_000;
    u64::try_from(millis).map(Duration::from_millis).map_err(|_| error("; it is too long"))
}

/// The shortest friendly form: `24h`, `1m 30s`, `50ms`.
pub fn format_duration(milliseconds: u64) -> String {
    let longest = SignedDuration::MAX.as_millis().min(i128::from(i64::MAX));
    let milliseconds = i64::try_from(i128::from(milliseconds).min(longest)).expect("clamped to i64");
    format!("{:#}", SignedDuration::from_millis(milliseconds))
}

/// RFC 3339 in UTC with milliseconds. `milliseconds`: since the Unix epoch; what lies beyond the year 9999 is shown as
/// its end.
pub fn format_instant(milliseconds: u64) -> String {
    let instant = i64::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .unwrap_or(Timestamp::MAX);
    format!("{instant:.3}")
}

/// Reads RFC 3339; milliseconds since the Unix epoch. `None` for anything else and for what lies before 1970.
pub fn parse_instant(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_both_forms() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("10s", 10_000),
            ("PT10S", 10_000),
            ("5m", 300_000),
            ("1 day", 86_400_000),
            ("P1D", 86_400_000),
            ("1 week 2 days", 777_600_000),
            ("2h30m", 9_000_000),
            ("PT1H30M", 5_400_000),
            ("250ms", 250),
            ("1.5s", 1500),
            ("1us", 1),
            (" 3 seconds ", 3000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_text() {
        for text in ["", "10", "soon", "-10s", "10s ago", "1 month", "P1Y", "PT", "99999999999999h"] {
            let error = parse_duration(text).expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
        assert!(parse_duration("1 month").expect_err("a month").to_string().ends_with("use days"));
    }

    #[test]
    fn durations_are_written_friendly() {
        for (milliseconds, text) in
            [(0, "0s"), (50, "50ms"), (90_000, "1m 30s"), (86_400_000, "24h"), (600_000, "10m")]
        {
            assert_eq!(format_duration(milliseconds), text);
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)));
        }
        assert!(format_duration(u64::MAX).ends_with("ms"));
    }

    #[test]
    fn instants_survive_their_text() {
        assert_eq!(format_instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(parse_instant(&format_instant(1_700_000_000_123)), Some(1_700_000_000_123));
        assert_eq!(parse_instant("2024-01-01T01:00:00+01:00"), Some(1_704_067_200_000));
        assert!(format_instant(u64::MAX).starts_with("9999-12-"));
        assert_eq!(parse_instant("1969-12-31T00:00:00Z"), None);
        assert_eq!(parse_instant("yesterday"), None);
    }
}
