//! The provider for servers that speak OpenAI's chat completions: OpenAI itself, and many more.
//!
//! It knows the shape of a request and of a chunk; how they travel is `upstream`'s affair.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use reqwest::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sse_stream::Sse;

use super::cancel::CancelSignal;
use super::provider::{ChunkStream, Prompt, Provider};
use super::upstream::{self, Conversation, Dialect, Fault, Piece, Turn, Upstream};
use crate::config::ConfigError;
use crate::config::ai::{MaxTokensField, OpenAiConfig};

/// The provider called `openai`.
#[derive(Debug)]
pub struct OpenAiProvider {
    config: OpenAiConfig,
    upstream: Arc<Upstream>,
}

impl OpenAiProvider {
    /// The name that configuration chooses this provider by.
    pub const NAME: &'static str = OpenAiConfig::PROVIDER;

    /// Reads the key. Connects to nothing yet.
    pub fn new(config: OpenAiConfig) -> Result<Self, ConfigError> {
        let upstream = Upstream::new(
            &config.upstream(),
            |headers, key| drop(headers.insert(AUTHORIZATION, key)),
            "Bearer ",
        )?;
        Ok(Self { config, upstream: Arc::new(upstream) })
    }

    fn request(&self, prompt: Prompt) -> Result<Vec<u8>, serde_json::Error> {
        let Conversation { system, mut turns } =
            Conversation::new(&self.config.system_prompt, prompt);
        if !system.is_empty() {
            turns.insert(0, Turn { role: "system", content: system });
        }
        let max_tokens = self.config.max_tokens.map(u32::from);
        let (max_tokens, max_completion_tokens) = match self.config.max_tokens_field {
            MaxTokensField::MaxTokens => (max_tokens, None),
            MaxTokensField::MaxCompletionTokens => (None, max_tokens),
        };
        serde_json::to_vec(&Request {
            model: &self.config.model,
            messages: turns,
            max_tokens,
            max_completion_tokens,
            stream: true,
        })
    }
}

impl Provider for OpenAiProvider {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn stream(&self, prompt: Prompt, cancel: CancelSignal) -> ChunkStream {
        match prompt.within(&self.config.limits).map(|prompt| self.request(prompt)) {
            Ok(Ok(request)) => {
                upstream::answer::<Chunks>(self.upstream.clone(), request.into(), cancel)
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
    messages: Vec<Turn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    stream: bool,
}

/// The stream: chunks of JSON without names, then `[DONE]`.
#[derive(Default)]
struct Chunks {
    /// The model said why it stopped. A few servers end the stream there and leave the marker out.
    is_finished: bool,
}

#[derive(Deserialize)]
struct ChunkData {
    /// None in the last chunk, which tells what was used.
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    /// The words of a model that declines, in place of content.
    #[serde(default)]
    refusal: Option<String>,
}

impl Dialect for Chunks {
    fn read(&mut self, event: &Sse) -> Result<Option<Piece>, Fault> {
        let Some(data) = event.data.as_deref().filter(|data| !data.is_empty()) else {
            return Ok(None);
        };
        if data == "[DONE]" {
            return Ok(Some(Piece::End));
        }
        let chunk: ChunkData = serde_json::from_str(data)
            .map_err(|error| Fault::not_understood(format!("a chunk is no chunk: {error}")))?;
        if let Some(error) = chunk.error {
            return Err(upstream::told_in_stream(&serde_json::json!({ "error": error })));
        }
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(None) };
        match choice.finish_reason.as_deref() {
            Some("content_filter") => return Err(Fault::refused("finish_reason content_filter")),
            Some(_) => self.is_finished = true,
            None => {}
        }
        let text = choice.delta.and_then(|delta| delta.content.or(delta.refusal));
        Ok(text.filter(|text| !text.is_empty()).map(Piece::Token))
    }

    fn is_whole(&self) -> bool {
        self.is_finished
    }
}
