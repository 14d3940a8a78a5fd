//! Servers that leave: clients go elsewhere before they have to, or wait and come back.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use staywire::{GapReason, JoinFrom, PublishError, RoomEvent, State};
use staywire_chaos::Proxy;
use staywire_server::Server;
use staywire_server::bus::memory::{DedupBounds, HistoryBounds, MemoryBus};
use staywire_server::config::{Config, Secret};
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{End, Peer, http};
use crate::support::{
    Told, account, builder, config, connect, next, publish, read_to, rig, serve, token, until,
    within,
};

/// The configuration of servers that trust the same tokens.
fn shared() -> Config {
    let mut config = config();
    config.auth.hs256_secret = Some(Secret::new("a shared secret of no less than 32 bytes"));
    config
}

/// Two servers over one store, and a proxy to the first.
async fn pair() -> (Server, Server, Proxy) {
    let history = HistoryBounds { events: 10_000, bytes: 16 << 20, max_age_ms: 3_600_000 };
    let dedup = DedupBounds { entries: 1_000, max_age_ms: 600_000 };
    let bus = Arc::new(MemoryBus::new("shared", history, dedup));
    let first = Server::start_on(shared(), bus.clone()).await.unwrap();
    let second = Server::start_on(shared(), bus).await.unwrap();
    let proxy = Proxy::start(first.address()).await.unwrap();
    (first, second, proxy)
}

