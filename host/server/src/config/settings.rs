//! Every setting: its name, and how its text becomes a part of the configuration.
//!
//! Where texts come from is in `config.rs`. Each setting refuses what cannot work; what only a combination shows is
//! found by [`Config::check`].

use std::{path::PathBuf, str::FromStr, time::Duration};

use relight_core::{
    DurationMs,
    limits::ENTRY_BYTES_MAX,
    retry::{OnExhausted, RetryPolicy},
};
use relight_executor::limits::{COMPONENT_BYTES_MAX, INSTANCES_MAX, MEMORY_BYTES_CEILING};
use relight_http::{body::BodyRate, serve::HEADER_BYTES_MAX, time::parse_duration};

use super::{Config, LogFormat};

/// Each has tables and a log group of its own.
const PARTITIONS_MAX: u16 = 1024;
/// Requests in flight and connections: more than the memory and the descriptors of a node hold.
const REQUESTS_MAX: usize = 1_000_000;
const CONNECTIONS_MAX: usize = 1_000_000;
/// A bound that takes longer is none.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A minimum that no honest client is below on a local network.
const BODY_RATE_MAX: u32 = 64 << 20;
/// More than all instances that there may be have together.
const WARM_BYTES_MAX: u64 = INSTANCES_MAX as u64 * MEMORY_BYTES_CEILING;

