//! A server among hostile clients: each is refused with a code that says why, and leaves nothing
//! behind.

use std::num::NonZeroU32;

use bytes::BytesMut;
use serde_json::{Value, json};
use staywire::wire::binary;
use staywire_server::Server;
use staywire_server::bus::RoomKey;
use staywire_server::config::Config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use crate::peer::{End, Peer};
use crate::support::{TENANT, connect, next, now_ms, publish, serve, token, until, within};

/// A connection that offers our protocol and has said nothing yet.
async fn stranger(server: &Server) -> Peer {
    let bearer = format!("Bearer {}", token(server, "mallory"));
    let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "staywire.v1")];
    Peer::open(server.address(), "/ws/ai/chat", &headers).await
}

/// The same, greeted.
async fn guest(server: &Server) -> Peer {
    let mut peer = stranger(server).await;
    peer.send(r#"{"type":"hello","data":{"instance":"i","producer":"p"}}"#).await;
    peer.receive_kind("welcome").await;
    peer
}

async fn refused(mut peer: Peer, code: &str, close: u16) {
    let (error, end) = peer.refusal().await;
    assert_eq!(error["code"], code);
    assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    assert_eq!(end, End::Closed { code: close, reason: code.to_owned() });
}

/// A binary message of one record.
fn record(header: &str, payload: &[u8]) -> Message {
    let mut frame = BytesMut::new();
    assert!(binary::write(&mut frame, header, payload));
    Message::Binary(frame.freeze())
}

/// The last offset of a room.
async fn tip(server: &Server, room: &str) -> u64 {
    let key = RoomKey::new(TENANT, room);
    server.hub().bus().read(&key, 0, 0, now_ms()).await.unwrap().tip
}

/// The server lives, serves others, and remembers nothing of who is gone.
async fn unharmed(server: &Server) {
    let honest = connect(server, server.address(), "ada").await;
    let mut room = within("joining", honest.join("chat:fine")).await.unwrap();
    publish(server, "chat:fine", 1..=1).await;
    next(&mut room).await;
    drop(room);
    honest.close().await;
    until("all connections are gone", || server.connections() == 0).await;
    until("all instances are gone", || server.gate().places().instances() == 0).await;
    until("all rooms are empty", || server.hub().occupied() == 0).await;
    server.stop().await;
}

fn config() -> Config {
    crate::support::config()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_frame_is_refused() {
    let mut config = config();
    config.limits.max_frame_bytes = 1_024;
    let server = serve(config).await;
    let mut peer = guest(&server).await;
    peer.send("x".repeat(1_025)).await;
    refused(peer, "too_large", 4413).await;
    // In pieces it is no smaller.
    let mut peer = guest(&server).await;
    let pieces = [(OpCode::Data(Data::Text), false), (OpCode::Data(Data::Continue), true)];
    for (opcode, last) in pieces {
        let piece = Frame::message(vec![b'x'; 600], opcode, last);
        peer.send_raw(Message::Frame(piece)).await.unwrap();
    }
    refused(peer, "too_large", 4413).await;
    let mut peer = guest(&server).await;
    let fitting = json!({"type": "chat.send", "id": 1, "data": {"room": "chat:1", "text": "x"}});
    peer.send(fitting.to_string()).await;
    assert_eq!(peer.receive().await.unwrap()["type"], "reply");
    drop(peer);
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_frame_is_refused() {
    let server = serve(config()).await;
    let deep =
        format!(r#"{{"type":"join","data":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let as_a_list = r#"{"type":"join","data":[1,"chat:1"]}"#;
    for text in
        ["", "garbage", "[]", "7", r#"{"no":"type"}"#, r#"{"type":"join"}"#, as_a_list, &deep]
    {
        let mut peer = guest(&server).await;
        peer.send(text).await;
        refused(peer, "bad_request", 4400).await;
    }
    for bytes in [&b"\0\0"[..], &[255; 64], b"\0\0\0\x02{}\0\0\0\0", b"\xff\xfe\0\0"] {
        let mut peer = guest(&server).await;
        peer.send_raw(Message::Binary(bytes.to_vec().into())).await.unwrap();
        refused(peer, "bad_request", 4400).await;
    }
    // Of all frames a publish alone has a payload.
    for header in [
        r#"{"type":"ping"}"#,
        r#"{"type":"join","data":{"subscription":1,"room":"chat:1"}}"#,
        r#"{"type":"leave","data":{"subscription":1}}"#,
        r#"{"type":"chat.send","id":1,"data":{"room":"chat:1","text":"hi"}}"#,
        r#"{"type":"chat.send","data":{"room":"chat:1","text":"hi"}}"#,
    ] {
        let mut peer = guest(&server).await;
        peer.send_raw(record(header, b"bytes")).await.unwrap();
        refused(peer, "bad_request", 4400).await;
    }
    let mut early = stranger(&server).await;
    let hello = r#"{"type":"hello","data":{"instance":"i","producer":"p"}}"#;
    early.send_raw(record(hello, b"")).await.unwrap();
    refused(early, "bad_request", 4400).await;
    assert_eq!(tip(&server, "chat:1").await, 0, "nothing was said");
    let mut twice = guest(&server).await;
    twice.send(r#"{"type":"hello","data":{"instance":"i","producer":"p"}}"#).await;
    refused(twice, "bad_request", 4400).await;
    let mut early = stranger(&server).await;
    early.send(r#"{"type":"join","data":{"subscription":1,"room":"chat:1"}}"#).await;
    refused(early, "bad_request", 4400).await;
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_websocket_message_is_refused() {
    let server = serve(config()).await;
    for (opcode, payload) in [
        (OpCode::Data(Data::Text), &b"\"\xff\""[..]),
        (OpCode::Data(Data::Reserved(3)), b"x"),
        (OpCode::Data(Data::Continue), b"x"),
        (OpCode::Control(Control::Ping), &[b'x'; 200]),
    ] {
        let mut peer = guest(&server).await;
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        let frame = Frame::from_payload(header, payload.to_vec().into());
        peer.send_raw(Message::Frame(frame)).await.unwrap();
        refused(peer, "bad_request", 4400).await;
    }
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_signs_of_life_is_refused() {
    let mut config = config();
    config.limits.commands_per_second = NonZeroU32::new(1).unwrap();
    config.limits.commands_burst = NonZeroU32::new(5).unwrap();
    let server = serve(config).await;
    for sign in [
        Message::text(r#"{"type":"pong"}"#),
        Message::text(r#"{"type":"leave","data":{"subscription":7}}"#),
        Message::Pong(bytes::Bytes::new()),
    ] {
        let mut peer = guest(&server).await;
        // The last ones may find the connection closed.
        for _ in 0..100 {
            if peer.send_raw(sign.clone()).await.is_err() {
                break;
            }
        }
        refused(peer, "rate_limited", 4429).await;
    }
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_never_was_is_answered_with_the_one_there_is() {
    let server = serve(config()).await;
    publish(&server, "chat:1", 1..=3).await;
    let key = RoomKey::new(TENANT, "chat:1");
    let epoch = server.hub().bus().read(&key, 0, 0, now_ms()).await.unwrap().epoch;
    for (subscription, offset) in [(1_u32, 4), (2, 1_u64 << 53), (3, u64::MAX)] {
        let mut peer = guest(&server).await;
        let join = json!({"type": "join", "data": {
            "subscription": subscription, "room": "chat:1", "epoch": *epoch, "offset": offset,
        }});
        peer.send(join.to_string()).await;
        // The events may be in the same frame, behind it.
        let frame = peer.receive().await.unwrap();
        let resumed = frame.get(2).map_or(&frame, |control| &control[0]);
        assert_eq!(resumed["type"], "resumed", "{frame}");
        assert_eq!((&resumed["data"]["offset"], &resumed["data"]["tip"]), (&json!(0), &json!(3)));
    }
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_answered_is_answered_and_the_connection_goes_on() {
    let server = serve(config()).await;
    let mut peer = guest(&server).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let publish = |id: u32, room: &str, event: &str| {
        format!(
            r#"{{"type":"publish","id":{id},"room":"{room}","data":{{"sequence":{id},"event":{event}}}}}"#
        )
    };
    let cases = [
        (format!(r#"{{"type":"ai.ask","id":1,"data":{deep}}}"#), "bad_request"),
        (format!(r#"{{"type":"no.such","id":2,"data":{deep}}}"#), "not_found"),
        (r#"{"type":"chat.send","id":3,"data":{"room":"chat:1","text":7}}"#.into(), "bad_request"),
        (r#"{"type":"chat.send","id":3,"data":["chat:1","hi"]}"#.into(), "bad_request"),
        (
            r#"{"type":"chat.send","id":3,"data":{"room":"chat:\u0007","text":"hi"}}"#.into(),
            "bad_request",
        ),
        (
            r#"{"type":"chat.send","id":3,"data":{"room":"user:ada","text":"hi"}}"#.into(),
            "bad_request",
        ),
        (publish(4, "chat:1", "7"), "bad_request"),
        (publish(5, "chat:1", r#"{"type":""}"#), "bad_request"),
        (publish(6, "a/b", r#"{"type":"x"}"#), "bad_request"),
        (publish(7, &"r".repeat(300), r#"{"type":"x"}"#), "bad_request"),
        (publish(8, "chat:1", r#"{"type":"chat:message","data":{"id":[]}}"#), "bad_request"),
        (publish(9, "user:ada", r#"{"type":"x"}"#), "forbidden"),
        (publish(10, "ai:1", r#"{"type":"token"}"#), "forbidden"),
    ];
    for (frame, code) in cases {
        peer.send(frame).await;
        let answer = peer.receive().await.unwrap();
        assert_eq!(answer["data"]["code"], code, "{answer}");
    }
    peer.send(publish(11, "chat:1", &format!(r#"{{"type":"x","data":{deep}}}"#))).await;
    assert_eq!(peer.receive().await.unwrap()["type"], "reply", "its data is its own affair");
    // Numbers begin with 1; the producer is known by now, and none of its publishes is forgotten.
    for sequence in ["0", "9007199254740992"] {
        let event = r#"{"type":"x"}"#;
        let data = format!(r#"{{"sequence":{sequence},"event":{event}}}"#);
        peer.send(format!(r#"{{"type":"publish","id":12,"room":"chat:1","data":{data}}}"#)).await;
        let answer = peer.receive().await.unwrap();
        assert_eq!((&answer["id"], &answer["data"]["code"]), (&json!(12), &json!("bad_request")));
    }
    // What is sent as bytes has no data beside them.
    let event = r#"{"type":"chat:message","data":{"id":"m","user":"mallory","text":"hi"}}"#;
    peer.send_raw(record(&publish(13, "chat:1", event), b"bytes")).await.unwrap();
    assert_eq!(peer.receive().await.unwrap()["data"]["code"], "bad_request");
    assert_eq!(tip(&server, "chat:1").await, 1);
    drop(peer);
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_and_commands_are_counted() {
    let mut config = config();
    config.limits.rooms_per_connection = 3;
    config.limits.commands_per_second = NonZeroU32::MIN;
    config.limits.commands_burst = NonZeroU32::new(8).unwrap();
    let server = serve(config).await;
    let mut peer = guest(&server).await;
    let join = |subscription: u32| {
        let data = json!({"subscription": subscription, "room": format!("chat:{subscription}")});
        json!({"type": "join", "data": data}).to_string()
    };
    for subscription in 1..=3 {
        peer.send(join(subscription)).await;
        assert_eq!(peer.receive().await.unwrap()["type"], "joined");
    }
    peer.send(join(4)).await;
    let refusal = peer.receive_kind("refused").await;
    assert_eq!(refusal["data"]["code"], "too_many_rooms");

    // The bucket held eight, the hello among them.
    let call = |id: u32| {
        json!({"type": "chat.send", "id": id, "data": {"room": "chat:1", "text": "hi"}}).to_string()
    };
    let mut limited: Option<Value> = None;
    for id in 1..=5 {
        peer.send(call(id)).await;
        while limited.is_none() {
            let frame = peer.receive().await.unwrap();
            if frame["data"]["code"] == "rate_limited" {
                limited = Some(frame["data"]["retry_after_ms"].clone());
            } else if frame["type"] == "reply" || frame.is_array() {
                break;
            }
        }
    }
    let wait = limited.expect("the fifth at the latest is too fast").as_u64().unwrap();
    assert!((1..=1_000).contains(&wait), "{wait}");
    // An event asks for no answer, but is told as well; signs of life are never counted.
    peer.send(r#"{"type":"chat.send","data":{"room":"chat:1","text":"hi"}}"#).await;
    assert_eq!(peer.receive_kind("error").await["data"]["code"], "rate_limited");
    for _ in 0..20 {
        peer.send(r#"{"type":"ping"}"#).await;
        peer.receive_kind("pong").await;
    }
    drop(peer);
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_no_hello_or_goes_silent_is_let_go() {
    let mut config = config();
    config.limits.hello_timeout_ms = 150;
    (config.heartbeat.interval_ms, config.heartbeat.timeout_ms) = (100, 100);
    let server = serve(config).await;
    // Pings of the WebSocket layer are no hello.
    let mut mute = stranger(&server).await;
    mute.send_raw(Message::Ping(Vec::new().into())).await.unwrap();
    refused(mute, "hello_timeout", 4408).await;
    let mut silent = guest(&server).await;
    assert_eq!(silent.receive().await.unwrap(), json!({"type": "ping"}));
    refused(silent, "peer_dead", 4455).await;
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_business_is_let_go_however_lively() {
    let mut config = config();
    config.heartbeat.interval_ms = 100;
    config.limits.idle_timeout_ms = 300;
    let server = serve(config).await;
    for pings in [false, true] {
        let mut peer = guest(&server).await;
        let (error, end) = loop {
            // One that only answers, and one that keeps the server from ever having to ask.
            let patience = std::time::Duration::from_millis(if pings { 40 } else { 20_000 });
            match tokio::time::timeout(patience, peer.receive()).await {
                Err(_) => peer.send(r#"{"type":"ping"}"#).await,
                Ok(Ok(frame)) if frame["type"] == "ping" => peer.send(r#"{"type":"pong"}"#).await,
                Ok(Ok(frame)) if frame["type"] == "error" => {
                    break (frame, peer.receive().await.unwrap_err());
                }
                Ok(Ok(_)) => {}
                Ok(Err(end)) => panic!("it ended without a reason: {end:?}"),
            }
        };
        assert_eq!(error["data"]["code"], "idle_timeout", "pings: {pings}");
        assert_eq!(end, End::Closed { code: 4448, reason: "idle_timeout".to_owned() });
    }
    // In a room it has business, if only to listen.
    let mut member = guest(&server).await;
    member.send(r#"{"type":"join","data":{"subscription":1,"room":"chat:1"}}"#).await;
    for _ in 0..6 {
        member.receive_kind("ping").await;
        member.send(r#"{"type":"pong"}"#).await;
    }
    drop(member);
    unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_and_never_reads_is_not_read_for_ever() {
    let mut config = config();
    (config.heartbeat.interval_ms, config.heartbeat.timeout_ms) = (200, 200);
    config.limits.max_frame_bytes = 64 * 1024;
    config.limits.outbound_queue_bytes = 64 * 1024;
    config.limits.commands_per_second = NonZeroU32::new(1_000_000).unwrap();
    config.limits.commands_burst = NonZeroU32::new(1_000_000).unwrap();
    let server = serve(config).await;
    let mut peer = guest(&server).await;
    // Each is refused with its own words, which nobody reads: a small question, a larger answer.
    let method = "x".repeat(60);
    let flood = async {
        for id in 1_u32.. {
            let call = format!(r#"{{"type":"{method}","id":{id}}}"#);
            if peer.send_raw(Message::Text(call.into())).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = flood => {}
        () = until("it is let go", || server.connections() == 0) => {}
    }
    drop(peer);
    unharmed(&server).await;
}
