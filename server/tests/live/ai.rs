//! Answers of the AI: streamed, shared, cut, cancelled, and come upon in the middle.

use std::time::Duration;

use serde_json::{Value, json};
use staywire::{
    Answer, AnswerEvent, AskOptions, CallError, Client, JoinError, JoinFrom, Room, StartError,
};
use staywire_server::Server;

use crate::support::{Told, config, connect, next, rig, serve, within};

const LONG: &str = "How does Staywire make sure that no event is lost when the connection breaks?";

/// The text of an answer, and its last piece.
async fn whole(answer: &mut Answer) -> (String, AnswerEvent) {
    let mut text = String::new();
    let mut index = 0;
    loop {
        match within("the next piece", answer.next()).await.expect("an end comes first") {
            AnswerEvent::Token(token) => {
                assert_eq!(token.index, index, "once and in order");
                index += 1;
                text.push_str(&token.token);
            }
            end @ (AnswerEvent::Complete(_) | AnswerEvent::Error(_)) => {
                assert!(answer.next().await.is_none(), "the end is the end");
                return (text, end);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The text of the answer that a room streams, from a snapshot on where it has one.
async fn told_by(room: &mut Room) -> String {
    let mut text = String::new();
    loop {
        match next(room).await {
            Told::Snapshot(state) => text = state["answer"].as_str().unwrap().to_owned(),
            Told::Gap(..) => panic!("a gap"),
            Told::Event(_, data) => match data["token"].as_str() {
                Some(token) => text.push_str(token),
                None if data.get("sql").is_some() => return text,
                None => assert!(data["prompt"].is_string(), "{data}"),
            },
        }
    }
}

/// The state of a conversation as a late joiner sees it.
async fn snapshot(client: &Client, room: &str) -> Value {
    let mut joined = within("joining", client.join(room)).await.unwrap();
    match next(&mut joined).await {
        Told::Snapshot(state) => state,
        other => panic!("no state: {other:?}"),
    }
}

fn slow(delay_ms: u64) -> staywire_server::config::Config {
    let mut config = config();
    config.ai.offline.token_delay = Duration::from_millis(delay_ms);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_streams_through_cuts_and_equals_what_the_server_keeps() {
    let (server, proxy) = rig(slow(5)).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut answer = within("asking", client.ask(LONG)).await.unwrap();
    let mut text = String::new();
    let mut pieces = 0;
    while let Some(piece) = within("the next piece", answer.next()).await {
        match piece {
            AnswerEvent::Token(token) => {
                assert_eq!(token.index, pieces);
                text.push_str(&token.token);
                pieces += 1;
                if pieces % 10 == 0 {
                    proxy.cut();
                }
            }
            AnswerEvent::Complete(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(proxy.accepted() > 3, "it was cut");
    let kept = snapshot(&client, answer.room()).await;
    assert_eq!(kept["answer"], text);
    assert_eq!((&kept["tokens"], &kept["running"]), (&json!(pieces), &json!(false)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_question_ends_with_its_query_and_a_chart() {
    let server = serve(config()).await;
    let client = connect(&server, server.address(), "ada").await;
    let mut answer = client.ask("Show revenue by region in 2025").await.unwrap();
    let (text, AnswerEvent::Complete(complete)) = whole(&mut answer).await else {
        panic!("no completion");
    };
    assert!(text.contains("Europe"), "{text}");
    assert!(complete.sql.unwrap().starts_with("SELECT"));
    assert!(complete.chart_config.unwrap()["data"].is_object());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_question_is_understood_by_the_first() {
    let server = serve(config()).await;
    let client = connect(&server, server.address(), "ada").await;
    let mut first = client.ask("What was the revenue in Europe in 2025?").await.unwrap();
    whole(&mut first).await;
    let options = AskOptions { session_id: Some(first.session_id().to_owned()) };
    let mut second = client.ask_with("And in Asia-Pacific?", options).await.unwrap();
    let (text, _) = whole(&mut second).await;
    assert!(text.contains("Asia-Pacific") && text.to_lowercase().contains("revenue"), "{text}");
    let mut alone = client.ask("And in Asia-Pacific?").await.unwrap();
    let (without, _) = whole(&mut alone).await;
    assert_ne!(text, without, "the same words alone mean something else");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_reaches_the_producer() {
    let server = serve(slow(20)).await;
    let phone = connect(&server, server.address(), "ada").await;
    let laptop = connect(&server, server.address(), "ada").await;
    let mut answer = phone.ask(LONG).await.unwrap();
    let mut room = laptop.join(answer.room()).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(answer.next().await, Some(AnswerEvent::Token(_))));
    }
    within("the cancel", answer.cancel()).await.unwrap();
    let mut error = None;
    while let Some(piece) = within("the next piece", answer.next()).await {
        if let AnswerEvent::Error(said) = piece {
            error = Some(said);
        }
    }
    assert_eq!(error.unwrap().code, "CANCELLED");
    let last = loop {
        if let Told::Event(offset, data) = next(&mut room).await
            && data["code"] == "CANCELLED"
        {
            break offset;
        }
    };
    // Production stopped: the question that follows is the very next event.
    let options = AskOptions { session_id: Some(answer.session_id().to_owned()) };
    let again = within("asking again", phone.ask_with("What is a gap?", options)).await.unwrap();
    let Told::Event(offset, question) = next(&mut room).await else { panic!("no event") };
    assert_eq!((offset, &question["prompt"]), (last + 1, &json!("What is a gap?")));
    within("the cancel", again.cancel()).await.unwrap();
    within("cancelling twice is no error", again.cancel()).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_share_one_answer() {
    let server = serve(config()).await;
    let phone = connect(&server, server.address(), "ada").await;
    let laptop = connect(&server, server.address(), "ada").await;
    let mut on_laptop = laptop.join("ai:shared").await.unwrap();
    let options = AskOptions { session_id: Some("shared".to_owned()) };
    let mut on_phone = phone.ask_with(LONG, options).await.unwrap();
    let ((text, _), shown) = tokio::join!(whole(&mut on_phone), told_by(&mut on_laptop));
    assert_eq!(text, shown);
    server.stop().await;
}

/// Joins an answer under way again and again; each time state and tail are the whole.
async fn join_late(server: &Server, devices: usize, queue: Option<usize>) {
    let phone = connect(server, server.address(), "ada").await;
    let laptop = {
        let builder = crate::support::builder(server.address());
        let builder = match queue {
            Some(events) => builder.room_queue(events, 1 << 20),
            None => builder,
        };
        let laptop = builder.token(crate::support::token(server, "ada")).build().unwrap();
        laptop.connect().await.unwrap();
        laptop
    };
    let mut answer = phone.ask(LONG).await.unwrap();
    let room = answer.room().to_owned();
    let mut rooms = Vec::new();
    for _ in 0..devices {
        answer.next().await.unwrap();
        rooms.push(within("joining", laptop.join(&room)).await.unwrap());
    }
    let mut text = None;
    // The first tokens were taken above, so the text is what the server keeps.
    while answer.next().await.is_some() {}
    for room in &mut rooms {
        let Told::Snapshot(state) = next(room).await else { panic!("a late joiner has a state") };
        let seen = match state["running"].as_bool() {
            Some(true) => format!("{}{}", state["answer"].as_str().unwrap(), told_by(room).await),
            _ => state["answer"].as_str().unwrap().to_owned(),
        };
        assert_eq!(*text.get_or_insert_with(|| seen.clone()), seen);
    }
    assert_eq!(snapshot(&laptop, &room).await["answer"], text.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_gets_the_state_and_the_rest() {
    let server = serve(config()).await;
    join_late(&server, 40, None).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_who_reads_slowly_still_gets_the_state() {
    let server = serve(config()).await;
    join_late(&server, 5, Some(4)).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_belongs_to_its_first_subject() {
    let server = serve(config()).await;
    let ada = connect(&server, server.address(), "ada").await;
    let eve = connect(&server, server.address(), "eve").await;
    let options = || AskOptions { session_id: Some("mine".to_owned()) };
    let mut answer = ada.ask_with("What is a gap?", options()).await.unwrap();
    whole(&mut answer).await;
    let refused = within("the refusal", eve.ask_with("Hello?", options())).await.unwrap_err();
    let StartError::Call(CallError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, "session_taken");
    let refused = eve.join_from("ai:mine", JoinFrom::History(100)).await.unwrap_err();
    let JoinError::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, "session_taken");
    let cancel: Result<Value, _> = eve.call("ai.cancel", &json!({"session_id": "mine"})).await;
    assert!(matches!(cancel, Err(CallError::Refused(refusal)) if refusal.code == "session_taken"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_session_belongs_to_its_subject_as_long_as_its_room_can_be_read() {
    let mut config = config();
    config.ai.max_conversations = 1;
    let server = serve(config).await;
    let ada = connect(&server, server.address(), "ada").await;
    let eve = connect(&server, server.address(), "eve").await;
    let options = || AskOptions { session_id: Some("mine".to_owned()) };
    whole(&mut ada.ask_with("What is a gap?", options()).await.unwrap()).await;
    // There is room for one: the server forgets what was said in the other.
    whole(&mut eve.ask("What is a gap?").await.unwrap()).await;

    let refused = eve.join_from("ai:mine", JoinFrom::History(100)).await.unwrap_err();
    let JoinError::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, "session_taken");
    let refused = eve.ask_with("What did she say?", options()).await.unwrap_err();
    let StartError::Call(CallError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, "session_taken");

    let mut hers = ada.join_from("ai:mine", JoinFrom::History(100)).await.unwrap();
    let Told::Event(1, question) = next(&mut hers).await else { panic!("no question") };
    assert_eq!(question["prompt"], "What is a gap?");
    whole(&mut ada.ask_with("What is a room?", options()).await.unwrap()).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_where_nothing_is_changes_nothing() {
    let mut config = config();
    config.ai.max_conversations = 1;
    let server = serve(config).await;
    let ada = connect(&server, server.address(), "ada").await;
    let eve = connect(&server, server.address(), "eve").await;
    let mut answer = ada.ask("What is a gap?").await.unwrap();
    whole(&mut answer).await;
    for name in ["new", "newer"] {
        let data = json!({"session_id": name});
        let cancelled: Value = within("the reply", eve.call("ai.cancel", &data)).await.unwrap();
        assert_eq!(cancelled, json!({"cancelled": false}));
    }
    assert_eq!(snapshot(&ada, answer.room()).await["running"], false, "hers is still kept");
    let options = AskOptions { session_id: Some("new".to_owned()) };
    whole(&mut ada.ask_with("What is a room?", options).await.unwrap()).await;
    let bad: Result<Value, _> = eve.call("ai.cancel", &json!({"session_id": "a/b"})).await;
    assert!(matches!(bad, Err(CallError::Refused(refusal)) if refusal.code == "bad_request"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answer_at_a_time_in_a_session() {
    let server = serve(slow(20)).await;
    let client = connect(&server, server.address(), "ada").await;
    let options = || AskOptions { session_id: Some("one".to_owned()) };
    let first = client.ask_with(LONG, options()).await.unwrap();
    let refused = client.ask_with("And?", options()).await.unwrap_err();
    let StartError::Call(CallError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, "busy");
    let mut elsewhere = client.ask("What is a gap?").await.unwrap();
    assert!(elsewhere.next().await.is_some(), "another session is free");
    first.cancel().await.unwrap();
    server.stop().await;
}
