//! A prompt as these providers want it: instructions apart, then turns that alternate, the user's first.

use serde::Serialize;

use crate::services::ai::provider::{Prompt, Role};

/// Between what was said in several turns and becomes one.
const PARAGRAPH: &str = "\n\n";

/// A conversation that ends in a question.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::services::ai) struct Conversation {
    /// All instructions; empty for none.
    pub(in crate::services::ai) system: String,
    /// The first and the last are the user's.
    pub(in crate::services::ai) turns: Vec<Turn>,
}

/// What one side said before the other spoke.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(in crate::services::ai) struct Turn {
    pub(in crate::services::ai) role: &'static str,
    pub(in crate::services::ai) content: String,
}

impl Conversation {
    /// Turns of one side that follow each other (a question without an answer, and the next) become one.
    /// An answer whose question is gone is left out.
    pub(in crate::services::ai) fn new(system_prompt: &str, prompt: Prompt) -> Self {
        let mut system = system_prompt.trim().to_owned();
        let mut turns: Vec<Turn> = Vec::new();
        for message in prompt.messages {
            let role = match message.role {
                Role::System => {
                    append(&mut system, &message.content);
                    continue;
                }
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            match turns.last_mut() {
                _ if message.content.trim().is_empty() => {}
                None if message.role == Role::Assistant => {}
                Some(last) if last.role == role => append(&mut last.content, &message.content),
                _ => turns.push(Turn { role, content: message.content }),
            }
        }
        Self { system, turns }
    }
}

fn append(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push_str(PARAGRAPH);
    }
    text.push_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::ai::provider::Message;

    #[test]
    fn turns_alternate_and_the_first_is_the_users() {
        let system = |text: &str| Message { role: Role::System, content: text.to_owned() };
        let prompt = Prompt {
            messages: vec![
                Message::assistant("whose question is gone"),
                Message::user("one"),
                Message::user("two"),
                Message::assistant("  "),
                system("Be brief."),
                Message::user("three"),
                Message::assistant("answer"),
                Message::user("four"),
            ],
        };
        let turn = |role, content: &str| Turn { role, content: content.to_owned() };
        let expected = Conversation {
            system: "Be kind.\n\nBe brief.".to_owned(),
            turns: vec![
                turn("user", "one\n\ntwo\n\nthree"),
                turn("assistant", "answer"),
                turn("user", "four"),
            ],
        };
        assert_eq!(Conversation::new(" Be kind.\n", prompt), expected);
    }
}
