//! What the tests share: both providers as one thing with two formats, quick configurations, waiting.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use staywire_server::config::ai::UpstreamTimeouts;
use staywire_server::config::{AnthropicConfig, OpenAiConfig};
use staywire_server::services::ai::{
    AnthropicProvider, CancelSignal, Chunk, ChunkStream, OpenAiProvider, Prompt, Provider,
    ProviderError,
};

use crate::stub::Stub;

/// How long anything may take. Far longer than it does: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const KEY: &str = "sk-never-to-be-seen-0123456789";

/// The two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenAi,
    Anthropic,
}

pub(crate) const FORMATS: [Format; 2] = [Format::OpenAi, Format::Anthropic];

impl Format {
    /// What comes before the first token.
    pub(crate) fn opening(self) -> String {
        match self {
            Self::OpenAi => {
                let chunk = json!({"id": "c1", "object": "chat.completion.chunk", "choices":
                    [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]});
                format!("data: {chunk}\n\n")
            }
            Self::Anthropic => {
                let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
                    "role": "assistant", "content": [], "stop_reason": null, "usage": {"input_tokens": 7}}});
                let block = json!({"type": "content_block_start", "index": 0,
                    "content_block": {"type": "text", "text": ""}});
                let ping = json!({"type": "ping"});
                [start, block, ping].iter().map(event).collect()
            }
        }
    }

    pub(crate) fn token(self, text: &str) -> String {
        match self {
            Self::OpenAi => {
                let chunk = json!({"id": "c1", "choices": [{"index": 0, "delta": {"content": text},
                    "finish_reason": null}]});
                format!("data: {chunk}\n\n")
            }
            Self::Anthropic => event(&json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": text}})),
        }
    }

    /// What comes after the last token.
    pub(crate) fn end(self) -> String {
        match self {
            Self::OpenAi => {
                let stop = json!({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
                let usage = json!({"id": "c1", "choices": [], "usage": {"total_tokens": 12}});
                format!("data: {stop}\n\ndata: {usage}\n\ndata: [DONE]\n\n")
            }
            Self::Anthropic => {
                let block = json!({"type": "content_block_stop", "index": 0});
                let delta = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 5}});
                [block, delta, json!({"type": "message_stop"})].iter().map(event).collect()
            }
        }
    }

    /// A whole answer.
    pub(crate) fn whole(self, tokens: &[&str]) -> String {
        let said: String = tokens.iter().map(|token| self.token(token)).collect();
        self.opening() + &said + &self.end()
    }

    /// An error as an event of the stream.
    pub(crate) fn error(self, kind: &str) -> String {
        let error = json!({"type": kind, "message": "words of the other side"});
        match self {
            Self::OpenAi => format!("data: {}\n\n", json!({ "error": error })),
            Self::Anthropic => event(&json!({"type": "error", "error": error})),
        }
    }

    pub(crate) fn provider(self, stub: &Stub) -> Arc<dyn Provider> {
        self.provider_with(stub, |_| {})
    }

    /// A provider of this format that asks the stub.
    pub(crate) fn provider_with(
        self,
        stub: &Stub,
        adjust: impl FnOnce(&mut Settings),
    ) -> Arc<dyn Provider> {
        let key = KeyFile::new();
        let mut settings = Settings::default();
        adjust(&mut settings);
        match self {
            Self::OpenAi => Arc::new(OpenAiProvider::new(openai(stub, &key, settings)).unwrap()),
            Self::Anthropic => {
                Arc::new(AnthropicProvider::new(anthropic(stub, &key, settings)).unwrap())
            }
        }
    }
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// What both configurations have.
pub(crate) struct Settings {
    pub(crate) retries: u32,
    pub(crate) timeouts: UpstreamTimeouts,
    pub(crate) system_prompt: String,
    pub(crate) max_text_bytes: usize,
    pub(crate) max_event_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retries: 2,
            timeouts: UpstreamTimeouts::default(),
            system_prompt: String::new(),
            max_text_bytes: 100_000,
            max_event_bytes: 100_000,
        }
    }
}

pub(crate) fn openai(stub: &Stub, key: &KeyFile, settings: Settings) -> OpenAiConfig {
    let mut config = OpenAiConfig {
        base_url: format!("http://{}/v1", stub.address),
        model: "a-model".to_owned(),
        api_key_file: Some(key.path().to_owned()),
        system_prompt: settings.system_prompt,
        retries: settings.retries,
        timeouts: settings.timeouts,
        ..OpenAiConfig::default()
    };
    config.answer.max_text_bytes = settings.max_text_bytes;
    config.answer.max_event_bytes = settings.max_event_bytes;
    config
}

pub(crate) fn anthropic(stub: &Stub, key: &KeyFile, settings: Settings) -> AnthropicConfig {
    let mut config = AnthropicConfig {
        base_url: format!("http://{}", stub.address),
        model: "a-model".to_owned(),
        api_key_file: Some(key.path().to_owned()),
        system_prompt: settings.system_prompt,
        retries: settings.retries,
        timeouts: settings.timeouts,
        ..AnthropicConfig::default()
    };
    config.answer.max_text_bytes = settings.max_text_bytes;
    config.answer.max_event_bytes = settings.max_event_bytes;
    config
}

/// A file, with the key in it, for as long as this lives.
pub(crate) struct KeyFile(PathBuf);

impl KeyFile {
    pub(crate) fn new() -> Self {
        Self::of(&format!("{KEY}\n"))
    }

    /// A file with this text.
    pub(crate) fn of(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("staywire-key-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn ask(provider: &Arc<dyn Provider>) -> ChunkStream {
    provider.stream(Prompt::question("What is a gap?"), CancelSignal::never())
}

/// The next item, which is a token.
pub(crate) async fn token(stream: &mut ChunkStream) -> String {
    match within("a token", stream.next()).await {
        Some(Ok(Chunk::Token(token))) => token,
        other => panic!("no token: {other:?}"),
    }
}

/// The tokens of an answer, and what it ended with.
pub(crate) async fn whole(
    mut stream: ChunkStream,
) -> (Vec<String>, Result<(Option<String>, Option<Value>), ProviderError>) {
    let mut tokens = Vec::new();
    loop {
        let end = match within("the next chunk", stream.next()).await.expect("an end comes first") {
            Ok(Chunk::Token(token)) => {
                tokens.push(token);
                continue;
            }
            Ok(Chunk::Complete { sql, chart_config }) => Ok((sql, chart_config)),
            Err(error) => Err(error),
        };
        assert!(within("the end", stream.next()).await.is_none(), "the end is the end");
        return (tokens, end);
    }
}

/// The tokens of an answer that is whole.
pub(crate) async fn answered(stream: ChunkStream) -> Vec<String> {
    let (tokens, end) = whole(stream).await;
    assert!(end.is_ok(), "{end:?}");
    tokens
}

/// What the future yields, unless that takes too long.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}
