//! The kind `answer`: the AI's answer to one question, made in the background.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kind::{Context, Fault, Kind, Owner};
use crate::gateway::Refusal;
use crate::services::ai::{Chunk, ErrorCode, Prompt, Provider, ProviderError};

/// Answers of one provider.
pub struct AnswerKind {
    provider: Arc<dyn Provider>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    prompt: String,
}

impl AnswerKind {
    /// Answers of this provider.
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider }
    }
}

fn read(input: &Value) -> Result<Input, Refusal> {
    if !input.is_object() {
        return Err(Refusal::BadRequest("the input of `answer` must be an object".into()));
    }
    let input = Input::deserialize(input)
        .map_err(|error| Refusal::BadRequest(format!("the input of `answer` is wrong: {error}")))?;
    if input.prompt.trim().is_empty() {
        return Err(Refusal::BadRequest("`prompt` in the input of `answer` is empty".into()));
    }
    Ok(input)
}

impl Kind for AnswerKind {
    fn name(&self) -> &'static str {
        "answer"
    }

    fn admit<'a>(
        &'a self,
        _owner: &'a Owner,
        _task_id: &'a str,
        input: Value,
    ) -> BoxFuture<'a, Result<Value, Refusal>> {
        std::future::ready(read(&input).map(|_| input)).boxed()
    }

    fn run(&self, input: Value, context: Context) -> BoxFuture<'static, Result<Value, Fault>> {
        let provider = self.provider.clone();
        async move {
            let Input { prompt } =
                read(&input).map_err(|wrong| Fault::lasting("BAD_INPUT", wrong.to_string()))?;
            let mut stream = provider.stream(Prompt::question(prompt), context.cancel().clone());
            context.progress(0, "asks the AI");
            let mut text = String::new();
            let mut tokens: u64 = 0;
            loop {
                match stream.next().await {
                    Some(Ok(Chunk::Token(token))) => {
                        text.push_str(&token);
                        tokens += 1;
                        context.partial(json!({"token": token})).await;
                        context.progress(percent(tokens), &format!("{tokens} tokens so far"));
                    }
                    Some(Ok(Chunk::Complete { sql, chart_config })) => {
                        return Ok(json!({"text": text, "sql": sql, "chartConfig": chart_config}));
                    }
                    Some(Err(error)) => return Err(fault(&error, tokens > 0)),
                    None => {
                        let error =
                            ProviderError::new(ErrorCode::Unavailable, "the answer broke off");
                        return Err(fault(&error, tokens > 0));
                    }
                }
            }
        }
        .boxed()
    }
}

/// How long an answer will be is not known: it comes ever closer to its end.
fn percent(tokens: u64) -> u8 {
    u8::try_from(95 * tokens / (tokens + 100)).unwrap_or(95)
}

/// What has streamed in part is not asked for again unasked: it would be paid for, and shown, twice.
fn fault(error: &ProviderError, begun: bool) -> Fault {
    let (code, message) = (error.code.as_str(), error.message.as_str());
    match error.code {
        ErrorCode::RateLimited | ErrorCode::Unavailable if !begun => Fault {
            retry_after_ms: error.retry_after_ms.unwrap_or(0),
            ..Fault::passing(code, message)
        },
        ErrorCode::RateLimited
        | ErrorCode::Unavailable
        | ErrorCode::Unauthorized
        | ErrorCode::QueryFailed => Fault::on_request(code, message),
        ErrorCode::EmptyPrompt
        | ErrorCode::PromptTooLong
        | ErrorCode::Cancelled
        | ErrorCode::Refused => Fault::lasting(code, message),
    }
}
