//! Public keys from a JWK set (RFC 7517), every one of them fit for the one pinned algorithm.
//!
//! A set is taken whole or not at all: a key that contradicts itself or the algorithm is a mistake of
//! whoever wrote the file, and serving without it would hide that. Private and symmetric keys are
//! refused, since they have no place in a file of public ones.

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use thiserror::Error;

use crate::config::PinnedAlgorithm;

/// The least and the greatest RSA modulus, in bytes: what RFC 7518, 3.3 demands, and what can still be
/// verified at the rate that connections arrive.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The keys of one set.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    key: DecodingKey,
}

/// Why a key set cannot be used.
#[derive(Debug, Error)]
pub enum JwksError {
    /// The file could not be read.
    #[error("cannot read the key set {path}: {source}; check `auth.jwks_file`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is in the file can't be used.
    #[error("the key set {path} can't be used: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The text is not a JWK set.
    #[error("it is not `{{\"keys\": [...]}}`: {0}")]
    Parse(#[from] serde_json::Error),
    /// The set has no keys.
    #[error("it is empty; without a key no token can be verified")]
    Empty,
    /// A key cannot be used with the pinned algorithm.
    #[error("{key}: {problem}; correct it or take it out")]
    Unfit {
        /// Which one: its `kid`, or its place.
        key: String,
        /// What is wrong.
        problem: String,
    },
}

impl KeySet {
    /// Reads a file.
    pub fn load(path: &Path, algorithm: PinnedAlgorithm) -> Result<Self, JwksError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| JwksError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, algorithm)
            .map_err(|error| JwksError::File { path: path.to_owned(), problem: error.to_string() })
    }

    /// Reads JSON text.
    pub fn parse(text: &str, algorithm: PinnedAlgorithm) -> Result<Self, JwksError> {
        let document: Document = serde_json::from_str(text)?;
        let alone = document.keys.len() == 1;
        let mut keys: Vec<Key> = Vec::new();
        for (index, jwk) in document.keys.into_iter().enumerate() {
            let unfit = |problem: String| JwksError::Unfit {
                key: jwk
                    .kid
                    .as_ref()
                    .map_or(format!("key {}", index + 1), |id| format!("key `{id}`")),
                problem,
            };
            if jwk.kid.is_none() && !alone {
                return Err(unfit("it has no `kid`, which tells it from the others".to_owned()));
            }
            if keys.iter().any(|key| key.id == jwk.kid) {
                return Err(unfit("another key has the same `kid`".to_owned()));
            }
            let key = jwk.decoding_key(algorithm).map_err(unfit)?;
            keys.push(Key { id: jwk.kid, key });
        }
        if keys.is_empty() {
            return Err(JwksError::Empty);
        }
        Ok(Self { keys })
    }

    /// The key that a token names by its `kid`. A token that names none gets the key of a set of one.
    pub fn select(&self, kid: Option<&str>) -> Option<&DecodingKey> {
        let named = |key: &&Key| kid.is_some() && key.id.as_deref() == kid;
        match (kid, self.keys.as_slice()) {
            (None, [only]) => Some(&only.key),
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(named).map(|key| &key.key),
        }
    }

    /// How many keys the set holds; never 0.
    pub fn count(&self) -> usize {
        self.keys.len()
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Jwk>,
}

/// The members of a JWK that decide; others (`x5c`, …) say nothing that is needed here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    fn decoding_key(&self, algorithm: PinnedAlgorithm) -> Result<DecodingKey, String> {
        let (name, kty, curve) = match algorithm {
            PinnedAlgorithm::RS256 => ("RS256", "RSA", None),
            PinnedAlgorithm::ES256 => ("ES256", "EC", Some("P-256")),
            PinnedAlgorithm::EdDSA => ("EdDSA", "OKP", Some("Ed25519")),
        };
        if self.d.is_some() || self.k.is_some() {
            return Err(
                "it holds a private or symmetric key, and only public ones belong here".into()
            );
        }
        expect("kty", Some(&self.kty), kty, name)?;
        if let Some(curve) = curve {
            expect("crv", self.crv.as_deref(), curve, name)?;
        }
        if let Some(alg) = &self.alg {
            expect("alg", Some(alg), name, name)?;
        }
        if let Some(usage) = &self.usage {
            expect("use", Some(usage), "sig", name)?;
        }
        if self.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
            return Err("its `key_ops` do not allow `verify`".into());
        }
        match algorithm {
            PinnedAlgorithm::RS256 => self.rsa(),
            PinnedAlgorithm::ES256 => self.p256(),
            PinnedAlgorithm::EdDSA => self.ed25519(),
        }
    }

    fn rsa(&self) -> Result<DecodingKey, String> {
        let (n, e) = (decode("n", &self.n)?, decode("e", &self.e)?);
        let n = n.strip_prefix(&[0]).unwrap_or(&n);
        if !RSA_MODULUS_BYTES.contains(&n.len()) {
            return Err(format!("its modulus has {} bits; 2048 to 8192 are accepted", n.len() * 8));
        }
        if e.last().is_none_or(|low| low & 1 == 0) || e == [1] {
            return Err("its exponent `e` is not an odd number over 1".into());
        }
        Ok(DecodingKey::from_rsa_raw_components(n, &e))
    }

    fn p256(&self) -> Result<DecodingKey, String> {
        let (x, y) = (decode("x", &self.x)?, decode("y", &self.y)?);
        if x.len() != 32 || y.len() != 32 {
            return Err("`x` and `y` must have 32 bytes each".into());
        }
        let point = [&[4], x.as_slice(), &y].concat();
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
            .map_err(|_| "`x` and `y` are not a point of P-256".to_owned())?;
        Ok(DecodingKey::from_ec_der(&point))
    }

    fn ed25519(&self) -> Result<DecodingKey, String> {
        let x = decode("x", &self.x)?;
        ParsedPublicKey::new(&ED25519, &x)
            .map_err(|_| "`x` is not an Ed25519 public key of 32 bytes".to_owned())?;
        Ok(DecodingKey::from_ed_der(&x))
    }
}

