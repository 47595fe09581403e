//! Operations in words, for people who know their handler and not the host: noun phrases that follow "the journal
//! recorded" and "the handler now asks for".

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    command::WaitMode,
    ids::{AwakeableId, EntryIndex, InvocationId},
    journal::{Call, Operation},
    value::{Due, DurationMs, Headers, Outcome, Target, Timestamp},
};

/// Characters of a name or payload that a report shows; both may be long, reports are read by people.
const QUOTE_CHARS_MAX: usize = 100;
/// Characters that two long payloads share before the place where they differ, as far as a report shows them.
const COMMON_CHARS_MAX: usize = 20;
/// Handles of a wait that a report shows.
const HANDLES_SHOWN_MAX: usize = 8;
/// The last instant with a year of four digits.
const INSTANT_MS_MAX: u64 = 253_402_300_799_999;

/// What an operation is, such as "a call of `Ticket/7/reserve`". Payloads are left out.
pub fn describe(operation: &Operation) -> String {
    match operation {
        Operation::Input { .. } => "the input".to_owned(),
        Operation::GetState { key, .. } => format!("a read of the state {}", quote(key)),
        Operation::StateKeys { .. } => "a list of the keys of the state".to_owned(),
        Operation::SetState { key, .. } => format!("a write of the state {}", quote(key)),
        Operation::ClearState { key } => format!("a removal of the state {}", quote(key)),
        Operation::ClearAllState => "a removal of all state".to_owned(),
        Operation::Call(call) => format!("a call of {}", describe_call(call)),
        Operation::Send { call, due } => format!("a send to {}{}", describe_call(call), describe_delay(*due)),
        Operation::Timer { due, name } => format!("{}{}", describe_sleep(*due), describe_name(name)),
        Operation::Awakeable => "an awakeable".to_owned(),
        Operation::Effect { name, .. } => format!("the effect {}", quote(name)),
        Operation::ResolveAwakeable { id, outcome: Ok(_) } => format!("a value for the awakeable `{id}`"),
        Operation::ResolveAwakeable { id, outcome: Err(_) } => format!("a failure for the awakeable `{id}`"),
        Operation::Signal { name } => format!("the signal {}", quote(name)),
        Operation::SendSignal { to, name, .. } => format!("the signal {} to `{to}`", quote(name)),
        Operation::Promise { name } => format!("the promise {}", quote(name)),
        Operation::PromisePeek { name } => format!("a look at the promise {}", quote(name)),
        Operation::PromiseComplete { name, .. } => format!("a value for the promise {}", quote(name)),
        Operation::Attach { id } => format!("the result of `{id}`"),
        Operation::PeekOutput { id } => format!("a look at the result of `{id}`"),
        Operation::CancelInvocation { id } => format!("a cancellation of `{id}`"),
        Operation::Run { name, .. } => format!("the run {}", quote(name)),
        Operation::CancelDelivered => "the delivery of a cancellation".to_owned(),
        Operation::Output { outcome: Ok(_) } => "the handler's result".to_owned(),
        Operation::Output { outcome: Err(failure) } => {
            format!("the handler's failure {}", quote(&failure.to_string()))
        }
    }
}

/// What a wait waits for, such as "entry 3".
pub fn describe_wait(mode: WaitMode, handles: &[EntryIndex]) -> String {
    let mode = match (mode, handles) {
        (_, [_]) => "entry",
        (WaitMode::Any, _) => "any of the entries",
        (WaitMode::All, _) => "all of the entries",
    };
    let mut list =
        handles.iter().take(HANDLES_SHOWN_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if HANDLES_SHOWN_MAX < handles.len() {
        list.push_str(", …");
    }
    format!("{mode} {list}")
}

/// A part of an operation that can be shown as text.
pub(super) trait Part: PartialEq {
    /// `None`: there is no text that would tell people anything.
    fn text(&self) -> Option<Cow<'_, str>>;
}

/// Both sides of a difference, each quoted around the place where they differ; `None` where one of them is no text.
pub(super) fn quote_both(recorded: &impl Part, got: &impl Part) -> Option<(String, String)> {
    let (recorded, got) = (recorded.text()?, got.text()?);
    let common = recorded.chars().zip(got.chars()).take_while(|(recorded, got)| recorded == got).count();
    Some((quote_around(&recorded, common), quote_around(&got, common)))
}

impl Part for Bytes {
    fn text(&self) -> Option<Cow<'_, str>> {
        std::str::from_utf8(self).ok().map(Cow::Borrowed)
    }
}

impl Part for String {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl Part for Option<String> {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.as_deref().unwrap_or_default()))
    }
}

