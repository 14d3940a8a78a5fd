//! The documents' own frames: a bare WebSocket client at our server, and our client at bare
//! WebSocket servers.

use std::time::Duration;

use serde_json::{Value, json};
use staywire::{
    CallError, Cause, Client, ClientEvent, Events, Gap, GapReason, JoinError, ProtocolChoice,
    PublishError, State,
};
use staywire_chaos::Proxy;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{End, Peer};
use crate::support::{builder, config, connect, serve, token, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_client_asks_and_gets_the_documents_frames_to_the_letter() {
    let server = serve(config()).await;
    let bearer = format!("Bearer {}", token(&server, "ada"));
    let headers = [("authorization", bearer.as_str()), ("x-session-id", "s-1")];
    let mut peer = Peer::open(server.address(), "/ws/ai/chat", &headers).await;
    let connected = peer.receive().await.unwrap();
    assert_eq!(connected["type"], "connected");
    assert_eq!(connected["data"]["session_id"], "s-1");
    assert!(connected["data"]["timestamp"].is_string());

    peer.send(r#"{"type":"ai.ask","data":{"prompt":"Show revenue by region in 2025"}}"#).await;
    let question = peer.receive().await.unwrap();
    assert_eq!(question["type"], "question");
    let mut tokens = 0;
    let complete = loop {
        let frame = peer.receive().await.unwrap();
        if frame["type"] == "complete" {
            break frame;
        }
        let text = frame["data"]["token"].as_str().unwrap();
        assert_eq!(frame, json!({"type": "token", "data": {"token": text, "index": tokens}}));
        tokens += 1;
    };
    assert!(tokens > 3);
    let mut fields: Vec<_> = complete["data"].as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["chartConfig", "sql"]);
    assert!(complete["data"]["sql"].as_str().unwrap().starts_with("SELECT"));
    assert!(complete["data"]["chartConfig"].is_object());

    // What is wrong is answered, and the connection goes on.
    for text in ["not json", r#"["ping"]"#, r#"{"type":"ping","id":-1}"#] {
        peer.send(text).await;
        assert_eq!(peer.receive().await.unwrap()["data"]["code"], "bad_request", "{text}");
    }
    peer.send(r#"{"type":"no.such","data":{},"id":7}"#).await;
    let error = peer.receive().await.unwrap();
    assert_eq!((&error["id"], &error["data"]["code"]), (&json!(7), &json!("not_found")));
    peer.send(r#"{"type":"ping"}"#).await;
    assert_eq!(peer.receive().await.unwrap(), json!({"type": "pong"}));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_session_is_refused_to_another_user() {
    let server = serve(config()).await;
    let open = async |user: &str| {
        let bearer = format!("Bearer {}", token(&server, user));
        let headers = [("authorization", bearer.as_str())];
        Peer::open(server.address(), "/ws/ai/chat?session_id=mine", &headers).await
    };
    let mut ada = open("ada").await;
    ada.receive_kind("connected").await;
    let (error, end) = open("eve").await.refusal().await;
    assert_eq!(error["code"], "session_taken");
    assert_eq!(end, End::Closed { code: 4447, reason: "session_taken".to_owned() });
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_guest_comes_back_to_the_session_that_it_names() {
    let server = serve(config()).await;
    let headers = [("x-session-id", "8c1f2e0b6d")];
    for _ in 0..3 {
        let mut peer = Peer::open(server.address(), "/ws/ai/chat", &headers).await;
        assert_eq!(peer.receive_kind("connected").await["data"]["session_id"], "8c1f2e0b6d");
        peer.send(r#"{"type":"ai.ask","data":{"prompt":"What is a gap?"}}"#).await;
        peer.receive_kind("complete").await;
    }
    let mut nameless = Peer::open(server.address(), "/ws/ai/chat", &[]).await;
    let session = nameless.receive_kind("connected").await["data"]["session_id"].clone();
    assert!(session.as_str().unwrap().len() >= 32, "nobody can guess it");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_client_hears_notifications_and_heartbeats() {
    let mut config = config();
    config.heartbeat.interval_ms = 100;
    let server = serve(config).await;
    let bearer = format!("Bearer {}", token(&server, "ada"));
    let headers = [("authorization", bearer.as_str())];
    let mut peer = Peer::open(server.address(), "/ws/notifications", &headers).await;
    let heartbeat = peer.receive_kind("heartbeat").await;
    assert!(heartbeat["data"]["timestamp"].is_string());

    let bob = connect(&server, server.address(), "bob").await;
    let notice = json!({"user": "ada", "title": "Done", "body": "It is.", "level": "success"});
    let _: Value = within("the reply", bob.call("notifications.send", &notice)).await.unwrap();
    let got = peer.receive_kind("notification").await;
    for field in ["title", "body", "level"] {
        assert_eq!(got["data"][field], notice[field]);
    }
    // It answers the pings of its WebSocket layer: it is not called dead.
    peer.receive_kind("heartbeat").await;
    peer.receive_kind("heartbeat").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_hears_notifications_at_the_endpoint_of_the_documents() {
    let server = serve(config()).await;
    let url = format!("ws://{}/ws/notifications", server.address());
    let ada = Client::builder(&url).token(token(&server, "ada")).build().unwrap();
    within("connecting", ada.connect()).await.unwrap();
    let mut inbox = within("joining", ada.notifications()).await.unwrap();
    let bob = connect(&server, server.address(), "bob").await;
    let notice = json!({"user": "ada", "title": "Done", "body": "It is.", "level": "success"});
    let _: Value = within("the reply", bob.call("notifications.send", &notice)).await.unwrap();
    let told = within("the notice", inbox.until(|inbox| inbox.unread().count() == 1)).await;
    assert!(told.is_some(), "{:?}", inbox.state());
    server.stop().await;
}

/// What a subscriber is told next that is no event.
async fn other(events: &mut Events) -> ClientEvent {
    within("something", events.next()).await.unwrap()
}

async fn event(events: &mut Events) -> Value {
    match other(events).await {
        ClientEvent::Event(event) => serde_json::from_slice(event.raw()).unwrap(),
        other => panic!("no event: {other:?}"),
    }
}

/// A client of somebody else's server, by way of a proxy.
async fn foreign(protocol: ProtocolChoice) -> (TcpListener, Proxy, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let client = builder(proxy.address()).protocol(protocol).build().unwrap();
    (listener, proxy, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_speaks_with_any_plain_server() {
    let (listener, proxy, client) = foreign(ProtocolChoice::Plain).await;
    let mut events = client.events();
    let (mut server, connected) = tokio::join!(Peer::accept(&listener), client.connect());
    connected.unwrap();
    assert_eq!(proxy.accepted(), 1, "nothing was offered that had to be refused");

    let frame = json!({"type": "price", "data": {"usd": 3}, "source": "them"});
    server.send(frame.to_string()).await;
    assert_eq!(event(&mut events).await, frame, "unknown fields are kept");
    within("sending", client.send("order", &json!({"n": 1}))).await.unwrap();
    assert_eq!(server.receive().await.unwrap(), json!({"type": "order", "data": {"n": 1}}));

    // What can't be read is said, and the link goes on.
    server.send("garbage").await;
    server.send(r#"{"no":"type"}"#).await;
    server.send_raw(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(other(&mut events).await, ClientEvent::Unreadable(_)));
    }
    server.send(frame.to_string()).await;
    assert_eq!(event(&mut events).await, frame);
    assert_eq!((client.state().get(), proxy.accepted()), (State::Connected, 1));

    // What the protocol has not is refused, not left hanging.
    let room = within("the refusal", client.join("chat:1")).await;
    assert_eq!(room.unwrap_err(), JoinError::Unsupported);
    let call = within("the refusal", client.call::<_, Value>("x", &1)).await;
    assert_eq!(call.unwrap_err(), CallError::Unsupported);
    let publish = within("the refusal", client.publish("chat:1", "x", &1)).await;
    assert_eq!(publish.unwrap_err(), PublishError::Unsupported);
    client.close().await;
    assert!(matches!(server.receive().await, Err(End::Closed { code: 1000, .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reconnect_to_a_plain_server_is_a_gap() {
    let (listener, proxy, client) = foreign(ProtocolChoice::Plain).await;
    let mut events = client.events();
    let (mut server, connected) = tokio::join!(Peer::accept(&listener), client.connect());
    connected.unwrap();
    let gap = Gap { room: None, from: 0, to: 0, reason: GapReason::Unprovable };
    for round in 0..3 {
        server.send(json!({"type": "n", "data": round}).to_string()).await;
        assert_eq!(event(&mut events).await["data"], round);
        proxy.cut();
        server = Peer::accept(&listener).await;
        let ClientEvent::Gap(said) = other(&mut events).await else { panic!("no gap") };
        assert_eq!(said, gap);
    }
    // What is sent while there is no link waits for one.
    let mut state = client.state();
    within("the link", state.wait_for(|state| *state == State::Connected)).await.unwrap();
    proxy.refuse(true);
    proxy.cut();
    let away = state.wait_for(|state| !matches!(state, State::Connected));
    within("the loss", away).await.unwrap();
    let (sent, mut server) = tokio::join!(client.send("late", &1), async {
        proxy.refuse(false);
        Peer::accept(&listener).await
    });
    sent.unwrap();
    assert_eq!(server.receive().await.unwrap(), json!({"type": "late", "data": 1}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auto_redials_once_without_a_subprotocol_and_remembers() {
    let (listener, proxy, client) = foreign(ProtocolChoice::Auto).await;
    let mut events = client.events();
    let serving = async {
        // The first handshake picks nothing, which fails on the client's side.
        let _first = Peer::accept(&listener).await;
        Peer::accept(&listener).await
    };
    let (mut server, connected) = tokio::join!(serving, client.connect());
    connected.unwrap();
    assert_eq!(proxy.accepted(), 2);
    server.send(r#"{"type":"hi"}"#).await;
    assert_eq!(event(&mut events).await["type"], "hi");

    proxy.cut();
    let mut server = Peer::accept(&listener).await;
    assert!(matches!(other(&mut events).await, ClientEvent::Gap(_)));
    server.send(r#"{"type":"again"}"#).await;
    assert_eq!(event(&mut events).await["type"], "again");
    assert_eq!(proxy.accepted(), 3, "it dialled plainly at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auto_finds_our_own_protocol_even_after_a_bad_start() {
    let server = serve(config()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.refuse(true);
    let client = builder(proxy.address()).token(token(&server, "ada")).build().unwrap();
    let mut state = client.state();
    let (connected, ()) = tokio::join!(client.connect(), async {
        let refused =
            |state: &State| matches!(state, State::Reconnecting { attempt, .. } if *attempt > 2);
        within("some attempts", state.wait_for(refused)).await.unwrap();
        proxy.refuse(false);
    });
    connected.unwrap();
    within("a room, which plain has not", client.join("chat:1")).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_server_that_answers_pings_can_be_called_dead() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let client = builder(proxy.address())
        .protocol(ProtocolChoice::Plain)
        .heartbeat(Duration::from_millis(100), Duration::from_millis(300))
        .plain_heartbeat(true)
        .build()
        .unwrap();
    let (mut server, connected) = tokio::join!(Peer::accept(&listener), client.connect());
    connected.unwrap();
    for _ in 0..5 {
        assert_eq!(server.receive().await.unwrap(), json!({"type": "ping"}));
        server.send(r#"{"type":"pong"}"#).await;
    }
    assert_eq!(client.state().get(), State::Connected);
    proxy.stall(true);
    let mut state = client.state();
    let dead = |state: &State| matches!(state, State::Reconnecting { cause: Cause::PeerDead, .. });
    within("the silence is noticed", state.wait_for(dead)).await.unwrap();
}
