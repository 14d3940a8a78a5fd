//! Keys made on the spot, so that no private key is ever part of the source.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// A private key of an issuer, and its public half as a JWK.
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    encoding: EncodingKey,
    public: Value,
    /// The public key as an attacker would find it, in DER.
    pub(crate) public_der: Vec<u8>,
}

impl SigningKey {
    pub(crate) fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let pkcs1 = pkcs1_of(AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref());
        Self {
            algorithm: Algorithm::RS256,
            encoding: EncodingKey::from_rsa_der(&pkcs1),
            public: json!({
                "kty": "RSA", "alg": "RS256", "use": "sig",
                "n": text(public.modulus().big_endian_without_leading_zero()),
                "e": text(public.exponent().big_endian_without_leading_zero()),
            }),
            public_der: public.as_ref().to_vec(),
        }
    }

    pub(crate) fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        Self {
            algorithm: Algorithm::ES256,
            encoding: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
            public: json!({
                "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
                "x": text(&point[1..33]), "y": text(&point[33..]),
            }),
            public_der: point,
        }
    }

    pub(crate) fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let public = pair.public_key().as_ref().to_vec();
        Self {
            algorithm: Algorithm::EdDSA,
            encoding: EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref()),
            public: json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&public) }),
            public_der: public,
        }
    }

    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = json!(kid);
        jwk
    }

    pub(crate) fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, &self.encoding).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The RSAPrivateKey inside a PKCS#8 envelope, which is its last member and a long-form OCTET STRING.
fn pkcs1_of(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.windows(5).position(|w| w[0] == 4 && w[1] == 0x82 && w[4] == 0x30).unwrap();
    bytes[start + 4..].to_vec()
}
