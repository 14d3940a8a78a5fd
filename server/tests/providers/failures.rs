//! Everything that can go wrong on the other side, and what becomes of it.

use staywire_server::config::{AnthropicConfig, OpenAiConfig};
use staywire_server::services::ai::{AnthropicProvider, ErrorCode, OpenAiProvider};
use tokio::net::TcpListener;

use crate::stub::Stub;
use crate::support::{FORMATS, Format, ask, token, whole};

/// An answer of one token that then fails as `broken` says, with the code.
async fn broken(format: Format, broken: &str) -> ErrorCode {
    let stub = Stub::start().await;
    let provider = format.provider(&stub);
    stub.body(&(format.opening() + &format.token("A") + broken));
    // What an answer that was begun must never be followed by.
    stub.body(&format.whole(&["Another"]));
    let (tokens, end) = whole(ask(&provider)).await;
    assert_eq!(tokens, ["A"], "{format:?}: nothing is said twice");
    assert_eq!(stub.asked().len(), 1, "{format:?}: it is not asked again");
    let error = end.unwrap_err();
    assert!(!error.message.contains("other side"), "{error}");
    error.code
}

#[tokio::test]
async fn a_rate_limit_that_passes_is_waited_for() {
    for format in FORMATS {
        for header in [("retry-after-ms", "1"), ("retry-after", "0.001")] {
            let stub = Stub::start().await;
            let provider = format.provider(&stub);
            stub.status(429, &[header], "{}");
            stub.status(429, &[header], "{}");
            stub.body(&format.whole(&["yes"]));
            let (tokens, end) = whole(ask(&provider)).await;
            assert_eq!((tokens, end), (vec!["yes".to_owned()], Ok((None, None))));
            assert_eq!(stub.asked().len(), 3);
        }
    }
}

#[tokio::test]
async fn a_rate_limit_that_stays_is_told_with_its_hint() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        for _ in 0..3 {
            stub.status(429, &[("retry-after-ms", "2")], "{}");
        }
        let error = whole(ask(&provider)).await.1.unwrap_err();
        assert_eq!((error.code, error.retry_after_ms), (ErrorCode::RateLimited, Some(2)));
        assert_eq!(stub.asked().len(), 3, "two more tries, as configured");
    }
}

#[tokio::test]
async fn a_hint_of_minutes_is_told_at_once() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        stub.status(429, &[("retry-after", "120")], "{}");
        let error = whole(ask(&provider)).await.1.unwrap_err();
        assert_eq!((error.code, error.retry_after_ms), (ErrorCode::RateLimited, Some(120_000)));
        assert_eq!(stub.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_overloaded_provider_is_asked_again() {
    for format in FORMATS {
        for status in [500, 503, 529] {
            let stub = Stub::start().await;
            let provider = format.provider(&stub);
            stub.status(status, &[("retry-after-ms", "1")], "not even JSON");
            stub.body(&format.whole(&["yes"]));
            assert_eq!(whole(ask(&provider)).await.0, ["yes"], "{status}");
        }
    }
}

#[tokio::test]
async fn what_fails_before_the_first_token_is_asked_again() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        stub.body(&(format.opening() + &format.error("overloaded_error")));
        stub.body(&format.opening());
        stub.body(&format.whole(&["yes"]));
        assert_eq!(whole(ask(&provider)).await.0, ["yes"], "{format:?}");
        assert_eq!(stub.asked().len(), 3);
    }
}

#[tokio::test]
async fn no_retries_means_none() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider_with(&stub, |settings| settings.retries = 0);
        stub.status(500, &[], "");
        let error = whole(ask(&provider)).await.1.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert_eq!(stub.asked().len(), 1);
    }
}

