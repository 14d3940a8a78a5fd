//! What a provider is shown of a conversation.

use serde_json::{Value, json};
use staywire_server::services::ai::{CancelSignal, Message, Prompt};

use crate::stub::Stub;
use crate::support::{FORMATS, Format, answered};

fn turn(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

#[tokio::test]
async fn instructions_and_turns_are_where_each_format_has_them() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider_with(&stub, |settings| {
            settings.system_prompt = "Be brief.".to_owned();
        });
        stub.body(&format.whole(&["yes"]));
        let prompt = Prompt {
            messages: vec![
                Message::assistant("whose question was forgotten"),
                Message::user("one"),
                Message::user("two"),
                Message::assistant("answer"),
                Message::user("three"),
            ],
        };
        answered(provider.stream(prompt, CancelSignal::never())).await;
        let body = &stub.asked()[0].body;
        let turns =
            [turn("user", "one\n\ntwo"), turn("assistant", "answer"), turn("user", "three")];
        match format {
            Format::OpenAi => {
                let mut messages = vec![turn("system", "Be brief.")];
                messages.extend(turns);
                assert_eq!(body["messages"], json!(messages));
                assert!(body.get("system").is_none());
            }
            Format::Anthropic => {
                assert_eq!(body["messages"], json!(turns));
                assert_eq!(body["system"], "Be brief.");
            }
        }
    }
}
