//! Lost connections: what is missed is said, what was sent is known or said to be uncertain.

use std::time::Duration;

use serde_json::{Value, json};
use staywire::{CallError, CallOptions, Cause, ClientEvent, Events, GapReason, State};
use staywire_chaos::Proxy;
use staywire_interop::Peer;

use crate::support::{DEADLINE, builder, connected, polling, told, websocket, within};

async fn through(server: &Peer) -> (Proxy, String) {
    let proxy = Proxy::start(server.address()).await.unwrap();
    let url = format!("http://{}/", proxy.address());
    (proxy, url)
}

/// The next thing that is told is a gap of no room.
async fn gap(events: &mut Events) {
    match within(events.next()).await {
        Some(ClientEvent::Gap(gap)) => {
            assert_eq!((gap.reason, gap.room), (GapReason::Unprovable, None));
        }
        other => panic!("no gap but {other:?}"),
    }
}

#[tokio::test]
async fn without_recovery_every_reconnect_is_a_gap() {
    let server = Peer::node("servers.mjs", &[]);
    for options in [websocket(), polling()] {
        let (proxy, url) = through(&server).await;
        let (client, mut events) = connected(&url, options).await;
        within(client.send("echo back", &1)).await.unwrap();
        assert_eq!(told(&mut events).await.1, json!(1));
        for _ in 0..3 {
            proxy.cut();
            gap(&mut events).await;
        }
        within(client.send("echo back", &2)).await.unwrap();
        assert_eq!(told(&mut events).await.1, json!(2));
        client.close().await;
    }
}

