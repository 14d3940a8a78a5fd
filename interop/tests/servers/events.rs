//! Events and answers, both ways, over either transport.

use serde_json::{Value, json};
use staywire::CallOptions;
use staywire::socketio::{Arguments, Parser};
use staywire_interop::Peer;

use crate::support::{connected, event, polling, told, websocket, within};

#[tokio::test]
async fn events_and_answers_travel_both_ways_over_a_websocket() {
    let server = Peer::node("servers.mjs", &["transports=websocket"]);
    both_ways(&server, websocket()).await;
}

#[tokio::test]
async fn events_and_answers_travel_both_ways_over_polling() {
    let server = Peer::node("servers.mjs", &["transports=polling"]);
    both_ways(&server, polling()).await;
}

#[tokio::test]
async fn events_and_answers_travel_both_ways_as_message_pack() {
    let server = Peer::node("servers.mjs", &["parser=msgpack"]);
    for options in [websocket(), polling()] {
        both_ways(&server, options.parser(Parser::Msgpack)).await;
    }
    let (client, mut events) =
        connected(&server.url("/"), websocket().parser(Parser::Msgpack)).await;
    let mut arguments = Arguments::new();
    let image = arguments.attach(vec![0, 255, 7]);
    arguments.push(&json!({"name": "a", "image": image})).unwrap();
    within(client.emit("echo back", arguments)).await.unwrap();
    let echoed = event(&mut events).await;
    assert_eq!(echoed.attachments(), [vec![0u8, 255, 7]]);
    assert_eq!(echoed.data::<Value>().unwrap()["name"], "a");
    client.close().await;
}

async fn both_ways(server: &Peer, options: staywire::SocketIoOptions) {
    let (client, mut events) = connected(&server.url("/"), options).await;
    // One argument, none, and several.
    within(client.send("echo back", &json!({"a": [1, 2]}))).await.unwrap();
    assert_eq!(told(&mut events).await, ("echoed".to_owned(), json!({"a": [1, 2]})));
    within(client.emit("echo back", Arguments::new())).await.unwrap();
    assert_eq!(told(&mut events).await, ("echoed".to_owned(), Value::Null));
    let mut several = Arguments::of("one").unwrap();
    several.push(&2).unwrap();
    within(client.emit("echo back", several.clone())).await.unwrap();
    assert_eq!(told(&mut events).await, ("echoed".to_owned(), json!(["one", 2])));

    // The server's answer to us.
    let answer = within(client.call::<_, Value>("echo", &json!({"b": "é\u{1e}\u{2028}"}))).await;
    assert_eq!(answer, Ok(json!({"b": "é\u{1e}\u{2028}"})));
    let answer = client.emit_with_ack("echo", several, CallOptions::default());
    assert_eq!(within(answer).await.unwrap().data::<Value>().unwrap(), json!(["one", 2]));

    // Our answer to the server.
    within(client.send("ask me", &"why?")).await.unwrap();
    let question = event(&mut events).await;
    assert_eq!(
        (question.kind().unwrap(), question.data()),
        ("question".into(), Ok("why?".to_owned()))
    );
    assert!(question.wants_answer());
    within(client.answer(&question, Arguments::of("because").unwrap())).await.unwrap();
    assert_eq!(told(&mut events).await, ("answer was".to_owned(), json!("because")));
    let again = within(client.answer(&question, Arguments::new())).await;
    assert_eq!(again, Err(staywire::AnswerError::Answered));
    within(client.close()).await;
}
