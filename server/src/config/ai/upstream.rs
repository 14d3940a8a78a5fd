//! Providers that are asked over HTTP: where they are, where their key is, and how much of what they may
//! take.
//!
//! A key is never part of the configuration, only the name of the variable or file that holds it; and
//! nothing here reads it.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;

use crate::config::ConfigError;
use crate::services::ai::PromptLimits;

/// A server that speaks OpenAI's chat completions: OpenAI itself, vLLM, Ollama, llama.cpp, many gateways.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiConfig {
    /// What `/chat/completions` is appended to. Default `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model. There is no default.
    pub model: String,
    /// The environment variable that holds the key; empty for a server that needs none. Default
    /// `OPENAI_API_KEY`.
    pub api_key_env: Option<String>,
    /// A file that holds the key, instead of the variable; white space at its ends is cut off.
    pub api_key_file: Option<PathBuf>,
    /// Certificates in PEM that are trusted beside the platform's: for a gateway with a root of its own.
    pub ca_file: Option<PathBuf>,
    /// Instructions that go before every conversation. Default: none.
    pub system_prompt: String,
    /// The most tokens of an answer. Default: what the other side allows.
    pub max_tokens: Option<NonZeroU32>,
    /// How `max_tokens` is told: `max_tokens` (the default), which every compatible server knows, or
    /// `max_completion_tokens`, without which OpenAI's reasoning models don't answer.
    pub max_tokens_field: MaxTokensField,
    /// How often a failed request is sent again, as long as no token has come. Default 2.
    pub retries: u32,
    /// How long things may take.
    pub timeouts: UpstreamTimeouts,
    /// How long a prompt may be.
    pub limits: PromptLimits,
    /// How long an answer may be.
    pub answer: AnswerLimits,
}

/// The name of a request's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// `max_tokens`.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// A server that speaks Anthropic's messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnthropicConfig {
    /// What `/v1/messages` is appended to. Default `https://api.anthropic.com`.
    pub base_url: String,
    /// The model. There is no default.
    pub model: String,
    /// The version of the interface, sent as `anthropic-version`. Default `2023-06-01`.
    pub version: String,
    /// The environment variable that holds the key; empty for a gateway that needs none. Default
    /// `ANTHROPIC_API_KEY`.
    pub api_key_env: Option<String>,
    /// A file that holds the key, instead of the variable; white space at its ends is cut off.
    pub api_key_file: Option<PathBuf>,
    /// Certificates in PEM that are trusted beside the platform's: for a gateway with a root of its own.
    pub ca_file: Option<PathBuf>,
    /// Instructions that go before every conversation. Default: none.
    pub system_prompt: String,
    /// The most tokens of an answer, which this interface must be told. Default 4,096.
    pub max_tokens: NonZeroU32,
    /// How often a failed request is sent again, as long as no token has come. Default 2.
    pub retries: u32,
    /// How long things may take.
    pub timeouts: UpstreamTimeouts,
    /// How long a prompt may be.
    pub limits: PromptLimits,
    /// How long an answer may be.
    pub answer: AnswerLimits,
}

/// How long a provider may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamTimeouts {
    /// To connect, TLS included, in ms. Default 10,000.
    pub connect_ms: u64,
    /// From the request, connecting included, to the first byte of the answer's body, in ms.
    /// Default 60,000.
    pub first_byte_ms: u64,
    /// Between two reads of the body; a provider's signs of life count, in ms. Default 60,000.
    pub idle_ms: u64,
    /// For the whole answer with everything that was tried again, in ms. Default 600,000 (ten minutes).
    pub total_ms: u64,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self { connect_ms: 10_000, first_byte_ms: 60_000, idle_ms: 60_000, total_ms: 600_000 }
    }
}

/// How much of an answer is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerLimits {
    /// The longest text of an answer, in bytes; a longer one ends with an error there. Default 262,144.
    pub max_text_bytes: usize,
    /// The longest event of the provider's stream, in bytes. Default 262,144.
    pub max_event_bytes: usize,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self { max_text_bytes: 256 * 1024, max_event_bytes: 256 * 1024 }
    }
}

/// Where the key of a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeySource<'a> {
    /// In this environment variable.
    Variable(&'a str),
    /// In this file.
    File(&'a Path),
    /// The provider needs none.
    Nowhere,
}

impl Default for OpenAiConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            model: String::new(),
            api_key_env: None,
            api_key_file: None,
            ca_file: None,
            system_prompt: String::new(),
            max_tokens: None,
            max_tokens_field: MaxTokensField::default(),
            retries: 2,
            timeouts: UpstreamTimeouts::default(),
            limits: PromptLimits::default(),
            answer: AnswerLimits::default(),
        }
    }
}