impl Part for Outcome {
    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Ok(value) => value.text(),
            Err(failure) => Some(Cow::Owned(failure.to_string())),
        }
    }
}

impl Part for Headers {
    fn text(&self) -> Option<Cow<'_, str>> {
        let list: Vec<String> = self.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Some(Cow::Owned(list.join(", ")))
    }
}

macro_rules! shown {
    ($($part:ty => $text:expr;)*) => {
        $(impl Part for $part {
            fn text(&self) -> Option<Cow<'_, str>> {
                let text: fn(&Self) -> String = $text;
                Some(Cow::Owned(text(self)))
            }
        })*
    };
}

shown! {
    Target => ToString::to_string;
    InvocationId => ToString::to_string;
    AwakeableId => ToString::to_string;
    Due => |due| describe_sleep(*due);
}

fn describe_call(call: &Call) -> String {
    format!("{}{}", quote(&call.target.to_string()), describe_name(&call.name))
}

fn describe_name(name: &Option<String>) -> String {
    name.as_ref().map_or_else(String::new, |name| format!(" named {}", quote(name)))
}

fn describe_delay(due: Due) -> String {
    match due {
        Due::Now => String::new(),
        Due::At(instant) => format!(" at {}", describe_instant(instant)),
        Due::After(duration) => format!(" after {}", describe_duration(duration)),
    }
}

fn describe_sleep(due: Due) -> String {
    match due {
        Due::Now => "a sleep that is over at once".to_owned(),
        Due::At(instant) => format!("a sleep until {}", describe_instant(instant)),
        Due::After(duration) => format!("a sleep of {}", describe_duration(duration)),
    }
}

/// In the largest unit of which it is a whole number.
fn describe_duration(duration: DurationMs) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let DurationMs(ms) = duration;
    match UNITS.into_iter().find(|(unit, _)| ms != 0 && ms % unit == 0) {
        Some((unit, name)) => format!("{} {name}", ms / unit),
        None => format!("{ms} ms"),
    }
}

/// RFC 3339 in UTC, as far as years have four digits.
fn describe_instant(instant: Timestamp) -> String {
    let Timestamp(ms) = instant;
    if INSTANT_MS_MAX < ms {
        return format!("{ms} ms since the epoch");
    }
    let (days, ms) = (ms / 86_400_000, ms % 86_400_000);
    // Years that begin in March have their leap day at the end; eras of 400 such years all have the same length.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

pub(super) fn quote(text: &str) -> String {
    quote_around(text, 0)
}

/// Quotes `text` so that the character after the first `common` ones is in it.
fn quote_around(text: &str, common: usize) -> String {
    let count = text.chars().count();
    let skipped = if count <= QUOTE_CHARS_MAX { 0 } else { common.saturating_sub(COMMON_CHARS_MAX) };
    let shown: String = text.chars().skip(skipped).take(QUOTE_CHARS_MAX).collect();
    let before = if skipped == 0 { "" } else { "…" };
    let after = if skipped + QUOTE_CHARS_MAX < count { "…" } else { "" };
    format!("`{before}{shown}{after}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_the_largest_whole_unit() {
        for (ms, expected) in [
            (0, "0 ms"),
            (250, "250 ms"),
            (5_000, "5 s"),
            (90_000, "90 s"),
            (120_000, "2 min"),
            (5_400_000, "90 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
            (u64::MAX, "18446744073709551615 ms"),
        ] {
            assert_eq!(describe_duration(DurationMs(ms)), expected);
        }
    }

    #[test]
    fn instants_are_dates() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (INSTANT_MS_MAX, "9999-12-31T23:59:59.999Z"),
            (INSTANT_MS_MAX + 1, "253402300800000 ms since the epoch"),
        ] {
            assert_eq!(describe_instant(Timestamp(ms)), expected);
        }
    }

    #[test]
    fn long_texts_are_shown_where_they_differ() {
        let long = |end: &str| Bytes::from(format!("{}{end}", "x".repeat(500)));
        let (recorded, got) = quote_both(&long("1 and so on"), &long("2")).expect("both are text");
        assert_eq!(recorded, format!("`…{}1 and so on`", "x".repeat(COMMON_CHARS_MAX)));
        assert_eq!(got, format!("`…{}2`", "x".repeat(COMMON_CHARS_MAX)));
        let short = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert_eq!(quote_both(&short("äb"), &short("äc")), Some(("`äb`".to_owned(), "`äc`".to_owned())));
        assert_eq!(quote_both(&short("a"), &Bytes::from_static(&[0xff])), None);
    }
}
