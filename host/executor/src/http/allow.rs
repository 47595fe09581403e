//! Which hosts and addresses a deployment's effects may reach. Nothing, unless its allow-list names it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Entries of the form `host` or `host:port`; an IPv6 address with a port is written in brackets.
///
/// A name also permits the addresses it resolves to, except addresses of the machine itself and of private networks:
/// these an entry must name as well, as an address or, for loopback, as `localhost`. So nobody who controls a public
/// name can point it into the network that the server is in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AllowList {
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    /// Lower case, without brackets.
    host: String,
    address: Option<IpAddr>,
    /// `None`: every port.
    port: Option<u16>,
}

impl Entry {
    fn new(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        let (host, port) = match text.parse::<Ipv6Addr>() {
            // Its colons separate no port.
            Ok(_) => (text.as_str(), None),
            Err(_) => match text.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
                _ => (text.as_str(), None),
            },
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Self { host: host.to_owned(), address: host.parse().ok().map(canonical), port }
    }

    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|allowed| allowed == port)
    }
}

impl AllowList {
    pub fn new(entries: &[String]) -> Self {
        Self { entries: entries.iter().map(|entry| Entry::new(entry)).collect() }
    }

    /// Before anything is resolved. `host`: in lower case, without brackets. The error says why not.
    pub fn check_name(&self, host: &str, port: u16) -> Result<(), String> {
        let address = host.parse().ok().map(canonical);
        let is_allowed = self.entries.iter().any(|entry| {
            let is_same = entry.host == host || (address.is_some() && entry.address == address);
            is_same && entry.has_port(port)
        });
        if is_allowed {
            return Ok(());
        }
        Err(format!("`{host}:{port}` is not in the allow-list of the deployment"))
    }

    /// Before connecting. The error says why not.
    pub fn check_address(&self, host: &str, address: SocketAddr) -> Result<(), String> {
        let (ip, port) = (canonical(address.ip()), address.port());
        let Some(what) = special(ip) else { return Ok(()) };
        let is_named = self.entries.iter().any(|entry| {
            let names_loopback = ip.is_loopback() && entry.host == "localhost";
            (entry.address == Some(ip) || names_loopback) && entry.has_port(port)
        });
        if is_named {
            return Ok(());
        }
        Err(format!("`{host}` is {what} address {ip}, which the allow-list does not name itself"))
    }
}

/// An IPv4 address in its own form, however IPv6 dresses it.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    // NAT64: a gateway would connect to the IPv4 address in it.
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = v6.octets();
        return Ipv4Addr::new(a, b, c, d).into();
    }
    address.to_canonical()
}

/// What kind of address it is, if it is not a public one.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, ..] = address.octets();
    if address.is_loopback() {
        Some("the loopback")
    } else if address.is_link_local() {
        Some("the link-local")
    } else if address.is_private() || (a == 100 && (64..128).contains(&b)) {
        Some("the private")
    } else if a == 0 || a >= 224 || (a == 192 && b == 0 && address.octets()[2] == 0) {
        Some("the reserved")
    } else {
        None
    }
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_loopback() {
        Some("the loopback")
    } else if address.is_unicast_link_local() {
        Some("the link-local")
    } else if address.is_unique_local() {
        Some("the private")
    } else if address.is_unspecified() || address.is_multicast() {
        Some("the reserved")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::new(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address with a port")
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        assert!(list(&[]).check_name("example.com", 443).is_err());
    }

    #[test]
    fn entry_allows_its_host_and_port_only() {
        let allow = list(&["API.example.com", "other.example.com:8443"]);
        assert!(allow.check_name("api.example.com", 443).is_ok());
        assert!(allow.check_name("api.example.com", 80).is_ok());
        assert!(allow.check_name("other.example.com", 8443).is_ok());
        assert!(allow.check_name("other.example.com", 443).is_err());
        assert!(allow.check_name("example.com", 443).is_err());
        assert!(allow.check_name("evil-api.example.com", 443).is_err());
    }

    #[test]
    fn name_does_not_allow_addresses_of_private_networks() {
        let allow = list(&["example.com"]);
        assert!(allow.check_address("example.com", address("93.184.216.34:80")).is_ok());
        for inside in [
            "127.0.0.1:80",
            "169.254.169.254:80",
            "10.0.0.1:80",
            "172.16.0.1:80",
            "192.168.1.1:80",
            "100.64.0.1:80",
            "0.0.0.0:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[64:ff9b::7f00:1]:80",
            "[fe80::1]:80",
            "[fd00::1]:80",
            "[::]:80",
        ] {
            assert!(allow.check_address("example.com", address(inside)).is_err(), "{inside}");
        }
    }

    #[test]
    fn special_address_is_allowed_when_named() {
        let allow = list(&["127.0.0.1:8080", "[::1]:9090", "10.0.0.1"]);
        assert!(allow.check_name("127.0.0.1", 8080).is_ok());
        assert!(allow.check_address("127.0.0.1", address("127.0.0.1:8080")).is_ok());
        assert!(allow.check_address("127.0.0.1", address("127.0.0.1:8081")).is_err());
        assert!(allow.check_address("x", address("[::1]:9090")).is_ok());
        assert!(allow.check_address("x", address("[::ffff:10.0.0.1]:1")).is_ok());
        assert!(list(&["localhost"]).check_address("localhost", address("127.0.0.1:1")).is_ok());
        assert!(list(&["localhost"]).check_address("localhost", address("10.0.0.1:1")).is_err());
    }
}
