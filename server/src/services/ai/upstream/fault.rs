//! What went wrong on the other side: its kind for the client, whether to try again, and its words for
//! the log alone.

use std::time::SystemTime;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::events::ReadError;
use super::retry;
use crate::services::ai::provider::{ErrorCode, ProviderError};

/// Why a try failed.
#[derive(Debug)]
pub(in crate::services::ai) struct Fault {
    /// What the client is told.
    pub(super) error: ProviderError,
    /// Whether the next try may fare better.
    pub(super) is_passing: bool,
    /// For the log: what happened, perhaps in the words of the other side.
    pub(super) detail: String,
}

impl Fault {
    fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let error = ProviderError::new(code, message(code));
        Self { error, is_passing: false, detail: detail.into() }
    }

    fn passing(self) -> Self {
        Self { is_passing: true, ..self }
    }

    /// The other side said something that can't be understood.
    pub(in crate::services::ai) fn not_understood(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::QueryFailed, detail)
    }

    /// The model didn't answer this.
    pub(in crate::services::ai) fn refused(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Refused, detail)
    }

    /// The stream ended before the answer did.
    pub(super) fn cut_short() -> Self {
        Self::new(ErrorCode::Unavailable, "the stream ended without its end marker").passing()
    }

    /// The answer outgrew the limit.
    pub(super) fn too_long(limit: usize) -> Self {
        let mut fault = Self::new(ErrorCode::QueryFailed, "the answer outgrew `max_text_bytes`");
        fault.error.message = format!("the answer is longer than {limit} bytes");
        fault
    }

    /// The time for the answer is up. Not passing: the model may be at work on it, and whoever pays for
    /// that doesn't want to pay again.
    pub(super) fn too_late(detail: &str) -> Self {
        Self::new(ErrorCode::Unavailable, detail)
    }

    /// The request could not be sent, or the answer's head not be read.
    pub(super) fn not_reached(error: &reqwest::Error) -> Self {
        Self::new(ErrorCode::Unavailable, causes(error)).passing()
    }

    /// The answer could not be read on.
    pub(super) fn unread(error: &ReadError) -> Self {
        match error {
            ReadError::Silent => Self::too_late("the answer stalled"),
            ReadError::Lost(_) => Self::new(ErrorCode::Unavailable, causes(error)).passing(),
            ReadError::TooLong(_) | ReadError::NotEvents(_) => Self::not_understood(causes(error)),
        }
    }

    /// The other side answered with this status instead of a stream.
    pub(super) fn of_status(status: u16, headers: &HeaderMap, body: &str) -> Self {
        let said: Value = serde_json::from_str(body).unwrap_or_default();
        let mut fault = judge(Some(status), &said);
        // Such a body may quote a part of the key.
        let quoted = if matches!(status, 401 | 403) { "" } else { body };
        fault.detail = format!("HTTP {status} {quoted}");
        if fault.is_passing {
            fault.error.retry_after_ms = retry::hint(headers, SystemTime::now());
        }
        fault
    }
}

