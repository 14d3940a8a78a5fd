//! Tokens: whom a JWT names, if it is to be believed.
//!
//! The algorithm is the one that the configuration pins. What a token's header says is only compared
//! with it, so neither `none` nor a public key used as a shared secret gets anywhere. A token must have
//! `exp`, `sub` and the tenant's claim. Time is passed in. No token is ever part of a message or a log.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::Deserialize;
use serde_json::{Map, Number, Value, json};
use thiserror::Error;

use super::identity::{Identity, is_subject, is_tenant_name};
use super::jwks::{JwksError, KeySet};
use super::refusal::Refusal;
use crate::config::auth::MIN_SECRET_BYTES;
use crate::config::{AuthConfig, ConfigError, KeySource, PinnedAlgorithm};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The most roles that are taken from a token.
const MAX_ROLES: usize = 64;

/// Verifies tokens, and signs them where the key is a shared secret.
pub struct Verifier {
    keys: Keys,
    validation: Validation,
    issuer: Option<String>,
    audience: Option<String>,
    leeway_ms: u64,
    tenant_claim: String,
}

enum Keys {
    Shared { decoding: DecodingKey, encoding: EncodingKey },
    Public { path: PathBuf, algorithm: PinnedAlgorithm, set: RwLock<Arc<KeySet>> },
}

/// A token made here.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The token.
    pub token: String,
    /// When it ends, in ms since the Unix epoch; a whole number of seconds.
    pub expires_at_ms: u64,
}

/// Why no verifier could be made, or its keys not be read again.
#[derive(Debug, Error)]
pub enum VerifierError {
    /// The configuration names no key, or more than one kind.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key set cannot be used.
    #[error(transparent)]
    Jwks(#[from] JwksError),
    /// The file with the secret cannot be used.
    #[error("cannot use the secret in {path}: {problem}; check `auth.hs256_secret_file`")]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system gave no randomness for a secret.
    #[error("the system has no randomness to make a secret from: {0}")]
    Random(#[from] getrandom::Error),
}

/// Why no token could be made.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The keys are public ones.
    #[error("this server only verifies tokens; ask the issuer whose keys are in `auth.jwks_file`")]
    NoSigningKey,
    /// The subject cannot be one.
    #[error("`user` must be 1 to 128 bytes without white space or control characters")]
    Subject,
    /// The tenant cannot be one.
    #[error(
        "`tenant` must be 1 to 64 letters, digits, `-`, `_` or `.`, one of them a letter or digit"
    )]
    Tenant,
    /// The signature failed.
    #[error("signing failed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

impl Verifier {
    /// Gets the keys that the configuration names; `demo` allows a random secret if it names none.
    pub fn new(config: &AuthConfig, demo: bool) -> Result<Self, VerifierError> {
        let keys = match config.key_source(demo)? {
            KeySource::Secret(secret) => Keys::shared(secret.as_bytes()),
            KeySource::SecretFile(path) => {
                let fault = |problem| VerifierError::SecretFile { path: path.to_owned(), problem };
                let text =
                    std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
                let secret = text.trim().as_bytes();
                if secret.len() < MIN_SECRET_BYTES {
                    return Err(fault("it is shorter than 32 bytes".to_owned()));
                }
                Keys::shared(secret)
            }
            KeySource::RandomSecret => {
                let mut secret = [0; MIN_SECRET_BYTES];
                getrandom::fill(&mut secret)?;
                Keys::shared(&secret)
            }
            KeySource::Jwks { path, algorithm } => {
                let set = RwLock::new(Arc::new(KeySet::load(path, algorithm)?));
                Keys::Public { path: path.to_owned(), algorithm, set }
            }
        };
        let mut validation = Validation::new(keys.algorithm());
        // Times are judged here, against the time passed in.
        validation.validate_exp = false;
        let mut required = vec!["exp", "sub"];
        if let Some(issuer) = &config.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if let Some(audience) = &config.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        Ok(Self {
            keys,
            validation,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway_ms: config.leeway_ms,
            tenant_claim: config.tenant_claim.clone(),
        })
    }

    /// Whether [`Verifier::issue`] can sign.
    pub fn can_issue(&self) -> bool {
        matches!(self.keys, Keys::Shared { .. })
    }

