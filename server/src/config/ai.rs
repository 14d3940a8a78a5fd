//! Who answers questions. Names and numbers only: providers are made where they live.

use std::path::Path;

use serde::Deserialize;

mod upstream;

use super::ConfigError;
use crate::services::ai::{OfflineConfig, OfflineProvider};

pub(crate) use upstream::UpstreamConfig;
pub use upstream::{
    AnswerLimits, AnthropicConfig, ApiKeySource, MaxTokensField, OpenAiConfig, UpstreamTimeouts,
};

/// The AI service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AiConfig {
    /// The provider's name: `offline`, `openai` or `anthropic`. Default `offline`, which needs nothing but
    /// this program. The sections of the others are not looked at.
    pub provider: String,
    /// Conversations that are kept at a time; the one that was quiet longest goes first.
    /// Default 10,000.
    pub max_conversations: usize,
    /// Earlier turns that a provider is shown, questions and answers each counted. Default 20.
    pub context_messages: usize,
    /// The built-in provider.
    pub offline: OfflineConfig,
    /// The provider that speaks OpenAI's chat completions, as many other servers do.
    pub openai: OpenAiConfig,
    /// The provider that speaks Anthropic's messages.
    pub anthropic: AnthropicConfig,
}

impl Default for AiConfig {
    fn default() -> Self {
        Self {
            provider: OfflineProvider::NAME.to_owned(),
            max_conversations: 10_000,
            context_messages: 20,
            offline: OfflineConfig::default(),
            openai: OpenAiConfig::default(),
            anthropic: AnthropicConfig::default(),
        }
    }
}

impl AiConfig {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let Self { openai, anthropic, .. } = self;
        let files = [
            &mut openai.api_key_file,
            &mut openai.ca_file,
            &mut anthropic.api_key_file,
            &mut anthropic.ca_file,
        ];
        for path in files.into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match self.provider.as_str() {
            OfflineProvider::NAME => Ok(()),
            OpenAiConfig::PROVIDER => self.openai.validate(),
            AnthropicConfig::PROVIDER => self.anthropic.validate(),
            other => Err(ConfigError::invalid(
                "ai.provider",
                format!("there is no provider called {other:?}"),
                "set it to \"offline\", \"openai\" or \"anthropic\"",
            )),
        }
    }
}
