//! How callers prove who they are: the keys that verify tokens, one-time tickets, demonstration tokens.
//!
//! A secret never leaves here by `Debug`, and the signature's algorithm is fixed here: what a token says
//! of its own algorithm is never asked.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;

/// The least length of a shared secret, in bytes: as long as the hash it feeds (RFC 7518, 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// How tokens are verified. Exactly one of the secret, the secret's file and the key set is given; in a
/// demonstration none may be, and a random secret is made at start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The shared secret of HS256, at least 32 bytes.
    pub hs256_secret: Option<Secret>,
    /// A file that holds the shared secret; white space at its ends is cut off.
    pub hs256_secret_file: Option<PathBuf>,
    /// A JWK set (RFC 7517) with the public keys of the issuer.
    pub jwks_file: Option<PathBuf>,
    /// The one algorithm that the keys of `jwks_file` sign with: `RS256`, `ES256` or `EdDSA`.
    pub algorithm: Option<PinnedAlgorithm>,
    /// If set, tokens must carry this `iss`.
    pub issuer: Option<String>,
    /// If set, tokens must name this in `aud`. If not, a token that has an `aud` is for somebody else
    /// and is refused (RFC 7519, 4.1.3).
    pub audience: Option<String>,
    /// How far clocks may differ when `exp` and `nbf` are judged, in ms. Default 5,000.
    pub leeway_ms: u64,
    /// The claim that names the tenant. Default `tenant_id`.
    pub tenant_claim: String,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            hs256_secret: None,
            hs256_secret_file: None,
            jwks_file: None,
            algorithm: None,
            issuer: None,
            audience: None,
            leeway_ms: 5_000,
            tenant_claim: "tenant_id".to_owned(),
        }
    }
}

/// Where the keys come from, once the configuration is known to name exactly one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource<'a> {
    /// HS256 with a secret from the configuration.
    Secret(&'a Secret),
    /// HS256 with a secret from a file.
    SecretFile(&'a Path),
    /// HS256 with a secret that this process makes up: tokens die with it.
    RandomSecret,
    /// Public keys from a JWK set, all of one algorithm.
    Jwks {
        /// The file.
        path: &'a Path,
        /// The algorithm that every token must be signed with.
        algorithm: PinnedAlgorithm,
    },
}

/// An asymmetric algorithm that a key set may be pinned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum PinnedAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl AuthConfig {
    /// The one place that keys come from, or why there is none or more than one.
    pub fn key_source(&self, demo: bool) -> Result<KeySource<'_>, ConfigError> {
        match (&self.hs256_secret, &self.hs256_secret_file, &self.jwks_file) {
            (Some(secret), None, None) => Ok(KeySource::Secret(secret)),
            (None, Some(path), None) => Ok(KeySource::SecretFile(path)),
            (None, None, Some(path)) => match self.algorithm {
                Some(algorithm) => Ok(KeySource::Jwks { path, algorithm }),
                None => Err(ConfigError::invalid(
                    "auth.algorithm",
                    "a key set needs the algorithm it is used with",
                    "set it to \"RS256\", \"ES256\" or \"EdDSA\"",
                )),
            },
            (None, None, None) if demo => Ok(KeySource::RandomSecret),
            (None, None, None) => Err(ConfigError::invalid(
                "auth.hs256_secret",
                "there is no key to verify tokens with",
                "set `hs256_secret`, `hs256_secret_file`, or `jwks_file` with `algorithm`; or start \
                 with --demo",
            )),
            _ => Err(ConfigError::invalid(
                "auth",
                "more than one of `hs256_secret`, `hs256_secret_file` and `jwks_file` is set",
                "keep one: a server that accepts two kinds of key can be talked into the weaker",
            )),
        }
    }

    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for path in [&mut self.hs256_secret_file, &mut self.jwks_file].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    pub(super) fn validate(&self, demo: bool) -> Result<(), ConfigError> {
        if let KeySource::Secret(secret) = self.key_source(demo)?
            && secret.as_bytes().len() < MIN_SECRET_BYTES
        {
            return Err(ConfigError::invalid(
                "auth.hs256_secret",
                "the secret is shorter than 32 bytes and could be guessed",
                "use 32 random bytes or more, such as the output of `openssl rand -base64 48`",
            ));
        }
        if self.algorithm.is_some() && self.jwks_file.is_none() {
            return Err(ConfigError::invalid(
                "auth.algorithm",
                "it only applies to a key set",
                "set `jwks_file` too, or remove it (a secret always means HS256)",
            ));
        }
        if self.tenant_claim.is_empty() {
            return Err(ConfigError::invalid(
                "auth.tenant_claim",
                "the name of the claim is empty",
                "name the claim that holds the tenant, such as \"tenant_id\"",
            ));
        }
        Ok(())
    }
}

/// A shared secret. Never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The bytes that sign and verify.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// One-time tickets, which a browser fetches since it cannot set headers on a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TicketsConfig {
    /// How long a ticket can be redeemed, in ms. Default 30,000.
    pub life_ms: u64,
    /// How many tickets one subject may hold at a time. Default 64.
    pub per_subject: usize,
    /// How many tickets all subjects together may hold at a time. Default 20,000.
    pub total: usize,
}

impl Default for TicketsConfig {
    fn default() -> Self {
        Self { life_ms: 30_000, per_subject: 64, total: 20_000 }
    }
}

impl TicketsConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let counts = [self.per_subject, self.total];
        if self.life_ms == 0 || counts.contains(&0) {
            return Err(ConfigError::invalid(
                "tickets",
                "with a life or a number of 0 no browser could ever connect",
                "set every key of the section to 1 or more, or leave them out",
            ));
        }
        Ok(())
    }
}

/// Tokens that `POST /auth/token` hands out; in a demonstration only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokensConfig {
    /// The life of a token when the request names none, in ms. Default 3,600,000 (an hour).
    pub life_ms: u64,
    /// The longest life that a request may ask for, in ms. Default 86,400,000 (a day).
    pub max_life_ms: u64,
}

impl Default for TokensConfig {
    fn default() -> Self {
        Self { life_ms: 3_600_000, max_life_ms: 86_400_000 }
    }
}

impl TokensConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.life_ms == 0 || self.life_ms > self.max_life_ms {
            return Err(ConfigError::invalid(
                "tokens.life_ms",
                "it must be at least 1 and at most `tokens.max_life_ms`",
                "raise `max_life_ms` or lower `life_ms`",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn source_error(text: &str) -> String {
        let config = Config::from_toml(&format!("[auth]\n{text}"), "test.toml").unwrap();
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn a_key_set_needs_its_algorithm() {
        assert!(source_error("jwks_file = 'k.json'").contains("auth.algorithm"));
    }

    #[test]
    fn a_symmetric_algorithm_cannot_be_pinned_to_a_key_set() {
        let text = "[auth]\njwks_file = 'k.json'\nalgorithm = 'HS256'";
        let error = Config::from_toml(text, "test.toml").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("RS256"), "{error}");
    }

    #[test]
    fn two_kinds_of_key_are_refused() {
        let text = "jwks_file = 'k.json'\nalgorithm = 'RS256'\nhs256_secret = 'x'";
        assert!(source_error(text).contains("keep one"));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(source_error("hs256_secret = 'short'").contains("32 bytes"));
    }

    #[test]
    fn debug_never_shows_the_secret() {
        let config = AuthConfig { hs256_secret: Some(Secret::new("hush")), ..Default::default() };
        assert!(!format!("{config:?}").contains("hush"));
    }
}
