//! Events from outside: who may send them, and how many.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ConfigError, Secret};
use crate::config::limits::per_second;

/// Shortest token in bytes.
const MIN_TOKEN_BYTES: usize = 32;

/// `POST /internal/emit`: events that another service of the operator's sends. It is off without a
/// token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmitConfig {
    /// What the service proves itself with, at least 32 bytes. Whoever has it may write in the rooms
    /// of every tenant. Default: none.
    pub service_token: Option<Secret>,
    /// A file that holds it instead; white space at its ends is cut off.
    pub service_token_file: Option<PathBuf>,
    /// The tenant of events that name none. Default: none, and `demo` in a demonstration.
    pub tenant: Option<String>,
    /// Events per second that may be sent for ever. Default 1,000.
    pub per_second: NonZeroU32,
    /// Events that may be sent at once after a rest. Default 10,000.
    pub burst: NonZeroU32,
}

impl Default for EmitConfig {
    fn default() -> Self {
        Self {
            service_token: None,
            service_token_file: None,
            tenant: None,
            per_second: per_second(1_000),
            burst: per_second(10_000),
        }
    }
}

impl EmitConfig {
    /// Makes a relative path count from the configuration's folder.
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        if let Some(path) = &mut self.service_token_file {
            *path = folder.join(&*path);
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.service_token.is_some() && self.service_token_file.is_some() {
            return Err(ConfigError::invalid(
                "emit.service_token",
                "`service_token_file` is set too",
                "keep one of them",
            ));
        }
        match &self.service_token {
            Some(token) => check_token(token),
            None => Ok(()),
        }
    }
}

/// Whether a token is long enough not to be guessed.
pub(crate) fn check_token(token: &Secret) -> Result<(), ConfigError> {
    if token.as_bytes().len() >= MIN_TOKEN_BYTES {
        return Ok(());
    }
    Err(ConfigError::invalid(
        "emit.service_token",
        "the token is shorter than 32 bytes and could be guessed",
        "make one with `openssl rand -hex 32`",
    ))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn error_of(text: &str) -> String {
        let config = Config::from_toml(&format!("demo = true\n[emit]\n{text}"), "test.toml");
        config.and_then(|config| config.validate()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_work_is_refused_and_the_token_is_not_shown() {
        let short = error_of("service_token = 'hush'");
        assert!(short.contains("32 bytes") && !short.contains("hush"), "{short}");
        let two = error_of("service_token = 'x'\nservice_token_file = 'y'");
        assert!(two.contains("keep one"), "{two}");
        assert!(error_of("per_second = 0").contains("line 3"));
    }
}