/// One setting, whatever it comes from.
pub(super) struct Setting {
    section: &'static str,
    key: &'static str,
    /// The error says what is expected instead.
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Setting {
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

const fn setting(
    section: &'static str,
    key: &'static str,
    set: fn(&mut Config, &str) -> Result<(), String>,
) -> Setting {
    Setting { section, key, set }
}

pub(super) const SETTINGS: [Setting; 32] = [
    setting("node", "data-dir", |config, text| {
        config.data_dir = PathBuf::from(text);
        Ok(())
    }),
    setting("node", "partitions", |config, text| {
        let partitions = number(text, PARTITIONS_MAX.into())?;
        config.partitions = u16::try_from(partitions).expect("at most PARTITIONS_MAX, a u16");
        Ok(())
    }),
    setting("ingress", "address", |config, text| {
        config.ingress.set_ip(parse(text, "an IP address")?);
        Ok(())
    }),
    setting("ingress", "port", |config, text| {
        config.ingress.set_port(parse(text, "a port")?);
        Ok(())
    }),
    setting("admin", "address", |config, text| {
        config.admin.set_ip(parse(text, "an IP address")?);
        Ok(())
    }),
    setting("admin", "port", |config, text| {
        config.admin.set_port(parse(text, "a port")?);
        Ok(())
    }),
    setting("ingress", "body-max", |config, text| {
        config.requests.body.bytes_max = bytes(text, ENTRY_BYTES_MAX)?;
        Ok(())
    }),
    setting("ingress", "requests-max", |config, text| {
        config.requests.requests_max = number(text, REQUESTS_MAX)?;
        Ok(())
    }),
    setting("admin", "component-max", |config, text| {
        config.uploads.component_bytes_max = bytes(text, COMPONENT_BYTES_MAX)?;
        Ok(())
    }),
    setting("http", "connections-max", |config, text| {
        config.connections.connections_max = number(text, CONNECTIONS_MAX)?;
        Ok(())
    }),
    setting("http", "header-max", |config, text| {
        let max = bytes(text, HEADER_BYTES_MAX as usize)?;
        config.connections.header_bytes_max = u32::try_from(max).expect("at most HEADER_BYTES_MAX, a u32");
        config.requests.header_bytes_max = max;
        config.uploads.header_bytes_max = max;
        Ok(())
    }),
    setting("http", "header-timeout", |config, text| {
        config.connections.header_read = timeout(text)?;
        Ok(())
    }),
    setting("http", "idle-timeout", |config, text| {
        config.connections.idle = timeout(text)?;
        Ok(())
    }),
    setting("http", "body-grace", |config, text| {
        let rate = BodyRate { grace: timeout(text)?, ..config.requests.body.rate };
        body_rate(config, rate);
        Ok(())
    }),
    setting("http", "body-rate-min", |config, text| {
        let max = BODY_RATE_MAX as usize;
        let bytes_per_second_min = u32::try_from(bytes(text, max)?).expect("at most BODY_RATE_MAX, a u32");
        let rate = BodyRate { bytes_per_second_min, ..config.requests.body.rate };
        body_rate(config, rate);
        Ok(())
    }),
    setting("executor", "attempts-max", |config, text| {
        config.attempts_max = number(text, INSTANCES_MAX)?;
        Ok(())
    }),
    setting("executor", "effects-max", |config, text| {
        config.effects_max = number(text, INSTANCES_MAX)?;
        Ok(())
    }),
    setting("executor", "suspend-after", |config, text| {
        config.suspend_after = match text {
            "adaptive" => None,
            "0" => Some(Duration::ZERO),
            other => Some(parse_duration(other).map_err(|_| "a duration such as `20ms`, or `adaptive`")?),
        };
        Ok(())
    }),
    setting("executor", "warm-memory-max", |config, text| {
        config.warm_bytes_max = size(text, WARM_BYTES_MAX)?;
        Ok(())
    }),
    setting("executor", "memory-max", |config, text| {
        config.memory_bytes_max = size(text, MEMORY_BYTES_CEILING)?;
        Ok(())
    }),
    setting("defaults", "idempotency-retention", |config, text| {
        config.defaults.idempotency_retention = Some(duration(text)?);
        Ok(())
    }),
    setting("defaults", "journal-retention", |config, text| {
        config.defaults.journal_retention = Some(duration(text)?);
        Ok(())
    }),
    setting("defaults", "abort-timeout", |config, text| {
        let timeout = duration(text)?;
        config.defaults.abort_timeout = Some(timeout);
        if timeout == DurationMs::ZERO { Err("a duration above zero".to_owned()) } else { Ok(()) }
    }),
    setting("defaults", "retry-initial-interval", |config, text| {
        retry(config).initial_interval = duration(text)?;
        Ok(())
    }),
    setting("defaults", "retry-factor", |config, text| {
        let factor = text.parse::<f64>().ok().filter(|factor| (1.0..=1000.0).contains(factor));
        // At most 10^6, as checked above.
        retry(config).factor_milli = (factor.ok_or("a number from 1 to 1000")? * 1000.0).round() as u32;
        Ok(())
    }),
    setting("defaults", "retry-max-interval", |config, text| {
        retry(config).max_interval = duration(text)?;
        Ok(())
    }),
    setting("defaults", "retry-max-attempts", |config, text| {
        let expected = "a number from 1 on, or `unlimited`";
        let attempts = if text == "unlimited" { None } else { Some(parse(text, expected)?) };
        retry(config).max_attempts = attempts;
        if attempts == Some(0) { Err(expected.to_owned()) } else { Ok(()) }
    }),
    setting("defaults", "retry-max-duration", |config, text| {
        let max = if text == "unlimited" { None } else { Some(duration(text)?) };
        retry(config).max_duration = max;
        Ok(())
    }),
    setting("defaults", "retry-on-exhausted", |config, text| {
        retry(config).on_exhausted = match text {
            "pause" => OnExhausted::Pause,
            "fail" => OnExhausted::Fail,
            _ => return Err("`pause` or `fail`".to_owned()),
        };
        Ok(())
    }),
    setting("tables", "young-rows-max", |config, text| {
        config.young_rows_max = parse(text, "a number")?;
        Ok(())
    }),
    setting("log", "format", |config, text| {
        config.log_format = match text {
            "human" => LogFormat::Human,
            "json" => LogFormat::Json,
            _ => return Err("`human` or `json`".to_owned()),
        };
        Ok(())
    }),
    setting("log", "filter", |config, text| {
        config.log_filter = text.to_owned();
        Ok(())
    }),
];

fn parse<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.parse().map_err(|_| expected.to_owned())
}

fn duration(text: &str) -> Result<DurationMs, String> {
    const EXPECTED: &str = "a duration such as `10s` or `1 day`";
    if text == "0" {
        return Ok(DurationMs::ZERO);
    }
    let duration = parse_duration(text).map_err(|_| EXPECTED)?;
    u64::try_from(duration.as_millis()).map(DurationMs).map_err(|_| EXPECTED.to_owned())
}

/// The server's retry policy; settings that are not named are those of the built-in one.
fn retry(config: &mut Config) -> &mut RetryPolicy {
    config.defaults.retry.get_or_insert(RetryPolicy::HANDLER)
}

/// A number from one on.
fn number(text: &str, max: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {max}"))
}

fn bytes(text: &str, max: usize) -> Result<usize, String> {
    size(text, max as u64).map(|bytes| usize::try_from(bytes).expect("at most `max`"))
}

/// A size of at least one byte.
fn size(text: &str, max: u64) -> Result<u64, String> {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let (digits, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((text, 1));
    let bytes = digits.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.filter(|bytes| (1..=max).contains(bytes)).ok_or_else(|| {
        let (name, unit) =
            UNITS.iter().find(|(_, unit)| max.is_multiple_of(*unit)).copied().unwrap_or((" bytes", 1));
        format!("a size such as `64KiB`, from 1 byte to {}{name}", max / unit)
    })
}

fn timeout(text: &str) -> Result<Duration, String> {
    let DurationMs(milliseconds) = duration(text)?;
    let timeout = Duration::from_millis(milliseconds);
    if timeout.is_zero() || TIMEOUT_MAX < timeout {
        return Err("a duration above zero, at most 1 day".to_owned());
    }
    Ok(timeout)
}

fn body_rate(config: &mut Config, rate: BodyRate) {
    config.requests.body.rate = rate;
    config.uploads.body_rate = rate;
}
