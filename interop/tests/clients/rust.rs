//! rust_socketio against our server.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{Value, json};

use crate::server::{PATIENCE, Server};

fn connect(
    server: &Server,
    transport: TransportType,
    auth: Value,
) -> (Client, Receiver<(String, Payload)>) {
    let (sender, events) = channel();
    let client = ClientBuilder::new(server.url("/"))
        .namespace("/ws")
        .reconnect(false)
        .transport_type(transport)
        .auth(auth)
        .on_any(move |event, payload, _| {
            let _ = sender.send((String::from(event), payload));
        })
        .connect()
        .unwrap();
    (client, events)
}

fn text(payload: Payload) -> Value {
    match payload {
        Payload::Text(mut arguments) => arguments.remove(0),
        other => panic!("no text: {other:?}"),
    }
}

fn wait(events: &Receiver<(String, Payload)>, name: &str) -> Payload {
    loop {
        let (event, payload) = events.recv_timeout(PATIENCE).unwrap();
        if event == name {
            return payload;
        }
    }
}

#[test]
fn it_connects_asks_and_hears_over_every_transport() {
    let server = Server::demo();
    for transport in
        [TransportType::Websocket, TransportType::Polling, TransportType::WebsocketUpgrade]
    {
        let (client, events) = connect(&server, transport, json!({"session_id": "rust"}));
        assert_eq!(text(wait(&events, "connected"))["session_id"], "rust");
        let (sender, answers) = channel();
        for (name, data) in [
            ("join", json!({"room": "chat:1"})),
            ("chat.send", json!({"room": "chat:1", "text": "hi"})),
            ("nope", json!({})),
        ] {
            let sender = sender.clone();
            // This client takes the list of an answer's arguments for the first of them.
            let answer = move |payload: Payload, _| drop(sender.send(text(payload)[0].take()));
            client.emit_with_ack(name, data, PATIENCE, answer).unwrap();
        }
        let answers: Vec<Value> = (0..3).map(|_| answers.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(answers[0], json!({}));
        assert_eq!(text(wait(&events, "chat:message"))["id"], answers[1]["id"]);
        assert_eq!(answers[2]["error"]["code"], "not_found");
        client.disconnect().unwrap();
    }
    server.until("staywire_client_instances", 0.0);
}

#[test]
fn a_refusal_reaches_it() {
    let server = Server::demo();
    let (sender, errors) = channel();
    let client = ClientBuilder::new(server.url("/"))
        .auth(json!({"token": "x.y.z"}))
        .reconnect(false)
        .on(Event::Error, move |payload, _| drop(sender.send(format!("{payload:?}"))))
        .connect();
    let error = errors.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(error.contains("token_invalid"), "{error}");
    drop(client);
}
