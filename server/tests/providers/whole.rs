//! From a client through the server to the provider and back.

use std::net::SocketAddr;

use serde_json::json;
use staywire::{Answer, AnswerEvent, AskOptions, Client};
use staywire_server::Server;
use staywire_server::config::Config;

use crate::stub::{Stub, Writer};
use crate::support::{FORMATS, Format, KeyFile, Settings, anthropic, openai, within};

async fn serve(format: Format, stub: &Stub) -> Server {
    let key = KeyFile::new();
    let mut config = Config::for_demo();
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    match format {
        Format::OpenAi => {
            config.ai.provider = "openai".to_owned();
            config.ai.openai = openai(stub, &key, Settings::default());
        }
        Format::Anthropic => {
            config.ai.provider = "anthropic".to_owned();
            config.ai.anthropic = anthropic(stub, &key, Settings::default());
        }
    }
    Server::start(config).await.unwrap()
}

async fn connect(server: &Server) -> Client {
    let url = format!("ws://{}/ws/ai/chat", server.address());
    let client = Client::builder(&url).build().unwrap();
    within("connecting", client.connect()).await.unwrap();
    client
}

async fn next(answer: &mut Answer) -> AnswerEvent {
    within("the next piece", answer.next()).await.expect("an end comes first")
}

/// Sends a token, and sees it arrive at the client before anything else is sent.
async fn pass(format: Format, writer: &Writer, answer: &mut Answer, text: &str) {
    writer.write(&format.token(text)).await;
    match next(answer).await {
        AnswerEvent::Token(token) => assert_eq!(token.token, text),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_reach_the_client_one_by_one_and_the_next_question_has_its_context() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let server = serve(format, &stub).await;
        let client = connect(&server).await;

        let writer = stub.stream();
        let mut answer = within("asking", client.ask("What is a gap?")).await.unwrap();
        writer.write(&format.opening()).await;
        for word in ["What", " was", " missed:\n```sql\nSELECT 1\n```"] {
            pass(format, &writer, &mut answer, word).await;
        }
        writer.write(&format.end()).await;
        let AnswerEvent::Complete(complete) = next(&mut answer).await else { panic!("no end") };
        assert_eq!(complete.sql.as_deref(), Some("SELECT 1"));
        assert!(within("the end", answer.next()).await.is_none());

        stub.body(&format.whole(&["Never."]));
        let options = AskOptions { session_id: Some(answer.session_id().to_owned()) };
        let mut second = within("asking", client.ask_with("How often?", options)).await.unwrap();
        assert!(matches!(next(&mut second).await, AnswerEvent::Token(_)));
        assert!(matches!(next(&mut second).await, AnswerEvent::Complete(_)));
        let turns = json!([
            {"role": "user", "content": "What is a gap?"},
            {"role": "assistant", "content": "What was missed:\n```sql\nSELECT 1\n```"},
            {"role": "user", "content": "How often?"},
        ]);
        assert_eq!(stub.asked()[1].body["messages"], turns);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_cancel_reaches_the_provider() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let server = serve(format, &stub).await;
        let client = connect(&server).await;
        let writer = stub.stream();
        let mut answer = within("asking", client.ask("What is a gap?")).await.unwrap();
        pass(format, &writer, &mut answer, "What").await;
        within("the cancel", answer.cancel()).await.unwrap();
        writer.abandoned().await;
        let AnswerEvent::Error(error) = next(&mut answer).await else { panic!("no error") };
        assert_eq!(error.code, "CANCELLED");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_by_its_code_and_its_wait() {
    for format in FORMATS {
        let stub = Stub::start().await;
        let server = serve(format, &stub).await;
        let client = connect(&server).await;
        stub.status(429, &[("retry-after", "90")], "{}");
        let mut answer = within("asking", client.ask("What is a gap?")).await.unwrap();
        let AnswerEvent::Error(error) = next(&mut answer).await else { panic!("no error") };
        assert_eq!((error.code.as_str(), error.retry_after_ms), ("RATE_LIMITED", Some(90_000)));
        server.stop().await;
    }
}
