//! Who answers questions. Names and numbers only: providers are made where they live.

use serde::Deserialize;

use crate::services::ai::{OfflineConfig, OfflineProvider};

/// The AI service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AiConfig {
    /// The provider's name. Default `offline`, which needs nothing but this program.
    pub provider: String,
    /// Conversations that are kept at a time; the one that was quiet longest goes first.
    /// Default 10,000.
    pub max_conversations: usize,
    /// Earlier turns that a provider is shown, questions and answers each counted. Default 20.
    pub context_messages: usize,
    /// The built-in provider.
    pub offline: OfflineConfig,
}

impl Default for AiConfig {
    fn default() -> Self {
        Self {
            provider: OfflineProvider::NAME.to_owned(),
            max_conversations: 10_000,
            context_messages: 20,
            offline: OfflineConfig::default(),
        }
    }
}
