//! What must not get past the verifier, and what must.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::testing::SigningKey;
use super::*;
use crate::config::Secret;

const NOW_MS: u64 = 1_800_000_000_000;
const NOW_S: u64 = NOW_MS / 1000;
const SECRET: &str = "a shared secret of no less than 32 bytes";

fn shared() -> AuthConfig {
    AuthConfig { hs256_secret: Some(Secret::new(SECRET)), ..AuthConfig::default() }
}

fn verifier(config: &AuthConfig) -> Verifier {
    Verifier::new(config, false).unwrap()
}

fn claims() -> Value {
    json!({ "sub": "ada", "tenant_id": "acme", "exp": NOW_S + 60, "roles": ["editor"] })
}

fn with(member: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[member] = value;
    claims
}

fn without(member: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(member);
    claims
}

fn signed(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// The code of the refusal, or `ok`.
fn outcome(config: &AuthConfig, token: &str) -> &'static str {
    match verifier(config).verify(token, NOW_MS) {
        Ok(_) => "ok",
        Err(refusal) => {
            assert!(!refusal.to_string().contains(token), "the message repeats the token");
            refusal.code()
        }
    }
}

fn why(config: &AuthConfig, token: &str) -> String {
    verifier(config).verify(token, NOW_MS).unwrap_err().to_string()
}