fn expect(member: &str, found: Option<&str>, needed: &str, algorithm: &str) -> Result<(), String> {
    match found {
        Some(found) if found == needed => Ok(()),
        Some(found) => Err(format!("`{member}` is `{found}`, but {algorithm} needs `{needed}`")),
        None => Err(format!("`{member}` is missing; {algorithm} needs `{needed}`")),
    }
}

fn decode(member: &str, value: &Option<String>) -> Result<Vec<u8>, String> {
    let text = value.as_ref().ok_or_else(|| format!("`{member}` is missing"))?;
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| format!("`{member}` is not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::jwt::testing::SigningKey;
    use serde_json::{Value, json};

    fn load(algorithm: PinnedAlgorithm, keys: &[Value]) -> Result<KeySet, String> {
        KeySet::parse(&json!({ "keys": keys }).to_string(), algorithm).map_err(|e| e.to_string())
    }

    fn with(mut jwk: Value, member: &str, value: Value) -> Value {
        jwk[member] = value;
        jwk
    }

    #[test]
    fn every_algorithm_takes_its_own_keys_and_no_others() {
        use PinnedAlgorithm::*;
        let keys = [
            (RS256, SigningKey::rsa()),
            (ES256, SigningKey::p256()),
            (EdDSA, SigningKey::ed25519()),
        ];
        for (algorithm, _) in &keys {
            for (of, key) in &keys {
                let loaded = load(*algorithm, &[key.jwk("k")]);
                assert_eq!(
                    loaded.is_ok(),
                    algorithm == of,
                    "{algorithm:?} with {of:?}: {loaded:?}"
                );
            }
        }
    }

    #[test]
    fn a_key_that_contradicts_itself_is_refused_by_name() {
        let jwk = SigningKey::p256().jwk("main");
        for (member, value) in [
            ("alg", json!("RS256")),
            ("alg", json!("HS256")),
            ("use", json!("enc")),
            ("key_ops", json!(["sign"])),
            ("kty", json!("RSA")),
            ("kty", json!("oct")),
            ("crv", json!("P-384")),
            ("x", json!("AAAA")),
            ("y", json!("!")),
            ("d", json!("c2VjcmV0")),
            ("k", json!("c2VjcmV0")),
        ] {
            let error =
                load(PinnedAlgorithm::ES256, &[with(jwk.clone(), member, value)]).unwrap_err();
            assert!(error.contains("`main`"), "{member}: {error}");
        }
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let jwk = SigningKey::p256().jwk("main");
        let off = with(jwk.clone(), "y", jwk["x"].clone());
        assert!(load(PinnedAlgorithm::ES256, &[off]).unwrap_err().contains("point"));
    }

    #[test]
    fn weak_rsa_is_refused() {
        let jwk = SigningKey::rsa().jwk("main");
        let short = with(jwk.clone(), "n", json!(URL_SAFE_NO_PAD.encode([0xff; 128])));
        assert!(load(PinnedAlgorithm::RS256, &[short]).unwrap_err().contains("1024 bits"));
        let one = with(jwk, "e", json!("AQ"));
        assert!(load(PinnedAlgorithm::RS256, &[one]).unwrap_err().contains("exponent"));
    }

    #[test]
    fn keys_must_be_told_apart() {
        let (a, b) = (SigningKey::ed25519().jwk("a"), SigningKey::ed25519().jwk("b"));
        let load = |keys: &[Value]| load(PinnedAlgorithm::EdDSA, keys);
        assert!(load(&[a.clone(), a.clone()]).unwrap_err().contains("same `kid`"));
        assert!(
            load(&[a.clone(), with(b.clone(), "kid", Value::Null)]).unwrap_err().contains("key 2")
        );
        assert!(load(&[]).unwrap_err().contains("empty"));
        let set = load(&[a, b.clone()]).unwrap();
        assert!(set.select(Some("b")).is_some());
        assert!(set.select(Some("c")).is_none() && set.select(None).is_none());
        let alone = load(&[with(b, "kid", Value::Null)]).unwrap();
        assert!(alone.select(None).is_some() && alone.select(Some("b")).is_none());
    }
}
