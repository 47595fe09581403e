//! Configuration of a deployment, as the query of an upload gives it, and the id that follows from it.

use relight_core::{DeploymentId, Digest};
use relight_http::path::parameters;

use crate::{
    codes::Code,
    error::{Error, Result},
};

/// What an upload asks for besides the component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Config {
    /// Check only; store and change nothing.
    pub(crate) dry_run: bool,
    /// Accept changes that callers may not survive.
    pub(crate) breaking: bool,
    /// Sorted, without repetitions, like those below.
    pub(crate) allow_http: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) memory_bytes_max: u64,
}

/// Linear memory of one instance unless the upload says otherwise.
const MEMORY_BYTES_DEFAULT: u64 = 64 << 20;
/// What a deployment may ask for.
const MEMORY_BYTES_LIMIT: u64 = 512 << 20;
/// The least that a guest of any language starts with.
const MEMORY_BYTES_LEAST: u64 = 1 << 20;
/// Variables, hosts and metadata of one deployment, names and values: they are read with each of its attempts.
const CONFIG_BYTES_MAX: usize = 64 << 10;
/// Versions the text that a deployment's id is the hash of.
const ID_DOMAIN: &str = "relight deployment 1";

impl Config {
    pub(crate) fn parse(query: Option<&str>) -> Result<Self> {
        Self::parse_with(query, |_, _| Ok(false))
    }

    /// `take` is asked first, and answers whether the parameter is its own.
    pub(crate) fn parse_with(
        query: Option<&str>,
        mut take: impl FnMut(&str, &str) -> Result<bool>,
    ) -> Result<Self> {
        let mut config = Self {
            dry_run: false,
            breaking: false,
            allow_http: Vec::new(),
            env: Vec::new(),
            metadata: Vec::new(),
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
        };
        for parameter in parameters(query) {
            let (name, value) =
                parameter.ok_or_else(|| Error::bad(Code::BadRequest, "the query is not well encoded"))?;
            if !take(&name, &value)? {
                config.set(&name, value)?;
            }
        }
        config.allow_http.sort_unstable();
        config.allow_http.dedup();
        for pairs in [&mut config.env, &mut config.metadata] {
            pairs.sort_unstable();
            if let Some([(name, _), _]) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(bad(format!("`{name}` is given twice")));
            }
        }
        let pairs = config.env.iter().chain(&config.metadata).map(|(name, value)| name.len() + value.len());
        if pairs.chain(config.allow_http.iter().map(String::len)).sum::<usize>() > CONFIG_BYTES_MAX {
            return Err(bad(format!("the configuration is larger than {CONFIG_BYTES_MAX} bytes")));
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: String) -> Result<()> {
        match name.split_once('.') {
            Some(("env", name)) => self.env.push((variable(name)?, value)),
            Some(("metadata", name)) if !name.is_empty() => self.metadata.push((name.to_owned(), value)),
            _ => match name {
                "dry_run" => self.dry_run = switch(name, &value)?,
                // Whoever forces a deployment accepts what it breaks.
                "breaking" | "force" => self.breaking |= switch(name, &value)?,
                "allow_http" => self.allow_http.push(host(value)?),
                "memory_max" => self.memory_bytes_max = memory(&value)?,
                _ => {
                    return Err(Error::bad(Code::BadRequest, format!("unknown parameter `{name}`")).hint(
                        "known are dry_run, breaking, force, allow_http, env.NAME, metadata.NAME and memory_max",
                    ));
                }
            },
        }
        Ok(())
    }

    /// The first 128 bits of a BLAKE3 hash over the component's digest and this configuration, each part with its
    /// length before it. `dry_run` and `breaking` are about the upload and do not count.
    pub(crate) fn deployment_id(&self, digest: Digest) -> DeploymentId {
        let mut hash = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(ID_DOMAIN.as_bytes());
        part(&digest.0);
        part(&self.memory_bytes_max.to_le_bytes());
        part(&(self.allow_http.len() as u64).to_le_bytes());
        for host in &self.allow_http {
            part(host.as_bytes());
        }
        for pairs in [&self.env, &self.metadata] {
            part(&(pairs.len() as u64).to_le_bytes());
            for (name, value) in pairs {
                part(name.as_bytes());
                part(value.as_bytes());
            }
        }
        let hash = hash.finalize();
        DeploymentId(u128::from_be_bytes(hash.as_bytes()[..16].try_into().expect("BLAKE3 has 32 bytes")))
    }
}

fn bad(message: String) -> Error {
    Error::bad(Code::BadConfiguration, message)
}