/// An error that came as an event of the stream.
pub(in crate::services::ai) fn told_in_stream(said: &Value) -> Fault {
    // Some servers put the status there that they would have answered with.
    let status = said["error"]["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let mut fault = judge(status, said);
    fault.detail = format!("the stream told of an error: {said}");
    fault
}

/// Both interfaces describe an error as `{"error": {"type", "message"}}`, and one adds a `code`.
fn judge(status: Option<u16>, said: &Value) -> Fault {
    let error = &said["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    let words = [text("code"), text("type")];
    let is = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let message = text("message").to_ascii_lowercase();
    let is_too_long = is(&["context_length_exceeded", "request_too_large"])
        || message.contains("maximum context length")
        || message.contains("prompt is too long");

    let fault = |code| Fault::new(code, "");
    match status {
        // A model that isn't there, and an account that is empty, are for the operator to mend; to clients
        // they are an outage, and no patience helps.
        _ if is(&["insufficient_quota", "billing_error"]) => fault(ErrorCode::Unavailable),
        Some(401 | 403) => fault(ErrorCode::Unauthorized),
        _ if is(&["authentication_error", "permission_error", "invalid_api_key"]) => {
            fault(ErrorCode::Unauthorized)
        }
        Some(429) => fault(ErrorCode::RateLimited).passing(),
        _ if is(&["rate_limit_error", "rate_limit_exceeded", "requests", "tokens"]) => {
            fault(ErrorCode::RateLimited).passing()
        }
        Some(413) => fault(ErrorCode::PromptTooLong),
        _ if is_too_long => fault(ErrorCode::PromptTooLong),
        _ if is(&["content_policy_violation", "content_filter"]) => fault(ErrorCode::Refused),
        Some(408 | 500..) => fault(ErrorCode::Unavailable).passing(),
        _ if is(&["overloaded_error", "api_error", "server_error", "timeout_error"]) => {
            fault(ErrorCode::Unavailable).passing()
        }
        Some(300..=399 | 402 | 404 | 405) => fault(ErrorCode::Unavailable),
        _ => fault(ErrorCode::QueryFailed),
    }
}

/// What clients are told: never the words of the other side, which may name accounts and addresses.
fn message(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::RateLimited => "the AI provider allows no more requests for now",
        ErrorCode::Unauthorized => {
            "the AI provider refused this server; whoever runs the server can mend that"
        }
        ErrorCode::Unavailable => "the AI provider was not reached, or was lost; try again later",
        ErrorCode::Refused => "the AI provider doesn't answer this",
        ErrorCode::PromptTooLong => "the conversation is too long for the AI provider",
        _ => "the AI provider failed",
    }
}

/// An error with everything below it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(status: u16, said: Value) -> (ErrorCode, bool) {
        let fault = Fault::of_status(status, &HeaderMap::new(), &said.to_string());
        (fault.error.code, fault.is_passing)
    }

    fn error(word: &str) -> Value {
        json!({"error": {"type": word, "message": "words"}})
    }

    #[test]
    fn each_refusal_has_its_code() {
        use ErrorCode as E;
        let quota = json!({"error": {"type": "insufficient_quota", "code": "insufficient_quota"}});
        let context =
            json!({"error": {"type": "invalid_request_error", "code": "context_length_exceeded"}});
        let wordy = json!({"error": {"type": "BadRequestError", "code": 400,
            "message": "This model's maximum context length is 1024 tokens."}});
        let prompt = json!({"error": {"type": "invalid_request_error",
            "message": "prompt is too long: 210000 tokens > 200000 maximum"}});
        let policy =
            json!({"error": {"type": "invalid_request_error", "code": "content_policy_violation"}});
        for (status, said, expected) in [
            (429, error("rate_limit_error"), (E::RateLimited, true)),
            (429, quota, (E::Unavailable, false)),
            (529, error("overloaded_error"), (E::Unavailable, true)),
            (500, json!("no object"), (E::Unavailable, true)),
            (503, json!(null), (E::Unavailable, true)),
            (408, json!(null), (E::Unavailable, true)),
            (401, error("authentication_error"), (E::Unauthorized, false)),
            (403, json!(null), (E::Unauthorized, false)),
            (404, error("not_found_error"), (E::Unavailable, false)),
            (307, json!(null), (E::Unavailable, false)),
            (400, context, (E::PromptTooLong, false)),
            (400, wordy, (E::PromptTooLong, false)),
            (400, prompt, (E::PromptTooLong, false)),
            (413, error("request_too_large"), (E::PromptTooLong, false)),
            (400, policy, (E::Refused, false)),
            (400, error("invalid_request_error"), (E::QueryFailed, false)),
        ] {
            assert_eq!(judged(status, said.clone()), expected, "{status} {said}");
        }
    }

    #[test]
    fn an_error_in_the_stream_is_judged_by_its_words() {
        let code = |said: Value| told_in_stream(&said).error.code;
        assert_eq!(code(error("overloaded_error")), ErrorCode::Unavailable);
        assert_eq!(code(error("rate_limit_error")), ErrorCode::RateLimited);
        assert_eq!(code(json!({"error": {"code": 429}})), ErrorCode::RateLimited);
        assert_eq!(code(json!({"error": "text"})), ErrorCode::QueryFailed);
    }
}