async fn ready(server: &Server) -> u16 {
    http("GET", format!("http://{}/readyz", server.address()), vec![]).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_client_is_told_a_moment_of_its_own() {
    const CLIENTS: usize = 50;
    let mut config = config();
    config.drain.window_ms = 10_000;
    let server = serve(config).await;
    let mut peers = Vec::new();
    for number in 0..CLIENTS {
        let bearer = format!("Bearer {}", token(&server, &format!("user-{number}")));
        let headers =
            [("authorization", bearer.as_str()), ("sec-websocket-protocol", "staywire.v1")];
        let mut peer = Peer::open(server.address(), "/ws/ai/chat", &headers).await;
        peer.send(r#"{"type":"hello","data":{"instance":"i","producer":"p"}}"#).await;
        peer.receive_kind("welcome").await;
        peers.push(peer);
    }
    let leaving = server.clone();
    let left = tokio::spawn(async move { leaving.shut_down().await });
    let mut moments = Vec::new();
    for mut peer in peers {
        let goaway = peer.receive_kind("goaway").await;
        assert_eq!(goaway["data"]["reason"], "drain");
        moments.push(goaway["data"]["reconnect_after_ms"].as_u64().unwrap());
    }
    moments.sort_unstable();
    assert!(*moments.last().unwrap() < 10_000, "within the window: {moments:?}");
    // The middle half of them would miss a quarter of the window once in a billion runs.
    assert!(moments.iter().any(|at| *at < 5_000) && moments.iter().any(|at| *at >= 5_000));
    moments.dedup();
    assert!(moments.len() > CLIENTS / 2, "spread out: {moments:?}");
    // Everybody is gone: there is nothing left to wait for.
    within("the end", left).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_move_to_another_server_without_missing_anything() {
    const CLIENTS: usize = 10;
    const EVENTS: u64 = 2_000;
    let (first, second, proxy) = pair().await;
    let mut readers = Vec::new();
    for device in 0..CLIENTS {
        let client = connect(&first, proxy.address(), &format!("user-{device}")).await;
        let mut room = client.join("chat:1").await.unwrap();
        readers.push(tokio::spawn(async move {
            let mut state = client.state();
            state.wait_for(|_| true).await;
            let told = read_to(&mut room, EVENTS).await;
            let unseen = tokio::time::timeout(Duration::ZERO, state.changed()).await;
            assert!(unseen.is_err(), "it never left `connected`: {unseen:?}");
            (client, room, told)
        }));
    }
    assert_eq!(ready(&first).await, 200);
    proxy.set_upstream(second.address());
    let publisher = tokio::spawn({
        let second = second.clone();
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            for at in (1..=EVENTS).step_by(10) {
                ticks.tick().await;
                publish(&second, "chat:1", at..=at + 9).await;
            }
        }
    });
    let draining = tokio::spawn({
        let first = first.clone();
        async move { first.drain().await }
    });
    until("it drains", || first.gate().check_open().is_err()).await;
    assert_eq!((ready(&first).await, ready(&second).await), (503, 200));
    within("the first server is empty", draining).await.unwrap();
    assert_eq!(first.connections(), 0);
    first.stop().await;
    publisher.await.unwrap();
    let mut kept = Vec::new();
    for reader in readers {
        let (client, room, told) = within("a reader", reader).await.unwrap();
        assert_eq!(account(&told, 1..=EVENTS), 0);
        kept.push((client, room));
    }
    assert_eq!(second.connections(), CLIENTS);
    assert_eq!(proxy.accepted(), 2 * CLIENTS, "each made one link and broke one");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_in_the_middle_of_a_drain_loses_nothing() {
    for bytes in [1, 40, 130, 200, 300, 450, 600] {
        let (first, second, proxy) = pair().await;
        let client = connect(&first, proxy.address(), "ada").await;
        let mut room = client.join("chat:1").await.unwrap();
        publish(&second, "chat:1", 1..=20).await;
        proxy.set_upstream(second.address());
        // Cuts the old link, the goaway on it, or the new link at some point of its beginning.
        proxy.cut_after(bytes);
        let draining = tokio::spawn({
            let first = first.clone();
            async move { first.drain().await }
        });
        let (told, ()) = tokio::join!(read_to(&mut room, 60), publish(&second, "chat:1", 21..=60));
        assert_eq!(account(&told, 1..=60), 0, "cut after {bytes}");
        within("draining", draining).await.unwrap();
        first.stop().await;
        until("it is at the second", || second.connections() == 1).await;
        second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_while_a_server_drains_takes_effect_once() {
    let (first, second, proxy) = pair().await;
    let client = connect(&first, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    proxy.set_upstream(second.address());
    let draining = tokio::spawn({
        let first = first.clone();
        async move { first.shut_down().await }
    });
    for n in 1..=300_u64 {
        let published = within("publishing", client.publish("chat:1", "n", &n)).await.unwrap();
        assert_eq!(published.offset, n);
    }
    within("the first is gone", draining).await.unwrap();
    assert_eq!(account(&read_to(&mut room, 300).await, 1..=300), 0);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_server_leaves_and_its_clients_come_back_to_its_successor() {
    let (old, proxy) = rig(shared()).await;
    let client = connect(&old, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    publish(&old, "chat:1", 1..=5).await;
    assert_eq!(account(&read_to(&mut room, 5).await, 1..=5), 0);
    let links = proxy.accepted();
    within("the old one leaves", old.shut_down()).await;
    assert!(proxy.accepted() - links <= 2, "told to stay away, it hardly knocks");
    let mut state = client.state();
    let away = |state: &State| matches!(state, State::Reconnecting { .. });
    within("it is away", state.wait_for(away)).await.unwrap();
    // Made while there is no server at all.
    let publishing = tokio::spawn({
        let client = client.clone();
        async move { client.publish("chat:1", "n", &1).await }
    });

    let new = serve(shared()).await;
    proxy.set_upstream(new.address());
    let published = within("publishing", publishing).await.unwrap().unwrap();
    assert_eq!(published.offset, 1, "never sent before, so safe to send");
    assert_eq!(next(&mut room).await, Told::Gap(0, 0, GapReason::NewEpoch));
    assert_eq!(next(&mut room).await, Told::Event(1, 1.into()));
    assert_eq!(room.position(), (published.epoch, 1));
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_that_a_lost_server_may_have_taken_is_uncertain() {
    let (old, proxy) = rig(shared()).await;
    let client = connect(&old, proxy.address(), "ada").await;
    // Heard by the server, and its answer is cut off: nobody on this side can tell.
    proxy.cut_after(1);
    proxy.refuse(true);
    let sent = tokio::spawn({
        let client = client.clone();
        async move { client.publish("chat:1", "n", &1).await }
    });
    let mut state = client.state();
    let away = state.wait_for(|state| matches!(state, State::Reconnecting { .. }));
    within("it is away", away).await.unwrap();
    let unsent = tokio::spawn({
        let client = client.clone();
        async move { client.publish("chat:1", "n", &2).await }
    });
    old.stop().await;
    let new = serve(shared()).await;
    proxy.set_upstream(new.address());
    proxy.refuse(false);
    let lost = within("the first", sent).await.unwrap();
    assert_eq!(lost.unwrap_err(), PublishError::Uncertain);
    assert_eq!(within("the second", unsent).await.unwrap().unwrap().offset, 1);
    let mut room = client.join_from("chat:1", JoinFrom::History(10)).await.unwrap();
    let Some(RoomEvent::Event(event)) = room.next().await else { panic!("no event") };
    assert_eq!(event.data(), Ok(2), "the uncertain one was not sent again");
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_at_once_says_so() {
    let (server, proxy) = rig(config()).await;
    let client = builder(proxy.address()).token(token(&server, "ada")).build().unwrap();
    client.connect().await.unwrap();
    let mut state = client.state();
    within("stopping", server.stop()).await;
    within("stopping twice", server.stop()).await;
    let told = |state: &State| {
        matches!(state, State::Reconnecting { cause: staywire::Cause::Unavailable, .. })
    };
    within("the cause", state.wait_for(told)).await.unwrap();
    assert!(tokio::net::TcpStream::connect(server.address()).await.is_err(), "the port is free");
}

/// A connection whose client asks and asks, and reads no answer, until nobody reads its questions.
async fn clogged(server: &Server) -> Peer {
    let bearer = format!("Bearer {}", token(server, "mallory"));
    let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "staywire.v1")];
    let mut peer = Peer::open(server.address(), "/ws/ai/chat", &headers).await;
    peer.send(r#"{"type":"hello","data":{"instance":"i","producer":"p"}}"#).await;
    peer.receive_kind("welcome").await;
    // Small questions, larger answers.
    let method = "x".repeat(60);
    for id in 1_u32.. {
        let call = Message::Text(format!(r#"{{"type":"{method}","id":{id}}}"#).into());
        let sent = tokio::time::timeout(Duration::from_secs(1), peer.send_raw(call)).await;
        match sent {
            Ok(sent) => sent.unwrap(),
            Err(_) => break,
        }
    }
    peer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_holds_up_no_drain() {
    let mut config = config();
    config.limits.max_frame_bytes = 64 * 1024;
    config.limits.outbound_queue_bytes = 64 * 1024;
    config.limits.commands_per_second = NonZeroU32::new(1_000_000).unwrap();
    config.limits.commands_burst = NonZeroU32::new(1_000_000).unwrap();
    (config.drain.window_ms, config.drain.grace_ms) = (100, 5_000);
    let server = serve(config).await;
    let (mut late, deaf) = tokio::join!(clogged(&server), clogged(&server));
    let leaving = tokio::spawn({
        let server = server.clone();
        async move { server.shut_down().await }
    });
    until("it drains", || server.gate().check_open().is_err()).await;
    // Who begins to read is told as everybody was, if it is through with what waits soon enough.
    let told = async {
        loop {
            let frame = late.receive_text().await.unwrap();
            if frame.contains(r#""type":"goaway""#) {
                return late.refusal().await;
            }
        }
    };
    let (error, end) = told.await;
    assert_eq!(error["code"], "draining");
    assert_eq!(end, End::Closed { code: 4503, reason: "draining".to_owned() });
    within("the server leaves", leaving).await.unwrap();
    assert_eq!(server.connections(), 0, "and nobody stays behind");
    drop(deaf);
}
