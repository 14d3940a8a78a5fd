//! The provider for servers that speak Anthropic's messages.
//!
//! It knows the shape of a request and of an event; how they travel is `upstream`'s affair.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sse_stream::Sse;

use super::cancel::CancelSignal;
use super::provider::{ChunkStream, Prompt, Provider};
use super::upstream::{self, Conversation, Dialect, Fault, Piece, Turn, Upstream};
use crate::config::ConfigError;
use crate::config::ai::AnthropicConfig;

/// The provider called `anthropic`.
#[derive(Debug)]
pub struct AnthropicProvider {
    config: AnthropicConfig,
    upstream: Arc<Upstream>,
}

impl AnthropicProvider {
    /// The name that configuration chooses this provider by.
    pub const NAME: &'static str = AnthropicConfig::PROVIDER;

    /// Reads the key. Connects to nothing yet.
    pub fn new(config: AnthropicConfig) -> Result<Self, ConfigError> {
        let version = HeaderValue::try_from(&config.version).map_err(|_| {
            ConfigError::invalid(
                "ai.anthropic.version",
                "it has a character that no header can carry",
                "set it to a date such as \"2023-06-01\"",
            )
        })?;
        let mut upstream = Upstream::new(
            &config.upstream(),
            |headers, key| drop(headers.insert("x-api-key", key)),
            "",
        )?;
        upstream.add_header("anthropic-version", version);
        Ok(Self { config, upstream: Arc::new(upstream) })
    }

    fn request(&self, prompt: Prompt) -> Result<Vec<u8>, serde_json::Error> {
        let Conversation { system, turns } = Conversation::new(&self.config.system_prompt, prompt);
        serde_json::to_vec(&Request {
            model: &self.config.model,
            max_tokens: self.config.max_tokens.into(),
            system,
            messages: turns,
            stream: true,
        })
    }
}

impl Provider for AnthropicProvider {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn stream(&self, prompt: Prompt, cancel: CancelSignal) -> ChunkStream {
        match prompt.within(&self.config.limits).map(|prompt| self.request(prompt)) {
            Ok(Ok(request)) => {
                upstream::answer::<Events>(self.upstream.clone(), request.into(), cancel)
            }
            // Texts and numbers always make JSON, so there is nothing left to say.
            Ok(Err(_)) => stream::empty().boxed(),
            Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    system: String,
    messages: Vec<Turn>,
    stream: bool,
}

/// The stream: events with a type each, the last of which is `message_stop`.
#[derive(Default)]
struct Events;

/// What matters of an event. There are more kinds than these, and new ones may come.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EventData {
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Block,
    },
    MessageDelta {
        delta: MessageDelta,
    },
    MessageStop,
    Error {
        #[serde(default)]
        error: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    /// Thoughts and calls of tools have other fields than this.
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct MessageDelta {
    #[serde(default)]
    stop_reason: Option<String>,
}

impl Dialect for Events {
    fn read(&mut self, event: &Sse) -> Result<Option<Piece>, Fault> {
        let Some(data) = event.data.as_deref().filter(|data| !data.is_empty()) else {
            return Ok(None);
        };
        let data: EventData = serde_json::from_str(data)
            .map_err(|error| Fault::not_understood(format!("an event is no event: {error}")))?;
        match data {
            EventData::ContentBlockStart { content_block: block }
            | EventData::ContentBlockDelta { delta: block } => {
                let is_text = matches!(block.kind.as_str(), "text" | "text_delta");
                Ok((is_text && !block.text.is_empty()).then_some(Piece::Token(block.text)))
            }
            EventData::MessageDelta { delta } => match delta.stop_reason.as_deref() {
                Some("refusal") => Err(Fault::refused("stop_reason refusal")),
                _ => Ok(None),
            },
            EventData::MessageStop => Ok(Some(Piece::End)),
            EventData::Error { error } => Err(upstream::told_in_stream(&json!({ "error": error }))),
            EventData::Other => Ok(None),
        }
    }

    fn is_whole(&self) -> bool {
        false
    }
}
