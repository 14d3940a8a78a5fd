//! The token of another service of the operator's. It proves that service alone, and no user.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use axum::http::HeaderMap;

use super::credentials::bearer;
use super::refusal::Refusal;
use crate::config::emit::check_token;
use crate::config::{ConfigError, EmitConfig, Secret};

/// The token, as far as it has to be kept to know it again.
pub struct ServiceToken(Digest);

impl ServiceToken {
    /// The configured one, if there is one.
    pub(super) fn new(config: &EmitConfig) -> Result<Option<Self>, ConfigError> {
        let secret = match (&config.service_token, &config.service_token_file) {
            (Some(secret), _) => secret.clone(),
            (None, None) => return Ok(None),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    ConfigError::invalid(
                        "emit.service_token_file",
                        format!("{} can't be read: {error}", path.display()),
                        "check the path and who may read it",
                    )
                })?;
                Secret::new(text.trim())
            }
        };
        check_token(&secret)?;
        Ok(Some(Self(digest(&SHA256, secret.as_bytes()))))
    }

    /// Whether a request carries it. How much of a wrong one was right can't be told from the time.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = bearer(headers)?.ok_or(Refusal::Unauthorized)?;
        let given = digest(&SHA256, given.as_bytes());
        verify_slices_are_equal(given.as_ref(), self.0.as_ref())
            .map_err(|_| Refusal::TokenInvalid { why: "it is not the service's" })
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ServiceToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_known_again_and_nothing_else_is() {
        let token = "a service token of no less than 32 bytes";
        let service_token = Some(Secret::new(token));
        let config = EmitConfig { service_token, ..EmitConfig::default() };
        let known = ServiceToken::new(&config).unwrap().unwrap();
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            if !value.is_empty() {
                headers.insert("authorization", value.parse().unwrap());
            }
            known.check(&headers).map_err(|refusal| refusal.code())
        };
        assert_eq!(check(&format!("Bearer {token}")), Ok(()));
        assert_eq!(check(&format!("Bearer {token}x")), Err("token_invalid"));
        assert_eq!(check("Bearer x"), Err("token_invalid"));
        assert_eq!(check(""), Err("unauthorized"));
        assert!(!format!("{known:?}").contains(token));
        assert!(ServiceToken::new(&EmitConfig::default()).unwrap().is_none());
    }
}
