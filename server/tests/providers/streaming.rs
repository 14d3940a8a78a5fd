//! Tokens as they come, the end, and the end before the end.

use axum::body::Bytes;
use futures_util::StreamExt;
use staywire_server::services::ai::{CancelSignal, ErrorCode, Prompt, cancellation};

use crate::stub::Stub;
use crate::support::{FORMATS, ask, token, whole, within};

#[tokio::test]
async fn each_token_is_there_before_the_next_is_sent() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        let writer = stub.stream();
        let mut stream = ask(&provider);
        writer.write(&format.opening()).await;
        for word in ["A", " gap", " is", " said", " aloud."] {
            // The next is written only when this has arrived.
            writer.write(&format.token(word)).await;
            assert_eq!(token(&mut stream).await, word, "{format:?}");
        }
        writer.write(&format.end()).await;
        let (rest, end) = whole(stream).await;
        assert!(rest.is_empty());
        assert_eq!(end, Ok((None, None)));
        assert_eq!(stub.asked().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_asked_before_the_stream_is_polled() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        drop(ask(&provider));
        stub.body(&format.whole(&["yes"]));
        let (tokens, _) = whole(ask(&provider)).await;
        assert_eq!(tokens, ["yes"]);
        assert_eq!(stub.asked().len(), 1, "the stream that was dropped asked nothing");
    }
}

#[tokio::test]
async fn a_body_means_the_same_wherever_it_is_cut() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        let body = Bytes::from(format.whole(&["Grüße", ", 世界", " 🦀"]));
        for at in 1..body.len() {
            stub.pieces(vec![body.slice(..at), body.slice(at..)]);
            let (tokens, end) = whole(ask(&provider)).await;
            assert_eq!(tokens, ["Grüße", ", 世界", " 🦀"], "{format:?} cut at {at}");
            assert_eq!(end, Ok((None, None)));
        }
        stub.pieces((0..body.len()).map(|at| body.slice(at..=at)).collect());
        assert_eq!(whole(ask(&provider)).await.0.concat(), "Grüße, 世界 🦀");
    }
}

#[tokio::test]
async fn dropping_the_stream_ends_the_connection() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        let writer = stub.stream();
        let mut stream = ask(&provider);
        writer.write(&(format.opening() + &format.token("A"))).await;
        token(&mut stream).await;
        drop(stream);
        writer.abandoned().await;
    }
}

#[tokio::test]
async fn the_signal_ends_the_answer_and_its_connection() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        let writer = stub.stream();
        let (handle, signal) = cancellation();
        let mut stream = provider.stream(Prompt::question("What is a gap?"), signal);
        writer.write(&(format.opening() + &format.token("A"))).await;
        token(&mut stream).await;
        handle.cancel();
        let end = within("the cancel", stream.next()).await.unwrap().unwrap_err();
        assert_eq!(end.code, ErrorCode::Cancelled);
        assert!(stream.next().await.is_none());
        // The stream itself is still held: its end alone let the connection go.
        writer.abandoned().await;
        drop(stream);
    }
}

#[tokio::test]
async fn a_request_without_an_answer_yet_is_cancelled_too() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        let gone = stub.silence();
        let (handle, signal) = cancellation();
        let mut stream = provider.stream(Prompt::question("What is a gap?"), signal);
        let asked = async {
            while stub.asked().is_empty() {
                tokio::task::yield_now().await;
            }
            handle.cancel();
        };
        let (said, ()) = within("the cancel", async { tokio::join!(stream.next(), asked) }).await;
        assert_eq!(said.unwrap().unwrap_err().code, ErrorCode::Cancelled);
        assert!(within("the end of the connection", gone).await.is_err());
    }
}

#[tokio::test]
async fn a_cancelled_signal_asks_nothing() {
    let stub = Stub::start().await;
    for format in FORMATS {
        let (handle, signal) = cancellation();
        handle.cancel();
        let stream = format.provider(&stub).stream(Prompt::question("Why?"), signal);
        assert_eq!(whole(stream).await.1.unwrap_err().code, ErrorCode::Cancelled);
    }
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn a_query_and_a_chart_are_found_in_the_text_and_stay_there() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let provider = format.provider(&stub);
        let tokens = [
            "So:\n```sq",
            "l\nSELECT region FROM",
            " revenue;\n```\n",
            "```json\n{\"type\":\"bar\",",
            "\"data\":{\"labels\":[\"Europe\"]}}\n```\n",
        ];
        stub.body(&format.whole(&tokens));
        let (said, end) = whole(ask(&provider)).await;
        assert_eq!(said, tokens);
        let (sql, chart) = end.unwrap();
        assert_eq!(sql.as_deref(), Some("SELECT region FROM revenue;"));
        assert_eq!(chart.unwrap()["data"]["labels"][0], "Europe");
    }
}

#[tokio::test]
async fn a_prompt_that_is_refused_here_never_leaves() {
    let stub = Stub::start().await;
    for format in FORMATS {
        let provider = format.provider(&stub);
        for (question, code) in [
            (" \n".to_owned(), ErrorCode::EmptyPrompt),
            ("x".repeat(16_385), ErrorCode::PromptTooLong),
        ] {
            let stream = provider.stream(Prompt::question(question), CancelSignal::never());
            assert_eq!(whole(stream).await.1.unwrap_err().code, code);
        }
    }
    assert!(stub.asked().is_empty());
}
