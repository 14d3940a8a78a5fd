//! Attachments both ways, and wires that die inside a packet.

use serde::Deserialize;
use serde_json::{Value, json};
use staywire::socketio::{Arguments, Placeholder};
use staywire::{CallOptions, ClientEvent, State};
use staywire_chaos::Proxy;
use staywire_interop::Peer;

use crate::support::{connected, event, polling, websocket, within};

#[derive(Deserialize)]
struct Files {
    title: String,
    files: Vec<Placeholder>,
}

#[tokio::test]
async fn bytes_travel_both_ways_mixed_with_json() {
    let server = Peer::node("servers.mjs", &[]);
    for options in [websocket(), polling()] {
        let (client, mut events) = connected(&server.url("/"), options).await;
        let contents: Vec<Vec<u8>> = (0..5u8)
            .map(|n| (0..1_000 * usize::from(n)).map(|at| (at % 256) as u8 ^ n).collect())
            .collect();
        let mut arguments = Arguments::new();
        let files: Vec<_> =
            contents.iter().map(|content| arguments.attach(content.clone())).collect();
        arguments.push(&json!({"title": "five", "files": files})).unwrap();

        within(client.emit("echo back", arguments.clone())).await.unwrap();
        let event = event(&mut events).await;
        let read: Files = event.data().unwrap();
        assert_eq!(read.title, "five");
        for (place, content) in read.files.iter().zip(&contents) {
            assert_eq!(event.attachments()[place.index()], content[..]);
        }

        let answer = client.emit_with_ack("echo", arguments.clone(), CallOptions::default());
        let answer = within(answer).await.unwrap();
        let read: Files = answer.data().unwrap();
        for (place, content) in read.files.iter().zip(&contents) {
            assert_eq!(answer.attachments[place.index()], content[..]);
        }

        // The server's question, and our answer, with bytes.
        within(client.emit("ask me", arguments.clone())).await.unwrap();
        let question = crate::support::event(&mut events).await;
        assert_eq!(question.attachments().len(), 5);
        within(client.answer(&question, arguments)).await.unwrap();
        let echoed = crate::support::event(&mut events).await;
        assert_eq!(echoed.kind().unwrap(), "answer was");
        assert_eq!(echoed.attachments()[4], contents[4][..]);
        client.close().await;
    }
}

#[tokio::test]
async fn a_wire_that_dies_inside_a_binary_packet_gives_nothing_of_it() {
    let server = Peer::node("servers.mjs", &[]);
    for options in [websocket(), polling()] {
        let proxy = Proxy::start(server.address()).await.unwrap();
        let (client, mut events) =
            connected(&format!("http://{}/", proxy.address()), options).await;
        let mut size = Arguments::of(&50_000).unwrap();
        size.push(&3).unwrap();
        for bytes in [70, 20_000, 50_100, 90_000, 149_000] {
            proxy.cut_after(bytes);
            let _ = client.emit("big binary", size.clone()).await;
            // The next thing is the gap, never a part of an event.
            match within(events.next()).await {
                Some(ClientEvent::Gap(_)) => {}
                other => panic!("after {bytes} bytes: {other:?}"),
            }
        }
        let whole = tokio::spawn({
            let client = client.clone();
            async move { client.emit("big binary", size).await }
        });
        let event = event(&mut events).await;
        assert_eq!(event.attachments().len(), 3);
        assert!(
            event
                .attachments()
                .iter()
                .zip(0u8..)
                .all(|(bytes, n)| { bytes.len() == 50_000 && bytes.iter().all(|byte| *byte == n) })
        );
        assert_eq!(within(whole).await.unwrap(), Ok(()));
        assert!(matches!(client.state().get(), State::Connected));
        client.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_answers_find_their_callers() {
    let server = Peer::node("servers.mjs", &[]);
    let client = crate::support::builder(&server.url("/"), websocket()).max_calls(10_000);
    let client = client.build().unwrap();
    within(client.connect()).await.unwrap();
    let calls: Vec<_> = (0..10_000u32)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                // The answers come back in another order than they were asked for.
                let mut arguments = Arguments::of(&(n.wrapping_mul(7_919) % 500)).unwrap();
                arguments.push(&json!({"n": n})).unwrap();
                let answer = client
                    .emit_with_ack("answer me late", arguments, CallOptions::default())
                    .await
                    .unwrap();
                (n, answer.data::<Value>().unwrap())
            })
        })
        .collect();
    let mut right = 0;
    for call in calls {
        let (n, answer) = within(call).await.unwrap();
        assert_eq!(answer, json!({"n": n}));
        right += 1;
    }
    assert_eq!(right, 10_000);
    client.close().await;
}
