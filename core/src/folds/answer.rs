//! A conversation with the AI, and the answer that is being made in it.

use serde::{Deserialize, Serialize};

use super::{Fold, read};
use crate::events::{AiComplete, AiError, AiToken, DecodeError, EventData, decode, decode_as};

/// What was said before, and the answer as far as it has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerState {
    /// The turns so far, the question that is being answered among them.
    pub messages: Vec<Turn>,
    /// The text of the answer that is being made, or was made last.
    pub answer: String,
    /// Tokens in it.
    pub tokens: u64,
    /// Whether more is to come.
    pub running: bool,
    /// How it ended, if it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<AiComplete>,
    /// Why it ended, if it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AiError>,
}

/// One turn of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who said it: `user` or `assistant`.
    pub role: String,
    /// What was said, as plain text.
    pub content: String,
}

#[derive(Deserialize)]
struct Question {
    prompt: String,
}

impl AnswerState {
    fn end(&mut self) {
        self.running = false;
        if !self.answer.is_empty() {
            let content = self.answer.clone();
            self.messages.push(Turn { role: "assistant".into(), content });
        }
    }
}

impl Fold for AnswerState {
    fn apply(&mut self, kind: &str, data: &str) -> Result<bool, DecodeError> {
        match kind {
            "question" => {
                let Question { prompt } = decode_as(kind, data)?;
                self.messages.push(Turn { role: "user".into(), content: prompt });
                let messages = std::mem::take(&mut self.messages);
                *self = Self { messages, running: true, ..Self::default() };
            }
            AiToken::TYPE => {
                let token: AiToken = decode(data)?;
                self.answer.push_str(&token.token);
                self.tokens += 1;
            }
            AiComplete::TYPE => {
                self.complete = Some(decode(data)?);
                self.end();
            }
            AiError::TYPE => {
                self.error = Some(decode(data)?);
                self.end();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn restore(&mut self, snapshot: &str) -> Result<(), DecodeError> {
        *self = read(snapshot)?;
        Ok(())
    }
}
