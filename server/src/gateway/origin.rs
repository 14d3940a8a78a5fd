//! Which web pages may connect.
//!
//! A browser says in `Origin` where a page came from, and no page can forge it; so this protects users
//! from pages of others. It protects nothing from programs, which send what they like: a request without
//! `Origin` is no browser's and passes on to its credential.

use axum::http::{HeaderMap, HeaderValue, header};

use super::refusal::Refusal;
use crate::config::ConfigError;

/// As much of a refused origin as is repeated to its sender, in characters.
const SHOWN_CHARS: usize = 100;

/// The rule that an `Origin` header is held against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    any: bool,
    allowed: Vec<Origin>,
}

impl OriginPolicy {
    /// From the configuration's `allowed_origins`.
    pub fn new(allowed: &[String]) -> Result<Self, ConfigError> {
        let mut policy = Self::default();
        for entry in allowed {
            if entry == "*" {
                policy.any = true;
                continue;
            }
            let origin = Origin::parse(entry).ok_or_else(|| {
                ConfigError::invalid(
                    "allowed_origins",
                    format!("`{entry}` is not an origin"),
                    "write scheme, host and port if it is not the usual one, without a path, such as \
                     \"https://app.example.com\"; \"*\" alone stands for every origin",
                )
            })?;
            policy.allowed.push(origin);
        }
        Ok(policy)
    }

    /// Passes requests without `Origin`, of the server's own origin, and of origins on the list.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Ok(());
        };
        if origins.next().is_none() && self.allows(origin, headers.get(header::HOST)) {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(origin.as_bytes());
        Err(Refusal::OriginForbidden { origin: shown.chars().take(SHOWN_CHARS).collect() })
    }

    /// Whether pages of `origin` may talk to this server, which they know as `host`.
    pub fn allows(&self, origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
        if self.any {
            return true;
        }
        let Some(origin) = origin.to_str().ok().and_then(Origin::parse) else {
            return false;
        };
        let own = host
            .and_then(|host| host.to_str().ok())
            .and_then(|host| Origin::parse(&format!("{}://{host}", origin.scheme)));
        own.as_ref() == Some(&origin) || self.allowed.contains(&origin)
    }
}

/// Scheme, host and port in lower case, the port of the scheme left out.
///
/// The scheme of the server's own origin is not compared: behind a proxy that ends TLS, the server
/// does not know it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let bare = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\*,".contains(&byte);
        if !authority.bytes().all(bare)
            || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        {
            return None;
        }
        // The colons of an IPv6 address are inside brackets.
        let end_of_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match authority[end_of_host..].rfind(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(end_of_host + colon);
                (host, Some(port[1..].parse().ok()?))
            }
            None => (authority, None),
        };
        if scheme.is_empty() || host.is_empty() {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            _ => None,
        };
        Some(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port: port.filter(|p| Some(*p) != usual),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &[&str], host: &str, origin: Option<&str>) -> bool {
        let allowed: Vec<String> = allowed.iter().map(|entry| (*entry).to_owned()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        OriginPolicy::new(&allowed).unwrap().check(&headers).is_ok()
    }

    #[test]
    fn no_origin_is_no_browser() {
        assert!(check(&[], "localhost:8000", None));
    }

    #[test]
    fn the_servers_own_origin_always_passes() {
        assert!(check(&[], "localhost:8000", Some("http://localhost:8000")));
        assert!(check(&[], "app.example", Some("https://app.example")));
        assert!(check(&[], "app.example:443", Some("https://app.example")));
        assert!(check(&[], "[::1]:8000", Some("http://[::1]:8000")));
    }

    #[test]
    fn another_port_host_or_scheme_is_another_origin() {
        assert!(!check(&[], "localhost:8000", Some("http://localhost:3000")));
        assert!(!check(&[], "localhost:8000", Some("http://localhost")));
        assert!(!check(&[], "app.example", Some("https://evil.example")));
        assert!(!check(&[], "app.example", Some("https://app.example.evil.example")));
        let listed = ["https://app.example"];
        assert!(check(&listed, "api.example", Some("https://app.example")));
        assert!(!check(&listed, "api.example", Some("http://app.example")));
        assert!(!check(&listed, "api.example", Some("https://app.example:8443")));
    }

    #[test]
    fn case_and_the_usual_port_make_no_difference() {
        let listed = ["https://App.Example:443"];
        assert!(check(&listed, "x", Some("HTTPS://app.EXAMPLE")));
        assert!(check(&[], "LocalHost:8000", Some("http://localhost:8000")));
    }

    #[test]
    fn null_and_nonsense_are_refused_unless_every_origin_is_allowed() {
        for origin in
            ["null", "", "app.example", "https://", "https://a@b", "https://app.example/x"]
        {
            assert!(!check(&["https://app.example"], "app.example", Some(origin)), "{origin}");
            assert!(check(&["*"], "app.example", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn two_origins_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "a".parse().unwrap());
        headers.append(header::ORIGIN, "http://a".parse().unwrap());
        headers.append(header::ORIGIN, "http://a".parse().unwrap());
        let refusal = OriginPolicy::default().check(&headers).unwrap_err();
        assert_eq!(refusal.code(), "origin_forbidden");
    }

    #[test]
    fn what_is_no_origin_is_refused_in_the_configuration() {
        for entry in ["app.example", "https://app.example/", "https://*.example", "", "null"] {
            let error = OriginPolicy::new(&[entry.to_owned()]).unwrap_err().to_string();
            assert!(error.contains("allowed_origins"), "{error}");
        }
    }

    #[test]
    fn a_long_origin_is_cut_short_in_the_message() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, "x".repeat(5_000).parse().unwrap());
        let refusal = OriginPolicy::default().check(&headers).unwrap_err();
        assert!(refusal.to_string().len() < 300);
    }
}