/// A key set on disk for as long as the value lives.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(keys: &[Value]) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "staywire-jwks-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let file = Self(std::env::temp_dir().join(name));
        file.write(keys);
        file
    }

    fn write(&self, keys: &[Value]) {
        std::fs::write(&self.0, json!({ "keys": keys }).to_string()).unwrap();
    }

    fn config(&self, algorithm: PinnedAlgorithm) -> AuthConfig {
        AuthConfig {
            jwks_file: Some(self.0.clone()),
            algorithm: Some(algorithm),
            ..AuthConfig::default()
        }
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_good_token_becomes_an_identity() {
    let identity = verifier(&shared()).verify(&signed(&claims()), NOW_MS).unwrap();
    assert_eq!((identity.subject.as_str(), identity.tenant.as_str()), ("ada", "acme"));
    assert_eq!(identity.roles, ["editor"]);
    assert_eq!(identity.expires_at_ms, Some(NOW_MS + 60_000 + 5_000));
    assert!(!identity.anonymous);
}

#[test]
fn what_is_issued_is_verified_and_ends_when_it_says() {
    let config = AuthConfig {
        issuer: Some("staywire".into()),
        audience: Some("rooms".into()),
        leeway_ms: 0,
        tenant_claim: "org".into(),
        ..shared()
    };
    let verifier = verifier(&config);
    let issued = verifier.issue("ada", "acme", &["admin".into()], 1_500, NOW_MS).unwrap();
    assert_eq!(issued.expires_at_ms, NOW_MS + 2_000);
    let identity = verifier.verify(&issued.token, NOW_MS + 1_999).unwrap();
    assert_eq!(
        (identity.tenant.as_str(), identity.roles.as_slice()),
        ("acme", &["admin".into()][..])
    );
    let late = verifier.verify(&issued.token, NOW_MS + 2_000).unwrap_err();
    assert_eq!(late, Refusal::TokenExpired);
}

#[test]
fn what_could_not_be_verified_is_not_issued() {
    let verifier = verifier(&shared());
    assert!(matches!(verifier.issue("", "acme", &[], 1, NOW_MS), Err(IssueError::Subject)));
    assert!(matches!(verifier.issue("ada", "a/b", &[], 1, NOW_MS), Err(IssueError::Tenant)));
}

#[test]
fn every_demo_process_has_a_secret_of_its_own() {
    let demo = || Verifier::new(&AuthConfig::default(), true).unwrap();
    let token = demo().issue("ada", "acme", &[], 60_000, NOW_MS).unwrap().token;
    assert_eq!(demo().verify(&token, NOW_MS).unwrap_err().code(), "token_invalid");
}

#[test]
fn the_leeway_is_all_that_an_expired_token_gets() {
    let config = shared();
    assert_eq!(outcome(&config, &signed(&with("exp", json!(NOW_S - 4)))), "ok");
    assert_eq!(outcome(&config, &signed(&with("exp", json!(NOW_S - 5)))), "token_expired");
    assert_eq!(outcome(&config, &signed(&with("exp", json!(NOW_S as f64 - 4.5)))), "ok");
    assert_eq!(outcome(&config, &signed(&with("nbf", json!(NOW_S + 5)))), "ok");
    assert_eq!(outcome(&config, &signed(&with("nbf", json!(NOW_S + 6)))), "token_invalid");
}

#[test]
fn claims_that_are_needed_cannot_be_missing_or_nonsense() {
    let config = shared();
    for token in [
        without("exp"),
        without("sub"),
        with("exp", json!("tomorrow")),
        with("exp", json!(-1)),
        with("nbf", json!("soon")),
        with("sub", json!("")),
        with("sub", json!("a b")),
        with("sub", json!(7)),
    ] {
        assert_eq!(outcome(&config, &signed(&token)), "token_invalid", "{token}");
    }
}

#[test]
fn the_tenant_must_be_there_and_a_name() {
    let config = shared();
    assert_eq!(outcome(&config, &signed(&without("tenant_id"))), "tenant_missing");
    assert_eq!(outcome(&config, &signed(&with("tenant_id", Value::Null))), "tenant_missing");
    for bad in [json!(""), json!("a/b"), json!(".."), json!("a:b"), json!(["acme"]), json!("é")] {
        assert_eq!(outcome(&config, &signed(&with("tenant_id", bad))), "tenant_invalid");
    }
    let renamed = AuthConfig { tenant_claim: "org".into(), ..shared() };
    assert_eq!(outcome(&renamed, &signed(&claims())), "tenant_missing");
    assert_eq!(outcome(&renamed, &signed(&with("org", json!("acme")))), "ok");
}

#[test]
fn issuer_and_audience_must_be_the_ones_configured() {
    let config =
        AuthConfig { issuer: Some("idp".into()), audience: Some("rooms".into()), ..shared() };
    let claims = |iss: Value, aud: Value| {
        let mut claims = claims();
        claims["iss"] = iss;
        claims["aud"] = aud;
        signed(&claims)
    };
    assert_eq!(outcome(&config, &claims(json!("idp"), json!("rooms"))), "ok");
    assert_eq!(outcome(&config, &claims(json!("idp"), json!(["x", "rooms"]))), "ok");
    assert!(why(&config, &claims(json!("idp"), json!("billing"))).contains("`aud`"));
    assert!(why(&config, &claims(json!("idp"), json!([]))).contains("`aud`"));
    assert!(why(&config, &claims(json!("idp"), Value::Null)).contains("`aud`"));
    assert!(why(&config, &claims(json!("evil"), json!("rooms"))).contains("`iss`"));
    assert!(why(&config, &claims(Value::Null, json!("rooms"))).contains("`iss`"));
    // RFC 7519: a token for somebody else is not for a server that has no name.
    assert!(why(&shared(), &signed(&with("aud", json!("billing")))).contains("`aud`"));
}

#[test]
fn a_token_signed_with_another_secret_or_changed_is_refused() {
    let other = EncodingKey::from_secret(b"another secret, as long as the first one");
    let forged = encode(&Header::default(), &claims(), &other).unwrap();
    assert_eq!(outcome(&shared(), &forged), "token_invalid");
    let good = signed(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let root = URL_SAFE_NO_PAD.encode(with("sub", json!("root")).to_string());
    assert_eq!(outcome(&shared(), &format!("{}.{root}.{}", parts[0], parts[2])), "token_invalid");
    for nonsense in ["", "a.b.c", "a.b", ".", "...", &"x".repeat(9_000)] {
        let refusal = verifier(&shared()).verify(nonsense, NOW_MS).unwrap_err();
        assert_eq!(refusal.code(), "token_invalid", "{nonsense}");
    }
}

#[test]
fn alg_none_is_refused_whether_signed_or_not() {
    for alg in ["none", "None", "NONE"] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "JWT" }).to_string());
        let body = URL_SAFE_NO_PAD.encode(claims().to_string());
        let signature = signed(&claims()).rsplit('.').next().unwrap().to_owned();
        assert_eq!(outcome(&shared(), &format!("{header}.{body}.")), "token_invalid");
        assert_eq!(outcome(&shared(), &format!("{header}.{body}.{signature}")), "token_invalid");
    }
}

