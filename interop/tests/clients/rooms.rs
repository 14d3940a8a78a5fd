//! One room, both protocols: what either side says reaches the other, with the same rights.

use std::time::Duration;

use serde_json::{Value, json};
use staywire::{Client, Room, RoomEvent};

use crate::openv0::emit;
use crate::server::{PATIENCE, SERVICE_TOKEN, Server};
use crate::stock::{BOTH, Maker, Stock, code};

async fn native(server: &Server, user: &str) -> Client {
    let client = Client::builder(&format!("ws://{}/ws/ai/chat", server.address))
        .token(server.token(user, "acme"))
        .backoff(Duration::from_millis(20), Duration::from_millis(200))
        .build()
        .unwrap();
    tokio::time::timeout(PATIENCE, client.connect()).await.unwrap().unwrap();
    client
}

async fn heard(room: &mut Room) -> (String, Option<u64>, Value) {
    loop {
        match tokio::time::timeout(PATIENCE, room.next()).await.expect("nothing is heard") {
            Some(RoomEvent::Event(event)) => {
                let kind = event.kind().unwrap().into_owned();
                return (kind, event.offset(), event.data().unwrap());
            }
            Some(RoomEvent::Snapshot(_)) => {}
            other => panic!("no event: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_side_hears_the_other_in_one_order() {
    let server = Server::demo();
    let ada = native(&server, "ada").await;
    let mut room = ada.join("plans").await.unwrap();
    for (round, maker) in BOTH.into_iter().enumerate() {
        let options = json!({"auth": {"token": server.token("bob", "acme")}});
        let mut bob = Stock::connect(maker, &server.url(""), &options);
        bob.ask("join", json!({"room": "plans"}));
        for number in 0..50 {
            let data = json!({"n": number, "text": "\u{2603}"});
            if number % 2 == 0 {
                ada.publish("plans", "note", &data).await.unwrap();
            } else {
                let said = json!({"room": "plans", "type": "note", "data": data});
                let place = bob.ask("publish", said);
                assert_eq!(place["offset"], 50 * round as u64 + number + 1);
            }
        }
        for number in 0..50_u64 {
            assert_eq!(bob.event("note")["n"], number);
            let (kind, offset, data) = heard(&mut room).await;
            assert_eq!((kind.as_str(), offset), ("note", Some(50 * round as u64 + number + 1)));
            assert_eq!(data["n"], number);
        }
        // The past is there for whoever asks for it, as it is natively.
        let mut late = Stock::connect(maker, &server.url(""), &options);
        late.ask("join", json!({"room": "plans", "history": 2}));
        assert_eq!(
            (late.event("note")["n"].clone(), late.event("note")["n"].clone()),
            (json!(48), json!(49))
        );
        let page = late.ask("rooms.history", json!({"room": "plans", "limit": 1}));
        assert_eq!(page["events"][0]["event"]["data"]["n"], 49);
    }
    ada.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_the_rooms_whoever_asks() {
    let server = Server::demo();
    let ada = native(&server, "ada").await;
    let mut inbox = ada.join("user:ada").await.unwrap();
    let options = json!({"auth": {"token": server.token("bob", "acme")}});
    let mut bob = Stock::connect(Maker::Node, &server.url(""), &options);
    assert_eq!(code(&bob.ask("join", json!({"room": "user:ada"}))), "forbidden");
    let as_ada = json!({"room": "chat:1", "type": "chat:message", "data": {
        "id": "1", "user": "ada", "text": "t", "timestamp": "2026-01-01T00:00:00.000Z"
    }});
    assert_eq!(code(&bob.ask("publish", as_ada)), "forbidden");
    bob.ask("notifications.send", json!({"user": "ada", "title": "Lunch?"}));
    let (kind, _, notice) = heard(&mut inbox).await;
    assert_eq!((kind.as_str(), &notice["title"]), ("notification", &json!("Lunch?")));
    // A session of a stock client is closed to others natively too.
    let options = json!({"auth": {"token": server.token("bob", "acme"), "session_id": "bobs"}});
    let _bob = Stock::connect(Maker::Node, &server.url(""), &options);
    assert!(ada.join("session:bobs").await.is_err());
    ada.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_outside_has_a_place_in_the_log_for_both() {
    let server =
        Server::with(&format!("[emit]\nservice_token = '{SERVICE_TOKEN}'\ntenant = 'acme'\n"));
    let options = json!({"auth": {"token": server.token("ada", "acme"), "session_id": "s1"}});
    let mut stock = Stock::connect(Maker::Node, &server.url(""), &options);
    let ada = native(&server, "ada").await;
    let mut room = ada.join("session:s1").await.unwrap();
    for number in 1..=20_u64 {
        emit(&server, "s1", "tick", json!(number));
        assert_eq!(heard(&mut room).await, ("tick".to_owned(), Some(number), json!(number)));
        assert_eq!(stock.event("tick"), number);
    }
    ada.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_ai_streams_to_both() {
    let server = Server::demo();
    let options = json!({"auth": {"token": server.token("ada", "acme")}});
    let mut stock = Stock::connect(Maker::Node, &server.url(""), &options);
    let asked = stock.ask("ai.ask", json!({"prompt": "What is a gap?", "session_id": "both"}));
    assert_eq!(asked["room"], "ai:both");
    stock.ask("join", json!({"room": "ai:both", "history": 100_000}));
    let ada = native(&server, "ada").await;
    let mut room = ada.join_from("ai:both", staywire::JoinFrom::History(100_000)).await.unwrap();
    loop {
        let (kind, _, data) = heard(&mut room).await;
        let (name, at_stock) = stock.next_event();
        let (name, at_stock) = match name.as_str() {
            "connected" => stock.next_event(),
            _ => (name, at_stock),
        };
        assert_eq!((&name, &at_stock), (&kind, &data));
        if kind == "complete" {
            break;
        }
    }
    ada.close().await;
}
