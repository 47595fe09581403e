//! Configuration: defaults, then `relight.toml`, then `RELIGHT_SECTION__KEY` variables, then flags; the last one wins.
//!
//! Here is where settings come from; each setting by itself is in `config/settings.rs`.

mod settings;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use relight_cli::ServerFlags;
use relight_core::{retry::RetryPolicy, schema::Options};
use relight_executor::limits::WARM_BYTES_DEFAULT;
use relight_http::Limits;
use relight_storage::StoreOptions;

use self::settings::{SETTINGS, Setting};
use crate::exit::{Failure, USAGE};

/// Partitions of a new data folder. More than one node of today needs, so that a cluster can spread them later.
const PARTITIONS_DEFAULT: u16 = 8;
/// Instances for handlers: with 1 MiB each of really used memory they fit a small machine.
const ATTEMPTS_MAX_DEFAULT: usize = 1000;
/// Instances for effects: each holds a connection.
const EFFECTS_MAX_DEFAULT: usize = 256;
/// Linear memory of one instance that a deployment may ask for.
const MEMORY_MAX_DEFAULT: u64 = 512 << 20;
const ENVIRONMENT_PREFIX: &str = "RELIGHT_";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub data_dir: PathBuf,
    /// Counts only when the data folder is created.
    pub partitions: u16,
    pub ingress: SocketAddr,
    pub admin: SocketAddr,
    pub attempts_max: usize,
    pub effects_max: usize,
    /// `None`: adaptive.
    pub suspend_after: Option<Duration>,
    /// Linear memory of all waiting instances together.
    pub warm_bytes_max: u64,
    pub memory_bytes_max: u64,
    /// Of both doors.
    pub connections: Limits,
    /// Of the ingress.
    pub requests: relight_ingress::Options,
    /// Of admin.
    pub uploads: relight_admin::Options,
    /// Policies where neither operator, handler nor service says anything.
    pub defaults: Options,
    /// Committed rows of one partition that are kept back before they are written to its tables.
    pub young_rows_max: usize,
    pub log_format: LogFormat,
    /// Directives of `tracing_subscriber::EnvFilter`.
    pub log_filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            data_dir: PathBuf::from(".relight"),
            partitions: PARTITIONS_DEFAULT,
            ingress: SocketAddr::new(loopback, 8080),
            admin: SocketAddr::new(loopback, 9070),
            attempts_max: ATTEMPTS_MAX_DEFAULT,
            effects_max: EFFECTS_MAX_DEFAULT,
            suspend_after: None,
            warm_bytes_max: WARM_BYTES_DEFAULT,
            memory_bytes_max: MEMORY_MAX_DEFAULT,
            connections: Limits::default(),
            requests: relight_ingress::Options::default(),
            uploads: relight_admin::Options::default(),
            defaults: Options::default(),
            young_rows_max: StoreOptions::default().young_rows_max,
            log_format: LogFormat::Human,
            log_filter: "info".to_owned(),
        }
    }
}

impl Config {
    /// # Errors
    /// A file that cannot be read, is no TOML, or has a key or a value that this version does not know.
    pub fn apply_file(&mut self, path: &Path) -> Result<(), Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::new(
                USAGE,
                anyhow::Error::new(error).context(format!("cannot read `{}`", path.display())),
            )
        })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            Failure::new(USAGE, anyhow::Error::new(error).context(format!("`{}` is no TOML", path.display())))
        })?;
        for (section, keys) in table {
            let Some(keys) = keys.as_table() else {
                return Err(unknown(&section, &format!("`{}`", path.display())));
            };
            for (key, value) in keys {
                let text = match value {
                    toml::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                self.apply(&format!("{section}.{key}"), &text, &format!("`{}`", path.display()))?;
            }
        }
        Ok(())
    }

    /// `RELIGHT_INGRESS__PORT` sets `ingress.port`. Variables without `__` belong to others.
    pub fn apply_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), Failure> {
        for (variable, value) in variables {
            let Some((section, key)) =
                variable.strip_prefix(ENVIRONMENT_PREFIX).and_then(|name| name.split_once("__"))
            else {
                continue;
            };
            let name = format!("{section}.{key}").to_lowercase().replace('_', "-");
            self.apply(&name, &value, &format!("the environment variable `{variable}`"))?;
        }
        Ok(())
    }

    pub fn apply_flags(&mut self, flags: &ServerFlags) -> Result<(), Failure> {
        if let Some(data_dir) = &flags.data_dir {
            data_dir.clone_into(&mut self.data_dir);
        }
        if let Some(port) = flags.port_ingress {
            self.ingress.set_port(port);
        }
        if let Some(port) = flags.port_admin {
            self.admin.set_port(port);
        }
        if let Some(format) = &flags.log_format {
            self.apply("log.format", format, "the flag `--log-format`")?;
        }
        Ok(())
    }

    /// What can only be seen once everything is there.
    pub fn check(&self) -> Result<(), Failure> {
        let policy = self.defaults.retry.unwrap_or(RetryPolicy::HANDLER);
        policy.check().map_err(|problem| {
            Failure::usage(format!("the retry policy in `defaults` does not make sense: {problem}"))
        })
    }

    fn apply(&mut self, name: &str, value: &str, source: &str) -> Result<(), Failure> {
        let known = SETTINGS.iter().find(|setting| setting.name() == name);
        let setting = known.ok_or_else(|| unknown(name, source))?;
        (setting.set)(self, value.trim())
            .map_err(|expected| Failure::usage(format!("`{name}` in {source} is `{value}`, not {expected}")))
    }
}

