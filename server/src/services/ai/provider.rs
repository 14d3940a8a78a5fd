//! What an AI provider is: something that turns a conversation into a stream of tokens and a completion.
//!
//! This file holds the contract alone. It never talks to a network and never knows who asked.

use std::fmt;

use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::cancel::CancelSignal;

/// A source of answers, chosen by [`Provider::name`] in the configuration.
///
/// # What a stream looks like
/// Any number of [`Chunk::Token`], then exactly one [`Chunk::Complete`] or one error, then the end. A
/// prompt that is refused yields its error as the first and only item, so that callers have one path.
///
/// # Cancellation
/// There are two ways, and a provider honours both:
/// - **dropping the stream** stops the producer before it makes another token, and frees what it holds
///   (a request in flight is aborted). So a provider works inside the stream's own poll, or ties any task
///   it spawns to the stream by an abort-on-drop guard; it never detaches one;
/// - **the signal**, for a caller who is not the one that polls. The stream then yields
///   [`ErrorCode::Cancelled`] and ends.
pub trait Provider: Send + Sync + 'static {
    /// The name by which the configuration chooses this provider: lower case, stable.
    fn name(&self) -> &str;

    /// Answers the prompt. Returns at once; nothing slow happens before the stream is polled.
    fn stream(&self, prompt: Prompt, cancel: CancelSignal) -> ChunkStream;
}

/// What a provider yields; see [`Provider`] for the order of items.
pub type ChunkStream = BoxStream<'static, Result<Chunk, ProviderError>>;

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Chunk {
    /// The next piece of text, with its own leading space: all tokens joined are the answer.
    Token(String),
    /// The answer is whole.
    Complete {
        /// The query behind a data answer.
        sql: Option<String>,
        /// A chart of a data answer, in the shape that Chart.js takes.
        chart_config: Option<Value>,
    },
}

/// A conversation that ends in the question to answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prompt {
    /// Oldest first; the last one is the user's question.
    pub messages: Vec<Message>,
}

impl Prompt {
    /// A prompt of one question without context.
    pub fn question(text: impl Into<String>) -> Self {
        Self { messages: vec![Message::user(text)] }
    }

    /// Checks the question against the limits, and drops the oldest turns until the whole fits.
    ///
    /// Old turns are dropped rather than refused because a long conversation must stay usable. System
    /// messages are kept as long as there is another turn to drop.
    pub fn within(mut self, limits: &PromptLimits) -> Result<Self, ProviderError> {
        let question = match self.messages.last() {
            Some(last) if last.role == Role::User => &last.content,
            _ => return Err(ProviderError::empty_prompt()),
        };
        if question.trim().is_empty() {
            return Err(ProviderError::empty_prompt());
        }
        if question.len() > limits.max_question_bytes {
            return Err(ProviderError::new(
                ErrorCode::PromptTooLong,
                format!(
                    "the question is {} bytes long, the limit is {}",
                    question.len(),
                    limits.max_question_bytes
                ),
            ));
        }
        let mut total: usize = self.messages.iter().map(|message| message.content.len()).sum();
        while total > limits.max_prompt_bytes && self.messages.len() > 1 {
            let context = &self.messages[..self.messages.len() - 1];
            let oldest = context.iter().position(|message| message.role != Role::System);
            total -= self.messages.remove(oldest.unwrap_or(0)).content.len();
        }
        Ok(self)
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said, as plain text.
    pub content: String,
}

impl Message {
    /// A turn of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// A turn of the assistant.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of whoever runs the server.
    System,
    /// The person who asks.
    User,
    /// The provider's earlier answers.
    Assistant,
}

/// How long a prompt may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptLimits {
    /// The longest question, in bytes of UTF-8. Longer ones are refused. 16 KiB by default.
    pub max_question_bytes: usize,
    /// The longest prompt with its context, in bytes of UTF-8. Older turns beyond it are dropped. 128 KiB
    /// by default.
    pub max_prompt_bytes: usize,
}

impl Default for PromptLimits {
    fn default() -> Self {
        Self { max_question_bytes: 16 * 1024, max_prompt_bytes: 128 * 1024 }
    }
}

/// Why a provider could not answer, or not to the end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct ProviderError {
    /// The kind, for programs.
    pub code: ErrorCode,
    /// The reason, for people. Never holds a key or a token.
    pub message: String,
    /// When another try makes sense, in milliseconds from now; `None` where the provider gave no hint.
    pub retry_after_ms: Option<u64>,
}

impl ProviderError {
    /// An error without a hint about trying again.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// The same error with a hint, in milliseconds from now.
    pub fn retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.retry_after_ms = Some(retry_after_ms);
        self
    }

    /// What a stream yields when its signal is raised.
    pub fn cancelled() -> Self {
        Self::new(ErrorCode::Cancelled, "the answer was cancelled")
    }

    fn empty_prompt() -> Self {
        Self::new(ErrorCode::EmptyPrompt, "the prompt does not end in a question")
    }
}

/// The kinds of failure, as they appear in an `error` frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// There was no question.
    EmptyPrompt,
    /// The question is longer than the limit.
    PromptTooLong,
    /// The caller cancelled.
    Cancelled,
    /// The provider allows no more requests for now.
    RateLimited,
    /// The provider refused the credentials of this server.
    Unauthorized,
    /// The provider could not be reached, or was lost in the middle of an answer.
    Unavailable,
    /// The provider refused to answer this prompt.
    Refused,
    /// The provider failed, or answered something that can't be understood.
    QueryFailed,
}

impl ErrorCode {
    /// The code as it is written in a frame.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmptyPrompt => "EMPTY_PROMPT",
            Self::PromptTooLong => "PROMPT_TOO_LONG",
            Self::Cancelled => "CANCELLED",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unauthorized => "PROVIDER_UNAUTHORIZED",
            Self::Unavailable => "PROVIDER_UNAVAILABLE",
            Self::Refused => "PROMPT_REFUSED",
            Self::QueryFailed => "QUERY_FAILED",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_refuse_questions_but_only_drop_context() {
        let limits = PromptLimits { max_question_bytes: 10, max_prompt_bytes: 16 };
        let code = |prompt: Prompt| prompt.within(&limits).map_err(|error| error.code);

        assert_eq!(code(Prompt::default()), Err(ErrorCode::EmptyPrompt));
        assert_eq!(code(Prompt::question(" \n")), Err(ErrorCode::EmptyPrompt));
        assert_eq!(code(Prompt::question("12345678901")), Err(ErrorCode::PromptTooLong));
        assert!(code(Prompt::question("1234567890")).is_ok());
        let unanswered = Prompt { messages: vec![Message::user("a"), Message::assistant("b")] };
        assert_eq!(code(unanswered), Err(ErrorCode::EmptyPrompt));

        let system = Message { role: Role::System, content: "sys".into() };
        let long = Prompt {
            messages: vec![
                system.clone(),
                Message::user("x".repeat(500)),
                Message::assistant("five."),
                Message::user("question"),
            ],
        };
        let kept = long.within(&limits).unwrap();
        let expected = vec![system, Message::assistant("five."), Message::user("question")];
        assert_eq!(kept.messages, expected);
    }
}