#[tokio::test]
async fn with_the_servers_recovery_nothing_is_missed_and_nothing_is_said() {
    // A server that is polled finds out by its pings that nobody polls any more.
    let times = ["recovery=on", "pingInterval=200", "pingTimeout=300"];
    let mut server = Peer::node("servers.mjs", &times);
    for options in [websocket(), polling()] {
        let (proxy, url) = through(&server).await;
        let (client, mut events) = connected(&url, options).await;
        within(client.send("tell everyone", &"n0")).await.unwrap();
        assert_eq!(told(&mut events).await, ("n0".to_owned(), Value::Null));
        for round in 1..=3 {
            // Nobody is there while these are told.
            proxy.refuse(true);
            proxy.cut();
            let mut state = client.state();
            within(state.wait_for(|state| !matches!(state, State::Connected))).await.unwrap();
            loop {
                server.tell(r#"{"do":"clients"}"#);
                if server.hear() == "0" {
                    break;
                }
            }
            let (from, to) = (round * 100 + 1, round * 100 + 100);
            server.tell(&json!({"do": "emit many", "from": from, "to": to}).to_string());
            server.tell(r#"{"do":"clients"}"#);
            assert_eq!(server.hear(), "0");
            proxy.refuse(false);
            for n in from..=to {
                assert_eq!(told(&mut events).await, ("n".to_owned(), json!({"n": n})));
            }
        }
        client.close().await;
    }
}

#[tokio::test]
async fn a_recovery_that_comes_too_late_is_a_gap() {
    let server = Peer::node("servers.mjs", &["recovery=on"]);
    let (proxy, url) = through(&server).await;
    let (client, mut events) = connected(&url, websocket()).await;
    within(client.send("tell everyone", &"n0")).await.unwrap();
    told(&mut events).await;
    // Another process knows nothing of the session.
    let other = Peer::node("servers.mjs", &["recovery=on"]);
    proxy.set_upstream(other.address());
    proxy.cut();
    gap(&mut events).await;
    client.close().await;
}

#[tokio::test]
async fn a_call_in_flight_is_interrupted_unless_it_may_be_repeated() {
    let server = Peer::node("servers.mjs", &[]);
    let (proxy, url) = through(&server).await;
    let (client, _events) = connected(&url, websocket()).await;
    let once = tokio::spawn({
        let client = client.clone();
        async move { client.call::<_, Value>("never answers", &1).await }
    });
    let again = tokio::spawn({
        let client = client.clone();
        let options = CallOptions { idempotent: true, timeout: DEADLINE };
        async move { client.call_with::<_, Value>("echo", &"again", options).await }
    });
    assert_eq!(within(again).await.unwrap(), Ok(json!("again")));
    proxy.cut();
    assert_eq!(within(once).await.unwrap(), Err(CallError::Interrupted));
    let late = CallOptions { timeout: Duration::from_millis(50), ..CallOptions::default() };
    let late = client.call_with::<_, Value>("never answers", &2, late);
    assert_eq!(within(late).await, Err(CallError::TimedOut));
    client.close().await;
}

#[tokio::test]
async fn a_silent_server_is_dead_after_its_own_times() {
    let server = Peer::node("servers.mjs", &["pingInterval=300", "pingTimeout=300"]);
    let (proxy, url) = through(&server).await;
    let (client, _events) = connected(&url, websocket()).await;
    let mut state = client.state();
    // It lives as long as it pings.
    let lost = state.wait_for(|state| !matches!(state, State::Connected));
    assert!(tokio::time::timeout(Duration::from_millis(1_500), lost).await.is_err());
    proxy.stall(true);
    let reconnecting =
        |state: &State| matches!(state, State::Reconnecting { cause: Cause::PeerDead, .. });
    within(state.wait_for(reconnecting)).await.unwrap();
    proxy.cut();
    proxy.stall(false);
    within(state.wait_for(|state| matches!(state, State::Connected))).await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn a_disconnect_of_the_server_is_final_and_a_lost_transport_is_not() {
    let server = Peer::node("servers.mjs", &[]);
    for word in ["kick", "kick the connection"] {
        let (client, mut events) = connected(&server.url("/"), websocket()).await;
        client.send("echo back", &1).await.unwrap();
        told(&mut events).await;
        let _ = client.send(word, &1).await;
        let closed = State::Closed { reason: Cause::Dismissed };
        within(client.state().wait_for(|state| *state == closed)).await.unwrap();
        assert!(within(events.next()).await.is_none());
    }
    let returning = websocket().return_when_dismissed(true);
    let (client, mut events) = connected(&server.url("/"), returning).await;
    let _ = client.send("kick", &1).await;
    gap(&mut events).await;
    client.close().await;

    let (client, mut events) = connected(&server.url("/"), websocket()).await;
    let _ = client.send("drop the connection", &1).await;
    gap(&mut events).await;
    client.close().await;
}

#[tokio::test]
async fn what_is_emitted_offline_goes_out_in_order_when_the_server_is_back() {
    let server = Peer::node("servers.mjs", &[]);
    for options in [websocket(), polling()] {
        let (proxy, url) = through(&server).await;
        let client = builder(&url, options).outbox(1_000, 1 << 20, Default::default());
        let client = client.build().unwrap();
        within(client.connect()).await.unwrap();
        proxy.refuse(true);
        proxy.cut();
        within(client.state().wait_for(|state| !matches!(state, State::Connected))).await.unwrap();
        let name = proxy.address().port();
        let sends: Vec<_> = (0..1_000)
            .map(|n| {
                let client = client.clone();
                async move { client.send("record", &json!([name, n])).await }
            })
            .collect();
        let sends = tokio::spawn(futures(sends));
        assert!(!client.emit_volatile("record", Default::default()).await, "nobody is there");
        proxy.refuse(false);
        for sent in within(sends).await.unwrap() {
            assert_eq!(sent, Ok(()));
        }
        let arrived: Vec<Value> =
            within(client.emit_with_ack("arrived", Default::default(), CallOptions::default()))
                .await
                .unwrap()
                .data()
                .unwrap();
        let arrived: Vec<_> = arrived.into_iter().filter(|value| value[0] == name).collect();
        let expected: Vec<_> = (0..1_000).map(|n| json!([name, n])).collect();
        assert_eq!(arrived, expected);
        client.close().await;
    }
}

#[tokio::test]
async fn over_a_wire_that_is_cut_every_100_kib_each_send_arrived_once_or_is_uncertain() {
    let server = Peer::node("servers.mjs", &[]);
    for options in [websocket(), polling()] {
        let (proxy, url) = through(&server).await;
        let client = builder(&url, options).outbox(10_000, 64 << 20, Default::default());
        let client = client.build().unwrap();
        within(client.connect()).await.unwrap();
        let name = proxy.address().port();
        // Every 100 KiB that come back, the connection dies in the midst of a packet.
        let padding = "x".repeat(1_000);
        let mut sent = Vec::new();
        let mut answered = 0;
        for round in 0..10 {
            proxy.cut_after(100 << 10);
            let (sends, calls): (Vec<_>, Vec<_>) = (0..300)
                .map(|n| {
                    let (sender, caller) = (client.clone(), client.clone());
                    let (value, padding) = (json!([name, round * 300 + n]), padding.clone());
                    (async move { sender.send("record", &value).await }, async move {
                        let echo = json!([n, padding]);
                        let idempotent = CallOptions { idempotent: true, timeout: DEADLINE };
                        let answer: Result<Value, _> =
                            caller.call_with("echo", &echo, idempotent).await;
                        answer == Ok(echo)
                    })
                })
                .unzip();
            let (sends, calls) = within(async {
                tokio::join!(tokio::spawn(futures(sends)), tokio::spawn(futures(calls)))
            })
            .await;
            sent.extend(sends.unwrap());
            answered += calls.unwrap().into_iter().filter(|answered| *answered).count();
        }
        assert_eq!(answered, 3_000, "a call that may be repeated is always answered");
        let arrived: Vec<Value> =
            within(client.emit_with_ack("arrived", Default::default(), CallOptions::default()))
                .await
                .unwrap()
                .data()
                .unwrap();
        let (mut proven, mut uncertain, mut lost) = (0, 0, 0);
        for (n, outcome) in sent.iter().enumerate() {
            let count = arrived.iter().filter(|value| **value == json!([name, n])).count();
            assert!(count <= 1, "{n} arrived {count} times");
            match outcome {
                Ok(()) => {
                    proven += 1;
                    assert_eq!(count, 1, "{n} was said to have arrived");
                }
                Err(staywire::SendError::Uncertain) => {
                    uncertain += 1;
                    lost += usize::from(count == 0);
                }
                other => panic!("{n}: {other:?}"),
            }
        }
        println!(
            "{proven} proven, {uncertain} uncertain, of which {lost} did not arrive; 0 lost in silence; {} connections",
            proxy.accepted()
        );
        assert!(proxy.accepted() >= 10, "the wire was cut {} times", proxy.accepted());
        assert!(proven > 1_000);
        client.close().await;
    }
}

/// All of them, begun in order.
async fn futures<T: Send + 'static>(all: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let tasks: Vec<_> = all.into_iter().map(tokio::spawn).collect();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}
