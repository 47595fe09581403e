//! The sockets of the doors, bound before anything else starts: a busy port is found at once.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use anyhow::Context as _;

use crate::exit::Failure;

/// Which door, and the flag that moves it.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    pub name: &'static str,
    pub flag: &'static str,
}

pub const INGRESS: Door = Door { name: "ingress", flag: "--port-ingress" };
pub const ADMIN: Door = Door { name: "admin", flag: "--port-admin" };

/// A bound socket, for tokio to serve, and its address.
pub fn bind(door: Door, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let Door { name, flag } = door;
    let listener = TcpListener::bind(address).map_err(|error| {
        let busy = error.kind() == io::ErrorKind::AddrInUse;
        let failure = Failure::from(
            anyhow::Error::new(error).context(format!("cannot open port {} for the {name}", address.port())),
        );
        if busy {
            failure.hint(format!(
                "another process uses it; `{flag} N` takes another port, `{flag} 0` a free one"
            ))
        } else {
            failure
        }
    })?;
    listener.set_nonblocking(true).with_context(|| format!("prepare the socket of the {name}"))?;
    let bound = listener.local_addr().with_context(|| format!("read the address of the {name}"))?;
    Ok((listener, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_names_port_and_flag() {
        let any = "127.0.0.1:0".parse().expect("an address");
        let (_held, address) = bind(INGRESS, any).expect("a free port");
        let failure = bind(ADMIN, address).expect_err("busy");
        assert!(failure.error.to_string().contains(&address.port().to_string()));
        assert!(failure.hint.expect("a hint").contains("--port-admin 0"));
    }
}
