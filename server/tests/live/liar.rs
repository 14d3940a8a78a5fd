//! A client among lying servers: what can't be true is a typed error or a gap, never a panic, and
//! the client goes on.

use serde_json::{Value, json};
use staywire::{Client, ClientEvent, Events, GapReason, ProtocolChoice, Room, WireError};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::peer::Peer;
use crate::support::{Told, builder, next, within};

/// A server that can say anything.
struct Liar {
    listener: TcpListener,
    peer: Peer,
    /// The client's number for the room that it is in.
    subscription: u64,
}

impl Liar {
    /// Greets a client that is in `chat:1` at offset 5 of epoch `a`.
    async fn start() -> (Self, Client, Room) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = builder(listener.local_addr().unwrap())
            .protocol(ProtocolChoice::StaywireV1)
            .build()
            .unwrap();
        let joining = tokio::spawn({
            let client = client.clone();
            async move {
                client.connect().await.unwrap();
                client.join("chat:1").await.unwrap()
            }
        });
        let mut peer = Peer::accept_v1(&listener).await;
        Self::greet(&mut peer).await;
        let join = peer.receive_kind("join").await;
        let mut liar = Self { listener, peer, subscription: 0 };
        liar.subscription = join["data"]["subscription"].as_u64().unwrap();
        liar.bind("joined", 5, 5).await;
        let room = within("joining", joining).await.unwrap();
        (liar, client, room)
    }

    async fn greet(peer: &mut Peer) -> Value {
        let hello = peer.receive_kind("hello").await;
        let welcome =
            json!({"subject": "ada", "tenant": "acme", "store": "s", "dedup_window_ms": 60_000});
        peer.send(json!({"type": "welcome", "data": welcome}).to_string()).await;
        hello
    }

    /// Takes the client back after it left, and says the truth; where it says that it stands.
    async fn take_back(&mut self) -> u64 {
        self.peer = Peer::accept_v1(&self.listener).await;
        let hello = Self::greet(&mut self.peer).await;
        let room = &hello["data"]["rooms"][0];
        assert_eq!((&room["room"], &room["epoch"]), (&json!("chat:1"), &json!("a")));
        self.subscription = room["subscription"].as_u64().unwrap();
        let offset = room["offset"].as_u64().unwrap();
        self.bind("resumed", offset, offset).await;
        offset
    }

    async fn bind(&mut self, kind: &str, offset: u64, tip: u64) {
        let subscription = self.subscription;
        let data = json!({
            "subscription": subscription, "room": "chat:1", "epoch": "a", "offset": offset, "tip": tip
        });
        self.peer.send(json!({"type": kind, "data": data}).to_string()).await;
    }

    /// An event of type `n`, whose data is its offset.
    async fn event(&mut self, offset: u64) {
        let subscription = self.subscription;
        self.peer
            .send(format!(r#"[{subscription},{offset},[{{"type":"n","data":{offset}}}]]"#))
            .await;
    }
}

async fn unreadable(events: &mut Events, lie: usize) -> WireError {
    let what = format!("the error about lie {lie}");
    loop {
        if let ClientEvent::Unreadable(error) = within(&what, events.next()).await.unwrap() {
            return error;
        }
    }
}

/// A lie that costs the server its link; whether the client also says what it could not read.
async fn lie(liar: &mut Liar, which: usize) -> Option<bool> {
    let subscription = liar.subscription;
    let message = match which {
        0 => Message::Text(format!("[{subscription},{},[{{}}]]", u64::MAX).into()),
        1 => Message::Text(format!("[{subscription},9007199254740991,[{{}},{{}}]]").into()),
        2 => Message::Text(r#"{"type":"joi"#.into()),
        3 => Message::Text(format!("[{subscription},6]").into()),
        4 => Message::Text("x".repeat(17 << 20).into()),
        5 => {
            let text = Frame::message(vec![b'"', 0xff, b'"'], OpCode::Data(Data::Text), true);
            Message::Frame(text)
        }
        6 => Message::Binary(vec![0, 0, 0, 9, 1].into()),
        7 => Message::Binary([&[255; 8][..], &[1; 100]].concat().into()),
        8 => Message::Text(r#"{"type":"welcome","data":{"subject":"ada"}}"#.into()),
        9 => Message::Text(
            r#"{"type":"welcome","data":{"subject":"ada","tenant":"acme","store":"s","dedup_window_ms":1}}"#
                .into(),
        ),
        10 => {
            liar.bind("epoch", 1 << 60, 1 << 60).await;
            return Some(false);
        }
        _ => return None,
    };
    let _ = liar.peer.send_raw(message).await;
    Some(matches!(which, 2..=8))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_true_costs_the_server_its_link_and_the_client_nothing() {
    let (mut liar, client, mut room) = Liar::start().await;
    let mut events = client.events();
    let mut offset = 5;
    let mut lies = 0;
    while let Some(said) = lie(&mut liar, lies).await {
        if said {
            unreadable(&mut events, lies).await;
        }
        assert_eq!(liar.take_back().await, offset, "after lie {lies}");
        offset += 1;
        liar.event(offset).await;
        assert_eq!(next(&mut room).await, Told::Event(offset, json!(offset)), "after lie {lies}");
        lies += 1;
    }
    assert_eq!(lies, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_before_the_answer_to_a_join_are_not_taken() {
    let (mut liar, client, mut room) = Liar::start().await;
    let joining = tokio::spawn(async move { client.join("chat:2").await });
    let join = liar.peer.receive_kind("join").await;
    let early = join["data"]["subscription"].as_u64().unwrap();
    liar.peer.send(format!(r#"[{early},1,[{{"type":"n","data":1}}]]"#)).await;
    assert_eq!(liar.take_back().await, 5);
    liar.event(6).await;
    assert_eq!(next(&mut room).await, Told::Event(6, json!(6)));
    joining.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_true_is_taken_for_what_it_proves() {
    let (mut liar, client, mut room) = Liar::start().await;
    let mut events = client.events();
    liar.event(6).await;
    assert_eq!(next(&mut room).await, Told::Event(6, json!(6)));
    // Seen before, or nobody's: nothing.
    for offset in [1, 6, 5] {
        liar.event(offset).await;
    }
    for frame in [
        json!([999, 7, [{"type": "n"}]]),
        json!({"type": "reply", "id": 999, "data": {}}),
        json!({"type": "error", "id": 999, "data": {"code": "x", "message": "y"}}),
        json!({"type": "joined", "data": {"subscription": 999, "room": "r", "epoch": "e", "offset": 1, "tip": 1}}),
        json!({"type": "gap", "data": {"subscription": 999, "room": "r", "from": 1, "to": 9, "reason": "x"}}),
        json!({"type": "refused", "data": {"subscription": 999, "room": "r", "code": "x", "message": "y"}}),
    ] {
        liar.peer.send(frame.to_string()).await;
    }
    // A hole is a gap, and what follows it is taken.
    liar.event(10).await;
    assert_eq!(next(&mut room).await, Told::Gap(7, 9, GapReason::Hole));
    assert_eq!(next(&mut room).await, Told::Event(10, json!(10)));
    // A type of tomorrow is kept.
    liar.peer.send(r#"{"type":"tomorrow","data":{"x":1},"more":true}"#).await;
    let ClientEvent::Event(event) = within("the frame", events.next()).await.unwrap() else {
        panic!("it is kept");
    };
    assert_eq!(event.raw(), br#"{"type":"tomorrow","data":{"x":1},"more":true}"#);
    // A gap that was said already, one that is news, and a log that began anew.
    let subscription = liar.subscription;
    for to in [4, 12] {
        let data = json!({"subscription": subscription, "room": "chat:1", "from": 1, "to": to, "reason": "expired"});
        liar.peer.send(json!({"type": "gap", "data": data}).to_string()).await;
    }
    assert_eq!(next(&mut room).await, Told::Gap(11, 12, GapReason::Expired));
    let data = json!({"subscription": subscription, "room": "chat:1", "epoch": "b", "offset": 0, "tip": 1});
    liar.peer.send(json!({"type": "epoch", "data": data}).to_string()).await;
    liar.event(1).await;
    assert_eq!(next(&mut room).await, Told::Gap(0, 0, GapReason::NewEpoch));
    assert_eq!(next(&mut room).await, Told::Event(1, json!(1)));
    // What is no event keeps its place, and says so to who reads it.
    liar.peer.send(format!("[{subscription},2,[7]]")).await;
    let Some(staywire::RoomEvent::Event(event)) = within("the event", room.next()).await else {
        panic!("no event");
    };
    assert!(event.offset() == Some(2) && event.kind().is_err());
    // Deep nesting is carried, and an error only for who wants to look inside.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    liar.peer.send(format!(r#"[{subscription},3,[{{"type":"deep","data":{deep}}}]]"#)).await;
    let Some(staywire::RoomEvent::Event(event)) = within("the event", room.next()).await else {
        panic!("no event");
    };
    assert!(event.data::<Value>().is_err());
    assert_eq!(event.kind().unwrap(), "deep");
}
