//! Where somebody comes from, as entries write it: an address or a name, with or without a port.
//!
//! ```text
//! 192.0.2.7:40000   [2001:db8::7]:40000   192.0.2.7   2001:db8::7   agent.example:40000   agent.example
//! ```
//!
//! A proxy writes the first two of a session and the third and fourth of a refused log-in. Entries may hold any text: what is none
//! of these is taken whole, as a name.

use std::net::{IpAddr, SocketAddr};

/// What stands in the place of several.
const SEVERAL: &str = "*";

/// One place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer<'a> {
    pub(super) host: Host<'a>,
    pub(super) port: Option<u16>,
}

/// What it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host<'a> {
    /// An address of IP.
    Address(IpAddr),
    /// A name, which is never empty.
    Name(&'a str),
}

impl<'a> Peer<'a> {
    /// Reads one; `None` of nothing, and of what stands for several.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text == SEVERAL {
            return None;
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Some(Self {
                host: Host::Address(socket.ip()),
                port: Some(socket.port()),
            });
        }
        if let Ok(address) = text.parse() {
            return Some(Self {
                host: Host::Address(address),
                port: None,
            });
        }
        let (host, port) = match text.split_once(':').map(|(name, port)| (name, port.parse())) {
            Some((name, Ok(port))) if !name.is_empty() => (Host::Name(name), Some(port)),
            _ => (Host::Name(text), None),
        };
        Some(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, Peer};

    #[test]
    fn addresses_and_names_are_told_apart_from_their_ports() {
        let address = |text: &str| Host::Address(text.parse().unwrap());
        for (text, host, port) in [
            ("192.0.2.7:40000", address("192.0.2.7"), Some(40_000)),
            ("[2001:db8::7]:40000", address("2001:db8::7"), Some(40_000)),
            ("[fe80::7%3]:40000", address("fe80::7"), Some(40_000)),
            ("192.0.2.7", address("192.0.2.7"), None),
            ("2001:db8::7", address("2001:db8::7"), None),
            ("2001:db8::7:80", address("2001:db8::7:80"), None),
            ("agent.example:40000", Host::Name("agent.example"), Some(40_000)),
            ("agent.example", Host::Name("agent.example"), None),
            ("agent.example:70000", Host::Name("agent.example:70000"), None),
            (":80", Host::Name(":80"), None),
            ("192.0.2.256:80", Host::Name("192.0.2.256"), Some(80)),
        ] {
            assert_eq!(Peer::of(text), Some(Peer { host, port }), "{text}");
        }
        for none in ["", " ", "*"] {
            assert_eq!(Peer::of(none), None);
        }
    }
}
