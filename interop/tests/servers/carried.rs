//! `staywire.v1` carried by Socket.IO: the same rooms, with the same proofs, as over a WebSocket.

use serde_json::{Value, json};
use staywire::socketio::{Continuity, Transport};
use staywire::{Cause, Client, Room, RoomEvent, SocketIoOptions, State};
use staywire_chaos::Proxy;
use staywire_interop::Peer;

use crate::support::{builder, connected, over, told, websocket, within};

fn carrier() -> (Peer, Peer) {
    let server = Peer::staywire_server(&[]);
    let upstream = format!("upstream=ws://{}/ws/ai/chat", server.address());
    let carrier = Peer::node("carrier.mjs", &[&upstream]);
    (server, carrier)
}

async fn native(server: &Peer) -> Client {
    let client = Client::builder(&server.url("/ws/ai/chat")).build().unwrap();
    within(client.connect()).await.unwrap();
    client
}

fn required(options: SocketIoOptions) -> SocketIoOptions {
    options.continuity(Continuity::Required)
}

/// The next event of a room, and its offset; a gap is a failure.
async fn next(room: &mut Room) -> (u64, Value) {
    match within(room.next()).await {
        Some(RoomEvent::Event(event)) => (event.offset().unwrap(), event.data().unwrap()),
        other => panic!("no event but {other:?}"),
    }
}

/// Somebody else's Socket.IO server, which hands frames to ours.
#[tokio::test]
async fn a_room_has_every_event_once_over_a_foreign_server_and_a_wire_that_is_cut() {
    let (server, carrier) = carrier();
    every_event_once(&server, &carrier, "/").await;
}

#[tokio::test]
async fn a_room_has_every_event_once_over_our_server_and_a_wire_that_is_cut() {
    let server = Peer::staywire_server(&[]);
    for namespace in ["/", "/ws"] {
        every_event_once(&server, &server, namespace).await;
    }
}

async fn every_event_once(server: &Peer, carrier: &Peer, namespace: &str) {
    let witness = native(server).await;
    for (number, transport) in [Transport::WebSocket, Transport::Polling].into_iter().enumerate() {
        let proxy = Proxy::start(carrier.address()).await.unwrap();
        let url = format!("http://{}/", proxy.address());
        let options = required(over(transport)).namespace(namespace);
        let (client, _events) = connected(&url, options).await;
        let number = format!("{number}{}", namespace.trim_start_matches('/'));
        let name = format!("chat:{number}");
        let mut room = within(client.join(&name)).await.unwrap();
        let mut seen = within(witness.join(&name)).await.unwrap();

        // From the other side: everything arrives in order, whatever happens to the wire.
        let publisher = witness.clone();
        let target = name.clone();
        let publishes = tokio::spawn(async move {
            for n in 1..=300 {
                publisher.publish(&target, "n", &json!({"n": n})).await.unwrap();
            }
        });
        for n in 1..=300u64 {
            assert_eq!(next(&mut room).await, (n, json!({"n": n})));
            if n % 60 == 0 {
                proxy.cut();
            }
        }
        within(publishes).await.unwrap();
        for n in 1..=300u64 {
            assert_eq!(next(&mut seen).await.0, n);
        }

        // From this side: each publish takes effect once.
        for n in 0..60 {
            let data = json!({"back": n});
            let publish = client.publish(&name, "n", &data);
            // A server knows of a dead polling connection only when its ping is late, and allows one
            // client no more than a few links until then.
            if n == 30 {
                proxy.cut();
            }
            assert_eq!(within(publish).await.unwrap().offset, 301 + n);
        }
        for n in 0..60 {
            assert_eq!(next(&mut seen).await, (301 + n, json!({"back": n})));
        }
        assert!(proxy.accepted() > 5, "the wire was never cut");

        // Bytes, and calls.
        within(client.publish_binary(&name, "bytes", vec![0, 255, 7])).await.unwrap();
        match within(seen.next()).await {
            Some(RoomEvent::Event(event)) => {
                assert_eq!(event.payload(), Ok(staywire::Payload::Binary(&[0, 255, 7])));
            }
            other => panic!("no event but {other:?}"),
        }
        let mut answer = within(client.ask("What is a gap?")).await.unwrap();
        while let Some(piece) = within(answer.next()).await {
            assert!(!matches!(piece, staywire::AnswerEvent::Gap(_)));
        }
        client.close().await;
    }
}

#[tokio::test]
async fn a_server_that_carries_nothing_is_stock_or_refused_as_the_caller_says() {
    let server = Peer::node("servers.mjs", &[]);
    let auto = websocket().continuity(Continuity::Auto);
    let (client, mut events) = connected(&server.url("/"), auto).await;
    within(client.send("echo back", &1)).await.unwrap();
    assert_eq!(told(&mut events).await, ("echoed".to_owned(), json!(1)));
    client.close().await;

    let client = builder(&server.url("/"), required(websocket()))
        .connect_deadline(std::time::Duration::from_millis(500))
        .give_up_after(2)
        .build()
        .unwrap();
    assert_eq!(within(client.connect()).await.unwrap_err().reason, Cause::GaveUp);

    let (_server, carrier) = carrier();
    let auto = websocket().continuity(Continuity::Auto);
    let (client, _events) = connected(&carrier.url("/"), auto).await;
    within(client.join("chat:1")).await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn the_code_that_a_carried_link_is_closed_with_means_what_it_does_elsewhere() {
    let (_server, mut carrier) = carrier();
    let (client, _events) = connected(&carrier.url("/"), required(websocket())).await;
    carrier.tell(&json!({"code": 4403}).to_string());
    let closed = State::Closed { reason: Cause::Forbidden };
    within(client.state().wait_for(|state| *state == closed)).await.unwrap();

    let (client, _events) = connected(&carrier.url("/"), required(websocket())).await;
    let mut state = client.state();
    carrier.tell(&json!({"code": 4503}).to_string());
    let unavailable =
        |state: &State| matches!(state, State::Reconnecting { cause: Cause::Unavailable, .. });
    within(state.wait_for(unavailable)).await.unwrap();
    within(state.wait_for(|state| matches!(state, State::Connected))).await.unwrap();
    client.close().await;
}