#[test]
fn the_same_secret_with_another_hash_is_refused() {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::new(Algorithm::HS512), &claims(), &key).unwrap();
    assert!(why(&shared(), &token).contains("algorithm"));
}

#[test]
fn a_public_key_is_no_shared_secret() {
    for (algorithm, key) in [
        (PinnedAlgorithm::RS256, SigningKey::rsa()),
        (PinnedAlgorithm::ES256, SigningKey::p256()),
        (PinnedAlgorithm::EdDSA, SigningKey::ed25519()),
    ] {
        let file = KeyFile::new(&[key.jwk("main")]);
        let config = file.config(algorithm);
        assert_eq!(outcome(&config, &key.sign(Some("main"), &claims())), "ok", "{algorithm:?}");
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("main".into());
        let jwk = key.jwk("main").to_string();
        for guess in [key.public_der.as_slice(), jwk.as_bytes()] {
            let forged = encode(&header, &claims(), &EncodingKey::from_secret(guess)).unwrap();
            assert!(why(&config, &forged).contains("algorithm"), "{algorithm:?}");
        }
    }
}

#[test]
fn the_kid_picks_the_key_and_an_unknown_one_is_refused() {
    let (one, two) = (SigningKey::p256(), SigningKey::p256());
    let file = KeyFile::new(&[one.jwk("one"), two.jwk("two")]);
    let config = file.config(PinnedAlgorithm::ES256);
    assert_eq!(outcome(&config, &one.sign(Some("one"), &claims())), "ok");
    assert_eq!(outcome(&config, &two.sign(Some("two"), &claims())), "ok");
    assert!(why(&config, &one.sign(Some("two"), &claims())).contains("signature"));
    assert!(why(&config, &one.sign(Some("three"), &claims())).contains("`kid`"));
    assert!(why(&config, &one.sign(None, &claims())).contains("`kid`"));
}

#[test]
fn keys_are_read_again_and_a_broken_file_changes_nothing() {
    let (old, new) = (SigningKey::ed25519(), SigningKey::ed25519());
    let file = KeyFile::new(&[old.jwk("old")]);
    let verifier = verifier(&file.config(PinnedAlgorithm::EdDSA));
    let fresh = new.sign(Some("new"), &claims());
    assert!(verifier.verify(&fresh, NOW_MS).is_err());
    file.write(&[old.jwk("old"), new.jwk("new")]);
    assert_eq!(verifier.reload().unwrap(), 2);
    assert!(verifier.verify(&fresh, NOW_MS).is_ok());
    file.write(&[]);
    assert!(verifier.reload().is_err());
    assert!(verifier.verify(&fresh, NOW_MS).is_ok());
    assert!(!verifier.can_issue());
    assert!(matches!(verifier.issue("a", "b", &[], 1, 1), Err(IssueError::NoSigningKey)));
}

#[test]
fn critical_extensions_are_refused() {
    let header = json!({ "alg": "HS256", "crit": ["b64"], "b64": false });
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());
    let message = format!("{header}.{body}");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, message.as_bytes()));
    assert!(why(&shared(), &format!("{message}.{signature}")).contains("crit"));
}