impl Default for AnthropicConfig {
    fn default() -> Self {
        const MAX_TOKENS: NonZeroU32 = match NonZeroU32::new(4_096) {
            Some(count) => count,
            None => NonZeroU32::MIN,
        };
        Self {
            base_url: "https://api.anthropic.com".to_owned(),
            model: String::new(),
            version: "2023-06-01".to_owned(),
            api_key_env: None,
            api_key_file: None,
            ca_file: None,
            system_prompt: String::new(),
            max_tokens: MAX_TOKENS,
            retries: 2,
            timeouts: UpstreamTimeouts::default(),
            limits: PromptLimits::default(),
            answer: AnswerLimits::default(),
        }
    }
}

impl OpenAiConfig {
    /// The provider's name.
    pub const PROVIDER: &'static str = "openai";

    /// Checks what one key cannot know of another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.upstream().validate()
    }

    pub(crate) fn upstream(&self) -> UpstreamConfig<'_> {
        UpstreamConfig {
            provider: Self::PROVIDER,
            base_url: &self.base_url,
            path: "/chat/completions",
            model: &self.model,
            default_variable: "OPENAI_API_KEY",
            api_key_env: self.api_key_env.as_deref(),
            api_key_file: self.api_key_file.as_deref(),
            ca_file: self.ca_file.as_deref(),
            retries: self.retries,
            timeouts: self.timeouts,
            answer: self.answer,
        }
    }
}

impl AnthropicConfig {
    /// The provider's name.
    pub const PROVIDER: &'static str = "anthropic";

    /// Checks what one key cannot know of another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.upstream().validate()
    }

    pub(crate) fn upstream(&self) -> UpstreamConfig<'_> {
        UpstreamConfig {
            provider: Self::PROVIDER,
            base_url: &self.base_url,
            path: "/v1/messages",
            model: &self.model,
            default_variable: "ANTHROPIC_API_KEY",
            api_key_env: self.api_key_env.as_deref(),
            api_key_file: self.api_key_file.as_deref(),
            ca_file: self.ca_file.as_deref(),
            retries: self.retries,
            timeouts: self.timeouts,
            answer: self.answer,
        }
    }
}

/// What all providers over HTTP have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpstreamConfig<'a> {
    pub(crate) provider: &'static str,
    base_url: &'a str,
    path: &'static str,
    model: &'a str,
    default_variable: &'static str,
    api_key_env: Option<&'a str>,
    api_key_file: Option<&'a Path>,
    pub(crate) ca_file: Option<&'a Path>,
    pub(crate) retries: u32,
    pub(crate) timeouts: UpstreamTimeouts,
    pub(crate) answer: AnswerLimits,
}