fn unknown(name: &str, source: &str) -> Failure {
    let nearest = SETTINGS.iter().map(Setting::name).min_by_key(|known| distance(known, name));
    let failure = Failure::usage(format!("unknown key `{name}` in {source}"));
    match nearest {
        Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
        None => failure,
    }
}

/// Single-character edits that turn one text into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use relight_core::{DurationMs, retry::OnExhausted};
    use relight_http::body::{BodyLimits, BodyRate};

    use super::*;

    #[track_caller]
    fn refused(result: Result<(), Failure>) -> (String, Option<String>) {
        let failure = result.expect_err("it is wrong");
        assert_eq!(failure.code, USAGE);
        (failure.error.to_string(), failure.hint)
    }

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        pairs.into_iter()
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("relight.toml");
        fs::write(
            &file,
            "[ingress]\nport = 1\n[admin]\nport = 2\n[executor]\nsuspend-after = 0\nattempts-max = 7\n",
        )
        .expect("write");
        let mut config = Config::default();
        config.apply_file(&file).expect("valid");
        config
            .apply_environment(variables(&[
                ("RELIGHT_INGRESS__PORT", "3"),
                ("RELIGHT_ADMIN__PORT", "4"),
                ("RELIGHT_ADMIN", "http://another"),
                ("HOME", "x"),
            ]))
            .expect("valid");
        config.apply_flags(&ServerFlags { port_admin: Some(5), ..ServerFlags::default() }).expect("valid");
        assert_eq!((config.ingress.port(), config.admin.port()), (3, 5));
        assert_eq!((config.suspend_after, config.attempts_max), (Some(Duration::ZERO), 7));
    }

    #[test]
    fn unknown_keys_name_the_nearest_one() {
        let mut config = Config::default();
        let (message, hint) = refused(config.apply("ingress.prot", "1", "`relight.toml`"));
        assert_eq!(message, "unknown key `ingress.prot` in `relight.toml`");
        assert_eq!(hint.as_deref(), Some("did you mean `ingress.port`?"));
        let (message, hint) =
            refused(config.apply_environment(variables(&[("RELIGHT_EXECUTOR__SUSPEND_AFER", "0")])));
        assert!(message.contains("RELIGHT_EXECUTOR__SUSPEND_AFER"), "{message}");
        assert_eq!(hint.as_deref(), Some("did you mean `executor.suspend-after`?"));
    }

    #[test]
    fn wrong_values_say_what_is_expected() {
        for (name, value, expected) in [
            ("ingress.port", "99999", "a port"),
            ("admin.address", "localhost", "an IP address"),
            ("executor.suspend-after", "soon", "a duration"),
            ("executor.attempts-max", "0", "from 1 to 5000"),
            ("executor.memory-max", "much", "a size"),
            ("executor.memory-max", "513MiB", "to 512MiB"),
            ("ingress.body-max", "11MiB", "from 1 byte to 10MiB"),
            ("ingress.body-max", "0", "from 1 byte"),
            ("ingress.body-max", "20000000000GiB", "a size"),
            ("ingress.requests-max", "-1", "from 1 to 1000000"),
            ("admin.component-max", "65MiB", "to 64MiB"),
            ("http.connections-max", "0", "from 1 to 1000000"),
            ("http.header-max", "17KiB", "to 16KiB"),
            ("http.header-timeout", "0", "above zero"),
            ("http.idle-timeout", "2 days", "at most 1 day"),
            ("http.body-grace", "soon", "a duration"),
            ("http.body-rate-min", "0", "from 1 byte to 64MiB"),
            ("log.format", "xml", "`human` or `json`"),
            ("defaults.journal-retention", "soon", "a duration"),
            ("defaults.abort-timeout", "0", "above zero"),
            ("defaults.retry-factor", "0.5", "from 1 to 1000"),
            ("defaults.retry-max-attempts", "0", "from 1 on"),
            ("defaults.retry-on-exhausted", "stop", "`pause` or `fail`"),
            ("node.partitions", "0", "from 1 to 1024"),
        ] {
            let (message, _) = refused(Config::default().apply(name, value, "a test"));
            assert!(message.contains(expected) && message.contains(value), "{message}");
        }
    }

    #[test]
    fn a_retry_policy_is_built_from_its_settings_and_checked_as_a_whole() {
        let mut config = Config::default();
        config.check().expect("the built-in one");
        for (name, value) in [
            ("defaults.retry-max-attempts", "5"),
            ("defaults.retry-factor", "1.5"),
            ("defaults.retry-max-duration", "1 day"),
            ("defaults.retry-on-exhausted", "fail"),
            ("defaults.journal-retention", "0"),
        ] {
            config.apply(name, value, "a test").expect(name);
        }
        let policy = RetryPolicy {
            max_attempts: Some(5),
            factor_milli: 1500,
            max_duration: Some(DurationMs::hours(24)),
            on_exhausted: OnExhausted::Fail,
            ..RetryPolicy::HANDLER
        };
        assert_eq!(config.defaults.retry, Some(policy));
        assert_eq!(config.defaults.journal_retention, Some(DurationMs::ZERO));
        config.check().expect("valid");
        config.apply("defaults.retry-max-interval", "1ms", "a test").expect("valid by itself");
        let (message, _) = refused(config.check());
        assert!(message.contains("below its initial interval"), "{message}");
    }

    #[test]
    fn bounds_of_both_doors_are_set_together() {
        let mut config = Config::default();
        for (name, value) in [
            ("http.header-max", "4KiB"),
            ("http.body-grace", "1s"),
            ("http.body-rate-min", "64KiB"),
            ("ingress.body-max", "100"),
            ("admin.component-max", "1MiB"),
        ] {
            config.apply(name, value, "a test").expect(name);
        }
        let rate = BodyRate { grace: Duration::from_secs(1), bytes_per_second_min: 64 << 10 };
        let headers = (config.connections.header_bytes_max, config.requests.header_bytes_max);
        assert_eq!((headers, config.uploads.header_bytes_max), ((4 << 10, 4 << 10), 4 << 10));
        assert_eq!(config.requests.body, BodyLimits { bytes_max: 100, rate });
        assert_eq!((config.uploads.component_bytes_max, config.uploads.body_rate), (1 << 20, rate));
    }

    #[test]
    fn a_key_outside_of_a_section_is_unknown() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("relight.toml");
        fs::write(&file, "port = 1\n").expect("write");
        let (message, _) = refused(Config::default().apply_file(&file));
        assert!(message.starts_with("unknown key `port`"), "{message}");
    }

    #[test]
    fn documentation_lists_every_setting() {
        let page = include_str!("../../../docs/configuration.md");
        for setting in &SETTINGS {
            let name = setting.name();
            let variable = name.to_uppercase().replace('.', "__").replace('-', "_");
            for text in [format!("`{name}`"), format!("`{ENVIRONMENT_PREFIX}{variable}`")] {
                assert!(page.contains(&text), "docs/configuration.md does not list {text}");
            }
        }
    }

    #[test]
    fn edit_distance_counts_edits() {
        for (a, b, edits) in
            [("", "abc", 3), ("abc", "abc", 0), ("port", "prot", 2), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), edits);
            assert_eq!(distance(b, a), edits);
        }
    }
}
