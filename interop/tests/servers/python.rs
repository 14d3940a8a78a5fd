//! python-socketio under uvicorn, mounted in FastAPI.

use serde_json::{Value, json};
use staywire::socketio::{Arguments, Transport};
use staywire::{CallOptions, Cause, ClientEvent, GapReason, SocketIoOptions, State};
use staywire_chaos::Proxy;
use staywire_interop::Peer;

use crate::support::{builder, connected, event, polling, told, websocket, within};

/// Mounted at `/ws`, it listens under it.
fn mounted(options: SocketIoOptions) -> SocketIoOptions {
    options.path("/ws/socket.io")
}

fn call(arguments: Arguments) -> (Arguments, CallOptions) {
    (arguments, CallOptions::default())
}

#[tokio::test]
async fn events_answers_and_bytes_travel_both_ways() {
    let server = Peer::python("servers.py", &[]);
    for options in [websocket(), polling()] {
        let (client, mut events) = connected(&server.url("/"), mounted(options)).await;
        within(client.send("echo back", &json!({"a": "ü"}))).await.unwrap();
        assert_eq!(told(&mut events).await, ("echoed".to_owned(), json!({"a": "ü"})));
        assert_eq!(within(client.call::<_, Value>("echo", &7)).await, Ok(json!(7)));

        let mut arguments = Arguments::of("file").unwrap();
        arguments.push_bytes(vec![0, 1, 255]);
        within(client.emit("echo back", arguments.clone())).await.unwrap();
        let echoed = event(&mut events).await;
        assert_eq!(echoed.attachments(), [vec![0u8, 1, 255]]);

        let (arguments, options) = call(arguments);
        let answer =
            within(client.emit_with_ack("echo", arguments.clone(), options)).await.unwrap();
        assert_eq!(answer.attachments, [vec![0u8, 1, 255]]);

        within(client.emit("ask me", arguments)).await.unwrap();
        let question = event(&mut events).await;
        assert_eq!(question.attachments().len(), 1);
        within(client.answer(&question, Arguments::of("so").unwrap())).await.unwrap();
        assert_eq!(told(&mut events).await, ("answer was".to_owned(), json!("so")));
        client.close().await;
    }
}

#[tokio::test]
async fn what_is_told_before_the_client_is_in_is_not_lost() {
    let server = Peer::python("servers.py", &[]);
    let client = builder(&server.url("/"), mounted(websocket()));
    let client = client.header("X-Session-ID", "s1").build().unwrap();
    let mut events = client.events();
    within(client.connect()).await.unwrap();
    assert_eq!(told(&mut events).await, ("connected".to_owned(), json!({"session_id": "s1"})));
    client.close().await;
}

#[tokio::test]
async fn it_upgrades_refuses_kicks_and_is_missed() {
    let server = Peer::python("servers.py", &["ping_interval=0.3", "ping_timeout=0.3"]);
    let first = SocketIoOptions::new().transports([Transport::Polling, Transport::WebSocket]);
    let (client, mut events) = connected(&server.url("/"), mounted(first)).await;
    within(client.emit("count", {
        let mut arguments = Arguments::of(&1).unwrap();
        arguments.push(&500).unwrap();
        arguments
    }))
    .await
    .unwrap();
    for n in 1..=500 {
        assert_eq!(told(&mut events).await, ("n".to_owned(), json!({"n": n})));
    }
    let asked = std::time::Instant::now();
    while within(client.call::<_, String>("transport", &())).await.unwrap() != "websocket" {
        assert!(asked.elapsed() < crate::support::DEADLINE, "it never upgraded");
    }
    let _ = client.send("kick", &()).await;
    let closed = State::Closed { reason: Cause::Dismissed };
    within(client.state().wait_for(|state| *state == closed)).await.unwrap();

    let client = builder(&server.url("/"), mounted(websocket())).token("bad").build().unwrap();
    let mut events = client.events();
    assert_eq!(within(client.connect()).await.unwrap_err().reason, Cause::Forbidden);
    match within(events.next()).await {
        Some(ClientEvent::ServerError(refusal)) => assert_eq!(refusal.message, "not this token"),
        other => panic!("no refusal but {other:?}"),
    }

    let proxy = Proxy::start(server.address()).await.unwrap();
    let url = format!("http://{}/", proxy.address());
    let (client, mut events) = connected(&url, mounted(websocket())).await;
    let mut state = client.state();
    proxy.stall(true);
    let dead = |state: &State| matches!(state, State::Reconnecting { cause: Cause::PeerDead, .. });
    within(state.wait_for(dead)).await.unwrap();
    proxy.cut();
    proxy.stall(false);
    match within(events.next()).await {
        Some(ClientEvent::Gap(gap)) => assert_eq!(gap.reason, GapReason::Unprovable),
        other => panic!("no gap but {other:?}"),
    }
    client.close().await;
}

#[tokio::test]
async fn a_thousand_sends_without_a_server_arrive_in_order_when_it_is_back() {
    let server = Peer::python("servers.py", &[]);
    let proxy = Proxy::start(server.address()).await.unwrap();
    let url = format!("http://{}/", proxy.address());
    let (client, _events) = connected(&url, mounted(websocket())).await;
    proxy.refuse(true);
    proxy.cut();
    within(client.state().wait_for(|state| !matches!(state, State::Connected))).await.unwrap();
    let sends: Vec<_> = (0..1_000)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.send("record", &n).await })
        })
        .collect();
    proxy.refuse(false);
    for send in sends {
        assert_eq!(within(send).await.unwrap(), Ok(()));
    }
    let (arguments, options) = call(Arguments::new());
    let arrived = within(client.emit_with_ack("arrived", arguments, options)).await.unwrap();
    assert_eq!(arrived.data::<Vec<u32>>().unwrap(), (0..1_000).collect::<Vec<_>>());
    client.close().await;
}