fn switch(name: &str, value: &str) -> Result<bool> {
    match value {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Error::bad(Code::BadRequest, format!("`{name}` is `true` or `false`, not `{value}`"))),
    }
}

fn variable(name: &str) -> Result<String> {
    let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if valid {
        Ok(name.to_owned())
    } else {
        Err(bad(format!("`{name}` is not the name of an environment variable: letters, digits and `_`")))
    }
}

/// `host` or `host:port`; no scheme, no path.
fn host(text: String) -> Result<String> {
    let (name, port) = match text.rsplit_once(':') {
        // An IPv6 address has colons of its own and stands in brackets.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text.as_str(), None),
    };
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let name_valid = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    if name_valid && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(bad(format!("`{text}` is not a host that HTTP may go to"))
            .hint("give `host` or `host:port`, without scheme and path"))
    }
}

/// Bytes, or with a unit `KiB`, `MiB`, `GiB` (`K`, `M`, `G` for short).
fn memory(text: &str) -> Result<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => 0,
    };
    let bytes = text[..digits].parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match bytes {
        Some(bytes) if (MEMORY_BYTES_LEAST..=MEMORY_BYTES_LIMIT).contains(&bytes) => Ok(bytes),
        _ => Err(bad(format!("`memory_max` is `{text}`; it must be between 1 MiB and 512 MiB"))
            .hint("give bytes or a number with a unit, such as `128MiB`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Config {
        Config::parse(Some(query)).expect(query)
    }

    #[test]
    fn a_query_becomes_a_sorted_configuration() {
        let config = parse(
            "dry_run&allow_http=B.example:443&allow_http=a&allow_http=a&env.B=1&env.A=x+y&metadata.k=v",
        );
        assert!(config.dry_run);
        assert_eq!(config.allow_http, ["a", "b.example:443"]);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(config.env, [pair("A", "x y"), pair("B", "1")]);
        assert_eq!(config.metadata, [pair("k", "v")]);
        assert_eq!(config.memory_bytes_max, MEMORY_BYTES_DEFAULT);
        assert!(!Config::parse(None).expect("defaults").breaking);
        assert!(parse("force=true").breaking);
        assert!(!parse("breaking=false&dry_run=0").breaking);
    }

    #[test]
    fn memory_has_units_and_bounds() {
        for (text, bytes) in
            [("1048576", 1 << 20), ("128MiB", 128 << 20), ("512m", 512 << 20), ("2048K", 2 << 20)]
        {
            assert_eq!(parse(&format!("memory_max={text}")).memory_bytes_max, bytes);
        }
        for text in ["", "0", "513MiB", "1", "x", "64MB", "-1M", "99999999999999999999G"] {
            let error = Config::parse(Some(&format!("memory_max={text}"))).expect_err(text);
            assert_eq!(error.code, "RL0201");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses_with_a_port_or_none() {
        for text in ["localhost", "a.b-c.example", "127.0.0.1:8080", "[::1]", "[::1]:80"] {
            assert_eq!(host(text.to_owned()), Ok(text.to_owned()));
        }
        for text in ["", "http://a", "a/b", "a:", "a:0", "a:99999", ":80", "[zz]", "::1", "a b", "*"] {
            assert!(host(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_unknown_or_ambiguous_is_refused() {
        for query in [
            "nothing=1",
            "dry_run=maybe",
            "env.=1",
            "env.1A=1",
            "env.A-B=1",
            "env.A=1&env.A=2",
            "metadata.=1",
            "x=%",
        ] {
            assert_eq!(Config::parse(Some(query)).expect_err(query).status, 400, "{query}");
        }
        let large = format!("env.A={}", "x".repeat(CONFIG_BYTES_MAX));
        assert_eq!(Config::parse(Some(&large)).expect_err("too large").code, "RL0201");
    }

    #[test]
    fn the_id_depends_on_component_and_configuration_but_not_on_order() {
        let id = |query: &str, digest| parse(query).deployment_id(Digest([digest; 32]));
        let plain = id("", 1);
        assert_eq!(plain, id("dry_run&breaking", 1));
        assert_eq!(id("env.A=1&env.B=2", 1), id("env.B=2&env.A=1", 1));
        let others = [
            id("", 2),
            id("env.A=1", 1),
            id("metadata.A=1", 1),
            id("allow_http=a", 1),
            id("allow_http=a&allow_http=b", 1),
            id("memory_max=65MiB", 1),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(*other, plain);
            assert!(!others[..index].contains(other));
        }
    }
}
