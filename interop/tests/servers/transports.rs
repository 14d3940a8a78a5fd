//! Which transport is used: the order, the fall-back, the upgrade.

use serde_json::{Value, json};
use staywire::SocketIoOptions;
use staywire::socketio::{Arguments, Transport};
use staywire::{CallOptions, Client};
use staywire_interop::Peer;

use crate::support::{builder, connected, event, polling, told, within};

async fn transport(client: &Client) -> String {
    let answer = client.emit_with_ack("transport", Arguments::new(), CallOptions::default());
    within(answer).await.unwrap().data().unwrap()
}

fn polling_first() -> SocketIoOptions {
    SocketIoOptions::new().transports([Transport::Polling, Transport::WebSocket])
}

#[tokio::test]
async fn a_websocket_comes_first() {
    let server = Peer::node("servers.mjs", &[]);
    let (client, _events) = connected(&server.url("/"), SocketIoOptions::new()).await;
    assert_eq!(transport(&client).await, "websocket");
    client.close().await;
}

#[tokio::test]
async fn a_server_without_websockets_is_polled_and_never_upgrades() {
    let server = Peer::node("servers.mjs", &["transports=polling"]);
    for options in [SocketIoOptions::new(), polling_first(), polling()] {
        let (client, mut events) = connected(&server.url("/"), options).await;
        for n in 0..20 {
            within(client.send("echo back", &n)).await.unwrap();
            assert_eq!(told(&mut events).await.1, json!(n));
        }
        assert_eq!(transport(&client).await, "polling");
        client.close().await;
    }
}

#[tokio::test]
async fn a_server_without_polling_is_reached_though_polling_comes_first() {
    let server = Peer::node("servers.mjs", &["transports=websocket"]);
    let (client, _events) = connected(&server.url("/"), polling_first()).await;
    assert_eq!(transport(&client).await, "websocket");
    client.close().await;
}

#[tokio::test]
async fn a_connection_that_polls_goes_on_over_a_websocket_and_loses_nothing() {
    let server = Peer::node("servers.mjs", &[]);
    let (client, mut events) = connected(&server.url("/"), polling_first()).await;
    // Events both ways while the transport changes, some of them with bytes.
    let sender = client.clone();
    let sends = tokio::spawn(async move {
        for n in 0..2_000u32 {
            let mut arguments = Arguments::of(&n).unwrap();
            if n % 7 == 0 {
                arguments.push_bytes(n.to_be_bytes().to_vec());
            }
            sender.emit("echo back", arguments).await.unwrap();
        }
    });
    for n in 0..2_000u32 {
        let event = event(&mut events).await;
        let first = match event.data::<Value>().unwrap() {
            Value::Array(both) => both[0].clone(),
            one => one,
        };
        assert_eq!(first, json!(n));
        if n % 7 == 0 {
            assert_eq!(&*event.attachments()[0], n.to_be_bytes());
        }
    }
    within(sends).await.unwrap();
    assert_eq!(transport(&client).await, "websocket");
    client.close().await;

    let staying = polling_first().upgrade(false);
    let (client, _events) = connected(&server.url("/"), staying).await;
    assert_eq!(transport(&client).await, "polling");
    client.close().await;
}

#[tokio::test]
async fn a_post_is_never_larger_than_the_server_takes() {
    let server = Peer::node("servers.mjs", &["transports=polling", "maxPayload=2000"]);
    let (client, mut events) = connected(&server.url("/"), polling()).await;
    let sends: Vec<_> = (0..50)
        .map(|n| {
            let (client, padding) = (client.clone(), "x".repeat(400));
            tokio::spawn(async move { client.send("echo back", &json!([n, padding])).await })
        })
        .collect();
    for send in sends {
        assert_eq!(within(send).await.unwrap(), Ok(()));
    }
    for n in 0..50 {
        assert_eq!(told(&mut events).await.1[0], json!(n));
    }
    // What can't be taken is refused here, and the connection stays.
    let refused = within(client.send("echo back", &"x".repeat(3_000))).await;
    let Err(staywire::SendError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, "too_large");
    assert_eq!(transport(&client).await, "polling");
    client.close().await;
}

#[tokio::test]
async fn query_headers_and_path_reach_the_server_over_each_transport() {
    let server = Peer::node("servers.mjs", &[]);
    for options in [polling(), crate::support::websocket()] {
        let options = options.query("room", "a b&c").path("socket.io").namespace("/ws");
        let client = builder(&server.url("/ignored?url=kept"), options);
        let client = client.header("X-Test", "there").build().unwrap();
        within(client.connect()).await.unwrap();
        let shakes = client.emit_with_ack("shakes", Arguments::new(), CallOptions::default());
        let shakes: Value = within(shakes).await.unwrap().data().unwrap();
        let shake = shakes.as_array().unwrap().last().unwrap();
        assert_eq!(shake["query"]["room"], "a b&c");
        assert_eq!(shake["query"]["url"], "kept");
        assert_eq!(shake["header"], "there");
        client.close().await;
    }
}

#[tokio::test]
async fn the_cookie_of_the_handshake_goes_with_every_later_request() {
    let server = Peer::node("servers.mjs", &["cookie=on"]);
    let (client, _events) = connected(&server.url("/"), polling_first()).await;
    let asked = std::time::Instant::now();
    while transport(&client).await != "websocket" {
        assert!(asked.elapsed() < crate::support::DEADLINE, "it never upgraded");
    }
    let answer = client.emit_with_ack("cookies", Arguments::new(), CallOptions::default());
    let (cookies, id): (Vec<String>, String) = within(answer).await.unwrap().data().unwrap();
    for expected in [String::new(), format!("io={id}"), format!("upgrade io={id}")] {
        assert!(cookies.contains(&expected), "{expected:?} is not in {cookies:?}");
    }
    client.close().await;
}