impl<'a> UpstreamConfig<'a> {
    /// A key of this provider's section, in dotted form.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("ai.{}.{name}", self.provider)
    }

    /// The one place that the key is in.
    pub(crate) fn api_key(&self) -> Result<ApiKeySource<'a>, ConfigError> {
        match (self.api_key_env, self.api_key_file) {
            (None, None) => Ok(ApiKeySource::Variable(self.default_variable)),
            (Some(""), None) => Ok(ApiKeySource::Nowhere),
            (Some(name), None) if name.contains(['=', '\0']) => Err(ConfigError::invalid(
                self.key("api_key_env"),
                "no environment variable has a name like that",
                "name the variable that holds the key, and never write the key itself here",
            )),
            (Some(name), None) => Ok(ApiKeySource::Variable(name)),
            (None, Some(path)) => Ok(ApiKeySource::File(path)),
            (Some(_), Some(_)) => Err(ConfigError::invalid(
                self.key("api_key_env"),
                "`api_key_file` is set too",
                "keep one of them",
            )),
        }
    }

    /// Where requests go.
    pub(crate) fn endpoint(&self) -> Result<Url, ConfigError> {
        let fault = |problem: &str| {
            ConfigError::invalid(
                self.key("base_url"),
                problem,
                "set it to an address such as \"https://llm.example.com/v1\"; keys belong in \
                 `api_key_env` or `api_key_file`",
            )
        };
        let base = self.base_url.trim_end_matches('/');
        let url = Url::parse(&format!("{base}{}", self.path))
            .map_err(|error| fault(&format!("it is no address ({error})")))?;
        match url.scheme() {
            "http" | "https" => {}
            other => {
                return Err(fault(&format!("it begins with {other:?}, not with http or https")));
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("it holds a user or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(fault("it holds a `?` or a `#`"));
        }
        Ok(url)
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        self.endpoint()?;
        self.api_key()?;
        if self.model.trim().is_empty() {
            return Err(ConfigError::invalid(
                self.key("model"),
                "no model is named",
                "set it to a name that the provider knows",
            ));
        }
        let least_one = [
            ("timeouts.connect_ms", self.timeouts.connect_ms),
            ("timeouts.first_byte_ms", self.timeouts.first_byte_ms),
            ("timeouts.idle_ms", self.timeouts.idle_ms),
            ("timeouts.total_ms", self.timeouts.total_ms),
            ("answer.max_text_bytes", self.answer.max_text_bytes as u64),
            ("answer.max_event_bytes", self.answer.max_event_bytes as u64),
        ];
        match least_one.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(ConfigError::invalid(
                self.key(name),
                "0 would let no answer through",
                "set 1 or more",
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn error_of(ai: &str) -> String {
        Config::from_toml(&format!("demo = true\n{ai}"), "test.toml")
            .and_then(|config| config.validate())
            .unwrap_err()
            .to_string()
    }

    fn openai(keys: &str) -> String {
        error_of(&format!("[ai]\nprovider = 'openai'\n[ai.openai]\n{keys}"))
    }

    #[test]
    fn an_unknown_provider_is_answered_with_the_known() {
        let error = error_of("[ai]\nprovider = 'oracle'");
        assert!(error.contains("`ai.provider`") && error.contains("anthropic"), "{error}");
    }

    #[test]
    fn errors_name_the_key_with_its_section() {
        assert!(openai("").contains("`ai.openai.model`"));
        assert!(openai("model = 'm'\nbase_url = 'llm'").contains("`ai.openai.base_url`"));
        assert!(openai("model = 'm'\nbase_url = 'ftp://h/'").contains("\"ftp\""));
        assert!(openai("model = 'm'\nbase_url = 'http://h/?x=1'").contains("`?`"));
        let zero = openai("model = 'm'\n[ai.openai.timeouts]\nidle_ms = 0");
        assert!(zero.contains("`ai.openai.timeouts.idle_ms`"), "{zero}");
        let two = openai("model = 'm'\napi_key_env = 'A'\napi_key_file = 'b'");
        assert!(two.contains("`ai.openai.api_key_env`") && two.contains("keep one"), "{two}");
        let other = error_of("[ai]\nprovider = 'anthropic'\n[ai.anthropic]\nmodel = ' '");
        assert!(other.contains("`ai.anthropic.model`"), "{other}");
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        let error = openai("model = 'm'\nbase_url = 'https://me:hush@h/v1'");
        assert!(error.contains("password") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn a_key_in_the_configuration_is_refused_and_not_repeated() {
        let error = openai("model = 'm'\napi_key = 'hush'");
        assert!(error.contains("api_key_env") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn the_section_of_a_provider_that_is_not_chosen_is_not_judged() {
        let config = Config::from_toml("demo = true\n[ai.openai]\nbase_url = 'x'", "test.toml");
        config.unwrap().validate().unwrap();
    }

    #[test]
    fn the_path_is_appended_whether_or_not_the_base_ends_in_a_slash() {
        for base_url in ["http://h:1/v1", "http://h:1/v1/"] {
            let config = OpenAiConfig { base_url: base_url.to_owned(), ..Default::default() };
            let endpoint = config.upstream().endpoint().unwrap();
            assert_eq!(endpoint.as_str(), "http://h:1/v1/chat/completions");
        }
        let endpoint = AnthropicConfig::default().upstream().endpoint().unwrap();
        assert_eq!(endpoint.as_str(), "https://api.anthropic.com/v1/messages");
    }

    #[test]
    fn the_key_is_in_one_place() {
        let mut config = OpenAiConfig::default();
        let source = |config: &OpenAiConfig| format!("{:?}", config.upstream().api_key().unwrap());
        assert_eq!(source(&config), "Variable(\"OPENAI_API_KEY\")");
        config.api_key_env = Some(String::new());
        assert_eq!(source(&config), "Nowhere");
        config.api_key_env = Some("OTHER".to_owned());
        assert_eq!(source(&config), "Variable(\"OTHER\")");
        config.api_key_env = None;
        config.api_key_file = Some("key".into());
        assert_eq!(source(&config), "File(\"key\")");
    }
}
