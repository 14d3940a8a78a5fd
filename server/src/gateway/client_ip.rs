//! The address that an attempt is counted against.
//!
//! The peer of the socket, unless that is a proxy the operator trusts: then the last address in
//! `X-Forwarded-For` that is not a trusted proxy itself. What anyone else writes into that header is
//! never believed.

use std::net::IpAddr;

use axum::http::HeaderMap;

use crate::config::ConfigError;

/// The proxies whose word is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// From the configuration's `trusted_proxies`.
    pub fn new(entries: &[String]) -> Result<Self, ConfigError> {
        let parse = |entry: &String| {
            Network::parse(entry).ok_or_else(|| {
                ConfigError::invalid(
                    "trusted_proxies",
                    format!("`{entry}` is neither an address nor a network"),
                    "write it as \"10.0.0.7\" or \"10.0.0.0/8\"",
                )
            })
        };
        entries.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The client's address, seen from a socket whose other end is `peer`.
    pub fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        let hops: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in hops.into_iter().rev() {
            let Ok(address) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.unwrap_or(all);
        (prefix_bits <= all).then_some(Self { address, prefix_bits })
    }

    fn contains(&self, other: IpAddr) -> bool {
        let differs = match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differs >= self.prefix_bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<String> = trusted.iter().map(|entry| (*entry).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let proxies = TrustedProxies::new(&trusted).unwrap();
        proxies.client_ip(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(client(&[], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_names_the_client_and_the_clients_own_claims_are_skipped() {
        let trusted = ["10.0.0.0/8", "::1"];
        assert_eq!(
            client(&trusted, "10.1.2.3", &["1.1.1.1, 203.0.113.9, 10.0.0.2"]),
            "203.0.113.9"
        );
        assert_eq!(client(&trusted, "10.1.2.3", &["1.1.1.1", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&trusted, "::ffff:10.1.2.3", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(client(&trusted, "::1", &["what, ever"]), "::1");
        assert_eq!(client(&trusted, "::1", &[]), "::1");
    }

    #[test]
    fn nonsense_is_refused_in_the_configuration() {
        for entry in ["", "10.0.0.0/33", "proxy.example", "10.0.0.0/-1"] {
            assert!(TrustedProxies::new(&[entry.to_owned()]).is_err(), "{entry}");
        }
    }
}