    /// Whom the token names. `now_ms` is in ms since the Unix epoch.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Identity, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("it is longer than 8 KiB"));
        }
        let header = decode_header(token)
            .map_err(|_| invalid("it is not a JWT with an algorithm that is known"))?;
        if header.alg != self.keys.algorithm() {
            return Err(invalid("it is not signed with the algorithm that this server uses"));
        }
        if header.crit.is_some() {
            return Err(invalid("it demands an extension (`crit`) that is not known here"));
        }
        let claims = self.claims(token, header.kid.as_deref())?;
        self.identity(claims, now_ms)
    }

    /// Signs a token for a subject of a tenant, for `ttl_ms` from `now_ms` (ms since the Unix epoch),
    /// rounded up to whole seconds.
    pub fn issue(
        &self,
        subject: &str,
        tenant: &str,
        roles: &[String],
        ttl_ms: u64,
        now_ms: u64,
    ) -> Result<Issued, IssueError> {
        let Keys::Shared { encoding, .. } = &self.keys else {
            return Err(IssueError::NoSigningKey);
        };
        if !is_subject(subject) {
            return Err(IssueError::Subject);
        }
        if !is_tenant_name(tenant) {
            return Err(IssueError::Tenant);
        }
        let end_s = now_ms.saturating_add(ttl_ms).div_ceil(1000);
        let mut claims = Map::new();
        claims.insert("sub".into(), json!(subject));
        claims.insert("iat".into(), json!(now_ms / 1000));
        claims.insert("exp".into(), json!(end_s));
        claims.insert(self.tenant_claim.clone(), json!(tenant));
        if !roles.is_empty() {
            claims.insert("roles".into(), json!(roles));
        }
        if let Some(issuer) = &self.issuer {
            claims.insert("iss".into(), json!(issuer));
        }
        if let Some(audience) = &self.audience {
            claims.insert("aud".into(), json!(audience));
        }
        let token = encode(&Header::new(Algorithm::HS256), &claims, encoding)?;
        Ok(Issued { token, expires_at_ms: end_s.saturating_mul(1000) })
    }

    /// Reads the key set's file again, and says how many keys there are now. If that fails, the keys
    /// that were there stay. Does nothing where the key is a shared secret.
    pub fn reload(&self) -> Result<usize, VerifierError> {
        let Keys::Public { path, algorithm, set } = &self.keys else {
            return Ok(1);
        };
        let fresh = Arc::new(KeySet::load(path, *algorithm)?);
        let count = fresh.count();
        *set.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(count)
    }

    fn claims(&self, token: &str, kid: Option<&str>) -> Result<Claims, Refusal> {
        let decoded = match &self.keys {
            Keys::Shared { decoding, .. } => decode(token, decoding, &self.validation),
            Keys::Public { set, .. } => {
                let set = Arc::clone(&set.read().unwrap_or_else(PoisonError::into_inner));
                let key = set.select(kid).ok_or_else(|| {
                    invalid("its `kid` names no key of this server; its issuer may have new keys")
                })?;
                decode(token, key, &self.validation)
            }
        };
        decoded.map(|data| data.claims).map_err(|error| invalid(reason(error.kind())))
    }

    fn identity(&self, mut claims: Claims, now_ms: u64) -> Result<Identity, Refusal> {
        let end =
            claims.exp.as_ref().and_then(millis).ok_or_else(|| invalid("its `exp` is no time"))?;
        let expires_at_ms = end.saturating_add(self.leeway_ms);
        if expires_at_ms <= now_ms {
            return Err(Refusal::TokenExpired);
        }
        if let Some(start) = &claims.nbf {
            let start = millis(start).ok_or_else(|| invalid("its `nbf` is no time"))?;
            if start > now_ms.saturating_add(self.leeway_ms) {
                return Err(invalid("it is not valid yet (`nbf`); check the clocks"));
            }
        }
        if !is_subject(&claims.sub) {
            return Err(invalid("its `sub` is empty, longer than 128 bytes, or has white space"));
        }
        let claim = || self.tenant_claim.clone();
        let tenant = match claims.rest.remove(&self.tenant_claim) {
            None | Some(Value::Null) => return Err(Refusal::TenantMissing { claim: claim() }),
            Some(Value::String(tenant)) if is_tenant_name(&tenant) => tenant,
            Some(_) => return Err(Refusal::TenantInvalid { claim: claim() }),
        };
        let roles = match claims.rest.remove("roles") {
            Some(Value::Array(roles)) => roles
                .into_iter()
                .filter_map(|role| role.as_str().map(str::to_owned))
                .take(MAX_ROLES)
                .collect(),
            _ => Vec::new(),
        };
        Ok(Identity {
            subject: claims.sub,
            tenant,
            roles,
            expires_at_ms: Some(expires_at_ms),
            anonymous: false,
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("algorithm", &self.keys.algorithm())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("expires_at_ms", &self.expires_at_ms).finish_non_exhaustive()
    }
}

impl Keys {
    fn shared(secret: &[u8]) -> Self {
        Self::Shared {
            decoding: DecodingKey::from_secret(secret),
            encoding: EncodingKey::from_secret(secret),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Shared { .. } => Algorithm::HS256,
            Self::Public { algorithm: PinnedAlgorithm::RS256, .. } => Algorithm::RS256,
            Self::Public { algorithm: PinnedAlgorithm::ES256, .. } => Algorithm::ES256,
            Self::Public { algorithm: PinnedAlgorithm::EdDSA, .. } => Algorithm::EdDSA,
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: Option<Number>,
    nbf: Option<Number>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A `NumericDate` (seconds, possibly with a fraction) in ms.
fn millis(seconds: &Number) -> Option<u64> {
    match seconds.as_u64() {
        Some(whole) => Some(whole.saturating_mul(1000)),
        // A cast from a float saturates, which is what is wanted here.
        None => seconds.as_f64().filter(|s| *s >= 0.0).map(|s| (s * 1000.0) as u64),
    }
}

fn invalid(why: &'static str) -> Refusal {
    Refusal::TokenInvalid { why }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "its signature does not match; it was made with another key",
        ErrorKind::InvalidIssuer => "its `iss` is not the issuer that this server trusts",
        ErrorKind::InvalidAudience => "its `aud` does not name this server",
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "exp" => "it has no `exp`, or one that is no time",
            "sub" => "it has no `sub`",
            "iss" => "it has no `iss`",
            "aud" => "it has no `aud`",
            _ => "a claim is missing",
        },
        ErrorKind::InvalidAlgorithm => "it is not signed with the algorithm that this server uses",
        _ => "it is not a well-formed JWT",
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests;
