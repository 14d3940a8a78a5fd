//! Who a connection belongs to, as proven once at its start.
//!
//! An identity is only made from a verified token or for an anonymous guest; it never changes while the
//! connection lives (a new token means a new connection).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The tenant of every anonymous session.
pub const ANONYMOUS_TENANT: &str = "demo";

/// The longest name of a tenant, in bytes.
pub const MAX_TENANT_BYTES: usize = 64;

/// The longest subject, in bytes.
pub const MAX_SUBJECT_BYTES: usize = 128;

/// A proven caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whom the issuer says this is; unique within the tenant. Never empty.
    pub subject: String,
    /// The tenant whose rooms the caller may name; see [`is_tenant_name`].
    pub tenant: String,
    /// What the issuer says the caller may do. Empty for anonymous callers.
    pub roles: Vec<String>,
    /// When the proof ends, in ms since the Unix epoch, the allowed difference of clocks included; from
    /// then on the session must end. `None` for anonymous callers, who proved nothing.
    pub expires_at_ms: Option<u64>,
    /// Whether the caller presented no credential.
    pub anonymous: bool,
}

impl Identity {
    /// A guest with a subject that nobody can guess, and so nobody else can take.
    pub fn anonymous() -> Result<Self, getrandom::Error> {
        Ok(Self {
            subject: format!("anon-{}", random_text::<16>()?),
            tenant: ANONYMOUS_TENANT.to_owned(),
            roles: Vec::new(),
            expires_at_ms: None,
            anonymous: true,
        })
    }

    /// Knows a guest again by something that only that guest can know; does nothing to others.
    ///
    /// A guest proves nothing at the upgrade, and would be another one on each of its links: a
    /// client would see its identity change, and lose what is bound to it.
    pub fn recognise(&mut self, secret: &str) {
        if self.anonymous {
            // Hashed, since others see the subject, and must not learn the secret from it.
            let hash = digest(&SHA256, secret.as_bytes());
            self.subject = format!("anon-{}", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
        }
    }

    /// Whether the proof has ended at `now_ms`, in ms since the Unix epoch.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|end| end <= now_ms)
    }
}

/// Whether a tenant may be called this: 1 to 64 ASCII letters, digits, `-`, `_` and `.`, at least one of
/// them a letter or a digit.
///
/// The name becomes the first part of room names, of keys in the store and of folders: so no `/`, no
/// `:`, and never `.` or `..`.
pub fn is_tenant_name(name: &str) -> bool {
    name.len() <= MAX_TENANT_BYTES
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether a subject may be called this: 1 to 128 bytes without white space or control characters.
///
/// Wider than a tenant, since issuers write `auth0|5f…`, addresses and URNs there; it is only ever the
/// last part of a room's name.
pub fn is_subject(name: &str) -> bool {
    (1..=MAX_SUBJECT_BYTES).contains(&name.len())
        && !name.chars().any(|char| char.is_whitespace() || char.is_control())
}

/// `N` random bytes as base64url text without padding.
pub(super) fn random_text<const N: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_plain_names() {
        for good in ["acme", "acme-eu.1", "A_b", "7", &"x".repeat(64)] {
            assert!(is_tenant_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "é", "a\0", "*", &"x".repeat(65)] {
            assert!(!is_tenant_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn subjects_have_no_space_and_no_control_characters() {
        for good in ["ada", "auth0|5f", "ada@example.com", "urn:x:1", "zoë"] {
            assert!(is_subject(good), "{good}");
        }
        for bad in ["", "a b", "a\n", "\u{7f}", &"x".repeat(129)] {
            assert!(!is_subject(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_guest_is_known_again_and_nobody_else_is_changed() {
        let guest = |secret: &str| {
            let mut guest = Identity::anonymous().unwrap();
            guest.recognise(secret);
            guest.subject
        };
        assert_eq!(guest("one"), guest("one"));
        assert_ne!(guest("one"), guest("two"));
        assert!(is_subject(&guest("one")) && !guest("one").contains("one"));
        let mut ada = Identity { subject: "ada".into(), ..Identity::anonymous().unwrap() };
        ada.anonymous = false;
        ada.recognise("one");
        assert_eq!(ada.subject, "ada");
    }

    #[test]
    fn guests_never_share_a_subject() {
        let (one, two) = (Identity::anonymous().unwrap(), Identity::anonymous().unwrap());
        assert_ne!(one.subject, two.subject);
        assert!(one.subject.starts_with("anon-") && one.subject.len() >= 5 + 22);
        assert!(is_subject(&one.subject) && is_tenant_name(&one.tenant) && one.anonymous);
        assert!(!one.is_expired(u64::MAX));
    }
}