#[tokio::test]
async fn what_no_patience_mends_is_not_asked_again() {
    let body = r#"{"error":{"type":"x","message":"words of the other side about acct_77"}}"#;
    let too_long = r#"{"error":{"type":"invalid_request_error","code":"context_length_exceeded",
        "message":"This model's maximum context length is 8192 tokens. prompt is too long: words of the other side"}}"#;
    for format in FORMATS {
        for (status, body, code) in [
            (401, body, ErrorCode::Unauthorized),
            (403, body, ErrorCode::Unauthorized),
            (404, body, ErrorCode::Unavailable),
            (400, body, ErrorCode::QueryFailed),
            (400, too_long, ErrorCode::PromptTooLong),
            (413, "", ErrorCode::PromptTooLong),
        ] {
            let stub = Stub::start().await;
            let provider = format.provider(&stub);
            stub.status(status, &[], body);
            let (tokens, end) = whole(ask(&provider)).await;
            let error = end.unwrap_err();
            assert_eq!((tokens.len(), error.code), (0, code), "{status}");
            let told = error.to_string();
            assert!(!told.contains("other side") && !told.contains("acct_77"), "{told}");
            assert_eq!(stub.asked().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let elsewhere = Stub::start().await;
        let provider = format.provider(&stub);
        let address = format!("http://{}/", elsewhere.address);
        stub.status(307, &[("location", &address)], "");
        assert_eq!(whole(ask(&provider)).await.1.unwrap_err().code, ErrorCode::Unavailable);
        assert!(elsewhere.asked().is_empty(), "the key stays where it was configured to go");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_ends_the_answer() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        let writer = stub.stream();
        let mut stream = ask(&provider);
        writer.write(&(format.opening() + &format.token("A"))).await;
        assert_eq!(token(&mut stream).await, "A");
        writer.break_off().await;
        let (rest, end) = whole(stream).await;
        assert_eq!((rest.len(), end.unwrap_err().code), (0, ErrorCode::Unavailable));
        assert_eq!(stub.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_in_the_middle_ends_with_its_reason() {
    for format in FORMATS {
        for (kind, code) in [
            ("overloaded_error", ErrorCode::Unavailable),
            ("rate_limit_error", ErrorCode::RateLimited),
            ("never_heard_of", ErrorCode::QueryFailed),
        ] {
            assert_eq!(broken(format, &format.error(kind)).await, code);
        }
        // Without its end marker, with an event cut off, and with nonsense in place of one.
        assert_eq!(broken(format, "").await, ErrorCode::Unavailable);
        assert_eq!(broken(format, "data: {\"choi").await, ErrorCode::Unavailable);
        assert_eq!(
            broken(format, "data: {\"choices\": nonsense}\n\n").await,
            ErrorCode::QueryFailed
        );
        assert_eq!(broken(format, "data: [7]\n\n").await, ErrorCode::QueryFailed);
    }
}

#[tokio::test]
async fn what_is_no_stream_of_events_is_no_answer() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        stub.status(200, &[("content-type", "text/html")], "<p>words of the other side</p>");
        let error = whole(ask(&provider)).await.1.unwrap_err();
        assert_eq!(error.code, ErrorCode::QueryFailed);
        assert!(!error.message.contains("other side"));
    }
}

#[tokio::test]
async fn silence_in_the_middle_ends_the_answer_and_its_connection() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider_with(&stub, |settings| settings.timeouts.idle_ms = 50);
        let writer = stub.stream();
        let mut stream = ask(&provider);
        writer.write(&(format.opening() + &format.token("A"))).await;
        assert_eq!(token(&mut stream).await, "A");
        let (rest, end) = whole(stream).await;
        assert_eq!((rest.len(), end.unwrap_err().code), (0, ErrorCode::Unavailable));
        writer.abandoned().await;
    }
}

#[tokio::test]
async fn signs_of_life_keep_a_slow_answer_alive() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider_with(&stub, |settings| settings.timeouts.idle_ms = 2_000);
        let writer = stub.stream();
        let slow = async {
            writer.write(&format.opening()).await;
            // Longer in all than the answer may be silent.
            for _ in 0..25 {
                writer.write(": still here\n\n").await;
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            writer.write(&(format.token("yes") + &format.end())).await;
        };
        let ((tokens, end), ()) = tokio::join!(whole(ask(&provider)), slow);
        assert_eq!((tokens, end), (vec!["yes".to_owned()], Ok((None, None))));
    }
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_given_up() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider_with(&stub, |settings| settings.timeouts.first_byte_ms = 50);
        let gone = stub.silence();
        let error = whole(ask(&provider)).await.1.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(crate::support::within("the end of the connection", gone).await.is_err());

        // A head alone is no byte of the answer.
        let writer = stub.stream();
        let error = whole(ask(&provider)).await.1.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        writer.abandoned().await;
        assert_eq!(stub.asked().len(), 2, "a model that may be at work is not asked twice");
    }
}

#[tokio::test]
async fn signs_of_life_without_an_end_are_given_up_too() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider_with(&stub, |settings| settings.timeouts.total_ms = 300);
        let writer = stub.stream();
        let alive = async {
            loop {
                writer.write(": still here\n\n").await;
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let error = tokio::select! {
            (_, end) = whole(ask(&provider)) => end.unwrap_err(),
            () = alive => unreachable!(),
        };
        assert_eq!(error.code, ErrorCode::Unavailable);
        writer.abandoned().await;
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let openai = OpenAiProvider::new(OpenAiConfig {
        base_url: format!("http://{address}/v1"),
        model: "a-model".to_owned(),
        api_key_env: Some(String::new()),
        retries: 1,
        ..OpenAiConfig::default()
    });
    let anthropic = AnthropicProvider::new(AnthropicConfig {
        base_url: format!("http://{address}"),
        model: "a-model".to_owned(),
        api_key_env: Some(String::new()),
        retries: 1,
        ..AnthropicConfig::default()
    });
    let providers: [std::sync::Arc<dyn staywire_server::services::ai::Provider>; 2] =
        [std::sync::Arc::new(openai.unwrap()), std::sync::Arc::new(anthropic.unwrap())];
    for provider in providers {
        let error = whole(ask(&provider)).await.1.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        let port = address.port().to_string();
        assert!(!error.message.contains(&port), "clients needn't know where: {error}");
    }
}

#[tokio::test]
async fn an_answer_and_an_event_have_a_limit() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider_with(&stub, |settings| settings.max_text_bytes = 10);
        stub.body(&format.whole(&["12345", "67890", "!"]));
        let (tokens, end) = whole(ask(&provider)).await;
        let error = end.unwrap_err();
        assert_eq!((tokens.concat().as_str(), error.code), ("1234567890", ErrorCode::QueryFailed));

        let provider = format.provider_with(&stub, |settings| settings.max_event_bytes = 8_192);
        let writer = stub.stream();
        let endless = async {
            writer.write("data: ").await;
            let flood = "x".repeat(4_096);
            // More than the buffers of a connection hold: the writer fails when the reader is gone.
            for _ in 0..1_000 {
                tokio::select! {
                    biased;
                    () = writer.abandoned() => return,
                    () = writer.write(&flood) => {}
                }
            }
            writer.abandoned().await;
        };
        let ((_, end), ()) = tokio::join!(whole(ask(&provider)), endless);
        assert_eq!(end.unwrap_err().code, ErrorCode::QueryFailed);
    }
}
