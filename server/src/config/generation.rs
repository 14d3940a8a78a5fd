//! What a generated website may take, and how long its preview is kept.

use serde::Deserialize;

use super::{ConfigError, limits::at_least_one};

/// The generation of websites.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerationConfig {
    /// How long each step takes at least, in ms, so that people can watch. Default 400.
    pub step_delay_ms: u64,
    /// The longest prompt, in bytes. Default 8,192.
    pub max_prompt_bytes: usize,
    /// The largest website, HTML, CSS and JavaScript together, in bytes. Default 262,144.
    pub max_output_bytes: usize,
    /// Sessions that are remembered; the one that was quiet longest goes first. Default 10,000.
    pub sessions: usize,
    /// Sessions of one subject that are remembered. Default 100.
    pub sessions_per_subject: usize,
    /// Previews that are kept; the one that was used least recently goes first. Default 1,000.
    pub previews: usize,
    /// Bytes of those. Default 67,108,864.
    pub preview_bytes: usize,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            step_delay_ms: 400,
            max_prompt_bytes: 8 << 10,
            max_output_bytes: 256 << 10,
            sessions: 10_000,
            sessions_per_subject: 100,
            previews: 1_000,
            preview_bytes: 64 << 20,
        }
    }
}

impl GenerationConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("generation.sessions", self.sessions as u64)?;
        at_least_one("generation.sessions_per_subject", self.sessions_per_subject as u64)?;
        at_least_one("generation.previews", self.previews as u64)
    }
}
