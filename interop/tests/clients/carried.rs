//! Our own protocol inside Socket.IO, frame by frame, spoken by a client that knows no better.

use serde_json::{Value, json};

use crate::server::Server;
use crate::stock::{Maker, Stock};

const OURS: &str = "staywire.v1";

fn carried(server: &Server, transports: &[&str]) -> Stock {
    let options = json!({
        "transports": transports,
        "reconnection": false,
        "auth": {"protocol": OURS, "token": server.token("ada", "acme"), "colour": "blue"},
    });
    let mut stock = Stock::connect(Maker::Node, &server.url(""), &options);
    assert_eq!(stock.next_event(), (OURS.to_owned(), json!({"type": "accepted"})));
    stock
}

fn send(stock: &mut Stock, frame: Value) {
    stock.emit(json!([OURS, frame]));
}

/// The next frame or event of this type.
fn hear(stock: &mut Stock, kind: &str) -> Value {
    hear_one(stock, |frame| frame["type"] == kind)
}

/// The next frame or event that is as wanted: batches are taken apart, and the rest is dropped.
fn hear_one(stock: &mut Stock, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let frame = stock.event(OURS);
        let Some(batch) = frame.as_array() else {
            if wanted(&frame) {
                return frame;
            }
            continue;
        };
        for triple in batch.chunks(3) {
            let events = triple[2].as_array().unwrap();
            if let Some(found) = events.iter().find(|event| wanted(event)) {
                return found.clone();
            }
        }
    }
}

const HELLO: &str = r#"{"type":"hello","data":{"instance":"i","producer":"p"}}"#;

fn hello() -> Value {
    serde_json::from_str(HELLO).unwrap()
}

#[test]
fn frames_are_carried_over_every_transport() {
    let server = Server::demo();
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        let mut stock = carried(&server, transports);
        send(&mut stock, json!({"type": "ping"}));
        hear(&mut stock, "pong");
        send(&mut stock, hello());
        assert_eq!(hear(&mut stock, "welcome")["data"]["subject"], "ada");
        let join = json!({"type": "join", "data": {"subscription": 1, "room": "r"}});
        send(&mut stock, join);
        let joined = hear(&mut stock, "joined");
        let publish = json!({"type": "publish", "id": 1, "room": "r", "data": {
            "sequence": joined["data"]["tip"].as_u64().unwrap() + 1,
            "event": {"type": "reaction", "data": {"emoji": "\u{1f389}"}}
        }});
        send(&mut stock, publish.clone());
        assert_eq!(hear(&mut stock, "reaction")["data"]["emoji"], "\u{1f389}");
        // The same once more is the same event.
        send(&mut stock, publish);
        send(&mut stock, json!({"type": "rooms.history", "id": 2, "data": {"room": "r"}}));
        // Both answers may come in one batch.
        let reply = hear_one(&mut stock, |frame| frame["type"] == "reply" && frame["id"] == 2);
        assert_eq!(reply["data"]["tip"], joined["data"]["tip"].as_u64().unwrap() + 1);
    }
}

#[test]
fn binary_frames_are_attachments() {
    let server = Server::demo();
    let mut stock = carried(&server, &["websocket"]);
    send(&mut stock, hello());
    send(&mut stock, json!({"type": "join", "data": {"subscription": 3, "room": "pictures"}}));
    hear(&mut stock, "joined");
    let header = json!({"type": "publish", "id": 8, "room": "pictures", "data": {"sequence": 4, "event": {"type": "image"}}});
    let mut record = Vec::new();
    for part in [header.to_string().as_bytes(), &[0, 255, 7]] {
        record.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        record.extend(part);
    }
    send(&mut stock, json!({"$binary": base64(&record)}));
    let got = loop {
        let frame = stock.event(OURS);
        if let Some(bytes) = frame["$binary"].as_str() {
            break bytes.to_owned();
        }
    };
    let mut expected = Vec::new();
    for part in [&br#"[3,1,{"type":"image"}]"#[..], &[0, 255, 7]] {
        expected.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        expected.extend(part);
    }
    assert_eq!(got, base64(&expected));
}

#[test]
fn a_close_code_comes_before_the_disconnect() {
    let server = Server::with("");
    for transports in [["websocket"], ["polling"]] {
        for (wrong, close) in [
            (json!([OURS, {"type": "join", "data": {}}]), 4400),
            (json!(["chat.send", {}]), 4400),
            (json!([OURS, {"type": "hello", "data": {"instance": "", "producer": "p"}}]), 4400),
            (json!([OURS, "x".repeat(1_100_000)]), 4413),
        ] {
            let mut stock = carried(&server, &transports);
            stock.emit(wrong.clone());
            let error = hear(&mut stock, "error");
            assert!(error["data"]["message"].is_string(), "{error}");
            let frame = hear(&mut stock, "close");
            assert_eq!(frame["data"]["code"], close, "{frame}");
            assert_eq!(frame["data"]["reason"], error["data"]["code"]);
            assert_eq!(stock.said("disconnect")["reason"], "io server disconnect");
        }
    }
    server.until("staywire_client_instances", 0.0);
}

#[test]
fn who_says_no_hello_is_closed() {
    let server = Server::on("127.0.0.1:0", "demo = true\n[limits]\nhello_timeout_ms = 200\n");
    let mut stock = carried(&server, &["websocket"]);
    assert_eq!(hear(&mut stock, "close")["data"]["code"], 4408);
    stock.said("disconnect");
}

#[test]
fn without_asking_for_it_a_client_is_stock() {
    let server = Server::demo();
    for protocol in [json!(null), json!("staywire.v2"), json!("mine")] {
        let options = json!({"auth": {"protocol": protocol}});
        let mut stock = Stock::connect(Maker::Node, &server.url(""), &options);
        assert_eq!(stock.next_event().0, "connected");
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
