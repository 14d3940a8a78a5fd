//! What is peculiar to one of the formats.

use serde_json::json;
use staywire_server::config::ai::MaxTokensField;
use staywire_server::services::ai::{ErrorCode, OpenAiProvider, Provider};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::stub::Stub;
use crate::support::{Format, KEY, KeyFile, Settings, answered, ask, openai, whole};

#[tokio::test]
async fn openai_is_asked_as_it_wants_to_be() {
    let stub = Stub::start().await;
    stub.body(&Format::OpenAi.whole(&["yes"]));
    answered(ask(&Format::OpenAi.provider(&stub))).await;
    let asked = &stub.asked()[0];
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.headers["accept"], "text/event-stream");
    let messages = json!([{"role": "user", "content": "What is a gap?"}]);
    assert_eq!(asked.body, json!({"model": "a-model", "messages": messages, "stream": true}));
}

#[tokio::test]
async fn anthropic_is_asked_as_it_wants_to_be() {
    let stub = Stub::start().await;
    stub.body(&Format::Anthropic.whole(&["yes"]));
    answered(ask(&Format::Anthropic.provider(&stub))).await;
    let asked = &stub.asked()[0];
    assert_eq!(asked.path, "/v1/messages");
    assert_eq!(asked.headers["x-api-key"], KEY);
    assert_eq!(asked.headers["anthropic-version"], "2023-06-01");
    assert!(asked.headers.get("authorization").is_none());
    let messages = json!([{"role": "user", "content": "What is a gap?"}]);
    let expected =
        json!({"model": "a-model", "max_tokens": 4096, "messages": messages, "stream": true});
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn the_most_tokens_are_told_by_the_name_that_is_known() {
    for (field, name) in [
        (MaxTokensField::MaxTokens, "max_tokens"),
        (MaxTokensField::MaxCompletionTokens, "max_completion_tokens"),
    ] {
        let stub = Stub::start().await;
        let mut config = openai(&stub, &KeyFile::new(), Settings::default());
        // No key is needed by many of these servers.
        (config.api_key_file, config.api_key_env) = (None, Some(String::new()));
        (config.max_tokens, config.max_tokens_field) = (NonZeroU32::new(50), field);
        let provider: Arc<dyn Provider> = Arc::new(OpenAiProvider::new(config).unwrap());
        stub.body(&Format::OpenAi.whole(&["yes"]));
        answered(ask(&provider)).await;
        let asked = &stub.asked()[0];
        assert_eq!(asked.body[name], 50);
        assert!(asked.headers.get("authorization").is_none());
    }
}

#[tokio::test]
async fn a_reason_to_stop_is_an_end_where_the_marker_is_missing() {
    let stub = Stub::start().await;
    let format = Format::OpenAi;
    let last = json!({"choices": [{"delta": {"content": "B"}, "finish_reason": "stop"}]});
    stub.body(&format!("{}data: {last}\n\n", format.token("A")));
    let (tokens, end) = whole(ask(&format.provider(&stub))).await;
    assert_eq!((tokens.concat().as_str(), end), ("AB", Ok((None, None))));
}

#[tokio::test]
async fn a_filter_that_strikes_is_a_refusal() {
    let stub = Stub::start().await;
    let filtered = json!({"choices": [{"delta": {}, "finish_reason": "content_filter"}]});
    let refused = json!({"type": "message_delta", "delta": {"stop_reason": "refusal"}});
    for (format, last) in [(Format::OpenAi, filtered), (Format::Anthropic, refused)] {
        stub.body(&format!("{}{}data: {last}\n\n", format.opening(), format.token("A")));
        let (tokens, end) = whole(ask(&format.provider(&stub))).await;
        assert_eq!((tokens.len(), end.unwrap_err().code), (1, ErrorCode::Refused));
    }
}

#[tokio::test]
async fn thoughts_and_tools_and_what_is_new_are_passed_over() {
    let stub = Stub::start().await;
    let format = Format::Anthropic;
    let events = [
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{"}}),
        json!({"type": "of_next_year", "delta": 7}),
    ];
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    stub.body(&(format.opening() + &events + &format.token("yes") + &format.end()));
    let (tokens, end) = whole(ask(&format.provider(&stub))).await;
    assert_eq!((tokens, end), (vec!["yes".to_owned()], Ok((None, None))));
}
